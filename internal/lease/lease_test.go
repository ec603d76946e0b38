package lease_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/internal/lease"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/storetest"
	"github.com/onward-health/onward/store/storetest/engines"
)

func TestALeaseHasOneHolderAndFencesWhatItCommits(t *testing.T) {
	engines.Each(t, func(t *testing.T, db store.Store, clock *storetest.Clock) {
		take := func(owner string) *lease.Lease {
			l, err := lease.Take(t.Context(), db, "work", owner, clock.Now().Add(time.Minute))
			require.NoError(t, err)
			return l
		}
		commit := func(ops ...store.Op) bool {
			_, err := db.Commit(t.Context(), &store.Batch{Ops: ops})
			var conflict *store.ConflictError
			require.True(t, err == nil || errors.As(err, &conflict), "%v", err)
			return err == nil
		}
		a := take("a")
		require.NotNil(t, a)
		require.Nil(t, take("b"))
		clock.Move(50 * time.Second)
		until := clock.Now().Add(time.Minute)
		require.True(t, commit(a.Keep(until)))
		a.Kept(until)
		clock.Move(50 * time.Second)
		require.Nil(t, take("b"), "it was kept")
		clock.Move(10 * time.Second)
		require.False(t, commit(a.Keep(until)), "it ran out, though nobody has taken it")

		b := take("b")
		require.NotNil(t, b)
		done := store.AuxPut{Kind: "x", Key: "done"}
		require.False(t, commit(done, a.Keep(until)), "the old holder can't commit")
		require.False(t, commit(done, a.Drop(clock.Now())))
		written, err := db.AuxGet(t.Context(), "x", []string{"done"})
		require.NoError(t, err)
		require.Empty(t, written)
		require.True(t, commit(done, b.Drop(clock.Now())))
		require.NotNil(t, take("a"), "it was given back")
	})
}

func TestAProcessThatWasKilledTakesItsOwnLeaseAgain(t *testing.T) {
	engines.Each(t, func(t *testing.T, db store.Store, clock *storetest.Clock) {
		before, err := lease.Take(t.Context(), db, "work", "a", clock.Now().Add(time.Minute))
		require.NoError(t, err)
		after, err := lease.Take(t.Context(), db, "work", "a", clock.Now().Add(time.Minute))
		require.NoError(t, err)
		require.NotNil(t, after)
		_, err = db.Commit(context.Background(), &store.Batch{Ops: []store.Op{before.Drop(clock.Now())}})
		require.Error(t, err)
		_, err = db.Commit(context.Background(), &store.Batch{Ops: []store.Op{after.Drop(clock.Now())}})
		require.NoError(t, err)
	})
}

// Ensure that a process which slept is fenced for good, however often the lease was
// taken and given back meanwhile.
func TestAnOldHolderStaysOutAfterTheLeaseWasGivenBackAndTakenAgain(t *testing.T) {
	engines.Each(t, func(t *testing.T, db store.Store, clock *storetest.Clock) {
		take := func(owner string) *lease.Lease {
			l, err := lease.Take(t.Context(), db, "work", owner, clock.Now().Add(time.Minute))
			require.NoError(t, err)
			require.NotNil(t, l)
			return l
		}
		old := take("old")
		clock.Move(time.Hour)
		between := take("between")
		_, err := db.Commit(t.Context(), &store.Batch{Ops: []store.Op{between.Drop(clock.Now())}})
		require.NoError(t, err)
		now := take("now")

		until := clock.Now().Add(time.Minute)
		for _, op := range []store.Op{old.Keep(until), old.Drop(clock.Now()), between.Keep(until), between.Drop(clock.Now())} {
			_, err := db.Commit(t.Context(), &store.Batch{Ops: []store.Op{op}})
			var conflict *store.ConflictError
			require.ErrorAs(t, err, &conflict, "%+v", op)
		}
		_, err = db.Commit(t.Context(), &store.Batch{Ops: []store.Op{now.Keep(until)}})
		require.NoError(t, err)
	})
}

// Ensure that a lease from a clock that was fast doesn't stop the work until that
// clock's time has come.
func TestAClockThatIsPutBackHoldsNoLeaseUp(t *testing.T) {
	engines.Each(t, func(t *testing.T, db store.Store, clock *storetest.Clock) {
		take := func(owner string) *lease.Lease {
			l, err := lease.Take(t.Context(), db, "work", owner, clock.Now().Add(time.Minute))
			require.NoError(t, err)
			return l
		}
		old := take("old")
		clock.Move(-30 * time.Second)
		require.Nil(t, take("new"), "clocks differ by so much")
		clock.Move(-24 * time.Hour)
		now := take("new")
		require.NotNil(t, now)
		_, err := db.Commit(t.Context(), &store.Batch{Ops: []store.Op{old.Keep(clock.Now().Add(time.Minute))}})
		require.Error(t, err)
		_, err = db.Commit(t.Context(), &store.Batch{Ops: []store.Op{now.Drop(clock.Now())}})
		require.NoError(t, err)
	})
}
