package mongo

import (
	"cmp"
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// single is one record written without a transaction: a new one with one insert,
// else the version that stands into hist under its own id (harmless if repeated
// or left over: it is a copy) and then the next over it, if it still stands.
type single struct {
	s     *Store
	op    store.Op
	now   int64
	write primitive.ObjectID
	sent  *version       // last
	done  *store.Version // what it comes to
}

func (s *Store) single(ctx context.Context, op store.Op) (*store.Result, error) {
	w := &single{s: s, op: op, now: s.now().UnixMilli(), write: primitive.NewObjectID()}
	if err := s.persist(ctx, w); err != nil {
		return nil, err
	}
	return &store.Result{Versions: []store.Version{*w.done}}, nil
}

func (w *single) ref() store.Ref {
	if put, is := w.op.(store.Put); is {
		return put.Record.Ref()
	}
	return w.op.(store.Delete).Ref
}

// creates says that the record must not be there yet.
func (w *single) creates() bool {
	put, is := w.op.(store.Put)
	return is && put.If.Absent
}

func (w *single) try(ctx context.Context, f *fate) error {
	st := &standing{}
	if !w.creates() {
		raw, err := w.s.res.FindOne(ctx, byID(w.ref().String()), options.FindOne().SetProjection(noIndex)).Raw()
		if err == nil {
			st = standingOf(raw)
		} else if !errors.Is(err, mongo.ErrNoDocuments) {
			return err
		}
	}
	done, err := w.judge(st)
	if err != nil {
		return err
	}
	if st.next == nil {
		w.done = done
		return nil // a tombstone stays as it is
	}
	doc, err := st.next.document()
	if err != nil {
		return err
	}
	if st.found != nil {
		if err := w.keepOld(ctx, st); err != nil {
			return err
		}
	}
	w.sent, w.done = st.next, done
	if st.found == nil {
		return w.insert(ctx, f, doc)
	}
	err = w.replace(ctx, f, doc)
	if errors.Is(err, errAgain) {
		err = cmp.Or(w.dropOld(ctx, st), err)
	}
	return err
}

func (w *single) judge(st *standing) (*store.Version, error) {
	if put, is := w.op.(store.Put); is {
		return st.put(0, put, w.now, w.write)
	}
	return st.delete(0, w.op.(store.Delete), w.now, w.write)
}

func (w *single) insert(ctx context.Context, f *fate, doc bson.Raw) error {
	_, err := w.s.res.InsertOne(ctx, doc)
	f.heard(err)
	if !duplicate(err) {
		return err
	}
	if !w.creates() {
		return errAgain
	}
	raw, err := w.s.res.FindOne(ctx, byID(w.ref().String()), options.FindOne().SetProjection(bson.D{{Key: "v", Value: 1}})).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return errAgain // it was purged meanwhile
	}
	if err != nil {
		return err
	}
	return kit.Conflict(store.Exists, 0, w.ref().String(), number(raw, "v"))
}

func (w *single) replace(ctx context.Context, f *fate, doc bson.Raw) error {
	where := append(byID(w.ref().String()), bson.E{Key: "v", Value: w.sent.ver - 1})
	done, err := w.s.res.ReplaceOne(ctx, where, doc)
	f.heard(err)
	if err == nil && done.MatchedCount != 1 {
		return errAgain // it is judged afresh, and a Version asked for is then a conflict
	}
	return err
}

// landed looks for the version that was sent last: none that was sent before can
// have come true, since each asks for the version that stood.
func (w *single) landed(ctx context.Context) (bool, error) {
	t := w.s.tracesOf(w.write)
	t.version(w.ref(), w.sent.ver)
	return t.found(ctx)
}

func (w *single) lasting() bool { return true }

func (w *single) fence(ctx context.Context) error { return fence(ctx, w.s.res, w.ref().String()) }

// fence deletes what isn't there.
func fence(ctx context.Context, c *mongo.Collection, id string) error {
	_, err := c.DeleteOne(ctx, append(byID(id), bson.E{Key: "w", Value: ""}))
	return err
}

// dropOld removes the copy in hist of a version that didn't get superseded but
// purged; that of one which somebody else superseded is his too.
func (w *single) dropOld(ctx context.Context, st *standing) error {
	was, err := superseded(ctx, w.s.res, w.ref(), st.ver-1)
	if was || err != nil {
		return err
	}
	_, err = w.s.hist.DeleteOne(ctx, bson.D{{Key: "_id", Value: histID(w.ref(), st.ver-1)}, {Key: "k", Value: w.ref().String()}, {Key: "w", Value: st.found.Lookup("w")}})
	return err
}

// keepOld copies the version that stands to hist. Where a copy is there already,
// it is made sure that it is of this very version: another may have been left by a
// write that met the record's purge. It is replaced only while this version
// stands.
func (w *single) keepOld(ctx context.Context, st *standing) error {
	old, err := toHist(st.found)
	if err != nil {
		return err
	}
	_, err = w.s.hist.InsertOne(ctx, old)
	if !duplicate(err) {
		return err
	}
	ours := st.found.Lookup("w")
	where := bson.D{{Key: "_id", Value: old.Lookup("_id")}, {Key: "k", Value: old.Lookup("k")}}
	err = w.s.hist.FindOne(ctx, append(where, bson.E{Key: "w", Value: ours})).Err()
	if !errors.Is(err, mongo.ErrNoDocuments) {
		return err
	}
	err = w.s.res.FindOne(ctx, append(byID(w.ref().String()), bson.E{Key: "w", Value: ours})).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return errAgain
	}
	if err != nil {
		return err
	}
	_, err = w.s.hist.ReplaceOne(ctx, where, old, options.Replace().SetUpsert(true))
	return err
}
