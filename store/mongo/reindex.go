package mongo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// Reindex implements store.Store. It goes by logical id and writes each record's
// entries on its own, if the record still stands at the version that was read.
func (s *Store) Reindex(ctx context.Context, typ, under string, extract func(*store.Record) (search.Index, error), progress func(done, total int)) error {
	at, total, err := s.reindexState(ctx, typ)
	if err != nil {
		return err
	}
	at = kit.ReindexFrom(at, under)
	for {
		n, err := s.reindexSome(ctx, typ, &at, extract)
		if err != nil {
			return err
		}
		if progress != nil {
			progress(at.Done, max(total, at.Done))
		}
		if n == 0 {
			return nil
		}
	}
}

func reindexID(typ string) string { return auxID(kit.KindMeta, kit.ReindexKey(typ)) }

func (s *Store) reindexState(ctx context.Context, typ string) (at kit.Reindexed, total int, err error) {
	in, leave, err := s.enter(ctx, countTime)
	if err != nil {
		return at, 0, err
	}
	defer leave()
	raw, err := s.aux.FindOne(in, byID(reindexID(typ))).Raw()
	if err == nil {
		err = json.Unmarshal(data(raw, "val"), &at)
	} else if errors.Is(err, mongo.ErrNoDocuments) {
		err = nil
	}
	if err != nil {
		return at, 0, fault(ctx, "reindex", err)
	}
	all, deleted, err := s.countRecords(in, typ)
	return at, int(all - deleted), fault(ctx, "reindex", err)
}

// reindexSome does the next records and moves at behind them.
func (s *Store) reindexSome(ctx context.Context, typ string, at *kit.Reindexed, extract func(*store.Record) (search.Index, error)) (n int, err error) {
	records, err := s.reindexRead(ctx, typ, at.After)
	if err != nil {
		return 0, err
	}
	var models []mongo.WriteModel
	var puts store.Batch
	for _, r := range records {
		ix, err := extract(r)
		if err != nil {
			return 0, err
		}
		if err := kit.CheckIndex(ix); err != nil {
			return 0, err
		}
		puts.Ops = append(puts.Ops, store.Put{Record: &store.Record{Type: typ, Index: ix}})
		where := append(byID(r.Ref().String()), bson.E{Key: "v", Value: r.Version}, bson.E{Key: "del", Value: false})
		models = append(models, mongo.NewUpdateOneModel().SetFilter(where).SetUpdate(bson.D{{Key: "$set", Value: bson.D{
			{Key: "x", Value: entriesOf(ix)}, {Key: "d", Value: spansOf(ix)}, {Key: "s", Value: sortsOf(ix)}}}}))
		at.After, at.Done = r.ID, at.Done+1
	}
	in, leave, err := s.enter(ctx, writeTime)
	if err != nil {
		return 0, err
	}
	defer leave()
	if len(models) == 0 {
		_, err = s.aux.DeleteOne(in, byID(reindexID(typ)))
		return 0, fault(ctx, "reindex", err)
	}
	if err := s.learnDates(in, &puts); err != nil {
		return 0, fault(ctx, "reindex", err)
	}
	if _, err := s.res.BulkWrite(in, models, options.BulkWrite().SetOrdered(false)); err != nil {
		return 0, fault(ctx, "reindex", err)
	}
	val, err := json.Marshal(at)
	if err != nil {
		return 0, err
	}
	doc := bson.D{{Key: "_id", Value: reindexID(typ)}, {Key: "kind", Value: kit.KindMeta}, {Key: "v", Value: int64(1)}, {Key: "val", Value: val}}
	_, err = s.aux.ReplaceOne(in, byID(reindexID(typ)), doc, options.Replace().SetUpsert(true))
	return len(models), fault(ctx, "reindex", err)
}

func (s *Store) reindexRead(ctx context.Context, typ, after string) (records []*store.Record, err error) {
	in, leave, err := s.enter(ctx, readTime)
	if err != nil {
		return nil, err
	}
	defer leave()
	bounds := append(prefixRange(typ+"/"), bson.E{Key: "$gt", Value: typ + "/" + after})
	err = each(in, s.res, bson.D{{Key: "_id", Value: bounds}, {Key: "del", Value: false}},
		options.Find().SetSort(key("_id", 1)).SetLimit(kit.ReindexRows).SetProjection(noIndex), func(raw bson.Raw) error {
			r, err := recordOf(bytes.Clone(raw))
			records = append(records, r)
			return err
		})
	return records, fault(ctx, "reindex", err)
}
