package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
)

// ran is how a command ended.
type ran struct {
	code     int
	out, err string
}

// onward runs a command to its end.
func onward(t testing.TB, args ...string) ran {
	t.Helper()
	binary, err := builtOnce()
	require.NoError(t, err)
	cmd := exec.Command(binary, args...)
	cmd.Dir = t.TempDir()
	return run(t, cmd)
}

func run(t testing.TB, cmd *exec.Cmd) ran {
	t.Helper()
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		require.NoError(t, err)
	}
	return ran{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// storeOf is the store of a server that runs in its folder.
func (s *server) storeOf() string { return "sqlite:" + filepath.Join(s.dir, "data", "onward.db") }

// create puts a Patient and says whether it was acknowledged.
func (s *server) create(id string) bool {
	body := fmt.Sprintf(`{"resourceType":"Patient","id":%q,"name":[{"family":"Lumb"}]}`, id)
	a, err := s.try("PUT", "/FHIR/R4/Patient/"+id, plain(), []byte(body))
	return err == nil && a.status == 201
}

func TestABackupUnderLoadHoldsEveryWriteAcknowledgedBeforeIt(t *testing.T) {
	s := start(t)
	slot := s.freeSlots(1)[0]
	require.Equal(t, 200, s.do("POST", messagePath, speaking("2000072489"), bookingFor(t, slot)).status)
	var mu sync.Mutex
	var acked []string
	stop := make(chan struct{})
	var writers sync.WaitGroup
	enough := make(chan struct{})
	for w := range 8 {
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("w%d-%d", w, n)
				if !s.create(id) {
					t.Error("a write failed")
					return
				}
				mu.Lock()
				if acked = append(acked, id); len(acked) == 100 {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	<-enough
	mu.Lock()
	before := append([]string{}, acked...)
	mu.Unlock()
	to := filepath.Join(t.TempDir(), "backup.db")
	got := onward(t, "store", "backup", "--store", s.storeOf(), "--to", to)
	require.Zero(t, got.code, got.err)
	beside := onward(t, "store", "check", "--store", s.storeOf())
	require.Zero(t, beside.code, "%s %s", beside.out, beside.err)
	close(stop)
	writers.Wait()

	info, err := os.Stat(to)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	checked := onward(t, "store", "check", "--store", "sqlite:"+to)
	require.Zero(t, checked.code, "%s %s", checked.out, checked.err)
	backup, err := sqlite.Open(t.Context(), to, sqlite.Options{ReadOnly: true})
	require.NoError(t, err)
	defer backup.Close()
	for _, id := range before {
		_, err := backup.Get(t.Context(), store.Ref{Type: "Patient", ID: id})
		require.NoError(t, err, id)
	}

	// A restore is a server on the backup.
	restored := start(t, "--store", "sqlite:"+to)
	require.Equal(t, "busy", restored.status("Slot/"+slot.id))
}

func TestABackupIsRefusedWhereItMakesNoSense(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	require.NoError(t, os.WriteFile(there, []byte("precious"), 0o600))
	db := filepath.Join(dir, "a.db")
	seeded := onward(t, "seed", "--scale", "1", "--store", "sqlite:"+db)
	require.Zero(t, seeded.code, seeded.err)
	for name, row := range map[string]struct {
		args []string
		code int
		says string
	}{
		"over a file":       {[]string{"--store", "sqlite:" + db, "--to", there}, 2, "overwrites nothing"},
		"of MongoDB":        {[]string{"--store", "mongodb://host/", "--to", filepath.Join(dir, "x")}, 2, "mongodump"},
		"with a password":   {[]string{"--store", "mongodb://user:secret@host/", "--to", filepath.Join(dir, "x")}, 2, "everybody on this machine can see"},
		"of nothing":        {[]string{"--store", "sqlite:" + filepath.Join(dir, "none.db"), "--to", filepath.Join(dir, "x")}, 3, "no such file"},
		"of another's file": {[]string{"--store", "sqlite:" + there, "--to", filepath.Join(dir, "x")}, 3, "no SQLite database"},
		"of memory":         {[]string{"--store", "sqlite::memory:", "--to", filepath.Join(dir, "x")}, 2, "memory"},
		"to no name":        {[]string{"--store", "sqlite:" + db, "--to="}, 2, "must name a file"},
		"to a folder":       {[]string{"--store", "sqlite:" + db, "--to", filepath.Join(dir, "x") + "/"}, 2, "must name a file"},
		"without a file":    {[]string{"--store", "sqlite:" + db}, 2, "--to"},
	} {
		t.Run(name, func(t *testing.T) {
			got := onward(t, append([]string{"store", "backup"}, row.args...)...)
			require.Equal(t, row.code, got.code, got.err)
			require.Contains(t, got.err, row.says)
			require.NotContains(t, got.err, "secret")
			require.NoFileExists(t, filepath.Join(dir, "x"))
		})
	}
	kept, err := os.ReadFile(there)
	require.NoError(t, err)
	require.Equal(t, "precious", string(kept))
	made := onward(t, "store", "backup", "--store", "sqlite:"+db, "--to", dir+"/none/../y") // which is dir/y, without a folder none
	require.Zero(t, made.code, made.err)
	require.FileExists(t, filepath.Join(dir, "y"))
}

func TestABackupThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	db := filepath.Join(dir, "a.db")
	require.Zero(t, onward(t, "seed", "--scale", "2000", "--store", "sqlite:"+db).code)
	binary, err := builtOnce()
	require.NoError(t, err)
	backups := filepath.Join(dir, "backups")
	require.NoError(t, os.Mkdir(backups, 0o700))
	full := run(t, exec.Command("bash", "-c", `ulimit -f 300; exec "$@"`, "backup", binary, "store", "backup", "--store", "sqlite:"+db, "--to", filepath.Join(backups, "b.db")))
	require.Equal(t, 1, full.code, full.err)
	left, err := os.ReadDir(backups)
	require.NoError(t, err)
	require.Empty(t, left)
}

// Ensure that whoever runs a command reads why it failed, not what callers of a
// server are told.
func TestACommandThatTheDiskStopsSaysSo(t *testing.T) {
	binary, err := builtOnce()
	require.NoError(t, err)
	db := "sqlite:" + filepath.Join(t.TempDir(), "a.db")
	for _, command := range []string{"seed --scale 2000", "serve --sandbox --listen " + freeAddress(t)} {
		full := run(t, exec.Command("bash", "-c", `ulimit -f 300; exec "$0" `+command+` --store "$1"`, binary, db))
		require.Equal(t, 1, full.code, full.err)
		require.Contains(t, full.err[strings.LastIndex(full.err, "onward:"):], "a write failed", command)
	}
}

func TestCheckTellsAndRepairsASlotThatSaysSomethingElseThanItsClaim(t *testing.T) {
	s := start(t)
	slots := s.freeSlots(2)
	require.Equal(t, 200, s.do("POST", messagePath, speaking("2000072489"), bookingFor(t, slots[0])).status)
	locked := onward(t, "store", "check", "--repair", "--store", s.storeOf())
	require.Equal(t, 3, locked.code, locked.err)
	require.Contains(t, locked.err, "a running server repairs slots itself")
	s.kill()

	db, err := sqlite.Open(t.Context(), strings.TrimPrefix(s.storeOf(), "sqlite:"), sqlite.Options{})
	require.NoError(t, err)
	_, err = db.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Claim{Slot: slots[1].id, Owner: "Slot/" + slots[1].id}}})
	require.NoError(t, err)
	require.NoError(t, db.Close())

	found := onward(t, "store", "check", "--store", s.storeOf())
	require.Equal(t, 1, found.code, found.err)
	require.Contains(t, found.out, "BROKEN    slot-status: Slot/"+slots[1].id)
	found = onward(t, "store", "check", "--json", "--store", s.storeOf())
	require.Equal(t, 1, found.code, found.err)
	var report struct {
		OK       bool
		Found    int
		Breaches []struct{ Rule, What string }
	}
	require.NoError(t, json.Unmarshal([]byte(found.out), &report), found.out)
	require.False(t, report.OK)
	require.Equal(t, 1, report.Found)
	require.Equal(t, "Slot/"+slots[1].id, report.Breaches[0].What)
	repaired := onward(t, "store", "check", "--repair", "--store", s.storeOf())
	require.Zero(t, repaired.code, repaired.out+repaired.err)
	require.Contains(t, repaired.out, "REPAIRED")
	require.Zero(t, onward(t, "store", "check", "--store", s.storeOf()).code)
}

// Ensure that a server repairs at its start what only it may write.
func TestAServerRepairsASlotAtItsStartAndSaysSo(t *testing.T) {
	s := start(t)
	slot := s.freeSlots(1)[0]
	s.kill()
	db, err := sqlite.Open(t.Context(), strings.TrimPrefix(s.storeOf(), "sqlite:"), sqlite.Options{})
	require.NoError(t, err)
	_, err = db.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Claim{Slot: slot.id, Owner: "Slot/" + slot.id}}})
	require.NoError(t, err)
	require.NoError(t, db.Close())
	s.run()
	require.Eventually(t, func() bool { return strings.Contains(s.log(), "the store was checked") }, waitLong, waitStep)
	require.Contains(t, s.log(), "an invariant is broken")
	require.Equal(t, "busy", s.status("Slot/"+slot.id))
}

func TestACopyThatWasBrokenOffIsFinishedByTheNextAndNotServedBefore(t *testing.T) {
	dir := t.TempDir()
	from, to := "sqlite:"+filepath.Join(dir, "from", "a.db"), "sqlite:"+filepath.Join(dir, "to", "b.db")
	require.Zero(t, onward(t, "seed", "--scale", "2000", "--store", from).code)
	binary, err := builtOnce()
	require.NoError(t, err)
	broken := run(t, exec.Command("bash", "-c", `ulimit -f 2048; exec "$@"`, "copy", binary, "store", "copy", "--from", from, "--to", to))
	require.Equal(t, 1, broken.code, broken.err)
	refused := refusedStart(t, "--store", to)
	require.Contains(t, refused, "unfinished copy")
	require.Equal(t, 3, onward(t, "store", "check", "--store", to).code)

	done := onward(t, "store", "copy", "--from", from, "--to", to)
	require.Zero(t, done.code, done.err)
	require.Contains(t, done.out, "copied 2806 versions, 180 claims and 0 documents")
	require.NotContains(t, done.err, "copying:   0 %", "it began afresh")
	require.Zero(t, onward(t, "store", "check", "--store", to).code)
	beside := onward(t, "store", "copy", "--from", from, "--to", "sqlite:"+filepath.Join(dir, "from", "b.db"))
	require.Equal(t, 2, beside.code)
	require.Contains(t, beside.err, "another folder")
	again := onward(t, "store", "copy", "--from", from, "--to", to)
	require.Equal(t, 1, again.code)
	require.Contains(t, again.err, "isn't empty")
}

func TestASeedOfASenselessScaleIsRefused(t *testing.T) {
	for _, scale := range []string{"0", "-1", "1000000001", "9223372036854775807"} {
		got := onward(t, "seed", "--scale="+scale, "--store", "sqlite::memory:")
		require.Equal(t, 2, got.code, scale)
		require.Contains(t, got.err, "--scale must be from 1 to")
	}
}
