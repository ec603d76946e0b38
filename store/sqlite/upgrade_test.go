package sqlite_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
	"github.com/onward-health/onward/store/storetest"
)

// TestAFileOfTheFirstSchemaGetsFeedAndCounters takes from a file what the first
// schema didn't have and opens it again.
func TestAFileOfTheFirstSchemaGetsFeedAndCounters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	clock := storetest.NewClock()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{Now: clock.Now})
	must(t, err)
	for i := range 5 {
		for _, typ := range []string{"Slot", "Schedule"} {
			r := &store.Record{Type: typ, ID: fmt.Sprint(i % 2), Method: "PUT", Body: []byte("{}")}
			_, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: r}}})
			must(t, err)
		}
		clock.Move(time.Second)
	}
	_, err = s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Delete{Ref: store.Ref{Type: "Slot", ID: "1"}}}})
	must(t, err)
	longDocuments(t, s)
	want := tell(t, s)
	must(t, s.Close())
	toSchemaThree(t, path)
	db, err := sql.Open("sqlite", path)
	must(t, err)
	for _, text := range []string{`DROP TABLE feed`, `DROP INDEX res_del`, `ALTER TABLE types DROP COLUMN live`, `ALTER TABLE types DROP COLUMN versions`, `PRAGMA user_version = 1`} {
		_, err := db.Exec(text)
		must(t, err)
	}
	must(t, db.Close())
	if got := tell(t, open(t, path, sqlite.Options{Now: clock.Now})); got != want {
		t.Errorf("want %s\ngot  %s", want, got)
	}
}

// tell is what a store says by its feed and counters.
func tell(t *testing.T, s *sqlite.Store) string {
	t.Helper()
	page, err := s.Changes(t.Context(), "", 0, 0)
	must(t, err)
	counts, err := s.Counts(t.Context())
	must(t, err)
	return fmt.Sprint(page.List, counts)
}

// Ensure that a file of the third schema holds the same afterwards: versions,
// authors, index entries, claims, documents, feed and counters, and that what it
// finds is what it found.
func TestAFileOfTheThirdSchemaIsMigratedWithAllThatItHolds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	clock := storetest.NewClock()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{Now: clock.Now})
	must(t, err)
	_, err = storetest.Fill(t.Context(), s, clock)
	must(t, err)
	for i := range 30 { // several starts, none, and texts that look like others
		r := &store.Record{Type: "Slot", ID: fmt.Sprint("m", i), Method: "PUT", Body: []byte("{}"), By: []byte(fmt.Sprintf(`{"n":%d}`, i%7)), Index: search.Index{
			X: []string{"!status", "identifier=urn:s|", fmt.Sprint("identifier=urn:s|", i), "a:b:c", "!odd\x01entry"},
			D: []search.Span{{Param: "start", Lo: int64(i), Hi: int64(i) + 5}, {Param: "value$mg", Lo: -5, Hi: search.MaxTime}},
			S: []search.SortKey{{Param: "a", Value: "b:c"}, {Param: "status", Value: ""}}}}
		if i%10 == 0 {
			r.Index.D = append(r.Index.D, search.Span{Param: "start", Lo: 1, Hi: 2})
		}
		for range 1 + i%3 {
			_, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: r}}})
			must(t, err)
		}
	}
	longDocuments(t, s)
	sum := func(s *sqlite.Store) string {
		d, err := store.Sum(t.Context(), s, clock.Now(), "", 0, func(store.CopyStep) {})
		must(t, err)
		found := ""
		for _, q := range []*search.Query{
			{Type: "Slot", Where: search.Has("!status"), Sort: []search.Sort{{Param: "start"}}},
			{Type: "Slot", Where: search.Has("identifier=urn:s|"), Sort: []search.Sort{{Param: "a"}}},
			{Type: "Slot", Where: search.Prefix("identifier=urn:s|1")},
		} {
			page, err := s.Search(t.Context(), q)
			must(t, err)
			for _, r := range page.Records {
				found += r.ID + " "
			}
			found += "\n"
		}
		return fmt.Sprint(d.Sum(), d.Versions, d.Claims, d.Documents, "\n", found, tell(t, s))
	}
	want := sum(s)
	must(t, s.Close())
	toSchemaThree(t, path)
	s = open(t, path, sqlite.Options{Now: clock.Now})
	if got := sum(s); got != want {
		t.Errorf("want %s\ngot  %s", want, got)
	}
	faults, err := s.CheckFile(t.Context())
	must(t, err)
	if len(faults) > 0 {
		t.Error(faults)
	}
}

// longDocuments puts documents that schema 3 kept otherwise.
func longDocuments(t *testing.T, s *sqlite.Store) {
	t.Helper()
	for i, val := range []string{"\x00zero", "\x01one", strings.Repeat(`{"name":"value"}`, 100), "{}"} {
		commit(t, s, store.AuxPut{Kind: "k", Key: fmt.Sprint(i), Value: []byte(val)})
	}
}
