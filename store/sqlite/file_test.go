package sqlite_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
)

// Ensure that a backup which takes the place of a file whose process was killed isn't
// overwritten with what that one left in its log.
func TestARestoredFileBesideAnOldLogIsRefused(t *testing.T) {
	dir := t.TempDir()
	path, copied := filepath.Join(dir, "data", "a.db"), filepath.Join(dir, "b.db")
	s := open(t, path, sqlite.Options{})
	commit(t, s, store.Put{Record: slot("s1")})
	must(t, sqlite.Backup(t.Context(), path, copied))
	commit(t, s, store.Put{Record: slot("s2")})
	restored := filepath.Join(dir, "restored.db")
	backup, err := os.ReadFile(copied)
	must(t, err)
	must(t, os.WriteFile(restored, backup, 0o600))
	log, err := os.ReadFile(path + "-wal") // as a kill would leave it
	must(t, err)
	must(t, os.WriteFile(restored+"-wal", log, 0o600))

	_, writing := sqlite.Open(t.Context(), restored, sqlite.Options{})
	_, reading := sqlite.Open(t.Context(), restored, sqlite.Options{ReadOnly: true})
	again := sqlite.Backup(t.Context(), restored, filepath.Join(dir, "c.db"))
	for how, err := range map[string]error{"writing": writing, "reading": reading, "a backup": again} {
		if err == nil || !strings.Contains(err.Error(), "isn't its own") {
			t.Errorf("%s: %v", how, err)
		}
	}
	if after, err := os.ReadFile(restored); err != nil || !bytes.Equal(after, backup) {
		t.Errorf("the file was changed: %v", err)
	}
	must(t, os.Remove(restored+"-wal"))
	if n := sqlite.Rows(t, open(t, restored, sqlite.Options{}), "res"); n != 1 {
		t.Errorf("%d records, want that of the backup", n)
	}
}
