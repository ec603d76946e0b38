package outbox_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/store"
)

// Ensure that one message which can't be read holds up none of those behind it, nor
// an operator who looks at the others.
func TestAMessageThatCannotBeReadBecomesADeadLetter(t *testing.T) {
	for name, key := range map[string]string{
		"text": "test|x|Task%2F1|00000000000000000001|bad", "key": "test|x|Task%2F1|1|bad", "short key": "test|bad",
	} {
		t.Run(name, func(t *testing.T) {
			onEachEngine(t, func(t *testing.T, s *scene) {
				s.write(s.message("a", "x", "1", 2), s.message("dead", "y", "1", 1))
				value := "{"
				if name == "key" {
					value = `{"id":"bad","kind":"test","recipient":"x","focus":{"Type":"Task","ID":"1"},"order":1,"created":"2026-03-09T08:00:00Z"}`
				}
				_, err := s.store.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.AuxPut{Kind: outbox.Kind, Key: key, Value: []byte(value)}}})
				require.NoError(t, err)
				require.ElementsMatch(t, []string{"bad", "a", "dead"}, s.list(false))
				r := &receiver{answer: func(m outbox.Message) outbox.Result {
					if m.ID == "dead" {
						return outbox.Result{Verdict: outbox.Dead}
					}
					return outbox.Result{Verdict: outbox.Delivered}
				}}
				s.steps(s.worker("w", r), 2)
				require.ElementsMatch(t, []string{"a", "dead"}, r.ids())
				require.Empty(t, s.list(false))
				require.ElementsMatch(t, []string{"bad", "dead"}, s.list(true))

				require.ErrorContains(t, outbox.Retry(t.Context(), s.store, "bad", s.clock.Now()), "can't be read")
				require.NoError(t, outbox.Retry(t.Context(), s.store, "dead", s.clock.Now()))
				require.NoError(t, outbox.Drop(t.Context(), s.store, "bad"))
				require.Empty(t, s.list(true))
			})
		})
	}
}

// Ensure that who asks for a message again while it is being sent has it sent once
// where it is taken, and again where it isn't.
func TestARetryWhileTheMessageIsBeingSent(t *testing.T) {
	for name, c := range map[string]struct {
		verdict outbox.Verdict
		then    []string // what is sent then
	}{
		"delivered": {outbox.Delivered, []string{"b"}},
		"discarded": {outbox.Discarded, []string{"b"}},
		"again":     {outbox.Again, []string{"a", "b"}},
		"dead":      {outbox.Dead, []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			onEachEngine(t, func(t *testing.T, s *scene) {
				r := &receiver{answer: func(m outbox.Message) outbox.Result {
					require.NoError(t, outbox.Retry(t.Context(), s.store, "a", s.clock.Now()))
					return outbox.Result{Verdict: c.verdict}
				}}
				s.write(s.message("a", "x", "1", 1))
				s.steps(s.worker("w", r), 1)
				require.Equal(t, []string{"a"}, r.ids())
				r.say(nil)
				s.write(s.message("b", "x", "1", 2))
				s.steps(s.worker("other", r), 1)
				require.Equal(t, c.then, r.ids(), "the lease was given back")
				require.Empty(t, s.list(false))
			})
		})
	}
}

// Ensure that a dead letter can be sent again though the change feed has told of its
// version a second time.
func TestARetryOfADeadLetterThatWaitsOnceMore(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		r := &receiver{answer: func(outbox.Message) outbox.Result { return outbox.Result{Verdict: outbox.Dead} }}
		m := s.message("a", "x", "1", 1)
		s.write(m)
		w := s.worker("w", r)
		s.steps(w, 1)
		require.Equal(t, []string{"a"}, r.ids())
		r.say(nil)
		s.write(m)
		s.clock.Move(time.Minute)
		require.NoError(t, outbox.Retry(t.Context(), s.store, "a", s.clock.Now()))
		s.steps(w, 2)
		require.Equal(t, []string{"a"}, r.ids(), "once")
		require.Empty(t, s.list(true))
		require.Empty(t, s.list(false))
	})
}

func TestEveryDeadLetterToARecipientIsSentAgainOrForgotten(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		const each = 40 // more than a page
		kill := func() {
			r := &receiver{answer: func(outbox.Message) outbox.Result { return outbox.Result{Verdict: outbox.Dead} }}
			for n := range each {
				s.write(s.message(fmt.Sprint("x", n), "x", fmt.Sprint(n), 1))
			}
			s.write(s.message("y", "y", "1", 1))
			for w := s.worker("w", r); len(s.list(false)) > 0; {
				s.steps(w, 1)
			}
		}
		kill()
		_, err := s.store.Commit(t.Context(), &store.Batch{Ops: []store.Op{
			store.AuxPut{Kind: outbox.KindDead, Key: "test|x|Task%2F1|00000000000000000001|bad", Value: []byte("{")}}})
		require.NoError(t, err)
		n, err := outbox.RetryAll(t.Context(), s.store, "x", s.clock.Now())
		require.NoError(t, err)
		require.Equal(t, each, n)
		require.Len(t, s.list(false), each)
		require.ElementsMatch(t, []string{"bad", "y"}, s.list(true))
		kill()
		n, err = outbox.DropAll(t.Context(), s.store, "x")
		require.NoError(t, err)
		require.Equal(t, each+1, n)
		require.Equal(t, []string{"y"}, s.list(true))
		n, err = outbox.DropAll(t.Context(), s.store, "nobody")
		require.NoError(t, err)
		require.Zero(t, n)
	})
}
