package mongo

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// affordable refuses to look through all records of a large type, because no
// condition but the room's own is one that an index knows, or to sort them all by
// what none knows. Without either the first records are the answer.
func (s *Store) affordable(ctx context.Context, q *search.Query, o order) error {
	terms := kit.Asked(kit.Flatten(q.Where, nil))
	if s.most < 0 || len(terms) == 0 && o.indexed() {
		return nil
	}
	for _, term := range terms {
		if indexed(term) {
			return nil
		}
	}
	n, err := s.res.CountDocuments(ctx, bson.D{{Key: "t", Value: q.Type}}, options.Count().SetLimit(int64(s.most)+1))
	if err == nil && n > int64(s.most) {
		err = store.ErrTooCostly
	}
	return err
}

// indexed says that an index gives bounds to the condition. Of dates only the
// start has one (see indexes).
func indexed(n search.Node) bool {
	switch n := n.(type) {
	case search.Has, search.HasAny, search.Prefix, search.IDs:
		return true
	case search.Date:
		return n.Param == "start" && n.Op != search.Ne
	case search.Updated:
		return n.Op != search.Ne
	}
	return false
}

// indexed says that an index has the whole order: it is read in either direction,
// but its fields don't turn one by one.
func (o order) indexed() bool {
	if len(o.keys) != 1 {
		return len(o.keys) == 0
	}
	first := o.keys[0]
	return first.path == "lu" || first.path == "d.start.lo" && first.desc == o.idDesc
}
