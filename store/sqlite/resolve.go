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
	var entries, dates, texts []string
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
			dates = append(dates, n.Param)
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
		dates, texts = append(dates, by.Param), append(texts, by.Param)
	}
	p.terms, p.dates, p.texts = map[string][]int64{}, map[string]int64{}, map[string]int64{}
	if err := p.entries(ctx, entries, prefixes); err != nil {
		return err
	}
	if err := p.c.termIDs(ctx, p.typ*kinds+kindDate, dates, func(v string, id int64) { p.dates[v] = id }); err != nil {
		return err
	}
	return p.c.termIDs(ctx, p.typ*kinds+kindText, texts, func(v string, id int64) { p.texts[v] = id })
}

// entries finds entries, and the shapes that hold some of them or may.
func (p *planner) entries(ctx context.Context, entries []string, prefixes []search.Prefix) error {
	inShapes := map[string]bool{}
	single := entries[:0:0]
	for _, e := range entries {
		if shaped(e) {
			inShapes[e] = true
		} else {
			single = append(single, e)
		}
	}
	if err := p.c.termIDs(ctx, p.typ*kinds+kindEntry, single, func(v string, id int64) { p.terms[v] = []int64{id} }); err != nil {
		return err
	}
	if len(inShapes)+len(prefixes) == 0 {
		return nil
	}
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
