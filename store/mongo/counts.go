package mongo

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/onward-health/onward/store"
)

// countTime bounds the counting of one type.
const countTime = 60 * time.Second

// Counts implements store.Store. It counts in the indexes, because a counter that
// every commit writes would make commits wait for each other. The copy that an
// interrupted write has left in hist is counted until the record's next write.
func (s *Store) Counts(ctx context.Context) (map[string]store.Count, error) {
	all := map[string]store.Count{}
	for typ := ""; ; {
		next, err := s.typeAfter(ctx, typ)
		if err != nil {
			return nil, err
		}
		if next == "" {
			return all, nil
		}
		if all[next], err = s.countType(ctx, next); err != nil {
			return nil, err
		}
		typ = next
	}
}

func (s *Store) countType(ctx context.Context, typ string) (store.Count, error) {
	in, leave, err := s.enter(ctx, countTime)
	if err != nil {
		return store.Count{}, err
	}
	defer leave()
	all, deleted, err := s.countRecords(in, typ)
	if err != nil {
		return store.Count{}, fault(ctx, "count records", err)
	}
	old, err := s.hist.CountDocuments(in, bson.D{{Key: "t", Value: typ}})
	return store.Count{Live: all - deleted, Versions: all + old}, fault(ctx, "count records", err)
}

// countRecords counts those of a type and the deleted ones among them: no index
// tells of a record that it isn't deleted, and to read each would take too long.
func (s *Store) countRecords(ctx context.Context, typ string) (all, deleted int64, err error) {
	if all, err = s.res.CountDocuments(ctx, bson.D{{Key: "t", Value: typ}}); err != nil {
		return 0, 0, err
	}
	deleted, err = s.res.CountDocuments(ctx, bson.D{{Key: "t", Value: typ}, {Key: "del", Value: true}})
	return all, deleted, err
}
