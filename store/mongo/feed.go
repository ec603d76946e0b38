package mongo

import (
	"context"
	"crypto/sha256"
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

// overlap is how long after its time a version may come to be seen: a write takes
// at most writeTime, and the clocks of several processes may differ by five
// seconds.
const overlap = writeTime + 5*time.Second

// maxPosition bounds a position, which lists what was seen within the overlap:
// about 180,000 versions.
const maxPosition = 2 << 20

// feedMark is what a position says it belongs to.
var feedMark = sha256.Sum256([]byte("changes"))

// seen tells a version from others.
type seen [8]byte

// place is how far a reader has come: all versions before floor, and of those
// from floor on the ones that are listed.
type place struct {
	floor int64
	seen  map[seen]bool
}

// Changes implements store.Store. There is no sequence over all shards, so
// changes come in the order of their times, as far as they can be seen: one that
// comes to be seen later, within the overlap, is listed then. limit is at most
// store.MaxChanges, which is also what 0 means.
func (s *Store) Changes(ctx context.Context, after string, limit int, wait time.Duration) (*store.Changes, error) {
	if limit <= 0 || limit > store.MaxChanges {
		limit = store.MaxChanges
	}
	at, err := s.placeOf(after)
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	poll := time.NewTimer(pollEvery)
	defer poll.Stop()
	for {
		heard := s.news.Listen() // before reading, so that nothing falls between
		all, next, err := s.changes(ctx, at, limit)
		if err != nil {
			return nil, err
		}
		at = next
		list, err := s.unpurged(ctx, all)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 || len(all) == 0 && wait <= 0 {
			return &store.Changes{List: list, Next: s.position(at)}, nil
		}
		if len(all) > 0 {
			continue
		}
		s.watchServer()
		poll.Reset(s.pollTime())
		select {
		case <-heard:
		case <-poll.C:
		case <-timer.C:
			return &store.Changes{Next: s.position(at)}, nil
		case <-ctx.Done():
			return nil, fault(ctx, "list changes", ctx.Err())
		}
	}
}

func (s *Store) placeOf(position string) (place, error) {
	at := place{floor: kit.MinTime, seen: map[seen]bool{}}
	if position == "" {
		return at, nil
	}
	m, err := s.seal.OpenUpTo(maxPosition, position, feedMark[:])
	if err != nil {
		return at, err
	}
	at.floor = m.Ver
	for one := range slices.Chunk(m.Seen, len(seen{})) {
		at.seen[seen(one)] = true
	}
	return at, nil
}

func (s *Store) position(at place) string {
	m := kit.Mark{Query: feedMark[:], Ver: at.floor}
	for one := range at.seen {
		m.Seen = append(m.Seen, one[:]...)
	}
	return s.seal.Close(m)
}

// changes lists what the reader hasn't seen, and how far it has come then. The
// current versions are listed before the superseded ones, so that nothing falls
// between.
func (s *Store) changes(ctx context.Context, at place, limit int) ([]store.Change, place, error) {
	in, leave, err := s.enter(ctx, readTime)
	if err != nil {
		return nil, at, err
	}
	defer leave()
	settled, err := s.settled(in) // before reading
	if err != nil {
		return nil, at, fault(ctx, "list changes", err)
	}
	n := 2 * (limit + len(at.seen)) // a version may be met twice
	all, whole, err := s.versionsFrom(in, at.floor, n)
	if err != nil {
		return nil, at, fault(ctx, "list changes", err)
	}
	var list []store.Change
	met := map[seen]int64{} // what was seen, and when it was written
	for _, c := range all {
		id := seenOf(c)
		if !at.seen[id] && len(list) == limit {
			whole = false
			continue
		}
		if _, twice := met[id]; !at.seen[id] && !twice {
			list = append(list, c)
		}
		met[id] = c.LastUpdated.UnixMilli()
	}
	next := place{floor: max(at.floor, settled), seen: map[seen]bool{}}
	if !whole {
		next.floor = at.floor
		if len(list) > 0 {
			next.floor = max(at.floor, min(settled, list[len(list)-1].LastUpdated.UnixMilli()))
		}
		for id := range at.seen {
			if _, is := met[id]; !is {
				next.seen[id] = true
			}
		}
	}
	for id, lu := range met {
		if lu >= next.floor {
			next.seen[id] = true
		}
	}
	return list, next, nil
}

// noopEvery is how often a primary writes of its own accord, and so how old the
// latest time that a server tells may be.
const noopEvery = 10 * time.Second

// settled is the time before which all versions are seen by what the call reads from
// here on. Readers are shown what the majority of a set has, which may be long behind
// what is written; by how much, a server tells with every answer: the time of what
// is read, and the latest time that it knows. The session reads no older on any
// shard than it has here.
func (s *Store) settled(in context.Context) (int64, error) {
	now := s.now()
	if err := s.aux.FindOne(in, byID(schemaID)).Err(); err != nil {
		return 0, err
	}
	late := overlap
	session := mongo.SessionFromContext(in)
	if read := session.OperationTime(); read != nil {
		latest, _, _ := session.ClusterTime().Lookup("$clusterTime", "clusterTime").TimestampOK()
		if latest > read.T+1 {
			late += time.Duration(latest-read.T)*time.Second + noopEvery
		}
	}
	return now.Add(-late).UnixMilli(), nil
}

// unpurged leaves out deletions of records that were purged, whose copies a write
// may have left in hist (see superseded).
func (s *Store) unpurged(ctx context.Context, all []store.Change) ([]store.Change, error) {
	deleted := map[string]bool{}
	for _, c := range all {
		if c.Deleted {
			deleted[c.Ref.String()] = true
		}
	}
	if len(deleted) == 0 {
		return all, nil
	}
	in, leave, err := s.enter(ctx, readTime)
	if err != nil {
		return nil, err
	}
	defer leave()
	at, err := s.standAt(in, deleted)
	if err != nil {
		return nil, fault(ctx, "list changes", err)
	}
	return slices.DeleteFunc(all, func(c store.Change) bool { return c.Deleted && at[c.Ref.String()] < c.Version }), nil
}

func seenOf(c store.Change) seen {
	h := sha256.Sum256(fmt.Appendf(nil, "%s/%d %d", c.Ref, c.Version, c.LastUpdated.UnixMilli()))
	return seen(h[:len(seen{})])
}

// versionsFrom lists the first n versions in order of time; whole says that there
// are no more.
func (s *Store) versionsFrom(ctx context.Context, floor int64, n int) (all []store.Change, whole bool, err error) {
	for _, c := range []*mongo.Collection{s.res, s.hist} {
		own := "_id"
		if c == s.hist {
			own = "k"
		}
		where := bson.D{{Key: "lu", Value: bson.D{{Key: "$gte", Value: primitive.DateTime(floor)}}}}
		o := options.Find().SetSort(key("lu", 1, own, 1)).SetLimit(int64(n)).SetProjection(
			bson.D{{Key: "t", Value: 1}, {Key: "id", Value: 1}, {Key: "v", Value: 1}, {Key: "lu", Value: 1}, {Key: "del", Value: 1}, {Key: "m", Value: 1}})
		err := each(ctx, c, where, o, func(raw bson.Raw) error {
			all = append(all, changeOf(raw))
			return nil
		})
		if err != nil {
			return nil, false, err
		}
	}
	slices.SortFunc(all, func(a, b store.Change) int {
		if c := a.LastUpdated.Compare(b.LastUpdated); c != 0 {
			return c
		}
		return strings.Compare(a.Ref.String(), b.Ref.String())
	})
	if len(all) >= n {
		return all[:n], false, nil
	}
	return all, true, nil
}

func changeOf(raw bson.Raw) store.Change {
	c := store.Change{Ref: store.Ref{Type: text(raw, "t"), ID: text(raw, "id")}, Version: number(raw, "v"),
		LastUpdated: kit.Instant(moment(raw, "lu")), Method: text(raw, "m")}
	c.Deleted, _ = raw.Lookup("del").BooleanOK()
	return c
}
