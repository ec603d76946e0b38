package mongo

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// defaultCount is where Count stops if its caller names no limit.
const defaultCount = 10_000

// Search implements store.Store. Records are ordered by the query's sort
// parameters, then by logical id ascending; "_id" is a sort parameter too. A
// page whose bodies pass 32 MiB ends early.
func (s *Store) Search(ctx context.Context, q *search.Query) (*store.Page, error) {
	if err := kit.CheckQuery(q); err != nil {
		return nil, err
	}
	in, leave, err := s.enter(ctx, readTime)
	if err != nil {
		return nil, err
	}
	defer leave()
	asked := kit.QueryHash(q)
	var last *kit.Mark
	if q.Cursor != "" {
		if last, err = s.seal.Open(q.Cursor, asked); err != nil {
			return nil, err
		}
	}
	o, err := s.order(in, q)
	if err != nil {
		return nil, fault(ctx, "search", err)
	}
	if last != nil && !o.fits(last) {
		return nil, store.ErrCursor
	}
	if err := s.affordable(in, q, o); err != nil {
		return nil, fault(ctx, "search", err)
	}
	l := &listing{s: s, q: q, o: o, asked: asked, n: kit.PageSize(q.Count), page: &store.Page{}}
	if err := l.run(in, last); err != nil {
		return nil, fault(ctx, "search", err)
	}
	return l.page, nil
}

// Count implements store.Store. A limit of 0 means 10,000.
func (s *Store) Count(ctx context.Context, q *search.Query, limit int) (n int, exact bool, err error) {
	if err := kit.CheckQuery(q); err != nil {
		return 0, false, err
	}
	in, leave, err := s.enter(ctx, readTime)
	if err != nil {
		return 0, false, err
	}
	defer leave()
	if limit <= 0 {
		limit = defaultCount
	}
	if err := s.affordable(in, q, order{}); err != nil {
		return 0, false, fault(ctx, "count", err)
	}
	found, err := s.res.CountDocuments(in, filter(q), options.Count().SetLimit(int64(limit)+1))
	if err != nil {
		return 0, false, fault(ctx, "count", err)
	}
	return min(int(found), limit), int(found) <= limit, nil
}

// listing fills one page.
type listing struct {
	s     *Store
	q     *search.Query
	o     order
	asked []byte
	n     int
	page  *store.Page

	size int
	keys []kit.Value // of the last record of the page
	full bool
}

func (l *listing) run(ctx context.Context, last *kit.Mark) error {
	for i, p := range l.o.parts(last) {
		bounds := l.o.has(p)
		if i == 0 && last != nil {
			bounds = l.o.after(p, l.q.Type+"/"+last.ID, last)
		}
		where := append(filter(l.q), bounds...)
		o := options.Find().SetSort(l.o.sort(p)).SetLimit(int64(l.n + 1 - len(l.page.Records))).SetProjection(bson.D{{Key: "x", Value: 0}})
		if err := each(ctx, l.s.res, where, o, l.take); err != nil {
			return err
		}
		if l.full {
			return nil
		}
	}
	return nil
}

// take adds a record; one more than the page holds says that there is a next.
func (l *listing) take(raw bson.Raw) error {
	if got := l.page.Records; len(got) == l.n || l.size > maxPage {
		l.page.Next = l.s.seal.Close(kit.Mark{Query: l.asked, Keys: l.keys, ID: got[len(got)-1].ID})
		l.full = true
		return errStop
	}
	r, err := recordOf(raw)
	if err != nil {
		return err
	}
	l.size += len(r.Body)
	l.keys = l.o.values(raw)
	l.page.Records = append(l.page.Records, r)
	return nil
}
