package sqlite_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
	"github.com/onward-health/onward/store/storetest"
)

// TestAFileOfTheFirstSchemaGetsFeedAndCounters takes from a file what the first
// schema didn't have and opens it again.
func TestAFileOfTheFirstSchemaGetsFeedAndCounters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	clock := storetest.NewClock()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{Now: clock.Now})
	must(t, err)
	for i := range 5 {
		for _, typ := range []string{"Slot", "Schedule"} {
			r := &store.Record{Type: typ, ID: fmt.Sprint(i % 2), Method: "PUT", Body: []byte("{}")}
			_, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: r}}})
			must(t, err)
		}
		clock.Move(time.Second)
	}
	_, err = s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Delete{Ref: store.Ref{Type: "Slot", ID: "1"}}}})
	must(t, err)
	want := tell(t, s)
	must(t, s.Close())
	db, err := sql.Open("sqlite", path)
	must(t, err)
	for _, text := range []string{`DROP TABLE feed`, `DROP INDEX res_del`, `ALTER TABLE types DROP COLUMN live`, `ALTER TABLE types DROP COLUMN versions`, `PRAGMA user_version = 1`} {
		_, err := db.Exec(text)
		must(t, err)
	}
	must(t, db.Close())
	if got := tell(t, open(t, path, sqlite.Options{Now: clock.Now})); got != want {
		t.Errorf("want %s\ngot  %s", want, got)
	}
}

// tell is what a store says by its feed and counters.
func tell(t *testing.T, s *sqlite.Store) string {
	t.Helper()
	page, err := s.Changes(t.Context(), "", 0, 0)
	must(t, err)
	counts, err := s.Counts(t.Context())
	must(t, err)
	return fmt.Sprint(page.List, counts)
}
