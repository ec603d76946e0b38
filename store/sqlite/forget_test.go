package sqlite_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
	"github.com/onward-health/onward/store/storetest"
)

// Ensure that a text of the index, which may be a name or a number of a patient,
// goes with the last record that had it, and what said who made a version with the
// last version.
func TestNothingOfARecordOutlivesIt(t *testing.T) {
	clock := storetest.NewClock()
	s := open(t, ":memory:", sqlite.Options{Now: clock.Now})
	person := func(id, number string, more ...string) *store.Record {
		return &store.Record{Type: "Patient", ID: id, Method: "PUT", Body: []byte("{}"), By: []byte(`{"who":"` + id + `"}`), Index: search.Index{
			X: append([]string{"identifier=urn:n|" + number, "!identifier", "gender:female"}, more...),
			D: []search.Span{{Param: "birthdate", Lo: 1, Hi: 2}, {Param: "value$" + number, Lo: 1, Hi: 2}},
			S: []search.SortKey{{Param: "family", Value: number}}}}
	}
	rows := func() string {
		return fmt.Sprint(sqlite.Rows(t, s, "term"), sqlite.Rows(t, s, "x"), sqlite.Rows(t, s, "xd"), sqlite.Rows(t, s, "xs"), sqlite.Rows(t, s, "who"))
	}
	for i, step := range []struct {
		ops  []store.Op
		want string // terms, x, xd, xs, authors
	}{
		// Terms: identifier, shape, gender, birthdate, value$1, the parameter family and its value.
		{[]store.Op{store.Put{Record: person("a", "1")}}, "7 3 2 1 1"},
		{[]store.Op{store.Put{Record: person("b", "2")}}, "10 6 4 2 2"},
		{[]store.Op{store.Put{Record: person("a", "3")}}, "10 6 4 2 3"},                                                                                      // 1 has gone, 3 come
		{[]store.Op{store.Put{Record: person("a", "4", "x:y")}, store.Put{Record: person("a", "5")}}, "10 6 4 2 4"},                                          // 4 came and went in one batch
		{[]store.Op{store.Put{Record: person("a", "2")}}, "7 6 4 2 5"},                                                                                       // as b
		{[]store.Op{store.Delete{Ref: store.Ref{Type: "Patient", ID: "b"}, By: []byte(`{"who":"c"}`)}}, "7 3 2 1 6"},                                         // a has all of it
		{[]store.Op{store.Put{Record: person("a", "2", "x:y")}, store.Put{Record: person("c", "9")}, store.Delete{Ref: person("a", "").Ref()}}, "7 3 2 1 8"}, // a's go
	} {
		commit(t, s, step.ops...)
		if got := rows(); got != step.want {
			t.Fatalf("step %d: got %s, want %s", i, got, step.want)
		}
		clock.Move(time.Second)
	}
	commit(t, s, store.Delete{Ref: store.Ref{Type: "Patient", ID: "c"}})
	clock.Move(time.Second)
	if _, err := s.Purge(t.Context(), store.PurgeRequest{Before: clock.Now(), By: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	if got := rows(); got != "1 0 0 0 0" { // the name of a parameter
		t.Errorf("after the purge: %s", got)
	}
}

// Ensure that a batch that fails leaves no term behind, and that the next knows.
func TestTermsOfABatchThatFailedAreMadeAgain(t *testing.T) {
	s := open(t, ":memory:", sqlite.Options{})
	r := &store.Record{Type: "Slot", ID: "s", Method: "PUT", Body: []byte("{}"), By: []byte("{}"), Index: search.Index{X: []string{"a:b", "!a"}}}
	taken := store.Claim{Slot: "s", Owner: "Appointment/a"}
	commit(t, s, taken)
	for range 2 {
		_, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: r}, store.Claim{Slot: "s", Owner: "Appointment/b"}}})
		if err == nil || sqlite.Rows(t, s, "term") != 0 || sqlite.Rows(t, s, "who") != 0 {
			t.Fatalf("%v, %d terms", err, sqlite.Rows(t, s, "term"))
		}
	}
	commit(t, s, store.Put{Record: r})
	page, err := s.Search(t.Context(), &search.Query{Type: "Slot", Where: search.And{search.Has("a:b"), search.Has("!a")}})
	must(t, err)
	if len(page.Records) != 1 || string(page.Records[0].By) != "{}" {
		t.Errorf("got %d", len(page.Records))
	}
}

// Ensure that searches by start are right while all records have one start, and
// go on being right when one comes that has none or several.
func TestSearchesByStartHoldWhenARecordHasNone(t *testing.T) {
	for name, odd := range map[string][]search.Span{
		"none":    nil,
		"several": {{Param: "start", Lo: 25, Hi: 26}, {Param: "start", Lo: 500, Hi: 510}},
	} {
		s := open(t, ":memory:", sqlite.Options{})
		put := func(id string, spans []search.Span) {
			commit(t, s, store.Put{Record: &store.Record{Type: "Slot", ID: id, Method: "PUT", Body: []byte("{}"), Index: search.Index{X: []string{"a:b", "c:" + id}, D: spans}}})
		}
		ask := func(where search.Node, desc bool) string {
			out := ""
			q := &search.Query{Type: "Slot", Where: where, Sort: []search.Sort{{Param: "start", Desc: desc}}, Count: 2}
			for {
				page, err := s.Search(t.Context(), q)
				must(t, err)
				for _, r := range page.Records {
					out += r.ID
				}
				if q.Cursor = page.Next; q.Cursor == "" {
					return out
				}
			}
		}
		at := func(op search.Op, t int64) search.Node { return search.Date{Param: "start", Op: op, Lo: t, Hi: t} }
		check := func(when string, want map[string]search.Node) {
			t.Helper()
			for ids, where := range want {
				if got := ask(where, false); got != ids {
					t.Errorf("%s, %s: got %s, want %s", name, when, got, ids)
				}
			}
		}
		for i, id := range []string{"d", "b", "e"} {
			put(id, []search.Span{{Param: "start", Lo: int64(10 * (i + 1)), Hi: int64(10*(i+1) + 5)}})
		}
		check("before", map[string]search.Node{
			"dbe": search.Has("a:b"),
			"be":  search.And{search.Has("a:b"), at(search.Ge, 16)}, // b's time runs from 20 to 25
			"e":   search.And{search.HasAny{"a:b"}, at(search.Gt, 25)},
			"db":  search.And{search.Has("a:b"), at(search.Le, 20)},
			"d":   search.And{search.Has("a:b"), at(search.Eb, 20)},
			"b":   search.And{search.Has("a:b"), at(search.Ge, 20), at(search.Lt, 30)},
		})
		put("a", odd)
		put("d", []search.Span{{Param: "start", Lo: 40, Hi: 45}})
		want := map[string]search.Node{
			"beda": search.Has("a:b"),
			"ed":   search.And{search.Has("a:b"), at(search.Gt, 26)},
			"a":    search.And{search.Has("a:b"), search.Not{Node: at(search.Ge, 0)}},
		}
		if odd != nil {
			want = map[string]search.Node{
				"baed": search.Has("a:b"),
				"aed":  search.And{search.Has("a:b"), at(search.Gt, 26)},
				"ba":   search.And{search.Has("a:b"), at(search.Lt, 30)},
			}
		}
		check("after", want)
	}
}

// Ensure that expired documents go as fast as they come, and not by a fixed number
// a minute.
func TestSweepingKeepsUpWithWhatExpires(t *testing.T) {
	clock := storetest.NewClock()
	s := open(t, ":memory:", sqlite.Options{Now: clock.Now})
	for i := range 5 {
		var ops []store.Op
		for n := range 900 {
			ops = append(ops, store.AuxPut{Kind: "x", Key: fmt.Sprint(i, "-", n), Expires: clock.Now().Add(time.Second)})
		}
		commit(t, s, ops...)
	}
	clock.Move(25 * time.Hour)
	for range 12 {
		commit(t, s, store.AuxPut{Kind: "x", Key: "last"})
		clock.Move(time.Second)
	}
	commit(t, s, store.AuxPut{Kind: "x", Key: "last"}) // the sweep before it has ended
	if n := sqlite.Rows(t, s, "aux WHERE kind = 'x'"); n != 1 {
		t.Errorf("%d documents are left", n)
	}
}

// Ensure that what a reindexing has read leaves nothing behind where the record was
// written meanwhile.
func TestAReindexingThatComesLateLeavesNothing(t *testing.T) {
	s := open(t, ":memory:", sqlite.Options{})
	person := func(number string) *store.Record {
		return &store.Record{Type: "Patient", ID: "a", Method: "PUT", Body: []byte("{}"), Index: search.Index{
			X: []string{"identifier=urn:n|" + number}, D: []search.Span{{Param: "value$" + number, Lo: 1, Hi: 2}}, S: []search.SortKey{{Param: "family", Value: number}}}}
	}
	commit(t, s, store.Put{Record: person("1")})
	before := sqlite.Rows(t, s, "term")
	must(t, s.Reindex(t.Context(), "Patient", "", func(*store.Record) (search.Index, error) {
		commit(t, s, store.Put{Record: person("2")})
		return person("1").Index, nil
	}, nil))
	if n := sqlite.Rows(t, s, "term"); n != before {
		t.Errorf("%d terms, there were %d", n, before)
	}
	page, err := s.Search(t.Context(), &search.Query{Type: "Patient", Where: search.Has("identifier=urn:n|2"), Sort: []search.Sort{{Param: "family"}}})
	must(t, err)
	if len(page.Records) != 1 {
		t.Errorf("%d records", len(page.Records))
	}
}
