package telemetry

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store/storetest"
)

var gauge = Declared{Name: "outbox_waiting", Help: "x"}

func TestAQuestionIsAskedSeldom(t *testing.T) {
	r, clock := NewRegistry("test"), storetest.NewClock()
	asked := 0
	var takes time.Duration
	r.Polled(clock.Now, func(context.Context) []Value {
		asked++
		clock.Move(takes)
		return []Value{{Name: "outbox_waiting", Is: float64(asked)}}
	}, gauge)
	require.Equal(t, 1.0, scrape(t, r)["onward_outbox_waiting"], "the first scrape has a value")
	clock.Move(askEvery - 1)
	require.Equal(t, 1.0, scrape(t, r)["onward_outbox_waiting"])
	clock.Move(1)
	takes = 2 * time.Second
	require.Equal(t, 2.0, scrape(t, r)["onward_outbox_waiting"])
	clock.Move(20 * time.Second)
	scrape(t, r)
	require.Equal(t, 2, asked, "a slow question is asked for a twentieth of the time")
	clock.Move(20 * time.Second)
	scrape(t, r)
	require.Equal(t, 3, asked)
}

func TestAStoreThatDoesNotAnswerHoldsNoScrapeUp(t *testing.T) {
	r, clock := NewRegistry("test"), storetest.NewClock()
	var asked atomic.Int32
	gate, started := make(chan struct{}), make(chan struct{}, 9)
	p := r.Polled(clock.Now, func(context.Context) []Value { // deaf to its context
		n := asked.Add(1)
		if n > 1 {
			started <- struct{}{}
			<-gate
		}
		return []Value{{Name: "outbox_waiting", Is: float64(n)}}
	}, gauge)
	require.Equal(t, 1.0, scrape(t, r)["onward_outbox_waiting"])
	p.wait = time.Millisecond
	clock.Move(20 * time.Second)
	for range 3 {
		require.Equal(t, 1.0, scrape(t, r)["onward_outbox_waiting"], "the last answer is shown for a while")
	}
	<-started
	clock.Move(time.Minute)
	require.NotContains(t, scrape(t, r), "onward_outbox_waiting", "an old answer isn't")
	require.Contains(t, scrape(t, r), "go_goroutines")
	require.EqualValues(t, 2, asked.Load(), "no second question while one is open")
	p.mu.Lock()
	asking := p.asking
	p.mu.Unlock()
	close(gate)
	<-asking
	require.Equal(t, 2.0, scrape(t, r)["onward_outbox_waiting"])
}

func TestTheQuestionHasADeadline(t *testing.T) {
	r := NewRegistry("test")
	r.Polled(time.Now, func(ctx context.Context) []Value {
		end, has := ctx.Deadline()
		require.True(t, has)
		require.LessOrEqual(t, time.Until(end), askTime)
		return []Value{{Name: "outbox_waiting", Is: 1}, {Name: "never_declared", Is: 1}}
	}, gauge)
	got := scrape(t, r)
	require.Equal(t, 1.0, got["onward_outbox_waiting"])
	require.NotContains(t, got, "onward_never_declared")
}
