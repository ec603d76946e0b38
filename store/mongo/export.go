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

// Bounds of what Export hands over at once; one body more may come.
const (
	exportDocs  = 500
	exportBytes = 8 << 20
)

// exported is a position: behind the document of this _id in a collection, or
// where Version isn't 0 behind that version of the record.
type exported struct {
	In      string `json:"in"`
	ID      string `json:"id"`
	Version int64  `json:"v,omitempty"`
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
		add   func(context.Context, *exportPage, bson.Raw) error
	}{
		{s.res, nil, s.exportRecord},
		{s.claim, bson.D{alive(now)}, exportClaim},
		{s.aux, bson.D{{Key: "kind", Value: bson.D{{Key: "$ne", Value: kit.KindMeta}}}, alive(now)}, exportAux},
	} {
		if from.In != part.c.Name() {
			continue // done before
		}
		for {
			p := &exportPage{after: from, last: from}
			if err := s.exportPage(ctx, p, part.c, part.where, part.add); err != nil {
				return fault(ctx, "export", err)
			}
			if len(p.items) == 0 {
				break
			}
			from = p.last
			if err := f(p.items, from.text()); err != nil {
				return err
			}
		}
		from = exported{In: map[string]string{"res": "claim", "claim": "aux"}[part.c.Name()]}
	}
	return nil
}

// exportPage is what is handed over at once.
type exportPage struct {
	after, last exported
	items       []store.Item
	size        int // bytes of bodies among them
}

func (p *exportPage) full() bool { return len(p.items) >= exportDocs || p.size > exportBytes }

func (p *exportPage) add(id string, version int64, i store.Item) {
	p.items, p.last = append(p.items, i), exported{p.last.In, id, version}
	if i.Version != nil {
		p.size += len(i.Version.Body)
	}
}

func (s *Store) exportPage(ctx context.Context, p *exportPage, c *mongo.Collection, where bson.D, add func(context.Context, *exportPage, bson.Raw) error) error {
	in, leave, err := s.enter(ctx, bulkTime)
	if err != nil {
		return err
	}
	defer leave()
	var docs []bson.Raw
	size, most, behind := 0, int64(exportDocs), "$gt"
	if p.after.Version > 0 {
		most, behind = 1, "$gte"
	}
	filter := append(bson.D{{Key: "_id", Value: bson.D{{Key: behind, Value: p.after.ID}}}}, where...)
	err = each(in, c, filter, options.Find().SetSort(key("_id", 1)).SetLimit(most), func(raw bson.Raw) error {
		docs = append(docs, bytes.Clone(raw))
		if size += len(raw); size > exportBytes {
			return errStop
		}
		return nil
	})
	for _, doc := range docs {
		if err != nil || p.full() {
			break // the rest comes with the next page
		}
		err = add(in, p, doc)
	}
	return err
}

// exportRecord adds a record's superseded versions, oldest first, and the current
// one, which was read before them: hist may hold it too by now.
func (s *Store) exportRecord(ctx context.Context, p *exportPage, raw bson.Raw) error {
	cur, err := recordOf(raw)
	if err != nil {
		return err
	}
	id, behind := cur.Ref().String(), int64(0)
	if id == p.after.ID { // else that one was purged
		behind = p.after.Version
	}
	if cur.Version > 1 {
		where := bson.D{{Key: "k", Value: id}, {Key: "v", Value: bson.D{{Key: "$gt", Value: behind}, {Key: "$lt", Value: cur.Version}}}}
		err := each(ctx, s.hist, where, options.Find().SetSort(key("v", 1)), func(raw bson.Raw) error {
			if p.full() {
				return errStop
			}
			old, err := recordOf(bytes.Clone(raw))
			if err == nil {
				p.add(id, old.Version, store.Item{Version: old})
			}
			return err
		})
		if err != nil || p.full() {
			return err
		}
	}
	if cur.Index, err = indexOf(raw); err != nil {
		return err
	}
	p.add(id, 0, store.Item{Version: cur, Current: true})
	return nil
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

func exportClaim(_ context.Context, p *exportPage, raw bson.Raw) error {
	p.add(text(raw, "_id"), 0, store.Item{Claim: &store.Claimed{Slot: text(raw, "slot"), Part: int(number(raw, "part")), Owner: text(raw, "owner"),
		At: kit.Instant(moment(raw, "at")), Until: expiry(raw)}})
	return nil
}

func exportAux(_ context.Context, p *exportPage, raw bson.Raw) error {
	a := auxOf(text(raw, "kind"), raw)
	p.add(text(raw, "_id"), 0, store.Item{Aux: &a})
	return nil
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
