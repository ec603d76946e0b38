package sqlite

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/onward-health/onward/store"
)

var (
	errMoved = fmt.Errorf("%w: the database file, or the log (-wal) or the LOCK beside it, was removed or replaced while it is open: what is written now might be lost, or meet another process; put it back, or start this process again with the right one", store.ErrUnavailable)
	errLost  = fmt.Errorf("%w: a page of the database can't be had: the disk fails, or the file was cut off while it is open; see to the disk, then start this process again", store.ErrUnavailable)
)

// errNoLog: SQLite then keeps a journal without a word, and a reader would hold up
// the writer.
var errNoLog = errors.New("store: SQLite can't keep a log (WAL) beside the database, as on some network file systems; choose a folder on a disk of this machine")

// identity is which files a store has open, by their paths.
type identity map[string]os.FileInfo

// identify notes the files of an open store: without the LOCK of that name another
// process may have the store too. A private one has none: nobody else
// knows them, and nothing of it outlives the process.
func (p *place) identify() error {
	p.files = identity{}
	if p.temporary {
		return nil
	}
	for _, name := range []string{p.file, p.file + "-wal", p.lock.Name()} {
		info, err := os.Stat(name)
		if errors.Is(err, os.ErrNotExist) && strings.HasSuffix(name, "-wal") {
			return errNoLog
		}
		if err != nil {
			return fmt.Errorf("store: can't find the database: %w", err)
		}
		p.files[name] = info
	}
	return nil
}

// stand says whether the paths still lead to the files that are open. What can't
// be told isn't held against them.
func (f identity) stand() error {
	for name, was := range f {
		is, err := os.Stat(name)
		if errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(was, is) {
			return errMoved
		}
	}
	return nil
}

// usable says why nothing may be written any more.
func (s *Store) usable() error {
	if s.lost.Load() {
		return errLost
	}
	return s.place.files.stand()
}

// guarded runs f, in which SQLite reads pages as memory. For one that can't be had
// the system raises a signal. It must not end the process with the requests of
// everybody, but nobody knows what SQLite was doing: no connection is used again.
func (s *Store) guarded(f func() error) error {
	err := noFault(f)
	if errors.Is(err, errLost) {
		s.lost.Store(true)
	}
	return err
}

// noFault makes errLost of a fault of memory in f.
func noFault(f func() error) (err error) {
	before := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(before)
		what := recover()
		if what == nil {
			return
		}
		if _, is := what.(interface{ Addr() uintptr }); !is { // of a fault alone
			panic(what)
		}
		err = errLost
	}()
	return f()
}
