package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/internal/telemetry"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/storetest/engines"
)

// slow is a store whose time is over after some pages of the outbox.
type slow struct {
	store.Store
	pages int
	over  context.CancelFunc
}

func (s *slow) AuxScan(ctx context.Context, kind, prefix, after string, limit int) ([]store.Aux, error) {
	if s.pages--; s.pages < 0 {
		s.over()
	}
	return s.Store.AuxScan(ctx, kind, prefix, after, limit)
}

func byName(values []telemetry.Value) map[string]float64 {
	list := map[string]float64{}
	for _, v := range values {
		list[v.Name] = v.Is
	}
	return list
}

// Ensure that an outbox that takes long to count is told to be at least so full,
// not to be empty or unknown.
func TestAnOutboxThatIsNotCountedInTimeHasAtLeastWhatWasCounted(t *testing.T) {
	db, _ := engines.SQLite(t)
	var b store.Batch
	for n := range 100 {
		op, err := outbox.Put(outbox.Message{ID: fmt.Sprint(n), Kind: "k", Recipient: "r", Focus: store.Ref{Type: "Task", ID: fmt.Sprint(n)},
			Created: time.Now().Add(-time.Hour)})
		require.NoError(t, err)
		b.Ops = append(b.Ops, op)
	}
	b.Ops = append(b.Ops, store.AuxPut{Kind: outbox.KindDead, Key: "k", Value: []byte(`{}`)})
	_, err := db.Commit(t.Context(), &b)
	require.NoError(t, err)

	ask := func(pages int) map[string]float64 {
		ctx, over := context.WithCancel(t.Context())
		defer over()
		return byName(outboxValues(ctx, &slow{db, pages, over}))
	}
	got := ask(4) // a dead letter, the end of those, and two pages
	require.Equal(t, 1.0, got["outbox_dead_messages"])
	require.Greater(t, got["outbox_waiting_messages"], 0.0)
	require.Less(t, got["outbox_waiting_messages"], 100.0)
	require.InDelta(t, 3600, got["outbox_oldest_seconds"], 60)
	require.Empty(t, ask(0), "nothing is known")
	require.Equal(t, 100.0, ask(1000)["outbox_waiting_messages"])
}

func TestAStoreThatCannotServeIsDown(t *testing.T) {
	db, _ := engines.SQLite(t)
	require.Equal(t, 1.0, byName(storeValues(t.Context(), db))["store_up"])
	require.NoError(t, db.Close())
	got := byName(storeValues(t.Context(), db))
	require.Contains(t, got, "store_up")
	require.Zero(t, got["store_up"])
	require.Empty(t, outboxValues(t.Context(), db), "no count is better than a wrong one")
}
