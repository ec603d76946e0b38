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
