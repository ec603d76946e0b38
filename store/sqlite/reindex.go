package sqlite

import (
	"context"
	"encoding/json"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// reindexing is one record on its way to the writer.
type reindexing struct {
	pk, ver int64
	parts   *parts
}

// Reindex implements store.Store. It goes by logical id. Extraction runs outside
// the writer; a record that was written meanwhile is left alone, because its
// writer has indexed it.
func (s *Store) Reindex(ctx context.Context, typ, under string, extract func(*store.Record) (search.Index, error), progress func(done, total int)) error {
	key := kit.ReindexKey(typ)
	at, total, err := s.reindexState(ctx, typ, key)
	if err != nil {
		return err
	}
	at = kit.ReindexFrom(at, under)
	for {
		some, last, err := s.reindexSome(ctx, typ, at.After, extract)
		if err != nil {
			return err
		}
		at.After, at.Done = last, at.Done+len(some)
		a := s.submit(ctx, &request{ctx: ctx, done: make(chan answer, 1), task: func(ctx context.Context, w *writer) (any, error) {
			if len(some) == 0 {
				_, err := w.exec(ctx, `DELETE FROM aux WHERE kind = ? AND key = ?`, kit.KindMeta, key)
				return nil, err
			}
			return nil, w.reindexAll(ctx, typ, key, some, at)
		}})
		if a.err != nil {
			return a.err
		}
		if progress != nil {
			progress(at.Done, max(total, at.Done))
		}
		if len(some) == 0 {
			return nil
		}
	}
}

func (s *Store) reindexState(ctx context.Context, typ, key string) (at kit.Reindexed, total int, err error) {
	err = s.read(ctx, "reindex", func(c *conn) error {
		var raw []byte
		found, err := c.row(ctx, `SELECT val FROM aux WHERE kind = ? AND key = ?`, []any{kit.KindMeta, key}, &raw)
		if err == nil && found {
			err = json.Unmarshal(raw, &at)
		}
		if err == nil {
			_, err = c.row(ctx, `SELECT live FROM types WHERE name = ?`, []any{typ}, &total)
		}
		return err
	})
	return at, total, err
}

// reindexSome reads the next records and extracts their entries.
func (s *Store) reindexSome(ctx context.Context, typ, after string, extract func(*store.Record) (search.Index, error)) (some []reindexing, last string, err error) {
	var records []*store.Record
	err = s.read(ctx, "reindex", func(c *conn) error {
		return c.each(ctx, `SELECT pk, `+columns+` FROM res r WHERE typ = ? AND id > ? AND del = 0 ORDER BY id LIMIT ? + 0`,
			[]any{typ, after, kit.ReindexRows}, func(scan func(...any) error) error {
				var n reindexing
				r, err := scanRecord(scan, &n.pk)
				if err != nil {
					return err
				}
				n.ver, last = r.Version, r.ID
				some, records = append(some, n), append(records, r)
				return nil
			})
	})
	if err != nil {
		return nil, "", err
	}
	for i, r := range records {
		index, err := extract(r)
		if err != nil {
			return nil, "", err
		}
		if err := kit.CheckIndex(index); err != nil {
			return nil, "", err
		}
		some[i].parts = partsOf(index)
	}
	return some, last, nil
}

func (w *writer) reindexAll(ctx context.Context, typ, key string, some []reindexing, at kit.Reindexed) error {
	t, err := w.typeNumber(ctx, typ)
	if err != nil {
		return err
	}
	list := make([]numbered, len(some))
	for i, n := range some {
		list[i] = numbered{t, n.parts}
	}
	if err := w.learn(ctx, list); err != nil {
		return err
	}
	for _, n := range some {
		var had entered
		same, err := w.row(ctx, `SELECT lo, ix FROM res WHERE pk = ? AND ver = ? AND del = 0`, []any{n.pk, n.ver}, &had.lo, &had.ix)
		if err != nil {
			return err
		}
		if !same { // its terms may be nobody's
			w.loosen(n.parts)
			continue
		}
		if err := w.reenter(ctx, t, n, had); err != nil {
			return err
		}
	}
	val, err := json.Marshal(at)
	if err != nil {
		return err
	}
	return w.auxWrite(ctx, kit.KindMeta, key, val, nil)
}

// loosen has the terms of an index looked at that wasn't entered. Parameters that
// records sort by aren't among them: they are no one's data, and no row has them.
func (w *writer) loosen(p *parts) {
	for _, at := range p.terms {
		w.loose[p.ids[at]] = true
	}
	for _, d := range p.dates {
		w.loose[p.ids[d.param]] = true
	}
	for _, t := range p.texts {
		w.loose[p.ids[t[1]]] = true
	}
}

func (w *writer) reenter(ctx context.Context, typ int64, n reindexing, had entered) error {
	k, e, err := w.enter(ctx, typ, n.parts)
	if err != nil {
		return err
	}
	if _, err := w.exec(ctx, `UPDATE res SET lo = ?, ix = ? WHERE pk = ?`, e.lo, e.ix, n.pk); err != nil {
		return err
	}
	return w.index(ctx, n.pk, k, e, had)
}
