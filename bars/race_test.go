package bars_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

// Ensure that whatever sixteen clients do at once to five slots, claims,
// Appointments and Slot statuses agree in the end, and that nobody gets an
// answer that isn't one of the rules'.
func TestClaimsAppointmentsAndSlotsAgreeAfterAnythingAtOnce(t *testing.T) {
	s := open(t)
	const clients = 16
	// How many requests a second there are depends on the machine and on the race
	// detector, so the clients go on until everything has happened.
	deadline := time.Now().Add(2 * time.Minute)
	must := []string{"book done", "cancel done", "put done", "delete done", "close done", "free done", "book conflict", "free conflict"}
	var mu sync.Mutex
	answers, total := map[string]int{}, 0
	enough := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return total >= 300 && !slices.ContainsFunc(must, func(answer string) bool { return answers[answer] == 0 })
	}
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			random := rand.New(rand.NewPCG(20261120, uint64(c)))
			var mine []string
			for i := 0; !enough() && time.Now().Before(deadline); i++ {
				what, err := s.anything(random, fmt.Sprintf("a%d-%d", c, i), &mine)
				answer := what + " done"
				if err != nil {
					answer = what + " " + fhir.AsOutcome(err).Kind.Row().Name
				}
				mu.Lock()
				answers[answer]++
				total++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	t.Log(answers)
	s.invariant()
	require.True(t, enough(), "too little happened to prove anything")
	for answer := range answers {
		require.NotContains(t, answer, "exception")
		require.NotContains(t, answer, "timeout")
	}
}

// anything does one random thing to one random slot.
func (s *scene) anything(random *rand.Rand, id string, mine *[]string) (what string, err error) {
	slot := random.IntN(slotsPerDiary)
	take := func() string {
		if len(*mine) == 0 {
			return ""
		}
		i := random.IntN(len(*mine))
		return (*mine)[i]
	}
	switch random.IntN(10) {
	case 0, 1, 2:
		result, err := s.send(booking(s.t, slot))
		if err == nil {
			*mine = append(*mine, focus(result))
		}
		return "book", err
	case 3, 4:
		if id := take(); id != "" {
			_, err := s.send(bookingCancel(s.t, id, slot))
			return "cancel", err
		}
		return "none", nil
	case 5:
		status := []string{"proposed", "booked", "waitlist", "pending"}[random.IntN(4)]
		_, err := s.put(appointmentText(id, status, slot, random.IntN(slotsPerDiary)), 0)
		if err == nil {
			*mine = append(*mine, id)
		}
		return "put", err
	case 6: // another slot, another status
		if id := take(); id != "" {
			status := []string{"booked", "arrived", "cancelled", "noshow", "fulfilled", "waitlist"}[random.IntN(6)]
			_, err := s.put(appointmentText(id, status, slot), 0)
			return "move", err
		}
		return "none", nil
	case 7:
		if id := take(); id != "" {
			return "delete", s.remove("Appointment", id)
		}
		return "none", nil
	case 8:
		status := []string{"busy", "busy-unavailable", "busy-tentative"}[random.IntN(3)]
		_, err := s.put(string(slotResource(s.t, clinic, slot, status).JSON()), 0)
		return "close", err
	}
	if random.IntN(4) == 0 {
		return "remove", s.remove("Slot", slotID(clinic, slot))
	}
	_, err = s.put(string(slotResource(s.t, clinic, slot, "free").JSON()), 0)
	return "free", err
}
