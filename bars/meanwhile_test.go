package bars_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// between is a store on which something else happens between a request's reads
// and its first commit.
type between struct {
	store.Store
	once func()
}

func (b *between) Commit(ctx context.Context, batch *store.Batch) (*store.Result, error) {
	if f := b.once; f != nil {
		b.once = nil
		f()
	}
	return b.Store.Commit(ctx, batch)
}

// meanwhile makes the next request's commit wait for something else, which is
// done on the bare store.
func (s *scene) meanwhile(f func(other *scene)) {
	other := *s
	b := &between{Store: s.store}
	b.once = func() { f(&other) }
	s.desk = bars.NewDesk(b, bars.Options{Base: base, Now: func() time.Time { return sceneNow }, Budget: time.Minute})
}

// editSlot is the publisher changing something that is no rule's business.
func editSlot(n int, status string) func(*scene) {
	return func(s *scene) {
		text := strings.Replace(string(slotResource(s.t, clinic, n, status).JSON()), `"status"`, `"comment":"room 2","status"`, 1)
		_, err := s.put(text, 0)
		require.NoError(s.t, err)
	}
}

func TestAnEditOfTheSlotMeanwhileDoesNotStopABooking(t *testing.T) {
	for name, book := range map[string]func(*scene) error{
		"message": func(s *scene) error { _, err := s.send(booking(s.t, 0)); return err },
		"POST":    func(s *scene) error { _, err := s.post(appointmentText("", "booked", 0)); return err },
		"PUT":     func(s *scene) error { _, err := s.put(appointmentText("a", "booked", 0), 0); return err },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			s.meanwhile(editSlot(0, "free"))
			require.NoError(t, book(s))
			require.Equal(t, "busy", s.status("Slot", slotID(clinic, 0)))
			require.Equal(t, "room 2", s.get("Slot", slotID(clinic, 0)).Get("comment").Text(), "neither change is lost")
			require.Len(t, s.all("Appointment"), 1)
			s.invariant()
		})
	}
}

func TestAnEditOfTheSlotMeanwhileIsNoStaleIfMatch(t *testing.T) {
	s := open(t)
	_, err := s.put(appointmentText("a", "booked", 0), 0)
	require.NoError(t, err)
	s.meanwhile(editSlot(0, "busy"))
	_, err = s.put(appointmentText("a", "cancelled", 0), 1)
	require.NoError(t, err, "the Appointment itself still stands at version 1")
	s.invariant()

	s.meanwhile(func(other *scene) {
		_, err := other.put(appointmentText("a", "cancelled", 0), 0)
		require.NoError(t, err)
	})
	_, err = s.put(appointmentText("a", "cancelled", 0), 2)
	refused(t, err, fhir.KindVersion)
}

func TestAnotherBookingMeanwhileWins(t *testing.T) {
	for name, book := range map[string]func(*scene) error{
		"message": func(s *scene) error { _, err := s.send(booking(s.t, 0)); return err },
		"PUT":     func(s *scene) error { _, err := s.put(appointmentText("a", "booked", 0), 0); return err },
		"PUT free": func(s *scene) error {
			_, err := s.put(string(slotResource(s.t, clinic, 0, "free").JSON()), 0)
			return err
		},
		"deleting": func(s *scene) error { return s.remove("Slot", slotID(clinic, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			s.meanwhile(func(other *scene) { other.accepted(booking(t, 0)) })
			refused(t, book(s), fhir.KindConflict)
			require.Len(t, s.all("Appointment"), 1)
			s.invariant()
		})
	}
}

// A slot that its publisher had closed under a booking and opens while the
// booking is being cancelled ends as the publisher wants it.
func TestAPublisherMayReopenASlotWhileItsBookingIsCancelled(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	s.putSlot(0, "busy-unavailable")
	s.meanwhile(editSlot(0, "busy"))
	s.accepted(bookingCancel(t, id, 0))
	require.Equal(t, "free", s.status("Slot", slotID(clinic, 0)))
	s.invariant()
}

func TestACancellationMeanwhileIsSeen(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	s.meanwhile(func(other *scene) { other.accepted(bookingCancel(t, id, 0)) })
	_, err := s.send(bookingCancel(t, id, 0))
	refused(t, err, fhir.KindConflict, first)
	require.Equal(t, "cancelled", s.status("Appointment", id))
	s.invariant()
}

func TestABookingIntoASlotThatIsDeletedMeanwhileIsRefused(t *testing.T) {
	s := open(t)
	remove := func(other *scene) { require.NoError(t, other.remove("Slot", slotID(clinic, 0))) }
	s.meanwhile(remove)
	_, err := s.send(booking(t, 0))
	refused(t, err, fhir.KindNotFound)
	s.putSlot(0, "free")
	s.meanwhile(remove)
	_, err = s.put(appointmentText("a", "booked", 0), 0)
	refused(t, err, fhir.KindProcessing)
	require.Empty(t, s.all("Appointment"))
	s.invariant()
}

// torn is a store on which something else happens between a request's look at
// the claims and its look at the Slots.
type torn struct {
	store.Store
	once func()
}

func (b *torn) GetMany(ctx context.Context, refs []store.Ref) ([]*store.Record, error) {
	if f := b.once; f != nil {
		b.once = nil
		f()
	}
	return b.Store.GetMany(ctx, refs)
}

func TestAMoveThatIsMadeTwiceAtOnceIsNotToldThatItsOwnSlotIsTaken(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(t *testing.T, other *scene)
		kind      fhir.Kind
	}{
		"the same move": {func(t *testing.T, other *scene) {
			_, err := other.put(appointmentText("a", "booked", 1), 0)
			require.NoError(t, err)
		}, 0},
		"another's booking": {func(t *testing.T, other *scene) {
			_, err := other.put(appointmentText("b", "booked", 1), 0)
			require.NoError(t, err)
		}, fhir.KindConflict},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			_, err := s.put(appointmentText("a", "booked", 0), 0)
			require.NoError(t, err)
			other := *s
			s.desk = bars.NewDesk(&torn{s.store, func() { c.meanwhile(t, &other) }}, bars.Options{Base: base, Now: func() time.Time { return sceneNow }, Budget: time.Minute})
			_, err = s.put(appointmentText("a", "booked", 1), 0)
			if c.kind != 0 {
				refused(t, err, c.kind)
			} else {
				require.NoError(t, err)
			}
			s.invariant()
		})
	}
}
