package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/onward-health/onward/store/sqlite"
	"github.com/onward-health/onward/store/storetest"
)

func TestTheEngineKeepsTheContractOfCopying(t *testing.T) {
	storetest.RunBulk(t, func(t *testing.T, now func() time.Time) (storetest.Bulk, func(bool) (storetest.Bulk, error)) {
		path := filepath.Join(t.TempDir(), "a.db")
		return open(t, path, sqlite.Options{Now: now}), func(forImport bool) (storetest.Bulk, error) {
			return sqlite.Open(context.Background(), path, sqlite.Options{Now: now, Import: forImport})
		}
	})
}
