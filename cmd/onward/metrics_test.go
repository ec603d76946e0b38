package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
)

// series are the lines of a scrape: name and labels, and the value.
type series map[string]float64

func readSeries(t testing.TB, page string) series {
	t.Helper()
	s := series{}
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		require.NoError(t, err, line)
		s[line[:at]] = value
	}
	return s
}

func (s *server) scrape() series {
	s.t.Helper()
	a := s.do("GET", metricsPath, nil, nil)
	require.Equal(s.t, 200, a.status, "%s", a.body)
	return readSeries(s.t, string(a.body))
}

// scraped is the page as a peer on this machine gets it.
func (in *inside) scraped(t testing.TB) string {
	t.Helper()
	r := insideRequest(t, "GET", metricsPath, nil)
	r.Header.Del("Accept-Encoding")
	r.RemoteAddr = "127.0.0.1:4321"
	w := httptest.NewRecorder()
	in.handler.ServeHTTP(w, r)
	require.Equal(t, 200, w.Code)
	return w.Body.String()
}

func requests(door, route, method string, status int) string {
	return fmt.Sprintf("onward_http_requests_total{door=%q,method=%q,route=%q,status=\"%d\"}", door, method, route, status)
}

func TestAScrapeTellsWhatWasDone(t *testing.T) {
	s := start(t)
	slot := s.freeSlots(1)[0]
	fed := s.scrape()["onward_feed_caught_up_timestamp_seconds"]
	header, body := speaking(sandbox.UrgentTreatment), bookingFor(t, slot)
	require.Equal(t, 200, s.do("POST", messagePath, header, body).status)
	require.Equal(t, 409, s.do("POST", messagePath, header, body).status, "the same ids again")
	require.Equal(t, 409, s.do("POST", messagePath, speaking(sandbox.UrgentTreatment), body).status, "the slot is taken")
	s.do("GET", "/FHIR/R4/Slot/"+slot.id, nil, nil)
	s.do("GET", "/FHIR/R4/Slot/"+slot.id+"/_history/1", nil, nil)
	s.do("GET", "/FHIR/R4/Slot/none", nil, nil)
	s.do("GET", "/FHIR/R4/Slot/"+slot.id, speaking(sandbox.UrgentTreatment), nil)
	s.do("GET", "/FHIR/R4/nowhere/at/all/ever/x", nil, nil)
	s.do("GET", "/FHIR/R4", nil, nil)
	s.do("GET", "/nhs111/report/none", nil, nil)
	s.do("GET", "/sandbox/bars/FHIR/R4/metadata", nil, nil)
	s.do("GET", "/nowhere", nil, nil)
	require.Eventually(t, func() bool {
		got := s.scrape()
		return got["onward_check_finished_timestamp_seconds"] > 0 && got["onward_feed_caught_up_timestamp_seconds"] > fed
	}, waitLong, waitStep)

	got := s.scrape()
	for name, want := range map[string]float64{
		requests("bars", "/$process-message", "POST", 200):                                  1,
		requests("bars", "/$process-message", "POST", 409):                                  2,
		requests("fhir", "/{type}", "GET", 200):                                             1,
		requests("fhir", "/{type}/{id}", "GET", 200):                                        1,
		requests("fhir", "/{type}/{id}", "GET", 404):                                        1,
		requests("fhir", "/{type}/{id}/_history/{version}", "GET", 200):                     1,
		requests("fhir", noRoute, "GET", 404):                                               1,
		requests("fhir", "/", "GET", 200):                                                   1,
		requests("bars", noRoute, "GET", 404):                                               1,
		requests("nhs111", "/nhs111/report/{MessageID}", "GET", 404):                        1,
		requests("other", noRoute, "GET", 404):                                              1,
		`onward_http_request_duration_seconds_count{door="bars",route="/$process-message"}`: 3,
		`onward_http_requests_in_flight`:                                                    1,
		`onward_http_requests_refused_total{full="requests"}`:                               0,
		`onward_idempotency_repeats_total{door="bars",outcome="replayed"}`:                  1,
		`onward_store_up`:                                                  1,
		`onward_store_backlog_batches`:                                     0,
		`onward_store_clock_ahead_seconds`:                                 0,
		`onward_store_info{engine="sqlite",sync="FULL"}`:                   1,
		`onward_outbox_dead_messages`:                                      0,
		`onward_check_breaches{repaired="false",rule="claim-owner"}`:       0,
		`onward_check_breaches{repaired="true",rule="slot-status"}`:        0,
		`onward_outbox_attempts_total{kind="subscription",outcome="dead"}`: 0,
	} {
		value, there := got[name]
		require.True(t, there, name)
		require.Equal(t, want, value, name)
	}
	require.Positive(t, got[`onward_store_commits_total{outcome="ok"}`])
	require.Positive(t, got[`onward_store_reads_total{operation="get",outcome="ok"}`])
	require.Positive(t, got[`onward_store_read_duration_seconds_count{operation="search"}`])
	require.InDelta(t, float64(time.Now().Unix()), got[`onward_feed_caught_up_timestamp_seconds`], 60)
	require.InDelta(t, float64(time.Now().Unix()), got[`onward_check_finished_timestamp_seconds`], 60)
	require.Positive(t, got["process_resident_memory_bytes"])
	require.Positive(t, got["go_goroutines"])
}

// Ensure that a breach of the invariant is told, by its rule, and one that was
// repaired apart.
func TestABreachShowsAfterTheCheck(t *testing.T) {
	s := start(t)
	slots := s.freeSlots(2)
	s.kill()
	db, err := sqlite.Open(t.Context(), strings.TrimPrefix(s.storeOf(), "sqlite:"), sqlite.Options{})
	require.NoError(t, err)
	late := outbox.Message{ID: "i", Kind: "nobody's", Recipient: "r", Focus: store.Ref{Type: "Slot", ID: "s"}, Created: time.Now().Add(-time.Hour)}
	waits, err := outbox.Put(late)
	require.NoError(t, err)
	_, err = db.Commit(t.Context(), &store.Batch{Ops: []store.Op{
		store.Claim{Slot: slots[0].id, Owner: "Slot/" + slots[0].id},
		store.Claim{Slot: slots[1].id, Owner: "Appointment/none"},
		waits,
		store.AuxPut{Kind: outbox.KindDead, Key: "k", Value: []byte(`{"id":"d"}`)},
	}})
	require.NoError(t, err)
	require.NoError(t, db.Close())
	s.run()
	require.Eventually(t, func() bool { return s.scrape()["onward_check_finished_timestamp_seconds"] > 0 }, waitLong, waitStep)
	got := s.scrape()
	for name, want := range map[string]float64{
		`onward_check_breaches{repaired="false",rule="claim-owner"}`: 1,
		`onward_check_breaches{repaired="true",rule="slot-status"}`:  2,
		`onward_check_breaches{repaired="false",rule="slot-status"}`: 0,
		`onward_check_repairs_total`:                                 2,
		`onward_outbox_waiting_messages`:                             1,
		`onward_outbox_dead_messages`:                                1,
	} {
		value, there := got[name]
		require.True(t, there, name)
		require.Equal(t, want, value, name)
	}
	require.InDelta(t, 3600, got["onward_outbox_oldest_seconds"], 120)
}

func TestMetricsAreForPeersOnThisMachine(t *testing.T) {
	in := startInside(t)
	for _, c := range []struct {
		peer, host, origin string
		want               int
	}{
		{"127.0.0.1:9", insideHost, "", 200}, {"[::1]:9", insideHost, "", 200},
		{"192.0.2.7:9", insideHost, "", 403}, {"[2001:db8::1]:9", insideHost, "", 403},
		{"127.0.0.1:9", "evil.example", "", 403}, {"127.0.0.1:9", insideHost, "https://evil.example", 403},
	} {
		r := insideRequest(t, "GET", metricsPath, nil)
		r.Header.Del("Accept-Encoding")
		r.RemoteAddr, r.Host = c.peer, c.host
		for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "True-Client-Ip"} {
			r.Header.Set(name, "127.0.0.1")
		}
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		w := httptest.NewRecorder()
		in.handler.ServeHTTP(w, r)
		require.Equal(t, c.want, w.Code, "%+v", c)
		require.Equal(t, c.want == 200, strings.Contains(w.Body.String(), "onward_"), "%+v", c)
	}
}

// Ensure that metrics are there when they are needed most.
func TestMetricsAnswerWhenTheServerIsFull(t *testing.T) {
	in := startInside(t)
	var all sync.WaitGroup
	var open []*io.PipeWriter
	for range maxUnderWay {
		body, into := io.Pipe()
		open = append(open, into)
		r := insideRequest(t, "POST", "/FHIR/R4/Patient", []byte{})
		r.Body, r.ContentLength = body, 10
		all.Go(func() { in.handler.ServeHTTP(httptest.NewRecorder(), r) })
		_, err := into.Write([]byte(" ")) // returns when the door reads it
		require.NoError(t, err)
	}
	w := httptest.NewRecorder()
	in.handler.ServeHTTP(w, insideRequest(t, "GET", "/FHIR/R4/metadata", nil))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	got := readSeries(t, in.scraped(t))
	require.Equal(t, float64(maxUnderWay+1), got["onward_http_requests_in_flight"])
	require.Equal(t, 1.0, got[`onward_http_requests_refused_total{full="requests"}`])
	require.Equal(t, 1.0, got[requests("fhir", "/metadata", "GET", 503)])
	for _, into := range open {
		require.NoError(t, into.Close())
	}
	all.Wait()
	require.Equal(t, 1.0, readSeries(t, in.scraped(t))["onward_http_requests_in_flight"])
}

// Ensure that a scrape holds nothing of a request and doesn't grow with what
// clients make up (design D21).
func TestNoLabelHoldsAnythingOfARequest(t *testing.T) {
	in := startInside(t)
	const mark = "9000000009"
	send := func(method, path string, change func(r *http.Request)) {
		r := insideRequest(t, "GET", "/", nil)
		r.Method, r.URL.Path, r.URL.RawQuery = method, path, "identifier="+mark
		r.Header.Set("X-Request-Id", mark)
		r.Header.Set("User-Agent", mark)
		r.Header.Set("Referer", mark)
		if change != nil {
			change(r)
		}
		in.handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	hostile := func(n int) {
		id := fmt.Sprint(mark, "-", n)
		for _, path := range []string{
			"/" + id, "/FHIR/R4/" + id, "/FHIR/R4/Patient/" + id, "/FHIR/R4/Patient/" + id + "/_history/" + id, "/FHIR/R4/" + id + "/" + id,
			"/FHIR/R4/Patient/" + id + "/" + id, "/FHIR/R4/$" + id, "/FHIR/R4/ServiceRequest/" + id + "/$respond", "/FHIR/R4/MessageDefinition/" + id,
			"/FHIR/R4//" + id, "/FHIR/R4/../" + id, "/FHIR/R4" + id, "/FHIR/R4/Appointment/" + id, "/FHIR/R4/Appointment/" + id + "/_history/" + id,
			"/FHIR/R4/DocumentReference/" + id, "/FHIR/R4/Patient/\x00" + id + "\n\"}", "/nhs111/" + id, "/nhs111/report/" + id, "/report/" + id,
			"/sandbox/bars/" + id, "/sandbox/dos/" + id, "/sandbox/" + id, "/metrics/" + id, "/healthz/" + id, "/FHIR/R4/" + id + "/$process-message",
		} {
			for _, method := range []string{"GET", "DELETE", "OPTIONS", "CONNECT", "TRACE", "M" + id, "get"} {
				send(method, path, nil)
				send(method, path, func(r *http.Request) { r.Header.Set("NHSD-Target-Identifier", id) })
				send(method, path, func(r *http.Request) { r.URL.RawPath = strings.ReplaceAll(path, "-", "%2D") })
				send(method, path, func(r *http.Request) { r.Host = id })
			}
		}
	}
	hostile(0)
	in.scraped(t) // is counted itself
	page := in.scraped(t)
	before := len(readSeries(t, page))
	for n := range 5 {
		hostile(n + 1)
	}
	page = in.scraped(t)
	for line := range strings.Lines(page) {
		require.NotContains(t, line, mark)
		require.NotContains(t, line, "%2D")
	}
	require.True(t, strings.Contains(page, `method="other"`))
	require.Equal(t, before, len(readSeries(t, page)), "made-up paths, methods and headers make no series")
	require.Less(t, before, 2500)
}

// Ensure that the operator's table lists every metric with its type and labels,
// and that the sample alerts ask for metrics that there are.
func TestTheDocumentedMetricsAreThoseThatThereAre(t *testing.T) {
	in := startInside(t)
	m := in.metrics
	m.attempts(nil)("subscription", outbox.Delivered, time.Second)
	m.repeated("bars", bars.RepeatReplayed)
	m.caughtUp(time.Now())
	report, err := in.desk.Verify(t.Context(), bars.VerifyOptions{})
	require.NoError(t, err)
	m.checked(report, time.Second, nil)
	in.scraped(t)                // is counted itself
	there := map[string]string{} // name: type, labels
	name := ""
	for line := range strings.Lines(in.scraped(t)) {
		words := strings.Fields(line)
		if words[0] == "#" && words[1] == "TYPE" {
			name = words[2]
			if strings.HasPrefix(name, "onward_") {
				there[name] = words[3]
			}
			continue
		}
		for _, label := range regexp.MustCompile(`[{,](\w+)="`).FindAllStringSubmatch(line, -1) {
			if there[name] != "" && label[1] != "le" && !slices.Contains(strings.Fields(there[name]), label[1]) {
				there[name] += " " + label[1]
			}
		}
	}
	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "\n## Metrics\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(onward_\\w+)` \\| (\\w+) \\| (.*?) ?\\|").FindAllStringSubmatch(section, -1) {
		labels := strings.Fields(strings.NewReplacer("`", "", ",", "").Replace(row[3]))
		slices.Sort(labels) // as Prometheus writes them
		documented[row[1]] = strings.Join(append([]string{row[2]}, labels...), " ")
	}
	require.Equal(t, there, documented)
	_, rules, found := strings.Cut(section, "```yaml")
	require.True(t, found)
	for _, name := range regexp.MustCompile(`onward_\w+`).FindAllString(rules, -1) {
		require.Contains(t, there, name)
	}
}

// BenchmarkMetrics shows what counting a request takes beside answering it, and
// what a scrape takes.
func BenchmarkMetrics(b *testing.B) {
	in := startInside(b)
	read := insideRequest(b, "GET", "/FHIR/R4/Slot/"+in.firstSlot(b), nil)
	route := in.routeOf(http.NewServeMux())
	b.Run("request", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			start := time.Now()
			in.metrics.http.Began()
			door, pattern := route(read)
			in.metrics.http.Ended(door, pattern, read.Method, 200, time.Since(start))
		}
	})
	b.Run("scrape", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			in.scraped(b)
		}
	})
}
