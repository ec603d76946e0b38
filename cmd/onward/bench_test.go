package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
)

// How the doors are measured (docs/performance.md): load generator and server
// share the machine, HTTP/1.1 with keep-alive on loopback, 16 clients, median of
// alternating rounds, each case beside a static handler in a process of its own
// that reads the same request body and sends the same bytes. Therefore no request
// asks for a compressed answer: the static handler would send it as it is.
const (
	benchClients = 16
	benchRounds  = 5
	benchTime    = time.Second
	staticEnv    = "ONWARD_TEST_STATIC_SERVER"
)

// benchCase is one kind of request; next gives the i-th of them.
type benchCase struct {
	name   string
	status int
	next   func(i int) *http.Request
	sample []byte // an answer, for the static handler
	raw    func() // what the engine has to read for it, if that is to be measured
}

// BenchmarkDoors reports requests per second of each case and its ratio to the
// static handler; where the engine's own work is measured too, also how many times
// as long a request takes as that and the static answer together.
func BenchmarkDoors(b *testing.B) {
	s := start(b, "--bars-registry", "off") // each booking would be told to the sandbox, in the same process
	cases := benchCases(b, s)
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			static := startStatic(b, c.sample)
			var own, raw, engine []float64
			n := 0
			for b.Loop() {
				own, raw, engine = own[:0], raw[:0], engine[:0]
				for range benchRounds {
					raw = append(raw, load(b, func(int) *http.Request { return redirect(b, c.next(0), static) }, 200, &n))
					own = append(own, load(b, c.next, c.status, &n))
					if c.raw != nil {
						engine = append(engine, often(c.raw))
					}
				}
			}
			slices.Sort(own)
			slices.Sort(raw)
			b.ReportMetric(own[benchRounds/2], "req/s")
			b.ReportMetric(raw[benchRounds/2], "static-req/s")
			b.ReportMetric(own[benchRounds/2]/raw[benchRounds/2], "ratio")
			if c.raw != nil {
				slices.Sort(engine)
				b.ReportMetric(engine[benchRounds/2], "engine/s")
				b.ReportMetric((1/own[benchRounds/2])/(1/raw[benchRounds/2]+1/engine[benchRounds/2]), "x-static-and-engine")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// load sends requests for benchTime and returns how many a second were
// answered.
func load(b *testing.B, next func(i int) *http.Request, status int, n *int) float64 {
	b.Helper()
	var sent, wrong atomic.Int64
	var wg sync.WaitGroup
	base := *n
	begin := time.Now()
	for range benchClients {
		wg.Go(func() {
			for time.Since(begin) < benchTime {
				res, err := client.Do(next(base + int(sent.Add(1)) - 1))
				if err != nil {
					wrong.Add(1)
					continue
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if res.StatusCode != status {
					wrong.Add(1)
				}
			}
		})
	}
	wg.Wait()
	*n = base + int(sent.Load())
	require.Zero(b, wrong.Load(), "answers with another status")
	return float64(sent.Load()) / time.Since(begin).Seconds()
}

// often calls f by all clients for benchTime and returns how many times a second.
func often(f func()) float64 {
	var calls atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for range benchClients {
		wg.Go(func() {
			for time.Since(begin) < benchTime {
				f()
				calls.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(calls.Load()) / time.Since(begin).Seconds()
}

func benchCases(b *testing.B, s *server) []benchCase {
	b.Helper()
	slot := s.freeSlots(1)[0]
	read := "/FHIR/R4/Slot/" + slot.id
	search := fmt.Sprintf("/FHIR/R4/Slot?status=free&schedule=Schedule/%s&_sort=start&_count=50", sandbox.ID("schedule/ed-1"))
	patient := []byte(`{"resourceType":"Patient","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9000000009"}],"name":[{"family":"Sample","given":["Sandy"]}],"gender":"female","birthDate":"1980-02-29"}`)
	diary := benchDiary(b, s)
	get := func(path string) func(int) *http.Request {
		return func(int) *http.Request { return request(b, "GET", s.url+path, nil, nil) }
	}
	engine, err := sql.Open("sqlite", s.dir+"/data/onward.db")
	require.NoError(b, err)
	b.Cleanup(func() { engine.Close() })
	engine.SetMaxOpenConns(4) // as many as the store has readers
	engine.SetMaxIdleConns(4)
	prepared, err := engine.Prepare(rawSlotsText)
	require.NoError(b, err)
	raw := func() {
		rawFreeSlots(b, b.Context(), prepared, sandbox.ID("schedule/ed-1"), time.Unix(0, 0), time.Unix(1<<33, 0), 51)
	}
	created := s.do("POST", "/FHIR/R4/Patient", plain(), patient)
	booked := s.do("POST", messagePath, speaking(sandbox.UrgentTreatment), bookingFor(b, slot))
	require.Equal(b, 200, booked.status, "%s", booked.body)
	return []benchCase{
		{"read", 200, get(read), s.do("GET", read, nil, nil).body, nil},
		{"slot-search", 200, get(search), s.do("GET", search, nil, nil).body, raw},
		{"create", 201, func(int) *http.Request { return request(b, "POST", s.url+"/FHIR/R4/Patient", plain(), patient) }, created.body, nil},
		{"booking", 200, func(i int) *http.Request {
			return request(b, "POST", s.url+messagePath, speaking(sandbox.UrgentTreatment), bookingFor(b, diary[i%len(diary)]))
		}, booked.body, nil},
	}
}

// benchDiarySlots are more slots than the rounds can book.
const benchDiarySlots = 60_000

// benchDiary stores a long diary of free slots by plain FHIR.
func benchDiary(b *testing.B, s *server) []freeSlot {
	b.Helper()
	schedule := sandbox.ID("schedule/utc-1")
	slots := make([]freeSlot, benchDiarySlots)
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	var wg sync.WaitGroup
	var failed atomic.Int64
	next := make(chan int)
	for range 64 {
		wg.Go(func() {
			for i := range next {
				f := slots[i]
				body := fmt.Sprintf(`{"resourceType":"Slot","id":"%s","schedule":{"reference":"Schedule/%s"},"status":"free","start":"%s","end":"%s"}`, f.id, schedule, f.start, f.end)
				a, err := s.try("PUT", "/FHIR/R4/Slot/"+f.id, plain(), []byte(body))
				if err != nil || a.status != 201 {
					failed.Add(1)
				}
			}
		})
	}
	for i := range slots {
		from := at.Add(time.Duration(i) * 20 * time.Minute)
		slots[i] = freeSlot{fmt.Sprintf("bench-%d", i), from.Format(time.RFC3339), from.Add(20 * time.Minute).Format(time.RFC3339)}
		next <- i
	}
	close(next)
	wg.Wait()
	require.Zero(b, failed.Load())
	return slots
}

func request(b *testing.B, method, url string, header http.Header, body []byte) *http.Request {
	b.Helper()
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	require.NoError(b, err)
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("Accept-Encoding", "identity")
	return req
}

// redirect sends the same request to the static handler.
func redirect(b *testing.B, req *http.Request, address string) *http.Request {
	b.Helper()
	req.URL.Host, req.Host = address, address
	return req
}

// startStatic runs this test binary as a server that sends the same bytes to
// every request.
func startStatic(b *testing.B, body []byte) (address string) {
	b.Helper()
	file := b.TempDir() + "/body"
	require.NoError(b, os.WriteFile(file, body, 0o600))
	address = freeAddress(b)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), staticEnv+"="+address, staticEnv+"_BODY="+file)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	require.Eventually(b, func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, 10*time.Second, 5*time.Millisecond)
	return address
}

// serveStatic is what the process of startStatic does.
func serveStatic(address string) error {
	body, err := os.ReadFile(os.Getenv(staticEnv + "_BODY"))
	if err != nil {
		return err
	}
	return http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/fhir+json; charset=utf-8")
		_, _ = w.Write(body)
	}))
}
