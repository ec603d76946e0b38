package sqlite

import (
	"context"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// tidyRows is how much of the feed one commit looks through for versions that
// are gone.
const tidyRows = 1000

// Purge implements store.Store. Between its commits other writes go on.
func (s *Store) Purge(ctx context.Context, r store.PurgeRequest) (store.PurgeResult, error) {
	p, err := kit.NewPurge(r, s.now())
	if err != nil {
		return store.PurgeResult{}, err
	}
	types := []string{r.Type}
	if r.Type == "" {
		if types, err = s.typeNames(ctx); err != nil {
			return p.Result(), err
		}
	}
	for _, typ := range types {
		for more := true; more; {
			before := p.Removed()
			if p, err = s.purgeSome(ctx, p, typ); err != nil {
				return p.Result(), err
			}
			more = p.Removed()-before == kit.PurgeRows
		}
	}
	p.Audit.Done = true
	if p, err = s.purgeSome(ctx, p, ""); err != nil {
		return p.Result(), err
	}
	return p.Result(), s.tidyFeed(ctx)
}

func (s *Store) typeNames(ctx context.Context) (names []string, err error) {
	err = s.read(ctx, "purge", func(c *conn) error {
		return c.each(ctx, `SELECT name FROM types ORDER BY name`, nil, func(scan func(...any) error) error {
			names = append(names, "")
			return scan(&names[len(names)-1])
		})
	})
	return names, err
}

// purgeSome removes the next versions of a type ("": none) and keeps the audit
// record, in one commit.
func (s *Store) purgeSome(ctx context.Context, p kit.Purge, typ string) (kit.Purge, error) {
	a := s.submit(ctx, &request{ctx: ctx, done: make(chan answer, 1), task: func(ctx context.Context, w *writer) (any, error) {
		next := p
		if typ != "" {
			if err := w.purge(ctx, &next.Audit, typ); err != nil {
				return nil, err
			}
			if next.Removed() == p.Removed() {
				return next, nil
			}
		}
		val, err := next.Audit.Value()
		if err != nil {
			return nil, err
		}
		return next, w.auxWrite(ctx, store.KindAudit, p.Key, val, nil)
	}})
	if a.err != nil {
		return p, a.err
	}
	return a.value.(kit.Purge), nil
}

// purge removes at most kit.PurgeRows versions of a type: superseded ones, and
// when there are no more, tombstones, whose older versions have gone by then.
func (w *writer) purge(ctx context.Context, a *store.PurgeAudit, typ string) error {
	t, err := w.typeNumber(ctx, typ)
	if err != nil {
		return err
	}
	before := a.Before.UnixMilli()
	old := `SELECT id, ver FROM hist INDEXED BY hist_typ_lu WHERE typ = ? AND lu < ? LIMIT ? + 0`
	gone := `SELECT id FROM res INDEXED BY res_del WHERE typ = ? AND lu < ? AND del = 1 LIMIT ? + 0`
	args := []any{typ, before}
	if a.ID != "" {
		old = `SELECT id, ver FROM hist WHERE typ = ? AND id = ? AND lu < ? LIMIT ? + 0`
		gone = `SELECT id FROM res WHERE typ = ? AND id = ? AND lu < ? AND del = 1 LIMIT ? + 0`
		args = []any{typ, a.ID, before}
	}
	n, err := w.remove(ctx, `DELETE FROM hist WHERE typ = ? AND (id, ver) IN (`+old+`) RETURNING "by"`, typ, append(args, kit.PurgeRows))
	if err != nil {
		return err
	}
	a.Versions += n
	m := int64(0)
	if n < kit.PurgeRows {
		m, err = w.remove(ctx, `DELETE FROM res WHERE typ = ? AND id IN (`+gone+`) RETURNING "by"`, typ, append(args, kit.PurgeRows-n))
		a.Records += m
	}
	w.tell(t, store.Count{Versions: -n - m})
	return err
}

// remove deletes versions, and who made them where nothing else is theirs.
func (w *writer) remove(ctx context.Context, text, typ string, args []any) (n int64, err error) {
	var authors []int64
	err = w.each(ctx, text, append([]any{typ}, args...), func(scan func(...any) error) error {
		var by *int64
		if err := scan(&by); err != nil {
			return err
		}
		if n++; by != nil {
			authors = append(authors, *by)
		}
		return nil
	})
	for _, id := range authors {
		if err == nil {
			err = w.unsigned(ctx, id)
		}
	}
	return n, err
}

// tidyFeed drops what the feed says of versions that are gone. The newest row
// stays, so that its number isn't given again.
func (s *Store) tidyFeed(ctx context.Context) error {
	var from, to int64
	err := s.read(ctx, "purge", func(c *conn) error {
		_, err := c.row(ctx, `SELECT coalesce((SELECT min(seq) FROM feed), 0), coalesce((SELECT max(seq) FROM feed), 0)`, nil, &from, &to)
		return err
	})
	if err != nil {
		return err
	}
	for ; from < to; from += tidyRows {
		until := min(from+tidyRows, to)
		a := s.submit(ctx, &request{ctx: ctx, done: make(chan answer, 1), task: func(ctx context.Context, w *writer) (any, error) {
			_, err := w.exec(ctx, `DELETE FROM feed WHERE seq >= ? AND seq < ? AND NOT EXISTS (SELECT 1 FROM res r WHERE r.pk = feed.pk
				AND (r.ver = feed.ver AND r.lu = feed.lu
				OR EXISTS (SELECT 1 FROM hist h WHERE h.typ = r.typ AND h.id = r.id AND h.ver = feed.ver AND h.lu = feed.lu)))`, from, until)
			return nil, err
		}})
		if a.err != nil {
			return a.err
		}
	}
	return nil
}
