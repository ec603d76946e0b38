// Package engines opens the engines for tests of what stands on a store.
package engines

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/mongo"
	"github.com/onward-health/onward/store/mongo/fakereplset"
	"github.com/onward-health/onward/store/sqlite"
	"github.com/onward-health/onward/store/storetest"
)

// Each runs a test on an empty store of every engine, with the clock that the
// store tells time by. It must be the last that its caller does.
func Each(t *testing.T, test func(t *testing.T, db store.Store, clock *storetest.Clock)) {
	t.Run("sqlite", func(t *testing.T) {
		db, clock := SQLite(t)
		test(t, db, clock)
	})
	t.Run("mongo", func(t *testing.T) {
		t.Parallel()
		fake, err := fakereplset.Start(fakereplset.Options{})
		require.NoError(t, err)
		t.Cleanup(fake.Close)
		clock := storetest.NewClock()
		db, err := mongo.Open(t.Context(), fake.URI(), mongo.Options{Now: clock.Now})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		test(t, db, clock)
	})
}

// SQLite opens an empty store of that engine.
func SQLite(t *testing.T) (store.Store, *storetest.Clock) {
	clock := storetest.NewClock()
	db, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{Now: clock.Now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db, clock
}
