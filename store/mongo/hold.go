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

// hold is one slot part taken without a transaction: one upsert that matches
// where the part may be had. Where it is another's the upsert tries to insert and
// fails on the _id.
type hold struct {
	s     *Store
	op    store.Claim
	now   int64
	write primitive.ObjectID
	part  *part // as it is to be
}

func (s *Store) hold(ctx context.Context, op store.Claim) error {
	w := &hold{s: s, op: op, now: s.now().UnixMilli(), write: primitive.NewObjectID(),
		part: &part{id: claimID(op.Slot, op.Part), slot: op.Slot, number: op.Part}}
	if err := w.part.claim(0, op, w.now); err != nil {
		return err
	}
	return s.persist(ctx, w)
}

func (w *hold) try(ctx context.Context, f *fate) error {
	may := bson.A{
		bson.D{{Key: "exp", Value: bson.D{{Key: "$lte", Value: primitive.DateTime(w.now)}}}},
		bson.D{{Key: "owner", Value: w.op.Owner}},
	}
	if w.op.Predecessor != "" {
		may = append(may, bson.D{{Key: "owner", Value: w.op.Predecessor}})
	}
	where := append(byID(w.part.id), bson.E{Key: "$or", Value: may})
	_, err := w.s.claim.ReplaceOne(ctx, where, w.part.document(w.now, w.write), options.Replace().SetUpsert(true))
	f.heard(err)
	if !duplicate(err) {
		return err
	}
	raw, err := w.s.claim.FindOne(ctx, byID(w.part.id)).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return errAgain
	}
	if err != nil {
		return err
	}
	var standing part
	standing.read(raw)
	if err := standing.claim(0, w.op, w.now); err != nil {
		return err
	}
	return errAgain // two inserts met, and it may be had after all
}

func (w *hold) landed(ctx context.Context) (bool, error) {
	t := w.s.tracesOf(w.write)
	t.at(w.s.claim, w.part.id)
	return t.found(ctx)
}

// lasting: the part may be another's by now.
func (w *hold) lasting() bool { return false }

func (w *hold) fence(ctx context.Context) error { return fence(ctx, w.s.claim, w.part.id) }
