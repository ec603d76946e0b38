package mongo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// maxPage bounds the bodies of one answer, which ends early there.
const maxPage = 32 << 20

// noIndex leaves index entries on the server: records come back without.
var noIndex = bson.D{{Key: "x", Value: 0}, {Key: "d", Value: 0}, {Key: "s", Value: 0}}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, ref store.Ref) (*store.Record, error) {
	in, leave, err := s.enter(ctx, readTime)
	if err != nil {
		return nil, err
	}
	defer leave()
	return one(ctx, s.res.FindOne(in, byID(ref.String()), options.FindOne().SetProjection(noIndex)))
}

// GetVersion implements store.Store. The current version is looked at first: a
// version that is superseded meanwhile is in hist by then.
func (s *Store) GetVersion(ctx context.Context, ref store.Ref, version int64) (*store.Record, error) {
	in, leave, err := s.enter(ctx, readTime)
	if err != nil {
		return nil, err
	}
	defer leave()
	current := append(byID(ref.String()), bson.E{Key: "v", Value: version})
	r, err := one(ctx, s.res.FindOne(in, current, options.FindOne().SetProjection(noIndex)))
	if !errors.Is(err, store.ErrNotFound) {
		return r, err
	}
	r, err = one(ctx, s.hist.FindOne(in, append(byID(histID(ref, version)), bson.E{Key: "k", Value: ref.String()})))
	if err != nil {
		return nil, err
	}
	was, err := superseded(in, s.res, ref, version)
	if err != nil {
		return nil, fault(ctx, "read a record", err)
	}
	if !was {
		return nil, store.ErrNotFound
	}
	return r, nil
}

// superseded says that a record stands at a later version. What hist holds of
// others is no history: a write of one record that met the purge of that record and
// got no further has left it there. A version that takes its place in hist
// replaces it, and a purge removes it.
func superseded(ctx context.Context, res *mongo.Collection, ref store.Ref, version int64) (bool, error) {
	later := append(byID(ref.String()), bson.E{Key: "v", Value: bson.D{{Key: "$gt", Value: version}}})
	err := res.FindOne(ctx, later, options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	return err == nil, err
}

func one(caller context.Context, found *mongo.SingleResult) (*store.Record, error) {
	raw, err := found.Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, store.ErrNotFound
	}
	if err != nil {
		return nil, fault(caller, "read a record", err)
	}
	return recordOf(raw)
}

func byID(id string) bson.D { return bson.D{{Key: "_id", Value: id}} }

// GetMany implements store.Store. A ref that is named twice comes back once.
func (s *Store) GetMany(ctx context.Context, refs []store.Ref) ([]*store.Record, error) {
	if len(refs) > store.MaxMany {
		return nil, fmt.Errorf("%w: more than %d references", store.ErrTooLarge, store.MaxMany)
	}
	in, leave, err := s.enter(ctx, readTime)
	if err != nil {
		return nil, err
	}
	defer leave()
	wanted := bson.A{}
	seen := make(map[store.Ref]bool, len(refs))
	for _, r := range refs {
		if !seen[r] && kit.CheckRef(r) == nil { // others can't be there
			wanted = append(wanted, r.String())
		}
		seen[r] = true
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	filter := bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: wanted}}}, {Key: "del", Value: false}}
	var out []*store.Record
	size := 0
	err = each(in, s.res, filter, options.Find().SetProjection(noIndex), func(raw bson.Raw) error {
		r, err := recordOf(raw)
		if err != nil {
			return err
		}
		if size += len(r.Body); size > store.MaxWhole {
			return fmt.Errorf("%w: more than %d bytes of bodies", store.ErrTooLarge, store.MaxWhole)
		}
		out = append(out, r)
		return nil
	})
	if err != nil {
		return nil, fault(ctx, "read records", err)
	}
	return out, nil
}

// errStop ends each early, as a success.
var errStop = errors.New("stop")

// each calls f for every document found, whose bytes are good until f returns.
func each(ctx context.Context, c *mongo.Collection, filter bson.D, o *options.FindOptions, f func(bson.Raw) error) error {
	cursor, err := c.Find(ctx, filter, o)
	if err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = cursor.Close(end)
	}()
	for cursor.Next(ctx) {
		if err := f(cursor.Current); errors.Is(err, errStop) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return cursor.Err()
}
