package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
	"github.com/onward-health/onward/store/storetest/engines"
)

func TestEachCallOfTheStoreIsCountedByWhatCameOfIt(t *testing.T) {
	db, _ := engines.SQLite(t)
	r := NewRegistry("test")
	w := r.Store(db, time.Now, slog.New(slog.DiscardHandler))
	commits := func(o outcome) float64 {
		return scrape(t, r)[fmt.Sprintf("onward_store_commits_total{outcome=%q}", outcomeNames[o])]
	}
	reads := func(op operation, o outcome) float64 {
		return scrape(t, r)[fmt.Sprintf("onward_store_reads_total{operation=%q,outcome=%q}", operationNames[op], outcomeNames[o])]
	}
	ctx := t.Context()
	here := store.Ref{Type: "Slot", ID: "s"}
	put := func() *store.Batch {
		return &store.Batch{Ops: []store.Op{store.Put{
			Record: &store.Record{Type: "Slot", ID: "s", Method: "PUT", Body: []byte(`{"resourceType":"Slot","id":"s"}`), By: []byte(`{}`)},
			If:     store.Condition{Absent: true},
		}}, Idem: &store.Idem{Keys: []string{"k"}, Hash: "h", Keep: time.Hour}}
	}
	other := put()
	other.Idem.Hash = "another"
	again := put()
	again.Idem.Keys = []string{"l"}
	claim := func(owner string) *store.Batch {
		return &store.Batch{Ops: []store.Op{store.Claim{Slot: "s", Owner: owner}}}
	}
	for _, step := range []struct {
		batch *store.Batch
		want  outcome
	}{
		{put(), ok}, {put(), replay}, {other, idemMismatch}, {again, exists}, {claim("Appointment/a"), ok}, {claim("Appointment/b"), slotTaken},
		{&store.Batch{Ops: []store.Op{store.Delete{Ref: store.Ref{Type: "Slot", ID: "none"}}}}, missing},
		{&store.Batch{Ops: []store.Op{store.Delete{Ref: here, If: store.Condition{Version: 7}}}}, versionConflict},
		{&store.Batch{Guards: []store.Guard{store.VersionGuard{Ref: here, Version: 7}}}, guard},
	} {
		before := commits(step.want)
		_, _ = w.Commit(ctx, step.batch)
		require.Equal(t, before+1, commits(step.want), outcomeNames[step.want])
	}
	require.Equal(t, 9.0, scrape(t, r)["onward_store_commit_duration_seconds_count"])

	ended, cancel := context.WithCancel(ctx)
	cancel()
	calls := [operations]func(context.Context) error{
		get:        func(ctx context.Context) error { _, err := w.Get(ctx, here); return err },
		getVersion: func(ctx context.Context) error { _, err := w.GetVersion(ctx, here, 1); return err },
		getMany:    func(ctx context.Context) error { _, err := w.GetMany(ctx, []store.Ref{here}); return err },
		searching:  func(ctx context.Context) error { _, err := w.Search(ctx, &search.Query{Type: "Slot"}); return err },
		count:      func(ctx context.Context) error { _, _, err := w.Count(ctx, &search.Query{Type: "Slot"}, 0); return err },
		history:    func(ctx context.Context) error { _, err := w.History(ctx, here, time.Time{}, 1, ""); return err },
		auxGet:     func(ctx context.Context) error { _, err := w.AuxGet(ctx, "claim", []string{"s"}); return err },
		auxScan:    func(ctx context.Context) error { _, err := w.AuxScan(ctx, "claim", "", "", 0); return err },
	}
	for op, call := range calls {
		require.NoError(t, call(ctx), operationNames[op])
		require.Error(t, call(ended), operationNames[op])
		require.Equal(t, 1.0, reads(operation(op), ok), operationNames[op])
		require.Equal(t, 1.0, reads(operation(op), cutOff), operationNames[op])
	}
	_, err := w.Get(ctx, store.Ref{Type: "Slot", ID: "none"})
	require.ErrorIs(t, err, store.ErrNotFound)
	require.Equal(t, 1.0, reads(get, notFound))
	require.NoError(t, w.Close())
	require.Error(t, calls[get](ctx))
	require.Equal(t, 1.0, reads(get, unavailable))
}

func TestErrorsOfTheStoreAreToldApart(t *testing.T) {
	for err, want := range map[error]outcome{
		fmt.Errorf("%w: %w", store.ErrUnknown, context.DeadlineExceeded): unknown,
		store.ErrUnavailable: unavailable, store.ErrTooLarge: tooLarge, store.ErrTooCostly: tooCostly, store.ErrCursor: badCursor,
		context.Canceled: cutOff, errors.New("x"): fault, &store.ConflictError{Kind: "new"}: conflict,
		&store.ConflictError{Kind: store.GuardFailed}: guard,
	} {
		require.Equal(t, want, outcomeOf(err), "%v", err)
	}
}

// BenchmarkStore shows what the wrapper adds to the cheapest call.
func BenchmarkStore(b *testing.B) {
	db, err := sqlite.Open(b.Context(), ":memory:", sqlite.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	ref := store.Ref{Type: "Slot", ID: "s"}
	_, err = db.Commit(b.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: &store.Record{
		Type: "Slot", ID: "s", Method: "PUT", Body: []byte(`{"resourceType":"Slot","id":"s"}`), By: []byte(`{}`)}}}})
	require.NoError(b, err)
	w := NewRegistry("test").Store(db, time.Now, slog.New(slog.DiscardHandler))
	for name, s := range map[string]store.Store{"bare": db, "wrapped": w} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Get(b.Context(), ref); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.read(get, w.now(), nil)
		}
	})
}
