package subscription

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

// crowd writes so many Subscriptions to requested Tasks, and has the fan-out deal
// with their own changes.
func (s *scene) crowd(f *Fanout, subscribers int) {
	var texts []string
	for n := range subscribers {
		texts = append(texts, s.subscription(fmt.Sprintf("s%d", n), ""))
	}
	s.write("", texts...)
	s.step(f)
}

// Ensure that a page which makes more notifications than the lease has time for is
// got through, and isn't begun again for ever.
func TestAPageThatTakesLongerThanTheLeaseIsGotThrough(t *testing.T) {
	s := onSQLite(t)
	f := s.fanout("f")
	s.crowd(f, 400)
	s.write("", task("1"), task("2"), task("3"), task("4"), task("5"), task("6"))
	f.Store = &slow{Store: s.store, clock: s.clock, takes: 11 * time.Second}
	_, err := f.Step(t.Context(), 0)
	require.NoError(t, err)
	other := s.fanout("other")
	s.clock.Move(leaseTime)
	s.step(other)
	docs, err := s.store.AuxScan(t.Context(), "outbox", "", "", 0)
	require.NoError(t, err)
	require.Len(t, docs, 6*400)
	for _, doc := range docs {
		require.EqualValues(t, 1, doc.Version, "none is made twice")
	}
}

// Ensure that the notifications of a page aren't in memory all at once: 2,000
// Subscriptions and 500 changes make a million.
func TestNotificationsAreKeptAsTheyAreMade(t *testing.T) {
	s := onSQLite(t)
	f := s.fanout("f")
	s.crowd(f, 400)
	s.write("", task("1"), task("2"), task("3"), task("4"))
	db := &slow{Store: s.store, clock: s.clock}
	f.Store, f.Desk = db, s.deskOn(db)
	_, err := f.Step(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, []string{"read Task/1", "read Task/2", "read Task/3", "commit 999", "read Task/4", "commit 604"},
		slices.DeleteFunc(db.done, func(what string) bool { return what == "commit 1" }))
}

func TestAFanOutThatLosesItsLeaseInTheMiddleOfAPageLeavesTheRest(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write("", s.subscription("a", ""))
		f := s.fanout("f")
		s.step(f)
		s.write("", task("one"), task("two"))
		db := &slow{Store: s.store, clock: s.clock, takes: leaseTime}
		f.Store, f.Desk = db, s.deskOn(db)
		_, err := f.Step(t.Context(), 0)
		require.NoError(t, err)
		require.Empty(t, s.letters(false))
		require.NotContains(t, db.done, "read Task/two")
		s.step(s.fanout("other"))
		require.Len(t, s.letters(false), 2)
	})
}

// Ensure that a Subscription ends in time where the feed never falls quiet.
func TestASubscriptionEndsOnABusyServerToo(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write("", s.subscription("a", fmt.Sprintf(`,"end":%q`, fhir.FormatInstant(s.clock.Now().Add(time.Minute)))))
		f := s.fanout("f")
		for n := range 3 {
			s.write("", task(fmt.Sprint(n)))
			_, err := f.Step(t.Context(), 0)
			require.NoError(t, err)
			s.clock.Move(time.Minute)
		}
		require.Equal(t, "off", s.read("a").Get("status").Text())
	})
}
