package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// Cost is a query, and whether an engine refuses it on more records than it looks
// through.
type Cost struct {
	Query  *search.Query
	Refuse bool
}

// RunCosts holds an engine to refuse what would look through too many records,
// by every call that searches, and no more. open makes an empty store that looks
// through 5. more are the engine's own queries of type Slot.
func RunCosts(t *testing.T, open func(t *testing.T) store.Store, more map[string]Cost) {
	costly := search.Not{Node: search.Has("status:busy")}
	where := func(n search.Node, refuse bool) Cost { return Cost{&search.Query{Type: "Slot", Where: n}, refuse} }
	all := map[string]Cost{
		"not":                 where(costly, true),
		"or":                  where(search.Or{search.Has("status:free"), search.Has("status:busy")}, true),
		"not, of a caller":    where(search.And{search.Has("@org:A1001"), costly}, true),
		"all of a caller":     where(search.Has("@org:A1001"), false),
		"everything":          where(nil, false),
		"an entry":            where(search.And{costly, search.Has("status:free")}, false),
		"when it was written": where(search.And{costly, search.Updated{Op: search.Ge}}, false),
	}
	for name, c := range more {
		all[name] = c
	}
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			fill(t, s, 0, 5)
			for what, err := range searches(t, s, c.Query) {
				if errors.Is(err, store.ErrTooCostly) {
					t.Errorf("%s on few records: %v", what, err)
				}
			}
			fill(t, s, 5, 6)
			for what, err := range searches(t, s, c.Query) {
				refused := errors.Is(err, store.ErrTooCostly)
				if len(c.Query.Sort) > 0 && what != "Search" && what != "Explain" {
					continue // they sort nothing
				}
				if refused != c.Refuse {
					t.Errorf("%s on many records: %v", what, err)
				}
			}
		})
	}
}

func fill(t *testing.T, s store.Store, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		r := &store.Record{Type: "Slot", ID: fmt.Sprint("s", i), Method: "POST", Body: []byte("{}"), Index: search.Index{
			X: []string{"@org:A1001", "status:free"}, D: []search.Span{{Param: "start", Lo: int64(i), Hi: int64(i)}, {Param: "made", Lo: int64(i), Hi: int64(i)}}}}
		if _, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: r}}}); err != nil {
			t.Fatal(err)
		}
	}
}

func searches(t *testing.T, s store.Store, q *search.Query) map[string]error {
	_, searched := s.Search(t.Context(), q)
	_, _, counted := s.Count(t.Context(), q, 10)
	_, explained := s.Explain(t.Context(), q)
	_, guarded := s.Commit(t.Context(), &store.Batch{Guards: []store.Guard{store.NoMatch{Query: q}}})
	return map[string]error{"Search": searched, "Count": counted, "Explain": explained, "NoMatch": guarded}
}
