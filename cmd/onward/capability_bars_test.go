package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/adapters/barsapi"
	"github.com/onward-health/onward/conformance/sandbox"
)

// barsMethods are the method and the path of each interaction, below the type.
var barsMethods = map[string][2]string{
	"create": {"POST", ""}, "search-type": {"GET", ""}, "read": {"GET", "/x"}, "vread": {"GET", "/x/_history/1"},
	"update": {"PUT", "/x"}, "patch": {"PATCH", "/x"}, "delete": {"DELETE", "/x"},
}

// Ensure that the statement of the standard's dialect lists what that dialect
// takes, and nothing else.
func TestTheStatementOfTheStandardListsItsOwnVerbs(t *testing.T) {
	s := start(t)
	statement := s.do("GET", "/FHIR/R4/metadata", speaking(sandbox.UrgentTreatment), nil).resource(t)
	require.Equal(t, "1.5.0", statement.Get("version").Text())
	server := statement.Get("rest").At(0)
	require.False(t, server.Get("interaction").Exists(), "no transactions, no searches of everything")
	require.Equal(t, []string{"server", "client"}, []string{server.Get("mode").Text(), statement.Get("rest").At(1).Get("mode").Text()})
	require.Equal(t, "$process-message", server.Get("operation").At(0).Get("name").Text())
	types := []string{}
	for item := range server.Get("resource").Items() {
		typ := item.Get("type").Text()
		types = append(types, typ)
		advertised := map[string]bool{}
		for i := range item.Get("interaction").Items() {
			m, known := barsMethods[i.Get("code").Text()]
			require.True(t, known, "%s advertises what this test doesn't know", typ)
			advertised[m[0]+m[1]] = true
		}
		for _, path := range []string{"", "/x", "/x/_history/1"} {
			for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
				status := s.do(method, "/FHIR/R4/"+typ+path, speaking(sandbox.UrgentTreatment), nil).status
				unknown := []int{405}
				if typ == "Slot" && path != "" || typ == "MessageDefinition" && strings.Contains(path, "_history") {
					unknown = []int{404}
				}
				if advertised[method+path] {
					require.NotContains(t, []int{405, 501}, status, "%s %s%s", method, typ, path)
				} else {
					require.Contains(t, unknown, status, "%s %s%s", method, typ, path)
				}
			}
		}
		for param := range item.Get("searchParam").Items() {
			s.tryParam(typ, param.Get("name").Text())
		}
	}
	require.Equal(t, []string{"MessageDefinition", "Appointment", "ServiceRequest", "Slot"}, types)
	require.Equal(t, 404, s.do("GET", "/FHIR/R4/Patient", speaking(sandbox.UrgentTreatment), nil).status)
}

// tryParam shows that a parameter counts: it stands in the self link.
func (s *server) tryParam(typ, name string) {
	s.t.Helper()
	value := map[string]string{"start": "ge2026-01-01T00:00:00Z", "status": "free", "patient:birthdate": "1980-02-29",
		"Schedule.actor:HealthcareService": sandbox.UrgentTreatment, "context": sandbox.UrgentTreatment,
		"patient:identifier": "https://fhir.nhs.uk/Id/nhs-number|9000000009", "patient:name": "Sample", "patient:address-postalcode": "ZZ99 3VZ",
		"ServiceRequest.identifier": "1"}[name]
	require.NotEmpty(s.t, value, "%s advertises what this test doesn't know: %s", typ, name)
	query := url.Values{name: {value}}
	switch {
	case typ == "Slot":
		query = url.Values{"start": {"ge2026-01-01T00:00:00Z", "le2026-01-02T00:00:00Z"}, "status": {"free"},
			"Schedule.actor:HealthcareService": {sandbox.UrgentTreatment}, "_include": {"Slot:schedule", "Schedule:actor:HealthcareService"}}
	case strings.HasPrefix(name, "patient:"):
		query.Set("patient:identifier", "https://fhir.nhs.uk/Id/nhs-number|9000000009")
	}
	a := s.do("GET", "/FHIR/R4/"+typ+"?"+query.Encode(), speaking(sandbox.UrgentTreatment), nil)
	require.Equal(s.t, 200, a.status, "%s", a.body)
	self, err := url.Parse(a.resource(s.t).Get("link", "url").Text())
	require.NoError(s.t, err)
	require.NotEmpty(s.t, self.Query().Get(name), "%s %s", typ, name)
}

// Ensure that a booking made by the standard's REST is moved and cancelled by
// it, and that plain FHIR sees each step.
func TestABookingIsMovedAndCancelledByTheStandardsREST(t *testing.T) {
	s := start(t)
	slots := s.freeSlots(2)
	booked := s.do("POST", messagePath, speaking(sandbox.UrgentTreatment), bookingFor(t, slots[0]))
	require.Equal(t, 200, booked.status, "%s", booked.body)
	id := entryOf(booked.resource(t), "Appointment").Get("id").Text()
	path := "/FHIR/R4/Appointment/" + id

	moved := s.do("PATCH", path, speaking(sandbox.UrgentTreatment), []byte(`{"resourceType":"Appointment","id":"`+id+`","slot":[{"reference":"Slot/`+slots[1].id+`"}]}`))
	require.Equal(t, 200, moved.status, "%s", moved.body)
	require.Equal(t, []string{"free", "busy"}, []string{s.status("Slot/" + slots[0].id), s.status("Slot/" + slots[1].id)})
	require.Contains(t, moved.header.Get("Content-Type"), "version=1.0.0")

	read := s.do("GET", path, speaking(sandbox.UrgentTreatment), nil)
	cancelled := s.do("PUT", path, speaking(sandbox.UrgentTreatment), []byte(strings.Replace(string(read.body), `"status":"booked"`, `"status":"cancelled"`, 1)))
	require.Equal(t, 200, cancelled.status, "%s", cancelled.body)
	require.Equal(t, []string{"cancelled", "free"}, []string{s.status("Appointment/" + id), s.status("Slot/" + slots[1].id)})
	require.Equal(t, 3, s.do("GET", path+"/_history", nil, nil).resource(t).Get("entry").Len(), "every version is kept")
	require.Equal(t, "booked", s.do("GET", path+"/_history/1", speaking(sandbox.UrgentTreatment), nil).resource(t).Get("status").Text())
	s.checkInvariant()
}

// Ensure that what stands before the door sends both ids back too.
func TestBothIdsComeBackWhoeverAnswers(t *testing.T) {
	s := start(t, "--max-body", "2000")
	for name, ask := range map[string]func() *answer{
		"a page of another site": func() *answer {
			h := speaking(sandbox.UrgentTreatment)
			h.Set("Origin", "https://evil.example")
			h.Set("X-Request-Id", ids[0])
			h.Set("X-Correlation-Id", ids[1])
			a := s.do("GET", "/FHIR/R4/metadata", h, nil)
			issue, word, _ := a.issue(t)
			require.Equal(t, []any{403, "forbidden", "REC_FORBIDDEN"}, []any{a.status, issue, word})
			return a
		},
		"plain FHIR": func() *answer {
			h := plain()
			h.Set("X-Request-Id", ids[0])
			h.Set("X-Correlation-Id", ids[1])
			return s.do("GET", "/FHIR/R4/Nothing", h, nil)
		},
		"a body too large": func() *answer {
			h := speaking(sandbox.UrgentTreatment)
			h.Set("X-Request-Id", ids[0])
			h.Set("X-Correlation-Id", ids[1])
			a := s.do("POST", messagePath, h, []byte(`{"resourceType":"`+strings.Repeat("x", 5000)+`"}`))
			require.Equal(t, 413, a.status)
			return a
		},
	} {
		a := ask()
		require.GreaterOrEqual(t, a.status, 400, name)
		require.Equal(t, ids, []string{a.header.Get("X-Request-Id"), a.header.Get("X-Correlation-Id")}, name)
	}
}

var ids = []string{uuid.NewString(), uuid.NewString()}

// Ensure that a server with too much to do says so in the door's own words.
func TestWhoComesTooManyIsToldInTheDoorsWords(t *testing.T) {
	a := &app{fhir: barsapi.New(nil, barsapi.Options{BasePath: fhirPath})}
	told := func(path string, header http.Header) *answer {
		r := httptest.NewRequest("GET", path, nil)
		r.Header = header
		w := httptest.NewRecorder()
		a.refuse(w, r, http.StatusServiceUnavailable, "too many requests at once")
		return &answer{w.Code, w.Header(), w.Body.Bytes()}
	}
	h := speaking(sandbox.UrgentTreatment)
	inBaRS := told("/FHIR/R4/Slot", h)
	issue, word, _ := inBaRS.issue(t)
	require.Equal(t, []any{503, "transient", "REC_UNAVAILABLE", h.Get("X-Request-Id")}, []any{inBaRS.status, issue, word, inBaRS.header.Get("X-Request-Id")})
	issue, word, _ = told("/FHIR/R4/Slot", nil).issue(t)
	require.Equal(t, []string{"transient", ""}, []string{issue, word}, "plain FHIR has no such words")
	require.Equal(t, "too many requests at once\n", string(told("/nhs111/report", nil).body))
}
