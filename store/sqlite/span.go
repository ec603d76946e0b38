package sqlite

import (
	"context"
	"math"

	"github.com/onward-health/onward/fhir/search"
)

// span is the index range of a term, as "table WHERE ...": nil where it has
// none, empty where it is known to hold nothing.
func (p *planner) span(ctx context.Context, n search.Node) (*sqlText, error) {
	s := &sqlText{}
	switch n := n.(type) {
	case search.Has:
		p.ofTerms(s, p.terms[string(n)])
	case search.HasAny:
		p.ofTerms(s, p.termsOf(n))
	case search.Prefix:
		s.add(`x WHERE term IN (SELECT id FROM term WHERE k = ? AND v >= ? AND v < ?`, p.typ*kinds+kindEntry, string(n), successor(string(n)))
		if shapes := p.shapes(n); len(shapes) > 0 {
			s.add(` UNION ALL SELECT value FROM json_each(?)`, listOf(shapes))
		}
		s.add(`)`)
		p.inOrder(s)
	case search.Updated:
		if n.Op == search.Ne {
			return nil, nil
		}
		s.add(`res INDEXED BY res_typ_lu WHERE typ = ? AND del = 0 AND `+spanCondition(n.Op, `lu`, `lu`), p.name)
		s.args = append(s.args, spanArgs(n.Op, n.Lo, n.Hi)...)
	case search.Date:
		w, known, err := p.widthOf(ctx, n.Param)
		if err != nil || !known || p.dates[n.Param] == 0 {
			return s, err
		}
		lower, upper := bounds(n, w.span)
		if !w.several {
			lower, upper = p.window(n.Param, w.span)
		}
		s.add(`xd WHERE p = ? AND lo >= ? AND lo <= ? AND `, p.dates[n.Param], lower, upper)
		s.add(spanCondition(n.Op, `+lo`, `hi`), spanArgs(n.Op, n.Lo, n.Hi)...)
	default:
		return nil, nil
	}
	return s, nil
}

// ofTerms is the range of some terms in x.
func (p *planner) ofTerms(s *sqlText, terms []int64) {
	switch n := len(terms); {
	case n == 0:
		return
	case n <= fewTerms:
		s.add(`x WHERE term IN (`+marks(n)+`)`, anysOf(terms)...)
	default:
		s.add(`x WHERE term IN (SELECT value FROM json_each(?))`, listOf(terms))
	}
	p.inOrder(s)
}

// inOrder narrows a range of x by what the query says of start.
func (p *planner) inOrder(s *sqlText) {
	if lower, upper, within := p.within(); within {
		s.add(` AND lo >= ? AND lo <= ?`, lower, upper)
	}
}

// within is what the conditions on start say of lo, where rows stand in its order.
func (p *planner) within() (lower, upper int64, within bool) {
	if !p.main {
		return 0, 0, false
	}
	lower, upper = p.window(startParam, p.width)
	return lower, upper, lower > math.MinInt64 || upper < math.MaxInt64
}

// window is what all conditions on a date parameter together say of lo, where no
// record has several spans.
func (p *planner) window(param string, widest int64) (lower, upper int64) {
	lower, upper = math.MinInt64, math.MaxInt64
	for _, term := range p.conds {
		if d, is := term.(search.Date); is && d.Param == param {
			low, high := bounds(d, widest)
			lower, upper = max(lower, low), min(upper, high)
		}
	}
	return lower, upper
}

// bounds are what the condition says of lo alone, given the widest span.
func bounds(d search.Date, widest int64) (lower, upper int64) {
	lower, upper = math.MinInt64, math.MaxInt64
	switch d.Op {
	case search.Eq:
		return d.Lo, d.Hi
	case search.Gt, search.Sa:
		lower = minus(d.Hi, widest)
		if d.Op == search.Sa {
			lower = d.Hi
		}
	case search.Ge:
		lower = minus(d.Lo, widest)
	case search.Lt, search.Eb:
		upper = d.Lo
	case search.Le:
		upper = d.Hi
	case search.Ap:
		lower, upper = minus(d.Lo, widest), d.Hi
	}
	return lower, upper
}
