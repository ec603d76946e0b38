package mongo

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// spot is a version's place in a history list.
type spot struct {
	key     string // "Type/id"
	ver, lu int64
	old     bool // it is in hist
}

// History implements store.Store. Versions of one time are listed by type, id
// and version, all descending. count is as in search.Query.
func (s *Store) History(ctx context.Context, scope store.Ref, since time.Time, count int, cursor string) (*store.Page, error) {
	if scope.Type == "" && scope.ID != "" {
		return nil, fmt.Errorf("store: a history of an id needs its type")
	}
	in, leave, err := s.enter(ctx, readTime)
	if err != nil {
		return nil, err
	}
	defer leave()
	n, from := kit.PageSize(count), kit.SinceMillis(since)
	asked := sha256.Sum256(fmt.Appendf(nil, "history %q %q %d", scope.Type, scope.ID, from))
	var last *spot
	if cursor != "" {
		m, err := s.seal.Open(cursor, asked[:])
		if err != nil {
			return nil, err
		}
		if len(m.Keys) != 1 || m.Keys[0].N == nil {
			return nil, store.ErrCursor
		}
		last = &spot{key: m.Type + "/" + m.ID, ver: m.Ver, lu: *m.Keys[0].N}
	}
	page, err := s.versions(in, scope, from, n, last, asked[:])
	if err != nil {
		return nil, fault(ctx, "list versions", err)
	}
	return page, nil
}

// versions lists places first and reads the bodies of one page. The current
// versions are listed before the superseded ones: what is superseded in between
// shows in both and is taken once, and nothing is missed.
func (s *Store) versions(ctx context.Context, scope store.Ref, from int64, n int, last *spot, asked []byte) (*store.Page, error) {
	now, err := spots(ctx, s.res, "_id", scope, from, n+1, last)
	if err != nil {
		return nil, err
	}
	old, err := s.oldSpots(ctx, scope, from, n+1, last)
	if err != nil {
		return nil, err
	}
	all := append(now, old...)
	slices.SortStableFunc(all, func(a, b spot) int { return -a.compare(b) })
	all = slices.CompactFunc(all, func(a, b spot) bool { return a.compare(b) == 0 })
	page := &store.Page{}
	size := 0
	for i, p := range all {
		if i == n || size > maxPage {
			b := all[i-1]
			typ, id, _ := strings.Cut(b.key, "/")
			page.Next = s.seal.Close(kit.Mark{Query: asked, Keys: []kit.Value{{N: &b.lu}}, Type: typ, ID: id, Ver: b.ver})
			return page, nil
		}
		r, err := s.versionAt(ctx, p)
		if errors.Is(err, store.ErrNotFound) {
			continue // it was purged meanwhile
		}
		if err != nil {
			return nil, err
		}
		size += len(r.Body)
		page.Records = append(page.Records, r)
	}
	return page, nil
}

func (p spot) compare(q spot) int {
	switch {
	case p.lu != q.lu:
		return int(max(min(p.lu-q.lu, 1), -1))
	case p.key != q.key:
		return strings.Compare(p.key, q.key)
	}
	return int(max(min(p.ver-q.ver, 1), -1))
}

// versionAt reads a version where it was seen; a current one may have gone to
// hist since.
func (s *Store) versionAt(ctx context.Context, p spot) (*store.Record, error) {
	typ, id, _ := strings.Cut(p.key, "/")
	if !p.old {
		r, err := one(ctx, s.res.FindOne(ctx, append(byID(p.key), bson.E{Key: "v", Value: p.ver}), options.FindOne().SetProjection(noIndex)))
		if err == nil {
			return r, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	return one(ctx, s.hist.FindOne(ctx, append(byID(histID(store.Ref{Type: typ, ID: id}, p.ver)), bson.E{Key: "k", Value: p.key})))
}

// oldSpots lists n places of superseded versions.
func (s *Store) oldSpots(ctx context.Context, scope store.Ref, from int64, n int, last *spot) (old []spot, err error) {
	for {
		some, err := spots(ctx, s.hist, "k", scope, from, n, last)
		if err != nil || len(some) == 0 {
			return old, err
		}
		last = &some[len(some)-1]
		more := len(some) == n
		if some, err = s.history(ctx, some); err != nil {
			return nil, err
		}
		if old = append(old, some...); !more || len(old) >= n {
			return old, nil
		}
	}
}

// history leaves out what isn't superseded (see there).
func (s *Store) history(ctx context.Context, old []spot) ([]spot, error) {
	keys := map[string]bool{}
	for _, p := range old {
		keys[p.key] = true
	}
	at, err := s.standAt(ctx, keys)
	return slices.DeleteFunc(slices.Clone(old), func(p spot) bool { return p.ver >= at[p.key] }), err
}

// standAt reads at which versions records stand.
func (s *Store) standAt(ctx context.Context, keys map[string]bool) (map[string]int64, error) {
	ids := bson.A{}
	for key := range keys {
		ids = append(ids, key)
	}
	at := map[string]int64{}
	where := bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}
	err := each(ctx, s.res, where, options.Find().SetProjection(bson.D{{Key: "v", Value: 1}}), func(raw bson.Raw) error {
		at[text(raw, "_id")] = number(raw, "v")
		return nil
	})
	return at, err
}

// spots lists places of one collection, whose field own holds the record's key.
// A record has no two versions of one time, so time and key place a version.
func spots(ctx context.Context, c *mongo.Collection, own string, scope store.Ref, from int64, n int, last *spot) ([]spot, error) {
	times := bson.D{{Key: "$gte", Value: primitive.DateTime(from)}}
	if last != nil && scope.ID == "" { // as the alternatives below, from which a server takes no bounds
		times = append(times, bson.E{Key: "$lte", Value: primitive.DateTime(last.lu)})
	}
	where := bson.D{{Key: "lu", Value: times}}
	order := key("lu", -1, own, -1)
	if scope.Type != "" {
		where = append(bson.D{{Key: "t", Value: scope.Type}}, where...)
	}
	if scope.ID != "" {
		where, order = append(bson.D{{Key: own, Value: scope.String()}}, where...), key("v", -1)
	}
	if last != nil && scope.ID != "" {
		where = append(where, bson.E{Key: "v", Value: bson.D{{Key: "$lt", Value: last.ver}}})
	} else if last != nil {
		at := primitive.DateTime(last.lu)
		where = append(where, bson.E{Key: "$or", Value: bson.A{
			bson.D{{Key: "lu", Value: bson.D{{Key: "$lt", Value: at}}}},
			bson.D{{Key: "lu", Value: at}, {Key: own, Value: bson.D{{Key: "$lt", Value: last.key}}}},
		}})
	}
	o := options.Find().SetSort(order).SetLimit(int64(n)).SetProjection(bson.D{{Key: own, Value: 1}, {Key: "v", Value: 1}, {Key: "lu", Value: 1}})
	var out []spot
	err := each(ctx, c, where, o, func(raw bson.Raw) error {
		out = append(out, spot{key: text(raw, own), ver: number(raw, "v"), lu: moment(raw, "lu"), old: own != "_id"})
		return nil
	})
	return out, err
}
