package mongo_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/mongo"
	"github.com/onward-health/onward/store/mongo/fakereplset"
)

func TestAQueryThatNoIndexAnswersIsRefusedOnManyRecords(t *testing.T) {
	fill := func(s store.Store, from, to int) {
		for i := range to - from {
			r := &store.Record{Type: "Slot", ID: fmt.Sprint("s", from+i), Method: "POST", Body: []byte("{}"), Index: search.Index{X: []string{"@org:A1001", "status:free"}}}
			_, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: r}}})
			require.NoError(t, err)
		}
	}
	costly := search.Not{Node: search.Has("status:busy")}
	for name, c := range map[string]struct {
		where  search.Node
		refuse bool
	}{
		"not":                 {costly, true},
		"or":                  {search.Or{search.Has("status:free"), search.Has("status:busy")}, true},
		"not, of a caller":    {search.And{search.Has("@org:A1001"), costly}, true},
		"all of a caller":     {search.Has("@org:A1001"), false},
		"everything":          {nil, false},
		"an entry":            {search.And{costly, search.Has("status:free")}, false},
		"when it was written": {search.And{costly, search.Updated{Op: search.Ge}}, false},
	} {
		s := open(t, serve(t, fakereplset.Options{}).URI(), mongo.Options{MaxScan: 5})
		fill(s, 0, 5)
		q := &search.Query{Type: "Slot", Where: c.where}
		ask := func() []error {
			_, err := s.Search(t.Context(), q)
			_, _, err2 := s.Count(t.Context(), q, 10)
			_, err3 := s.Explain(t.Context(), q)
			_, err4 := s.Commit(t.Context(), &store.Batch{Guards: []store.Guard{store.NoMatch{Query: q}}})
			return []error{err, err2, err3, err4}
		}
		for i, err := range ask() {
			if errors.Is(err, store.ErrTooCostly) {
				t.Errorf("%s: call %d on few records: %v", name, i, err)
			}
		}
		fill(s, 5, 6)
		for i, err := range ask() {
			if errors.Is(err, store.ErrTooCostly) != c.refuse {
				t.Errorf("%s: call %d on many records: %v", name, i, err)
			}
		}
	}
}
