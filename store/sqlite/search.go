package sqlite

import (
	"context"
	"math"
	"slices"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// defaultCount is where Count stops if its caller names no limit.
const defaultCount = 10_000

// Search implements store.Store. Records are ordered by the query's sort
// parameters, then by logical id ascending; "_id" is a sort parameter too. A
// page whose bodies pass 32 MiB ends early.
func (s *Store) Search(ctx context.Context, q *search.Query) (*store.Page, error) {
	if err := checkQuery(q); err != nil {
		return nil, err
	}
	asked := queryHash(q)
	var last *mark
	if q.Cursor != "" {
		var err error
		if last, err = s.seal.open(q.Cursor, asked); err != nil {
			return nil, err
		}
	}
	page := &store.Page{}
	err := s.read(ctx, "search", func(c *conn) error {
		return c.snapshot(ctx, func() error {
			n := pageSize(q.Count)
			found, err := hits(ctx, c, q, n+1, last)
			if err != nil {
				return err
			}
			return c.fill(ctx, page, found, n, func(h hit) string {
				return s.seal.close(mark{Query: asked, Keys: h.keys, ID: h.id})
			})
		})
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// Count implements store.Store. A limit of 0 means 10,000.
func (s *Store) Count(ctx context.Context, q *search.Query, limit int) (n int, exact bool, err error) {
	if err := checkQuery(q); err != nil {
		return 0, false, err
	}
	if limit <= 0 {
		limit = defaultCount
	}
	err = s.read(ctx, "count", func(c *conn) error {
		return c.snapshot(ctx, func() error {
			n, err = count(ctx, c, q, limit+1)
			return err
		})
	})
	return min(n, limit), n <= limit, err
}

// hit is one match: where it is and how it sorts.
type hit struct {
	pk   int64
	id   string
	keys []value
}

// hits finds the next n matches in order.
func hits(ctx context.Context, c *conn, q *search.Query, n int, last *mark) ([]hit, error) {
	p, err := newPlanner(ctx, c, q)
	if err != nil || p == nil {
		return nil, err
	}
	o, err := p.order(ctx, q.Sort)
	if err != nil {
		return nil, err
	}
	if last != nil && !o.fits(last) {
		return nil, store.ErrCursor
	}
	return p.hits(ctx, o, nil, n, last)
}

// hits drives by the rarest term, or walks. without lists keys that the records
// must lack: what remains after walking the index of such a key.
func (p *planner) hits(ctx context.Context, o order, without []sortKey, n int, last *mark) ([]hit, error) {
	walk, err := p.walks(ctx, n)
	if err != nil {
		return nil, err
	}
	if !walk {
		return p.driven(ctx, o, without, n, last)
	}
	if len(o.keys) == 0 || o.keys[0].kind == byUpdated {
		return p.walkRecords(ctx, o, without, n, last)
	}
	var out []hit
	if last == nil || !last.Keys[0].none() {
		if out, err = p.walkIndex(ctx, o, without, n, last); err != nil {
			return nil, err
		}
		last = nil
	}
	if len(out) == n || p.demands(o.keys[0]) {
		return out, nil
	}
	if last != nil {
		last = &mark{Keys: last.Keys[1:], ID: last.ID}
	}
	rest, err := p.hits(ctx, order{o.keys[1:], o.idDesc}, append(without, o.keys[0]), n-len(out), last)
	for _, h := range rest {
		h.keys = append([]value{{}}, h.keys...)
		out = append(out, h)
	}
	return out, err
}

// walks weighs reading all records of the driving term and sorting them against
// reading an index in order until n match. The second assumes that the matches
// are spread evenly.
func (p *planner) walks(ctx context.Context, n int) (bool, error) {
	if p.drive < 0 || p.rows >= manyRows {
		return true, nil
	}
	var all int
	if _, err := p.c.row(ctx, `SELECT coalesce(max(pk), 0) FROM res`, nil, &all); err != nil {
		return false, err
	}
	return n*all < p.rows*p.rows, nil
}

// demands says that no match can lack the key.
func (p *planner) demands(k sortKey) bool {
	for _, term := range p.terms {
		if d, is := term.(search.Date); is && k.kind == byDate && d.Param == k.param {
			return true
		}
	}
	return false
}

// driven gathers the matches of the driving term and sorts them. The common
// table is kept as one, so that each key is looked up once a record.
func (p *planner) driven(ctx context.Context, o order, without []sortKey, n int, last *mark) ([]hit, error) {
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
func (p *planner) walkRecords(ctx context.Context, o order, without []sortKey, n int, last *mark) ([]hit, error) {
	s, keys := &sqlText{}, p.keys(o, `r.pk`)
	s.add(`SELECT r.pk, r.id`)
	selectKeys(s, keys)
	index := `res_id`
	if len(o.keys) > 0 {
		index = `res_typ_lu`
	}
	s.add(` FROM res r INDEXED BY `+index+` WHERE r.typ = ? AND r.del = 0`, p.name)
	if last != nil && len(o.keys) > 0 {
		s.add(` AND r.lu `+orEqual(o.keys[0].desc), last.Keys[0].arg())
	}
	p.rest(s, o, keys, `r.pk`, without, last)
	s.add(` LIMIT ?`, n)
	return p.run(ctx, s, o)
}

// walkIndex reads the index of the first key in order; records without it are
// not in there.
func (p *planner) walkIndex(ctx context.Context, o order, without []sortKey, n int, last *mark) ([]hit, error) {
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
		p.window(s, k, last)
	} else if last != nil {
		s.add(` AND d.v `+orEqual(k.desc), last.Keys[0].arg())
	}
	if k.several {
		s.add(` AND NOT EXISTS (SELECT 1 FROM xd e INDEXED BY xd_pk WHERE e.pk = d.pk AND e.t = d.t AND e.p = d.p
			AND (e.lo, e.hi) < (d.lo, d.hi))`)
	}
	p.rest(s, o, keys, `d.pk`, without, last)
	s.add(` LIMIT ?`, n)
	return p.run(ctx, s, o)
}

// window bounds the walk: by the cursor, and by conditions on the key itself.
// Those hold for the span that is walked only where no record has several.
// There is one lower and one upper bound, because SQLite seeks by one of each.
func (p *planner) window(s *sqlText, k sortKey, last *mark) {
	lower, upper := int64(math.MinInt64), int64(math.MaxInt64)
	for _, term := range p.terms {
		if d, is := term.(search.Date); is && !k.several && d.Param == k.param {
			low, high := bounds(d, k.widest)
			lower, upper = max(lower, low), min(upper, high)
		}
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
func (p *planner) rest(s *sqlText, o order, keys []sqlText, pk string, without []sortKey, last *mark) {
	for _, term := range p.terms {
		s.add(` AND `)
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

// run reads the hits of a finished statement.
func (p *planner) run(ctx context.Context, s *sqlText, o order) ([]hit, error) {
	var out []hit
	err := p.c.each(ctx, s.String(), s.args, func(scan func(...any) error) error {
		h := hit{keys: make([]value, len(o.keys))}
		into := []any{&h.pk, &h.id}
		for i, k := range o.keys {
			if k.kind == byText {
				into = append(into, &h.keys[i].S)
			} else {
				into = append(into, &h.keys[i].N)
			}
		}
		if err := scan(into...); err != nil {
			return err
		}
		out = append(out, h)
		return nil
	})
	return out, err
}

// fill reads the records of at most n hits; those beyond say that there is a
// next page.
func (c *conn) fill(ctx context.Context, page *store.Page, found []hit, n int, cursor func(hit) string) error {
	size := 0
	for i, h := range found {
		if i == n || size > maxPage {
			page.Next = cursor(found[i-1])
			return nil
		}
		err := c.each(ctx, `SELECT `+columns+` FROM res WHERE pk = ?`, []any{h.pk}, func(scan func(...any) error) error {
			r, err := scanRecord(scan)
			if err != nil {
				return err
			}
			size += len(r.Body)
			page.Records = append(page.Records, r)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
