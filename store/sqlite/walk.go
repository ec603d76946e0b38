package sqlite

import (
	"context"
	"errors"
	"math"
	"slices"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store/internal/kit"
)

// driven gathers the matches of the driving condition and sorts them. The common
// table is kept as one, so that each key is looked up once a record.
func (p *planner) driven(ctx context.Context, o order, without []sortKey, n int, last *kit.Mark) ([]hit, error) {
	from := &sqlText{}
	here, err := p.source(ctx, from)
	if err != nil {
		return nil, err
	}
	p.lacking(from, without)
	s, names := &sqlText{}, make([]sqlText, len(o.keys))
	s.add(`WITH m AS MATERIALIZED (SELECT r.pk, r.id`)
	for i, v := range p.keys(o, here) {
		names[i].add(keyName(i))
		s.add(`, `+v.String()+` AS `+keyName(i), v.args...)
	}
	s.add(` `+from.String()+`) SELECT * FROM m`, from.args...)
	if last != nil {
		s.add(` WHERE `)
		o.after(s, names, `id`, last)
	}
	o.by(s, names, `id`)
	s.add(` LIMIT ? + 0`, n)
	return p.run(ctx, s, o)
}

func keyName(i int) string { return "k" + string(rune('0'+i)) }

// walkRecords reads the type's records by time of change or by id.
func (p *planner) walkRecords(ctx context.Context, o order, without []sortKey, n int, last *kit.Mark) ([]hit, error) {
	here := at{`r.pk`, `r.lo`}
	keys := p.keys(o, here)
	s := p.selecting(keys)
	index := `res_id`
	if len(o.keys) > 0 {
		index = `res_typ_lu`
	}
	s.add(` FROM res r INDEXED BY `+index+` WHERE r.typ = ? AND r.del = 0`, p.name)
	if last != nil && len(o.keys) > 0 {
		s.add(` AND r.lu `+orEqual(o.keys[0].desc), arg(last.Keys[0]))
	}
	p.others(s, here, -1)
	return p.rest(ctx, s, o, keys, without, n, last)
}

// byStart finds the condition whose rows stand in the order asked for: one term,
// where the first key is start. It is the rarest of all, or where none is known to
// be rare the most promising.
func (p *planner) byStart(o order) (cond int, found bool) {
	if !p.main || len(o.keys) == 0 || o.keys[0].kind != byDate || o.keys[0].param != startParam {
		return 0, false
	}
	if p.drive >= 0 && p.rows < manyRows {
		_, found = p.single(p.drive)
		return p.drive, found
	}
	for i := range p.conds {
		if _, found := p.single(i); found {
			return i, true
		}
	}
	return 0, false
}

// walkTerm reads the records of one term by start.
func (p *planner) walkTerm(ctx context.Context, o order, by int, n int, last *kit.Mark) ([]hit, error) {
	o.keys = slices.Clone(o.keys)
	o.keys[0].present = true
	here := at{`i.pk`, `i.lo`}
	keys := p.keys(o, here)
	from := &sqlText{}
	term, _ := p.single(by)
	from.add(` FROM x i CROSS JOIN res r WHERE r.pk = i.pk AND i.term = ?`, term)
	p.walkWindow(from, `i`, o.keys[0], last)
	p.others(from, here, by)
	if len(keys) == 1 && p.drive == by && p.rows < manyRows {
		size := p.size
		found, err := p.walkFew(ctx, from, o, keys, n, last)
		if !errors.Is(err, errTies) {
			return found, err
		}
		p.size = size
	}
	s := p.selecting(keys)
	s.add(from.String(), from.args...)
	return p.rest(ctx, s, o, keys, nil, n, last)
}

// walkFew reads a term whose records are few enough that one start can't have
// very many.
func (p *planner) walkFew(ctx context.Context, from *sqlText, o order, keys []sqlText, n int, last *kit.Mark) ([]hit, error) {
	s := &sqlText{}
	s.add(`SELECT r.id, i.lo, ` + ofRecord)
	s.add(from.String(), from.args...)
	if last != nil {
		s.add(` AND `)
		o.after(s, keys, `r.id`, last)
	}
	s.add(` ORDER BY i.lo`)
	if o.keys[0].desc {
		s.add(` DESC`)
	}
	return p.inStep(ctx, s, o, n)
}

// walkIndex reads the index of the first key in order; records without it are
// not in there.
func (p *planner) walkIndex(ctx context.Context, o order, without []sortKey, n int, last *kit.Mark) ([]hit, error) {
	o.keys = slices.Clone(o.keys)
	o.keys[0].present = true
	k := o.keys[0]
	here := at{`d.pk`, `r.lo`}
	keys := p.keys(o, here)
	keys[0] = sqlText{}
	if k.kind == byText {
		keys[0].add(`e.v`)
		s := p.selecting(keys)
		s.add(` FROM term e CROSS JOIN xs d CROSS JOIN res r WHERE r.pk = d.pk AND d.term = e.id AND e.k = ? AND e.v >= ? AND e.v < ?`,
			p.typ*kinds+kindEntry, k.param+`:`, k.param+`;`)
		if last != nil {
			s.add(` AND e.v `+orEqual(k.desc), arg(last.Keys[0]))
		}
		p.others(s, here, -1)
		return p.rest(ctx, s, o, keys, without, n, last)
	}
	keys[0].add(`d.lo`)
	s := p.selecting(keys)
	s.add(` FROM xd d CROSS JOIN res r WHERE r.pk = d.pk AND d.p = ?`, p.dates[k.param])
	p.walkWindow(s, `d`, k, last)
	if k.several {
		s.add(` AND ix_first(r.ix, d.p, d.lo, d.hi)`)
	}
	for _, c := range p.conds {
		s.add(` AND `)
		if d, is := c.(search.Date); is && k.single(d.Param) {
			s.add(spanCondition(d.Op, `+d.lo`, `+d.hi`), spanArgs(d.Op, d.Lo, d.Hi)...)
			continue
		}
		p.filter(s, here, c)
	}
	return p.rest(ctx, s, o, keys, without, n, last)
}

// walkWindow bounds the walk: by the cursor, and by conditions on the key itself.
// Those hold for the span that is walked only where no record has several.
// There is one lower and one upper bound, because SQLite seeks by one of each.
func (p *planner) walkWindow(s *sqlText, alias string, k sortKey, last *kit.Mark) {
	lower, upper := int64(math.MinInt64), int64(math.MaxInt64)
	if !k.several {
		lower, upper = p.window(k.param, k.widest)
	}
	if last != nil && k.desc {
		upper = min(upper, *last.Keys[0].N)
	}
	if last != nil && !k.desc {
		lower = max(lower, *last.Keys[0].N)
	}
	s.add(` AND `+alias+`.lo >= ? AND `+alias+`.lo <= ?`, lower, upper)
}

// rest writes the end of a walk, the conditions being written, and runs it.
func (p *planner) rest(ctx context.Context, s *sqlText, o order, keys []sqlText, without []sortKey, n int, last *kit.Mark) ([]hit, error) {
	p.lacking(s, without)
	if last != nil {
		s.add(` AND `)
		o.after(s, keys, `r.id`, last)
	}
	o.by(s, keys, `r.id`)
	s.add(` LIMIT ? + 0`, n)
	return p.run(ctx, s, o)
}

func (p *planner) lacking(s *sqlText, without []sortKey) {
	for _, k := range without {
		if k.kind == byDate {
			s.add(` AND ix_date(r.ix, ?) IS NULL`, p.dates[k.param])
		} else {
			s.add(` AND ix_text(r.ix, ?) IS NULL`, p.texts[k.param])
		}
	}
}

func (p *planner) keys(o order, here at) []sqlText {
	keys := make([]sqlText, len(o.keys))
	for i, k := range o.keys {
		keys[i] = p.value(k, here)
	}
	return keys
}

// selecting begins a statement that finds hits.
func (p *planner) selecting(keys []sqlText) *sqlText {
	s := &sqlText{}
	s.add(`SELECT r.pk, r.id`)
	for i := range keys {
		s.add(`, `+keys[i].String()+` AS `+keyName(i), keys[i].args...)
	}
	return s
}

func orEqual(desc bool) string {
	if desc {
		return `<= ?`
	}
	return `>= ?`
}
