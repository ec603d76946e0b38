package sqlite

import (
	"context"
	"slices"

	"github.com/onward-health/onward/fhir/search"
)

// upgrade makes a schema the next one: statements, then what can't be said in SQL,
// then statements.
type upgrade struct {
	before []string
	run    func(ctx context.Context, c *conn) error // may be nil
	after  []string
}

// upgrades makes each older schema the next: the first of version 1 makes 2 and so
// on. The list only grows: what a released program has written must open for ever.
// Constants of schema.go serve only until that schema changes.
var upgrades = []upgrade{
	{before: slices.Concat([]string{
		`ALTER TABLE types ADD COLUMN live INTEGER NOT NULL DEFAULT 0`,
		`ALTER TABLE types ADD COLUMN versions INTEGER NOT NULL DEFAULT 0`,
		tombstones,
		feed,
	}, implied)},
	{before: []string{
		`ALTER TABLE hist RENAME TO old_hist`,
		`DROP INDEX hist_typ_lu`,
		`DROP INDEX hist_lu`,
		histThree, histByType, histByTime,
		`INSERT INTO hist SELECT * FROM old_hist`,
		`DROP TABLE old_hist`,
		`ALTER TABLE aux RENAME TO old_aux`,
		`DROP INDEX aux_exp`,
		aux, auxByEnd,
		`INSERT INTO aux SELECT * FROM old_aux`,
		`DROP TABLE old_aux`,
	}},
	{before: []string{
		// Given statistics, SQLite plans a statement again for each new argument, which
		// costs more than most searches; the plans don't depend on them.
		`DROP TABLE IF EXISTS sqlite_stat1`, `DROP TABLE IF EXISTS sqlite_stat4`,
		`UPDATE aux SET val = CAST(x'00' || val AS BLOB) WHERE kind <> 'meta' AND substr(val, 1, 1) IN (x'00', x'01')`, // see squeeze.go
		`ALTER TABLE types ADD COLUMN main INTEGER NOT NULL DEFAULT 0`,
		`ALTER TABLE res RENAME TO old_res`,
		`DROP INDEX res_id`, `DROP INDEX res_typ_lu`, `DROP INDEX res_lu`, `DROP INDEX res_del`,
		`ALTER TABLE hist RENAME TO old_hist`,
		`DROP INDEX hist_typ_lu`, `DROP INDEX hist_lu`,
		`ALTER TABLE x RENAME TO old_x`, `ALTER TABLE xd RENAME TO old_xd`, `ALTER TABLE xs RENAME TO old_xs`,
		res, resByID, hist, who, term, termByText, x, xd, xs,
	}, run: numberIndex, after: []string{
		`DROP TABLE old_x`, `DROP TABLE old_xd`, `DROP TABLE old_xs`, `DROP TABLE old_res`, `DROP TABLE old_hist`,
		resByType, resByTime, tombstones, histByType, histByTime,
	}},
}

// histThree is hist as it was in schema 3.
const histThree = `CREATE TABLE hist (typ TEXT NOT NULL, id TEXT NOT NULL, ver INTEGER NOT NULL,
	lu INTEGER NOT NULL, del INTEGER NOT NULL, method TEXT NOT NULL, "by" BLOB, peer BLOB, body BLOB,
	PRIMARY KEY (typ, id, ver)) STRICT`

// numberRows is how many records or versions are moved at a time.
const numberRows = 500

// numberIndex fills the tables of schema 4 from those of 3: index entries by
// number, authors each once.
func numberIndex(ctx context.Context, c *conn) error {
	w := newWriter(nil, c)
	for last, more := int64(0), true; more; {
		w.begin()
		var err error
		if last, more, err = w.moveRecords(ctx, last); err != nil {
			return err
		}
		if err := w.finish(ctx); err != nil {
			return err
		}
	}
	for last, more := int64(0), true; more; {
		w.begin()
		var err error
		if last, more, err = w.moveVersions(ctx, last); err != nil {
			return err
		}
		if err := w.finish(ctx); err != nil {
			return err
		}
	}
	return nil
}

// moved is a record on its way.
type moved struct {
	pk      int64
	name    string
	deleted bool
	by      []byte
	number  numbered
}

func (w *writer) moveRecords(ctx context.Context, after int64) (last int64, more bool, err error) {
	var list []moved
	err = w.each(ctx, `SELECT pk, typ, del, "by" FROM old_res WHERE pk > ? ORDER BY pk LIMIT ?`, []any{after, numberRows}, func(scan func(...any) error) error {
		var m moved
		err := scan(&m.pk, &m.name, &m.deleted, &m.by)
		list = append(list, m)
		return err
	})
	if err != nil || len(list) == 0 {
		return after, false, err
	}
	var entries []numbered
	for i := range list {
		m := &list[i]
		if m.number.typ, err = w.typeNumber(ctx, m.name); err != nil {
			return after, false, err
		}
		index, err := w.oldIndex(ctx, m.pk)
		if err != nil {
			return after, false, err
		}
		m.number.parts = partsOf(index)
		entries = append(entries, m.number)
	}
	if err := w.learn(ctx, entries); err != nil {
		return after, false, err
	}
	for _, m := range list {
		if err := w.moveRecord(ctx, m); err != nil {
			return after, false, err
		}
	}
	return list[len(list)-1].pk, true, nil
}

func (w *writer) moveRecord(ctx context.Context, m moved) error {
	k, e := keys{}, entered{}
	if !m.deleted {
		var err error
		if k, e, err = w.enter(ctx, m.number.typ, m.number.parts); err != nil {
			return err
		}
	}
	by, err := w.by(ctx, m.by)
	if err != nil {
		return err
	}
	_, err = w.exec(ctx, `INSERT INTO res (pk, typ, id, ver, lu, del, method, lo, "by", ix, peer, body)
		SELECT pk, typ, id, ver, lu, del, method, ?, ?, ?, peer, body FROM old_res WHERE pk = ?`, e.lo, by, blob(e.ix), m.pk)
	if err != nil {
		return err
	}
	return w.index(ctx, m.pk, k, e, entered{lo: e.lo})
}

// oldIndex reads a record's entries from the tables of schema 3.
func (w *writer) oldIndex(ctx context.Context, pk int64) (ix search.Index, err error) {
	err = w.each(ctx, `SELECT v FROM old_x WHERE pk = ?`, []any{pk}, func(scan func(...any) error) error {
		ix.X = append(ix.X, "")
		return scan(&ix.X[len(ix.X)-1])
	})
	if err != nil {
		return ix, err
	}
	err = w.each(ctx, `SELECT p, lo, hi FROM old_xd WHERE pk = ?`, []any{pk}, func(scan func(...any) error) error {
		ix.D = append(ix.D, search.Span{})
		d := &ix.D[len(ix.D)-1]
		return scan(&d.Param, &d.Lo, &d.Hi)
	})
	if err != nil {
		return ix, err
	}
	err = w.each(ctx, `SELECT p, v FROM old_xs WHERE pk = ?`, []any{pk}, func(scan func(...any) error) error {
		ix.S = append(ix.S, search.SortKey{})
		k := &ix.S[len(ix.S)-1]
		return scan(&k.Param, &k.Value)
	})
	return ix, err
}

func (w *writer) moveVersions(ctx context.Context, after int64) (last int64, more bool, err error) {
	type version struct {
		row int64
		by  []byte
	}
	var list []version
	err = w.each(ctx, `SELECT rowid, "by" FROM old_hist WHERE rowid > ? ORDER BY rowid LIMIT ?`, []any{after, numberRows}, func(scan func(...any) error) error {
		var v version
		err := scan(&v.row, &v.by)
		list = append(list, v)
		return err
	})
	if err != nil || len(list) == 0 {
		return after, false, err
	}
	for _, v := range list {
		by, err := w.by(ctx, v.by)
		if err != nil {
			return after, false, err
		}
		_, err = w.exec(ctx, `INSERT INTO hist (typ, id, ver, lu, del, method, "by", peer, body)
			SELECT typ, id, ver, lu, del, method, ?, peer, body FROM old_hist WHERE rowid = ?`, by, v.row)
		if err != nil {
			return after, false, err
		}
	}
	return list[len(list)-1].row, true, nil
}
