package mongo

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// Purge implements store.Store. Each of its commits is a transaction.
func (s *Store) Purge(ctx context.Context, r store.PurgeRequest) (store.PurgeResult, error) {
	p, err := kit.NewPurge(r, s.now())
	if err != nil {
		return store.PurgeResult{}, err
	}
	for typ := r.Type; ; {
		if r.Type == "" {
			if typ, err = s.typeAfter(ctx, typ); err != nil {
				return p.Result(), err
			}
		}
		for more := typ != ""; more; {
			before := p.Removed()
			if p, err = s.purgeSome(ctx, p, typ); err != nil {
				return p.Result(), err
			}
			more = p.Removed()-before >= kit.PurgeRows
		}
		if r.Type != "" || typ == "" {
			break
		}
	}
	p.Audit.Done = true
	p, err = s.purgeSome(ctx, p, "")
	return p.Result(), err
}

// typeAfter is the next type that has records, "" after the last.
func (s *Store) typeAfter(ctx context.Context, typ string) (next string, err error) {
	in, leave, err := s.enter(ctx, readTime)
	if err != nil {
		return "", err
	}
	defer leave()
	err = each(in, s.res, bson.D{{Key: "t", Value: bson.D{{Key: "$gt", Value: typ}}}},
		options.Find().SetSort(key("t", 1)).SetLimit(1).SetProjection(bson.D{{Key: "t", Value: 1}}), func(raw bson.Raw) error {
			next = text(raw, "t")
			return nil
		})
	return next, fault(ctx, "list types", err)
}

// purgeSome removes the next versions of a type ("": none) and keeps the audit
// record, in one transaction.
func (s *Store) purgeSome(ctx context.Context, p kit.Purge, typ string) (next kit.Purge, err error) {
	in, leave, err := s.enter(ctx, writeTime)
	if err != nil {
		return p, err
	}
	defer leave()
	done, err := s.repeat(in, func() work {
		return &purging{s: s, typ: typ, before: p, after: p, write: primitive.NewObjectID()}
	})
	if err != nil {
		return p, fault(ctx, "purge", err)
	}
	return done.(*purging).after, nil
}

// purging is one try at a part of a purge.
type purging struct {
	s             *Store
	typ           string
	before, after kit.Purge
	write         primitive.ObjectID
}

func (p *purging) do(ctx context.Context) (bool, error) {
	if p.typ != "" {
		if err := p.s.purge(ctx, &p.after.Audit, p.typ); err != nil {
			return false, err
		}
		if p.after.Removed() == p.before.Removed() {
			return false, nil
		}
	}
	return true, p.s.keepAudit(ctx, p.after, p.write)
}

// landed looks at the audit record, which nobody else writes.
func (p *purging) landed(ctx context.Context) (bool, error) {
	t := p.s.tracesOf(p.write)
	t.at(p.s.aux, auxID(store.KindAudit, p.after.Key))
	return t.found(ctx)
}

func (p *purging) lasting() bool { return true }

// purge removes at most kit.PurgeRows versions of a type: superseded ones, and
// when there are no more, tombstones with whatever copies hist has of them.
func (s *Store) purge(ctx context.Context, a *store.PurgeAudit, typ string) error {
	where := bson.D{{Key: "t", Value: typ}, {Key: "lu", Value: bson.D{{Key: "$lt", Value: primitive.NewDateTimeFromTime(a.Before)}}}}
	old, gone := where, append(where[:2:2], bson.E{Key: "del", Value: true})
	if a.ID != "" {
		ref := store.Ref{Type: typ, ID: a.ID}.String()
		old, gone = append(old[:2:2], bson.E{Key: "k", Value: ref}), append(gone, bson.E{Key: "_id", Value: ref})
	}
	n, err := s.removeOld(ctx, old, kit.PurgeRows)
	a.Versions += n
	if err != nil || n >= kit.PurgeRows {
		return err
	}
	n, err = s.removeGone(ctx, gone, kit.PurgeRows-n)
	a.Records += n
	return err
}

func (s *Store) removeOld(ctx context.Context, where bson.D, most int64) (int64, error) {
	var models []mongo.WriteModel
	err := each(ctx, s.hist, where, options.Find().SetLimit(most).SetProjection(bson.D{{Key: "k", Value: 1}}), func(raw bson.Raw) error {
		models = append(models, mongo.NewDeleteOneModel().SetFilter(bson.D{{Key: "_id", Value: text(raw, "_id")}, {Key: "k", Value: text(raw, "k")}}))
		return nil
	})
	if err != nil || len(models) == 0 {
		return 0, err
	}
	done, err := s.hist.BulkWrite(ctx, models)
	if err != nil {
		return 0, err
	}
	return done.DeletedCount, nil
}

func (s *Store) removeGone(ctx context.Context, where bson.D, most int64) (int64, error) {
	var records, copies []mongo.WriteModel
	fields := bson.D{{Key: "v", Value: 1}}
	err := each(ctx, s.res, where, options.Find().SetLimit(most).SetProjection(fields), func(raw bson.Raw) error {
		id := text(raw, "_id")
		records = append(records, mongo.NewDeleteOneModel().SetFilter(append(byID(id), bson.E{Key: "v", Value: number(raw, "v")})))
		copies = append(copies, mongo.NewDeleteManyModel().SetFilter(bson.D{{Key: "k", Value: id}}))
		return nil
	})
	if err != nil || len(records) == 0 {
		return 0, err
	}
	done, err := s.res.BulkWrite(ctx, records)
	if err != nil {
		return 0, err
	}
	if done.DeletedCount != int64(len(records)) {
		return 0, errAgain // one was written to
	}
	_, err = s.hist.BulkWrite(ctx, copies)
	return done.DeletedCount, err
}

func (s *Store) keepAudit(ctx context.Context, p kit.Purge, write primitive.ObjectID) error {
	val, err := p.Audit.Value()
	if err != nil {
		return err
	}
	id := auxID(store.KindAudit, p.Key)
	doc := bson.D{{Key: "_id", Value: id}, {Key: "kind", Value: store.KindAudit}, {Key: "v", Value: int64(1)},
		{Key: "w", Value: write}, {Key: "val", Value: blob(val)}}
	_, err = s.aux.ReplaceOne(ctx, byID(id), doc, options.Replace().SetUpsert(true))
	return err
}
