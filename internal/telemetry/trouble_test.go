package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store"
)

// failing is a store whose commits and reads end as the test says.
type failing struct {
	store.Store
	err error
}

func (f *failing) Commit(context.Context, *store.Batch) (*store.Result, error) {
	return &store.Result{}, f.err
}

func (f *failing) Get(context.Context, store.Ref) (*store.Record, error) { return nil, f.err }

// Ensure that whoever runs the server learns why it asks its callers to try again:
// those aren't told.
func TestAStoreThatCannotServeIsToldWithItsReason(t *testing.T) {
	var log bytes.Buffer
	at := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
	db, r := &failing{}, NewRegistry("test")
	w := r.Store(db, func() time.Time { return at }, slog.New(slog.NewTextHandler(&log, nil)))
	full, taken := fmt.Errorf("%w: the disk is full", store.ErrUnavailable), &store.ConflictError{Kind: store.SlotTaken}
	gone := fmt.Errorf("%w: %w", store.ErrUnknown, context.Canceled)
	for i, row := range []struct {
		after    time.Duration
		err      error
		writable float64
		says     string // "": nothing
	}{
		{0, nil, 1, ""},
		{0, taken, 1, ""},
		{0, gone, 1, ""}, // the caller's affair
		{0, full, 0, "the disk is full"},
		{time.Second, full, 0, ""},
		{time.Second, taken, 0, ""}, // nothing was written for it
		{time.Second, fmt.Errorf("%w: the disk fails", store.ErrUnknown), 0, "the disk fails"},
		{0, fmt.Errorf("%w: otherwise", store.ErrUnknown), 0, ""}, // no line for each call
		{time.Minute, fmt.Errorf("%w: the disk fails", store.ErrUnknown), 0, "the disk fails"},
		{time.Second, nil, 1, "serves writes again"},
		{time.Second, nil, 1, ""},
	} {
		at = at.Add(row.after)
		log.Reset()
		db.err = row.err
		_, _ = w.Commit(t.Context(), &store.Batch{})
		require.Equal(t, row.writable, scrape(t, r)["onward_store_writable"], "step %d", i)
		trouble, is := w.Unwritable()
		require.Equal(t, row.writable == 0, is, "step %d", i)
		if is {
			require.Equal(t, time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC), trouble.Since)
		}
		require.Contains(t, log.String(), row.says, "step %d", i)
		require.Equal(t, row.says == "", log.Len() == 0, "step %d: %s", i, log.String())
	}
	log.Reset()
	for n := range 120 { // two minutes of a disk that comes and goes
		at = at.Add(time.Second)
		if db.err = nil; n%2 == 0 {
			db.err = fmt.Errorf("%w: the disk fails", store.ErrUnknown)
		}
		_, _ = w.Commit(t.Context(), &store.Batch{})
	}
	require.LessOrEqual(t, bytes.Count(log.Bytes(), []byte("\n")), 6, log.String())
	log.Reset()
	db.err = full
	_, _ = w.Get(t.Context(), store.Ref{})
	require.Contains(t, log.String(), "can't serve reads")
	require.Equal(t, 1.0, scrape(t, r)["onward_store_writable"])
}
