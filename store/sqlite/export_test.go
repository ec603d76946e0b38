package sqlite

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
)

// AwaitBacklog waits until n batches wait for the writer.
func AwaitBacklog(s *Store, n int) {
	for len(s.in) < n {
		runtime.Gosched()
	}
}

// Rows counts a table's rows.
func Rows(t *testing.T, s *Store, table string) (n int) {
	t.Helper()
	err := s.read(t.Context(), "count rows", func(c *conn) error {
		_, err := c.row(t.Context(), fmt.Sprintf(`SELECT count(*) FROM %s`, table), nil, &n)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// LimitPages makes the disk as good as full for the writer; a limit below the
// file's size is the file's size.
func LimitPages(t *testing.T, s *Store, n int) {
	t.Helper()
	done := s.submit(t.Context(), &request{ctx: t.Context(), done: make(chan answer, 1), task: func(ctx context.Context, w *writer) (any, error) {
		return nil, w.once(ctx, fmt.Sprintf(`PRAGMA max_page_count = %d`, n))
	}})
	if done.err != nil {
		t.Fatal(done.err)
	}
}

// BeginBackup goes as far as a backup that is being written, and returns its
// folder.
func BeginBackup(t *testing.T, path, beside string) string {
	t.Helper()
	c, err := openSource(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	p, err := newPart(beside, lockFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.copyInto(t.Context(), p.file()); err != nil {
		t.Fatal(err)
	}
	return p.dir
}

// What a lock that can't be had fails with.
var (
	ErrLocked  = errLocked
	ErrNoLocks = errNoLocks
)

// NewPart makes the folder of a backup with another way to lock it.
func NewPart(beside string, lock func(path string) (*os.File, error)) error {
	_, err := newPart(beside, lock)
	return err
}

// LimitLog makes the log short.
func LimitLog(t *testing.T, s *Store, bytes int64) {
	t.Helper()
	done := s.submit(t.Context(), &request{ctx: t.Context(), done: make(chan answer, 1), task: func(ctx context.Context, w *writer) (any, error) {
		s.logLimit, w.tooLong = bytes, bytes
		return nil, w.once(ctx, fmt.Sprintf(`PRAGMA journal_size_limit = %d`, bytes))
	}})
	if done.err != nil {
		t.Fatal(done.err)
	}
}
