package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/fhir"
)

const racers = 64

// Ensure that of 64 clients that want one slot exactly one gets it.
func TestSixtyFourClientsRaceForOneSlot(t *testing.T) {
	s := start(t)
	slot := s.freeSlots(1)[0]
	statuses := race(t, s, slot)
	won, lost := 0, 0
	for _, a := range statuses {
		switch a.status {
		case 200:
			won++
		case 409:
			lost++
			_, word, _ := a.issue(t)
			require.Equal(t, "REC_CONFLICT", word)
		}
	}
	require.Equal(t, []int{1, racers - 1}, []int{won, lost}, "one winner, all others told of the conflict")
	s.checkInvariant()
}

func race(t *testing.T, s *server, slot freeSlot) []*answer {
	t.Helper()
	body := bookingFor(t, slot)
	answers := make([]*answer, racers)
	errs := make([]error, racers)
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			<-gate
			answers[i], errs[i] = s.try("POST", messagePath, speaking(sandbox.UrgentTreatment), body)
		})
	}
	close(gate)
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	return answers
}

// checkInvariant reads everything back by plain FHIR: each slot is busy exactly
// where one live Appointment names it, and free where none does.
func (s *server) checkInvariant() {
	s.t.Helper()
	owners := map[string][]string{}
	s.each("/FHIR/R4/Appointment?_count=500", func(r fhir.Value) {
		switch r.Get("status").Text() {
		case "proposed", "pending", "booked", "arrived", "checked-in", "fulfilled":
			for slot := range r.Get("slot").Items() {
				ref := slot.Get("reference").Text()
				owners[ref] = append(owners[ref], r.Get("id").Text())
			}
		}
	})
	s.each("/FHIR/R4/Slot?_count=500", func(r fhir.Value) {
		ref := "Slot/" + r.Get("id").Text()
		require.LessOrEqual(s.t, len(owners[ref]), 1, "%s is double-booked", ref)
		want := "free"
		if len(owners[ref]) == 1 {
			want = "busy"
		}
		require.Equal(s.t, want, r.Get("status").Text(), "%s with %d appointments", ref, len(owners[ref]))
	})
}

// each follows a search through all its pages.
func (s *server) each(path string, visit func(fhir.Value)) {
	s.t.Helper()
	for path != "" {
		a := s.do("GET", path, nil, nil)
		require.Equal(s.t, 200, a.status, "%s", a.body)
		r := a.resource(s.t)
		for e := range r.Get("entry").Items() {
			visit(e.Get("resource"))
		}
		path = ""
		for link := range r.Get("link").Items() {
			if link.Get("relation").Text() == "next" {
				path = link.Get("url").Text()[len(s.url):]
			}
		}
	}
}

// crashRounds is how often the crash test pulls the plug.
const crashRounds = 4

// Ensure that nothing acknowledged is lost and nothing is half-done when the
// process is killed under load.
func TestKilledUnderLoadItLosesNothing(t *testing.T) {
	s := start(t)
	slots := s.freeSlots(200)
	acknowledged := map[string]string{} // appointment -> last acknowledged status
	requests := map[string]sentBooking{}
	for round := range crashRounds {
		s.loadUntilKilled(t, slots, round, acknowledged, requests)
		s.run()
		for id, status := range acknowledged {
			got := s.status("Appointment/" + id)
			if status == "booked" {
				require.Contains(t, []string{"booked", "cancelled"}, got, "an acknowledged booking is lost")
			} else {
				require.Equal(t, status, got, "an acknowledged cancellation is lost")
			}
		}
		s.checkInvariant()
	}
	require.Greater(t, len(acknowledged), 20, "too little load to prove anything")
	retried := 0
	for id, sent := range requests {
		a := s.do("POST", messagePath, sent.header, sent.body)
		code, _, _ := a.issue(t)
		require.Equal(t, []any{409, "duplicate"}, []any{a.status, code}, "the retry of %s", id)
		if retried++; retried == 20 {
			break
		}
	}
	s.checkInvariant()
}

type sentBooking struct {
	header map[string][]string
	body   []byte
}

// loadUntilKilled books and cancels with 8 clients until it kills the process
// at a random moment, and notes what was acknowledged.
func (s *server) loadUntilKilled(t *testing.T, slots []freeSlot, round int, acknowledged map[string]string, requests map[string]sentBooking) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	stopped := make(chan struct{})
	for worker := range 8 {
		random := rand.New(rand.NewPCG(uint64(round), uint64(worker)))
		wg.Go(func() {
			for {
				select {
				case <-stopped:
					return
				default:
				}
				slot := slots[random.IntN(len(slots))]
				header, body := speaking(sandbox.UrgentTreatment), bookingFor(t, slot)
				a, err := s.try("POST", messagePath, header, body)
				if err != nil || a.status != 200 {
					continue
				}
				id := appointmentID(a.body)
				mu.Lock()
				acknowledged[id] = "booked"
				requests[id] = sentBooking{header, body}
				mu.Unlock()
				if random.IntN(3) > 0 {
					continue
				}
				a, err = s.try("POST", messagePath, speaking(sandbox.UrgentTreatment), cancellationFor(t, id, slot))
				if err == nil && a.status == 200 {
					mu.Lock()
					acknowledged[id] = "cancelled"
					mu.Unlock()
				}
			}
		})
	}
	timer := time.NewTimer(time.Duration(300+rand.IntN(700)) * time.Millisecond)
	<-timer.C
	s.kill()
	close(stopped)
	wg.Wait()
}

func appointmentID(body []byte) string {
	var bundle struct {
		Entry []struct {
			Resource struct{ ResourceType, ID string }
		}
	}
	if json.Unmarshal(body, &bundle) != nil {
		return ""
	}
	for _, e := range bundle.Entry {
		if e.Resource.ResourceType == "Appointment" {
			return e.Resource.ID
		}
	}
	return ""
}

// Ensure that clients racing with the same transaction ids make one booking.
func TestSixtyFourRetriesAtOnceMakeOneBooking(t *testing.T) {
	s := start(t)
	slot := s.freeSlots(1)[0]
	header, body := speaking(sandbox.UrgentTreatment), bookingFor(t, slot)
	counts := map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range racers {
		wg.Go(func() {
			a, err := s.try("POST", messagePath, header, body)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				counts[err.Error()]++
				return
			}
			key := fmt.Sprint(a.status)
			if a.status != 200 {
				code, _, _ := a.issue(t)
				key += " " + code
			}
			counts[key]++
		})
	}
	wg.Wait()
	require.Equal(t, 1, counts["200"], "%v", counts)
	require.Equal(t, racers, counts["200"]+counts["409 duplicate"]+counts["425 duplicate"], "%v", counts)
	s.checkInvariant()
}
