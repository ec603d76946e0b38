package telemetry

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// scraped are the series of a page: their text before the value.
type scraped map[string]float64

func scrape(t *testing.T, r *Registry) scraped {
	t.Helper()
	w := ask(r, "GET", "127.0.0.1:5")
	require.Equal(t, http.StatusOK, w.Code)
	series := scraped{}
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		require.NoError(t, err, line)
		series[line[:at]] = value
	}
	return series
}

// ask asks for the page as a peer.
func ask(r *Registry, method, peer string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, "/metrics", nil)
	req.RemoteAddr = peer
	for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded"} {
		req.Header.Set(name, "127.0.0.1")
	}
	req.Host = "localhost"
	w := httptest.NewRecorder()
	refuse := func(w http.ResponseWriter, _ *http.Request, status int, reason string) { http.Error(w, reason, status) }
	r.Page(slog.New(slog.NewTextHandler(io.Discard, nil)), refuse).ServeHTTP(w, req)
	return w
}

func TestOnlyPeersOnThisMachineAreAnswered(t *testing.T) {
	r := NewRegistry("test")
	for peer, want := range map[string]int{
		"127.0.0.1:5": 200, "127.9.9.9:5": 200, "[::1]:5": 200, "[::ffff:127.0.0.1]:5": 200,
		"10.0.0.1:5": 403, "192.0.2.1:1234": 403, "[2001:db8::1]:5": 403, "[::ffff:10.0.0.1]:5": 403, "0.0.0.0:5": 403, "[::]:5": 403,
		"": 403, "@": 403, "127.0.0.1": 403, "localhost:5": 403, "127.0.0.1.example:5": 403,
	} {
		w := ask(r, "GET", peer)
		require.Equal(t, want, w.Code, peer)
		require.Equal(t, want == 200, strings.Contains(w.Body.String(), "onward_build_info"), peer)
	}
	require.Equal(t, http.StatusMethodNotAllowed, ask(r, "POST", "127.0.0.1:5").Code)
}

func TestThePageTellsOfTheProgramAndItsProcess(t *testing.T) {
	series := scrape(t, NewRegistry("1.2.3"))
	for _, name := range []string{"go_goroutines", "process_start_time_seconds"} {
		require.Contains(t, series, name)
	}
	found := false
	for name, is := range series {
		found = found || is == 1 && strings.HasPrefix(name, `onward_build_info{`) && strings.Contains(name, `version="1.2.3"`)
	}
	require.True(t, found)
}

func TestRequestsAreCountedUnderAFewLabels(t *testing.T) {
	r := NewRegistry("test")
	h := r.HTTP("requests", "bodies")
	h.Began()
	require.Equal(t, 1.0, scrape(t, r)["onward_http_requests_in_flight"])
	h.Ended("fhir", "/{type}", "GET", 200, 0)
	for _, method := range []string{"BREW", "get", "", "9000000009"} {
		h.Began()
		h.Ended("fhir", "/{type}", method, 405, 0)
	}
	for _, status := range []int{600, 99, -1, 9000000009} {
		h.Began()
		h.Ended("fhir", "/{type}", "PUT", status, 0)
	}
	h.Began()
	h.Ended("fhir", "/{type}", "GET", Aborted, 0)
	h.Full("bodies")
	got := scrape(t, r)
	for series, want := range map[string]float64{
		`onward_http_requests_in_flight`: 0,
		`onward_http_requests_total{door="fhir",method="GET",route="/{type}",status="200"}`:     1,
		`onward_http_requests_total{door="fhir",method="GET",route="/{type}",status="aborted"}`: 1,
		`onward_http_requests_total{door="fhir",method="other",route="/{type}",status="405"}`:   4,
		`onward_http_requests_total{door="fhir",method="PUT",route="/{type}",status="other"}`:   4,
		`onward_http_request_duration_seconds_count{door="fhir",route="/{type}"}`:               10,
		`onward_http_requests_refused_total{full="requests"}`:                                   0,
		`onward_http_requests_refused_total{full="bodies"}`:                                     1,
	} {
		value, there := got[series]
		require.True(t, there, series)
		require.Equal(t, want, value, series)
	}
}
