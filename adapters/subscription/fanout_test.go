package subscription

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
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

// copied makes the position that of another store, as after onward store copy.
func (s *scene) copied() {
	docs, err := s.store.AuxGet(s.t.Context(), positionKind, []string{positionKey})
	require.NoError(s.t, err)
	p := readPosition(docs[0].Value)
	p.at = "elsewhere"
	_, err = s.store.Commit(s.t.Context(), &store.Batch{Ops: []store.Op{store.AuxPut{Kind: positionKind, Key: positionKey, Value: p.text()}}})
	require.NoError(s.t, err)
}

func (s *scene) focuses() (list []string) {
	for _, m := range s.letters(false) {
		list = append(list, m.Focus.ID)
	}
	return list
}

// Ensure that subscribers of a store that was moved aren't told of all that was ever
// written, and miss nothing.
func TestACopiedStoreTellsWhatItsPositionHadNotSeenAndNotAllOver(t *testing.T) {
	s := onSQLite(t)
	s.write("", s.subscription("a", ""))
	for n := range 2*unsaved + 1 {
		if n%100 == 0 {
			s.write("", task(fmt.Sprint("old", n)))
		}
		s.write("", fmt.Sprintf(`{"resourceType":"Basic","id":"b%d","code":{"text":"x"}}`, n))
	}
	f := s.fanout("f")
	for range 2*unsaved/pageSize + 2 {
		s.step(f)
	}
	s.clock.Move(2 * time.Hour)
	s.write("", task("seen"))
	s.step(f)
	for w := s.worker(s.policy); len(s.letters(false)) > 0; {
		s.deliver(w)
	}
	s.write("", task("missed"))
	s.copied()

	for n := range 2*unsaved/pageSize + 3 {
		s.clock.Move(time.Minute) // each takes the lease of the one before
		f = s.fanout(fmt.Sprint("f", n))
		for range 3 {
			_, err := f.Step(t.Context(), 0)
			require.NoError(t, err)
		}
	}
	require.Equal(t, []string{"missed", "seen"}, s.focuses())

	s.clock.Move(-24 * time.Hour) // what is new is told, whatever its time
	s.write("", task("new"))
	s.step(s.fanout("last"))
	require.Contains(t, s.focuses(), "new")
}

// Ensure that a clock which was wrong for a while doesn't make a copied store forget
// what it had not told.
func TestACopiedStoreTellsWhatItHadNotToldThoughAClockWasFast(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write("", s.subscription("a", ""))
		s.clock.Move(365 * 24 * time.Hour)
		s.write("", task("future"))
		s.clock.Move(-365 * 24 * time.Hour)
		f := s.fanout("f")
		s.step(f)
		s.deliver(s.worker(s.policy))
		s.write("", task("missed"))
		s.copied()
		s.clock.Move(time.Hour)
		for n := range 3 {
			s.clock.Move(time.Minute)
			s.step(s.fanout(fmt.Sprint("f", n)))
		}
		require.Contains(t, s.focuses(), "missed")
	})
}

// Ensure that a receiver which knows notifications by their ids doesn't take that of
// a new record for one of a purged record.
func TestARecordWithTheIDOfAPurgedOneIsToldUnderAnIDOfItsOwn(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write("", s.subscription("a", ""))
		f := s.fanout("f")
		s.write("", task("one"))
		s.step(f)
		before := s.letters(false)
		require.Len(t, before, 1)
		s.deliver(s.worker(s.policy))

		ref := store.Ref{Type: "Task", ID: "one"}
		_, err := s.store.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Delete{Ref: ref}}})
		require.NoError(t, err)
		s.clock.Move(time.Hour)
		_, err = s.store.Purge(t.Context(), store.PurgeRequest{Type: "Task", ID: "one", Before: s.clock.Now(), By: []byte("{}")})
		require.NoError(t, err)
		s.write("", task("one"))
		s.step(f)
		after := s.letters(false)
		require.Len(t, after, 1)
		require.Equal(t, before[0].Order, after[0].Order)
		require.NotEqual(t, before[0].ID, after[0].ID)
	})
}

func TestASubscriptionThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write("", s.subscription("a", ""))
		for id, body := range map[string]string{"b": `{}`, "c": `{"resourceType":"Subscription","id":7,"criteria":"Task"}`, "d": `{"resourceType":"Subscription","id":"d"}`} {
			bad := &store.Record{Type: "Subscription", ID: id, Method: "PUT", Body: []byte(body), Index: s.indexOf("a")}
			_, err := s.store.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: bad}}})
			require.NoError(t, err)
		}
		s.write("", task("one"))
		s.step(s.fanout("f"))
		require.Equal(t, []string{"one"}, s.focuses())
	})
}

// indexOf is the index of a Subscription that is active.
func (s *scene) indexOf(id string) search.Index {
	return search.Extract(s.read(id), bars.SearchOptions("https://onward.example/FHIR/R4", s.clock.Now))
}

// damaged is a store with a record that can't be read.
type damaged struct {
	store.Store
	id string
}

func (d *damaged) GetVersion(ctx context.Context, ref store.Ref, version int64) (*store.Record, error) {
	if ref.ID == d.id {
		return nil, store.ErrDamaged
	}
	return d.Store.GetVersion(ctx, ref, version)
}

func TestARecordThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write("", s.subscription("a", ""))
		s.write("", task("one"))
		f := s.fanout("f")
		s.step(f)
		s.desk = s.deskOn(&damaged{Store: s.store, id: "bad"})
		f.Desk = s.desk
		s.write("", task("bad"))
		s.write("", task("two"))
		s.step(f)
		require.Equal(t, []string{"one", "two"}, s.focuses(), "what follows is told")

		s.desk = s.deskOn(&damaged{Store: s.store, id: "one"})
		s.deliver(s.worker(s.policy))
		require.Equal(t, []string{"/a/Task/two"}, s.told())
		require.Len(t, s.letters(true), 1)
		require.Equal(t, "active", s.read("a").Get("status").Text())
	})
}
