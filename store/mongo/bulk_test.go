package mongo_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/mongo"
	"github.com/onward-health/onward/store/mongo/fakereplset"
	"github.com/onward-health/onward/store/sqlite"
	"github.com/onward-health/onward/store/storetest"
)

func TestTheEngineKeepsTheContractOfCopying(t *testing.T) {
	storetest.RunBulk(t, func(t *testing.T, now func() time.Time) (storetest.Bulk, func(bool) (storetest.Bulk, error)) {
		uri := serve(t, fakereplset.Options{}).URI()
		return open(t, uri, mongo.Options{Now: now}), func(forImport bool) (storetest.Bulk, error) {
			return mongo.Open(context.Background(), uri, mongo.Options{Now: now, Import: forImport})
		}
	})
}

// Ensure that a store comes back the same, byte for byte, from the other engine.
func TestACopyToMongoDBAndBackIsTheSame(t *testing.T) {
	clock := storetest.NewClock()
	file := func() *sqlite.Store {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), sqlite.Options{Now: clock.Now})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}
	first, last := file(), file()
	between := open(t, serve(t, fakereplset.Options{}).URI(), mongo.Options{Now: clock.Now})
	items, err := storetest.Fill(t.Context(), first, clock)
	require.NoError(t, err)
	none := func(store.CopyStep) {}
	there, err := store.Copy(t.Context(), first, between, "sqlite", clock.Now(), none)
	require.NoError(t, err)
	back, err := store.Copy(t.Context(), between, last, "mongodb", clock.Now(), none)
	require.NoError(t, err)
	require.Equal(t, items, back.Items())
	require.Equal(t, there.Sum(), back.Sum())
}
