package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/onward-health/onward/store"
)

// Ensure that the others of a group that was lost aren't told the conflict of the
// batch that it was lost with.
func TestWhatALostGroupIsToldIsNoOnesConflict(t *testing.T) {
	err := unavailable(&store.ConflictError{Kind: store.SlotTaken, What: "Slot/s1"})
	var conflict *store.ConflictError
	if !errors.Is(err, store.ErrUnavailable) || errors.As(err, &conflict) {
		t.Errorf("got %v", err)
	}
}

// Ensure that a file system on which SQLite goes without a log is refused as that.
func TestAFileWithoutALogIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lock, err := lockFile(filepath.Join(filepath.Dir(path), "LOCK"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	p := &place{file: path, lock: lock}
	if err := p.identify(); !errors.Is(err, errNoLog) {
		t.Errorf("without a log: %v", err)
	}
	if err := os.WriteFile(path+"-wal", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.identify(); err != nil {
		t.Errorf("with a log: %v", err)
	}
}
