package main

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

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
