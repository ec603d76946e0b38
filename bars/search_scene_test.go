package bars_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/store/sqlite"
)

// library is the REST API over the room and an embedded store, to search in.
type library struct {
	t     *testing.T
	api   http.Handler
	moved atomic.Int64 // milliseconds behind sceneNow
}

func newLibrary(t *testing.T, set ...func(*rest.Options)) *library {
	t.Helper()
	l := &library{t: t}
	db, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{Now: l.now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	o := rest.Options{BaseURL: base, Search: bars.SearchOptions(base, l.now), Clock: l.now}
	for _, f := range set {
		f(&o)
	}
	l.api = rest.New(bars.NewDesk(db, bars.Options{Base: base, Now: l.now}).Records(), o)
	return l
}

func (l *library) now() time.Time {
	return sceneNow.Add(time.Duration(l.moved.Load()) * time.Millisecond)
}

// at is the library's clock some minutes after its start, for a URL.
func (l *library) at(minutes int) string {
	return strings.ReplaceAll(fhir.FormatInstant(sceneNow.Add(time.Duration(minutes)*time.Minute)), "+", "%2B")
}

// send makes a request; headers are "Name: value" lines.
func (l *library) send(method, path, body string, headers ...string) (int, *fhir.Resource) {
	l.t.Helper()
	path = strings.TrimPrefix(path, base)
	if !strings.HasPrefix(path, "/") { // the base itself
		path = "/" + path
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	l.api.ServeHTTP(w, r.WithContext(bars.WithCaller(r.Context(), bars.Caller{Door: "fhir", Organisation: "B2002"})))
	if w.Body.Len() == 0 {
		return w.Code, nil
	}
	return w.Code, parse(l.t, w.Body.String())
}

// put stores resources, each "Type/id" and its other members, in the same
// millisecond.
func (l *library) put(resources ...string) {
	l.t.Helper()
	for _, text := range resources {
		name, members, _ := strings.Cut(text, " ")
		typ, id, _ := strings.Cut(name, "/")
		if members != "" {
			members = "," + members
		}
		status, r := l.send("PUT", "/"+name, complete(l.t, fmt.Sprintf(`{"resourceType":%q,"id":%q%s}`, typ, id, members)))
		require.Contains(l.t, []int{200, 201}, status, "%s: %s", text, r)
	}
}

// complete adds what R4 asks for and the text leaves out, because the test is
// about something else.
func complete(t testing.TB, body string) string {
	const patient, code = `{"reference":"Patient/nobody"}`, `{"text":"a"}`
	r := parse(t, body)
	for _, need := range map[string][][2]string{
		"AllergyIntolerance":  {{"patient", patient}},
		"Appointment":         {{"status", `"proposed"`}, {"participant", `[{"type":[` + code + `],"status":"accepted"}]`}},
		"Binary":              {{"contentType", `"text/plain"`}},
		"CarePlan":            {{"status", `"active"`}, {"intent", `"plan"`}, {"subject", patient}},
		"Communication":       {{"status", `"completed"`}},
		"Condition":           {{"subject", patient}},
		"Consent":             {{"status", `"draft"`}, {"scope", code}, {"category", "[" + code + "]"}, {"policyRule", code}},
		"DocumentReference":   {{"status", `"current"`}, {"content", `[{"attachment":{"title":"a"}}]`}},
		"Encounter":           {{"status", `"planned"`}, {"class", `{"code":"AMB"}`}},
		"Flag":                {{"status", `"active"`}, {"code", code}, {"subject", patient}},
		"MedicationStatement": {{"status", `"active"`}, {"medicationCodeableConcept", code}, {"subject", patient}},
		"Observation":         {{"status", `"final"`}, {"code", code}},
		"Organization":        {{"name", `"a"`}},
		"Procedure":           {{"status", `"completed"`}, {"subject", patient}},
		"Questionnaire":       {{"status", `"draft"`}},
		"RelatedPerson":       {{"patient", patient}},
		"Schedule":            {{"actor", `[{"display":"a"}]`}},
		"ServiceRequest":      {{"status", `"active"`}, {"intent", `"plan"`}, {"subject", patient}},
		"Slot":                {{"schedule", `{"display":"a"}`}, {"status", `"free"`}, {"start", `"2026-11-21T09:00:00Z"`}, {"end", `"2026-11-21T09:20:00Z"`}},
		"Task":                {{"status", `"requested"`}, {"intent", `"order"`}},
	}[r.Type()] {
		if !r.Get(need[0]).Exists() {
			body = strings.TrimSuffix(body, "}") + `,"` + need[0] + `":` + need[1] + "}"
		}
	}
	return body
}

// tick moves the clock on by a minute.
func (l *library) tick() { l.moved.Add(60_000) }

// get answers a search that must succeed.
func (l *library) get(path string, headers ...string) *fhir.Resource {
	l.t.Helper()
	status, r := l.send("GET", path, "", headers...)
	require.Equal(l.t, 200, status, "%s: %s", path, text(r))
	return r
}

func text(r *fhir.Resource) string {
	if r == nil {
		return ""
	}
	return string(r.JSON())
}

// found lists the matches of a search as "Type/id", in their order.
func (l *library) found(path string, headers ...string) string {
	l.t.Helper()
	return entries(l.get(path, headers...), "match")
}

// entries lists a Bundle's entries of a search mode, divided by blanks.
func entries(r *fhir.Resource, mode string) string {
	var list []string
	for e := range r.Get("entry").Items() {
		if e.Dig("search", "mode").Text() == mode {
			list = append(list, strings.TrimPrefix(e.Get("fullUrl").Text(), base+"/"))
		}
	}
	return strings.Join(list, " ")
}

// all lists the matches of all pages; each ends with what between does.
func (l *library) all(path string, between ...func()) string {
	l.t.Helper()
	var list []string
	for pages := 0; path != ""; pages++ {
		require.Less(l.t, pages, 100)
		page := l.get(path)
		if text := entries(page, "match"); text != "" {
			list = append(list, text)
		}
		path = linkOf(page, "next")
		for _, do := range between {
			do()
		}
	}
	return strings.Join(list, " ")
}

func linkOf(r *fhir.Resource, relation string) string {
	for l := range r.Get("link").Items() {
		if l.Get("relation").Text() == relation {
			return l.Get("url").Text()
		}
	}
	return ""
}

// refused checks that a search is refused, with a text that holds says.
func (l *library) refused(path string, status int, code, says string, headers ...string) {
	l.t.Helper()
	got, r := l.send("GET", path, "", headers...)
	require.Equal(l.t, status, got, "%s: %s", path, text(r))
	issue := r.Get("issue").At(0)
	require.Equal(l.t, code, issue.Get("code").Text(), "%s: %s", path, text(r))
	require.Contains(l.t, issue.Get("diagnostics").Text(), says, path)
}
