package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
)

func TestABackupBesideAnOpenStoreHoldsWhatWasAcknowledgedBeforeIt(t *testing.T) {
	dir := t.TempDir()
	path, to := filepath.Join(dir, "a.db"), filepath.Join(dir, "b.db")
	s := open(t, path, sqlite.Options{})
	stop, done := make(chan struct{}), make(chan struct{})
	go func() { // writes go on while the copy is made
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.Commit(context.Background(), &store.Batch{Ops: []store.Op{store.Put{Record: slot(fmt.Sprint("later", i))}}}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for i := range 200 {
		commit(t, s, store.Put{Record: slot(fmt.Sprint("s", i), "a:1")})
	}
	err := sqlite.Backup(t.Context(), path, to)
	close(stop)
	<-done
	must(t, err)

	info, err := os.Stat(to)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode().Perm())
	}
	copied := open(t, to, sqlite.Options{ReadOnly: true})
	for i := range 200 {
		if _, err := copied.Get(t.Context(), store.Ref{Type: "Slot", ID: fmt.Sprint("s", i)}); err != nil {
			t.Fatalf("slot %d: %v", i, err)
		}
	}
	faults, err := copied.CheckFile(t.Context())
	must(t, err)
	if len(faults) > 0 {
		t.Error(faults)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".onward-backup-*"))
	must(t, err)
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestABackupToARelativePathIsCheckedAndWhole(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, os.Mkdir("backups", 0o700))
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path, sqlite.Options{})
	commit(t, s, store.Put{Record: slot("s1")})
	for _, to := range []string{"b.db", "backups/b.db"} {
		must(t, sqlite.Backup(t.Context(), path, to))
		copied := open(t, to, sqlite.Options{ReadOnly: true})
		if _, err := copied.Get(t.Context(), store.Ref{Type: "Slot", ID: "s1"}); err != nil {
			t.Errorf("%s: %v", to, err)
		}
	}
}

func TestABackupOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	path, to := filepath.Join(dir, "a.db"), filepath.Join(dir, "b.db")
	s := open(t, path, sqlite.Options{})
	commit(t, s, store.Put{Record: slot("s1")})
	must(t, os.WriteFile(to, []byte("precious"), 0o600))
	if err := sqlite.Backup(t.Context(), path, to); !errors.Is(err, sqlite.ErrExists) {
		t.Errorf("got %v", err)
	}
	kept, err := os.ReadFile(to)
	must(t, err)
	if string(kept) != "precious" {
		t.Error("it was overwritten")
	}
}

func TestAReadOnlyStoreReadsBesideTheWriterAndWritesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path, sqlite.Options{})
	commit(t, s, store.Put{Record: slot("s1", "a:1")})
	beside := open(t, path, sqlite.Options{ReadOnly: true})
	commit(t, s, store.Put{Record: slot("s2", "a:1")})
	if _, err := beside.Get(t.Context(), store.Ref{Type: "Slot", ID: "s2"}); err != nil {
		t.Error(err)
	}
	if _, err := beside.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: slot("s3")}}}); err == nil {
		t.Error("it wrote")
	}
	for name, path := range map[string]string{"missing": filepath.Join(t.TempDir(), "none.db"), "memory": ":memory:"} {
		if _, err := sqlite.Open(t.Context(), path, sqlite.Options{ReadOnly: true}); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func TestAFileThatWasCutOffIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	must(t, err)
	for i := range 200 {
		commit(t, s, store.Put{Record: slot(fmt.Sprint("s", i))})
	}
	must(t, s.Close())
	info, err := os.Stat(path)
	must(t, err)
	must(t, os.Truncate(path, info.Size()/2))
	if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); err == nil {
		t.Error("it was opened")
	}
}

// Ensure that an index which doesn't say what its table says is found: by it a
// record is as good as gone, with as many entries as rows.
func TestAnIndexThatMissesARecordIsDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path, sqlite.Options{})
	for i := range 50 {
		commit(t, s, store.Put{Record: slot(fmt.Sprint("s", i))})
	}
	must(t, s.Close())
	misdirect(t, path, "s7", "s7x")
	damaged := open(t, path, sqlite.Options{ReadOnly: true})
	if _, err := damaged.Get(t.Context(), store.Ref{Type: "Slot", ID: "s7"}); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("the test damages nothing: %v", err)
	}
	faults, err := damaged.CheckFile(t.Context())
	if err != nil || len(faults) == 0 || !strings.Contains(faults[0], "res_id") {
		t.Errorf("found %q: %v", faults, err)
	}
	to := filepath.Join(t.TempDir(), "b.db")
	if err := sqlite.Backup(t.Context(), path, to); err == nil || !strings.Contains(err.Error(), "the backup is damaged") {
		t.Errorf("a backup: %v", err)
	}
	if _, err := os.Stat(to); err == nil {
		t.Error("the backup is there")
	}
}

// misdirect has the index of ids know a record by another id.
func misdirect(t *testing.T, path, id, as string) {
	t.Helper()
	const define = `PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE UNIQUE INDEX res_id ON res (typ, %s)' WHERE name = 'res_id'`
	for _, text := range []string{
		fmt.Sprintf(define, fmt.Sprintf("CASE id WHEN ''%s'' THEN ''%s'' ELSE id END", id, as)),
		`REINDEX res_id`,
		fmt.Sprintf(define, "id"),
	} {
		db, err := sql.Open("sqlite", path)
		must(t, err)
		_, err = db.Exec(text)
		must(t, err)
		must(t, db.Close())
	}
}

func TestTheCheckNamesADamagedPage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	must(t, err)
	for i := range 500 {
		commit(t, s, store.Put{Record: slot(fmt.Sprint("s", i), "a:1", "b:2", fmt.Sprint("c:", i))})
	}
	must(t, s.Close())
	b, err := os.ReadFile(path)
	must(t, err)
	for i := 40 * 4096; i < 41*4096; i++ {
		b[i] = 0xAA
	}
	must(t, os.WriteFile(path, b, 0o600))
	damaged := open(t, path, sqlite.Options{ReadOnly: true})
	faults, err := damaged.CheckFile(t.Context())
	if err == nil && len(faults) == 0 {
		t.Error("nothing was found")
	}
	for _, fault := range faults {
		if strings.ContainsAny(fault, "\n*") {
			t.Errorf("not one finding: %q", fault)
		}
	}
}
