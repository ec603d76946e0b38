//go:build unix

package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
)

// Ensure that a page which the system can't give, as of a file that was cut off or a
// disk that fails, doesn't end the process: the store can't serve and says why.
func TestAPageThatCannotBeHadEndsTheStoreAndNotTheProcess(t *testing.T) {
	for _, reads := range []bool{true, false} {
		path := filepath.Join(t.TempDir(), "a.db")
		s := open(t, path, sqlite.Options{})
		var slots []store.Op
		for n := range 500 {
			slots = append(slots, store.Put{Record: slot(fmt.Sprint("s", n))})
		}
		commit(t, s, slots...)
		must(t, s.Close())
		s = open(t, path, sqlite.Options{})
		must(t, tryCommit(t, s, "s1")) // SQLite then takes the file's size from the log
		must(t, tryCommit(t, s, "s1")) // the sweep behind the first commit is over
		ref := store.Ref{Type: "Slot", ID: "s1"}
		for range 16 { // each reader maps the file with its first page
			_, err := s.Get(t.Context(), ref)
			must(t, err)
		}
		must(t, os.Truncate(path, 0))
		ref.ID = "s400"
		if reads {
			_, err := s.Get(t.Context(), ref)
			if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "can't be had") {
				t.Errorf("the first read: %v", err)
			}
		} else if err := tryCommit(t, s, "s2"); !errors.Is(err, store.ErrUnknown) {
			t.Errorf("the first commit: %v", err)
		}
		if err := tryCommit(t, s, "s3"); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnknown) {
			t.Errorf("a commit: %v", err)
		}
		if _, err := s.Get(t.Context(), ref); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("a read: %v", err)
		}
		if _, err := s.Health(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("health: %v", err)
		}
		must(t, s.Close())
	}
}
