package sqlite

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
)

// entered is what the index has of a record: res.lo and res.ix.
type entered struct {
	lo int64
	ix []byte
}

// Rows of the index. lo is the begin of the record's start where its type is kept
// in that order, else 0; all rows of a record have the same.
type (
	termRow struct{ term, lo, pk int64 }
	dateRow struct {
		dateKey
		pk int64
	}
	textRow struct{ term, pk int64 }
)

func (a termRow) compare(b termRow) int {
	return cmp.Or(cmp.Compare(a.term, b.term), cmp.Compare(a.lo, b.lo), cmp.Compare(a.pk, b.pk))
}

// pending are the rows that a batch adds: they are written at its end, sorted, so
// that neighbours are written together.
type pending struct {
	terms []termRow
	dates []dateRow
	texts []textRow
	pks   map[int64]bool
}

// How the records of a type stand to start (types.main). It only grows, but that a
// type whose records all have one may come to have others.
const (
	mainNone = iota // no record was written yet
	mainAll         // every record has exactly one start
	mainSome        // some record hasn't
)

// enter says what res keeps of a record's index. The words have their numbers.
func (w *writer) enter(ctx context.Context, typ int64, p *parts) (keys, entered, error) {
	k := p.keys()
	if err := w.learnWidths(ctx, typ, p, k.dates); err != nil {
		return k, entered{}, err
	}
	order, known := w.mains[typ]
	if !known {
		if _, err := w.row(ctx, `SELECT main FROM types WHERE t = ?`, []any{typ}, &order); err != nil {
			return k, entered{}, err
		}
	}
	now := order
	if !p.one {
		now = mainSome
	} else if order == mainNone {
		now = mainAll
	}
	if now != order {
		if _, err := w.exec(ctx, `UPDATE types SET main = ? WHERE t = ?`, now, typ); err != nil {
			return k, entered{}, err
		}
	}
	if now != order || !known {
		w.learned = true
		w.mains[typ] = now
	}
	e := entered{ix: k.pack()}
	if now == mainAll {
		e.lo = p.start
	}
	return k, e, nil
}

// index makes a record's rows those of k; before is what it has, if anything.
func (w *writer) index(ctx context.Context, pk int64, k keys, now, before entered) error {
	var old keys
	if len(before.ix) > 0 {
		var err error
		if old, err = unpack(before.ix); err != nil {
			return err
		}
	}
	if now.lo != before.lo { // then every row changes its place
		if err := w.removeRows(ctx, pk, before.lo, keys{terms: old.terms}); err != nil {
			return err
		}
		old.terms = nil
	}
	gone := keys{terms: without(old.terms, k.terms, cmp.Compare[int64]), dates: without(old.dates, k.dates, dateKey.compare), texts: without(old.texts, k.texts, textKey.compare)}
	if err := w.removeRows(ctx, pk, before.lo, gone); err != nil {
		return err
	}
	for _, t := range without(k.terms, old.terms, cmp.Compare[int64]) {
		w.add.terms = append(w.add.terms, termRow{t, now.lo, pk})
	}
	for _, d := range without(k.dates, old.dates, dateKey.compare) {
		w.add.dates = append(w.add.dates, dateRow{d, pk})
	}
	for _, t := range without(k.texts, old.texts, textKey.compare) {
		w.add.texts = append(w.add.texts, textRow{t.term, pk})
	}
	w.add.pks[pk] = true
	return nil
}

// without is what of a sorted list isn't in another.
func without[T any](list, other []T, compare func(T, T) int) []T {
	var out []T
	for _, v := range list {
		for len(other) > 0 && compare(other[0], v) < 0 {
			other = other[1:]
		}
		if len(other) == 0 || compare(other[0], v) != 0 {
			out = append(out, v)
		}
	}
	return out
}

// removeRows takes rows of a record away. Their terms may be nobody's then.
func (w *writer) removeRows(ctx context.Context, pk, lo int64, k keys) error {
	if len(k.terms)+len(k.dates)+len(k.texts) == 0 {
		return nil
	}
	if w.add.pks[pk] { // the batch itself may have added them
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	for _, t := range k.terms {
		w.loose[t] = true
		if _, err := w.exec(ctx, `DELETE FROM x WHERE term = ? AND lo = ? AND pk = ?`, t, lo, pk); err != nil {
			return err
		}
	}
	for _, d := range k.dates {
		w.loose[d.param] = true
		if _, err := w.exec(ctx, `DELETE FROM xd WHERE p = ? AND lo = ? AND hi = ? AND pk = ?`, d.param, d.lo, d.hi, pk); err != nil {
			return err
		}
	}
	for _, t := range k.texts {
		w.loose[t.term] = true
		if _, err := w.exec(ctx, `DELETE FROM xs WHERE term = ? AND pk = ?`, t.term, pk); err != nil {
			return err
		}
	}
	return nil
}

// flush writes the rows that the batch adds. OR FAIL spares SQLite a journal for
// each statement, whose cost grows with the batch; a failure takes the batch back
// anyway. Two parameters of a record may sort by one term, which is one row.
func (w *writer) flush(ctx context.Context) error {
	a := &w.add
	slices.SortFunc(a.terms, termRow.compare)
	slices.SortFunc(a.dates, func(b, c dateRow) int { return cmp.Or(b.dateKey.compare(c.dateKey), cmp.Compare(b.pk, c.pk)) })
	slices.SortFunc(a.texts, func(b, c textRow) int { return cmp.Or(cmp.Compare(b.term, c.term), cmp.Compare(b.pk, c.pk)) })
	a.texts = slices.Compact(a.texts)
	err := insertRows(ctx, w, `INSERT OR FAIL INTO x (term, lo, pk) VALUES `, 3, a.terms, func(args []any, r termRow) []any { return append(args, r.term, r.lo, r.pk) })
	if err == nil {
		err = insertRows(ctx, w, `INSERT OR FAIL INTO xd (p, lo, hi, pk) VALUES `, 4, a.dates, func(args []any, r dateRow) []any { return append(args, r.param, r.lo, r.hi, r.pk) })
	}
	if err == nil {
		err = insertRows(ctx, w, `INSERT OR FAIL INTO xs (term, pk) VALUES `, 2, a.texts, func(args []any, r textRow) []any { return append(args, r.term, r.pk) })
	}
	a.clear()
	return err
}

func (a *pending) clear() {
	a.terms, a.dates, a.texts = a.terms[:0], a.dates[:0], a.texts[:0]
	clear(a.pks)
}

// insertRows writes several rows a statement, of n columns each.
func insertRows[R any](ctx context.Context, w *writer, text string, n int, rows []R, values func([]any, R) []any) error {
	row := `(` + marks(n) + `)`
	return chunks(rows, func(some []R) error {
		args := make([]any, 0, n*len(some))
		for _, r := range some {
			args = values(args, r)
		}
		_, err := w.exec(ctx, text+row+strings.Repeat(`, `+row, len(some)-1), args...)
		return err
	})
}

// unindex takes all rows of a record away.
func (w *writer) unindex(ctx context.Context, pk int64, had entered) error {
	return w.index(ctx, pk, keys{}, entered{lo: had.lo}, had)
}

// indexes reads the entries of several records back.
func (c *conn) indexes(ctx context.Context, packed [][]byte) ([]keys, map[int64]termKey, error) {
	list, numbers := make([]keys, len(packed)), map[int64]bool{}
	for i, b := range packed {
		if len(b) == 0 {
			continue
		}
		var err error
		if list[i], err = unpack(b); err != nil {
			return nil, nil, err
		}
		list[i].numbers(numbers)
	}
	texts, err := c.termTexts(ctx, slices.Sorted(maps.Keys(numbers)))
	return list, texts, err
}
