package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	lib "modernc.org/sqlite/lib"
)

// ErrExists: the file that a backup should go to is there already.
var ErrExists = errors.New("store: the file for the backup exists already")

// Backup writes a copy of the database at path to a new file, mode 0600, beside
// a process that serves it too: the copy is of one moment after the call, so it
// holds every write that was acknowledged before. It has been checked and is on
// disk, under its name, when Backup returns; before that nothing has that name.
// What backups into this folder left that were killed is removed.
//
// While it runs, what is written meanwhile stays in the log beside the database
// (-wal), which grows by that much.
func Backup(ctx context.Context, path, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return ErrExists
	}
	c, err := openSource(ctx, path)
	if err != nil {
		return &OpenError{err}
	}
	defer c.close()
	// Absolute, because SQLite is told of the file by a URI.
	if to, err = filepath.Abs(to); err != nil {
		return fmt.Errorf("store: the path of the backup: %w", err)
	}
	clearParts(filepath.Dir(to))
	p, err := newPart(filepath.Dir(to), lockFile)
	if err != nil {
		return fmt.Errorf("store: can't make the backup: %w", err)
	}
	defer p.remove()
	if err := c.copyInto(ctx, p.file()); err != nil {
		return err
	}
	if err := checkCopy(ctx, p.file()); err != nil {
		return err
	}
	// A link, unlike a rename, doesn't replace what has come there meanwhile.
	if err := os.Link(p.file(), to); errors.Is(err, os.ErrExist) {
		return ErrExists
	} else if err != nil {
		if err := os.Rename(p.file(), to); err != nil { // a file system without links
			return fmt.Errorf("store: can't name the backup: %w", err)
		}
	}
	return syncFolder(to)
}

// OpenError: the database to back up can't be opened.
type OpenError struct{ err error }

func (e *OpenError) Error() string { return e.err.Error() }
func (e *OpenError) Unwrap() error { return e.err }

// openSource opens what is to be backed up; an older schema is worth it too.
func openSource(ctx context.Context, path string) (*conn, error) {
	p, err := find(path)
	if err != nil {
		return nil, err
	}
	if err := p.ownLog(); err != nil {
		return nil, err
	}
	if err := p.checkLog(); err != nil {
		return nil, err
	}
	c, err := p.connect(ctx, taskPragmas)
	if err != nil {
		return nil, err
	}
	if _, err := c.version(ctx); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// copyInto writes the database as of now to a file that is empty or not there,
// and syncs it.
func (c *conn) copyInto(ctx context.Context, to string) error {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("store: can't make the copy: %w", err)
	}
	defer f.Close()
	if err := c.once(ctx, `VACUUM INTO ?`, to); err != nil {
		return fault("copy the database", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("store: can't sync the copy: %w", err)
	}
	return nil
}

func checkCopy(ctx context.Context, file string) error {
	c, err := (&place{file: file}).connect(ctx, taskPragmas)
	if err != nil {
		return err
	}
	defer c.close()
	// An empty file passes SQLite's check, so the copy must say that it is ours.
	if version, err := c.version(ctx); err != nil || version == 0 {
		return cmp.Or(err, errors.New("store: the backup is damaged: it holds no store"))
	}
	faults, err := c.damage(ctx)
	if err == nil && len(faults) > 0 {
		return fmt.Errorf("store: the backup is damaged, and so is the store: %s", faults[0])
	}
	return err
}

// CheckFile looks for damage in the file itself (SQLite's integrity_check). Its
// findings name tables and pages, never a value; there are few.
func (s *Store) CheckFile(ctx context.Context) (faults []string, err error) {
	err = s.read(ctx, "check the file", func(c *conn) error {
		faults, err = c.damage(ctx)
		return err
	})
	return faults, err
}

// damage compares each index with its table too: a record that its index doesn't
// know is as good as gone, and so it would be from a copy.
func (c *conn) damage(ctx context.Context) (faults []string, err error) {
	err = c.each(ctx, `PRAGMA integrity_check(20)`, nil, func(scan func(...any) error) error {
		var text string
		if err := scan(&text); err != nil {
			return err
		}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "ok" && !strings.HasPrefix(line, "***") { // which names the database
				faults = append(faults, line)
			}
		}
		return nil
	})
	var known *DriverError
	if errors.As(fault("check the file", err), &known) && known.Code&0xff == lib.SQLITE_CORRUPT {
		return append(faults, "the check can't go on: the file is damaged"), nil
	}
	return faults, err
}

// syncFolder makes a file's name survive a power cut. Folders can't be synced on
// every system; where they can't, there is nothing to do.
func syncFolder(file string) error {
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return nil
	}
	_ = dir.Sync()
	return dir.Close()
}
