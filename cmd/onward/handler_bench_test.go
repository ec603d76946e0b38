package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/internal/egress"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/storetest"
)

// inside is the server's handler as Run wires it, in this process and without a
// network, on a store in memory with the sample services: what a request costs
// beside the standard library's server and the client.
type inside struct {
	*app
	handler http.Handler
	db      store.Store
}

const insideHost = "127.0.0.1:8080"

func startInside(t testing.TB) *inside {
	t.Helper()
	var c cli
	parser, err := kong.New(&c)
	require.NoError(t, err)
	_, err = parser.Parse([]string{"serve", "--store", "sqlite::memory:", "--bars-registry", "off"})
	require.NoError(t, err)
	log, root := newLog("info"), "http://"+insideHost
	kept, err := openStore(t.Context(), c.Serve.Store, opening{sync: c.Serve.Sync, log: log})
	require.NoError(t, err)
	m := newMetrics()
	db := m.store(kept, log)
	t.Cleanup(func() { _ = db.Close() })
	soap, err := c.Serve.nhs111Options(root)
	require.NoError(t, err)
	calls, err := c.Serve.BarsSend.client()
	require.NoError(t, err)
	reports, err := c.Serve.NHS111Send.sending(c.Serve.BarsSend.Route)
	require.NoError(t, err)
	profiles, err := c.Serve.loadProfiles(log)
	require.NoError(t, err)
	national, err := c.Serve.standIns(db, root, sandboxSettings{}, log)
	require.NoError(t, err)
	a, err := newApp(db, &c.Serve, root, outside{soap: soap, profiles: profiles, reach: &egress.Policy{}, sender: calls.patient,
		reports: reports, national: national, metrics: m}, log)
	require.NoError(t, err)
	_, err = a.desk.Load(t.Context(), bars.Caller{Door: "sandbox"}, sandbox.Resources(time.Now()))
	require.NoError(t, err)
	return &inside{a, a.handler(), db}
}

// insideRequest is a request as net/http hands it over when Go's own client
// sent it. Its context can end, as there.
func insideRequest(t testing.TB, method, path string, body []byte) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), method, "http://"+insideHost+path, bytes.NewReader(body))
	r.Header.Set("User-Agent", "Go-http-client/1.1")
	r.Header.Set("Accept-Encoding", "gzip")
	if body == nil {
		r.Body, r.ContentLength = http.NoBody, 0
	} else {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	return r
}

// nowhere is an answer of which nothing but status and length is kept.
type nowhere struct {
	header http.Header
	status int
	n      int
}

func (a *nowhere) Header() http.Header         { return a.header }
func (a *nowhere) WriteHeader(status int)      { a.status = status }
func (a *nowhere) Write(b []byte) (int, error) { a.n += len(b); return len(b), nil }

// asked answers one request and gives the status.
func (in *inside) asked(r *http.Request, a *nowhere) int {
	clear(a.header)
	a.status = http.StatusOK
	in.handler.ServeHTTP(a, r)
	return a.status
}

// BenchmarkInside measures the cases of BenchmarkDoors without the network;
// read-store is what a read costs in the store alone. cpu-us/op is the time of
// the processor, which depends least on what else the machine does.
func BenchmarkInside(b *testing.B) {
	in := startInside(b)
	slot := in.firstSlot(b)
	a := &nowhere{header: http.Header{}}
	read := insideRequest(b, "GET", "/FHIR/R4/Slot/"+slot, nil)
	search := insideRequest(b, "GET", fmt.Sprintf("/FHIR/R4/Slot?status=free&schedule=Schedule/%s&_sort=start&_count=50", sandbox.ID("schedule/ed-1")), nil)
	patient := []byte(`{"resourceType":"Patient","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9000000009"}],"name":[{"family":"Sample","given":["Sandy"]}],"gender":"female","birthDate":"1980-02-29"}`)
	for _, c := range []struct {
		name string
		do   func() bool
	}{
		{"read", func() bool { return in.asked(read, a) == http.StatusOK }},
		{"read-store", func() bool {
			_, err := in.db.Get(b.Context(), store.Ref{Type: "Slot", ID: slot})
			return err == nil
		}},
		{"slot-search", func() bool { return in.asked(search, a) == http.StatusOK }},
		{"create", func() bool {
			return in.asked(insideRequest(b, "POST", "/FHIR/R4/Patient", patient), a) == http.StatusCreated
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			before := storetest.CPUTime(b)
			for b.Loop() {
				if !c.do() {
					b.Fatal("answered otherwise")
				}
			}
			b.ReportMetric(float64((storetest.CPUTime(b)-before).Nanoseconds())/float64(b.N)/1000, "cpu-us/op")
		})
	}
}

// firstSlot is the id of a sample slot.
func (in *inside) firstSlot(t testing.TB) string {
	t.Helper()
	for _, r := range sandbox.Resources(time.Now()) {
		if r.Type() == "Slot" {
			return r.ID()
		}
	}
	require.FailNow(t, "there is no slot")
	return ""
}
