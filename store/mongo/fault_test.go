package mongo_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/mongo"
	"github.com/onward-health/onward/store/mongo/fakereplset"
)

func slot(id, comment string) *store.Record {
	return &store.Record{Type: "Slot", ID: id, Method: "PUT", Body: fmt.Appendf(nil, `{"resourceType":"Slot","id":%q,"comment":%q}`, id, comment),
		Index: search.Index{X: []string{"status:free"}}}
}

// write is one of the ways in which the engine writes, each from a state where
// Slot/s1 stands at version 1 and Slot/free is claimed by nobody.
type write struct {
	name    string
	batch   *store.Batch
	command string // the command that makes it happen
	last    string // the last command, whose answer is the answer
	check   func(t *testing.T, s *mongo.Store)
}

func writes() []write {
	version := func(id string, n int64) func(*testing.T, *mongo.Store) {
		return func(t *testing.T, s *mongo.Store) {
			r, err := s.Get(t.Context(), store.Ref{Type: "Slot", ID: id})
			if n == 0 {
				require.ErrorIs(t, err, store.ErrNotFound)
				return
			}
			require.NoError(t, err)
			require.Equal(t, n, r.Version)
			page, err := s.History(t.Context(), r.Ref(), time.Time{}, 100, "")
			require.NoError(t, err)
			require.Len(t, page.Records, int(n), "versions")
		}
	}
	booking := &store.Batch{Ops: []store.Op{
		store.Claim{Slot: "s1", Owner: "Appointment/a"},
		store.Put{Record: &store.Record{Type: "Appointment", ID: "a", Method: "POST", Body: []byte(`{"resourceType":"Appointment"}`)}, If: store.Condition{Absent: true}},
		store.Put{Record: slot("s1", "busy"), If: store.Condition{Version: 1}},
	}, Idem: &store.Idem{Keys: []string{"k"}, Hash: "h", Keep: time.Hour}}
	return []write{
		{"a new record", &store.Batch{Ops: []store.Op{store.Put{Record: slot("new", ""), If: store.Condition{Absent: true}}}}, "insert", "insert", version("new", 1)},
		{"an update", &store.Batch{Ops: []store.Op{store.Put{Record: slot("s1", "two"), If: store.Condition{Version: 1}}}}, "update", "update", version("s1", 2)},
		{"an update without condition", &store.Batch{Ops: []store.Op{store.Put{Record: slot("s1", "two")}}}, "update", "update", version("s1", 2)},
		{"a delete", &store.Batch{Ops: []store.Op{store.Delete{Ref: store.Ref{Type: "Slot", ID: "s1"}}}}, "update", "update", version("s1", 2)},
		{"a hold", &store.Batch{Ops: []store.Op{store.Claim{Slot: "free", Owner: "hold/x", Until: time.Now().Add(time.Hour)}}}, "update", "update",
			func(t *testing.T, s *mongo.Store) {
				got, err := s.AuxGet(t.Context(), "claim", []string{"free"})
				require.NoError(t, err)
				require.Len(t, got, 1)
				require.Equal(t, "hold/x", string(got[0].Value))
			}},
		{"a booking", booking, "commitTransaction", "commitTransaction", func(t *testing.T, s *mongo.Store) {
			version("s1", 2)(t, s)
			got, err := s.AuxGet(t.Context(), "claim", []string{"s1"})
			require.NoError(t, err)
			require.Len(t, got, 1)
		}},
	}
}

// scene opens a store over a fresh fake in which Slot/s1 stands.
func scene(t *testing.T) (*fakereplset.Server, *mongo.Store) {
	fake := serve(t, fakereplset.Options{Lifetime: 4 * time.Second})
	s := open(t, fake.URI(), mongo.Options{})
	_, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: slot("s1", "one")}}})
	require.NoError(t, err)
	return fake, s
}

// once breaks the n-th command of a name, counted from now, the first times.
func once(name string, n, times int, f fakereplset.Fault) func(fakereplset.Call) *fakereplset.Fault {
	return func(c fakereplset.Call) *fakereplset.Fault {
		if c.Name == name && c.N >= n && c.N < n+times {
			return &f
		}
		return nil
	}
}

var (
	writeConflict = fakereplset.Failure(112, "WriteConflict", "met another", "TransientTransactionError")
	notPrimary    = fakereplset.Failure(10107, "NotWritablePrimary", "not primary", "RetryableWriteError")
	tooSlow       = fakereplset.Failure(50, "MaxTimeMSExpired", "operation exceeded time limit")
	unknownCommit = fakereplset.Failure(91, "ShutdownInProgress", "shutting down", "UnknownTransactionCommitResult", "RetryableWriteError")
)

func TestAWriteHappensOnceWhateverBreaks(t *testing.T) {
	faults := []struct {
		name  string
		fault fakereplset.Fault
	}{
		{"dropped before it is carried out", fakereplset.Fault{Drop: true}},
		{"dropped after it is carried out", fakereplset.Fault{Drop: true, Apply: true}},
		{"not primary any more", fakereplset.Fault{Reply: notPrimary}},
		{"out of time before", fakereplset.Fault{Reply: tooSlow}},
		{"out of time after", fakereplset.Fault{Reply: tooSlow, Apply: true}},
	}
	for _, w := range writes() {
		for _, f := range faults {
			for _, times := range []int{1, 3} {
				t.Run(fmt.Sprintf("%s, %s, %d times", w.name, f.name, times), func(t *testing.T) {
					t.Parallel()
					fake, s := scene(t)
					fake.Hook(once(w.command, 1, times, f.fault))
					_, err := s.Commit(t.Context(), w.batch)
					fake.Hook(nil)
					require.NoError(t, err)
					w.check(t, s)
				})
			}
		}
	}
}

func TestEveryCommandOfATransactionMayBreak(t *testing.T) {
	booking := writes()[5]
	for _, command := range []string{"find", "insert", "update", "commitTransaction"} {
		for _, n := range []int{1, 2, 3} {
			for name, f := range map[string]fakereplset.Fault{
				"write conflict": {Reply: writeConflict}, "dropped": {Drop: true}, "dropped after": {Drop: true, Apply: true}, "not primary": {Reply: notPrimary},
			} {
				t.Run(fmt.Sprintf("%s %d, %s", command, n, name), func(t *testing.T) {
					t.Parallel()
					fake, s := scene(t)
					fake.Hook(once(command, n, 1, f))
					_, err := s.Commit(t.Context(), booking.batch)
					fake.Hook(nil)
					require.NoError(t, err)
					booking.check(t, s)
				})
			}
		}
	}
}

func TestACommitWhoseResultIsUnknownIsSentAgain(t *testing.T) {
	for _, applied := range []bool{false, true} {
		t.Run(fmt.Sprint("applied ", applied), func(t *testing.T) {
			t.Parallel()
			fake, s := scene(t)
			fake.Record()
			fake.Hook(once("commitTransaction", 1, 4, fakereplset.Fault{Reply: unknownCommit, Apply: applied}))
			_, err := s.Commit(t.Context(), writes()[5].batch)
			require.NoError(t, err)
			inserts, commits := 0, 0
			for _, c := range fake.Log() {
				switch {
				case c.Name == "commitTransaction":
					commits++
				case c.Doc.Lookup("startTransaction").Type != 0:
					inserts++
				}
			}
			require.Equal(t, 1, inserts, "transactions")
			require.GreaterOrEqual(t, commits, 3)
			writes()[5].check(t, s)
		})
	}
}

func TestADuplicateKeyInATransactionIsJudgedAfresh(t *testing.T) {
	fake, s := scene(t)
	duplicate := bson.D{{Key: "n", Value: int32(0)}, {Key: "writeErrors", Value: bson.A{bson.D{{Key: "index", Value: int32(0)}, {Key: "code", Value: int32(11000)}, {Key: "errmsg", Value: "E11000"}}}}, {Key: "ok", Value: 1.0}}
	fake.Hook(once("insert", 1, 1, fakereplset.Fault{Reply: duplicate}))
	_, err := s.Commit(t.Context(), writes()[5].batch)
	require.NoError(t, err)
	writes()[5].check(t, s)
}

func TestAConflictThatStaysEndsByAttempts(t *testing.T) {
	fake, s := scene(t)
	fake.Record()
	fake.Hook(once("commitTransaction", 1, 1000, fakereplset.Fault{Reply: writeConflict}))
	began := time.Now()
	_, err := s.Commit(t.Context(), writes()[5].batch)
	require.ErrorIs(t, err, store.ErrUnavailable)
	tries := 0
	for _, c := range fake.Log() {
		if c.Doc.Lookup("startTransaction").Type != 0 {
			tries++
		}
	}
	require.Equal(t, 8, tries)
	require.Less(t, time.Since(began), 2*time.Second)
	fake.Hook(nil)
	_, err = s.Commit(t.Context(), writes()[5].batch)
	require.NoError(t, err, "nothing was left behind")
	writes()[5].check(t, s)
}

func TestAServerThatIsGoneIsUnavailableOrUnknown(t *testing.T) {
	for _, w := range writes() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			fake, s := scene(t)
			ctx, giveUp := context.WithCancel(t.Context())
			defer giveUp()
			drop := once(w.last, 1, 1_000_000, fakereplset.Fault{Drop: true})
			fake.Hook(func(c fakereplset.Call) *fakereplset.Fault {
				f := drop(c)
				if f != nil && c.N >= 3 { // its answer is what the caller doesn't wait for
					giveUp()
				}
				return f
			})
			_, err := s.Commit(ctx, w.batch)
			require.Error(t, err)
			require.True(t, errors.Is(err, store.ErrUnknown), "after a write was sent its result is unknown: %v", err)
			fake.Hook(nil)
			_, err = s.Commit(t.Context(), w.batch)
			require.NoError(t, err, "and it may be repeated")
			w.check(t, s)
		})
	}
	fake, s := scene(t)
	fake.Hook(func(fakereplset.Call) *fakereplset.Fault { return &fakereplset.Fault{Reply: notPrimary} })
	_, err := s.Commit(t.Context(), writes()[1].batch)
	require.ErrorIs(t, err, store.ErrUnavailable, "it was refused before anything was written")
	_, err = s.Get(t.Context(), store.Ref{Type: "Slot", ID: "s1"})
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.NotContains(t, err.Error(), strings.TrimPrefix(fake.URI(), "mongodb://")[:9])
}

func TestAServerThatIsNotThereIsUnavailable(t *testing.T) {
	t.Parallel()
	fake, s := scene(t)
	fake.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := s.Get(ctx, store.Ref{Type: "Slot", ID: "s1"})
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = s.Health(ctx)
	require.ErrorIs(t, err, store.ErrUnavailable)
}

func TestAWriteBuiltUponIsNotRepeated(t *testing.T) {
	fake, s := scene(t)
	other := open(t, fake.URI(), mongo.Options{})
	// The answer of the update is lost, with the driver's own repetition too, and
	// another writes before we look.
	n := 0
	fake.Hook(func(c fakereplset.Call) *fakereplset.Fault {
		if c.Name != "update" || n > 1 {
			return nil
		}
		if n++; n == 1 {
			return &fakereplset.Fault{Drop: true, Apply: true}
		}
		fake.Hook(nil)
		_, err := other.Commit(context.Background(), &store.Batch{Ops: []store.Op{store.Put{Record: slot("s1", "theirs")}}})
		if err != nil {
			t.Error(err)
		}
		return &fakereplset.Fault{Drop: true}
	})
	done, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: slot("s1", "ours")}}})
	require.NoError(t, err)
	require.Equal(t, int64(2), done.Versions[0].Version)
	r, err := s.Get(t.Context(), store.Ref{Type: "Slot", ID: "s1"})
	require.NoError(t, err)
	require.Equal(t, int64(3), r.Version)
	require.Contains(t, string(r.Body), "theirs")
}

func TestACopyLeftInHistIsListedOnce(t *testing.T) {
	fake, s := scene(t)
	fake.Hook(once("update", 1, 1, fakereplset.Fault{Reply: fakereplset.Failure(13, "Unauthorized", "no")}))
	two := &store.Batch{Ops: []store.Op{store.Put{Record: slot("s1", "two")}}}
	_, err := s.Commit(t.Context(), two)
	require.Error(t, err, "the copy is in hist and the update isn't done")
	fake.Hook(nil)
	ref := store.Ref{Type: "Slot", ID: "s1"}
	for _, n := range []int{1, 2} {
		for _, scope := range []store.Ref{ref, {Type: "Slot"}, {}} {
			page, err := s.History(t.Context(), scope, time.Time{}, 10, "")
			require.NoError(t, err)
			require.Len(t, page.Records, n)
		}
		if n == 1 {
			_, err = s.Commit(t.Context(), two)
			require.NoError(t, err)
		}
	}
}

func TestAWriteThatItsCallerGaveUpIsToldAsThat(t *testing.T) {
	fake, s := scene(t)
	ctx, cancel := context.WithCancel(t.Context())
	fake.Hook(func(c fakereplset.Call) *fakereplset.Fault {
		cancel()
		return &fakereplset.Fault{Drop: true}
	})
	_, err := s.Commit(ctx, writes()[5].batch)
	fake.Hook(nil)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, store.ErrUnavailable)
}

func TestASearchThatTheServerHasNoMemoryForIsTooCostly(t *testing.T) {
	fake, s := scene(t)
	fake.Hook(once("find", 1, 1, fakereplset.Fault{Reply: fakereplset.Failure(292, "QueryExceededMemoryLimitNoDiskUseAllowed", "no")}))
	_, err := s.Search(t.Context(), &search.Query{Type: "Slot"})
	fake.Hook(nil)
	require.ErrorIs(t, err, store.ErrTooCostly)
}

// What a server says that can't serve now, by its list of error codes, is told as
// that: to try again helps. What a transaction holds too much for isn't.
func TestAFaultThatPassesIsUnavailable(t *testing.T) {
	fake, s := scene(t)
	booking := writes()[5].batch
	for code, name := range map[int32]string{43: "CursorNotFound", 175: "QueryPlanKilled", 246: "SnapshotUnavailable", 365: "TemporarilyUnavailable",
		371: "UserWritesBlocked", 462: "IngressRequestRateLimitExceeded", 11601: "Interrupted", 13388: "StaleConfig", 14031: "OutOfDiskSpace"} {
		fake.Hook(once("find", 1, 1000, fakereplset.Fault{Reply: fakereplset.Failure(code, name, "not now")}))
		_, err := s.Get(t.Context(), store.Ref{Type: "Slot", ID: "s1"})
		require.ErrorIs(t, err, store.ErrUnavailable, name)
	}
	for code, name := range map[int32]string{257: "TransactionTooLarge", 388: "TransactionTooLargeForCache"} {
		fake.Hook(once("insert", 1, 1000, fakereplset.Fault{Reply: fakereplset.Failure(code, name, "too much")}))
		_, err := s.Commit(t.Context(), booking)
		require.ErrorIs(t, err, store.ErrTooLarge, name)
	}
}
