package mongo

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

var (
	_ store.Exporter = (*Store)(nil)
	_ store.Importer = (*Store)(nil)
)

// Bounds of what Export hands over at once. A record's versions may be more.
const (
	exportDocs  = 500
	exportBytes = 8 << 20
)

// exported is a position: behind the document of this _id in a collection.
type exported struct {
	In string `json:"in"`
	ID string `json:"id"`
}

func (e exported) text() string {
	b, err := json.Marshal(e)
	if err != nil {
		panic("store: " + err.Error()) // two texts always encode
	}
	return string(b)
}

// Export implements store.Exporter: records, then claims, then documents, each
// by _id.
func (s *Store) Export(ctx context.Context, after string, asOf time.Time, f func([]store.Item, string) error) error {
	from := exported{In: "res"}
	if after != "" {
		if err := json.Unmarshal([]byte(after), &from); err != nil {
			return store.ErrCursor
		}
	}
	now := asOf.UnixMilli()
	for _, part := range []struct {
		c     *mongo.Collection
		where bson.D
		items func(context.Context, bson.Raw) ([]store.Item, error)
	}{
		{s.res, nil, s.exportRecord},
		{s.claim, bson.D{alive(now)}, exportClaim},
		{s.aux, bson.D{{Key: "kind", Value: bson.D{{Key: "$ne", Value: kit.KindMeta}}}, alive(now)}, exportAux},
	} {
		if from.In != part.c.Name() {
			continue // done before
		}
		for {
			items, last, err := s.exportPage(ctx, part.c, from.ID, part.where, part.items)
			if err != nil {
				return fault(ctx, "export", err)
			}
			if len(items) == 0 {
				break
			}
			from.ID = last
			if err := f(items, from.text()); err != nil {
				return err
			}
		}
		from = exported{In: map[string]string{"res": "claim", "claim": "aux"}[part.c.Name()]}
	}
	return nil
}

func (s *Store) exportPage(ctx context.Context, c *mongo.Collection, after string, where bson.D, read func(context.Context, bson.Raw) ([]store.Item, error)) (items []store.Item, last string, err error) {
	in, leave, err := s.enter(ctx, bulkTime)
	if err != nil {
		return nil, "", err
	}
	defer leave()
	var docs []bson.Raw
	size := 0
	filter := append(bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: after}}}}, where...)
	err = each(in, c, filter, options.Find().SetSort(key("_id", 1)).SetLimit(exportDocs), func(raw bson.Raw) error {
		docs = append(docs, bytes.Clone(raw))
		if size += len(raw); size > exportBytes {
			return errStop
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	for _, doc := range docs {
		more, err := read(in, doc)
		if err != nil {
			return nil, "", err
		}
		items, last = append(items, more...), text(doc, "_id")
		if len(items) > 2*exportDocs {
			break // the rest comes with the next page
		}
	}
	return items, last, nil
}

// exportRecord reads a record's superseded versions, oldest first, and the
// current one, which was read before them: hist may hold it too by now.
func (s *Store) exportRecord(ctx context.Context, raw bson.Raw) ([]store.Item, error) {
	cur, err := recordOf(raw)
	if err != nil {
		return nil, err
	}
	var items []store.Item
	if cur.Version > 1 {
		where := bson.D{{Key: "k", Value: cur.Ref().String()}, {Key: "v", Value: bson.D{{Key: "$lt", Value: cur.Version}}}}
		err := each(ctx, s.hist, where, options.Find().SetSort(key("v", 1)), func(raw bson.Raw) error {
			old, err := recordOf(bytes.Clone(raw))
			items = append(items, store.Item{Version: old})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	cur.Index, err = indexOf(raw)
	return append(items, store.Item{Version: cur, Current: true}), err
}

// indexOf reads a document's entries back.
func indexOf(raw bson.Raw) (ix search.Index, err error) {
	var doc struct {
		X []string `bson:"x"`
		D map[string]struct {
			All []struct {
				Lo int64 `bson:"lo"`
				Hi int64 `bson:"hi"`
			} `bson:"all"`
		} `bson:"d"`
		S map[string]struct {
			V string `bson:"v"`
		} `bson:"s"`
	}
	if err := bson.Unmarshal(raw, &doc); err != nil {
		return ix, ownError("a stored index isn't in this engine's form")
	}
	ix.X = doc.X
	for name, d := range doc.D {
		for _, span := range d.All {
			ix.D = append(ix.D, search.Span{Param: paramOf(name), Lo: span.Lo, Hi: span.Hi})
		}
	}
	for name, k := range doc.S {
		ix.S = append(ix.S, search.SortKey{Param: paramOf(name), Value: k.V})
	}
	return ix, nil
}

var paramUnescapes = strings.NewReplacer("%25", "%", "%2E", ".", "%24", "$", "%00", "\x00")

// paramOf is the parameter that paramName has named.
func paramOf(name string) string {
	if name == "%" {
		return ""
	}
	return paramUnescapes.Replace(name)
}

func exportClaim(_ context.Context, raw bson.Raw) ([]store.Item, error) {
	return []store.Item{{Claim: &store.Claimed{Slot: text(raw, "slot"), Part: int(number(raw, "part")), Owner: text(raw, "owner"),
		At: kit.Instant(moment(raw, "at")), Until: expiry(raw)}}}, nil
}

func exportAux(_ context.Context, raw bson.Raw) ([]store.Item, error) {
	a := auxOf(text(raw, "kind"), raw)
	return []store.Item{{Aux: &a}}, nil
}

// Items implements store.Exporter.
func (s *Store) Items(ctx context.Context) (n int64, err error) {
	in, leave, err := s.enter(ctx, bulkTime)
	if err != nil {
		return 0, err
	}
	defer leave()
	for _, c := range []*mongo.Collection{s.res, s.hist, s.claim, s.aux} {
		some, err := c.CountDocuments(in, bson.D{})
		if err != nil {
			return 0, fault(ctx, "count", err)
		}
		n += some
	}
	return n, nil
}

func dateTime(t time.Time) primitive.DateTime { return primitive.NewDateTimeFromTime(t) }
