package outbox_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/internal/outbox"
)

// held is a worker whose messages are under way until the test lets them go.
type held struct {
	*scene
	*outbox.Worker
	came chan string // ids
	ids  []string    // of what was sent, in this order
	n    int

	mu   sync.Mutex
	goOn map[string]chan struct{} // by recipient
}

func (s *scene) held(together int) *held {
	h := &held{scene: s, came: make(chan string), goOn: map[string]chan struct{}{}}
	h.Worker = s.worker("w", h, func(o *outbox.Options) { o.Together = together })
	s.t.Cleanup(h.release)
	return h
}

func (h *held) Send(_ context.Context, m outbox.Message) outbox.Result {
	goOn := h.door(m.Recipient)
	h.came <- m.ID
	<-goOn
	return outbox.Result{Verdict: outbox.Delivered}
}

func (h *held) door(recipient string) chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.goOn[recipient] == nil {
		h.goOn[recipient] = make(chan struct{})
	}
	return h.goOn[recipient]
}

// open lets what is under way to a recipient end.
func (h *held) open(recipient string) {
	goOn := h.door(recipient)
	h.mu.Lock()
	delete(h.goOn, recipient) // the next waits at a door of its own
	h.mu.Unlock()
	close(goOn)
}

// release lets all that is under way end.
func (h *held) release() {
	for recipient := range h.UnderWay() {
		h.open(recipient)
	}
	h.Wait()
}

// fill writes so many messages to each recipient, each about another resource.
func (h *held) fill(each int, recipients ...string) {
	for _, recipient := range recipients {
		for range each {
			h.n++
			h.write(h.message(fmt.Sprint("m", h.n), recipient, fmt.Sprint("f", h.n), 1))
		}
	}
}

// look starts what may be and says what is under way then.
func (h *held) look() map[string]int {
	h.t.Helper()
	before := total(h.UnderWay())
	require.NoError(h.t, h.Look(h.t.Context()))
	now := h.UnderWay()
	for range total(now) - before {
		h.ids = append(h.ids, <-h.came)
	}
	return now
}

func names(prefix string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint(prefix, i))
	}
	return list
}

func total(underWay map[string]int) (n int) {
	for _, one := range underWay {
		n += one
	}
	return n
}

func TestARecipientHasMorePlacesWithEachMessageThatItTakesQuickly(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		h := s.held(16)
		h.fill(24, "x")
		for _, places := range []int{1, 2, 4, 4} { // two that were taken count for two
			require.Equal(t, map[string]int{"x": places}, h.look())
			h.release()
		}
	})
}

func TestARecipientThatWasSlowMustBeQuickSeveralTimes(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		h := s.held(2)
		h.fill(24, "x")
		require.Equal(t, map[string]int{"x": 1}, h.look())
		s.clock.Move(2 * time.Second)
		h.release()
		for n, places := range []int{1, 1, 1, 1, 1, 2} {
			require.Equal(t, map[string]int{"x": places}, h.look(), "after %d quick ones", n)
			h.release()
		}
	})
}

// Ensure that recipients who take each message, but slowly, hold up no other,
// however many they are, and that each of them has its turn.
func TestRecipientsThatAreSlowLeaveThePlacesOfTheQuick(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		h := s.held(4)
		slow := names("slow", 8)
		h.fill(4, slow...)
		require.Equal(t, 4, total(h.look()), "nothing is known of them")
		s.clock.Move(2 * time.Second)
		require.Equal(t, 8, total(h.look()), "the first are known to be slow")
		s.clock.Move(2 * time.Second)
		h.release()

		h.fill(1, "vivid")
		served := map[string]bool{}
		for round := 0; len(served) < len(slow); round++ {
			require.Less(t, round, 8)
			now := h.look()
			if round == 0 {
				require.Equal(t, 1, now["vivid"])
			}
			delete(now, "vivid")
			require.Equal(t, 4, total(now))
			for recipient := range now {
				served[recipient] = true
			}
			s.clock.Move(2 * time.Second)
			h.release()
		}
	})
}

func TestSlowRecipientsHaveSeveralPlacesWhileThereAreFew(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		h := s.held(8)
		h.fill(9, "a")
		h.look()
		s.clock.Move(2 * time.Second)
		h.release()
		require.Equal(t, map[string]int{"a": 4}, h.look())
		s.clock.Move(2 * time.Second)
		h.release()
		h.fill(1, "b", "c", "d", "e", "f")
		require.Equal(t, 4+5, total(h.look()))
	})
}

// Ensure that recipients who were quick and go down all at once keep the places of
// the quick for no longer than it takes to see that.
func TestRecipientsThatGoDownGiveTheirPlacesToOthers(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		h := s.held(2)
		h.fill(1, "a", "b")
		h.look()
		h.release()
		h.fill(1, "a", "b", "c")
		require.Equal(t, map[string]int{"a": 1, "b": 1}, h.look())
		s.clock.Move(2*time.Second - 1)
		require.Equal(t, map[string]int{"a": 1, "b": 1}, h.look())
		s.clock.Move(1)
		require.Equal(t, map[string]int{"a": 1, "b": 1, "c": 1}, h.look())
	})
}

// Ensure that a recipient isn't slow who takes many messages quickly, one after
// another in one turn.
func TestManyQuickMessagesInOneTurnAreNotSlow(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		h := s.held(1)
		s.write(s.message("a1", "a", "1", 1), s.message("a2", "a", "1", 2))
		h.look()
		s.clock.Move(2*time.Second - 1)
		h.open("a")
		require.Equal(t, "a2", <-h.came)
		s.clock.Move(1)
		h.fill(1, "b")
		require.Equal(t, map[string]int{"a": 1}, h.look(), "it has the place of the quick")
		s.clock.Move(2*time.Second - 1)
		require.Equal(t, map[string]int{"a": 1, "b": 1}, h.look(), "this one is slow")
	})
}

func TestEveryRecipientAndResourceHasItsTurnWhereTheFirstAlwaysHasMore(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		h := s.held(1)
		s.write(s.message("x1", "x", "1", 1), s.message("x2", "x", "2", 1), s.message("y1", "y", "1", 1))
		for n := range 4 {
			h.look()
			h.release()
			if n == 0 {
				s.write(s.message("more", "x", "1", 2))
			}
		}
		require.Equal(t, []string{"x1", "y1", "x2", "more"}, h.ids)
	})
}

// Ensure that where several recipients always have more than their places, none of
// their resources waits for ever.
func TestEachResourceHasItsTurnWhereSeveralRecipientsAlwaysHaveMore(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		h := s.held(16)
		orders := map[string]int64{} // by recipient and resource
		more := func(recipient, resource string) {
			of := recipient + "/" + resource
			orders[of]++
			h.write(h.message(fmt.Sprint(of, "/", orders[of]), recipient, resource, orders[of]))
		}
		recipients := []string{"a", "m", "y"}
		for _, recipient := range recipients {
			for resource := range 6 {
				more(recipient, fmt.Sprint(resource))
			}
		}
		for round := range 36 {
			before := len(h.ids)
			h.look()
			for _, id := range h.ids[before:] { // the next as soon as one was begun
				parts := strings.Split(id, "/")
				more(parts[0], parts[1])
			}
			ended := recipients[round%len(recipients)]
			h.open(ended)
			require.Eventually(t, func() bool { return h.UnderWay()[ended] == 0 }, 10*time.Second, time.Millisecond)
		}
		least, most := slices.Min(slices.Collect(maps.Values(orders))), slices.Max(slices.Collect(maps.Values(orders)))
		require.LessOrEqual(t, most-least, int64(2), "%v", orders)
		require.Greater(t, least, int64(3))
	})
}

// Ensure that a recipient who can be given no place for now isn't where every look
// begins, so that those behind it would always come first.
func TestARecipientThatHasItsShareIsNotWhereEachLookBegins(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		h := s.held(1)
		h.fill(2, "a")
		h.look()
		s.clock.Move(2 * time.Second)
		h.fill(1, "b", "c")
		require.Equal(t, map[string]int{"a": 1, "b": 1}, h.look())
		for _, next := range []string{"c", "b", "c"} {
			for last := range h.UnderWay() {
				if last != "a" {
					h.open(last)
					require.Eventually(t, func() bool { return h.UnderWay()[last] == 0 }, 10*time.Second, time.Millisecond)
					h.fill(1, last)
				}
			}
			require.Equal(t, map[string]int{"a": 1, next: 1}, h.look())
		}
	})
}
