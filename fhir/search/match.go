package search

import (
	"cmp"
	"slices"
	"strings"
)

// Match says whether a record meets a query's conditions. It is the oracle for
// the engines: q.Type, paging and sorting are the caller's. A nil condition is
// always met. A Chain or ReverseChain
// must have been resolved before; here it is never met.
func Match(q *Query, id string, updatedMs int64, x Index) bool {
	return q.Where == nil || Doc{id, updatedMs, x}.meets(q.Where)
}

// Doc is what a search sees of a record.
type Doc struct {
	ID      string
	Updated int64 // milliseconds since 1970 UTC
	Index   Index
}

func (d Doc) meets(n Node) bool {
	switch n := n.(type) {
	case Has:
		return slices.Contains(d.Index.X, string(n))
	case HasAny:
		return slices.ContainsFunc(d.Index.X, func(e string) bool { return slices.Contains(n, e) })
	case Prefix:
		return slices.ContainsFunc(d.Index.X, func(e string) bool { return strings.HasPrefix(e, string(n)) })
	case Date:
		return slices.ContainsFunc(d.Index.D, func(s Span) bool {
			return s.Param == n.Param && n.Op.holds(s.Lo, s.Hi, n.Lo, n.Hi)
		})
	case IDs:
		return slices.Contains(n, d.ID)
	case Updated:
		return n.Op.holds(d.Updated, d.Updated, n.Lo, n.Hi)
	case And:
		return !slices.ContainsFunc(n, func(m Node) bool { return !d.meets(m) })
	case Or:
		return slices.ContainsFunc(n, d.meets)
	case Not:
		return !d.meets(n.Node)
	}
	return false
}

// holds compares a stored span [lo,hi] with an asked one [a,b].
func (op Op) holds(lo, hi, a, b int64) bool {
	switch op {
	case Eq:
		return lo >= a && hi <= b
	case Ne:
		return lo < a || hi > b
	case Gt:
		return hi > b
	case Lt:
		return lo < a
	case Ge:
		return hi >= a
	case Le:
		return lo <= b
	case Sa:
		return lo > b
	case Eb:
		return hi < a
	case Ap:
		return lo <= b && hi >= a
	}
	return false
}

// Compare orders two records as a query's Sort demands, in the end by their
// ids. Records without a value come last in either direction.
func Compare(sorts []Sort, a, b Doc) int {
	for _, s := range sorts {
		if c := compareBy(s, a, b); c != 0 {
			return c
		}
	}
	return strings.Compare(a.ID, b.ID)
}

func compareBy(s Sort, a, b Doc) int {
	switch s.Param {
	case "_lastUpdated":
		return turn(s, cmp.Compare(a.Updated, b.Updated))
	case "_id":
		return turn(s, strings.Compare(a.ID, b.ID))
	}
	textA, timeA, hasA := a.sortValue(s.Param)
	textB, timeB, hasB := b.sortValue(s.Param)
	switch {
	case hasA && hasB:
		return turn(s, cmp.Or(strings.Compare(textA, textB), cmp.Compare(timeA, timeB)))
	case hasA:
		return -1
	case hasB:
		return 1
	}
	return 0
}

func turn(s Sort, c int) int {
	if s.Desc {
		return -c
	}
	return c
}

// sortValue is the SortKey or the earliest Lo of a parameter.
func (d Doc) sortValue(param string) (text string, time int64, ok bool) {
	for _, key := range d.Index.S {
		if key.Param == param {
			return key.Value, 0, true
		}
	}
	for _, span := range d.Index.D {
		if span.Param == param && (!ok || span.Lo < time) {
			time, ok = span.Lo, true
		}
	}
	return "", time, ok
}
