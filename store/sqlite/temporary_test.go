package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/onward-health/onward/store/sqlite"
)

// TestAPrivateStoreClearsWhatAKilledProcessLeft tells the folder of a dead
// process from those that are in use, young, or somebody else's.
func TestAPrivateStoreClearsWhatAKilledProcessLeft(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp)
	old := time.Now().Add(-2 * time.Hour)
	folder := func(name string, locked bool) string {
		dir := filepath.Join(temp, name)
		must(t, os.Mkdir(dir, 0o700))
		if locked {
			must(t, os.WriteFile(filepath.Join(dir, "LOCK"), nil, 0o600))
		}
		return dir
	}
	dead, young, other, foreign := folder("onward-memory-1", true), folder("onward-memory-2", true), folder("onward-memory-3", false), folder("onward-4", true)
	live := folder("onward-memory-5", false)
	open(t, filepath.Join(live, "onward.db"), sqlite.Options{})
	for _, dir := range []string{dead, other, foreign, live} {
		must(t, os.Chtimes(dir, old, old))
	}
	s := open(t, ":memory:", sqlite.Options{})
	for dir, stays := range map[string]bool{dead: false, young: true, other: true, foreign: true, live: true} {
		if _, err := os.Stat(dir); (err == nil) != stays {
			t.Errorf("%s: %v", filepath.Base(dir), err)
		}
	}
	h, err := s.Health(t.Context())
	must(t, err)
	if h.Sync != "OFF" {
		t.Errorf("sync %q", h.Sync)
	}
}
