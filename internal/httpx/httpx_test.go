package httpx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLoopbackHosts(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:8080": true, "[::1]:8080": true, "::1": true, "localhost": true, "LOCALHOST:1": true,
		"127.1.2.3": true, "": false, "0.0.0.0": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false,
		"10.0.0.1": false, "evil.example:8080": false,
	} {
		require.Equal(t, want, LoopbackHost(host), host)
	}
}

func TestTheGuardRefusesForeignHostsAndOrigins(t *testing.T) {
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	for _, c := range []struct {
		host, origin string
		want         int
	}{
		{"127.0.0.1", "", 204}, {"localhost:8080", "http://localhost:3000", 204},
		{"evil.example", "", 403}, {"127.0.0.1", "https://evil.example", 403}, {"127.0.0.1", "null", 403}, {"127.0.0.1", "::", 403},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		w := httptest.NewRecorder()
		Guard(Plainly, ok).ServeHTTP(w, r)
		require.Equal(t, c.want, w.Code, "%s %s", c.host, c.origin)
	}
}

// blocking is a handler that waits until it is let go.
func blocking() (h http.Handler, started chan struct{}, release func()) {
	started, gate := make(chan struct{}, 16), make(chan struct{})
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		started <- struct{}{}
		<-gate
	}), started, func() { close(gate) }
}

func TestOneRequestTooManyIsToldToComeBack(t *testing.T) {
	inner, started, release := blocking()
	h := Limit(1, Plainly, inner)
	var wg sync.WaitGroup
	wg.Go(func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)) })
	<-started
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "1", w.Header().Get("Retry-After"))
	release()
	wg.Wait()
}

func TestBodiesUnderWayAreBounded(t *testing.T) {
	inner, started, release := blocking()
	// The wait is long enough that a busy machine doesn't let it pass before a free share is asked for.
	h := LimitBodies(100, 60, 200*time.Millisecond, Plainly, inner)
	body := func(n int) *http.Request {
		return httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("x", n)))
	}
	chunked := httptest.NewRequest("POST", "/", io.NopCloser(strings.NewReader("x")))
	chunked.ContentLength = -1
	var wg sync.WaitGroup
	wg.Go(func() { h.ServeHTTP(httptest.NewRecorder(), chunked) }) // counts as 60
	<-started
	w := httptest.NewRecorder()
	h.ServeHTTP(w, body(50))
	require.Equal(t, http.StatusServiceUnavailable, w.Code, "60 and 50 are over 100")
	wg.Go(func() { h.ServeHTTP(httptest.NewRecorder(), body(40)) })
	<-started
	wg.Go(func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)) })
	<-started // a request without a body needs no share
	release()
	wg.Wait()
}

func TestTheLogHoldsNothingOfThePatient(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	m := &meter{}
	h := Log(log, func(*http.Request) (string, string) { return "fhir", "/{type}/{id}" }, m, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }))
	r := httptest.NewRequest("GET", "/FHIR/R4/Patient/9000000009?identifier=9000000009", strings.NewReader("9000000009"))
	r.Header.Set("X-Request-Id", "9000000009")
	r.Header.Set("X-Correlation-Id", "0a000000-0000-4000-8000-000000000001")
	h.ServeHTTP(httptest.NewRecorder(), r)
	require.NotContains(t, text.String(), "9000000009")
	require.Contains(t, text.String(), "status=404")
	require.Contains(t, text.String(), "0a000000-0000-4000-8000-000000000001")
	require.Contains(t, text.String(), "route=/{type}/{id}")
	require.Equal(t, []string{"began", "fhir /{type}/{id} GET 404"}, m.told)
}

// meter notes what it is told.
type meter struct{ told []string }

func (m *meter) Began() { m.told = append(m.told, "began") }

func (m *meter) Ended(door, route, method string, status int, _ time.Duration) {
	m.told = append(m.told, fmt.Sprint(door, " ", route, " ", method, " ", status))
}

func TestAnAnswerThatIsCutOffIsCountedAsThat(t *testing.T) {
	m := &meter{}
	h := Log(slog.New(slog.DiscardHandler), func(*http.Request) (string, string) { return "d", "r" }, m, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		panic(http.ErrAbortHandler)
	}))
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)) })
	require.Equal(t, []string{"began", "d r GET 0"}, m.told)
}

func TestHealthSaysWhatIsWrong(t *testing.T) {
	var fail error
	h := &Health{Check: func(context.Context) (any, error) { return "fine", fail }}
	ask := func(f http.HandlerFunc) int {
		w := httptest.NewRecorder()
		f(w, httptest.NewRequest("GET", "/", nil))
		return w.Code
	}
	require.Equal(t, []int{200, 200}, []int{ask(h.Live), ask(h.Ready)})
	fail = errors.New("gone")
	require.Equal(t, []int{200, 503}, []int{ask(h.Live), ask(h.Ready)})
	w := httptest.NewRecorder()
	h.Ready(w, httptest.NewRequest("GET", "/", nil))
	require.JSONEq(t, `{"status":"unavailable","why":"gone"}`, w.Body.String())
	fail = nil
	h.Stop()
	require.Equal(t, []int{200, 503}, []int{ask(h.Live), ask(h.Ready)})
}
