package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/storetest"
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

// timed runs f and reports the processor time of one operation beside its latency.
func timed(b *testing.B, f func()) {
	b.ResetTimer()
	before := storetest.CPUTime(b)
	f()
	b.ReportMetric(float64((storetest.CPUTime(b)-before).Nanoseconds())/float64(b.N)/1000, "cpu-us/op")
}

// BenchmarkGet reads records by type and id; raw reads the same columns by one
// prepared statement a reader, with nothing around it.
func BenchmarkGet(b *testing.B) {
	s := benchStore(b, 1000)
	var refs []store.Ref
	for i := range 1000 {
		refs = append(refs, slotRecord(i).Ref())
	}
	b.Run("store", func(b *testing.B) {
		timed(b, func() {
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if _, err := s.Get(context.Background(), refs[i%1000]); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	})
	b.Run("raw", func(b *testing.B) {
		timed(b, func() {
			b.RunParallel(func(pb *testing.PB) {
				stmt, err := rawReader(b, s).Prepare(`SELECT r.typ, r.id, r.ver, r.lu, r.del, r.method, w.val, r.peer, r.body
				FROM res r LEFT JOIN who w ON w.id = r."by" WHERE r.typ = ? AND r.id = ?`)
				if err != nil {
					b.Error(err)
					return
				}
				defer stmt.Close()
				for i := 0; pb.Next(); i++ {
					if err := scanRaw(stmt.QueryRow(refs[i%1000].Type, refs[i%1000].ID).Scan); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	})
}

// rawReader is one connection of database/sql to the file of a store, set up as
// the store's readers are.
func rawReader(b *testing.B, s *Store) *sql.DB {
	b.Helper()
	db, err := sql.Open("sqlite", s.place.dsn())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	for _, text := range readerPragmas {
		if _, err := db.Exec(text); err != nil {
			b.Fatal(err)
		}
	}
	return db
}

func scanRaw(scan func(...any) error) error {
	var typ, id, method string
	var ver, lu int64
	var deleted bool
	var by any
	var peer, body []byte
	return scan(&typ, &id, &ver, &lu, &deleted, &method, &by, &peer, &body)
}

// BenchmarkFreeSlots searches 10,000 slots for a page of 50 of two schedules in
// a fortnight, sorted by start; raw is the same question in one hand-written
// statement that joins by the schedule.
func BenchmarkFreeSlots(b *testing.B) {
	const n = 10_000
	s := benchStore(b, n)
	q := freeSlots(n)
	b.Run("store", func(b *testing.B) {
		timed(b, func() {
			for range b.N {
				page, err := s.Search(context.Background(), q)
				if err != nil || len(page.Records) != 50 {
					b.Fatal(err, len(page.Records))
				}
			}
		})
	})
	b.Run("raw", func(b *testing.B) {
		db := rawReader(b, s)
		from := int64(n / 2 * 3_600_000)
		number := func(entry string) (id int64) {
			if err := db.QueryRow(`SELECT id FROM term WHERE k = 4 AND v = ?`, entry).Scan(&id); err != nil {
				b.Fatal(entry, err)
			}
			return id
		}
		stmt, err := db.Prepare(`SELECT r.typ, r.id, r.ver, r.lu, r.del, r.method, r."by", r.peer, r.body
			FROM x i CROSS JOIN res r WHERE r.pk = i.pk AND i.term IN (?, ?) AND i.lo >= ? AND i.lo < ?
			AND EXISTS (SELECT 1 FROM x WHERE term = ? AND lo = i.lo AND pk = i.pk)
			AND EXISTS (SELECT 1 FROM x WHERE term = ? AND lo = i.lo AND pk = i.pk)
			ORDER BY i.lo, r.id LIMIT 51`)
		if err != nil {
			b.Fatal(err)
		}
		one, other, free, org := number("schedule:Schedule/d0"), number("schedule:Schedule/d2"), number("status:free"), number("@org:A1001")
		timed(b, func() {
			for range b.N {
				rows, err := stmt.Query(one, other, from, from+14*day, free, org)
				if err != nil {
					b.Fatal(err)
				}
				found := 0
				for ; rows.Next(); found++ {
					if err := scanRaw(rows.Scan); err != nil {
						b.Fatal(err)
					}
				}
				if found != 51 {
					b.Fatal(found)
				}
			}
		})
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
			timed(b, func() {
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
		})
		b.Run(fmt.Sprint("raw/group=", clients), func(b *testing.B) {
			raw := newRaw(b)
			timed(b, func() {
				for i := 0; i < b.N; i += clients {
					raw.exec(b, `BEGIN IMMEDIATE`)
					for j := i; j < min(b.N, i+clients); j++ {
						raw.insert(b, slotRecord(1000+j))
					}
					raw.exec(b, `COMMIT`)
				}
			})
		})
	}
}

// raw writes a record's rows by hand.
type raw struct {
	db      *sql.DB
	stmts   map[string]*sql.Stmt
	numbers map[word]int64
}

func newRaw(b *testing.B) *raw {
	b.Helper()
	db, err := sql.Open("sqlite", filepath.Join(b.TempDir(), "raw.db"))
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	b.Cleanup(func() { db.Close() })
	r := &raw{db, map[string]*sql.Stmt{}, map[word]int64{}}
	for _, text := range append(writerPragmas("FULL", false), schema...) {
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
	p := partsOf(rec.Index)
	p.ids = make([]int64, len(p.words))
	for i, w := range p.words {
		if r.numbers[w] == 0 {
			r.numbers[w] = int64(len(r.numbers) + 1)
			r.exec(b, `INSERT INTO term (id, k, v) VALUES (?, ?, ?)`, r.numbers[w], kinds+w.kind, w.text)
		}
		p.ids[i] = r.numbers[w]
	}
	k := p.keys()
	who, err := r.exec(b, `INSERT INTO who (versions, val) VALUES (1, ?)`, rec.By).LastInsertId()
	if err != nil {
		b.Fatal(err)
	}
	done := r.exec(b, `INSERT INTO res (typ, id, ver, lu, del, method, lo, "by", ix, peer, body) VALUES (?, ?, 1, ?, 0, ?, ?, ?, ?, NULL, ?)`,
		rec.Type, rec.ID, 1, rec.Method, p.start, who, k.pack(), rec.Body)
	pk, err := done.LastInsertId()
	if err != nil {
		b.Fatal(err)
	}
	for _, t := range k.terms {
		r.exec(b, `INSERT INTO x (term, lo, pk) VALUES (?, ?, ?)`, t, p.start, pk)
	}
	for _, d := range k.dates {
		r.exec(b, `INSERT INTO xd (p, lo, hi, pk) VALUES (?, ?, ?, ?)`, d.param, d.lo, d.hi, pk)
	}
	for _, t := range k.texts {
		r.exec(b, `INSERT INTO xs (term, pk) VALUES (?, ?)`, t.term, pk)
	}
	r.exec(b, `INSERT INTO feed (pk, ver, lu) VALUES (?, 1, 1)`, pk)
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
