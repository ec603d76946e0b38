package sqlite

import (
	"context"
	"math"
	"slices"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store/internal/kit"
)

// driven gathers the matches of the driving term and sorts them. The common
// table is kept as one, so that each key is looked up once a record.
func (p *planner) driven(ctx context.Context, o order, without []sortKey, n int, last *kit.Mark) ([]hit, error) {
	from := &sqlText{}
	pk, err := p.source(ctx, from)
	if err != nil {
		return nil, err
	}
	p.lacking(from, pk, without)
	s, names := &sqlText{}, make([]sqlText, len(o.keys))
	s.add(`WITH m AS MATERIALIZED (SELECT r.pk, r.id`)
	for i, k := range o.keys {
		names[i].add(keyName(i))
		v := k.value(p.typ, pk)
		s.add(`, `+v.String()+` AS `+keyName(i), v.args...)
	}
	s.add(` `+from.String()+`) SELECT * FROM m`, from.args...)
	if last != nil {
		s.add(` WHERE `)
		o.after(s, names, `id`, last)
	}
	o.by(s, names, `id`)
	s.add(` LIMIT ?`, n)
	return p.run(ctx, s, o)
}

func keyName(i int) string { return "k" + string(rune('0'+i)) }

// walkRecords reads the type's records by time of change or by id.
func (p *planner) walkRecords(ctx context.Context, o order, without []sortKey, n int, last *kit.Mark) ([]hit, error) {
	s, keys := &sqlText{}, p.keys(o, `r.pk`)
	s.add(`SELECT r.pk, r.id`)
	selectKeys(s, keys)
	index := `res_id`
	if len(o.keys) > 0 {
		index = `res_typ_lu`
	}
	s.add(` FROM res r INDEXED BY `+index+` WHERE r.typ = ? AND r.del = 0`, p.name)
	if last != nil && len(o.keys) > 0 {
		s.add(` AND r.lu `+orEqual(o.keys[0].desc), arg(last.Keys[0]))
	}
	p.rest(s, o, keys, `r.pk`, without, last)
	s.add(` LIMIT ?`, n)
	return p.run(ctx, s, o)
}

// walkIndex reads the index of the first key in order; records without it are
// not in there.
func (p *planner) walkIndex(ctx context.Context, o order, without []sortKey, n int, last *kit.Mark) ([]hit, error) {
	o.keys = slices.Clone(o.keys)
	o.keys[0].present = true
	k := o.keys[0]
	table, column := k.table()
	s, keys := &sqlText{}, p.keys(o, `d.pk`)
	keys[0] = sqlText{}
	keys[0].add(`d.` + column)
	s.add(`SELECT r.pk, r.id`)
	selectKeys(s, keys)
	s.add(` FROM `+table+` d CROSS JOIN res r WHERE r.pk = d.pk AND d.t = ? AND d.p = ?`, p.typ, k.param)
	if k.kind == byDate {
		p.walkWindow(s, k, last)
	} else if last != nil {
		s.add(` AND d.v `+orEqual(k.desc), arg(last.Keys[0]))
	}
	if k.several {
		s.add(` AND NOT EXISTS (SELECT 1 FROM xd e INDEXED BY xd_pk WHERE e.pk = d.pk AND e.t = d.t AND e.p = d.p
			AND (e.lo, e.hi) < (d.lo, d.hi))`)
	}
	p.rest(s, o, keys, `d.pk`, without, last)
	s.add(` LIMIT ?`, n)
	return p.run(ctx, s, o)
}

// walkWindow bounds the walk: by the cursor, and by conditions on the key itself.
// Those hold for the span that is walked only where no record has several.
// There is one lower and one upper bound, because SQLite seeks by one of each.
func (p *planner) walkWindow(s *sqlText, k sortKey, last *kit.Mark) {
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
	s.add(` AND d.lo >= ? AND d.lo <= ?`, lower, upper)
}

// rest writes all conditions and the order of a walk.
func (p *planner) rest(s *sqlText, o order, keys []sqlText, pk string, without []sortKey, last *kit.Mark) {
	for _, term := range p.terms {
		s.add(` AND `)
		if d, is := term.(search.Date); is && pk == `d.pk` && o.keys[0].single(d.Param) {
			s.add(spanCondition(d.Op, `+d.lo`, `+d.hi`), spanArgs(d.Op, d.Lo, d.Hi)...)
			continue
		}
		s.filter(p.typ, pk, term)
	}
	p.lacking(s, pk, without)
	if last != nil {
		s.add(` AND `)
		o.after(s, keys, `r.id`, last)
	}
	o.by(s, keys, `r.id`)
}

func (p *planner) lacking(s *sqlText, pk string, without []sortKey) {
	for _, k := range without {
		table, _ := k.table()
		s.add(` AND NOT EXISTS (SELECT 1 FROM `+table+` INDEXED BY `+table+`_pk WHERE pk = `+pk+` AND t = ? AND p = ?)`, p.typ, k.param)
	}
}

func (p *planner) keys(o order, pk string) []sqlText {
	keys := make([]sqlText, len(o.keys))
	for i, k := range o.keys {
		v := k.value(p.typ, pk)
		keys[i].add(v.String(), v.args...)
	}
	return keys
}

func selectKeys(s *sqlText, keys []sqlText) {
	for i := range keys {
		s.add(`, `+keys[i].String(), keys[i].args...)
	}
}

func orEqual(desc bool) string {
	if desc {
		return `<= ?`
	}
	return `>= ?`
}
