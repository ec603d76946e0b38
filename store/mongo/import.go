package mongo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

const (
	bulkTime = 5 * time.Minute // of one step of an export or import
	importID = "meta|import"   // the mark of an unfinished import
)

// ImportStart implements store.Importer.
func (s *Store) ImportStart(ctx context.Context, source string) (position string, err error) {
	in, leave, err := s.enter(ctx, writeTime)
	if err != nil {
		return "", err
	}
	defer leave()
	under, position, found, err := s.importing(in)
	if err != nil {
		return "", fault(ctx, "import", err)
	}
	if found && under != source {
		return "", fmt.Errorf("%w: an unfinished copy from another engine", store.ErrNotEmpty)
	}
	if found {
		return position, nil
	}
	for _, part := range []struct {
		c     *mongo.Collection
		where bson.D
	}{{s.res, bson.D{}}, {s.hist, bson.D{}}, {s.claim, bson.D{}}, {s.aux, bson.D{{Key: "kind", Value: bson.D{{Key: "$ne", Value: kit.KindMeta}}}}}} {
		err := part.c.FindOne(in, part.where).Err()
		if err == nil {
			return "", store.ErrNotEmpty
		}
		if !errors.Is(err, mongo.ErrNoDocuments) {
			return "", fault(ctx, "import", err)
		}
	}
	return "", fault(ctx, "import", s.mark(in, source, ""))
}

// importing reads the mark of an unfinished import.
func (s *Store) importing(ctx context.Context) (source, position string, found bool, err error) {
	raw, err := s.aux.FindOne(ctx, byID(importID)).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return "", "", false, nil
	}
	source, position, _ = strings.Cut(string(data(raw, "val")), "\n")
	return source, position, err == nil, err
}

func (s *Store) mark(ctx context.Context, source, position string) error {
	doc := bson.D{{Key: "_id", Value: importID}, {Key: "kind", Value: kit.KindMeta}, {Key: "v", Value: int64(1)}, {Key: "val", Value: []byte(source + "\n" + position)}}
	_, err := s.aux.ReplaceOne(ctx, byID(importID), doc, options.Replace().SetUpsert(true))
	return err
}

// Import implements store.Importer. It is no transaction: what stands already is
// written again, and the position comes last.
func (s *Store) Import(ctx context.Context, items []store.Item, position string) error {
	in, leave, err := s.enter(ctx, bulkTime)
	if err != nil {
		return err
	}
	defer leave()
	source, _, found, err := s.importing(in)
	if err != nil {
		return fault(ctx, "import", err)
	}
	if !found {
		return ownError("no import has been started")
	}
	writes := map[*mongo.Collection][]mongo.WriteModel{}
	for _, i := range items {
		if err := s.take(in, i, writes); err != nil {
			return fault(ctx, "import", err)
		}
	}
	for _, c := range []*mongo.Collection{s.hist, s.res, s.claim, s.aux} {
		if len(writes[c]) == 0 {
			continue
		}
		if _, err := c.BulkWrite(in, writes[c], options.BulkWrite().SetOrdered(false)); err != nil {
			return fault(ctx, "import", err)
		}
	}
	return fault(ctx, "import", s.mark(in, source, position))
}

// ImportEnd implements store.Importer.
func (s *Store) ImportEnd(ctx context.Context) error {
	in, leave, err := s.enter(ctx, writeTime)
	if err != nil {
		return err
	}
	defer leave()
	_, err = s.aux.DeleteOne(in, byID(importID))
	return fault(ctx, "import", err)
}

func (s *Store) take(ctx context.Context, i store.Item, writes map[*mongo.Collection][]mongo.WriteModel) error {
	add := func(c *mongo.Collection, where bson.D, doc any) {
		writes[c] = append(writes[c], mongo.NewReplaceOneModel().SetFilter(where).SetReplacement(doc).SetUpsert(true))
	}
	write := primitive.NewObjectID()
	switch {
	case i.Version != nil:
		r := i.Version
		if err := kit.CheckRef(r.Ref()); err != nil {
			return err
		}
		v := version{ref: r.Ref(), ver: r.Version, lu: r.LastUpdated.UnixMilli(), deleted: r.Deleted, method: r.Method,
			by: r.By, peer: r.Peer, body: r.Body, index: r.Index, write: write}
		if !i.Current {
			doc, err := v.superseded()
			if err != nil {
				return err
			}
			add(s.hist, append(byID(histID(v.ref, v.ver)), bson.E{Key: "k", Value: v.ref.String()}), doc)
			return nil
		}
		for _, d := range r.Index.D {
			if err := s.learnDate(ctx, r.Type, d.Param); err != nil {
				return err
			}
		}
		doc, err := v.document()
		if err != nil {
			return err
		}
		add(s.res, byID(r.Ref().String()), doc)
	case i.Claim != nil:
		c := i.Claim
		doc := bson.D{{Key: "_id", Value: claimID(c.Slot, c.Part)}, {Key: "slot", Value: c.Slot}, {Key: "part", Value: int64(c.Part)},
			{Key: "owner", Value: c.Owner}, {Key: "at", Value: dateTime(c.At)}, {Key: "w", Value: write}}
		if !c.Until.IsZero() {
			doc = append(doc, bson.E{Key: "exp", Value: dateTime(c.Until)})
		}
		add(s.claim, byID(claimID(c.Slot, c.Part)), doc)
	case i.Aux != nil:
		a := i.Aux
		if a.Kind == kit.KindMeta {
			return errMeta
		}
		p := paper{kind: a.Kind, key: a.Key, ver: a.Version, val: a.Value, ends: !a.Expires.IsZero(), exp: a.Expires.UnixMilli()}
		add(s.aux, byID(auxID(a.Kind, a.Key)), p.document(write))
	default:
		return ownError("an item without content")
	}
	return nil
}
