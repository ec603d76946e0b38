package sqlite

import (
	"context"
	"fmt"
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
	if err := s.db.QueryRow(fmt.Sprintf(`SELECT count(*) FROM %s`, table)).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// LimitPages makes the disk as good as full for the writer; a limit below the
// file's size is the file's size.
func LimitPages(t *testing.T, s *Store, n int) {
	t.Helper()
	if _, err := s.writer.c.ExecContext(context.Background(), fmt.Sprintf(`PRAGMA max_page_count = %d`, n)); err != nil {
		t.Fatal(err)
	}
}
