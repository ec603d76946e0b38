package mongo

import (
	"context"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/store"
)

// writeAll writes what the run has changed: claims first, because they are what
// batches most often meet on.
func (p *plan) writeAll(ctx context.Context) error {
	var claims, papers changes
	for _, id := range slices.Sorted(maps.Keys(p.parts)) {
		if part := p.parts[id]; part.dirty {
			claims.add(id, part.found, part.document(p.now, p.write))
		}
	}
	if err := claims.write(ctx, p.s.claim); err != nil {
		return err
	}
	if err := p.writeRecords(ctx); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(p.papers)) {
		if paper := p.papers[id]; paper.dirty {
			papers.add(id, paper.found, paper.document(p.write))
		}
	}
	if err := papers.write(ctx, p.s.aux); err != nil {
		return err
	}
	return p.touchGuarded(ctx)
}

// writeRecords writes superseded versions, then current ones.
func (p *plan) writeRecords(ctx context.Context) error {
	var old []mongo.WriteModel
	var current changes
	for _, id := range slices.Sorted(maps.Keys(p.res)) {
		st := p.res[id]
		if st.next == nil {
			continue
		}
		docs, err := st.superseded()
		if err != nil {
			return err
		}
		for _, doc := range docs {
			// An upsert, because the same copy may stand there from a write of one
			// record that got no further.
			where := bson.D{{Key: "_id", Value: doc.Lookup("_id")}, {Key: "k", Value: id}}
			old = append(old, mongo.NewReplaceOneModel().SetFilter(where).SetReplacement(doc).SetUpsert(true))
		}
		doc, err := st.next.document()
		if err != nil {
			return err
		}
		current.add(id, st.found, doc)
	}
	if len(old) > 0 {
		if _, err := p.s.hist.BulkWrite(ctx, old); err != nil {
			return err
		}
	}
	return current.write(ctx, p.s.res)
}

// superseded are the versions that the batch puts into hist.
func (st *standing) superseded() ([]bson.Raw, error) {
	var docs []bson.Raw
	if st.found != nil {
		doc, err := toHist(st.found)
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
	for _, v := range st.between {
		doc, err := v.superseded()
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

// touchGuarded writes to records that are guarded and not written otherwise:
// under snapshot isolation two transactions would else pass each other. Where an
// absence is guarded, a document comes and goes.
func (p *plan) touchGuarded(ctx context.Context) error {
	for _, g := range p.b.Guards {
		g, is := g.(store.VersionGuard)
		if !is || p.res[g.Ref.String()].next != nil {
			continue
		}
		if g.Version == 0 {
			if _, err := p.s.res.InsertOne(ctx, bson.D{{Key: "_id", Value: g.Ref.String()}, {Key: "t", Value: ""}}); err != nil {
				return err
			}
			if _, err := p.s.res.DeleteOne(ctx, byID(g.Ref.String())); err != nil {
				return err
			}
			continue
		}
		done, err := p.s.res.UpdateOne(ctx, append(byID(g.Ref.String()), bson.E{Key: "v", Value: g.Version}),
			bson.D{{Key: "$inc", Value: bson.D{{Key: "g", Value: int64(1)}}}})
		if err != nil {
			return err
		}
		if done.MatchedCount != 1 {
			return errAgain
		}
	}
	return nil
}

// changes are writes to one collection. Each replaces or deletes the very
// document that was read, told by its w.
type changes struct {
	replace, remove []mongo.WriteModel
	insert          []any
}

func (c *changes) add(id string, found bson.Raw, next any) {
	where := append(byID(id), bson.E{Key: "w", Value: found.Lookup("w")})
	gone := next == nil
	if d, is := next.(bson.D); is {
		gone = d == nil
	}
	switch {
	case found == nil && gone:
	case found == nil:
		c.insert = append(c.insert, next)
	case gone:
		c.remove = append(c.remove, mongo.NewDeleteOneModel().SetFilter(where))
	default:
		c.replace = append(c.replace, mongo.NewReplaceOneModel().SetFilter(where).SetReplacement(next))
	}
}

func (c *changes) write(ctx context.Context, to *mongo.Collection) error {
	for _, models := range [][]mongo.WriteModel{c.remove, c.replace} {
		if len(models) == 0 {
			continue
		}
		done, err := to.BulkWrite(ctx, models)
		if err != nil {
			return err
		}
		if done.MatchedCount+done.DeletedCount != int64(len(models)) {
			return errAgain
		}
	}
	if len(c.insert) == 0 {
		return nil
	}
	_, err := to.InsertMany(ctx, c.insert, options.InsertMany().SetOrdered(true))
	return err
}
