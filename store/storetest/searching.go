package storetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

const day = 24 * 60 * 60 * 1000

var searchChecks = []Check{
	{"random queries find what a plain look at every record finds", func(e *Env) error {
		g := &generator{rand.New(rand.NewPCG(7, 11))}
		rows, err := g.fill(e, 260)
		if err != nil {
			return err
		}
		for i := range 300 {
			q := g.query()
			if err := e.agrees(rows, q, 1+g.IntN(40)); err != nil {
				return fmt.Errorf("query %d: %w", i, err)
			}
		}
		return nil
	}},
	{"each kind of condition finds what it should", func(e *Env) error {
		g := &generator{rand.New(rand.NewPCG(3, 5))}
		rows, err := g.fill(e, 120)
		if err != nil {
			return err
		}
		for _, n := range g.everyNode(e.Clock.Now().UnixMilli()) {
			for _, where := range []search.Node{n, search.Not{Node: n}, search.And{search.Has("status:free"), n}} {
				for _, sort := range [][]search.Sort{nil, {{Param: "start"}}, {{Param: "name", Desc: true}}, {{Param: "_lastUpdated", Desc: true}}} {
					if err := e.agrees(rows, &search.Query{Type: "Slot", Where: where, Sort: sort}, 50); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}},
	{"an update and a delete change what is found", func(e *Env) error {
		if _, err := e.commit(put(record("Slot", "s1", "", "status:free", "a:1")), put(record("Slot", "s2", "", "status:free"))); err != nil {
			return err
		}
		r := record("Slot", "s1", "", "status:busy", "a:1", "a:1")
		r.Index.D = []search.Span{{Param: "start", Lo: 1, Hi: 2}}
		if _, err := e.commit(put(r)); err != nil {
			return err
		}
		if err := first(e.finds("Slot", "status:free", 1), e.finds("Slot", "status:busy", 1), e.finds("Slot", "a:1", 1), e.finds("Appointment", "a:1", 0)); err != nil {
			return err
		}
		if _, err := e.commit(store.Delete{Ref: r.Ref()}); err != nil {
			return err
		}
		n, _, err := e.Store.Count(e.ctx, &search.Query{Type: "Slot"}, 10)
		if err := first(err, want("slots", 1, n), e.finds("Slot", "a:1", 0), e.finds("Slot", "status:busy", 0)); err != nil {
			return err
		}
		if _, err := e.commit(put(record("Slot", "s1", "", "a:1"))); err != nil {
			return err
		}
		return first(e.finds("Slot", "a:1", 1), e.finds("Slot", "status:busy", 0))
	}},
	{"a count stops at its limit", func(e *Env) error {
		var ops []store.Op
		for i := range 7 {
			ops = append(ops, put(record("Slot", fmt.Sprint("s", i), "", "status:free")))
		}
		if _, err := e.commit(ops...); err != nil {
			return err
		}
		q := &search.Query{Type: "Slot", Where: search.Has("status:free")}
		for _, c := range []struct {
			limit, n int
			exact    bool
		}{{3, 3, false}, {6, 6, false}, {7, 7, true}, {8, 7, true}} {
			n, exact, err := e.Store.Count(e.ctx, q, c.limit)
			if err := first(err, want("number", c.n, n), want("exact", c.exact, exact)); err != nil {
				return fmt.Errorf("limit %d: %w", c.limit, err)
			}
		}
		return nil
	}},
}

// finds says how many records of a type have an entry.
func (e *Env) finds(typ, entry string, expected int) error {
	page, err := e.Store.Search(e.ctx, &search.Query{Type: typ, Where: search.Has(entry)})
	if err != nil {
		return err
	}
	return want("records with "+entry, expected, len(page.Records))
}

// agrees compares all pages of a query, and its count, with the naive answer.
func (e *Env) agrees(rows []row, q *search.Query, size int) error {
	expected := naive(rows, q)
	got, err := e.pages(q, size, nil)
	if err != nil {
		return fmt.Errorf("%+v: %w", q, err)
	}
	if !slices.Equal(expected, got) {
		return fmt.Errorf("%#v sorted %v in pages of %d\nwant %v\ngot  %v", q.Where, q.Sort, size, expected, got)
	}
	n, exact, err := e.Store.Count(e.ctx, q, 1000)
	return first(err, want("count", len(expected), n), want("exact", true, exact))
}

// pages reads all pages of a query, calling between after each.
func (e *Env) pages(q *search.Query, size int, between func() error) ([]string, error) {
	ids := []string{}
	ask := *q
	ask.Count = size
	for range 2000 {
		page, err := e.Store.Search(e.ctx, &ask)
		if err != nil {
			return nil, err
		}
		if len(page.Records) > size || (page.Next != "" && len(page.Records) == 0) {
			return nil, fmt.Errorf("a page of %d has %d", size, len(page.Records))
		}
		for _, r := range page.Records {
			ids = append(ids, r.ID)
		}
		if ask.Cursor = page.Next; ask.Cursor == "" {
			return ids, nil
		}
		if between != nil {
			if err := between(); err != nil {
				return nil, err
			}
		}
	}
	return nil, fmt.Errorf("the pages don't end")
}

// generator makes random records and queries over a small vocabulary, so that
// ties, repeats and misses are common.
type generator struct{ *rand.Rand }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) entry() string {
	return pick(g, "status:free", "status:busy", "schedule:Schedule/d1", "schedule:Schedule/d2", "identifier=s|1", "identifier=s|2",
		"identifier=|2", "name:smith", "name:smithers", "name:smi", "name:zoë", "!status", "@org:A1001", "", "nobody:has")
}

func (g *generator) span(param string) search.Span {
	lo := int64(g.IntN(40)-20) * day
	switch g.IntN(6) {
	case 0:
		return search.Span{Param: param, Lo: search.MinTime, Hi: lo}
	case 1:
		return search.Span{Param: param, Lo: lo, Hi: search.MaxTime}
	case 2:
		return search.Span{Param: param, Lo: lo, Hi: lo}
	}
	return search.Span{Param: param, Lo: lo, Hi: lo + int64(1+g.IntN(4))*day - 1}
}

func (g *generator) record(id string) *store.Record {
	r := record("Slot", id, "")
	for range g.IntN(6) {
		r.Index.X = append(r.Index.X, g.entry())
	}
	if g.IntN(4) > 0 { // instants: one a record and no width, as a Slot's start
		lo := int64(g.IntN(30)) * day
		r.Index.D = append(r.Index.D, search.Span{Param: "start", Lo: lo, Hi: lo})
	}
	for range g.IntN(3) {
		r.Index.D = append(r.Index.D, g.span("period"))
	}
	if g.IntN(3) == 0 { // quantities may reach over all numbers
		lo, hi := pick[int64](g, 5*day, math.MinInt64), pick[int64](g, 5*day, math.MaxInt64)
		r.Index.D = append(r.Index.D, search.Span{Param: "amount", Lo: lo, Hi: hi})
	}
	if g.IntN(3) > 0 {
		r.Index.S = append(r.Index.S, search.SortKey{Param: "name", Value: pick(g, "", "a", "b", "ab", "é", "z")})
	}
	return r
}

// fill writes records, updates and deletes, and returns what stands.
func (g *generator) fill(e *Env, n int) ([]row, error) {
	standing := map[string]row{}
	for i := range n {
		e.Clock.Move(time.Duration(g.IntN(3)) * time.Millisecond)
		r := g.record(fmt.Sprint("r", g.IntN(n*3/4)))
		done, err := e.commit(put(r), put(record("Schedule", r.ID, "", r.Index.X...)))
		if err != nil {
			return nil, err
		}
		standing[r.ID] = rowOf(r, done.Versions[0])
		if i%9 == 0 {
			if _, err := e.commit(store.Delete{Ref: r.Ref()}); err != nil {
				return nil, err
			}
			delete(standing, r.ID)
		}
	}
	var rows []row
	for _, r := range standing {
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.id, b.id) })
	return rows, nil
}

var operators = []search.Op{search.Eq, search.Ne, search.Gt, search.Lt, search.Ge, search.Le, search.Sa, search.Eb, search.Ap}

func (g *generator) node(depth int, now int64) search.Node {
	n := g.IntN(10)
	if depth > 2 {
		n = g.IntN(7)
	}
	switch n {
	case 0, 1:
		return search.Has(g.entry())
	case 2:
		return search.HasAny(g.entries())
	case 3:
		return search.Prefix(pick(g, "name:smi", "name:", "identifier=s|", "status:fr", "zzz", ""))
	case 4:
		a := g.span("x")
		return search.Date{Param: pick(g, "start", "start", "period", "amount", "nobody"), Op: pick(g, operators...), Lo: a.Lo, Hi: a.Hi}
	case 5:
		return search.IDs(g.ids())
	case 6:
		at := now - int64(g.IntN(300))
		return search.Updated{Op: pick(g, operators...), Lo: at, Hi: at + int64(g.IntN(60))}
	case 7:
		return search.Or(g.nodes(depth, now))
	case 8:
		return search.Not{Node: g.node(depth+1, now)}
	}
	return search.And(g.nodes(depth, now))
}

func (g *generator) nodes(depth int, now int64) []search.Node {
	var out []search.Node
	for range g.IntN(4) {
		out = append(out, g.node(depth+1, now))
	}
	return out
}

func (g *generator) entries() []string {
	var out []string
	for range g.IntN(7) {
		out = append(out, g.entry())
	}
	return out
}

func (g *generator) ids() []string {
	var out []string
	for range g.IntN(8) {
		out = append(out, fmt.Sprint("r", g.IntN(250)))
	}
	return out
}

func (g *generator) query() *search.Query {
	q := &search.Query{Type: "Slot", Where: g.node(0, NewClock().Now().UnixMilli()+130)}
	if g.IntN(8) == 0 {
		q.Where = nil
	}
	for range g.IntN(3) {
		q.Sort = append(q.Sort, search.Sort{Param: pick(g, "start", "period", "amount", "name", "_lastUpdated", "_id", "nobody"), Desc: g.IntN(2) == 0})
	}
	return q
}

// everyNode is one of each kind, and each operator on each sort of span.
func (g *generator) everyNode(now int64) []search.Node {
	nodes := []search.Node{search.Has("status:free"), search.HasAny{}, search.HasAny{"status:free", "status:busy"},
		search.HasAny{"a", "b", "c", "d", "name:smith", "name:zoë"}, search.Prefix("name:smi"), search.IDs{}, search.IDs{"r1", "r2", "r2", "none"},
		search.And{}, search.Or{}, search.Or{search.Has("status:free"), search.Prefix("name:")}, search.And{search.Has("status:free"), search.Has("status:free")}}
	for _, op := range operators {
		nodes = append(nodes, search.Date{Param: "start", Op: op, Lo: 5 * day, Hi: 12*day - 1},
			search.Date{Param: "amount", Op: op, Lo: 5 * day, Hi: 5 * day}, search.Date{Param: "amount", Op: op, Lo: 7 * day, Hi: 9 * day},
			search.Date{Param: "period", Op: op, Lo: -2 * day, Hi: 3*day - 1}, search.Date{Param: "nobody", Op: op, Lo: 0, Hi: day},
			search.Updated{Op: op, Lo: now - 60, Hi: now - 30})
	}
	return nodes
}
