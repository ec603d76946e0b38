package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// partName is how the folders begin in which backups are written. partFile is
// the copy there, partLock what is locked as long as its process lives. SQLite has
// locks of its own on the copy, which on some systems would meet ours.
const (
	partName = ".onward-backup-"
	partFile = "part.db"
	partLock = "LOCK"
)

// part is a backup that has no name yet: a folder beside the target, so that a
// link can give it one.
type part struct {
	dir  string
	lock *os.File // nil where the file system has no locks
}

// partTries is how often a folder is made that another process takes for left.
const partTries = 4

// newPart makes a folder that clearParts of others leaves alone.
func newPart(beside string, lock func(path string) (*os.File, error)) (*part, error) {
	for n := 1; ; n++ {
		dir, err := os.MkdirTemp(beside, partName) // mode 0700
		if err != nil {
			return nil, err
		}
		p := &part{dir: dir}
		if err = p.hold(lock); err == nil {
			return p, nil
		}
		if errors.Is(err, errNoLocks) { // nobody can tell there that it is left
			return p, os.Remove(filepath.Join(dir, partLock))
		}
		p.remove()
		if !errors.Is(err, errLocked) || n == partTries {
			return nil, err
		}
	}
}

// hold takes the lock. Another process may have come before, between the making of
// the file and its locking, and have removed it; that is errLocked too.
func (p *part) hold(lock func(path string) (*os.File, error)) (err error) {
	name := filepath.Join(p.dir, partLock)
	if p.lock, err = lock(name); err != nil {
		return err
	}
	held, err := p.lock.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Lstat(name); err != nil || !os.SameFile(held, there) {
		return errLocked
	}
	return nil
}

func (p *part) file() string { return filepath.Join(p.dir, partFile) }

// remove removes our files and the folder, the lock last and while it is held,
// where the system allows that.
func (p *part) remove() {
	for _, ending := range []string{"", "-journal", "-wal", "-shm"} {
		_ = os.Remove(p.file() + ending)
	}
	name := filepath.Join(p.dir, partLock)
	err := os.Remove(name)
	if p.lock != nil {
		p.lock.Close()
	}
	if err != nil {
		_ = os.Remove(name)
	}
	_ = os.Remove(p.dir)
}

// clearParts removes what killed backups left in a folder: what holds nothing but
// our files and has a lock that can be had. The rest is in use or somebody else's.
func clearParts(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, e := range entries {
		dir := filepath.Join(folder, e.Name())
		if !e.IsDir() || !strings.HasPrefix(e.Name(), partName) || !onlyPart(dir) {
			continue
		}
		if lock, err := lockFile(filepath.Join(dir, partLock)); err == nil {
			(&part{dir, lock}).remove()
		}
	}
}

// onlyPart says that a folder holds a lock and nothing but the files of a backup.
func onlyPart(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	locked := false
	for _, e := range entries {
		locked = locked || e.Name() == partLock
		if !e.Type().IsRegular() || !slices.Contains([]string{partLock, partFile, partFile + "-journal", partFile + "-wal", partFile + "-shm"}, e.Name()) {
			return false
		}
	}
	return locked
}
