package search

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

func TestIncludesBringWhatTheyName(t *testing.T) {
	for _, c := range []struct{ typ, query, want string }{
		{"Slot", "_id=s1&_include=Slot:schedule", "d1"},
		{"Slot", "_include=Slot:schedule", "d1 d2"},
		{"Slot", "_id=s1&_include=Slot:schedule:Schedule", "d1"},
		{"Slot", "_id=s1&_include=Slot:*", "d1"},
		{"Slot", "_id=s1&_include=*", "d1"},
		{"Slot", "_id=s1&_include=Slot:schedule&_include:iterate=Schedule:actor", "d1 h1"},
		{"Slot", "_id=s1&_include:iterate=Schedule:actor", ""},
		{"Slot", "_id=s1&_include=Slot:schedule&_include:iterate=Schedule:actor:Location", "d1"},
		{"Slot", "_id=s1&_include=Slot:schedule&_include:iterate=Schedule:actor:HealthcareService&_include:iterate=HealthcareService:organization", "d1 h1 o1"},
		{"Slot", "_id=s1&_include:iterate=*", "d1 h1 o1"},
		{"Slot", "_id=s1&_revinclude=Appointment:slot", "a1"},
		{"Slot", "_id=s3&_revinclude=Appointment:slot:Slot", "a2"},
		{"Slot", "_id=s1&_revinclude=Appointment:*", "a1"},
		{"Slot", "_id=s1&_revinclude=Appointment:slot&_include:iterate=Appointment:patient", "a1 p1"},
		{"Schedule", "_id=d1&_revinclude=Slot:schedule&_revinclude:iterate=Appointment:slot", "a1 s1 s2"},
		{"Appointment", "_include=Appointment:patient", "p1"},
		{"Appointment", "_id=a1&_include=Appointment:actor", "h1 p1"},
		{"Appointment", "_id=a1&_include=Appointment:actor:Patient", "p1"},
		{"Patient", "_id=p2&_include:iterate=Patient:link", "p1"},
		{"Patient", "_include=Patient:link", ""},
		{"QuestionnaireResponse", "_include=QuestionnaireResponse:questionnaire", "q1"},
		{"QuestionnaireResponse", "_id=r2&_include=QuestionnaireResponse:questionnaire", ""},
		{"Questionnaire", "_revinclude=QuestionnaireResponse:questionnaire", "r1 r2"},
		{"Slot", "_id=none&_include=Slot:schedule", ""},
		{"Slot", "_id=s1&_revinclude=*", "a1"},
		{"Schedule", "_id=d1&_revinclude=*&_revinclude:iterate=Appointment:slot", "a1 s1 s2"},
	} {
		t.Run(c.typ+"?"+c.query, func(t *testing.T) {
			m := clinic(t)
			p, err := Parse(c.typ, c.query, offered)
			require.NoError(t, err)
			matches, err := everything(t.Context(), m, p.Query, 100, nil)
			require.NoError(t, err)
			found, err := Included(t.Context(), matches, p.Includes, offered, m)
			require.NoError(t, err)
			require.Equal(t, c.want, idsOf(found))
		})
	}
}

func TestIncludesAreCheckedAgainstTheTable(t *testing.T) {
	for query, kind := range map[string]fhir.Kind{
		"_include=Slot": fhir.KindValue, "_include=": fhir.KindValue, "_include=Slot:": fhir.KindValue, "_include=Slot:schedule:Schedule:x": fhir.KindValue,
		"_include=Slot:*:Schedule": fhir.KindValue, "_include=Schedule:actor": fhir.KindValue, "_revinclude=Schedule:actor": fhir.KindValue,
		"_revinclude=Task:focus:Patient": fhir.KindValue, "_include=Slot:status": fhir.KindNotSupported, "_include=Slot:colour": fhir.KindNotSupported,
		"_include=Basic:subject": fhir.KindNotSupported, "_include=Slot:schedule:Patient": fhir.KindNotSupported, "_include:recurse=Slot:schedule": fhir.KindNotSupported,
		"_include:=Slot:schedule": fhir.KindNotSupported, "_revinclude=Basic:*": fhir.KindNotSupported,
		manyIncludes(): fhir.KindTooCostly,
	} {
		_, err := Parse("Slot", query, offered)
		require.Error(t, err, query)
		require.Equal(t, kind, fhir.AsOutcome(err).Kind, "%s: %v", query, err)
	}
	p, err := Parse("Slot", "_include=Slot:schedule&status=free&_include=Slot:schedule&_revinclude:iterate=Appointment:slot", offered)
	require.NoError(t, err)
	require.Equal(t, []Include{{Type: "Slot", Param: "schedule"}, {Reverse: true, Iterate: true, Type: "Appointment", Param: "slot"}}, p.Includes)
	require.Len(t, p.Applied, 4)
}

func manyIncludes() string {
	var list []string
	for _, typ := range Types() {
		for _, p := range ParamsOf(typ) {
			if p.Type == ReferenceType && len(list) <= maxIncludes {
				list = append(list, "_include:iterate="+typ+":"+p.Name)
			}
		}
	}
	return strings.Join(list, "&")
}

func TestMoreIncludesThanTheBoundAreTooCostly(t *testing.T) {
	m := newMemory(t, `{"resourceType":"Schedule","id":"d"}`)
	m.size = MaxCount
	add := func(n int) {
		for i := range n {
			id := fmt.Sprint("s", len(m.list), "-", i)
			m.list = append(m.list, Found{Ref{"Slot", id}, fmt.Appendf(nil, `{"resourceType":"Slot","id":%q,"schedule":{"reference":"Schedule/d"}}`, id)})
		}
	}
	includes := []Include{{Reverse: true, Type: "Slot", Param: "schedule"}}
	add(MaxIncluded)
	found, err := Included(t.Context(), m.list[:1], includes, offered, m)
	require.NoError(t, err)
	require.Len(t, found, MaxIncluded)
	add(1)
	_, err = Included(t.Context(), m.list[:1], includes, offered, m)
	require.Error(t, err)
	require.Equal(t, fhir.KindTooCostly, fhir.AsOutcome(err).Kind)
}

// large finds some large records, whose bodies are one here.
type large struct {
	n    int
	body []byte
}

func (l large) some(typ string) (list []Found) {
	for i := range l.n {
		list = append(list, Found{Ref{typ, fmt.Sprint(typ, i)}, l.body})
	}
	return list
}

func (l large) Search(_ context.Context, q *Query) ([]Found, string, error) {
	return l.some(q.Type), "", nil
}

func (l large) GetMany(_ context.Context, refs []Ref) ([]Found, error) {
	return l.some(refs[0].Type), nil
}

func TestRecordsThatAreTooLargeTogetherAreTooCostly(t *testing.T) {
	slot := Found{Ref{"Slot", "s"}, []byte(`{"resourceType":"Slot","id":"s","schedule":{"reference":"Schedule/d"}}`)}
	backward := Include{Reverse: true, Type: "Appointment", Param: "slot"}
	forward := Include{Type: "Slot", Param: "schedule"}
	half := large{4, make([]byte, maxGathered/8)}
	tooCostly := func(err error) {
		t.Helper()
		require.Error(t, err)
		require.Equal(t, fhir.KindTooCostly, fhir.AsOutcome(err).Kind)
	}
	included := func(l large, includes ...Include) error {
		_, err := Included(t.Context(), []Found{slot}, includes, offered, l)
		return err
	}
	require.NoError(t, included(half, backward, forward))
	tooCostly(included(large{9, half.body}, backward))
	tooCostly(included(large{9, half.body}, forward))
	tooCostly(included(large{5, half.body}, backward, forward))

	p, err := Parse("Appointment", "slot.status=free", offered)
	require.NoError(t, err)
	_, err = Resolve(t.Context(), p.Query, offered, half)
	require.NoError(t, err)
	_, err = Resolve(t.Context(), p.Query, offered, large{9, half.body})
	tooCostly(err)
}

func TestEachRecordIsIncludedOnceThoughReferencesGoInCircles(t *testing.T) {
	m := newMemory(t,
		`{"resourceType":"Task","id":"t1","partOf":[{"reference":"Task/t2"}],"focus":{"reference":"Task/t2"}}`,
		`{"resourceType":"Task","id":"t2","partOf":[{"reference":"Task/t3"}]}`,
		`{"resourceType":"Task","id":"t3","partOf":[{"reference":"Task/t1"},{"reference":"Task/t3"}]}`)
	for _, query := range []string{"_include:iterate=Task:*", "_revinclude:iterate=Task:*", "_include:iterate=Task:part-of&_revinclude:iterate=Task:part-of&_include=Task:focus&_revinclude=Task:focus"} {
		p, err := Parse("Task", query, offered)
		require.NoError(t, err)
		found, err := Included(t.Context(), m.list[:1], p.Includes, offered, m)
		require.NoError(t, err)
		require.Equal(t, "t2 t3", idsOf(found), query)
	}
}
