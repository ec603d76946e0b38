package sqlite

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// feedMark is what a position says it belongs to.
var feedMark = sha256.Sum256([]byte("changes"))

// Changes implements store.Store. Changes are in the order of commit. limit is at
// most store.MaxChanges, which is also what 0 means.
func (s *Store) Changes(ctx context.Context, after string, limit int, wait time.Duration) (*store.Changes, error) {
	if limit <= 0 || limit > store.MaxChanges {
		limit = store.MaxChanges
	}
	seq := int64(0)
	if after != "" {
		m, err := s.seal.Open(after, feedMark[:])
		if err != nil {
			return nil, err
		}
		seq = m.Ver
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		heard := s.news.Listen() // before reading, so that nothing falls between
		list, last, err := s.changes(ctx, seq, limit)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			return &store.Changes{List: list, Next: s.seal.Close(kit.Mark{Query: feedMark[:], Ver: last})}, nil
		}
		none := &store.Changes{Next: after}
		if wait <= 0 {
			return none, nil
		}
		select {
		case <-heard:
		case <-timer.C:
			return none, nil
		case <-s.closing:
			return nil, store.ErrUnavailable
		case <-ctx.Done():
			return nil, fault("list changes", ctx.Err())
		}
	}
}

func (s *Store) changes(ctx context.Context, seq int64, limit int) (list []store.Change, last int64, err error) {
	err = s.read(ctx, "list changes", func(c *conn) error {
		return c.each(ctx, `SELECT f.seq, r.typ, r.id, f.ver, f.lu, iif(r.ver = f.ver, r.del, h.del), iif(r.ver = f.ver, r.method, h.method)
			FROM feed f CROSS JOIN res r ON r.pk = f.pk LEFT JOIN hist h ON h.typ = r.typ AND h.id = r.id AND h.ver = f.ver
			WHERE f.seq > ? AND iif(r.ver = f.ver, r.lu, h.lu) = f.lu ORDER BY f.seq LIMIT ? + 0`,
			[]any{seq, limit}, func(scan func(...any) error) error {
				var c store.Change
				var lu int64
				if err := scan(&last, &c.Ref.Type, &c.Ref.ID, &c.Version, &lu, &c.Deleted, &c.Method); err != nil {
					return err
				}
				c.LastUpdated = kit.Instant(lu)
				list = append(list, c)
				return nil
			})
	})
	return list, last, err
}

// note adds a version to the feed and to its type's counters.
func (w *writer) note(ctx context.Context, typ, live, pk, ver, lu int64) error {
	w.tell(typ, store.Count{Live: live, Versions: 1})
	_, err := w.exec(ctx, `INSERT INTO feed (pk, ver, lu) VALUES (?, ?, ?)`, pk, ver, lu)
	return err
}

func (w *writer) tell(typ int64, n store.Count) {
	t := w.batch[typ]
	w.batch[typ] = store.Count{Live: t.Live + n.Live, Versions: t.Versions + n.Versions}
}

// addCounts keeps what a batch that succeeded has counted.
func (w *writer) addCounts() {
	for typ, n := range w.batch {
		t := w.total[typ]
		w.total[typ] = store.Count{Live: t.Live + n.Live, Versions: t.Versions + n.Versions}
	}
}

// count writes the counters, once a group.
func (w *writer) count(ctx context.Context) error {
	defer clear(w.total)
	for typ, n := range w.total {
		if _, err := w.exec(ctx, `UPDATE types SET live = live + ?, versions = versions + ? WHERE t = ?`, n.Live, n.Versions, typ); err != nil {
			return err
		}
	}
	return nil
}

// Counts implements store.Store.
func (s *Store) Counts(ctx context.Context) (map[string]store.Count, error) {
	all := map[string]store.Count{}
	err := s.read(ctx, "count records", func(c *conn) error {
		return c.each(ctx, `SELECT name, live, versions FROM types WHERE versions > 0`, nil, func(scan func(...any) error) error {
			var name string
			var n store.Count
			if err := scan(&name, &n.Live, &n.Versions); err != nil {
				return err
			}
			all[name] = n
			return nil
		})
	})
	return all, err
}
