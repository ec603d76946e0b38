package mongo_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/mongo"
	"github.com/onward-health/onward/store/mongo/fakereplset"
)

// moreWrites are writes whose repetition their own conditions would refuse, where
// nothing but their marks tells that they were carried out.
func moreWrites() []write {
	owner := func(slot, want string) func(*testing.T, *mongo.Store) {
		return func(t *testing.T, s *mongo.Store) {
			got, err := s.AuxGet(t.Context(), "claim", []string{slot})
			require.NoError(t, err)
			require.Len(t, got, 1)
			require.Equal(t, want, string(got[0].Value))
		}
	}
	booking := *writes()[5].batch
	booking.Idem = nil
	return append(writes(),
		write{"a booking without idempotency", &booking, "commitTransaction", "commitTransaction", owner("s1", "Appointment/a")},
		write{"a document", &store.Batch{Ops: []store.Op{store.AuxPut{Kind: "link", Key: "a", Value: []byte("v"), If: store.Condition{Absent: true}}}},
			"commitTransaction", "commitTransaction", func(t *testing.T, s *mongo.Store) {
				got, err := s.AuxGet(t.Context(), "link", []string{"a"})
				require.NoError(t, err)
				require.Len(t, got, 1)
				require.Equal(t, int64(1), got[0].Version)
			}},
		write{"two claims", &store.Batch{Ops: []store.Op{store.Claim{Slot: "x", Owner: "Appointment/a"}, store.Claim{Slot: "y", Owner: "Appointment/a"}}},
			"commitTransaction", "commitTransaction", owner("y", "Appointment/a")},
		write{"a record under a guard", &store.Batch{Guards: []store.Guard{store.VersionGuard{Ref: store.Ref{Type: "Slot", ID: "s1"}, Version: 1}},
			Ops: []store.Op{store.Put{Record: slot("s1", "two")}}}, "commitTransaction", "commitTransaction", writes()[1].check})
}

// Ensure that a write whose answer was lost is told as done, though the server
// knows nothing of it when it is repeated.
func TestAWriteThatTheServerHasForgottenIsKnownByItsMark(t *testing.T) {
	for _, w := range moreWrites() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			fake, s := scene(t)
			fake.Hook(func(c fakereplset.Call) *fakereplset.Fault {
				switch {
				case c.Name == w.command && c.N == 1:
					return &fakereplset.Fault{Apply: true, Drop: true}
				case c.Name == w.command && c.N == 2:
					fake.Forget()
				}
				return nil
			})
			done, err := s.Commit(t.Context(), w.batch)
			fake.Hook(nil)
			require.NoError(t, err)
			require.Nil(t, done.Replay, "it is no repetition to its caller")
			w.check(t, s)
		})
	}
}

// Ensure that what may have been carried out is never told as refused or as
// certain not to have been, when nothing more is heard of the server.
func TestAWriteThatTheServerHasForgottenIsUnknownWhileNobodyCanTell(t *testing.T) {
	for name, cut := range map[string]bool{"no answer": false, "nobody there": true} {
		for _, w := range moreWrites() {
			t.Run(w.name+", "+name, func(t *testing.T) {
				t.Parallel()
				fake, s := scene(t)
				var once sync.Once
				fake.Hook(func(c fakereplset.Call) *fakereplset.Fault {
					switch {
					case c.Name == w.command && c.N == 1:
						return &fakereplset.Fault{Apply: true, Drop: true}
					case c.Name == w.command && c.N == 2:
						fake.Forget()
						return nil
					case fake.Count(w.command) < 2:
						return nil
					case cut:
						once.Do(fake.Cut)
					}
					return &fakereplset.Fault{Drop: true}
				})
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				_, err := s.Commit(ctx, w.batch)
				fake.Hook(nil)
				if w.name == "a hold" {
					require.NoError(t, err, "its repetition goes through: it is the owner's")
					return
				}
				require.ErrorIs(t, err, store.ErrUnknown)
				if cut {
					require.NoError(t, fake.Restore())
				}
				w.check(t, s)
			})
		}
	}
}

// Ensure that a write which was lost in the server, and comes true there after
// its repetition was answered, does nothing.
func TestAWriteThatComesLateDoesNothing(t *testing.T) {
	for _, w := range moreWrites() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			fake, s := scene(t)
			late := make(chan struct{})
			lost := fakereplset.Fault{Late: late, Drop: true}
			fake.Hook(once(w.command, 1, 3, lost)) // the driver's repetition too
			_, err := s.Commit(t.Context(), w.batch)
			fake.Hook(nil)
			require.NoError(t, err)
			undo := &store.Batch{Ops: []store.Op{store.Release{Slot: "free", Owner: "hold/x"}}}
			if w.name == "a hold" {
				_, err = s.Commit(t.Context(), undo)
				require.NoError(t, err)
			}
			close(late)
			fake.Settle()
			if w.name == "a hold" {
				got, err := s.AuxGet(t.Context(), "claim", []string{"free"})
				require.NoError(t, err)
				require.Empty(t, got, "what was given back stays so")
				return
			}
			w.check(t, s)
		})
	}
}

// Ensure that a write isn't done a second time where it comes true between the
// look for it and the next try, and another builds upon it.
func TestAWriteThatComesLateIsNotDoneTwice(t *testing.T) {
	fake, s := scene(t)
	other := open(t, fake.URI(), mongo.Options{})
	late := make(chan struct{})
	fake.Hook(func(c fakereplset.Call) *fakereplset.Fault {
		switch {
		case c.Name == "update" && c.N <= 2:
			return &fakereplset.Fault{Late: late, Drop: true}
		case c.Name == "find" && fake.Count("update") == 2 && c.Doc.Lookup("filter", "w").Type == 0: // it has been looked for
			fake.Hook(nil)
			close(late)
			fake.Settle()
			_, err := other.Commit(context.Background(), &store.Batch{Ops: []store.Op{store.Put{Record: slot("s1", "theirs")}}})
			if err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	done, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: slot("s1", "ours")}}})
	require.NoError(t, err)
	page, err := s.History(t.Context(), store.Ref{Type: "Slot", ID: "s1"}, time.Time{}, 10, "")
	require.NoError(t, err)
	require.Len(t, page.Records, 3)
	ours := 0
	for _, r := range page.Records {
		if strings.Contains(string(r.Body), "ours") {
			ours++
			require.Equal(t, done.Versions[0].Version, r.Version)
		}
	}
	require.Equal(t, 1, ours)
}

// A booking that the primary has and the majority of the set hasn't may be undone
// with that primary. Nobody is told of it: neither its sender, who asks again, that
// it was carried out, nor another that the slot is taken.
func TestWhatTheMajorityDoesNotHaveIsToldToNobody(t *testing.T) {
	fake, s := scene(t)
	mine, other := bookingOf("s1", "a"), bookingOf("s1", "b")
	require.NoError(t, fake.Stall())
	commit := func(b *store.Batch) (*store.Result, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		return s.Commit(ctx, b)
	}
	_, err := commit(mine)
	require.ErrorIs(t, err, store.ErrUnknown)
	_, err = commit(mine)
	require.ErrorIs(t, err, store.ErrUnknown, "it may still be undone")
	_, err = commit(other)
	var taken *store.ConflictError
	require.Error(t, err)
	require.False(t, errors.As(err, &taken), "the slot may be free again: %v", err)
	require.NotErrorIs(t, err, store.ErrUnknown, "nothing of it was written")
	fake.CatchUp()
	done, err := commit(mine)
	require.NoError(t, err)
	require.NotNil(t, done.Replay)
	_, err = commit(other)
	require.ErrorAs(t, err, &taken)
	require.Equal(t, store.SlotTaken, taken.Kind)
}
