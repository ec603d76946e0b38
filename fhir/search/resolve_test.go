package search

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

// memory is a Source over a few resources, in pages of size.
type memory struct {
	list  []Found
	size  int
	asked int
	err   error
}

func newMemory(t *testing.T, texts ...string) *memory {
	t.Helper()
	m := &memory{size: 2}
	for _, text := range texts {
		r := resource(t, text)
		m.list = append(m.list, Found{Ref{r.Type(), r.ID()}, r.JSON()})
	}
	return m
}

func (m *memory) Search(_ context.Context, q *Query) ([]Found, string, error) {
	m.asked++
	if m.err != nil {
		return nil, "", m.err
	}
	var page []Found
	from, _ := strconv.Atoi(q.Cursor)
	for i, f := range m.list {
		if i < from || f.Type != q.Type {
			continue
		}
		r, err := fhir.Parse(f.Body)
		if err != nil {
			return nil, "", err
		}
		if !Match(q, f.ID, 0, Extract(r, testOptions)) {
			continue
		}
		if len(page) == min(m.size, q.Count) {
			return page, strconv.Itoa(i), nil
		}
		page = append(page, f)
	}
	return page, "", nil
}

func (m *memory) GetMany(_ context.Context, refs []Ref) ([]Found, error) {
	var out []Found
	for _, f := range m.list {
		if slices.Contains(refs, f.Ref) {
			out = append(out, f)
		}
	}
	return out, m.err
}

// clinic is a diary of two slots with its service, a booking and a form.
func clinic(t *testing.T) *memory {
	return newMemory(t,
		`{"resourceType":"Organization","id":"o1","name":"Trust","identifier":[{"value":"RX1"}]}`,
		`{"resourceType":"HealthcareService","id":"h1","name":"Eyes","providedBy":{"reference":"Organization/o1"}}`,
		`{"resourceType":"HealthcareService","id":"h2","name":"Ears"}`,
		`{"resourceType":"Schedule","id":"d1","actor":[{"reference":"https://onward.example/FHIR/R4/HealthcareService/h1"}]}`,
		`{"resourceType":"Schedule","id":"d2","actor":[{"reference":"HealthcareService/h2"}]}`,
		`{"resourceType":"Slot","id":"s1","status":"busy","schedule":{"reference":"Schedule/d1"}}`,
		`{"resourceType":"Slot","id":"s2","status":"free","schedule":{"reference":"Schedule/d1"}}`,
		`{"resourceType":"Slot","id":"s3","status":"free","schedule":{"reference":"Schedule/d2"}}`,
		`{"resourceType":"Patient","id":"p1","name":[{"family":"Smith"}],"gender":"female"}`,
		`{"resourceType":"Patient","id":"p2","name":[{"family":"Jones"}],"link":[{"other":{"reference":"Patient/p1"}}]}`,
		`{"resourceType":"Appointment","id":"a1","status":"booked","slot":[{"reference":"Slot/s1"}],"participant":[{"actor":{"reference":"Patient/p1"}},{"actor":{"reference":"HealthcareService/h1"}}]}`,
		`{"resourceType":"Appointment","id":"a2","status":"cancelled","slot":[{"reference":"Slot/s3/_history/2"}],"participant":[{"actor":{"reference":"https://other.example/Patient/p1"}}]}`,
		`{"resourceType":"Questionnaire","id":"q1","url":"https://q.example/q","version":"2","status":"active","title":"Pain"}`,
		`{"resourceType":"QuestionnaireResponse","id":"r1","status":"completed","questionnaire":"https://q.example/q|2","subject":{"reference":"Patient/p1"}}`,
		`{"resourceType":"QuestionnaireResponse","id":"r2","status":"amended","questionnaire":"https://q.example/q|1","subject":{"reference":"Patient/p2"}}`,
	)
}

var offered = Options{Base: testOptions.Base, Canonical: foldSystem, Now: testOptions.Now, ReverseChains: true, Includes: true, Subsets: true}

func idsOf(found []Found) string {
	var ids []string
	for _, f := range found {
		ids = append(ids, f.ID)
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

func TestChainsAreFollowedForwardAndBackwardToAnyDepth(t *testing.T) {
	for _, c := range []struct{ typ, query, want string }{
		{"Slot", "schedule.actor:HealthcareService=h1", "s1 s2"},
		{"Slot", "schedule.actor:HealthcareService.name=eyes", "s1 s2"},
		{"Slot", "schedule.actor.name=e", "s1 s2 s3"},
		{"Slot", "schedule.actor:HealthcareService.organization.name=trust", "s1 s2"},
		{"Slot", "schedule.actor:HealthcareService.organization.identifier=RX1&status=free", "s2"},
		{"Slot", "schedule.actor:HealthcareService.organization:missing=true", "s3"},
		{"Slot", "schedule.actor:HealthcareService.name=nose", ""},
		{"Appointment", "slot.schedule.actor:HealthcareService.organization.name=trust", "a1"},
		{"Appointment", "patient.gender:not=male", "a1"},
		{"Patient", "_has:Appointment:patient:status=booked", "p1"},
		{"Patient", "_has:Appointment:patient:status=cancelled", ""},
		{"Patient", "_has:Appointment:actor:slot.schedule.actor:HealthcareService.name=eyes", "p1"},
		{"Patient", "_has:Appointment:patient:status:not=booked", ""},
		{"Slot", "_has:Appointment:slot:_id=a2", "s3"},
		{"Slot", "_has:Appointment:slot:status=booked,cancelled", "s1 s3"},
		{"Schedule", "_has:Slot:schedule:_has:Appointment:slot:status=booked", "d1"},
		{"HealthcareService", "_has:Schedule:actor:_has:Slot:schedule:_has:Appointment:slot:patient.name=smith", "h1"},
		{"Slot", "schedule._has:Slot:schedule:status=busy", "s1 s2"},
		{"Patient", "_has:Patient:link:name=jones", "p1"},
		{"Questionnaire", "_has:QuestionnaireResponse:questionnaire:status=completed", "q1"},
		{"QuestionnaireResponse", "questionnaire.title=pain", "r1 r2"},
		{"Slot", "_has:Appointment:slot:status=booked&status=free", ""},
	} {
		t.Run(c.typ+"?"+c.query, func(t *testing.T) {
			m := clinic(t)
			p, err := Parse(c.typ, c.query, offered)
			require.NoError(t, err)
			q, err := Resolve(t.Context(), p.Query, offered, m)
			require.NoError(t, err)
			found, err := everything(t.Context(), m, q, 100, nil)
			require.NoError(t, err)
			require.Equal(t, c.want, idsOf(found))
		})
	}
}

func TestHasIsRefusedWhereItMakesNoSense(t *testing.T) {
	for query, says := range map[string]string{
		"_has=x": "divided by colons", "_has:Appointment=x": "divided by colons", "_has:Appointment:slot=x": "divided by colons", "_has:Appointment:slot:=x": "divided by colons",
		"_has:Basic:slot:code=x": "isn't one that is held", "_has:Appointment:patient:status=x": "no such reference", "_has:Appointment:status:status=x": "no such reference",
		"_has:Appointment:nothing:status=x": "no such reference", "_has:Appointment:slot:colour=x": "colour",
		"_has:Appointment:slot:_has:Slot:status:status=x": "no such reference",
	} {
		_, err := Parse("Slot", query, offered)
		require.Error(t, err, query)
		require.Equal(t, fhir.KindNotSupported, fhir.AsOutcome(err).Kind, query)
		require.Contains(t, err.Error(), says, query)
	}
}

func TestAChainWithoutATypeSkipsTypesInWhichItsRestLeadsNowhere(t *testing.T) {
	p, err := Parse("Task", "focus.subject:Location.name=x", offered)
	require.NoError(t, err)
	var types []string
	for _, n := range p.Query.Where.(Or) {
		types = append(types, n.(Chain).Query.Type)
	}
	require.Equal(t, []string{"Flag", "Observation", "QuestionnaireResponse", "ServiceRequest", "Task"}, types)
}

func TestChainsAreBounded(t *testing.T) {
	link := strings.Repeat("part-of.", MaxLinks)
	_, err := Parse("Task", link+"status=draft", offered)
	require.NoError(t, err)
	for _, query := range []string{
		"part-of." + link + "status=draft",
		strings.Repeat("_has:Task:part-of:", MaxLinks+1) + "status=draft",
		strings.Repeat("focus.", MaxLinks) + "status=draft",
		strings.Repeat("focus.based-on.", MaxLinks/2) + "subject.name=x",
	} {
		_, err = Parse("Task", query, offered)
		require.Error(t, err, query)
		require.Equal(t, fhir.KindTooCostly, fhir.AsOutcome(err).Kind, "%s: %v", query, err)
	}
}

func TestAChainThatFindsTooMuchIsTooCostly(t *testing.T) {
	m := &memory{size: MaxCount}
	for i := range MaxTerms + 1 {
		id := "s" + strconv.Itoa(i)
		m.list = append(m.list, Found{Ref{"Task", id}, fmt.Appendf(nil, `{"resourceType":"Task","id":%q}`, id)})
	}
	for _, query := range []string{"part-of.status:not=x", "_has:Task:part-of:status:not=x"} {
		p, err := Parse("Task", query, offered)
		require.NoError(t, err)
		_, err = Resolve(t.Context(), p.Query, offered, endless{m})
		require.Error(t, err)
		require.Equal(t, fhir.KindTooCostly, fhir.AsOutcome(err).Kind)
	}
	broken := errors.New("broken")
	p, err := Parse("Task", "part-of.status=x", offered)
	require.NoError(t, err)
	_, err = Resolve(t.Context(), p.Query, offered, &memory{err: broken})
	require.ErrorIs(t, err, broken)
}

// endless finds everything in one list, whatever is asked for.
type endless struct{ *memory }

func (e endless) Search(_ context.Context, q *Query) ([]Found, string, error) {
	from, _ := strconv.Atoi(q.Cursor)
	to := min(from+q.Count, len(e.list))
	if to == len(e.list) {
		return e.list[from:to], "", nil
	}
	return e.list[from:to], strconv.Itoa(to), nil
}

func TestResolveLeavesTheQuestionAsItWas(t *testing.T) {
	p, err := Parse("Slot", "schedule.actor:HealthcareService=h1&_sort=start", offered)
	require.NoError(t, err)
	_, err = Resolve(t.Context(), p.Query, offered, clinic(t))
	require.NoError(t, err)
	require.IsType(t, Chain{}, p.Query.Where)
}

func TestAReverseChainFindsRecordsOfItsOwnTypeOnly(t *testing.T) {
	m := newMemory(t, `{"resourceType":"Patient","id":"x"}`, `{"resourceType":"HealthcareService","id":"x"}`,
		`{"resourceType":"Schedule","id":"d","active":true,"actor":[{"reference":"Patient/x"}]}`)
	for typ, want := range map[string]Node{"Patient": IDs{"x"}, "HealthcareService": IDs{}} {
		p, err := Parse(typ, "_has:Schedule:actor:active=true", offered)
		require.NoError(t, err)
		q, err := Resolve(t.Context(), p.Query, offered, m)
		require.NoError(t, err)
		require.Equal(t, want, q.Where)
	}
}
