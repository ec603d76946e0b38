package sqlite

import (
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

// filter writes a node as a condition on a record, whose row number is the SQL
// expression pk; the alias r is its row of res.
func (s *sqlText) filter(typ int64, pk string, n search.Node) {
	switch n := n.(type) {
	case nil:
		s.add(`TRUE`)
	case search.Has:
		s.add(`EXISTS (SELECT 1 FROM x WHERE t = ? AND v = ? AND pk = `+pk+`)`, typ, string(n))
	case search.HasAny:
		s.hasAny(typ, pk, n)
	case search.Prefix:
		s.add(`EXISTS (SELECT 1 FROM x INDEXED BY x_pk WHERE pk = `+pk+` AND t = ? AND v >= ? AND v < ?)`,
			typ, string(n), successor(string(n)))
	case search.Date:
		s.add(`EXISTS (SELECT 1 FROM xd INDEXED BY xd_pk WHERE pk = `+pk+` AND t = ? AND p = ? AND `, typ, n.Param)
		s.add(spanCondition(n.Op, `lo`, `hi`)+`)`, spanArgs(n.Op, n.Lo, n.Hi)...)
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
		s.join(typ, pk, n, ` AND `, `TRUE`)
	case search.Or:
		s.join(typ, pk, n, ` OR `, `FALSE`)
	case search.Not:
		s.add(`NOT `)
		s.filter(typ, pk, n.Node)
	}
}

// hasAny probes the entries one by one while they are few, and else looks
// through the record's own.
func (s *sqlText) hasAny(typ int64, pk string, entries []string) {
	switch n := len(entries); {
	case n == 0:
		s.add(`FALSE`)
		return
	case n <= 4:
		s.add(`EXISTS (SELECT 1 FROM x WHERE t = ? AND v IN (`+marks(n)+`)`, typ)
		s.args = append(s.args, anys(entries)...)
		s.add(` AND pk = ` + pk + `)`)
	default:
		s.add(`EXISTS (SELECT 1 FROM x INDEXED BY x_pk WHERE pk = `+pk+` AND t = ? AND +v IN (`+marks(n)+`))`, typ)
		s.args = append(s.args, anys(entries)...)
	}
}

func (s *sqlText) join(typ int64, pk string, nodes []search.Node, by, none string) {
	if len(nodes) == 0 {
		s.add(none)
		return
	}
	s.add(`(`)
	for i, n := range nodes {
		if i > 0 {
			s.add(by)
		}
		s.filter(typ, pk, n)
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
