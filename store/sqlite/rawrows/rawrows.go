//go:build unix

// Package rawrows writes by hand the rows that a store on SQLite wrote, so that a
// benchmark can say what carrying out a message costs beside its rows alone. Only
// benchmarks use it.
package rawrows

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
)

// Watched keeps the batches that go to a store.
type Watched struct {
	store.Store
	mu      sync.Mutex
	Batches []*store.Batch
}

// Commit notes the batch.
func (s *Watched) Commit(ctx context.Context, b *store.Batch) (*store.Result, error) {
	s.mu.Lock()
	s.Batches = append(s.Batches, b)
	s.mu.Unlock()
	return s.Store.Commit(ctx, b)
}

// Spent is the CPU time of the process so far.
func Spent() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// OnDisk is the file's size in terms of the resources' JSON.
func OnDisk(b testing.TB, path string) float64 {
	db, err := sql.Open("sqlite", path)
	require.NoError(b, err)
	defer db.Close()
	var json int64
	require.NoError(b, db.QueryRow(`SELECT (SELECT sum(length(body)) FROM res) + (SELECT coalesce(sum(length(body)), 0) FROM hist)`).Scan(&json))
	file, err := os.Stat(path)
	require.NoError(b, err)
	return float64(file.Size()) / float64(json)
}

// rawRow is a row that the store wrote.
type rawRow struct {
	text string
	args []any
}

// rawRows reads the rows of each record back; a term's and an author's row stand
// with the first record that has them.
func rawRows(b testing.TB, path string) map[int64][]rawRow {
	db, err := sql.Open("sqlite", path)
	require.NoError(b, err)
	defer db.Close()
	out := map[int64][]rawRow{}
	for _, table := range []struct{ query, insert string }{
		{`SELECT (SELECT min(pk) FROM res WHERE "by" = w.id), id, versions, val FROM who w`, `INSERT INTO who VALUES (?, ?, ?)`},
		{`SELECT coalesce(min((SELECT min(pk) FROM x WHERE term = w.id), (SELECT min(pk) FROM xs WHERE term = w.id)), (SELECT min(pk) FROM x WHERE term = w.id),
			(SELECT min(pk) FROM xs WHERE term = w.id), (SELECT min(pk) FROM xd WHERE p = w.id), 1), id, k, v FROM term w`, `INSERT INTO term VALUES (?, ?, ?)`},
		{`SELECT pk, * FROM res`, `INSERT INTO res VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{`SELECT pk, * FROM x`, `INSERT INTO x VALUES (?, ?, ?)`},
		{`SELECT pk, * FROM xd`, `INSERT INTO xd VALUES (?, ?, ?, ?)`},
		{`SELECT pk, * FROM xs`, `INSERT INTO xs VALUES (?, ?)`},
		{`SELECT pk, * FROM feed`, `INSERT INTO feed VALUES (?, ?, ?, ?)`},
	} {
		rows, err := db.Query(table.query)
		require.NoError(b, err, table.query)
		columns, err := rows.Columns()
		require.NoError(b, err)
		for rows.Next() {
			var pk int64
			args, into := make([]any, len(columns)-1), []any{&pk}
			for i := range args {
				into = append(into, &args[i])
			}
			require.NoError(b, rows.Scan(into...))
			out[pk] = append(out[pk], rawRow{table.insert, args})
		}
		require.NoError(b, rows.Err())
	}
	return out
}

// Write inserts the rows that the store at from wrote for the batches, each
// batch in a transaction, and says what CPU time that took.
func Write(b testing.TB, from, path string, batches []*store.Batch) time.Duration {
	schema, err := sqlite.Open(context.Background(), path, sqlite.Options{})
	require.NoError(b, err)
	require.NoError(b, schema.Close())
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=cache_size(-65536)")
	require.NoError(b, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	prepared := map[string]*sql.Stmt{}
	exec := func(text string, args ...any) {
		if prepared[text] == nil {
			prepared[text], err = db.Prepare(text)
			require.NoError(b, err, text)
		}
		_, err := prepared[text].Exec(args...)
		require.NoError(b, err, text)
	}
	rows := rawRows(b, from)
	puts := 0
	for _, batch := range batches {
		for _, op := range batch.Ops {
			if _, is := op.(store.Put); is {
				puts++
			}
		}
	}
	pk := int64(0)
	put := func() {
		pk++
		for _, row := range rows[pk] {
			exec(row.text, row.args...)
		}
	}
	exec(`BEGIN IMMEDIATE`)
	before := 0
	for at := range rows {
		before = max(before, int(at)-puts)
	}
	for range before { // what was there before the batches
		put()
	}
	exec(`COMMIT`)
	begun := Spent()
	for n, batch := range batches {
		exec(`BEGIN IMMEDIATE`)
		for _, op := range batch.Ops {
			switch op := op.(type) {
			case store.Put:
				put()
			case store.AuxPut:
				exec(`INSERT INTO aux (kind, key, ver, val) VALUES (?, ?, 1, ?)`, op.Kind, op.Key, op.Value)
			}
		}
		if batch.Idem != nil {
			exec(`INSERT INTO aux (kind, key, ver, val) VALUES ('idem', ?, 1, ?)`, fmt.Sprint(n, strings.Join(batch.Idem.Keys, " ")), make([]byte, 900))
		}
		exec(`COMMIT`)
	}
	return Spent() - begun
}
