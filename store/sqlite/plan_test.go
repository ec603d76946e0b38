package sqlite

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

const day = 24 * 60 * 60 * 1000

// slots fills a store with the slots of a few schedules, one an hour, every
// other one free, and an appointment for each hundredth.
func fillSlots(t testing.TB, s *Store, n int) {
	t.Helper()
	for from := 0; from < n; from += 500 {
		b := &store.Batch{}
		for i := from; i < min(n, from+500); i++ {
			b.Ops = append(b.Ops, store.Put{Record: slotRecord(i)})
			if i%100 == 0 {
				r := &store.Record{Type: "Appointment", ID: fmt.Sprint("a", i), Method: "POST", Body: []byte(`{"resourceType":"Appointment"}`)}
				r.Index.X = []string{fmt.Sprint("patient:Patient/p", i%1000), "status:booked", "status=http://hl7.org/fhir/appointmentstatus|booked"}
				r.Index.D = []search.Span{{Param: "date", Lo: int64(i), Hi: int64(i) + 999}}
				b.Ops = append(b.Ops, store.Put{Record: r})
			}
		}
		if _, err := s.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

func slotRecord(i int) *store.Record {
	status := []string{"free", "busy"}[i%2]
	start := int64(i) * 3_600_000
	body := fmt.Sprintf(`{"resourceType":"Slot","status":%q,"comment":%q}`, status, strings.Repeat("x", 900))
	return &store.Record{
		Type: "Slot", ID: fmt.Sprintf("5e1f0000-0000-4000-8000-%012d", i), Method: "POST", Body: []byte(body), By: []byte(`{"door":"fhir"}`),
		Index: search.Index{
			X: []string{"status:" + status, "status=http://hl7.org/fhir/slotstatus|" + status, fmt.Sprintf("schedule:Schedule/d%d", i%4),
				"!status", "!schedule", "!start", "@org:A1001", "service-type:consultation", "appointment-type:ROUTINE", "!appointment-type"},
			D: []search.Span{{Param: "start", Lo: start, Hi: start + 999}},
			S: []search.SortKey{{Param: "status", Value: status}},
		},
	}
}

func freeSlots(n int64) *search.Query {
	return &search.Query{
		Type: "Slot", Sort: []search.Sort{{Param: "start"}},
		Where: search.And{search.Has("status:free"), search.HasAny{"schedule:Schedule/d0", "schedule:Schedule/d2"}, search.Has("@org:A1001"),
			search.Date{Param: "start", Op: search.Ge, Lo: n / 2 * 3_600_000, Hi: n / 2 * 3_600_000},
			search.Date{Param: "start", Op: search.Lt, Lo: n/2*3_600_000 + 14*day, Hi: n/2*3_600_000 + 14*day}},
	}
}

func patientAppointments() *search.Query {
	return &search.Query{Type: "Appointment", Where: search.Has("patient:Patient/p100"), Sort: []search.Sort{{Param: "date", Desc: true}}}
}

// TestNoStatementReadsAWholeTable asks SQLite for the plan of every statement
// that the main calls have prepared, on the readers and on the writer.
func TestNoStatementReadsAWholeTable(t *testing.T) {
	const n = 1000 // enough that both ways of finding matches are taken
	var clock atomic.Int64
	clock.Store(1)
	s, err := Open(t.Context(), ":memory:", Options{Now: func() time.Time { return time.UnixMilli(clock.Load()) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fillSlots(t, s, n)
	bothWays(t, s, n)
	for len(s.readers) > 1 { // one reader, so that one cache sees all
		(<-s.readers).close()
	}
	callEverything(t, s, n)
	writeEverything(t, s, &clock)
	c := <-s.readers
	defer func() {
		s.readers <- c
		for len(s.readers) < cap(s.readers) {
			r, err := s.place.connect(t.Context(), readerPragmas)
			if err != nil {
				t.Fatal(err)
			}
			s.readers <- r
		}
	}()
	if len(c.stmts) < 20 {
		t.Fatalf("only %d statements were seen", len(c.stmts))
	}
	noScans(t, c)
	written := s.submit(t.Context(), &request{ctx: t.Context(), done: make(chan answer, 1), task: func(_ context.Context, w *writer) (any, error) {
		noScans(t, w.conn)
		return len(w.stmts), nil
	}})
	if written.err != nil || written.value.(int) < 40 {
		t.Errorf("of the writer %v statements were seen, %v", written.value, written.err)
	}
}

func noScans(t *testing.T, c *conn) {
	for text := range c.stmts {
		for _, step := range explain(t, c, text) {
			if scansTable(step) {
				t.Errorf("%s\n%s", step, text)
			}
		}
	}
}

// writeEverything makes the writer prepare each of its statements.
func writeEverything(t *testing.T, s *Store, clock *atomic.Int64) {
	t.Helper()
	ctx := t.Context()
	commit := func(b *store.Batch) {
		t.Helper()
		if _, err := s.Commit(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	ref := slotRecord(1).Ref()
	changed := slotRecord(1)
	changed.Index.X, changed.Index.S = changed.Index.X[3:], []search.SortKey{{Param: "status", Value: "other"}}
	changed.Index.D = []search.Span{{Param: "start", Lo: 1, Hi: 1 << 40}}
	commit(&store.Batch{
		Ops: []store.Op{store.Put{Record: changed}, store.Delete{Ref: ref}, store.Claim{Slot: "a", Owner: "b", Until: time.UnixMilli(2)}, store.Release{Slot: "a", Owner: "b"},
			store.AuxPut{Kind: "k", Key: "a", Expires: time.UnixMilli(2)}, store.AuxPut{Kind: "k", Key: "a", If: store.Condition{Version: 1}}, store.AuxDelete{Kind: "k", Key: "b"}},
		Guards: []store.Guard{store.VersionGuard{Ref: ref, Version: 1}, store.NoMatch{Query: &search.Query{Type: "Slot", Where: search.Has("nothing")}},
			store.NoMatch{Query: &search.Query{Type: "Slot", Where: search.And{search.Has("status:free"), search.Has("status:busy")}}}},
		Idem: &store.Idem{Keys: []string{"k"}, Hash: "h", Keep: time.Hour},
	})
	if err := s.Reindex(ctx, "Slot", "", func(*store.Record) (search.Index, error) { return changed.Index, nil }, nil); err != nil {
		t.Fatal(err)
	}
	clock.Add(int64(sweepGrace/time.Millisecond) * 2)
	commit(&store.Batch{Ops: []store.Op{store.Release{Slot: "a", Owner: "b"}}}) // and a sweep after it
	for _, r := range []store.PurgeRequest{{Type: ref.Type, ID: ref.ID}, {}} {
		r.Before, r.By = s.now(), []byte("{}")
		if _, err := s.Purge(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
}

func callEverything(t *testing.T, s *Store, n int64) {
	t.Helper()
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	all := &search.Query{Type: "Slot"}
	for _, q := range []*search.Query{
		freeSlots(n), patientAppointments(), all,
		{Type: "Slot", Sort: []search.Sort{{Param: "start"}}}, {Type: "Slot", Sort: []search.Sort{{Param: "_lastUpdated", Desc: true}}},
		{Type: "Slot", Sort: []search.Sort{{Param: "status", Desc: true}, {Param: "start"}}},
		{Type: "Slot", Where: search.Has("status:free"), Sort: []search.Sort{{Param: "start", Desc: true}}},
		{Type: "Slot", Where: search.Prefix("schedule:Schedule/d1"), Sort: []search.Sort{{Param: "start"}}},
		{Type: "Slot", Where: search.IDs{slotRecord(1).ID}}, {Type: "Slot", Where: search.Not{Node: search.Has("status:free")}},
		{Type: "Appointment", Where: search.Date{Param: "date", Op: search.Le, Lo: 300, Hi: 300}},
		{Type: "Appointment", Where: search.HasAny{"patient:Patient/p100", "a", "b", "c", "d"}, Sort: []search.Sort{{Param: "_lastUpdated"}}},
	} {
		page, err := s.Search(ctx, q)
		check(err)
		if len(page.Records) == 0 {
			t.Fatalf("nothing found: %+v", q)
		}
		if page.Next != "" {
			next := *q
			next.Cursor = page.Next
			_, err = s.Search(ctx, &next)
			check(err)
		}
		_, _, err = s.Count(ctx, q, 10)
		check(err)
	}
	for _, scope := range []store.Ref{{}, {Type: "Slot"}, {Type: "Slot", ID: slotRecord(3).ID}} {
		page, err := s.History(ctx, scope, time.Time{}, 10, "")
		check(err)
		if page.Next != "" {
			_, err = s.History(ctx, scope, time.Time{}, 10, page.Next)
			check(err)
		}
	}
	_, err := s.Changes(ctx, "", 10, 0)
	check(err)
	_, err = s.Counts(ctx)
	check(err)
	_, err = s.Explain(ctx, freeSlots(n))
	check(err)
	_, err = s.GetMany(ctx, []store.Ref{{Type: "Slot", ID: slotRecord(1).ID}, {Type: "Slot", ID: slotRecord(2).ID}})
	check(err)
	_, err = s.GetVersion(ctx, store.Ref{Type: "Slot", ID: slotRecord(1).ID}, 1)
	check(err)
	for _, kind := range []string{"claim", "link"} {
		_, err = s.AuxGet(ctx, kind, []string{"a"})
		check(err)
		_, err = s.AuxScan(ctx, kind, "a", "", 10)
		check(err)
	}
}

func explain(t *testing.T, c *conn, text string) (steps []string) {
	t.Helper()
	switch verb, _, _ := strings.Cut(text, " "); verb {
	case "SELECT", "WITH", "INSERT", "UPDATE", "DELETE":
	default:
		return nil
	}
	apart := &conn{c: c.c, stmts: map[string]*statement{}} // its statements are none of those looked at
	defer apart.forget()
	err := apart.each(t.Context(), `EXPLAIN QUERY PLAN `+text, make([]any, strings.Count(text, "?")), func(scan func(...any) error) error {
		var id, parent, unused int
		var detail string
		err := scan(&id, &parent, &unused, &detail)
		steps = append(steps, detail)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

// scansTable knows a table by its name and by the aliases that statements use.
func scansTable(step string) bool {
	for _, table := range []string{"res", "r", "hist", "x", "xd", "xs", "xw", "d", "e", "i", "w", "term", "who", "claim", "aux", "feed", "f", "h"} {
		if step == "SCAN "+table || strings.HasPrefix(step, "SCAN "+table+" ") {
			return true
		}
	}
	return false
}

// bothWays shows that the store is large enough for both ways of finding
// matches: driven by the rarest term, and walking an index in order.
func bothWays(t *testing.T, s *Store, n int64) {
	t.Helper()
	err := s.read(t.Context(), "test", func(c *conn) error {
		for _, want := range []struct {
			query *search.Query
			walk  bool
		}{
			{&search.Query{Type: "Slot", Where: search.Has("status:free"), Sort: []search.Sort{{Param: "start"}}}, true},
			{&search.Query{Type: "Slot", Sort: []search.Sort{{Param: "start"}}}, true},
			{freeSlots(n), false},
			{patientAppointments(), false},
			{&search.Query{Type: "Slot", Where: search.IDs{slotRecord(1).ID}}, false},
		} {
			p, err := newPlanner(t.Context(), c, want.query)
			if err != nil {
				return err
			}
			o, err := p.order(t.Context(), want.query.Sort)
			if err != nil {
				return err
			}
			walk, err := p.walks(t.Context(), o, 51)
			if err != nil {
				return err
			}
			if _, byStart := p.byStart(o); walk || byStart != want.walk && byStart {
				walk = true
			}
			if walk != want.walk {
				t.Errorf("%+v: walks %v", want.query, walk)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
