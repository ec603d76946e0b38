package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/onward-health/onward/store"
)

func benchStore(b *testing.B, n int) *Store {
	b.Helper()
	s, err := Open(context.Background(), filepath.Join(b.TempDir(), "a.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	fillSlots(b, s, n)
	return s
}

func BenchmarkGet(b *testing.B) {
	s := benchStore(b, 1000)
	var refs []store.Ref
	for i := range 1000 {
		refs = append(refs, slotRecord(i).Ref())
	}
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := s.Get(context.Background(), refs[i%1000]); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkFreeSlots searches 10,000 slots for a page of 50 of two schedules in
// a fortnight, sorted by start; raw is the same question in one hand-written
// statement that joins by the schedule.
func BenchmarkFreeSlots(b *testing.B) {
	const n = 10_000
	s := benchStore(b, n)
	q := freeSlots(n)
	b.Run("store", func(b *testing.B) {
		for b.Loop() {
			page, err := s.Search(context.Background(), q)
			if err != nil || len(page.Records) != 50 {
				b.Fatal(err, len(page.Records))
			}
		}
	})
	b.Run("raw", func(b *testing.B) {
		c := <-s.readers
		defer func() { s.readers <- c }()
		from := int64(n / 2 * 3_600_000)
		stmt, err := c.c.PrepareContext(context.Background(), `SELECT r.typ, r.id, r.ver, r.lu, r.del, r.method, r."by", r.peer, r.body
			FROM xd d CROSS JOIN res r WHERE r.pk = d.pk AND d.t = 1 AND d.p = 'start' AND d.lo >= ? AND d.lo < ?
			AND EXISTS (SELECT 1 FROM x WHERE t = 1 AND v = 'status:free' AND pk = d.pk)
			AND EXISTS (SELECT 1 FROM x WHERE t = 1 AND v IN ('schedule:Schedule/d0', 'schedule:Schedule/d2') AND pk = d.pk)
			AND EXISTS (SELECT 1 FROM x WHERE t = 1 AND v = '@org:A1001' AND pk = d.pk)
			ORDER BY d.lo, r.id LIMIT 51`)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			rows, err := stmt.Query(from, from+14*day)
			if err != nil {
				b.Fatal(err)
			}
			found := 0
			for ; rows.Next(); found++ {
				if _, err := scanRecord(rows.Scan); err != nil {
					b.Fatal(err)
				}
			}
			if found != 51 {
				b.Fatal(found)
			}
		}
	})
}

// BenchmarkPut is one durable Put a commit; raw writes the same rows with the
// same durability and no checks, one transaction each or a whole group in one.
func BenchmarkPut(b *testing.B) {
	for _, clients := range []int{1, 16, 64} {
		b.Run(fmt.Sprint("store/clients=", clients), func(b *testing.B) {
			s := benchStore(b, 1)
			var i atomic.Int64
			b.SetParallelism(max(1, clients/2)) // times GOMAXPROCS
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r := slotRecord(1000 + int(i.Add(1)))
					if _, err := s.Commit(context.Background(), &store.Batch{Ops: []store.Op{store.Put{Record: r}}}); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
		b.Run(fmt.Sprint("raw/group=", clients), func(b *testing.B) {
			raw := newRaw(b)
			b.ResetTimer()
			for i := 0; i < b.N; i += clients {
				raw.exec(b, `BEGIN IMMEDIATE`)
				for j := i; j < min(b.N, i+clients); j++ {
					raw.insert(b, slotRecord(1000+j))
				}
				raw.exec(b, `COMMIT`)
			}
		})
	}
}

// raw writes a record's rows by hand.
type raw struct {
	db    *sql.DB
	stmts map[string]*sql.Stmt
}

func newRaw(b *testing.B) *raw {
	b.Helper()
	db, err := sql.Open("sqlite", filepath.Join(b.TempDir(), "raw.db"))
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	b.Cleanup(func() { db.Close() })
	r := &raw{db, map[string]*sql.Stmt{}}
	for _, text := range append(writerPragmas("FULL"), schema...) {
		r.exec(b, text)
	}
	return r
}

func (r *raw) exec(b *testing.B, text string, args ...any) sql.Result {
	b.Helper()
	s := r.stmts[text]
	if s == nil {
		var err error
		if s, err = r.db.Prepare(text); err != nil {
			b.Fatal(err)
		}
		r.stmts[text] = s
	}
	done, err := s.Exec(args...)
	if err != nil {
		b.Fatal(err)
	}
	return done
}

func (r *raw) insert(b *testing.B, rec *store.Record) {
	b.Helper()
	done := r.exec(b, `INSERT INTO res (typ, id, ver, lu, del, method, "by", peer, body) VALUES (?, ?, 1, ?, 0, ?, ?, NULL, ?)`,
		rec.Type, rec.ID, 1, rec.Method, rec.By, rec.Body)
	pk, err := done.LastInsertId()
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range rec.Index.X {
		r.exec(b, `INSERT INTO x (t, v, pk) VALUES (1, ?, ?)`, e, pk)
	}
	for _, d := range rec.Index.D {
		r.exec(b, `INSERT INTO xd (t, p, lo, hi, pk) VALUES (1, ?, ?, ?, ?)`, d.Param, d.Lo, d.Hi, pk)
	}
	for _, k := range rec.Index.S {
		r.exec(b, `INSERT INTO xs (t, p, v, pk) VALUES (1, ?, ?, ?)`, k.Param, k.Value, pk)
	}
}

// BenchmarkBooking is the typical batch: an idempotency key, a claim, the
// appointment, the slot and ten more records, and an outgoing message.
func BenchmarkBooking(b *testing.B) {
	s := benchStore(b, 1)
	var n atomic.Int64
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			batch := &store.Batch{
				Idem: &store.Idem{Keys: []string{fmt.Sprint("k", i)}, Hash: "h", Keep: 1 << 40},
				Ops:  []store.Op{store.Claim{Slot: fmt.Sprint("s", i), Owner: "Appointment/a"}},
			}
			for j := range 12 {
				batch.Ops = append(batch.Ops, store.Put{Record: slotRecord(int(i)*12 + j)})
			}
			batch.Ops = append(batch.Ops, store.AuxPut{Kind: "outbox", Key: fmt.Sprint(i), Value: []byte("{}")})
			if _, err := s.Commit(context.Background(), batch); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkPatient lists the appointments of one patient.
func BenchmarkPatient(b *testing.B) {
	s := benchStore(b, 10_000)
	for b.Loop() {
		page, err := s.Search(context.Background(), patientAppointments())
		if err != nil || len(page.Records) == 0 {
			b.Fatal(err)
		}
	}
}
