package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/storetest/engines"
)

func TestSeveralWorkersShareTheWorkAndSendNothingTwice(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		const lanes, each, workers = 6, 4, 3
		for lane := range lanes {
			for n := range each {
				s.write(s.message(fmt.Sprintf("%d-%d", lane, n), "x", fmt.Sprint(lane), int64(n)))
			}
		}
		r := &receiver{}
		var all sync.WaitGroup
		for i := range workers {
			w := s.worker(fmt.Sprint("w", i), r)
			all.Go(func() {
				for range 10 {
					if err := w.Step(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		s.steps(s.worker("last", r), 2)
		next := map[byte]byte{}
		got := r.ids()
		require.Len(t, got, lanes*each)
		for _, id := range got {
			require.Equal(t, '0'+next[id[0]], id[2], "lane %c", id[0])
			next[id[0]]++
		}
	})
}

func TestAPausedProcessLosesItsLeaseAndCannotActOnIt(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write(s.message("a", "x", "1", 1), s.message("b", "x", "1", 2))
		sending, goOn := make(chan struct{}), make(chan struct{})
		slept := senderFunc(func(context.Context, outbox.Message) outbox.Result {
			close(sending)
			<-goOn // longer than the lease
			return outbox.Result{Verdict: outbox.Dead, Reason: "asleep"}
		})
		ended := make(chan error)
		paused := s.worker("paused", slept)
		go func() { ended <- paused.Step(t.Context()) }()
		<-sending

		r := &receiver{answer: again}
		w := s.worker("awake", r)
		s.steps(w, 1)
		require.Empty(t, r.ids(), "the lease holds")
		s.clock.Move(time.Minute)
		s.steps(w, 1)
		require.Equal(t, []string{"a"}, r.ids(), "it ran out: at least once")
		close(goOn)
		require.NoError(t, <-ended)
		require.Empty(t, s.list(true), "what the paused process found out doesn't count any more")
		require.Equal(t, []string{"a", "b"}, s.list(false))
	})
}

// deaf is a store whose commits fail once a message has been sent, as if the
// process had been killed there.
type deaf struct {
	store.Store
	on atomic.Bool
}

func (d *deaf) Commit(ctx context.Context, b *store.Batch) (*store.Result, error) {
	if d.on.Load() {
		return nil, errors.New("killed")
	}
	return d.Store.Commit(ctx, b)
}

func TestACrashBetweenSendingAndMarkingSendsTheSameMessageAgain(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write(s.message("a", "x", "1", 1), s.message("b", "x", "1", 2))
		db := &deaf{Store: s.store}
		r := &receiver{answer: func(outbox.Message) outbox.Result { db.on.Store(true); return outbox.Result{Verdict: outbox.Delivered} }}
		s.steps(s.workerOn(db, "killed", r), 1)
		require.Equal(t, []string{"a"}, r.ids(), "b isn't sent before a is known to have been")
		r.say(nil)
		next := s.worker("next", r)
		s.steps(next, 1)
		require.Empty(t, r.ids(), "the lease of the dead process holds for a while")
		s.clock.Move(time.Minute)
		s.steps(next, 1)
		require.Equal(t, []string{"a", "b"}, r.ids())
	})
}

func TestAPausedProcessCannotActUnderALeaseOfTheSameVersionEither(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write(s.message("a", "x", "1", 1))
		// held makes a worker that is stopped in the middle of sending.
		held := func(owner string, result outbox.Result) (goOn func()) {
			sending, wait, ended := make(chan struct{}), make(chan struct{}), make(chan error)
			w := s.worker(owner, senderFunc(func(context.Context, outbox.Message) outbox.Result {
				close(sending)
				<-wait
				return result
			}))
			go func() { ended <- w.Step(t.Context()) }()
			<-sending
			return func() { close(wait); require.NoError(t, <-ended) }
		}
		first := held("first", outbox.Result{Verdict: outbox.Dead})
		s.clock.Move(time.Minute)
		s.steps(s.worker("second", &receiver{answer: again}), 1) // gives its lease back, which begins its numbers anew
		s.clock.Move(time.Minute)
		third := held("third", outbox.Result{Verdict: outbox.Delivered})
		first()
		require.Empty(t, s.list(true))
		third()
		require.Empty(t, s.list(false))
	})
}

// between is a store that does something once, before a lease is looked at.
type between struct {
	store.Store
	do func()
}

func (b *between) AuxGet(ctx context.Context, kind string, keys []string) ([]store.Aux, error) {
	if do := b.do; kind == "lease" && do != nil {
		b.do = nil
		do()
	}
	return b.Store.AuxGet(ctx, kind, keys)
}

func TestWhatAnotherHasTriedMeanwhileIsNotTriedAtOnce(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write(s.message("a", "x", "1", 1))
		r := &receiver{answer: again}
		other := s.worker("other", r)
		db := &between{Store: s.store, do: func() { s.steps(other, 1) }}
		s.steps(s.workerOn(db, "late", r), 1)
		require.Equal(t, []string{"a"}, r.ids())
	})
}

// counting counts looks at documents and what they gave.
type counting struct {
	store.Store
	scans, docs atomic.Int64
}

func (c *counting) AuxScan(ctx context.Context, kind, prefix, after string, limit int) ([]store.Aux, error) {
	list, err := c.Store.AuxScan(ctx, kind, prefix, after, limit)
	c.scans.Add(1)
	c.docs.Add(int64(len(list)))
	return list, err
}

// Ensure that what waits for recipients who are down costs little to look past,
// however it is spread: passes are made every second.
func TestLookingPastWhatWaitsIsCheap(t *testing.T) {
	for name, c := range map[string]struct {
		recipients, each int
		scans, docs      int64
	}{
		"many recipients": {400, 5, 30, 2100},
		"a long queue":    {8, 250, 30, 300},
	} {
		t.Run(name, func(t *testing.T) {
			db, clock := engines.SQLite(t)
			s := &scene{t, db, clock}
			for r := range c.recipients {
				var list []outbox.Message
				for n := range c.each {
					list = append(list, s.message(fmt.Sprint("m", r, "-", n), fmt.Sprint("r", r), fmt.Sprint("f", n), 1))
				}
				s.write(list...)
			}
			counts := &counting{Store: db}
			w := s.workerOn(counts, "w", &receiver{answer: again}, func(o *outbox.Options) { o.Together = c.recipients })
			s.steps(w, 2)
			counts.scans.Store(0)
			counts.docs.Store(0)
			s.steps(w, 1)
			require.LessOrEqual(t, counts.scans.Load(), c.scans)
			require.LessOrEqual(t, counts.docs.Load(), c.docs)
		})
	}
}
