package sqlite

import (
	"os"
	"path/filepath"
	"time"
)

// temporaryName is how the folders of private stores begin.
const temporaryName = "onward-memory-"

// leftover is how old a folder must be before it counts as left: a store that is
// just being made has no lock yet.
const leftover = time.Hour

// temporaryFolder makes the folder of a private store. SQLite's own memory
// databases either can't be shared by connections or know no WAL, so that readers
// would block the writer. A process that was killed leaves its folder; the next
// private store removes it.
func temporaryFolder() (string, error) {
	folders, err := filepath.Glob(filepath.Join(os.TempDir(), temporaryName+"*"))
	if err != nil {
		folders = nil
	}
	for _, dir := range folders {
		clearLeftover(dir)
	}
	return os.MkdirTemp("", temporaryName)
}

// clearLeftover removes a folder whose lock nobody holds. What can't be looked
// at or removed stays: it is another user's, or in use.
func clearLeftover(dir string) {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || time.Since(info.ModTime()) < leftover {
		return
	}
	name := filepath.Join(dir, "LOCK")
	if _, err := os.Lstat(name); err != nil {
		return
	}
	lock, err := lockFile(name)
	if err != nil {
		return
	}
	defer lock.Close()
	_ = os.RemoveAll(dir)
}
