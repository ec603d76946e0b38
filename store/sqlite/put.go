package sqlite

import (
	"context"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// standing is what a write finds of a record.
type standing struct {
	pk, ver, lu int64
	deleted     bool
	entered
}

func (w *writer) standing(ctx context.Context, ref store.Ref) (at standing, found bool, err error) {
	found, err = w.row(ctx, `SELECT pk, ver, lu, del, lo, ix FROM res WHERE typ = ? AND id = ?`,
		[]any{ref.Type, ref.ID}, &at.pk, &at.ver, &at.lu, &at.deleted, &at.lo, &at.ix)
	return at, found, err
}

// put writes the next version: the one that stands goes to hist, and only the
// index entries that differ are touched.
func (w *writer) put(ctx context.Context, i int, op store.Put, p *parts, now int64) (*store.Version, error) {
	r := op.Record
	at, found, err := w.standing(ctx, r.Ref())
	if err != nil {
		return nil, err
	}
	if err := kit.Unmet(op.If, found, at.ver, i, r.Ref().String()); err != nil {
		return nil, err
	}
	typ, err := w.typeNumber(ctx, r.Type)
	if err != nil {
		return nil, err
	}
	k, e, err := w.enter(ctx, typ, p)
	if err != nil {
		return nil, err
	}
	had := at.entered
	lu := max(now, at.lu+1)
	if !found {
		lu = now
		at.pk, err = w.insert(ctx, r, lu, e)
	} else {
		err = w.supersede(ctx, at, lu, r, e)
	}
	if err != nil {
		return nil, err
	}
	if err := w.index(ctx, at.pk, k, e, had); err != nil {
		return nil, err
	}
	live := int64(0)
	if !found || at.deleted {
		live = 1
	}
	if err := w.note(ctx, typ, live, at.pk, at.ver+1, lu); err != nil {
		return nil, err
	}
	return &store.Version{Ref: r.Ref(), Version: at.ver + 1, LastUpdated: kit.Instant(lu)}, nil
}

// delete leaves a tombstone without index entries.
func (w *writer) delete(ctx context.Context, i int, op store.Delete, now int64) (*store.Version, error) {
	at, found, err := w.standing(ctx, op.Ref)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, kit.Conflict(store.MissingRecord, i, op.Ref.String(), 0)
	}
	if err := kit.Unmet(op.If, found, at.ver, i, op.Ref.String()); err != nil {
		return nil, err
	}
	if at.deleted {
		return &store.Version{Ref: op.Ref, Version: at.ver, LastUpdated: kit.Instant(at.lu)}, nil
	}
	typ, err := w.typeNumber(ctx, op.Ref.Type)
	if err != nil {
		return nil, err
	}
	lu := max(now, at.lu+1)
	if err := w.supersede(ctx, at, lu, &store.Record{Method: "DELETE", By: op.By}, entered{}); err != nil {
		return nil, err
	}
	if err := w.unindex(ctx, at.pk, at.entered); err != nil {
		return nil, err
	}
	if err := w.note(ctx, typ, -1, at.pk, at.ver+1, lu); err != nil {
		return nil, err
	}
	return &store.Version{Ref: op.Ref, Version: at.ver + 1, LastUpdated: kit.Instant(lu)}, nil
}

func (w *writer) insert(ctx context.Context, r *store.Record, lu int64, e entered) (pk int64, err error) {
	by, err := w.by(ctx, r.By)
	if err != nil {
		return 0, err
	}
	done, err := w.exec(ctx, `INSERT INTO res (typ, id, ver, lu, del, method, lo, "by", ix, peer, body) VALUES (?, ?, 1, ?, 0, ?, ?, ?, ?, ?, ?)`,
		r.Type, r.ID, lu, r.Method, e.lo, by, e.ix, blob(r.Peer), r.Body)
	if err != nil {
		return 0, err
	}
	return done.LastInsertId()
}

// supersede moves the version that stands to hist and writes the next; a
// version without body is a tombstone.
func (w *writer) supersede(ctx context.Context, at standing, lu int64, r *store.Record, e entered) error {
	by, err := w.by(ctx, r.By)
	if err != nil {
		return err
	}
	_, err = w.exec(ctx, `INSERT INTO hist (typ, id, ver, lu, del, method, "by", peer, body)
		SELECT typ, id, ver, lu, del, method, "by", peer, body FROM res WHERE pk = ?`, at.pk)
	if err != nil {
		return err
	}
	_, err = w.exec(ctx, `UPDATE res SET ver = ?, lu = ?, del = ?, method = ?, lo = ?, "by" = ?, ix = ?, peer = ?, body = ? WHERE pk = ?`,
		at.ver+1, lu, len(r.Body) == 0, r.Method, e.lo, by, blob(e.ix), blob(r.Peer), blob(r.Body), at.pk)
	return err
}

// typeNumber returns the small number that index tables know a type by.
func (w *writer) typeNumber(ctx context.Context, name string) (int64, error) {
	if t := w.types[name]; t != 0 {
		return t, nil
	}
	var t int64
	found, err := w.row(ctx, `SELECT t FROM types WHERE name = ?`, []any{name}, &t)
	if err != nil {
		return 0, err
	}
	if !found {
		done, err := w.exec(ctx, `INSERT INTO types (name) VALUES (?)`, name)
		if err != nil {
			return 0, err
		}
		if t, err = done.LastInsertId(); err != nil {
			return 0, err
		}
	}
	w.learned = true
	w.types[name] = t
	return t, nil
}
