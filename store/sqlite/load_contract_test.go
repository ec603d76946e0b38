//go:build !race

// The contract runs with the race detector on the engine as a server opens it, and
// takes half a minute there: this is part of make bounds.
package sqlite_test

import (
	"testing"
	"time"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
	"github.com/onward-health/onward/store/storetest"
)

func TestAStoreOpenedInBulkKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		return open(t, ":memory:", sqlite.Options{Now: now, Bulk: true})
	})
}
