package bars_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store"
)

// putSlot is an entry that writes a Slot of the clinic.
func putSlot(t testing.TB, n int, status string) string {
	return ent("PUT Slot/"+slotID(clinic, n), "", string(slotResource(t, clinic, n, status).JSON()))
}

// newSlot is a Slot that isn't there yet, without an id.
func newSlot(t testing.TB, status string) string {
	return strings.Replace(string(slotResource(t, clinic, 9, status).JSON()), `"id":"`+slotID(clinic, 9)+`",`, "", 1)
}

// Slot 0 has Appointment a, slot 1 Appointment b; slot 2 is closed, the others
// are free.
func TestChangesOfSlotsThatAgreeAreMadeTogether(t *testing.T) {
	const urnSlot = "urn:uuid:0d6d9a55-0000-4000-8000-000000000009"
	book := func(slots ...int) string { return ent("POST Appointment", "", appointmentText("", "booked", slots...)) }
	put := func(id, status string, slots ...int) string {
		return ent("PUT Appointment/"+id, "", appointmentText(id, status, slots...))
	}
	withID := func(id string, slots ...int) string { return put(id, "booked", slots...) }
	cancelled := put("a", "cancelled", 0)
	onURN := func(id string) string {
		return ent("PUT Appointment/"+id, "", strings.Replace(appointmentText(id, "booked", 0), "Slot/"+slotID(clinic, 0), urnSlot, 1))
	}
	type state struct {
		slot          int
		status, claim string
	}
	for _, c := range []struct {
		name    string
		entries []string
		want    []state
	}{
		{"a slot created by PUT and booked", []string{withID("n", 9), putSlot(t, 9, "free")}, []state{{9, "busy", "Appointment/n"}}},
		{"a slot created busy and booked", []string{putSlot(t, 9, "busy"), withID("n", 9)}, []state{{9, "busy", "Appointment/n"}}},
		{"a booking and its slot busy", []string{withID("n", 3), putSlot(t, 3, "busy")}, []state{{3, "busy", "Appointment/n"}}},
		{"a booking and its slot free", []string{putSlot(t, 3, "free"), withID("n", 3)}, []state{{3, "busy", "Appointment/n"}}},
		{"a proposal and its slot tentative", []string{putSlot(t, 3, "busy-tentative"), put("n", "proposed", 3)}, []state{{3, "busy-tentative", "Appointment/n"}}},
		{"a slot opened and booked", []string{withID("n", 2), putSlot(t, 2, "free")}, []state{{2, "busy", "Appointment/n"}}},
		{"deleted and booked by another", []string{withID("n", 0), ent("DELETE Appointment/a", "", "")}, []state{{0, "busy", "Appointment/n"}}},
		{"cancelled and booked by another", []string{withID("n", 0, 3), cancelled}, []state{{0, "busy", "Appointment/n"}, {3, "busy", "Appointment/n"}}},
		{"two change places", []string{withID("a", 1), withID("b", 0)}, []state{{0, "busy", "Appointment/b"}, {1, "busy", "Appointment/a"}}},
		{"one moves up and another follows", []string{withID("b", 3), withID("a", 1), book(4)}, []state{{0, "free", ""}, {1, "busy", "Appointment/a"}, {3, "busy", "Appointment/b"}}},
		{"cancelled and its slot free", []string{cancelled, putSlot(t, 0, "free")}, []state{{0, "free", ""}}},
		{"cancelled and its slot closed", []string{putSlot(t, 0, "busy-unavailable"), cancelled}, []state{{0, "busy-unavailable", "Slot/" + slotID(clinic, 0)}}},
		{"cancelled, written and booked by another", []string{cancelled, putSlot(t, 0, "busy"), withID("n", 0)}, []state{{0, "busy", "Appointment/n"}}},
		{"arrived and its slot still busy", []string{put("a", "arrived", 0), putSlot(t, 0, "busy")}, []state{{0, "busy", "Appointment/a"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := diaryScene(t)
			s.done(c.entries...)
			for _, want := range c.want {
				id := slotID(clinic, want.slot)
				require.Equal(t, want, state{want.slot, s.status("Slot", id), s.claimOf(id)})
			}
			s.invariant()
		})
	}
	t.Run("a slot created by POST and booked", func(t *testing.T) {
		s := diaryScene(t)
		r := s.done(onURN("n"), ent("POST Slot", urnSlot, newSlot(t, "free")))
		slot := r.Get("entry").At(1).Get("resource")
		require.Equal(t, "busy", slot.Get("status").Text(), "the answer shows what was stored")
		require.Equal(t, "Appointment/n", s.claimOf(slot.Get("id").Text()))
		require.Equal(t, "1", slot.Dig("meta", "versionId").Text())
		s.invariant()
	})
	t.Run("cancelled and its slot deleted", func(t *testing.T) {
		s := diaryScene(t)
		s.done(ent("DELETE Slot/"+slotID(clinic, 0), "", ""), cancelled)
		require.Empty(t, s.claimOf(slotID(clinic, 0)))
		rec, err := s.store.Get(s.ctx, store.Ref{Type: "Slot", ID: slotID(clinic, 0)})
		require.NoError(t, err)
		require.True(t, rec.Deleted)
		s.invariant()
	})
	t.Run("a slot that is held", func(t *testing.T) {
		s := diaryScene(t)
		s.hold(slotID(clinic, 3))
		status, r := s.transact(putSlot(t, 4, "free"), book(3))
		require.Equal(t, 409, status, "%s", r.JSON())
		require.Equal(t, "Bundle.entry[1].resource.slot", r.Get("issue").At(0).Get("expression").At(0).Text())
		require.Equal(t, "hold/1", s.claimOf(slotID(clinic, 3)))
	})
	t.Run("cancelled, but closed by its publisher meanwhile", func(t *testing.T) {
		s := diaryScene(t)
		s.putSlot(0, "busy-unavailable")
		require.Equal(t, "Appointment/a", s.claimOf(slotID(clinic, 0)))
		s.undone(409, "conflict", "Bundle.entry[1].resource.slot", cancelled, withID("n", 0))
		s.done(cancelled)
		require.Equal(t, "Slot/"+slotID(clinic, 0), s.claimOf(slotID(clinic, 0)))
		s.invariant()
	})
	t.Run("moved while it is another's", func(t *testing.T) {
		s := diaryScene(t)
		moved := strings.Replace(putSlot(t, 0, "busy"), slotEnd(0), slotEnd(1), 1)
		s.undone(409, "conflict", "Bundle.entry[1].resource", withID("n", 3), moved)
	})
}

func diaryScene(t *testing.T) *scene {
	t.Helper()
	s := open(t)
	for id, slot := range map[string]int{"a": 0, "b": 1} {
		_, err := s.put(appointmentText(id, "booked", slot), 0)
		require.NoError(t, err)
	}
	s.putSlot(2, "busy-unavailable")
	s.invariant()
	return s
}

// Whatever a transaction asks for, it is carried out whole or not at all, and
// claims, Appointments and Slots agree afterwards.
func TestClaimsAgreeAfterAnyTransaction(t *testing.T) {
	s := diaryScene(t)
	random := rand.New(rand.NewPCG(20261120, 7))
	one := func(of ...string) string { return of[random.IntN(len(of))] }
	answers := map[int]int{}
	for range 60 {
		appointments, slots := random.Perm(4), random.Perm(5)
		var entries []string
		for _, n := range appointments[:1+random.IntN(3)] {
			id := string(rune('a' + n))
			switch on := random.Perm(5)[:random.IntN(3)]; random.IntN(6) {
			case 0:
				entries = append(entries, ent("DELETE Appointment/"+id, "", ""))
			default:
				status := one("booked", "booked", "proposed", "arrived", "waitlist")
				entries = append(entries, ent("PUT Appointment/"+id, "", appointmentText(id, status, on...)))
			}
		}
		for _, n := range slots[:random.IntN(3)] {
			if random.IntN(8) == 0 {
				entries = append(entries, ent("DELETE Slot/"+slotID(clinic, n), "", ""))
				continue
			}
			entries = append(entries, putSlot(t, n, one("free", "free", "busy", "busy-tentative", "busy-unavailable")))
		}
		random.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		status, r := s.transact(entries...)
		require.Contains(t, []int{200, 409, 422}, status, "%s", r.JSON())
		answers[status]++
		s.invariant()
	}
	t.Log(answers)
	require.Greater(t, answers[200], 15)
	require.Greater(t, answers[409], 15)
}
