package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store/mongo/fakereplset"
)

// How long the tests wait for what a server does on its own.
const (
	waitLong = 30 * time.Second
	waitStep = 20 * time.Millisecond
)

// Ensure that a store which can't be used is named for what it is, with an exit
// code of its own, and left alone.
func TestAStoreThatCannotBeUsedIsRefused(t *testing.T) {
	garbage := strings.Repeat("no database at all. ", 500)
	for name, row := range map[string]struct {
		make func(t *testing.T, path string)
		says string
		ours bool
	}{
		"a file of something else":      {func(t *testing.T, path string) { write(t, path, garbage) }, "no SQLite database", false},
		"a database of another program": {func(t *testing.T, path string) { execute(t, path, `PRAGMA application_id = 7; CREATE TABLE a (b)`) }, "another program", false},
		"a newer schema": {func(t *testing.T, path string) {
			require.Zero(t, onward(t, "seed", "--scale", "1", "--store", "sqlite:"+path).code)
			execute(t, path, `PRAGMA user_version = 99`)
		}, "newer version of this program: its schema is 99", true},
		"a file that was cut off": {func(t *testing.T, path string) {
			require.Zero(t, onward(t, "seed", "--scale", "1", "--store", "sqlite:"+path).code)
			require.NoError(t, os.Truncate(path, 40960))
		}, "damaged", true},
		"a damaged first page": {func(t *testing.T, path string) {
			require.Zero(t, onward(t, "seed", "--scale", "1", "--store", "sqlite:"+path).code)
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			require.NoError(t, err)
			_, err = f.WriteAt([]byte(garbage[:3000]), 100)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}, "damaged", true},
		"a folder in its place": {func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, "can't open the database", false},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "onward.db")
			row.make(t, path)
			before, _ := os.ReadFile(path)
			require.NoError(t, os.Chmod(path, 0o755))
			got := onward(t, "serve", "--listen", freeAddress(t), "--store", "sqlite:"+path)
			require.Equal(t, 3, got.code, got.err)
			require.Contains(t, got.err, row.says)
			for _, command := range [][]string{{"store", "check"}, {"store", "backup", "--to", path + ".copy"}, {"seed", "--scale", "1"}} {
				got := onward(t, append(command, "--store", "sqlite:"+path)...)
				require.Equal(t, 3, got.code, "%v: %s", command, got.err)
			}
			require.NoFileExists(t, path+".copy")
			after, _ := os.ReadFile(path)
			require.Equal(t, string(before), string(after))
			info, err := os.Stat(path)
			require.NoError(t, err)
			if !row.ours {
				require.Equal(t, os.FileMode(0o755), info.Mode().Perm(), "it may be anybody's")
			}
		})
	}
}

// Ensure that a check names the damage of a file even where it can't be read to
// the end.
func TestACheckNamesTheDamageThatEndsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "onward.db")
	require.Zero(t, onward(t, "seed", "--scale", "300", "--store", "sqlite:"+path).code)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	info, err := f.Stat()
	require.NoError(t, err)
	from := info.Size() / 4 // the schema and the counters stand before
	_, err = f.WriteAt(bytes.Repeat([]byte{0xa5}, int(info.Size()-from)), from)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	got := onward(t, "store", "check", "--store", "sqlite:"+path)
	require.Equal(t, 1, got.code, got.err)
	require.Contains(t, got.out, "DAMAGE")
	require.Contains(t, got.err, "damaged")
}

// Ensure that no copy is made of what its indexes find of a damaged store: it would
// lack the rest and pass every check.
func TestACopyOfADamagedStoreIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "onward.db")
	require.Zero(t, onward(t, "seed", "--scale", "10", "--store", "sqlite:"+path).code)
	for _, where := range []string{" WHERE ver <> 1", ""} { // an index without entries, then as it should be
		execute(t, path, `PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE UNIQUE INDEX res_id ON res (typ, id)`+where+`' WHERE name = 'res_id'`)
		if where != "" {
			execute(t, path, `REINDEX res_id`)
		}
	}
	to := filepath.Join(t.TempDir(), "to", "onward.db")
	got := onward(t, "store", "copy", "--from", "sqlite:"+path, "--to", "sqlite:"+to)
	require.Equal(t, 1, got.code, got.out)
	require.Contains(t, got.err, "--from is damaged")
	require.Contains(t, got.err, "res_id")
	require.NoFileExists(t, to)
	require.Equal(t, 1, onward(t, "store", "check", "--store", "sqlite:"+path).code)
}

// Ensure that damage which ends even the check of the file is reported as damage.
func TestACheckThatDamageEndsReportsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "onward.db")
	require.Zero(t, onward(t, "seed", "--scale", "10", "--store", "sqlite:"+path).code)
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	var page int64
	require.NoError(t, db.QueryRow(`SELECT rootpage FROM sqlite_schema WHERE name = 'feed'`).Scan(&page))
	require.NoError(t, db.Close())
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt(make([]byte, 4096), (page-1)*4096)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	got := onward(t, "store", "check", "--json", "--store", "sqlite:"+path)
	require.Equal(t, 1, got.code, got.err)
	require.Contains(t, got.out, `"ok":false`)
	require.Contains(t, got.out, "the file is damaged")
}

// Ensure that a mistyped path or database is told, and makes no empty store that
// then looks like the answer.
func TestWhatWorksOnAStoreMakesNone(t *testing.T) {
	fake, err := fakereplset.Start(fakereplset.Options{})
	require.NoError(t, err)
	t.Cleanup(fake.Close)
	dir := t.TempDir()
	for _, uri := range []string{"sqlite:" + filepath.Join(dir, "none", "onward.db"), fake.URI()} {
		for _, command := range [][]string{
			{"store", "check"}, {"store", "check", "--repair"}, {"store", "reindex"}, {"store", "purge", "--before", "2025-01-31", "--yes"},
			{"outbox", "list"}, {"outbox", "drop", "x"}, {"store", "copy", "--to", "sqlite:" + filepath.Join(dir, "to.db")},
		} {
			option := "--store"
			if command[1] == "copy" {
				option = "--from"
			}
			got := onward(t, append(command, option, uri)...)
			require.Equal(t, 3, got.code, "%v: %s%s", command, got.out, got.err)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
	require.Equal(t, 3, onward(t, "store", "check", "--store", fake.URI()).code, "none has made the collections")
}

func TestADeviceOrPipeInItsPlaceIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "onward.db")
	require.NoError(t, syscall.Mkfifo(path, 0o644))
	before, err := os.Stat(path)
	require.NoError(t, err)
	got := onward(t, "serve", "--listen", freeAddress(t), "--store", "sqlite:"+path)
	require.Equal(t, 3, got.code, got.err)
	require.Contains(t, got.err, "it is no file")
	after, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, before.Mode(), after.Mode())
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func execute(t *testing.T, path, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.Exec(text)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

func TestAReadOnlyFolderIsRefused(t *testing.T) {
	dir, err := os.MkdirTemp("", "onward-readonly-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700); _ = os.RemoveAll(dir) })
	binary, err := builtOnce()
	require.NoError(t, err)
	cmd := exec.Command(binary, "serve", "--listen", freeAddress(t), "--store", "sqlite:"+filepath.Join(dir, "onward.db"))
	if os.Geteuid() == 0 { // whom no mode stops
		copied := filepath.Join(dir, "onward")
		copyFile(t, binary, copied)
		cmd.Path = copied
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	cmd.Dir = "/"
	require.NoError(t, os.Chmod(dir, 0o555))
	got := run(t, cmd)
	require.Equal(t, 3, got.code, got.err)
	require.Contains(t, got.err, "can't lock the data folder")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	require.NoError(t, err)
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(out, in)
	require.NoError(t, err)
	require.NoError(t, out.Close())
}

// Ensure that a full disk is a 503 that asks for a retry, that reads go on, and
// that nothing acknowledged is lost.
func TestAFullDiskIs503AndLosesNothing(t *testing.T) {
	s := start(t)
	s.stop()
	s.limit = 8192 // KiB of any one file
	s.run()
	var acked []string
	var refused *answer
	for n := 0; refused == nil && n < 5000; n++ {
		id := fmt.Sprint("p", n)
		body := fmt.Sprintf(`{"resourceType":"Patient","id":%q,"name":[{"family":%q}]}`, id, strings.Repeat("x", 20_000))
		a := s.do("PUT", "/FHIR/R4/Patient/"+id, plain(), []byte(body))
		if a.status == 201 {
			acked = append(acked, id)
			continue
		}
		refused = a
	}
	require.NotNil(t, refused, "the disk never got full")
	require.Equal(t, 503, refused.status, "%s", refused.body)
	require.NotEmpty(t, refused.header.Get("Retry-After"))
	require.NotEmpty(t, acked)
	require.Equal(t, 200, s.do("GET", "/FHIR/R4/Patient/"+acked[0], nil, nil).status)
	require.Contains(t, s.log(), "can't serve writes")
	ready := s.do("GET", "/readyz", nil, nil)
	require.Equal(t, 200, ready.status)
	require.Contains(t, string(ready.body), `"status":"degraded"`)
	require.Contains(t, string(ready.body), "a write failed")
	require.Contains(t, string(s.do("GET", "/metrics", nil, nil).body), "onward_store_writable 0")
	s.kill()
	s.limit = 0 // there is room again
	s.run()
	for _, id := range acked {
		require.Equal(t, 200, s.do("GET", "/FHIR/R4/Patient/"+id, nil, nil).status, id)
	}
	require.True(t, s.create("room-again"))
	require.Zero(t, onward(t, "store", "check", "--store", s.storeOf()).code)
}

// Ensure that a store whose file is taken away under the server acknowledges nothing
// that would be lost with the process, says why, and goes on once it is back.
func TestAFileThatIsMovedAwayIs503UntilItIsBack(t *testing.T) {
	s := start(t, "--no-sandbox")
	require.True(t, s.create("before"))
	path := strings.TrimPrefix(s.storeOf(), "sqlite:")
	require.NoError(t, os.Rename(path, path+".away"))
	refused := s.do("PUT", "/FHIR/R4/Patient/p", plain(), []byte(`{"resourceType":"Patient","id":"p"}`))
	require.Equal(t, 503, refused.status, "%s", refused.body)
	require.NotEmpty(t, refused.header.Get("Retry-After"))
	ready := s.do("GET", "/readyz", nil, nil)
	require.Equal(t, 503, ready.status)
	require.Contains(t, string(ready.body), "removed or replaced")
	require.Contains(t, s.log(), "removed or replaced")
	require.NoError(t, os.Rename(path+".away", path))
	require.True(t, s.create("after"))
	require.Equal(t, 200, s.do("GET", "/readyz", nil, nil).status)
}

// Ensure that a damaged page which is met only while serving is a fault that says
// nothing of what stands there, that the rest is served, and that a check finds it.
func TestDamageThatIsMetWhileServingIsAFault(t *testing.T) {
	s := start(t, "--no-sandbox")
	const patients = 40
	for n := range patients {
		body := fmt.Sprintf(`{"resourceType":"Patient","id":"p%d","name":[{"family":"Family%d"}],"address":[{"text":%q}]}`, n, n, strings.Repeat("x", 2000))
		require.Equal(t, 201, s.do("PUT", fmt.Sprint("/FHIR/R4/Patient/p", n), plain(), []byte(body)).status)
	}
	s.stop()
	path := strings.TrimPrefix(s.storeOf(), "sqlite:")
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	at := bytes.Index(file, []byte(`"family":"Family20"`))
	require.Positive(t, at)
	page := file[at/4096*4096:][:4096]
	for i := range page {
		page[i] = 0xaa
	}
	require.NoError(t, os.WriteFile(path, file, 0o600))
	s.run()
	faults := 0
	for n := range patients {
		a := s.do("GET", fmt.Sprint("/FHIR/R4/Patient/p", n), nil, nil)
		if a.status == 200 {
			continue
		}
		faults++
		code, _, diagnostics := a.issue(t)
		require.Equal(t, 500, a.status, "%s", a.body)
		require.Equal(t, "exception", code)
		require.NotContains(t, diagnostics, "Family")
		require.NotContains(t, strings.ToLower(string(a.body)), "select")
	}
	require.Contains(t, []int{1, 2, 3}, faults, "those of one page")
	require.Contains(t, s.log(), "the file is damaged")
	s.stop()
	checked := onward(t, "store", "check", "--store", s.storeOf())
	require.Equal(t, 1, checked.code, "%s %s", checked.out, checked.err)
	require.NotContains(t, checked.out+checked.err, "Family")
	backup := onward(t, "store", "backup", "--store", s.storeOf(), "--to", path+".copy")
	require.NotZero(t, backup.code, "a damaged store was backed up as if it were whole")
	require.NoFileExists(t, path+".copy")
}

func TestTheLogSaysWhatAnAcknowledgedWriteSurvives(t *testing.T) {
	require.Contains(t, start(t).log(), `survives="power cut"`)
	normal := start(t, "--sync", "normal")
	require.Contains(t, normal.log(), "a power cut may lose the last writes")
	require.Contains(t, string(normal.do("GET", "/readyz", nil, nil).body), "a power cut may lose the last writes")
	require.Equal(t, 2, onward(t, "serve", "--sync", "off").code)
}
