package sqlite_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
)

const (
	logHead  = 32
	logFrame = 24 + 4096
)

// killed is what a kill leaves of a store: a file and its log with many commits.
func killed(t *testing.T) (file, log []byte, commits int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path, sqlite.Options{})
	for commits = range 20 {
		commit(t, s, store.Put{Record: slot(fmt.Sprint("s", commits), "status:free")})
	}
	file, err := os.ReadFile(path)
	must(t, err)
	log, err = os.ReadFile(path + "-wal")
	must(t, err)
	return file, log, commits + 1
}

// reopened opens a file beside a log and counts its records.
func reopened(t *testing.T, file, log []byte, o sqlite.Options) (int, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	must(t, os.WriteFile(path, file, 0o600))
	must(t, os.WriteFile(path+"-wal", log, 0o600))
	s, err := sqlite.Open(t.Context(), path, o)
	if err != nil {
		if after, failed := os.ReadFile(path + "-wal"); failed != nil || !bytes.Equal(after, log) {
			t.Errorf("the log that was refused has changed: %v", failed)
		}
		return 0, err
	}
	defer func() { must(t, s.Close()) }()
	return sqlite.Rows(t, s, "res"), nil
}

// Ensure that acknowledged writes don't go without a word where the disk has damaged
// the log that a kill left.
func TestADamagedLogIsRefused(t *testing.T) {
	file, log, commits := killed(t)
	frames := (len(log) - logHead) / logFrame
	if n, err := reopened(t, file, log, sqlite.Options{}); err != nil || n != commits {
		t.Fatalf("an undamaged log gives %d of %d records: %v", n, commits, err)
	}
	for _, at := range []int{0, 5, logHead - 1, logHead + 4, logHead + 8, logHead + 30, logHead + frames/2*logFrame + 100, logHead + frames/2*logFrame + 9, logHead + frames*3/4*logFrame + 20} {
		damaged := bytes.Clone(log)
		damaged[at] ^= 0x40
		for _, o := range []sqlite.Options{{}, {ReadOnly: true}, {Existing: true}} {
			if n, err := reopened(t, file, damaged, o); err == nil || !strings.Contains(err.Error(), "log (-wal) beside the database is damaged") {
				t.Errorf("damage at byte %d: %d of %d records, %v", at, n, commits, err)
			}
		}
	}
	var said bytes.Buffer
	damaged := bytes.Clone(log)
	damaged[logHead+frames/2*logFrame+100] ^= 0x40
	n, err := reopened(t, file, damaged, sqlite.Options{Sync: "NORMAL", Log: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil || n == 0 || n >= commits || !strings.Contains(said.String(), "level=ERROR") {
		t.Errorf("with NORMAL: %d of %d records, %v, the log says %q", n, commits, err, said.String())
	}
}

// Ensure that what a power cut may leave is no damage: of the last transaction, which
// nobody was told of, any part.
func TestALogThatAPowerCutLeftIsNoDamage(t *testing.T) {
	file, log, commits := killed(t)
	var ends []int // behind each commit
	for at := logHead; at+logFrame <= len(log); at += logFrame {
		if binary.BigEndian.Uint32(log[at+4:]) > 0 && bytes.Equal(log[at+8:at+16], log[16:24]) {
			ends = append(ends, at+logFrame)
		}
	}
	last, end := ends[len(ends)-2], ends[len(ends)-1]
	cut := func(what string, log []byte) {
		t.Helper()
		if n, err := reopened(t, file, log, sqlite.Options{}); err != nil || n < commits-1 {
			t.Errorf("%s: %d of %d records, %v", what, n, commits, err)
		}
	}
	for n := last; n < end; n += logFrame / 3 {
		cut(fmt.Sprintf("cut at %d", n), log[:n])
		holed := bytes.Clone(log[:end])
		clear(holed[n:min(n+logFrame, end)])
		cut(fmt.Sprintf("a hole at %d", n), holed)
	}
	if n, err := reopened(t, file, make([]byte, 8192), sqlite.Options{}); err != nil {
		t.Errorf("a log that was never written: %d, %v", n, err)
	}
}
