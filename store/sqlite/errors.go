package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/onward-health/onward/store"
)

// DriverError is a fault of SQLite, by its extended result code. It carries no
// text of the driver's, which could quote SQL or data. errors.Is finds
// store.ErrUnavailable in those that may pass (busy, input/output, disk full)
// and store.ErrTooLarge where a value is over SQLite's own limit.
type DriverError struct {
	Doing string // what was being done, such as "search"
	Code  int    // SQLite's extended result code
}

func (e *DriverError) Error() string {
	return fmt.Sprintf("store: %s: sqlite result code %d (%s)", e.Doing, e.Code, codeName(e.Code))
}

// Unwrap gives the error of package store that the code stands for, if any.
func (e *DriverError) Unwrap() error {
	switch e.Code & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_IOERR, lib.SQLITE_FULL, lib.SQLITE_CANTOPEN,
		lib.SQLITE_NOMEM, lib.SQLITE_READONLY, lib.SQLITE_PROTOCOL, lib.SQLITE_INTERRUPT:
		return store.ErrUnavailable
	case lib.SQLITE_TOOBIG:
		return store.ErrTooLarge
	}
	return nil
}

func codeName(code int) string {
	switch code {
	case lib.SQLITE_READONLY_DIRECTORY, lib.SQLITE_READONLY_CANTINIT, lib.SQLITE_READONLY_RECOVERY:
		return "read-only: SQLite must be able to write beside the file, even to read it; copy it to a folder of your own"
	case lib.SQLITE_IOERR_WRITE, lib.SQLITE_IOERR_SHMSIZE, lib.SQLITE_IOERR_TRUNCATE:
		return "a write failed: a fault of the disk, a quota, or a file that may grow no further"
	}
	switch code & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return "busy"
	case lib.SQLITE_IOERR:
		return "input/output: a fault of the disk"
	case lib.SQLITE_FULL:
		return "disk full"
	case lib.SQLITE_CORRUPT:
		return "the file is damaged"
	case lib.SQLITE_NOTADB:
		return "the file is no SQLite database"
	case lib.SQLITE_CANTOPEN:
		return "can't open the file or its -wal or -shm: whose are they, and are too many files open?"
	case lib.SQLITE_READONLY:
		return "read-only"
	case lib.SQLITE_CONSTRAINT:
		return "constraint"
	case lib.SQLITE_INTERRUPT:
		return "interrupted"
	}
	return "see the list of SQLite result codes"
}

// ownError is a fault that this package words itself, free of data.
type ownError string

func (e ownError) Error() string { return "store: " + string(e) }

// fault wraps an error of the driver. Errors of package store and of a context
// keep their identity; no other text is passed through.
func fault(doing string, err error) error {
	if err == nil {
		return nil
	}
	var conflict *store.ConflictError
	var known *DriverError
	if errors.As(err, &conflict) || errors.As(err, &known) ||
		errors.Is(err, store.ErrCursor) || errors.Is(err, store.ErrNotEmpty) || errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrTooCostly) || errors.Is(err, store.ErrUnknown) || errors.Is(err, store.ErrUnavailable) {
		return err
	}
	var own ownError
	if errors.As(err, &own) {
		return own
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("store: %s: %w", doing, context.Canceled)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("store: %s: %w", doing, context.DeadlineExceeded)
	}
	var e *driver.Error
	if errors.As(err, &e) {
		return &DriverError{doing, e.Code()}
	}
	if errors.Is(err, sql.ErrConnDone) {
		return fmt.Errorf("store: %s: %w: the connection is closed", doing, store.ErrUnavailable)
	}
	return fmt.Errorf("store: %s: fault of type %T", doing, err)
}
