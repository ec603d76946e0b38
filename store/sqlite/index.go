package sqlite

import (
	"context"
	"math"
	"strings"

	"github.com/onward-health/onward/fhir/search"
)

// entry is one row of x (A is the entry), xd (A the parameter, with Lo and Hi)
// or xs (A the parameter, B the value).
type entry struct {
	A, B   string
	Lo, Hi int64
}

// indexTable is one of the three index tables.
type indexTable struct {
	name   string
	fields []string // between t and pk
	args   func(e entry) []any
}

var (
	tableX  = indexTable{"x", []string{"v"}, func(e entry) []any { return []any{e.A} }}
	tableXD = indexTable{"xd", []string{"p", "lo", "hi"}, func(e entry) []any { return []any{e.A, e.Lo, e.Hi} }}
	tableXS = indexTable{"xs", []string{"p", "v"}, func(e entry) []any { return []any{e.A, e.B} }}
)

// index makes the record's entries those of ix; had says that there may be
// older ones.
func (w *writer) index(ctx context.Context, typ, pk int64, ix search.Index, had bool) error {
	want := map[entry]bool{}
	for _, e := range ix.X {
		want[entry{A: e}] = true
	}
	if err := w.reindex(ctx, tableX, typ, pk, want, had); err != nil {
		return err
	}
	want = map[entry]bool{}
	for _, d := range ix.D {
		want[entry{A: d.Param, Lo: d.Lo, Hi: d.Hi}] = true
	}
	if err := w.learnWidths(ctx, typ, want); err != nil {
		return err
	}
	if err := w.reindex(ctx, tableXD, typ, pk, want, had); err != nil {
		return err
	}
	want = map[entry]bool{}
	seen := map[string]bool{}
	for _, s := range ix.S { // a record sorts by the first value of a parameter
		if !seen[s.Param] {
			want[entry{A: s.Param, B: s.Value}] = true
		}
		seen[s.Param] = true
	}
	return w.reindex(ctx, tableXS, typ, pk, want, had)
}

// reindex deletes what isn't wanted any more and inserts what is new.
func (w *writer) reindex(ctx context.Context, table indexTable, typ, pk int64, want map[entry]bool, had bool) error {
	var gone []entry
	if had {
		err := w.entries(ctx, table, typ, pk, func(e entry) {
			if want[e] {
				delete(want, e)
				return
			}
			gone = append(gone, e)
		})
		if err != nil {
			return err
		}
	}
	for _, e := range gone {
		text := `DELETE FROM ` + table.name + ` WHERE t = ? AND ` + strings.Join(table.fields, ` = ? AND `) + ` = ? AND pk = ?`
		if _, err := w.exec(ctx, text, append(append([]any{typ}, table.args(e)...), pk)...); err != nil {
			return err
		}
	}
	return w.insertEntries(ctx, table, typ, pk, want)
}

func (w *writer) entries(ctx context.Context, table indexTable, typ, pk int64, f func(entry)) error {
	text := `SELECT ` + strings.Join(table.fields, `, `) + ` FROM ` + table.name + ` WHERE pk = ? AND t = ?`
	return w.each(ctx, text, []any{pk, typ}, func(scan func(...any) error) error {
		var e entry
		into := []any{&e.A}
		switch table.name {
		case "xd":
			into = []any{&e.A, &e.Lo, &e.Hi}
		case "xs":
			into = []any{&e.A, &e.B}
		}
		if err := scan(into...); err != nil {
			return err
		}
		f(e)
		return nil
	})
}

// insertEntries writes several rows a statement, in a few fixed sizes so that
// the statements stay prepared. OR FAIL spares SQLite a journal for each
// statement, whose cost grows with the batch; a failure takes the batch back
// anyway.
func (w *writer) insertEntries(ctx context.Context, table indexTable, typ, pk int64, want map[entry]bool) error {
	left := make([]entry, 0, len(want))
	for e := range want {
		left = append(left, e)
	}
	row := `(?, ` + strings.Repeat(`?, `, len(table.fields)) + `?)`
	for _, size := range []int{16, 4, 1} {
		for len(left) >= size {
			text := `INSERT OR FAIL INTO ` + table.name + ` (t, ` + strings.Join(table.fields, `, `) + `, pk) VALUES ` +
				row + strings.Repeat(`, `+row, size-1)
			var args []any
			for _, e := range left[:size] {
				args = append(append(append(args, typ), table.args(e)...), pk)
			}
			if _, err := w.exec(ctx, text, args...); err != nil {
				return err
			}
			left = left[size:]
		}
	}
	return nil
}

// dateParam names a date parameter of a type.
type dateParam struct {
	typ   int64
	param string
}

// width is a row of xw: the widest span ever written, and whether a record ever
// had several. It only grows; a record's going leaves it, which costs searches a
// little and never an answer.
type width struct {
	span    int64
	several bool
}

// widthName names a date parameter in xw. What stands behind "$" (a unit, the
// code of a composite) comes from the records, so all of a parameter's share one
// row: xw stays as small as the list of parameters.
func widthName(param string) string {
	base, _, part := strings.Cut(param, "$")
	if part {
		return base + "$"
	}
	return base
}

// learnWidths widens xw to cover the spans of a record.
func (w *writer) learnWidths(ctx context.Context, typ int64, spans map[entry]bool) error {
	now := map[string]width{}
	for e := range spans {
		name := widthName(e.A)
		before, again := now[name]
		now[name] = width{max(before.span, distance(e.Lo, e.Hi)), again}
	}
	for param, seen := range now {
		key := dateParam{typ, param}
		known, ok := w.widths[key]
		if !ok {
			var err error
			if known, ok, err = w.width(ctx, typ, param); err != nil {
				return err
			}
		}
		wider := width{max(known.span, seen.span), known.several || seen.several}
		if !ok || wider != known {
			if _, err := w.exec(ctx, `INSERT INTO xw (t, p, width, several) VALUES (?, ?, ?, ?)
				ON CONFLICT (t, p) DO UPDATE SET width = excluded.width, several = excluded.several`,
				typ, param, wider.span, wider.several); err != nil {
				return err
			}
		}
		if w.widths[key] != wider || !ok {
			w.learned = true
			w.widths[key] = wider
		}
	}
	return nil
}

// width reads xw; ok is false where no record ever had the parameter as a date.
func (c *conn) width(ctx context.Context, typ int64, param string) (found width, ok bool, err error) {
	ok, err = c.row(ctx, `SELECT width, several FROM xw WHERE t = ? AND p = ?`, []any{typ, widthName(param)}, &found.span, &found.several)
	return found, ok, err
}

// distance is hi - lo, or as far as a number goes, which may be less: the spans
// of quantities reach over more than half of all numbers.
func distance(lo, hi int64) int64 {
	if d := hi - lo; d >= 0 {
		return d
	}
	return math.MaxInt64
}

// minus is a - b, or as low as a number goes; b isn't negative. A distance that
// is as far as a number goes may be farther.
func minus(a, b int64) int64 {
	if d := a - b; d <= a && b < math.MaxInt64 {
		return d
	}
	return math.MinInt64
}
