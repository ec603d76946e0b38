package outbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/internal/outbox"
)

// asksForTime refuses a for good and has everything else wait for an hour.
func asksForTime(m outbox.Message) outbox.Result {
	if m.ID == "a" {
		return outbox.Result{Verdict: outbox.Dead, Reason: "status 400"}
	}
	return outbox.Result{After: time.Hour, Reason: "status 503"}
}

func TestARetryDoesNotWaitForARecipientThatAskedForTime(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		r := &receiver{answer: asksForTime}
		w := s.worker("w", r)
		s.write(s.message("a", "x", "1", 1), s.message("b", "x", "2", 1), s.message("c", "y", "1", 1))
		s.steps(w, 2)
		require.ElementsMatch(t, []string{"a", "b", "c"}, r.ids())
		s.clock.Move(time.Minute)
		require.NoError(t, outbox.Retry(t.Context(), s.store, "a", s.clock.Now()))
		r.say(func(outbox.Message) outbox.Result { return outbox.Result{After: time.Hour, Reason: "status 503"} })
		s.steps(w, 3)
		require.Equal(t, []string{"a"}, r.ids(), "nobody else is hurried, and the recipient asked again")
		s.clock.Move(time.Minute)
		s.steps(w, 1)
		require.Empty(t, r.ids())
	})
}

func TestARetryHurriesWhatStandsBeforeTheMessage(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		r := &receiver{answer: asksForTime}
		w := s.worker("w", r)
		s.write(s.message("a", "x", "1", 2))
		s.steps(w, 1)
		s.write(s.message("late", "x", "1", 1))
		s.steps(w, 1)
		require.Equal(t, []string{"a", "late"}, r.ids())
		require.NoError(t, outbox.Retry(t.Context(), s.store, "a", s.clock.Now()))
		r.say(nil)
		s.steps(w, 2)
		require.Equal(t, []string{"late", "a"}, r.ids())
	})
}
