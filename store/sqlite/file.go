package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

var (
	errLocked  = errors.New("another process has the store open")
	errNoLocks = errors.New("its file system has no locks (flock), without which two programs could write to one store; choose a folder on a disk of this machine, or a file system that has them")
)

// memory is the path of a private store that ends with Close.
const memory = ":memory:"

// place is the file that a store lives in.
type place struct {
	file      string // absolute, links resolved
	lock      *os.File
	temporary bool // the folder goes with Close
	files     identity
}

// prepare makes the folder (0700, where it is ours to make) and the file
// (0600), and takes the lock. A folder that is there already keeps its mode:
// it may be one that others use too.
func prepare(path string) (*place, error) {
	p := &place{}
	if path == memory {
		dir, err := temporaryFolder()
		if err != nil {
			return nil, fmt.Errorf("store: can't make a temporary folder: %w", err)
		}
		p.temporary, path = true, filepath.Join(dir, "onward.db")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("store: the path of the database: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(abs), 0o700); err != nil {
		return nil, fmt.Errorf("store: can't make the data folder: %w", err)
	}
	if abs, err = followed(abs); err != nil {
		return nil, fmt.Errorf("store: can't open the database: %w", err)
	}
	p.file = abs
	p.lock, err = lockFile(filepath.Join(filepath.Dir(abs), "LOCK"))
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("store: %s is in use: %w (its LOCK file is held); stop that process or choose another path", abs, err)
	}
	if err != nil {
		return nil, fmt.Errorf("store: can't lock the data folder: %w", err)
	}
	if err := p.create(); err != nil {
		p.release()
		return nil, err
	}
	return p, nil
}

// followed is the path that links lead to: one file must have one LOCK, by whatever
// link it is named. Where a link leads to nothing yet, the file is made.
func followed(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		return real, nil
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink == 0 {
		return path, nil // there is nothing yet
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	f.Close()
	return filepath.EvalSymlinks(path)
}

// find names a file that is there already, for reading beside the process that
// holds the lock.
func find(path string) (*place, error) {
	if path == memory {
		return nil, errors.New("store: a store in memory can be read by its own process only")
	}
	abs, err := filepath.Abs(path)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return nil, fmt.Errorf("store: can't find the database: %w", err)
	}
	info, err := os.Stat(abs)
	if err != nil {
		return nil, fmt.Errorf("store: can't find the database: %w", err)
	}
	if info.IsDir() || info.Size() == 0 {
		return nil, errors.New("store: there is no database at this path")
	}
	// SQLite opens a file that can't be written for reading.
	return &place{file: abs}, nil
}

// create makes the file before SQLite would, because SQLite gives its -wal and
// -shm files the mode of the database. What is there and isn't ours keeps its mode:
// a path may be mistyped.
func (p *place) create() error {
	if info, err := os.Stat(p.file); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return errors.New("store: can't open the database: it is no file")
	}
	f, err := os.OpenFile(p.file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("store: can't open the database: %w", err)
	}
	defer f.Close()
	if ours(f) {
		if err := f.Chmod(0o600); err != nil {
			return fmt.Errorf("store: can't protect the database: %w", err)
		}
	}
	return syncFolder(p.file) // the name must last as the first commit does
}

// errOtherLog: SQLite would take the log for that of the file and write the pages of
// another over it.
var errOtherLog = errors.New("store: the log (-wal) beside the database isn't its own: it may be what is left of the file whose place a backup has taken, and would be written over it; move the -wal and the -shm away and start again")

// ownLog refuses a file that never had a log, as a backup is, beside one (SQLite,
// database file format, section 1.3.3). It is asked before the first connection:
// a file that is closed takes SQLite's locks on it along (fcntl).
func (p *place) ownLog() error {
	const magic = "SQLite format 3\x00"
	f, err := os.Open(p.file)
	if err != nil {
		return fmt.Errorf("store: can't open the database: %w", err)
	}
	defer f.Close()
	head := make([]byte, 20)
	if n, _ := f.ReadAt(head, 0); n < len(head) || string(head[:len(magic)]) != magic || head[18] != 1 {
		return nil
	}
	if info, err := os.Stat(p.file + "-wal"); err == nil && info.Size() > 0 {
		return errOtherLog
	}
	return nil
}

// ours says that a file is empty or has our mark where SQLite keeps it (SQLite,
// database file format, section 1.3.17). One whose mark stands in its log yet was
// made with the right mode.
func ours(f *os.File) bool {
	head := make([]byte, 72)
	n, err := f.ReadAt(head, 0)
	return n == 0 && errors.Is(err, io.EOF) || n == len(head) && binary.BigEndian.Uint32(head[68:]) == applicationID
}

// dsn names the file for the driver, safe against "?" and "#" in the path.
func (p *place) dsn() string {
	path := filepath.ToSlash(p.file)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath()
}

// release gives the lock back and removes a temporary store. The LOCK file
// stays: removing it would let two processes lock two files of that name.
func (p *place) release() {
	if p.lock != nil {
		p.lock.Close()
	}
	if p.temporary {
		os.RemoveAll(filepath.Dir(p.file))
	}
}
