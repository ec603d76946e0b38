package sqlite

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"strings"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// Bounds of one query; over them it is ErrTooLarge.
const (
	maxNodes  = 400
	maxDepth  = 24
	maxValues = 10_000 // entries and ids in all lists together
	maxSorts  = 8
)

// checkQuery refuses a query that is out of bounds, holds a Chain or
// ReverseChain (callers resolve those), or names an unknown operator.
func checkQuery(q *search.Query) error {
	if q == nil || !word(q.Type, false) {
		return fmt.Errorf("store: a query needs a type")
	}
	if len(q.Sort) > maxSorts {
		return fmt.Errorf("%w: more than %d sort parameters", store.ErrTooLarge, maxSorts)
	}
	var t tally
	return t.node(q.Where, 0)
}

type tally struct{ nodes, values int }

func (t *tally) node(n search.Node, depth int) error {
	t.nodes++
	if t.nodes > maxNodes || depth > maxDepth {
		return fmt.Errorf("%w: the query has more than %d conditions or %d levels", store.ErrTooLarge, maxNodes, maxDepth)
	}
	switch n := n.(type) {
	case nil, search.Has, search.Prefix:
		return nil
	case search.HasAny:
		return t.list(len(n))
	case search.IDs:
		return t.list(len(n))
	case search.Date:
		return checkOperator(n.Op)
	case search.Updated:
		return checkOperator(n.Op)
	case search.And:
		return t.nodesOf(n, depth)
	case search.Or:
		return t.nodesOf(n, depth)
	case search.Not:
		return t.node(n.Node, depth+1)
	case search.Chain, search.ReverseChain:
		return fmt.Errorf("store: a chained condition must be resolved before the store sees it")
	}
	return fmt.Errorf("store: unknown condition %T", n)
}

func (t *tally) nodesOf(nodes []search.Node, depth int) error {
	for _, n := range nodes {
		if err := t.node(n, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (t *tally) list(n int) error {
	if t.values += n; t.values > maxValues {
		return fmt.Errorf("%w: the query has more than %d values", store.ErrTooLarge, maxValues)
	}
	return nil
}

func checkOperator(op search.Op) error {
	if spanCondition(op, "", "") == "" {
		return fmt.Errorf("store: unknown comparison operator")
	}
	return nil
}

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

// queryHash stands for type, condition and order of a query. Two queries with
// one hash have the same pages, whatever their page size.
func queryHash(q *search.Query) []byte {
	h := sha256.New()
	hashTexts(h, "search", q.Type)
	hashNode(h, q.Where)
	for _, s := range q.Sort {
		hashTexts(h, s.Param, fmt.Sprint(s.Desc))
	}
	return h.Sum(nil)[:16]
}

func hashTexts(h hash.Hash, texts ...string) {
	hashNumbers(h, int64(len(texts)))
	for _, t := range texts {
		hashNumbers(h, int64(len(t)))
		h.Write([]byte(t))
	}
}

func hashNumbers(h hash.Hash, numbers ...int64) {
	for _, n := range numbers {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
}

func hashNode(h hash.Hash, n search.Node) {
	hashTexts(h, fmt.Sprintf("%T", n))
	switch n := n.(type) {
	case search.Has:
		hashTexts(h, string(n))
	case search.HasAny:
		hashTexts(h, n...)
	case search.Prefix:
		hashTexts(h, string(n))
	case search.Date:
		hashTexts(h, n.Param, string(n.Op))
		hashNumbers(h, n.Lo, n.Hi)
	case search.IDs:
		hashTexts(h, n...)
	case search.Updated:
		hashTexts(h, string(n.Op))
		hashNumbers(h, n.Lo, n.Hi)
	case search.And:
		hashNodes(h, n)
	case search.Or:
		hashNodes(h, n)
	case search.Not:
		hashNode(h, n.Node)
	}
}

func hashNodes(h hash.Hash, nodes []search.Node) {
	hashNumbers(h, int64(len(nodes)))
	for _, n := range nodes {
		hashNode(h, n)
	}
}
