package sqlite_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
)

// TestChildBacksUp is the process that the test below kills: it prints the folder
// of its backup once that is being written.
func TestChildBacksUp(t *testing.T) {
	path := os.Getenv("STORE_CHILD_BACKS_UP")
	if path == "" {
		return
	}
	fmt.Println("folder", sqlite.BeginBackup(t, path, os.Getenv("STORE_CHILD_BACKUPS")))
	select {}
}

func TestABackupRemovesWhatAKilledOneLeftAndNothingElse(t *testing.T) {
	path, folder := filepath.Join(t.TempDir(), "a.db"), t.TempDir()
	s := open(t, path, sqlite.Options{})
	commit(t, s, store.Put{Record: slot("s1")})

	others := []string{".onward-backup-1", ".onward-backup-2/part.db", ".onward-backup-3/LOCK", ".onward-backup-3/part.db", ".onward-backup-3/notes", "part/LOCK", "part/part.db"}
	for _, name := range others {
		name = filepath.Join(folder, name)
		must(t, os.MkdirAll(filepath.Dir(name), 0o700))
		must(t, os.WriteFile(name, nil, 0o600))
	}

	child := exec.Command(os.Args[0], "-test.run=^TestChildBacksUp$")
	child.Env = append(os.Environ(), "STORE_CHILD_BACKS_UP="+path, "STORE_CHILD_BACKUPS="+folder)
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	left := ""
	for lines := bufio.NewScanner(out); left == "" && lines.Scan(); {
		if n, _ := fmt.Sscanf(lines.Text(), "folder %s", &left); n == 0 {
			t.Logf("child: %s", lines.Text())
		}
	}
	must(t, sqlite.Backup(t.Context(), path, filepath.Join(folder, "beside.db")))
	if _, err := os.Stat(filepath.Join(left, "part.db")); err != nil {
		t.Errorf("a backup in the making: %v", err)
	}

	must(t, child.Process.Kill())
	if err := child.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
	must(t, os.WriteFile(filepath.Join(left, "part.db-journal"), nil, 0o600))
	must(t, sqlite.Backup(t.Context(), path, filepath.Join(folder, "after.db")))
	var names []string
	must(t, filepath.WalkDir(folder, func(name string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, err = filepath.Rel(folder, name)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	}))
	want := append([]string{"after.db", "beside.db"}, others...)
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("there are %v, want %v", names, want)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("the folder is still there")
	}
}
