package rest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/search"
)

// uncounted is a backend that doesn't know how many there are.
type uncounted struct{ *memory }

func (u uncounted) Search(context.Context, *search.Query, bool) (*rest.Page, error) { return u.all() }

func (u uncounted) History(context.Context, rest.HistoryQuery) (*rest.Page, error) {
	return u.all()
}

func (u uncounted) all() (*rest.Page, error) {
	return &rest.Page{Versions: u.records["Patient/a"], Total: -1}, nil
}

func TestWriteOutcomeRendersEveryIssue(t *testing.T) {
	o := fhir.NewOutcome(fhir.KindInvariant, "Patient.name[0]", `a "rule"`).Add("", "another")
	w := httptest.NewRecorder()
	rest.WriteOutcome(w, o, rest.Plain)
	require.Equal(t, 422, w.Code)
	require.Equal(t, "application/fhir+json; charset=utf-8", w.Header().Get("Content-Type"))
	require.Equal(t, `{"resourceType":"OperationOutcome","issue":[`+
		`{"severity":"error","code":"processing","diagnostics":"a \"rule\"","expression":["Patient.name[0]"]},`+
		`{"severity":"error","code":"processing","diagnostics":"another"}]}`, w.Body.String())
	require.Empty(t, w.Header().Values("Allow"))
	require.Empty(t, w.Header().Values("Retry-After"))
}

func TestWriteOutcomeSetsRetryAfterAndAllow(t *testing.T) {
	for wait, want := range map[time.Duration]string{time.Millisecond: "1", time.Second: "1", 1500 * time.Millisecond: "2", time.Minute: "60"} {
		o := fhir.NewOutcome(fhir.KindUnavailable, "", "later")
		o.RetryAfter = wait
		w := httptest.NewRecorder()
		rest.WriteOutcome(w, o, rest.Plain)
		require.Equal(t, 503, w.Code)
		require.Equal(t, want, w.Header().Get("Retry-After"))
	}
	o := fhir.NewOutcome(fhir.KindMethod, "", "no")
	o.Allow = []string{"GET", "PUT"}
	w := httptest.NewRecorder()
	rest.WriteOutcome(w, o, rest.Plain)
	require.Equal(t, "GET, PUT", w.Header().Get("Allow"))
}

func TestAnOutcomeWithoutIssuesStillHasOne(t *testing.T) {
	require.Equal(t, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found"}]}`,
		string(rest.OutcomeResource(&fhir.Outcome{Kind: fhir.KindNotFound}, rest.Plain).JSON()))
}

func TestADoorRendersErrorsInItsOwnStyle(t *testing.T) {
	style := rest.Style{
		Row: func(row fhir.KindRow) (int, string) { return row.BaRSStatus, row.BaRSIssue },
		Details: func(row fhir.KindRow) *fhir.Object {
			return fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", "urn:x", "code", "REC_"+row.Word)})
		},
		Head: func(o *fhir.Object) { o.Set("id", "o-1") },
	}
	s := newScene(t, func(o *rest.Options) {
		o.Render = func(w http.ResponseWriter, r *http.Request, out *fhir.Outcome) {
			if r.Header.Get("NHSD-Target-Identifier") != "" {
				rest.WriteOutcome(w, out, style)
				return
			}
			rest.WriteOutcome(w, out, rest.Plain)
		}
	})
	s.patient("a", "male")
	require.Equal(t, 204, s.do("DELETE", "/Patient/a", "").status)
	s.do("GET", "/Patient/a", "").refused(t, 410, "deleted")
	a := s.do("GET", "/Patient/a", "", "NHSD-Target-Identifier: x")
	require.Equal(t, 404, a.status)
	require.Equal(t, `{"resourceType":"OperationOutcome","id":"o-1","issue":[{"severity":"error","code":"not-found",`+
		`"details":{"coding":[{"system":"urn:x","code":"REC_NOT_FOUND"}]},"diagnostics":"the resource was deleted"}]}`, a.body)
	a = s.do("GET", "/nowhere/at/all", "", "NHSD-Target-Identifier: x")
	require.Contains(t, a.body, "REC_NOT_FOUND", "errors of the router too")
}

func TestRequestIDsAreEchoedOnEveryAnswer(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	for _, try := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/Patient/a", 200}, {"GET", "/Patient", 200}, {"GET", "/Patient/b", 404}, {"GET", "/nowhere/x/y/z", 404}, {"PATCH", "/Patient/a", 415},
		{"POST", "/Patient/a", 405}, {"GET", "/Patient?_format=ttl", 406}, {"POST", "/Patient", 415}, {"DELETE", "/Patient/a", 204}, {"GET", "/Patient/a", 410},
	} {
		a := s.do(try.method, try.path, "", "X-Request-Id: {Req} ~1", "X-Correlation-Id: "+strings.Repeat("c", 256))
		require.Equal(t, try.status, a.status, try)
		require.Equal(t, []string{"{Req} ~1"}, a.header.Values("X-Request-Id"), try)
		require.Equal(t, []string{strings.Repeat("c", 256)}, a.header.Values("X-Correlation-Id"), try)
		require.Equal(t, "no-store", a.header.Get("Cache-Control"), try)
		require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"), try)
	}
	a := s.do("GET", "/Patient", "", "X-Request-Id: "+strings.Repeat("c", 257), "X-Correlation-Id: caf\u00e9")
	require.Empty(t, a.header.Values("X-Request-Id"))
	require.Empty(t, a.header.Values("X-Correlation-Id"))
	a = direct(rest.New(s.backend, rest.Options{BaseURL: base}), "GET", "/nowhere/x/y", nil, "X-Request-Id: a\r\nSet-Cookie: x")
	require.Empty(t, a.header.Values("X-Request-Id"))
}

func TestAPanicIsA500ThatShowsNothing(t *testing.T) {
	var told any
	var stack string
	s := newScene(t, func(o *rest.Options) {
		o.OnPanic = func(_ *http.Request, value any, s []byte) { told, stack = value, string(s) }
	})
	s.backend.panics = "secret"
	a := s.do("GET", "/Patient/a", "", "X-Request-Id: r")
	require.NotContains(t, a.refused(t, 500, "exception"), "secret")
	require.NotContains(t, a.body, "goroutine")
	require.Equal(t, "r", a.header.Get("X-Request-Id"))
	require.Equal(t, "secret", told)
	require.Contains(t, stack, "memory_test.go")

	s.backend.panics = nil
	require.Equal(t, 404, s.do("GET", "/Patient/a", "").status, "and the server goes on")
	quiet := newScene(t)
	quiet.backend.panics = "secret"
	require.Equal(t, 500, quiet.do("GET", "/Patient/a", "").status, "OnPanic may be nil")
}

func TestAPanicInTheMiddleOfABundleCutsTheConnection(t *testing.T) {
	s := newScene(t)
	for _, id := range []string{"a", "b"} {
		s.patient(id, "male")
	}
	s.backend.records["Patient/a"][0].Body = []byte(`{"resourceType":"Patient","x":"` + strings.Repeat("x", 1<<20) + `"}`)
	s.backend.records["Patient/b"][0].Body = []byte(`{"broken`)
	res, err := http.Get(s.url + "/Patient")
	if err != nil {
		return // cut before the first byte arrived
	}
	defer res.Body.Close()
	_, err = io.ReadAll(res.Body)
	require.Error(t, err, "half a bundle must not look whole")
}

func TestADamagedRecordIsNotServed(t *testing.T) {
	var told any
	s := newScene(t, func(o *rest.Options) {
		o.OnPanic = func(_ *http.Request, value any, _ []byte) { told = value }
	})
	s.patient("a", "male")
	s.backend.records["Patient/a"][0].Body = []byte(`{"resourceType":"Patient","gen`)
	for _, path := range []string{"/Patient/a", "/Patient/a/_history/1"} {
		told = nil
		a := s.do("GET", path, "")
		require.NotContains(t, a.refused(t, 500, "exception"), "gen", path)
		require.ErrorContains(t, told.(error), "version 1 of Patient/a is damaged", path)
	}
}

func TestAnAbortIsPassedOn(t *testing.T) {
	backend := newMemory(time.Now)
	backend.panics = http.ErrAbortHandler
	h := rest.New(backend, rest.Options{BaseURL: base, Types: []string{"Patient"}})
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { direct(h, "GET", "/Patient/a", nil) })
}
