package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// importKey is the document of kind meta that an unfinished import leaves.
const importKey = "import"

// ImportStart implements store.Importer.
func (s *Store) ImportStart(ctx context.Context, source string) (position string, err error) {
	err = s.write(ctx, func(ctx context.Context, w *writer) error {
		under, at, found, err := w.importing(ctx)
		if err != nil {
			return err
		}
		if found {
			if under != source {
				return fmt.Errorf("%w: an unfinished copy from another engine", store.ErrNotEmpty)
			}
			position = at
			return nil
		}
		var n int64
		_, err = w.row(ctx, `SELECT (SELECT count(*) FROM res) + (SELECT count(*) FROM claim) + (SELECT count(*) FROM aux WHERE kind <> ?)`, []any{kit.KindMeta}, &n)
		if err != nil {
			return err
		}
		if n > 0 {
			return store.ErrNotEmpty
		}
		return w.auxWrite(ctx, kit.KindMeta, importKey, []byte(source+"\n"), nil)
	})
	return position, err
}

// importing reads the mark of an unfinished import.
func (c *conn) importing(ctx context.Context) (source, position string, found bool, err error) {
	var val string
	found, err = c.row(ctx, `SELECT CAST(val AS TEXT) FROM aux WHERE kind = ? AND key = ?`, []any{kit.KindMeta, importKey}, &val)
	for i := range val {
		if val[i] == '\n' {
			return val[:i], val[i+1:], found, err
		}
	}
	return val, "", found, err
}

// Import implements store.Importer: items and position are one transaction.
func (s *Store) Import(ctx context.Context, items []store.Item, position string) error {
	return s.write(ctx, func(ctx context.Context, w *writer) error {
		source, _, found, err := w.importing(ctx)
		if err != nil {
			return err
		}
		if !found {
			return ownError("no import has been started")
		}
		for _, i := range items {
			if err := w.take(ctx, i); err != nil {
				return err
			}
		}
		return w.auxWrite(ctx, kit.KindMeta, importKey, []byte(source+"\n"+position), nil)
	})
}

// ImportEnd implements store.Importer: what versions imply, the counters and the
// feed, is made of them.
func (s *Store) ImportEnd(ctx context.Context) error {
	return s.write(ctx, func(ctx context.Context, w *writer) error {
		if _, err := w.exec(ctx, `DELETE FROM aux WHERE kind = ? AND key = ?`, kit.KindMeta, importKey); err != nil {
			return err
		}
		for _, text := range append([]string{`DELETE FROM feed`}, implied...) {
			if _, err := w.exec(ctx, text); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *writer) take(ctx context.Context, i store.Item) error {
	switch {
	case i.Version != nil:
		if kit.CheckRef(i.Version.Ref()) != nil {
			return ownError("a record has a type or an id that is none: the source is damaged")
		}
		if i.Current {
			return w.takeCurrent(ctx, i.Version)
		}
		return w.takeOld(ctx, i.Version)
	case i.Claim != nil:
		c := i.Claim
		_, err := w.exec(ctx, `INSERT OR REPLACE INTO claim (slot, part, owner, at, exp) VALUES (?, ?, ?, ?, ?)`,
			c.Slot, c.Part, c.Owner, c.At.UnixMilli(), expiry(c.Until))
		return err
	case i.Aux != nil:
		a := i.Aux
		if a.Kind == kit.KindMeta {
			return errMeta
		}
		_, err := w.exec(ctx, `INSERT OR REPLACE INTO aux (kind, key, ver, val, exp) VALUES (?, ?, ?, ?, ?)`,
			a.Kind, a.Key, a.Version, blob(w.values.short(a.Value)), expiry(a.Expires))
		return err
	}
	return ownError("an item without content")
}

func (w *writer) takeCurrent(ctx context.Context, r *store.Record) error {
	typ, err := w.typeNumber(ctx, r.Type)
	if err != nil {
		return err
	}
	n := numbered{typ, partsOf(r.Index)}
	if err := w.learn(ctx, []numbered{n}); err != nil {
		return err
	}
	at, found, err := w.standing(ctx, r.Ref())
	if err != nil {
		return err
	}
	k, e, had := keys{}, entered{}, at.entered
	if !r.Deleted {
		if k, e, err = w.enter(ctx, typ, n.parts); err != nil {
			return err
		}
	}
	if err := w.unsignedOf(ctx, `SELECT "by" FROM res WHERE typ = ? AND id = ? AND "by" IS NOT NULL`, r.Type, r.ID); err != nil {
		return err
	}
	by, err := w.by(ctx, r.By)
	if err != nil {
		return err
	}
	args := []any{r.Version, r.LastUpdated.UnixMilli(), r.Deleted, r.Method, e.lo, by, blob(e.ix), blob(r.Peer), blob(r.Body), r.Type, r.ID}
	text := `INSERT INTO res (ver, lu, del, method, lo, "by", ix, peer, body, typ, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	if found {
		text = `UPDATE res SET ver = ?, lu = ?, del = ?, method = ?, lo = ?, "by" = ?, ix = ?, peer = ?, body = ? WHERE typ = ? AND id = ?`
	}
	done, err := w.exec(ctx, text, args...)
	if err != nil {
		return err
	}
	if !found {
		if at.pk, err = done.LastInsertId(); err != nil {
			return err
		}
	}
	return w.index(ctx, at.pk, k, e, had)
}

// takeOld takes a superseded version.
func (w *writer) takeOld(ctx context.Context, r *store.Record) error {
	if err := w.unsignedOf(ctx, `SELECT "by" FROM hist WHERE typ = ? AND id = ? AND ver = ? AND "by" IS NOT NULL`, r.Type, r.ID, r.Version); err != nil {
		return err
	}
	by, err := w.by(ctx, r.By)
	if err != nil {
		return err
	}
	_, err = w.exec(ctx, `INSERT OR REPLACE INTO hist (typ, id, ver, lu, del, method, "by", peer, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.Type, r.ID, r.Version, r.LastUpdated.UnixMilli(), r.Deleted, r.Method, by, blob(r.Peer), blob(r.Body))
	return err
}

// unsignedOf is unsigned for a version that is about to be replaced by itself.
func (w *writer) unsignedOf(ctx context.Context, text string, args ...any) error {
	var by int64
	found, err := w.row(ctx, text, args, &by)
	if err != nil || !found {
		return err
	}
	return w.unsigned(ctx, by)
}

// expiry is a time as a column that may be empty.
func expiry(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// write runs a task on the writer, in a transaction of its group. Unlike a
// commit's caller this one waits whatever happens: it must know what was taken.
func (s *Store) write(ctx context.Context, task func(context.Context, *writer) error) error {
	r := &request{ctx: ctx, done: make(chan answer, 1), task: func(ctx context.Context, w *writer) (any, error) { return nil, task(ctx, w) }}
	return s.submit(context.WithoutCancel(ctx), r).err
}
