package telemetry

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
	"github.com/onward-health/onward/store/storetest"
)

func TestTheWrappedStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		db, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{Now: now})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		return NewRegistry("test").Store(db, time.Now, slog.New(slog.DiscardHandler))
	})
}
