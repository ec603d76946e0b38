package sqlite

import (
	"context"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// defaultCount is where Count stops if its caller names no limit.
const defaultCount = 10_000

// Search implements store.Store. Records are ordered by the query's sort
// parameters, then by logical id ascending; "_id" is a sort parameter too. A
// page whose bodies pass 32 MiB ends early.
func (s *Store) Search(ctx context.Context, q *search.Query) (*store.Page, error) {
	if err := kit.CheckQuery(q); err != nil {
		return nil, err
	}
	asked := kit.QueryHash(q)
	var last *kit.Mark
	if q.Cursor != "" {
		var err error
		if last, err = s.seal.Open(q.Cursor, asked); err != nil {
			return nil, err
		}
	}
	page := &store.Page{}
	err := s.read(ctx, "search", func(c *conn) error {
		return c.snapshot(ctx, func() error {
			n := kit.PageSize(q.Count)
			found, err := hits(ctx, c, q, n+1, last)
			if err != nil {
				return err
			}
			return c.fill(ctx, page, found, n, func(h hit) string {
				return s.seal.Close(kit.Mark{Query: asked, Keys: h.keys, ID: h.id})
			})
		})
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// Count implements store.Store. A limit of 0 means 10,000. A whole type is read
// from its counter.
func (s *Store) Count(ctx context.Context, q *search.Query, limit int) (n int, exact bool, err error) {
	if err := kit.CheckQuery(q); err != nil {
		return 0, false, err
	}
	if limit <= 0 {
		limit = defaultCount
	}
	err = s.read(ctx, "count", func(c *conn) error {
		return c.snapshot(ctx, func() error {
			if len(kit.Flatten(q.Where, nil)) > 0 {
				n, err = count(ctx, c, q, limit+1)
				return err
			}
			_, err = c.row(ctx, `SELECT live FROM types WHERE name = ?`, []any{q.Type}, &n)
			return err
		})
	})
	return min(n, limit), n <= limit, err
}

// hit is one match: where it is and how it sorts.
type hit struct {
	pk   int64
	id   string
	keys []kit.Value
}

// hits finds the next n matches in order.
func hits(ctx context.Context, c *conn, q *search.Query, n int, last *kit.Mark) ([]hit, error) {
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
func (p *planner) hits(ctx context.Context, o order, without []sortKey, n int, last *kit.Mark) ([]hit, error) {
	walk, err := p.walks(ctx, o, n)
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
	if last == nil || !last.Keys[0].None() {
		if out, err = p.walkIndex(ctx, o, without, n, last); err != nil {
			return nil, err
		}
		last = nil
	}
	if len(out) == n || p.demands(o.keys[0]) {
		return out, nil
	}
	if last != nil {
		last = &kit.Mark{Keys: last.Keys[1:], ID: last.ID}
	}
	rest, err := p.hits(ctx, order{o.keys[1:], o.idDesc}, append(without, o.keys[0]), n-len(out), last)
	for _, h := range rest {
		h.keys = append([]kit.Value{{}}, h.keys...)
		out = append(out, h)
	}
	return out, err
}

// walks weighs reading all records of the driving term and sorting them against
// reading an index in order until n match. The second assumes that the matches
// are spread evenly.
func (p *planner) walks(ctx context.Context, o order, n int) (bool, error) {
	if p.drive < 0 || p.rows >= manyRows {
		return true, nil
	}
	if d, is := p.terms[p.drive].(search.Date); is && len(o.keys) > 0 && o.keys[0].single(d.Param) {
		return true, nil // the same rows, already in order
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

// run reads the hits of a finished statement.
func (p *planner) run(ctx context.Context, s *sqlText, o order) ([]hit, error) {
	if p.explained != nil {
		return nil, p.steps(ctx, s)
	}
	var out []hit
	err := p.c.each(ctx, s.String(), s.args, func(scan func(...any) error) error {
		h := hit{keys: make([]kit.Value, len(o.keys))}
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

// fillRows is how many records one statement reads: few enough that the largest
// bodies don't fill the memory.
const fillRows = 16

// fill reads the records of at most n hits; those beyond say that there is a
// next page.
func (c *conn) fill(ctx context.Context, page *store.Page, found []hit, n int, cursor func(hit) string) error {
	size := 0
	for i := 0; i < len(found); i += fillRows {
		some := found[i:min(i+fillRows, len(found))]
		records, err := c.records(ctx, some)
		if err != nil {
			return err
		}
		for j, h := range some {
			if i+j == n || size > maxPage {
				page.Next = cursor(found[i+j-1])
				return nil
			}
			size += len(records[h.pk].Body)
			page.Records = append(page.Records, records[h.pk])
		}
	}
	return nil
}

// records reads up to fillRows records by row number; unused places of the
// statement ask for row 0, which there is none of.
func (c *conn) records(ctx context.Context, some []hit) (map[int64]*store.Record, error) {
	args := make([]any, fillRows)
	for i := range args {
		args[i] = 0
		if i < len(some) {
			args[i] = some[i].pk
		}
	}
	records := make(map[int64]*store.Record, len(some))
	err := c.each(ctx, fillText, args, func(scan func(...any) error) error {
		var pk int64
		r, err := scanRecord(scan, &pk)
		records[pk] = r
		return err
	})
	return records, err
}

var fillText = `SELECT pk, ` + columns + ` FROM res WHERE pk IN (` + marks(fillRows) + `)`
