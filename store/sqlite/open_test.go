package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
	"github.com/onward-health/onward/store/storetest"
)

func slot(id string, entries ...string) *store.Record {
	return &store.Record{Type: "Slot", ID: id, Method: "PUT", Body: []byte(`{"resourceType":"Slot"}`), Index: search.Index{X: entries}}
}

func commit(t testing.TB, s store.Store, ops ...store.Op) *store.Result {
	t.Helper()
	r, err := s.Commit(t.Context(), &store.Batch{Ops: ops})
	must(t, err)
	return r
}

func TestWhatWasCommittedIsThereAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new folder", "a?b#c.db")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	must(t, err)
	commit(t, s, store.Put{Record: slot("s1", "a:1")}, store.Put{Record: slot("s2", "a:1")}, store.Claim{Slot: "s1", Owner: "Appointment/a"})
	page, err := s.Search(t.Context(), &search.Query{Type: "Slot", Count: 1})
	must(t, err)
	must(t, s.Close())

	again := open(t, path, sqlite.Options{})
	next, err := again.Search(t.Context(), &search.Query{Type: "Slot", Count: 1, Cursor: page.Next})
	must(t, err)
	if len(next.Records) != 1 || next.Records[0].ID != "s2" {
		t.Errorf("the cursor of before doesn't go on: %v", next.Records)
	}
	if _, err := again.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Claim{Slot: "s1", Owner: "Appointment/b"}}}); err == nil {
		t.Error("the claim is gone")
	}
}

func TestClosingFoldsTheLogIntoOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	must(t, err)
	commit(t, s, store.Put{Record: slot("s1")})
	must(t, s.Close())
	must(t, s.Close())
	for _, suffix := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(path + suffix); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", suffix, err)
		}
	}
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	path := filepath.Join(dir, "a.db")
	s := open(t, path, sqlite.Options{})
	commit(t, s, store.Put{Record: slot("s1")})
	for name, mode := range map[string]os.FileMode{dir: 0o700, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600, filepath.Join(dir, "LOCK"): 0o600} {
		info, err := os.Stat(name)
		must(t, err)
		if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v", filepath.Base(name), info.Mode().Perm())
		}
	}
}

func TestASecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.db")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	must(t, err)
	commit(t, s, store.Put{Record: slot("s1")})
	link := filepath.Join(t.TempDir(), "link.db")
	must(t, os.Symlink(path, link))
	for _, name := range []string{path, link} {
		if _, err := sqlite.Open(t.Context(), name, sqlite.Options{}); err == nil || !strings.Contains(err.Error(), "another process has the store open") {
			t.Errorf("a second open of %s: %v", filepath.Base(name), err)
		}
	}
	child := exec.Command(os.Args[0], "-test.run=^TestChildOpens$")
	child.Env = append(os.Environ(), "STORE_CHILD_OPENS="+path)
	out, err := child.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another process has the store open") {
		t.Errorf("a second process: %v %s", err, out)
	}
	must(t, s.Close())
	open(t, path, sqlite.Options{})
}

// TestChildOpens is the second process of the test above.
func TestChildOpens(t *testing.T) {
	path := os.Getenv("STORE_CHILD_OPENS")
	if path == "" {
		return
	}
	open(t, path, sqlite.Options{})
}

func TestOtherFilesAreRefusedAndLeftAlone(t *testing.T) {
	for name, made := range map[string]struct {
		with []string
		says string
	}{
		"a newer schema":  {[]string{`PRAGMA application_id = 0x4F4E5744`, `PRAGMA user_version = 99`, `CREATE TABLE res (pk)`}, "newer version"},
		"another program": {[]string{`PRAGMA application_id = 7`, `CREATE TABLE other (a)`}, "another program"},
		"no mark at all":  {[]string{`CREATE TABLE other (a)`}, "another program"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.db")
			db, err := sql.Open("sqlite", path)
			must(t, err)
			for _, text := range made.with {
				_, err := db.Exec(text)
				must(t, err)
			}
			must(t, db.Close())
			before, err := os.ReadFile(path)
			must(t, err)
			if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); err == nil || !strings.Contains(err.Error(), made.says) {
				t.Errorf("got %v", err)
			}
			after, err := os.ReadFile(path)
			must(t, err)
			if string(before) != string(after) {
				t.Error("the file was changed")
			}
		})
	}
	path := filepath.Join(t.TempDir(), "a.db")
	must(t, os.WriteFile(path, []byte(strings.Repeat("not a database. ", 100)), 0o600))
	if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); err == nil || !strings.Contains(err.Error(), "no SQLite database") {
		t.Errorf("got %v", err)
	}
	if _, err := sqlite.Open(t.Context(), path, sqlite.Options{Sync: "OFF"}); err == nil {
		t.Error("a setting that loses writes was taken")
	}
}

func TestAFullDiskIsUnavailableAndLosesNothing(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a.db"), sqlite.Options{})
	commit(t, s, store.Put{Record: slot("s1", "a:1")})
	sqlite.LimitPages(t, s, 40)
	big := slot("big")
	big.Body = make([]byte, 1<<20)
	_, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: slot("s2", "a:1")}, store.Put{Record: big}}})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	var e *sqlite.DriverError
	if !errors.As(err, &e) || !strings.Contains(e.Error(), "disk full") {
		t.Errorf("got %v", err)
	}
	sqlite.LimitPages(t, s, 1<<20)
	commit(t, s, store.Put{Record: slot("s3", "a:1")})
	n, _, err := s.Count(t.Context(), &search.Query{Type: "Slot"}, 10)
	must(t, err)
	if n != 2 {
		t.Errorf("%d slots stand", n)
	}
}

// gate is a clock that the writer can be made to wait in.
type gate struct{ shutBy atomic.Pointer[shutter] }

type shutter struct{ reached, open chan struct{} }

func (g *gate) now() time.Time {
	if s := g.shutBy.Load(); s != nil {
		select {
		case s.reached <- struct{}{}:
		default:
		}
		<-s.open
	}
	return time.Now()
}

// shut keeps the writer in the middle of an empty batch until let is called.
func (g *gate) shut(t *testing.T, s store.Store) (let func()) {
	by := &shutter{make(chan struct{}, 1), make(chan struct{})}
	g.shutBy.Store(by)
	done := make(chan error, 1)
	go func() {
		_, err := s.Commit(context.Background(), &store.Batch{})
		done <- err
	}()
	<-by.reached
	return func() {
		g.shutBy.Store(nil)
		close(by.open)
		must(t, <-done)
	}
}

func TestABatchWhoseCallerHasGoneBeforeItStartsIsDropped(t *testing.T) {
	gate := &gate{}
	s := open(t, ":memory:", sqlite.Options{Now: gate.now})
	ctx, cancel := context.WithCancel(t.Context())
	let := gate.shut(t, s)
	first := make(chan error, 1)
	go func() {
		_, err := s.Commit(ctx, &store.Batch{Ops: []store.Op{store.Put{Record: slot("gone")}}})
		first <- err
	}()
	sqlite.AwaitBacklog(s, 1)
	h, err := s.Health(t.Context())
	must(t, err)
	if h.Backlog != 1 {
		t.Errorf("backlog %d", h.Backlog)
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	let()
	commit(t, s, store.Put{Record: slot("stays")})
	if _, err := s.Get(t.Context(), store.Ref{Type: "Slot", ID: "gone"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestManyBatchesShareOneCommitAndAConflictIsItsOwn(t *testing.T) {
	gate := &gate{}
	s := open(t, ":memory:", sqlite.Options{Now: gate.now})
	let := gate.shut(t, s)
	const n = 50
	errs := make(chan error, n)
	for range n {
		go func() {
			_, err := s.Commit(context.Background(), &store.Batch{Ops: []store.Op{
				store.Put{Record: slot("one"), If: store.Condition{Absent: true}}}})
			errs <- err
		}()
	}
	sqlite.AwaitBacklog(s, n)
	let()
	won := 0
	for range n {
		err := <-errs
		var c *store.ConflictError
		if err == nil {
			won++
		} else if !errors.As(err, &c) || c.Kind != store.Exists {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d won", won)
	}
}

func TestSweepingRemovesWhatRanOutLongAgo(t *testing.T) {
	clock := storetest.NewClock()
	s := open(t, ":memory:", sqlite.Options{Now: clock.Now})
	commit(t, s, store.Claim{Slot: "s1", Owner: "hold/x", Until: clock.Now().Add(time.Minute)}, store.Claim{Slot: "s2", Owner: "Appointment/a"},
		store.AuxPut{Kind: "link", Key: "a", Expires: clock.Now().Add(time.Minute)}, store.AuxPut{Kind: "link", Key: "b"})
	clock.Move(48 * time.Hour)
	commit(t, s) // the sweep comes after a commit
	commit(t, s)
	if claims, aux := sqlite.Rows(t, s, "claim"), sqlite.Rows(t, s, "aux"); claims != 1 || aux != 2 {
		t.Errorf("%d claims and %d documents (one of them the engine's) are left", claims, aux)
	}
}

// Ensure that a fault which SQLite can't see says what it is.
func TestAnIndexThatCannotBeReadIsToldAsThat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path, sqlite.Options{})
	commit(t, s, store.Put{Record: slot("s1", "a:1")})
	must(t, s.Close())
	db, err := sql.Open("sqlite", path)
	must(t, err)
	_, err = db.Exec(`UPDATE res SET ix = x'ff'`)
	must(t, err)
	must(t, db.Close())

	s = open(t, path, sqlite.Options{})
	nothing := func([]store.Item, string) error { return nil }
	if err := s.Export(t.Context(), "", time.Now(), nothing); err == nil || !strings.Contains(err.Error(), "the index kept with a record can't be read") {
		t.Errorf("got %v", err)
	}
	if err := s.Import(t.Context(), nil, ""); err == nil || !strings.Contains(err.Error(), "no import has been started") {
		t.Errorf("got %v", err)
	}
}
