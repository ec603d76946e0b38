package kit

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
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

// CheckQuery refuses a query that is out of bounds, holds a Chain or
// ReverseChain (callers resolve those), or names an unknown operator.
func CheckQuery(q *search.Query) error {
	if q == nil || !Word(q.Type, false) {
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
	switch op {
	case search.Eq, search.Ne, search.Gt, search.Lt, search.Ge, search.Le, search.Sa, search.Eb, search.Ap:
		return nil
	}
	return fmt.Errorf("store: unknown comparison operator")
}

// QueryHash stands for type, condition and order of a query. Two queries with
// one hash have the same pages, whatever their page size.
func QueryHash(q *search.Query) []byte {
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

// Flatten lists the conditions that all must hold, without repeats of the
// simplest kind.
func Flatten(n search.Node, out []search.Node) []search.Node {
	switch n := n.(type) {
	case nil:
		return out
	case search.And:
		for _, inner := range n {
			out = Flatten(inner, out)
		}
		return out
	case search.Has:
		for _, before := range out {
			if before, ok := before.(search.Has); ok && before == n {
				return out
			}
		}
	}
	return append(out, n)
}

// RoomsOwn says that a condition is one that the room adds to every query of a
// caller (an entry that begins with "@"): it narrows little, and what else is
// asked decides whether a query is too costly.
func RoomsOwn(n search.Node) bool {
	switch n := n.(type) {
	case search.Has:
		return strings.HasPrefix(string(n), "@")
	case search.HasAny:
		return len(n) > 0 && strings.HasPrefix(n[0], "@")
	}
	return false
}

// Asked are the conditions that are left without the room's own.
func Asked(terms []search.Node) []search.Node {
	return slices.DeleteFunc(slices.Clone(terms), RoomsOwn)
}

// PageSize is the number of records of a page that asks for n.
func PageSize(n int) int {
	if n <= 0 {
		return search.DefaultCount
	}
	return min(n, search.MaxCount)
}
