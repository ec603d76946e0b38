package sqlite

import (
	"context"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir/search"
)

// resolve finds the numbers of all that the query names. What nothing has, has no
// number and matches nothing.
func (p *planner) resolve(ctx context.Context, q *search.Query) error {
	var entries []string
	var wanted []termKey
	var prefixes []search.Prefix
	var walk func(n search.Node)
	walk = func(n search.Node) {
		switch n := n.(type) {
		case search.Has:
			entries = append(entries, string(n))
		case search.HasAny:
			entries = append(entries, n...)
		case search.Prefix:
			prefixes = append(prefixes, n)
		case search.Date:
			wanted = append(wanted, termKey{p.typ*kinds + kindDate, n.Param})
		case search.And:
			for _, inner := range n {
				walk(inner)
			}
		case search.Or:
			for _, inner := range n {
				walk(inner)
			}
		case search.Not:
			walk(n.Node)
		}
	}
	walk(q.Where)
	for _, by := range q.Sort {
		wanted = append(wanted, termKey{p.typ*kinds + kindDate, by.Param}, termKey{p.typ*kinds + kindText, by.Param})
	}
	p.terms, p.dates, p.texts = map[string][]int64{}, map[string]int64{}, map[string]int64{}
	inShapes := map[string]bool{}
	for _, e := range entries {
		if shaped(e) {
			inShapes[e] = true
		} else {
			wanted = append(wanted, termKey{p.typ*kinds + kindEntry, e})
		}
	}
	slices.SortFunc(wanted, termKey.compare)
	err := p.c.numbersOf(ctx, slices.Compact(wanted), func(key termKey, id int64) {
		switch key.k % kinds {
		case kindEntry:
			p.terms[key.v] = []int64{id}
		case kindDate:
			p.dates[key.v] = id
		case kindText:
			p.texts[key.v] = id
		}
	})
	if err != nil || len(inShapes)+len(prefixes) == 0 {
		return err
	}
	return p.ofShapes(ctx, inShapes, prefixes)
}

// ofShapes finds the shapes that hold some of the entries or may.
func (p *planner) ofShapes(ctx context.Context, inShapes map[string]bool, prefixes []search.Prefix) error {
	err := p.c.shapes(ctx, p.typ, func(id int64, entries []string) {
		for _, e := range entries {
			if inShapes[e] {
				p.terms[e] = append(p.terms[e], id)
			}
		}
		for _, prefix := range prefixes {
			if slices.ContainsFunc(entries, func(e string) bool { return strings.HasPrefix(e, string(prefix)) }) {
				p.inShapes = append(p.inShapes, prefixShape{prefix, id})
			}
		}
	})
	for _, list := range p.terms {
		slices.Sort(list)
	}
	return err
}

// prefixShape says that a shape holds an entry that begins so.
type prefixShape struct {
	prefix search.Prefix
	shape  int64
}

func (p *planner) shapes(n search.Prefix) (ids []int64) {
	for _, s := range p.inShapes {
		if s.prefix == n {
			ids = append(ids, s.shape)
		}
	}
	return ids
}

// termsOf are the terms of a list of entries, each once and ascending.
func (p *planner) termsOf(entries []string) []int64 {
	var ids []int64
	for _, e := range entries {
		ids = append(ids, p.terms[e]...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
