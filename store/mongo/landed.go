package mongo

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/store"
)

// Every document carries in w the write that made it, and a superseded version
// keeps its own. So a write whose answer was lost is found again, and another's is
// never taken for it.

// traces are where a write can be found: current documents by collection, and the
// versions in hist.
type traces struct {
	s       *Store
	write   primitive.ObjectID
	current map[*mongo.Collection]bson.A
	records bson.A // keys of the versions
	old     bson.A // their ids in hist
}

func (s *Store) tracesOf(write primitive.ObjectID) *traces {
	return &traces{s: s, write: write, current: map[*mongo.Collection]bson.A{}}
}

func (t *traces) at(c *mongo.Collection, id string) { t.current[c] = append(t.current[c], id) }

func (t *traces) version(ref store.Ref, ver int64) {
	t.at(t.s.res, ref.String())
	t.records, t.old = append(t.records, ref.String()), append(t.old, histID(ref, ver))
}

// found says whether any of them is there: a write is there whole or not at all.
// The current documents are looked at before the superseded ones, so that a
// version that goes there meanwhile isn't missed.
func (t *traces) found(ctx context.Context) (bool, error) {
	ours := bson.E{Key: "w", Value: t.write}
	for _, c := range []*mongo.Collection{t.s.res, t.s.claim, t.s.aux} {
		if was, err := met(ctx, c, t.current[c], ours); was || err != nil {
			return was, err
		}
	}
	if len(t.old) == 0 {
		return false, nil
	}
	return met(ctx, t.s.hist, t.old, bson.E{Key: "k", Value: bson.D{{Key: "$in", Value: t.records}}}, ours)
}

func met(ctx context.Context, c *mongo.Collection, ids bson.A, and ...bson.E) (bool, error) {
	if len(ids) == 0 {
		return false, nil
	}
	where := append(bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}, and...)
	err := c.FindOne(ctx, where, options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	return err == nil, err
}
