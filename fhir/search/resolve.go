package search

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// Resolve puts in the place of every Chain and ReverseChain what its inner
// query finds, innermost first, so that an engine can carry out the query that
// it returns; q stays as it is. o must be the options that the records were
// indexed under.
//
// A Chain becomes the entries that refer to the records found, a ReverseChain
// the ids (for a Questionnaire also the urls) that the records found refer to.
// Errors are those of src, or an Outcome of fhir.KindTooCostly where the inner
// queries find more than MaxTerms records in all.
//
// The order and the cursor of q aren't touched. The result of an inner query may
// change between two pages, and with it the query: engines then refuse the
// cursor.
func Resolve(ctx context.Context, q *Query, o Options, src Source) (*Query, error) {
	r := resolver{ctx: ctx, o: o, src: src, left: MaxTerms}
	return r.query(q)
}

type resolver struct {
	ctx  context.Context
	o    Options
	src  Source
	left int // records and entries that may still be found
}

func (r *resolver) query(q *Query) (*Query, error) {
	where, err := r.node(q.Type, q.Where)
	if err != nil {
		return nil, err
	}
	out := *q
	out.Where = where
	return &out, nil
}

func (r *resolver) node(typ string, n Node) (Node, error) {
	switch n := n.(type) {
	case And:
		nodes, err := r.nodes(typ, n)
		return And(nodes), err
	case Or:
		nodes, err := r.nodes(typ, n)
		return Or(nodes), err
	case Not:
		inner, err := r.node(typ, n.Node)
		return Not{inner}, err
	case Chain:
		return r.chain(n)
	case ReverseChain:
		return r.reverse(typ, n)
	}
	return n, nil
}

func (r *resolver) nodes(typ string, nodes []Node) ([]Node, error) {
	out := make([]Node, len(nodes))
	for i, n := range nodes {
		var err error
		if out[i], err = r.node(typ, n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// find carries out an inner query.
func (r *resolver) find(param string, q *Query) ([]Found, error) {
	inner, err := r.query(q)
	if err != nil {
		return nil, err
	}
	found, err := everything(r.ctx, r.src, inner, r.left, func() *fhir.Outcome { return r.tooMany(param) })
	if err != nil {
		return nil, err
	}
	return found, r.spend(param, len(found))
}

func (r *resolver) spend(param string, n int) error {
	if r.left -= n; r.left < 0 {
		return r.tooMany(param)
	}
	return nil
}

func (r *resolver) tooMany(param string) *fhir.Outcome {
	return fhir.NewOutcome(fhir.KindTooCostly, "", "search parameter "+nameOf(param)+": the chained searches find more than "+strconv.Itoa(MaxTerms)+" records, or "+strconv.Itoa(maxGathered>>20)+" MiB")
}

func (r *resolver) chain(c Chain) (Node, error) {
	found, err := r.find(c.Param, c.Query)
	if err != nil {
		return nil, err
	}
	entries := HasAny{}
	for _, f := range found {
		names, err := namesOf(f)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			entries = append(entries, entry(c.Param, ":", name))
		}
	}
	slices.Sort(entries)
	entries = slices.Compact(entries)
	return entries, r.spend(c.Param, max(0, len(entries)-len(found)))
}

func (r *resolver) reverse(typ string, c ReverseChain) (Node, error) {
	param := paramOf(c.Query.Type, c.Param)
	if param == nil || param.Type != ReferenceType {
		return nil, refuse(c.Param, "it is no reference parameter")
	}
	found, err := r.find(c.Param, c.Query)
	if err != nil {
		return nil, err
	}
	ids, urls := IDs{}, HasAny{}
	for _, f := range found {
		body, err := fhir.Parse(f.Body)
		if err != nil {
			return nil, err
		}
		to := pointersOf(param, body, r.o)
		for _, ref := range to.refs {
			if ref.Type == typ {
				ids = append(ids, ref.ID)
			}
		}
		if typ != canonicalType {
			continue
		}
		for _, url := range to.urls {
			plain, _, _ := strings.Cut(url, "|")
			urls = append(urls, entry("url", ":", plain))
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	slices.Sort(urls)
	urls = slices.Compact(urls)
	if err := r.spend(c.Param, max(0, len(ids)+len(urls)-len(found))); err != nil {
		return nil, err
	}
	if len(urls) > 0 {
		return Or{ids, urls}, nil
	}
	return ids, nil
}
