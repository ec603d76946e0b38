package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

var differChecks = []Check{
	{"searches of resources find what the matcher finds", func(e *Env) error { return Differ(e, 1, 300, 300) }},
}

// Differ fills an empty store with random resources, some of them changed and
// deleted again, and compares random searches with search.Match: the records,
// their order, all pages and the count. Query texts are parsed, and chains
// resolved by search.Resolve through the engine; the expected answer follows
// chains by the entries of each record instead.
func Differ(e *Env, seed uint64, resources, queries int) error {
	g := &resourceGenerator{rand.New(rand.NewPCG(seed, 99)), resources/8 + 2}
	docs, err := g.fill(e, resources)
	if err != nil {
		return err
	}
	o := differOptions()
	matched, costly := 0, 0
	for i := range queries {
		typ, text := g.query()
		parsed, err := search.Parse(typ, text, o)
		if err != nil {
			return fmt.Errorf("seed %d, query %d, %s?%s: %w", seed, i, typ, text, err)
		}
		expected := docs.find(parsed.Query)
		resolved, err := search.Resolve(e.ctx, parsed.Query, o, source{e})
		if err != nil && fhir.AsOutcome(err).Kind == fhir.KindTooCostly {
			costly++
			continue
		}
		if err != nil {
			return fmt.Errorf("seed %d, query %d, %s?%s: %w", seed, i, typ, text, err)
		}
		got, err := e.pages(resolved, max(1+g.IntN(60), len(expected)/7), nil)
		if err != nil {
			return fmt.Errorf("seed %d, query %d, %s?%s: %w", seed, i, typ, text, err)
		}
		if !slices.Equal(expected, got) {
			return fmt.Errorf("seed %d, query %d, %s?%s\nwant %v\ngot  %v", seed, i, typ, text, expected, got)
		}
		n, exact, err := e.Store.Count(e.ctx, resolved, resources+1)
		if err := first(err, want("count", len(expected), n), want("exact", true, exact)); err != nil {
			return fmt.Errorf("seed %d, query %d, %s?%s: %w", seed, i, typ, text, err)
		}
		if len(expected) > 0 {
			matched++
		}
	}
	if matched < queries/3 || costly > queries/10 {
		return fmt.Errorf("of %d queries only %d find something and %d are too costly: the comparison means little", queries, matched, costly)
	}
	return nil
}

func differOptions() search.Options {
	return search.Options{
		Base: "https://onward.example/FHIR/R4", ReverseChains: true,
		Now: func() time.Time { return NewClock().Now() },
	}
}

// source reads the store under test for search.Resolve.
type source struct{ e *Env }

func (s source) Search(ctx context.Context, q *search.Query) ([]search.Found, string, error) {
	page, err := s.e.Store.Search(ctx, q)
	if err != nil {
		return nil, "", err
	}
	return foundOf(page.Records), page.Next, nil
}

func (s source) GetMany(ctx context.Context, refs []search.Ref) ([]search.Found, error) {
	list := make([]store.Ref, len(refs))
	for i, r := range refs {
		list[i] = store.Ref(r)
	}
	records, err := s.e.Store.GetMany(ctx, list)
	return foundOf(records), err
}

func foundOf(records []*store.Record) []search.Found {
	out := make([]search.Found, len(records))
	for i, r := range records {
		out[i] = search.Found{Ref: search.Ref(r.Ref()), Body: r.Body}
	}
	return out
}

// documents are what stands, by type.
type documents map[string][]search.Doc

// find answers a query by looking at every record.
func (d documents) find(q *search.Query) []string {
	ids := []string{}
	for _, doc := range d.matches(q) {
		ids = append(ids, doc.ID)
	}
	return ids
}

func (d documents) matches(q *search.Query) []search.Doc {
	var hits []search.Doc
	meets := d.condition(q.Type, q.Where)
	for _, doc := range d[q.Type] {
		if meets(doc) {
			hits = append(hits, doc)
		}
	}
	slices.SortFunc(hits, func(a, b search.Doc) int { return search.Compare(q.Sort, a, b) })
	return hits
}

// condition is search.Match, with chains followed by definition.
func (d documents) condition(typ string, n search.Node) func(search.Doc) bool {
	switch n := n.(type) {
	case search.And:
		all := d.conditions(typ, n)
		return func(doc search.Doc) bool {
			return !slices.ContainsFunc(all, func(meets func(search.Doc) bool) bool { return !meets(doc) })
		}
	case search.Or:
		any := d.conditions(typ, n)
		return func(doc search.Doc) bool {
			return slices.ContainsFunc(any, func(meets func(search.Doc) bool) bool { return meets(doc) })
		}
	case search.Not:
		meets := d.condition(typ, n.Node)
		return func(doc search.Doc) bool { return !meets(doc) }
	case search.Chain:
		wanted := map[string]bool{}
		for _, inner := range d.matches(n.Query) {
			for _, name := range namesOf(n.Query.Type, inner) {
				wanted[n.Param+":"+name] = true
			}
		}
		return func(doc search.Doc) bool {
			return slices.ContainsFunc(doc.Index.X, func(e string) bool { return wanted[e] })
		}
	case search.ReverseChain:
		named := map[string]bool{}
		for _, inner := range d.matches(n.Query) {
			for _, e := range inner.Index.X {
				if name, is := strings.CutPrefix(e, n.Param+":"); is {
					named[name] = true
				}
			}
		}
		return func(doc search.Doc) bool {
			return slices.ContainsFunc(namesOf(typ, doc), func(name string) bool { return named[name] })
		}
	}
	q := &search.Query{Type: typ, Where: n}
	return func(doc search.Doc) bool { return search.Match(q, doc.ID, doc.Updated, doc.Index) }
}

func (d documents) conditions(typ string, nodes []search.Node) []func(search.Doc) bool {
	var out []func(search.Doc) bool
	for _, n := range nodes {
		out = append(out, d.condition(typ, n))
	}
	return out
}

// namesOf are the ways in which a reference names a record.
func namesOf(typ string, doc search.Doc) []string {
	names := []string{typ + "/" + doc.ID}
	for _, e := range doc.Index.X {
		if url, is := strings.CutPrefix(e, "url:"); is && typ == "Questionnaire" {
			names = append(names, url)
		}
	}
	return names
}
