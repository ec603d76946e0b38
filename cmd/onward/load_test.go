package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/store/storetest/linear"
)

// loadClients is how many clients write while something bad happens.
const loadClients = 16

// fact is one write, and what its client was told of it.
type fact struct {
	kind   string
	name   string // what tells it apart; text of the records that it makes
	told   linear.Result
	path   string
	header http.Header
	body   []byte
	id     string // of a booking's Appointment, or of a Patient
	slot   freeSlot
	undone *fact // the cancellation of a booking, if one was tried
}

// pressure is what clients did to a server, across its restarts.
type pressure struct {
	t        *testing.T
	s        *server
	slots    []freeSlot
	complain func(format string, args ...any)
	counters [loadClients]counter

	mu     sync.Mutex
	facts  []*fact
	spoilt int // writes that were refused for now, or whose result is unknown
}

// counter is a record that one client alone writes, by version.
type counter struct {
	id      string
	version int64 // acknowledged last
	open    bool  // the one after it may be there
	late    bool  // it wasn't when it was looked for, and may still come
}

func newPressure(t *testing.T, s *server) *pressure {
	l := &pressure{t: t, s: s, slots: s.freeSlots(150), complain: t.Errorf}
	for i := range l.counters {
		l.counters[i] = counter{id: uuid.NewString(), version: 1}
		a := s.do("PUT", "/FHIR/R4/Patient/"+l.counters[i].id, plain(), patientBody(l.counters[i].id, "1"))
		require.Equal(t, 201, a.status, "%s", a.body)
	}
	return l
}

// run lets the clients write until bad, which is called once they are at it,
// comes back.
func (l *pressure) run(seed uint64, bad func()) {
	var wg sync.WaitGroup
	over := make(chan struct{})
	for n := range loadClients {
		g := rand.New(rand.NewPCG(seed, uint64(n)))
		wg.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
					l.step(n, g)
				}
			}
		})
	}
	bad()
	close(over)
	wg.Wait()
}

func (l *pressure) step(n int, g *rand.Rand) {
	switch g.IntN(8) {
	case 0, 1, 2:
		f := &fact{kind: "booking", name: uuid.NewString(), path: messagePath, header: speaking(sandbox.UrgentTreatment), slot: l.slots[g.IntN(len(l.slots))]}
		f.body = []byte(strings.Replace(string(bookingFor(l.t, f.slot)), "Sprained ankle", f.name, 1))
		a := l.tell(f)
		if f.told != linear.Done {
			return
		}
		f.id = appointmentID(a.body)
		if g.IntN(3) > 0 {
			f.undone = &fact{kind: "cancellation", name: f.name, path: messagePath, header: speaking(sandbox.UrgentTreatment), body: cancellationFor(l.t, f.id, f.slot)}
			l.tell(f.undone)
		}
	case 3:
		name := uuid.NewString()
		body := strings.Replace(string(patientBody("", name)), `"id":"",`, `"identifier":[{"system":"https://supplier.example/Id/load","value":"`+name+`"}],`, 1)
		f := &fact{kind: "conditional create", name: name, path: "/FHIR/R4/Patient", header: plain(), body: []byte(body)}
		f.header.Set("If-None-Exist", "identifier=https://supplier.example/Id/load|"+name)
		l.tell(f)
	case 4:
		f := &fact{kind: "transaction", name: uuid.NewString(), path: "/FHIR/R4", header: plain()}
		var entries []string
		for range transactionSize {
			id := uuid.NewString()
			entries = append(entries, fmt.Sprintf(`{"resource":%s,"request":{"method":"PUT","url":"Patient/%s"}}`, patientBody(id, f.name), id))
		}
		f.body = []byte(`{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Join(entries, ",") + `]}`)
		l.tell(f)
	case 5:
		f := &fact{kind: "report", name: uuid.NewString(), path: "/nhs111/report", header: http.Header{"Content-Type": {"text/xml"}}}
		text, err := os.ReadFile("../../testdata/tour/report.xml")
		if err != nil {
			panic(err)
		}
		f.body = []byte(strings.ReplaceAll(string(text), "4C1B-8E5B-5A6B7C8D9E01", strings.ToUpper(f.name)[14:]))
		l.tell(f)
	default:
		l.advance(&l.counters[n])
	}
}

const transactionSize = 3

// tell makes a request and notes what it was told.
func (l *pressure) tell(f *fact) *answer {
	a, err := l.s.try("POST", f.path, f.header, f.body)
	f.told = l.heard(f.kind, a, err)
	if f.kind != "cancellation" {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.facts = append(l.facts, f)
	}
	return a
}

// heard judges the answer to a write.
func (l *pressure) heard(kind string, a *answer, err error) linear.Result {
	r := l.judge(kind, a, err)
	if r == linear.Void || r == linear.Unknown {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.spoilt++
	}
	return r
}

// untilSpoilt waits until more writes have met the trouble.
func (l *pressure) untilSpoilt() {
	l.t.Helper()
	spoilt := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.spoilt
	}
	before := spoilt()
	for began := time.Now(); spoilt() < before+3; wait(20 * time.Millisecond) {
		require.Less(l.t, time.Since(began), 30*time.Second, "no write meets the trouble")
	}
}

func (l *pressure) judge(kind string, a *answer, err error) linear.Result {
	r, known := result(a, err)
	if kind == "report" && err == nil && a.status == http.StatusInternalServerError && strings.Contains(string(a.body), "s:Server") {
		return linear.Unknown // SOAP has no 503: a fault of the server's may pass (ITK 2.2)
	}
	if !known {
		l.complain("a %s was answered %d: %s", kind, a.status, a.body)
	}
	if err == nil && a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") == "" {
		l.complain("a %s was answered 503 without Retry-After", kind)
	}
	return r
}

// advance writes the counter's next version.
func (l *pressure) advance(c *counter) {
	if c.open {
		a, err := l.s.try("GET", "/FHIR/R4/Patient/"+c.id, nil, nil)
		if err != nil || a.status != 200 {
			return
		}
		c.found(versionIn(a))
	}
	header := plain()
	header.Set("If-Match", fmt.Sprintf(`W/"%d"`, c.version))
	a, err := l.s.try("PUT", "/FHIR/R4/Patient/"+c.id, header, patientBody(c.id, fmt.Sprint(c.version+1)))
	switch r := l.heard("conditional update", a, err); r {
	case linear.Done:
		c.version, c.late = c.version+1, false
	case linear.Unknown:
		c.open = true
	case linear.Refused:
		if c.late { // what was unknown has come since
			c.open = true
			return
		}
		l.complain("the only writer of a record was refused its version: %s", a.body)
	}
}

// found takes note of the version that stands. A write whose result is unknown may
// come true after it was looked for: it waited in the database.
func (c *counter) found(version int64) {
	c.late = (c.open || c.late) && version == c.version
	c.version, c.open = version, false
}
