package sqlite

import (
	"context"
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

// migrated runs steps on a file and returns what it says of itself afterwards.
func migrated(t *testing.T, path string, from int, steps []upgrade) error {
	t.Helper()
	p := &place{file: path}
	c, err := p.connect(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	return c.migrate(context.Background(), p, from, steps, slog.New(slog.DiscardHandler))
}

func text(t *testing.T, path, query string) (got string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(query).Scan(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAMigrationRunsOnceInOrderAfterACopy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	text(t, path, `PRAGMA user_version = 1; CREATE TABLE a (b); INSERT INTO a VALUES ('old') RETURNING b`)
	steps := []upgrade{
		{before: []string{`ALTER TABLE a ADD COLUMN c TEXT`, `UPDATE a SET c = b || '!'`}},
		{run: func(ctx context.Context, c *conn) error {
			_, err := c.exec(ctx, `UPDATE a SET c = c || ?`, "?")
			return err
		}, after: []string{`UPDATE a SET c = c || '.'`}},
	}
	if err := migrated(t, path, 1, steps); err != nil {
		t.Fatal(err)
	}
	if got := text(t, path, `SELECT c FROM a`); got != "old!?." {
		t.Errorf("got %q", got)
	}
	if got := text(t, path, `PRAGMA user_version`); got != "3" {
		t.Errorf("schema %s", got)
	}
	kept := path + ".before-schema-3"
	if got := text(t, kept, `PRAGMA user_version`); got != "1" {
		t.Errorf("the copy's schema is %s", got)
	}
	info, err := os.Stat(kept)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the copy has mode %v", info.Mode().Perm())
	}
	if err := migrated(t, path, 3, steps); err != nil {
		t.Fatal(err)
	}
	if got := text(t, path, `SELECT c FROM a`); got != "old!?." {
		t.Errorf("it ran again: %q", got)
	}
}

func TestAMigrationThatFailsLeavesTheFileAsItWas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	text(t, path, `PRAGMA user_version = 1; CREATE TABLE a (b); INSERT INTO a VALUES ('old') RETURNING b`)
	err := migrated(t, path, 1, []upgrade{{before: []string{`UPDATE a SET b = 'new'`, `INSERT INTO nowhere VALUES (1)`}}})
	if err == nil {
		t.Fatal("no error")
	}
	if got := text(t, path, `SELECT b FROM a`) + text(t, path, `PRAGMA user_version`); got != "old1" {
		t.Errorf("got %q", got)
	}
}

// Ensure that a copy which comes to nothing takes no room, on a disk that may be
// full because of it, nor what a kill left of one.
func TestACopyBeforeAMigrationThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.db")
	text(t, path, `CREATE TABLE a (b); INSERT INTO a VALUES ('old') RETURNING b`)
	for _, name := range []string{"kept.part", "kept.part-journal"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("left"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := (&place{file: path}).connect(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.keep(ended, filepath.Join(dir, "kept")); err == nil {
		t.Error("no error")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "kept*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
