package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/onward-health/onward/store/sqlite"
)

// Ensure that the first start through a link, which makes the file, takes the same
// lock as every later one.
func TestALinkToAFileThatIsNotThereYetHasItsLock(t *testing.T) {
	dir := t.TempDir()
	link, path := filepath.Join(t.TempDir(), "link.db"), filepath.Join(dir, "a.db")
	must(t, os.Symlink(path, link))
	open(t, link, sqlite.Options{})
	for _, name := range []string{link, path} {
		s, err := sqlite.Open(t.Context(), name, sqlite.Options{})
		if err == nil {
			must(t, s.Close())
			t.Fatalf("%s was opened twice", filepath.Base(name))
		}
		if !strings.Contains(err.Error(), "another process has the store open") {
			t.Errorf("%s: %v", filepath.Base(name), err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "LOCK")); err != nil {
		t.Error(err)
	}
}

// Ensure that a backup which gets no folder of its own leaves none, and that one on
// a file system without locks is made in a folder that nobody takes for left.
func TestTheFolderOfABackupIsLockedOrSaysWhyNot(t *testing.T) {
	beside := t.TempDir()
	for name, row := range map[string]struct {
		fails error
		left  int
	}{"no descriptors": {syscall.EMFILE, 0}, "always another's": {sqlite.ErrLocked, 0}, "no locks": {sqlite.ErrNoLocks, 1}} {
		err := sqlite.NewPart(beside, func(path string) (*os.File, error) {
			must(t, os.WriteFile(path, nil, 0o600))
			return nil, row.fails
		})
		if row.left == 0 && !errors.Is(err, row.fails) || row.left == 1 && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		left, err := filepath.Glob(filepath.Join(beside, ".onward-backup-*"))
		must(t, err)
		locks, err := filepath.Glob(filepath.Join(beside, ".onward-backup-*", "LOCK"))
		must(t, err)
		if len(left) != row.left || len(locks) != 0 {
			t.Errorf("%s: %d folders and %d locks are left", name, len(left), len(locks))
		}
		for _, dir := range left {
			must(t, os.Remove(dir))
		}
	}
}
