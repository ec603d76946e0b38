package sqlite

import (
	"context"
	"math"
	"strings"
)

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
func (w *writer) learnWidths(ctx context.Context, typ int64, p *parts, dates []dateKey) error {
	if len(dates) == 0 {
		return nil
	}
	names := map[int64]string{}
	for _, d := range p.dates {
		names[p.ids[d.param]] = p.words[d.param].text
	}
	now := map[string]width{}
	for _, d := range dates { // each span once: the same again isn't several
		name := widthName(names[d.param])
		before, again := now[name]
		now[name] = width{max(before.span, distance(d.lo, d.hi)), again}
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

// widthOf reads xw once a query.
func (p *planner) widthOf(ctx context.Context, param string) (width, bool, error) {
	if known, asked := p.widths[param]; asked {
		return known.width, known.ok, nil
	}
	w, ok, err := p.c.width(ctx, p.typ, param)
	if err == nil {
		p.widths[param] = maybeWidth{w, ok}
	}
	return w, ok, err
}

// maybeWidth is a width, or that there is none.
type maybeWidth struct {
	width
	ok bool
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
