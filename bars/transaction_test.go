package bars_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/store"
)

// transact posts a transaction to the REST API over the room.
func (s *scene) transact(entries ...string) (int, *fhir.Resource) {
	s.t.Helper()
	api := rest.New(s.desk.Records(), rest.Options{BaseURL: base, Search: bars.SearchOptions(base, func() time.Time { return sceneNow })})
	body := `{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Join(entries, ",") + `]}`
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)).WithContext(s.plain())
	r.Header.Set("Content-Type", "application/fhir+json")
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	return w.Code, parse(s.t, w.Body.String())
}

// done is a transaction that must be carried out.
func (s *scene) done(entries ...string) *fhir.Resource {
	s.t.Helper()
	status, r := s.transact(entries...)
	require.Equal(s.t, 200, status, "%s", r.JSON())
	return r
}

// undone is one that must be refused, for its second entry, and leave nothing.
func (s *scene) undone(status int, code, expression string, entries ...string) {
	s.t.Helper()
	page, err := s.store.History(s.ctx, store.Ref{}, time.Time{}, 500, "")
	require.NoError(s.t, err)
	before := len(page.Records)
	got, r := s.transact(entries...)
	require.Equal(s.t, []any{status, code, expression},
		[]any{got, r.Get("issue", "code").Text(), r.Get("issue").At(0).Get("expression").At(0).Text()}, "%s", r.JSON())
	page, err = s.store.History(s.ctx, store.Ref{}, time.Time{}, 500, "")
	require.NoError(s.t, err)
	require.Len(s.t, page.Records, before, "nothing was written")
	s.invariant()
}

// ent is an entry: "METHOD url", its fullUrl, its resource.
func ent(request, fullURL, resource string, more ...string) string {
	method, url, _ := strings.Cut(request, " ")
	text := fmt.Sprintf(`{"request":{"method":%q,"url":%q`, method, url)
	for _, m := range more {
		text += "," + m
	}
	text += "}"
	if fullURL != "" {
		text += fmt.Sprintf(`,"fullUrl":%q`, fullURL)
	}
	if resource != "" {
		text += `,"resource":` + resource
	}
	return text + "}"
}

const (
	urnPerson   = "urn:uuid:0d6d9a55-0000-4000-8000-000000000001"
	urnReferral = "urn:uuid:0d6d9a55-0000-4000-8000-000000000002"
)

// referralFor is a ServiceRequest with a subject.
func referralFor(reference string) string {
	return fmt.Sprintf(`{"resourceType":"ServiceRequest","status":"active","intent":"plan","subject":{"reference":%q}}`, reference)
}

func TestATransactionIsOneCommitWithItsReferencesResolved(t *testing.T) {
	s := open(t)
	booked := strings.Replace(appointmentText("", "booked", 0), `"participant":`, `"basedOn":[{"reference":"`+urnReferral+`"}],"participant":`, 1)
	r := s.done(
		ent("POST Appointment", "", booked),
		ent("POST ServiceRequest", urnReferral, referralFor(urnPerson)),
		ent("POST Patient", urnPerson, `{"resourceType":"Patient","identifier":[{"system":"urn:ietf:rfc:3986","value":"`+urnPerson+`"}],"photo":[{"url":"`+urnPerson+`"}]}`),
		ent("GET Slot/"+slotID(clinic, 0), "", ""),
	)
	var ids []string
	for e := range r.Get("entry").Items() {
		ids = append(ids, e.Dig("resource", "id").Text())
	}
	require.Equal(t, "ServiceRequest/"+ids[1], s.get("Appointment", ids[0]).Get("basedOn").At(0).Get("reference").Text())
	require.Equal(t, "Patient/"+ids[2], s.get("ServiceRequest", ids[1]).Get("subject", "reference").Text())
	require.Equal(t, urnPerson, s.get("Patient", ids[2]).Get("identifier").At(0).Get("value").Text(), "no reference")
	require.Equal(t, "Patient/"+ids[2], s.get("Patient", ids[2]).Get("photo").At(0).Get("url").Text())
	require.Equal(t, "busy", r.Get("entry").At(3).Dig("resource", "status").Text(), "reads follow the writes")
	require.Equal(t, "Appointment/"+ids[0], s.claimOf(slotID(clinic, 0)))
	s.invariant()
}

func TestReferencesToOtherFormsOfFullURL(t *testing.T) {
	s := open(t)
	r := s.done(
		ent("POST ServiceRequest", "https://other.example/fhir/ServiceRequest/1", referralFor("Patient/9")),
		ent("POST ServiceRequest", "", referralFor("https://other.example/fhir/Patient/9")),
		ent("POST ServiceRequest", "", referralFor("Patient/9")),
		ent("POST Patient", "https://other.example/fhir/Patient/9", `{"resourceType":"Patient"}`),
		ent("PUT Patient/q", base+"/Patient/q", `{"resourceType":"Patient","id":"q","link":[{"type":"seealso","other":{"reference":"`+base+`/Patient/q"}}]}`),
	)
	person := "Patient/" + r.Get("entry").At(3).Dig("resource", "id").Text()
	for i, want := range []string{person, person, "Patient/9"} {
		require.Equal(t, want, r.Get("entry").At(i).Dig("resource", "subject", "reference").Text())
	}
	require.Equal(t, base+"/Patient/q", s.get("Patient", "q").Get("link").At(0).Dig("other", "reference").Text(), "it says already where that is")
}

func TestConditionalEntriesAndReferences(t *testing.T) {
	s := open(t)
	v, err := s.post(person)
	require.NoError(t, err)
	there := "Patient/" + v.ID
	r := s.done(
		ent("POST Patient", urnPerson, person, `"ifNoneExist":"identifier=urn:s|1"`),
		ent("POST ServiceRequest", "", referralFor(urnPerson)),
		ent("POST ServiceRequest", "", referralFor("Patient?identifier=urn:s|1")),
		ent("PUT Patient?identifier=urn:s|2", urnReferral, `{"resourceType":"Patient","identifier":[{"system":"urn:s","value":"2"}]}`),
		ent("POST ServiceRequest", "", referralFor(urnReferral)),
		ent("DELETE Patient?identifier=urn:s|3", "", ""),
	)
	entries := r.Get("entry")
	require.Equal(t, "200 OK", entries.At(0).Dig("response", "status").Text())
	require.Equal(t, there, entries.At(1).Dig("resource", "subject", "reference").Text())
	require.Equal(t, there, entries.At(2).Dig("resource", "subject", "reference").Text())
	require.Equal(t, "Patient/"+entries.At(3).Dig("resource", "id").Text(), entries.At(4).Dig("resource", "subject", "reference").Text())
	require.Equal(t, "204 No Content", entries.At(5).Dig("response", "status").Text())
	require.Len(t, s.all("Patient"), 2)

	good := ent("POST Patient", "", `{"resourceType":"Patient"}`)
	for _, c := range []struct {
		reference, code string
		status          int
	}{
		{"Patient?identifier=urn:s|9", "conflict", 412},
		{"Patient?_lastUpdated=ge2000", "conflict", 412},
		{"Patient?nonsense=1", "not-supported", 400},
		{"Patient?", "invalid", 400},
		{"Patient?_format=json", "invalid", 400},
		{"Patient?general-practitioner.name=x", "not-supported", 400},
		{"Patient?_has:Appointment:patient:status=booked", "not-supported", 400},
		{urnPerson, "processing", 422},
	} {
		s.undone(c.status, c.code, "Bundle.entry[1].resource.subject.reference", good, ent("POST ServiceRequest", "", referralFor(c.reference)))
	}
	s.undone(400, "invalid", "Bundle.entry[1].resource.subject.reference",
		ent("DELETE "+there, "", ""), ent("POST ServiceRequest", "", referralFor("Patient?identifier=urn:s|1")))
	s.undone(400, "invalid", "Bundle.entry[1]", ent("DELETE "+there, "", ""), ent("POST Patient", "", person, `"ifNoneExist":"identifier=urn:s|1"`))
}

// Ensure that a record can be replaced by a new one: deletes come first (R4
// http.html#trules), and their condition says nothing about what comes after.
func TestAConditionalDeleteLetsAnotherEntryWriteItsSuccessor(t *testing.T) {
	s := open(t)
	for range 2 { // without a match, and with one
		s.done(ent("POST Patient", "", person), ent("DELETE Patient?identifier=urn:s|1", "", ""))
		require.Len(t, s.all("Patient"), 1)
	}
}

func TestATransactionThatBreaksARuleLeavesNothing(t *testing.T) {
	s := open(t)
	_, err := s.put(appointmentText("a", "booked", 0), 0)
	require.NoError(t, err)
	good := ent("POST Patient", "", `{"resourceType":"Patient"}`)
	twin := `{"resourceType":"Patient","identifier":[{"system":"urn:s","value":"7"}]}`
	once := `"ifNoneExist":"identifier=urn:s|7"`
	for _, c := range []struct {
		name             string
		status           int
		code, expression string
		entries          []string
	}{
		{"a slot that is taken", 409, "conflict", ".resource.slot", []string{good, ent("POST Appointment", "", appointmentText("", "booked", 0))}},
		{"a slot that isn't there", 422, "processing", ".resource.slot", []string{good, ent("POST Appointment", "", strings.Replace(appointmentText("", "booked", 0), "Slot/", "Slot/x", 1))}},
		{"a broken rule", 422, "processing", ".resource.status", []string{good, ent("POST Appointment", "", appointmentText("", "lost", 1))}},
		{"two bookings of one slot", 409, "conflict", ".resource.slot", []string{ent("POST Appointment", "", appointmentText("", "booked", 1)), ent("POST Appointment", "", appointmentText("", "booked", 2, 1))}},
		{"a booking of a slot that is closed", 409, "conflict", ".resource.slot", []string{putSlot(t, 1, "busy-unavailable"), ent("POST Appointment", "", appointmentText("", "booked", 1))}},
		{"a booking of a slot that is deleted", 409, "conflict", ".resource.slot", []string{ent("DELETE Slot/"+slotID(clinic, 1), "", ""), ent("POST Appointment", "", appointmentText("", "booked", 1))}},
		{"a slot freed that stays booked", 409, "conflict", ".resource.status", []string{ent("PUT Appointment/a", "", appointmentText("a", "arrived", 0)), putSlot(t, 0, "free")}},
		{"a slot deleted that stays booked", 409, "conflict", ".resource", []string{ent("PUT Appointment/a", "", appointmentText("a", "arrived", 0)), ent("DELETE Slot/"+slotID(clinic, 0), "", "")}},
		{"a slot that its owner moves to another", 409, "conflict", ".resource.slot", []string{ent("PUT Appointment/a", "", appointmentText("a", "booked", 1)), ent("POST Appointment", "", appointmentText("", "booked", 1, 2))}},
		{"one record twice", 400, "invalid", "", []string{ent("PUT Appointment/a", "", appointmentText("a", "arrived", 0)), ent("DELETE Appointment/a", "", "")}},
		{"one record twice by condition", 400, "invalid", "", []string{ent("PUT Appointment/a", "", appointmentText("a", "arrived", 0)), ent("DELETE Appointment?status=booked", "", "")}},
		{"one condition twice", 400, "invalid", "", []string{ent("POST Patient", "", twin, once), ent("POST Patient", "", twin, once)}},
		{"against another's condition", 400, "invalid", "", []string{ent("POST Patient", "", twin, once), ent("PUT Patient/p", "", strings.Replace(twin, `"identifier"`, `"id":"p","identifier"`, 1))}},
		{"a stale version", 412, "conflict", "", []string{good, ent("PUT Appointment/a", "", appointmentText("a", "arrived", 0), `"ifMatch":"W/\"9\""`)}},
		{"one fullUrl twice", 400, "invalid", "", []string{ent("POST Patient", urnPerson, `{"resourceType":"Patient"}`), ent("POST Patient", urnPerson, `{"resourceType":"Patient"}`)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.undone(c.status, c.code, "Bundle.entry[1]"+c.expression, c.entries...)
		})
	}
	require.Empty(t, s.all("Patient"))
	require.Equal(t, "booked", s.status("Appointment", "a"))
}

func TestTransactionsThatRaceForASlotLeaveOneWinner(t *testing.T) {
	s := open(t)
	const clients = 6
	var won, lost atomic.Int32
	var wait sync.WaitGroup
	for range clients {
		wait.Go(func() {
			patient := rest.Change{Method: "POST", Type: "Patient", Resource: parse(t, `{"resourceType":"Patient"}`)}
			visit := rest.Change{Method: "POST", Type: "Appointment", Resource: parse(t, appointmentText("", "booked", 0, 1))}
			_, err := s.desk.Records().Commit(s.plain(), []rest.Change{patient, visit})
			if err == nil {
				won.Add(1)
			} else if fhir.AsOutcome(err).Kind == fhir.KindConflict {
				lost.Add(1)
			}
		})
	}
	wait.Wait()
	require.EqualValues(t, 1, won.Load())
	require.EqualValues(t, clients-1, lost.Load())
	require.Len(t, s.all("Patient"), 1, "the losers left nothing")
	require.Len(t, s.all("Appointment"), 1)
	s.invariant()
}

// Ensure that the narrative's links are replaced as references are, and nothing
// else of it (R4 http.html#trules).
func TestLinksInTheNarrativeBecomeThoseOfTheNewRecords(t *testing.T) {
	s := open(t)
	div := func(to string) string {
		return `<div xmlns="http://www.w3.org/1999/xhtml"><a title="` + urnPerson + `" href = "` + to + `">&amp; é</a><img src='` + to + `' alt=''/><a href="urn:uuid:other">` + urnPerson + `</a></div>`
	}
	r := s.done(
		ent("POST Patient", urnPerson, person),
		ent("POST Patient", "", `{"resourceType":"Patient","text":{"status":"generated","div":`+string(fhir.Quote(div(urnPerson)))+`},"extension":[{"url":"https://x.example","valueString":"`+urnPerson+`"}]}`),
	)
	entries := r.Get("entry")
	linked := entries.At(1).Get("resource")
	require.Equal(t, div("Patient/"+entries.At(0).Dig("resource", "id").Text()), linked.Dig("text", "div").Text())
	require.Equal(t, urnPerson, linked.Dig("extension", "valueString").Text(), "a string is no link")
}
