package storetest

import (
	"cmp"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// row is a current record as the naive evaluation sees it.
type row struct {
	id  string
	lu  int64 // milliseconds
	idx search.Index
}

// naive answers a query by looking at every record: the ids in order. It is
// written from the definitions of package search and nothing else.
func naive(rows []row, q *search.Query) []string {
	var hits []row
	for _, r := range rows {
		if matches(r, q.Where) {
			hits = append(hits, r)
		}
	}
	slices.SortFunc(hits, func(a, b row) int {
		for _, by := range q.Sort {
			if c := compareBy(a, b, by); c != 0 {
				return c
			}
		}
		return strings.Compare(a.id, b.id)
	})
	ids := make([]string, len(hits))
	for i, r := range hits {
		ids[i] = r.id
	}
	return ids
}

func matches(r row, n search.Node) bool {
	entry := func(f func(string) bool) bool { return slices.ContainsFunc(r.idx.X, f) }
	switch n := n.(type) {
	case nil:
		return true
	case search.Has:
		return slices.Contains(r.idx.X, string(n))
	case search.HasAny:
		return entry(func(e string) bool { return slices.Contains(n, e) })
	case search.Prefix:
		return entry(func(e string) bool { return strings.HasPrefix(e, string(n)) })
	case search.Date:
		return slices.ContainsFunc(r.idx.D, func(d search.Span) bool {
			return d.Param == n.Param && stands(n.Op, d.Lo, d.Hi, n.Lo, n.Hi)
		})
	case search.IDs:
		return slices.Contains(n, r.id)
	case search.Updated:
		return stands(n.Op, r.lu, r.lu, n.Lo, n.Hi)
	case search.And:
		return !slices.ContainsFunc(n, func(n search.Node) bool { return !matches(r, n) })
	case search.Or:
		return slices.ContainsFunc(n, func(n search.Node) bool { return matches(r, n) })
	case search.Not:
		return !matches(r, n.Node)
	}
	panic("storetest: unknown node")
}

// stands compares a stored [lo,hi] with an asked [a,b].
func stands(op search.Op, lo, hi, a, b int64) bool {
	switch op {
	case search.Eq:
		return lo >= a && hi <= b
	case search.Ne:
		return lo < a || hi > b
	case search.Gt:
		return hi > b
	case search.Lt:
		return lo < a
	case search.Ge:
		return hi >= a
	case search.Le:
		return lo <= b
	case search.Sa:
		return lo > b
	case search.Eb:
		return hi < a
	case search.Ap:
		return hi >= a && lo <= b
	}
	panic("storetest: unknown operator")
}

// compareBy orders by one parameter; records without a value come last, whatever
// the direction.
func compareBy(a, b row, by search.Sort) int {
	direction := 1
	if by.Desc {
		direction = -1
	}
	switch by.Param {
	case "_lastUpdated":
		return direction * cmp.Compare(a.lu, b.lu)
	case "_id":
		return direction * strings.Compare(a.id, b.id)
	}
	loA, dateA := earliest(a, by.Param)
	loB, dateB := earliest(b, by.Param)
	textA, hasA := sortText(a, by.Param)
	textB, hasB := sortText(b, by.Param)
	if c := absentLast(dateA || hasA, dateB || hasB); c != 0 {
		return c
	}
	return direction * cmp.Or(cmp.Compare(loA, loB), strings.Compare(textA, textB))
}

func absentLast(a, b bool) int {
	switch {
	case a && !b:
		return -1
	case b && !a:
		return 1
	}
	return 0
}

func earliest(r row, param string) (lo int64, ok bool) {
	for _, d := range r.idx.D {
		if d.Param == param && (!ok || d.Lo < lo) {
			lo, ok = d.Lo, true
		}
	}
	return lo, ok
}

func sortText(r row, param string) (string, bool) {
	for _, s := range r.idx.S {
		if s.Param == param {
			return s.Value, true
		}
	}
	return "", false
}

// rowOf is what a version leaves for the naive evaluation.
func rowOf(r *store.Record, v store.Version) row {
	return row{r.ID, v.LastUpdated.UnixMilli(), r.Index}
}
