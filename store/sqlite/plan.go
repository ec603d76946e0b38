package sqlite

import (
	"context"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// levels is how far the records of a term are counted, step by step while no
// term is known to have fewer. Beyond the last, one is as unselective as another.
var levels = []int{64, 512, manyRows}

const manyRows = 4096

// planner turns one query into statements. It counts how many records the
// conditions that must all hold have each, and lets the rarest drive; where even
// that one has many, it walks an index in the order asked for and stops when the
// page is full.
type planner struct {
	c     *conn
	typ   int64
	name  string
	main  bool          // index rows stand in order of start, see startParam
	width int64         // the widest span of start, where they do
	conds []search.Node // all must hold
	drive int           // index of the condition that drives, -1: none can
	rows  int           // what that one has, at most manyRows

	terms    map[string][]int64 // entries by number; several where shapes hold it
	dates    map[string]int64   // parameters of dates
	texts    map[string]int64   // parameters that records sort by
	widths   map[string]maybeWidth
	inShapes []prefixShape

	size      int       // bytes of the bodies read so far
	full      bool      // reading ended because they are many
	explained *[]string // set: statements are explained, not run
}

// newPlanner returns nil where nothing can match.
func newPlanner(ctx context.Context, c *conn, q *search.Query) (*planner, error) {
	p := &planner{c: c, name: q.Type, conds: kit.Flatten(q.Where, nil), drive: -1, rows: manyRows, widths: map[string]maybeWidth{}}
	var main int
	known, err := c.row(ctx, `SELECT t, main FROM types WHERE name = ?`, []any{q.Type}, &p.typ, &main)
	if err != nil || !known {
		return nil, err
	}
	if err := p.resolve(ctx, q); err != nil {
		return nil, err
	}
	if main == mainAll {
		var w width
		if w, p.main, err = p.widthOf(ctx, startParam); err != nil {
			return nil, err
		}
		p.width = w.span
	}
	c.forgetCrowds()
	slices.SortStableFunc(p.conds, func(a, b search.Node) int { return promise(a) - promise(b) })
	for _, level := range levels {
		for i, term := range p.conds {
			if p.repeats(i) || p.windowed(i) {
				continue
			}
			most := min(level, p.rows)
			n, ok, err := p.estimate(ctx, term, most)
			if err != nil {
				return nil, err
			}
			if ok && n == 0 {
				return nil, nil
			}
			if ok && (n < most || p.drive < 0 && level == manyRows) {
				p.drive, p.rows = i, n
			}
		}
		if p.drive >= 0 {
			break
		}
	}
	return p, p.affordable(ctx)
}

// affordable refuses to look through all records of a large type because none of
// the conditions is one that an index knows, or only one that the room adds and
// many records meet. Without any condition the first records are the answer.
func (p *planner) affordable(ctx context.Context) error {
	if p.c.maxScan < 0 || len(kit.Asked(p.conds)) == 0 {
		return nil
	}
	if p.drive >= 0 && (!kit.RoomsOwn(p.conds[p.drive]) || p.rows < min(manyRows, p.c.maxScan+1)) {
		return nil
	}
	var live int
	_, err := p.c.row(ctx, `SELECT live FROM types WHERE t = ?`, []any{p.typ}, &live)
	if err == nil && live > p.c.maxScan {
		err = store.ErrTooCostly
	}
	return err
}

// promise guesses which terms have few records, so that counting the others can
// stop early: ids, identifiers and references before codes and dates.
func promise(n search.Node) int {
	rare := func(e string) int {
		if strings.ContainsAny(e, "/|") {
			return 1
		}
		return 2
	}
	switch n := n.(type) {
	case search.IDs:
		return 0
	case search.Has:
		return rare(string(n))
	case search.HasAny:
		if len(n) > 0 {
			return rare(n[0])
		}
		return 0
	case search.Date:
		return 3
	case search.Prefix:
		return 4
	}
	return 5
}

// repeats says that an earlier term is about the same dates: from and to are one
// window.
func (p *planner) repeats(i int) bool {
	d, is := p.conds[i].(search.Date)
	return is && slices.ContainsFunc(p.conds[:i], func(n search.Node) bool {
		before, is := n.(search.Date)
		return is && before.Param == d.Param
	})
}

// windowed says that a condition is about start where others narrow their terms
// by it: none of those can have more records than it has.
func (p *planner) windowed(i int) bool {
	d, is := p.conds[i].(search.Date)
	if !is || !p.main || d.Param != startParam {
		return false
	}
	return slices.ContainsFunc(p.conds, func(n search.Node) bool {
		switch n.(type) {
		case search.Has, search.HasAny:
			return true
		}
		return false
	})
}

// estimate counts the records of a term up to most; ok is false for terms that
// can't drive. That an entry has many is remembered for a while, because it is
// asked in every search; a wrong memory costs time and never an answer.
func (p *planner) estimate(ctx context.Context, n search.Node, most int) (rows int, ok bool, err error) {
	if ids, is := n.(search.IDs); is {
		return len(ids), true, nil
	}
	key := p.crowdKey(n)
	if key != "" && p.c.crowds[key] >= most {
		return most, true, nil
	}
	from, err := p.span(ctx, n)
	if err != nil || from == nil {
		return 0, false, err
	}
	if len(from.text) == 0 {
		return 0, true, nil
	}
	_, err = p.c.row(ctx, `SELECT count(*) FROM (SELECT 1 FROM `+from.String()+` LIMIT ? + 0)`, append(from.args, most), &rows)
	if key != "" && rows >= most && slices.Contains(levels, most) {
		p.c.crowds[key] = most
	}
	return rows, true, err
}

// crowdKey names a term in conn.crowds, "" for those that aren't kept.
func (p *planner) crowdKey(n search.Node) string {
	if _, _, within := p.within(); within {
		return ""
	}
	switch n := n.(type) {
	case search.Has:
		return p.name + "\x00" + string(n)
	case search.HasAny:
		if len(n) > 0 && len(n) <= 8 {
			return p.name + "\x00" + strings.Join(n, "\x00")
		}
	}
	return ""
}

// source writes "FROM ... WHERE ..." over the records that match, each once.
// The rarest condition drives; without one, the type's records by id. The row of
// res is r.
func (p *planner) source(ctx context.Context, s *sqlText) (at, error) {
	here := at{`r.pk`, `r.lo`}
	if p.drive < 0 {
		s.add(`FROM res r INDEXED BY res_id WHERE r.typ = ? AND r.del = 0`, p.name)
	} else if ids, is := p.conds[p.drive].(search.IDs); is {
		s.add(`FROM res r INDEXED BY res_id WHERE r.typ = ? AND r.id IN (`+marks(len(ids))+`) AND r.del = 0`, p.name)
		s.args = append(s.args, anys(ids)...)
	} else {
		from, err := p.span(ctx, p.conds[p.drive])
		if err != nil {
			return here, err
		}
		what, of := `pk`, from.String()
		here.pk = `q.pk`
		if strings.HasPrefix(of, `x `) {
			what, here.lo = `pk, lo`, `q.lo`
		}
		// One term names a record once; ranges and lists may name it often.
		if _, single := p.single(p.drive); !single {
			what = `DISTINCT ` + what
		}
		s.add(`FROM (SELECT `+what+` FROM `+of+`) q CROSS JOIN res r WHERE r.pk = q.pk`, from.args...)
	}
	p.others(s, here, p.drive)
	return here, nil
}

// single says that a condition is one term, and which.
func (p *planner) single(i int) (term int64, is bool) {
	var terms []int64
	switch n := p.conds[i].(type) {
	case search.Has:
		terms = p.terms[string(n)]
	case search.HasAny:
		terms = p.termsOf(n)
	}
	if len(terms) != 1 {
		return 0, false
	}
	return terms[0], true
}

// others writes all conditions but one.
func (p *planner) others(s *sqlText, here at, but int) {
	for i, n := range p.conds {
		if i != but {
			s.add(` AND `)
			p.filter(s, here, n)
		}
	}
}

// count counts the matches of a query, at most limit.
func count(ctx context.Context, c *conn, q *search.Query, limit int) (n int, err error) {
	p, err := newPlanner(ctx, c, q)
	if err != nil || p == nil {
		return 0, err
	}
	s := &sqlText{}
	s.add(`SELECT count(*) FROM (SELECT 1 `)
	if _, err := p.source(ctx, s); err != nil {
		return 0, err
	}
	s.add(` LIMIT ? + 0)`, limit)
	_, err = c.row(ctx, s.String(), s.args, &n)
	return n, err
}
