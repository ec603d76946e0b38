package outbox_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/internal/lease"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/store"
)

func TestMessagesOfOneFocusComeInOrder(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		r := &receiver{}
		s.write(s.message("c", "x", "1", 10), s.message("a", "x", "1", 2), s.message("b", "x", "1", 9), s.message("d", "x", "10", 1))
		s.steps(s.worker("w", r), 2)
		got := r.ids()
		require.ElementsMatch(t, []string{"a", "b", "c", "d"}, got)
		var one []string
		for _, id := range got {
			if id != "d" {
				one = append(one, id)
			}
		}
		require.Equal(t, []string{"a", "b", "c"}, one)
		require.Empty(t, s.list(false))
		left, err := s.store.AuxScan(t.Context(), lease.Kind, "", "", 0)
		require.NoError(t, err)
		require.Empty(t, left, "leases are given back")
	})
}

func TestNothingOvertakesAMessageThatWaits(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		r := &receiver{answer: again}
		s.write(s.message("a", "x", "1", 1), s.message("b", "x", "1", 2), s.message("other", "y", "1", 1))
		w := s.worker("w", r)
		s.steps(w, 3)
		require.ElementsMatch(t, []string{"a", "other"}, r.ids(), "one attempt each, and b waits for a")
		r.say(nil)
		s.clock.Move(499 * time.Millisecond)
		s.steps(w, 1)
		require.Empty(t, r.ids(), "half a second is the least wait")
		s.clock.Move(time.Millisecond)
		s.steps(w, 2)
		got := r.ids()
		require.ElementsMatch(t, []string{"a", "b", "other"}, got)
		require.Less(t, indexOf(got, "a"), indexOf(got, "b"))
	})
}

func indexOf(list []string, what string) int {
	for i, s := range list {
		if s == what {
			return i
		}
	}
	return -1
}

func TestARecipientThatAsksForTimeIsLeftAlone(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		r := &receiver{answer: func(outbox.Message) outbox.Result { return outbox.Result{After: time.Hour, Reason: "status 429"} }}
		s.write(s.message("a", "x", "1", 1))
		w := s.worker("w", r)
		s.steps(w, 1)
		require.Equal(t, []string{"a"}, r.ids())
		r.say(nil)
		s.write(s.message("b", "x", "2", 1), s.message("c", "y", "1", 1))
		s.clock.Move(59 * time.Minute)
		s.steps(w, 1)
		require.Equal(t, []string{"c"}, r.ids(), "another recipient doesn't wait")
		s.clock.Move(time.Minute)
		s.steps(w, 2)
		require.ElementsMatch(t, []string{"a", "b"}, r.ids())
	})
}

func TestAMessageThatIsNeverTakenBecomesADeadLetterThatCanBeSentAgain(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		var last []bool
		r := &receiver{answer: func(m outbox.Message) outbox.Result { last = append(last, m.Last); return again(m) }}
		s.write(s.message("a", "x", "1", 1), s.message("b", "x", "1", 2))
		w := s.worker("w", r)
		for range 3 {
			s.steps(w, 1)
			s.clock.Move(time.Hour)
		}
		require.Equal(t, []string{"a", "a", "a"}, r.ids())
		require.Equal(t, []bool{false, false, true}, last, "the sender is told of the last attempt")
		require.Equal(t, []string{"a"}, s.list(true))
		m, err := outbox.Find(t.Context(), s.store, "a")
		require.NoError(t, err)
		require.Equal(t, "status 503", m.Reason)
		require.Equal(t, 3, m.Attempts)
		require.Equal(t, "body of a", string(m.Body))

		r.say(nil)
		s.steps(w, 2)
		require.Equal(t, []string{"b"}, r.ids(), "a dead letter doesn't hold up the next")
		state, err := outbox.Stats(t.Context(), s.store, s.clock.Now())
		require.NoError(t, err)
		require.Equal(t, outbox.State{Dead: 1}, state)

		require.NoError(t, outbox.Retry(t.Context(), s.store, "a", s.clock.Now()))
		require.Empty(t, s.list(true))
		s.steps(w, 1)
		require.Equal(t, []string{"a"}, r.ids())
		require.ErrorIs(t, outbox.Retry(t.Context(), s.store, "a", s.clock.Now()), store.ErrNotFound)
	})
}

func TestVerdictsThatEndAMessage(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		r := &receiver{answer: func(m outbox.Message) outbox.Result {
			if m.ID == "gone" {
				return outbox.Result{Verdict: outbox.Discarded}
			}
			return outbox.Result{Verdict: outbox.Dead, Reason: "status 410"}
		}}
		s.write(s.message("gone", "x", "1", 1), s.message("dead", "x", "2", 1))
		s.steps(s.worker("w", r), 2)
		require.Empty(t, s.list(false))
		require.Equal(t, []string{"dead"}, s.list(true))
		require.NoError(t, outbox.Drop(t.Context(), s.store, "dead"))
		require.Empty(t, s.list(true))
		require.ErrorIs(t, outbox.Drop(t.Context(), s.store, "dead"), store.ErrNotFound)
	})
}

func TestAMessageThatWaitsCannotBeDropped(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write(s.message("a", "x", "1", 1))
		require.ErrorIs(t, outbox.Drop(t.Context(), s.store, "a"), store.ErrNotFound)
		s.clock.Move(90 * time.Second)
		state, err := outbox.Stats(t.Context(), s.store, s.clock.Now())
		require.NoError(t, err)
		require.Equal(t, outbox.State{Waiting: 1, Oldest: 90 * time.Second, Seconds: 90}, state)
	})
}

func TestAnOldMessageGetsOneAttemptAndDies(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		r := &receiver{answer: again}
		s.write(s.message("a", "x", "1", 1))
		s.clock.Move(73 * time.Hour)
		s.steps(s.worker("w", r), 1)
		require.Equal(t, []string{"a"}, r.ids())
		require.Equal(t, []string{"a"}, s.list(true))
	})
}

func TestAKindThatNobodySendsIsLeftAlone(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		m := s.message("a", "x", "1", 1)
		m.Kind = "another"
		s.write(m, s.message("b", "x", "1", 1))
		r := &receiver{}
		s.steps(s.worker("w", r), 1)
		require.Equal(t, []string{"b"}, r.ids())
		require.Equal(t, []string{"a"}, s.list(false))
	})
}

func TestASenderThatPanicsHasFailed(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		r := &receiver{answer: func(outbox.Message) outbox.Result { panic("no") }}
		s.write(s.message("a", "x", "1", 1))
		s.steps(s.worker("w", r), 1)
		m, err := outbox.Find(t.Context(), s.store, "a")
		require.NoError(t, err)
		require.Equal(t, 1, m.Attempts)
		require.Equal(t, "a fault of the sender", m.Reason)
	})
}

func TestRunDeliversWhatItIsWokenForAndStopsClean(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		came := make(chan string, 10)
		r := &receiver{answer: func(m outbox.Message) outbox.Result { came <- m.ID; return outbox.Result{Verdict: outbox.Delivered} }}
		never := func(time.Duration) <-chan time.Time { return nil }
		w := s.worker("w", r, func(o *outbox.Options) { o.After = never })
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { w.Run(ctx); close(ended) }()
		s.write(s.message("a", "x", "1", 1))
		w.Wake()
		require.Equal(t, "a", <-came)
		s.write(s.message("b", "x", "1", 2))
		w.Wake()
		require.Equal(t, "b", <-came)
		stop()
		<-ended
		require.Empty(t, s.list(false), "what was delivered is known to have been")
	})
}

func TestWhatAStopCutsOffIsNoAttempt(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		started := make(chan struct{})
		grace := make(chan time.Time)
		cut := senderFunc(func(ctx context.Context, _ outbox.Message) outbox.Result {
			close(started)
			<-ctx.Done()
			return outbox.Result{Reason: "cut off"}
		})
		w := s.worker("w", cut, func(o *outbox.Options) {
			o.After = func(time.Duration) <-chan time.Time { return grace }
		})
		s.write(s.message("a", "x", "1", 1))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { w.Run(ctx); close(ended) }()
		<-started
		stop()
		close(grace)
		<-ended
		r := &receiver{}
		s.steps(s.worker("next", r), 1)
		require.Equal(t, []string{"a"}, r.ids(), "the lease was given back and nothing delays the next attempt")
	})
}

type senderFunc func(context.Context, outbox.Message) outbox.Result

func (f senderFunc) Send(ctx context.Context, m outbox.Message) outbox.Result { return f(ctx, m) }

func TestAMessageThatLacksSomethingIsRefused(t *testing.T) {
	good := outbox.Message{ID: "i", Kind: "k", Recipient: "r", Focus: store.Ref{Type: "Task", ID: "1"}, Created: time.Unix(1, 0)}
	_, err := outbox.Put(good)
	require.NoError(t, err)
	for _, spoil := range []func(*outbox.Message){
		func(m *outbox.Message) { m.ID = "" },
		func(m *outbox.Message) { m.Kind = "" },
		func(m *outbox.Message) { m.Recipient = "" },
		func(m *outbox.Message) { m.Focus.ID = "" },
		func(m *outbox.Message) { m.Order = -1 },
		func(m *outbox.Message) { m.Created = time.Time{} },
		func(m *outbox.Message) { m.Body = make([]byte, outbox.MaxBody+1) },
	} {
		m := good
		spoil(&m)
		_, err := outbox.Put(m)
		require.Error(t, err)
	}
}

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	now := time.Date(2026, 3, 9, 8, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":                              0,
		"120":                           2 * time.Minute,
		"-1":                            0,
		"soon":                          0,
		"Mon, 09 Mar 2026 08:00:30 GMT": 30 * time.Second,
		"Mon, 09 Mar 2026 07:00:00 GMT": 0,
		"Fri, 31 Dec 9999 23:59:59 GMT": 24 * time.Hour,
		"86401":                         24 * time.Hour,
		"99999999999":                   24 * time.Hour,
		"99999999999999999999":          24 * time.Hour,
		"-99999999999999999999":         0,
		"1.5":                           0,
	} {
		require.Equal(t, want, outbox.RetryAfter(http.Header{"Retry-After": {text}}, now), text)
	}
}

// reading notes the most bytes that one look at documents has given.
type reading struct {
	store.Store
	most atomic.Int64
}

func (r *reading) AuxScan(ctx context.Context, kind, prefix, after string, limit int) ([]store.Aux, error) {
	docs, err := r.Store.AuxScan(ctx, kind, prefix, after, limit)
	size := int64(0)
	for _, doc := range docs {
		size += int64(len(doc.Value))
	}
	r.most.Store(max(r.most.Load(), size))
	return docs, err
}

// Ensure that many large messages to a recipient who is down aren't in memory at
// once.
func TestLargeMessagesAreReadAFewAtATime(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		for n := range 64 {
			m := s.message(fmt.Sprint("m", n), "r", fmt.Sprint("f", n), 1)
			m.Body = make([]byte, 96<<10) // 128 KiB as it is kept
			s.write(m)
		}
		db := &reading{Store: s.store}
		r := &receiver{answer: again}
		w := s.workerOn(db, "a", r)
		s.steps(w, 2)
		_, err := outbox.List(t.Context(), db, false)
		require.NoError(t, err)
		require.NotEmpty(t, r.ids())
		require.Less(t, db.most.Load(), int64(17*128<<10))
	})
}

// Ensure that a message which a fast clock put off isn't put off for as long as that
// clock was fast.
func TestAClockThatIsPutBackDelaysNoMessageForLong(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		r := &receiver{answer: again}
		w := s.worker("a", r)
		s.write(s.message("m", "r", "f", 1))
		s.steps(w, 1)
		require.Equal(t, []string{"m"}, r.ids())
		s.steps(w, 1)
		require.Empty(t, r.ids(), "it waits")
		s.clock.Move(-365 * 24 * time.Hour)
		s.steps(s.worker("b", r), 1) // as after a restart
		require.Equal(t, []string{"m"}, r.ids())
	})
}

func TestEachAttemptIsToldWithWhatCameOfIt(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		var told []string
		r := &receiver{answer: again}
		w := s.worker("w", r, func(o *outbox.Options) {
			o.Attempted = func(kind string, v outbox.Verdict, took time.Duration) {
				told = append(told, fmt.Sprint(kind, " ", v, " ", took))
			}
		})
		s.write(s.message("a", "x", "1", 1))
		for range 3 {
			s.steps(w, 1)
			s.clock.Move(time.Hour)
		}
		require.Equal(t, []string{"test again 0s", "test again 0s", "test dead 0s"}, told)
		for want, verdict := range map[string]outbox.Verdict{"delivered": outbox.Delivered, "discarded": outbox.Discarded, "dead": outbox.Dead} {
			told = nil
			r.say(func(outbox.Message) outbox.Result {
				s.clock.Move(time.Second)
				return outbox.Result{Verdict: verdict}
			})
			s.write(s.message(want, "y", want, 1))
			s.steps(w, 1)
			require.Equal(t, []string{"test " + want + " 1s"}, told)
		}
	})
}

func TestARecipientForWhomNothingWaitsIsForgotten(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		r := &receiver{answer: func(outbox.Message) outbox.Result { return outbox.Result{After: 24 * time.Hour, Reason: "status 503"} }}
		w := s.worker("w", r, func(o *outbox.Options) {
			o.Routes["test"] = outbox.Route{Sender: r, Policy: outbox.Policy{MaxAttempts: 1}}
			o.Routes["wait"] = outbox.Route{Sender: r, Policy: outbox.Policy{LongestWait: 72 * time.Hour, FirstWait: 72 * time.Hour}}
		})
		waits := s.message("b", "y", "1", 1)
		waits.Kind = "wait"
		s.write(s.message("a", "x", "1", 1), waits)
		s.steps(w, 2)
		require.Equal(t, 2, w.Known())
		s.clock.Move(23 * time.Hour)
		s.steps(w, 1)
		require.Equal(t, 2, w.Known(), "it is still left alone")
		s.clock.Move(time.Hour)
		s.steps(w, 1)
		require.Equal(t, 1, w.Known(), "a message waits for the other")
	})
}

func TestARecipientIsRememberedForAnHour(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		w := s.worker("w", &receiver{})
		s.write(s.message("a", "x", "1", 1))
		s.steps(w, 1)
		for _, known := range []int{1, 0} {
			s.clock.Move(30 * time.Minute)
			s.steps(w, 1)
			require.Equal(t, known, w.Known())
		}
	})
}

func TestASenderIsToldOfTheLastAttemptWhateverItTakes(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		var last []bool
		r := &receiver{answer: func(m outbox.Message) outbox.Result {
			last = append(last, m.Last)
			s.clock.Move(20 * time.Second) // a slow one
			return again(m)
		}}
		s.write(s.message("a", "x", "1", 1))
		s.clock.Move(72*time.Hour - 10*time.Second)
		w := s.worker("w", r)
		s.steps(w, 1)
		require.Empty(t, s.list(true), "it grew too old during an attempt that wasn't to be the last")
		s.clock.Move(time.Minute)
		s.steps(w, 1)
		require.Equal(t, []string{"a"}, s.list(true))
		require.Equal(t, []bool{false, true}, last)
	})
}

// A recipient that takes each message, but slowly, doesn't keep a place for long.
func TestASlowRecipientGivesItsPlaceToOthers(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		r := &receiver{answer: func(m outbox.Message) outbox.Result {
			if m.Recipient == "slow" {
				s.clock.Move(19 * time.Second)
			}
			return outbox.Result{Verdict: outbox.Delivered}
		}}
		for n := range 4 {
			s.write(s.message(fmt.Sprint("s", n), "slow", "1", int64(n+1)))
		}
		s.write(s.message("v", "vivid", "1", 1))
		w := s.worker("w", r, func(o *outbox.Options) { o.Together = 1 })
		s.steps(w, 1)
		require.NotContains(t, r.ids(), "s1")
		require.Equal(t, []string{"s1", "s2", "s3"}, slices.DeleteFunc(s.list(false), func(id string) bool { return id == "v" }))
		s.steps(w, 1)
		require.NotContains(t, s.list(false), "v")
	})
}
