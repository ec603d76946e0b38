package bars_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
)

// spy keeps the batches that go to a store.
type spy struct {
	store.Store
	mu      sync.Mutex
	batches []*store.Batch
}

func (s *spy) Commit(ctx context.Context, b *store.Batch) (*store.Result, error) {
	s.mu.Lock()
	s.batches = append(s.batches, b)
	s.mu.Unlock()
	return s.Store.Commit(ctx, b)
}

var (
	bundleID  = regexp.MustCompile(`"id": "0c000000-[^"]*"`) // of our payloads
	journeyOf = regexp.MustCompile(`EpisodeOfCare/[0-9a-f-]*`)
)

// spent is the CPU time of the process so far.
func spent() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkReferral processes referrals (parse, checks, mapping to records,
// index, durable commit) and beside them writes the same rows by hand, one
// transaction a referral, with the same durability. Both times are CPU time. It
// also says what the referrals take on disk.
func BenchmarkReferral(b *testing.B) {
	for _, c := range []struct{ name, file, service string }{
		{"16-entries", "../testdata/bars/a1-referral.json", clinic},
		{"25-entries", fullReferral, hospital},
	} {
		b.Run(c.name, func(b *testing.B) { benchReferral(b, c.file, c.service) })
	}
}

// fullReferral is a referral from 111 to an emergency department with all that
// such messages use to hold.
const fullReferral = "../testdata/bench/referral-111-to-ed.json"

// Ensure that what is measured is a message that strict mode takes without a word.
func TestTheFullReferralIsConformant(t *testing.T) {
	text, err := os.ReadFile(fullReferral)
	require.NoError(t, err)
	s := open(t)
	result, err := s.sendTo(hospital, text)
	require.NoError(t, err)
	require.Empty(t, result.Warnings)
	require.Equal(t, 25+1, result.Bundle.Get("entry").Len())
}

func benchReferral(b *testing.B, file, service string) {
	ctx := context.Background()
	path := filepath.Join(b.TempDir(), "onward.db")
	db, err := sqlite.Open(ctx, path, sqlite.Options{})
	require.NoError(b, err)
	watched := &spy{Store: db}
	desk := bars.NewDesk(watched, bars.Options{Base: base})
	_, err = desk.Load(ctx, bars.Caller{Door: "setup"}, directory(b))
	require.NoError(b, err)
	text, err := os.ReadFile(file)
	require.NoError(b, err)
	watched.batches = nil

	b.ReportAllocs()
	begun := spent()
	for b.Loop() {
		body := journeyOf.ReplaceAll(bundleID.ReplaceAll(text, []byte(`"id": "`+uuid.NewString()+`"`)), []byte("EpisodeOfCare/"+uuid.NewString()))
		bundle, err := fhir.Parse(body)
		require.NoError(b, err)
		key := bars.Key{Door: "bars", Sender: "A1001", Values: []string{uuid.NewString()}}
		_, err = desk.Message(ctx, bars.MessageRequest{Caller: bars.Caller{Door: "bars", Organisation: "A1001"}, Key: key,
			Target: nhs.ServiceID{System: nhs.SystemDoS, Value: service}, Bundle: bundle, Body: body})
		require.NoError(b, err)
	}
	ours := spent() - begun
	raw := rawWrites(b, path, filepath.Join(b.TempDir(), "raw.db"), watched.batches)
	require.NoError(b, db.Close())
	b.ReportMetric(onDisk(b, path), "x-json-on-disk")
	b.ReportMetric(float64(ours)/float64(raw), "x-raw-cpu")
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N), "cpu-us/referral")
}

// onDisk is the file's size in terms of the resources' JSON.
func onDisk(b *testing.B, path string) float64 {
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
func rawRows(b *testing.B, path string) map[int64][]rawRow {
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

// rawWrites inserts the rows that the store at from wrote for the batches, each
// batch in a transaction, and says what CPU time that took.
func rawWrites(b *testing.B, from, path string, batches []*store.Batch) time.Duration {
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
	begun := spent()
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
	return spent() - begun
}
