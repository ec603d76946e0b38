package mongo_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// A server takes bounds of an index from conditions that must hold, not from
// alternatives. So the second page of every list that an index orders begins, by
// such a condition, where the first has ended, and a list by id keeps to its type.
func TestAPageBeginsWhereTheLastHasEnded(t *testing.T) {
	fake, s := scene(t)
	for i := range 3 {
		r := slot(fmt.Sprint("t", i), "")
		r.Index.D = []search.Span{{Param: "start", Lo: int64(i), Hi: int64(i)}}
		for range 2 { // so that hist has as many
			_, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: r}}})
			require.NoError(t, err)
		}
	}
	// holds says that a condition at the top gives the field a bound.
	holds := func(filter bson.Raw, field, bound string) bool {
		elements, err := filter.Elements()
		require.NoError(t, err)
		for _, e := range elements {
			if doc, is := e.Value().DocumentOK(); is && e.Key() == field && doc.Lookup(bound).Type != 0 {
				return true
			}
		}
		return false
	}
	for _, row := range []struct {
		by           []search.Sort
		field, bound string
	}{
		{nil, "_id", "$gte"},
		{[]search.Sort{{Param: "_id", Desc: true}}, "_id", "$lt"},
		{[]search.Sort{{Param: "_lastUpdated"}}, "lu", "$gte"},
		{[]search.Sort{{Param: "_lastUpdated", Desc: true}}, "lu", "$lte"},
		{[]search.Sort{{Param: "start"}}, "d.start.lo", "$gte"},
		{[]search.Sort{{Param: "start", Desc: true}, {Param: "_id", Desc: true}}, "d.start.lo", "$lte"},
	} {
		q := search.Query{Type: "Slot", Sort: row.by, Count: 1}
		page, err := s.Search(t.Context(), &q)
		require.NoError(t, err)
		q.Cursor = page.Next
		fake.Record()
		_, err = s.Search(t.Context(), &q)
		require.NoError(t, err)
		require.True(t, holds(fake.Log()[0].Doc.Lookup("filter").Document(), row.field, row.bound), "%v: %v", row.by, fake.Log()[0].Doc)
	}
	for _, scope := range []store.Ref{{}, {Type: "Slot"}} {
		page, err := s.History(t.Context(), scope, time.Time{}, 1, "")
		require.NoError(t, err)
		fake.Record()
		_, err = s.History(t.Context(), scope, time.Time{}, 1, page.Next)
		require.NoError(t, err)
		for _, c := range fake.Log()[:2] {
			require.True(t, holds(c.Doc.Lookup("filter").Document(), "lu", "$lte"), "%v", c.Doc)
		}
	}
}

// A list in the order of a date has those without one last, for whom a server must
// look through the rest of the type; a query that asks for the date has none.
func TestNobodyLooksForWhatTheQueryExcludes(t *testing.T) {
	fake, s := scene(t)
	r := slot("dated", "")
	r.Index.D = []search.Span{{Param: "start", Lo: 5, Hi: 5}}
	_, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: r}}})
	require.NoError(t, err)
	q := search.Query{Type: "Slot", Sort: []search.Sort{{Param: "start"}}}
	for _, row := range []struct {
		where        search.Node
		finds, found int
	}{
		{nil, 2, 2},
		{search.Date{Param: "end", Op: search.Ge, Lo: 1, Hi: 1}, 2, 0},
		{search.Or{search.Has("status:free"), search.Date{Param: "start", Op: search.Ge, Lo: 1, Hi: 1}}, 2, 2},
		{search.And{search.Date{Param: "start", Op: search.Ge, Lo: 1, Hi: 1}}, 1, 1},
		{search.Date{Param: "start", Op: search.Ne, Lo: 1, Hi: 1}, 1, 1},
	} {
		q.Where = row.where
		_, err := s.Search(t.Context(), &q) // which learns that start is a date
		require.NoError(t, err)
		fake.Hook(nil)
		page, err := s.Search(t.Context(), &q)
		require.NoError(t, err)
		require.Equal(t, row.finds, fake.Count("find"), "%v", row.where)
		require.Len(t, page.Records, row.found, "%v", row.where)
	}
}
