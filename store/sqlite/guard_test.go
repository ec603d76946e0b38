package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
)

func tryCommit(t *testing.T, s store.Store, id string) error {
	t.Helper()
	_, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: slot(id)}}})
	return err
}

// Ensure that nothing is acknowledged that goes into a file without a name: it
// would be gone with the process.
func TestAStoreWhoseFilesWereMovedTakesNoWrites(t *testing.T) {
	for _, file := range []string{"a.db", "a.db-wal", "LOCK"} {
		path := filepath.Join(t.TempDir(), "a.db")
		s := open(t, path, sqlite.Options{})
		must(t, tryCommit(t, s, "before"))
		name := filepath.Join(filepath.Dir(path), file)
		refused := func(how string) {
			t.Helper()
			if err := tryCommit(t, s, "refused"); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "removed or replaced") {
				t.Errorf("%s %s: %v", how, file, err)
			}
			if _, err := s.Health(t.Context()); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s %s, health: %v", how, file, err)
			}
			if _, err := s.Get(t.Context(), store.Ref{Type: "Slot", ID: "before"}); err != nil {
				t.Errorf("%s %s, reading: %v", how, file, err)
			}
		}
		must(t, os.Rename(name, name+".away"))
		refused("moved")
		must(t, os.WriteFile(name, nil, 0o600))
		refused("replaced")
		must(t, os.Rename(name+".away", name))
		must(t, tryCommit(t, s, "after"))
		must(t, s.Close())
		again := open(t, path, sqlite.Options{})
		if n := sqlite.Rows(t, again, "res"); n != 2 {
			t.Errorf("%d records are there, want those before and after", n)
		}
	}
}
