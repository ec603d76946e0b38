package mongo

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// persist calls try until it succeeds, meets a conflict or has failed
// maxAttempts times. Lost races (errAgain) don't count: somebody else got on.
// landed says whether an earlier try, whose answer was lost, was carried out;
// sent says that a write has gone out. The driver repeats a write by itself, so
// that the last answer may be a refusal although the first was lost.
func persist(ctx context.Context, try func() error, sent func() bool, landed func() (bool, error)) error {
	doubt, faults := false, 0
	for n := 0; ; n++ {
		err := try()
		if err == nil {
			return nil
		}
		if doubt && !away(err) {
			if was, asked := landed(); asked == nil && was {
				return nil
			}
		}
		again := errors.Is(err, errAgain)
		if !again && !passing[codeOf(err)] && !away(err) && !ambiguous(err) {
			return err
		}
		doubt = doubt || (!again && sent() && !unsent(err))
		if !again {
			faults++
		}
		if faults < maxAttempts && pause(ctx, n) == nil {
			continue
		}
		if doubt {
			return store.ErrUnknown
		}
		if again {
			return &DriverError{Doing: "commit", is: store.ErrUnavailable}
		}
		return err
	}
}

// single writes one record without a transaction: a new one with one insert,
// else the version that stands into hist under its own id (harmless if repeated
// or left over: it is a copy) and then the next over it, if it still stands.
func (s *Store) single(ctx context.Context, op store.Op) (*store.Result, error) {
	var done *store.Version
	var next *version
	now, write := s.now().UnixMilli(), primitive.NewObjectID()
	try := func() error {
		if next != nil { // an earlier try may have been carried out, and built upon since
			if was, err := s.landed(ctx, next, write); err != nil || was {
				return err
			}
		}
		st := &standing{}
		if put, is := op.(store.Put); !is || !put.If.Absent {
			raw, err := s.res.FindOne(ctx, byID(refOf(op).String()), options.FindOne().SetProjection(noIndex)).Raw()
			if err == nil {
				st = standingOf(raw)
			} else if !errors.Is(err, mongo.ErrNoDocuments) {
				return err
			}
		}
		v, err := judge(st, op, now, write)
		if err != nil {
			return err
		}
		done = v
		if st.next == nil {
			return nil // a tombstone stays as it is
		}
		next = st.next
		return s.replace(ctx, st, op)
	}
	err := persist(ctx, try, func() bool { return next != nil }, func() (bool, error) { return s.landed(ctx, next, write) })
	if err != nil {
		return nil, err
	}
	return &store.Result{Versions: []store.Version{*done}}, nil
}

func refOf(op store.Op) store.Ref {
	if put, is := op.(store.Put); is {
		return put.Record.Ref()
	}
	return op.(store.Delete).Ref
}

func judge(st *standing, op store.Op, now int64, write primitive.ObjectID) (*store.Version, error) {
	if put, is := op.(store.Put); is {
		return st.put(0, put, now, write)
	}
	return st.delete(0, op.(store.Delete), now, write)
}

func (s *Store) replace(ctx context.Context, st *standing, op store.Op) error {
	doc, err := st.next.document()
	if err != nil {
		return err
	}
	if st.found == nil {
		_, err := s.res.InsertOne(ctx, doc)
		if !duplicate(err) {
			return err
		}
		if put, is := op.(store.Put); !is || !put.If.Absent {
			return errAgain
		}
		raw, err := s.res.FindOne(ctx, byID(st.next.ref.String()), options.FindOne().SetProjection(bson.D{{Key: "v", Value: 1}})).Raw()
		if err != nil {
			return err
		}
		return kit.Conflict(store.Exists, 0, st.next.ref.String(), number(raw, "v"))
	}
	old, err := toHist(st.found)
	if err != nil {
		return err
	}
	if _, err := s.hist.InsertOne(ctx, old); duplicate(err) {
		if err := s.keepCopy(ctx, st, old); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	where := append(byID(st.next.ref.String()), bson.E{Key: "v", Value: st.next.ver - 1})
	done, err := s.res.ReplaceOne(ctx, where, doc)
	if err == nil && done.MatchedCount != 1 {
		return errAgain // it is judged afresh, and a Version asked for is then a conflict
	}
	return err
}

// keepCopy makes sure that the copy which is in hist already is of this very
// version: another may have been left by a write that met the record's purge. It
// is replaced only while this version stands.
func (s *Store) keepCopy(ctx context.Context, st *standing, old bson.Raw) error {
	ours := st.found.Lookup("w")
	where := bson.D{{Key: "_id", Value: old.Lookup("_id")}, {Key: "k", Value: old.Lookup("k")}}
	err := s.hist.FindOne(ctx, append(where, bson.E{Key: "w", Value: ours})).Err()
	if !errors.Is(err, mongo.ErrNoDocuments) {
		return err
	}
	err = s.res.FindOne(ctx, append(byID(st.next.ref.String()), bson.E{Key: "w", Value: ours})).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return errAgain
	}
	if err != nil {
		return err
	}
	_, err = s.hist.ReplaceOne(ctx, where, old, options.Replace().SetUpsert(true))
	return err
}

// landed looks for the version that this write made, current or superseded.
func (s *Store) landed(ctx context.Context, v *version, write primitive.ObjectID) (bool, error) {
	if v == nil {
		return false, nil
	}
	ours := bson.E{Key: "w", Value: write}
	err := s.res.FindOne(ctx, append(byID(v.ref.String()), ours)).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		err = s.hist.FindOne(ctx, append(byID(histID(v.ref, v.ver)), bson.E{Key: "k", Value: v.ref.String()}, ours)).Err()
	}
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	return err == nil, err
}

// hold takes one slot part without a transaction: one upsert that matches where
// the part may be had. Where it is another's the upsert tries to insert and
// fails on the _id.
func (s *Store) hold(ctx context.Context, op store.Claim) error {
	now, write := s.now().UnixMilli(), primitive.NewObjectID()
	p := &part{id: claimID(op.Slot, op.Part), slot: op.Slot, number: op.Part}
	if err := p.claim(0, op, now); err != nil {
		return err
	}
	may := bson.A{
		bson.D{{Key: "exp", Value: bson.D{{Key: "$lte", Value: primitive.DateTime(now)}}}},
		bson.D{{Key: "owner", Value: op.Owner}},
	}
	if op.Predecessor != "" {
		may = append(may, bson.D{{Key: "owner", Value: op.Predecessor}})
	}
	where := append(byID(p.id), bson.E{Key: "$or", Value: may})
	doc := p.document(now, write)
	try := func() error {
		_, err := s.claim.ReplaceOne(ctx, where, doc, options.Replace().SetUpsert(true))
		if !duplicate(err) {
			return err
		}
		raw, err := s.claim.FindOne(ctx, byID(p.id)).Raw()
		if errors.Is(err, mongo.ErrNoDocuments) {
			return errAgain
		}
		if err != nil {
			return err
		}
		var standing part
		standing.read(raw)
		if err := standing.claim(0, op, now); err != nil {
			return err
		}
		return errAgain // two inserts met, and it may be had after all
	}
	return persist(ctx, try, func() bool { return true }, func() (bool, error) {
		err := s.claim.FindOne(ctx, append(byID(p.id), bson.E{Key: "w", Value: write})).Err()
		if errors.Is(err, mongo.ErrNoDocuments) {
			return false, nil
		}
		return err == nil, err
	})
}
