package sqlite

import (
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir/search"
)

// spanCondition is search.Op in SQL; its parameters are given by spanArgs.
func spanCondition(op search.Op, lo, hi string) string {
	switch op {
	case search.Eq:
		return lo + ` >= ? AND ` + hi + ` <= ?`
	case search.Ne:
		return `(` + lo + ` < ? OR ` + hi + ` > ?)`
	case search.Gt, search.Ge:
		if op == search.Gt {
			return hi + ` > ?`
		}
		return hi + ` >= ?`
	case search.Lt:
		return lo + ` < ?`
	case search.Le:
		return lo + ` <= ?`
	case search.Sa:
		return lo + ` > ?`
	case search.Eb:
		return hi + ` < ?`
	case search.Ap:
		return hi + ` >= ? AND ` + lo + ` <= ?`
	}
	return ""
}

func spanArgs(op search.Op, a, b int64) []any {
	switch op {
	case search.Gt, search.Le, search.Sa:
		return []any{b}
	case search.Lt, search.Ge, search.Eb:
		return []any{a}
	}
	return []any{a, b}
}

// sqlText is a piece of SQL with the arguments of its question marks.
type sqlText struct {
	text []byte
	args []any
}

func (s *sqlText) add(text string, args ...any) {
	s.text = append(s.text, text...)
	s.args = append(s.args, args...)
}

func (s *sqlText) String() string { return string(s.text) }

// at is where a statement finds a record: SQL for its row number and for the lo of
// its rows in x. The alias r is its row of res.
type at struct{ pk, lo string }

// filter writes a node as a condition on a record.
func (p *planner) filter(s *sqlText, a at, n search.Node) {
	switch n := n.(type) {
	case nil:
		s.add(`TRUE`)
	case search.Has:
		p.anyTerm(s, a, p.terms[string(n)])
	case search.HasAny:
		p.anyTerm(s, a, p.termsOf(n))
	case search.Prefix:
		p.prefix(s, n)
	case search.Date:
		p.date(s, a, n)
	case search.IDs:
		if len(n) == 0 {
			s.add(`FALSE`)
			return
		}
		s.add(`r.id IN (` + marks(len(n)) + `)`)
		s.args = append(s.args, anys(n)...)
	case search.Updated:
		s.add(`(`+spanCondition(n.Op, `r.lu`, `r.lu`)+`)`, spanArgs(n.Op, n.Lo, n.Hi)...)
	case search.And:
		p.join(s, a, n, ` AND `, `TRUE`)
	case search.Or:
		p.join(s, a, n, ` OR `, `FALSE`)
	case search.Not:
		s.add(`NOT `)
		p.filter(s, a, n.Node)
	}
}

// fewTerms is how many terms are named in a statement and probed one by one.
const fewTerms = 4

// anyTerm probes x while many records are gone through, most of them in vain. Where
// a rare condition drives, most records are read anyway, and what stands beside
// them costs less than another place of the file.
func (p *planner) anyTerm(s *sqlText, a at, terms []int64) {
	switch n := len(terms); {
	case n == 0:
		s.add(`FALSE`)
	case n > fewTerms || p.drive >= 0 && p.rows < manyRows:
		s.add(`ix_any(r.ix, ?)`, packTerms(terms))
	case n == 1:
		s.add(`EXISTS (SELECT 1 FROM x WHERE term = ? AND lo = `+a.lo+` AND pk = `+a.pk+`)`, terms[0])
	default:
		s.add(`EXISTS (SELECT 1 FROM x WHERE term IN (`+marks(n)+`) AND lo = `+a.lo+` AND pk = `+a.pk+`)`, anysOf(terms)...)
	}
}

// prefix looks the record's own terms up: many may begin so that it hasn't.
func (p *planner) prefix(s *sqlText, n search.Prefix) {
	s.add(`EXISTS (SELECT 1 FROM json_each(ix_terms(r.ix)) j CROSS JOIN term w WHERE w.id = j.value AND (w.k = ? AND w.v >= ? AND w.v < ?`,
		p.typ*kinds+kindEntry, string(n), successor(string(n)))
	if shapes := p.shapes(n); len(shapes) > 0 {
		s.add(` OR w.id IN (SELECT value FROM json_each(?))`, listOf(shapes))
	}
	s.add(`))`)
}

// date looks at the record's spans, but where the begin by which its rows stand
// says enough.
func (p *planner) date(s *sqlText, a at, n search.Date) {
	param := p.dates[n.Param]
	if param == 0 {
		s.add(`FALSE`)
		return
	}
	if n.Param == startParam && p.main {
		switch n.Op {
		case search.Lt, search.Le, search.Sa:
			s.add(`(`+spanCondition(n.Op, a.lo, a.lo)+`)`, spanArgs(n.Op, n.Lo, n.Hi)...)
			return
		case search.Gt, search.Ge: // what begins later ends later
			s.add(`(`+spanCondition(n.Op, a.lo, a.lo)+` OR `, spanArgs(n.Op, n.Lo, n.Hi)...)
			defer s.add(`)`)
		}
	}
	s.add(`ix_span(r.ix, ?, ?, ?, ?)`, param, string(n.Op), n.Lo, n.Hi)
}

func (p *planner) join(s *sqlText, a at, nodes []search.Node, by, none string) {
	if len(nodes) == 0 {
		s.add(none)
		return
	}
	s.add(`(`)
	for i, n := range nodes {
		if i > 0 {
			s.add(by)
		}
		p.filter(s, a, n)
	}
	s.add(`)`)
}

func marks(n int) string { return strings.Repeat(`?, `, n-1) + `?` }

func anys[S ~[]string](texts S) []any {
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out
}

func anysOf(numbers []int64) []any {
	out := make([]any, len(numbers))
	for i, n := range numbers {
		out[i] = n
	}
	return out
}

// listOf is numbers as JSON, for json_each.
func listOf(numbers []int64) string {
	out := []byte{'['}
	for i, n := range numbers {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, n, 10)
	}
	return string(append(out, ']'))
}
