package sqlite

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// hit is one match and how it sorts.
type hit struct {
	record *store.Record
	keys   []kit.Value
}

// ofRecord are the columns that a record is made of, behind its id and its keys.
const ofRecord = `r.ver, r.lu, r.method, r."by", r.peer, r.body`

// run reads the hits of a finished statement, which names rows by pk, id and
// keyName, with their records: bodies are read of no more than those.
func (p *planner) run(ctx context.Context, found *sqlText, o order) ([]hit, error) {
	s := &sqlText{args: found.args}
	s.add(`SELECT m.id, `)
	for i := range o.keys {
		s.add(`m.` + keyName(i) + `, `)
	}
	s.add(ofRecord + ` FROM (` + found.String() + `) m CROSS JOIN res r WHERE r.pk = m.pk`)
	return p.read(ctx, s, o, nil)
}

// read runs a statement whose columns are id, keys and ofRecord. A page ends when
// its bodies are many, so no more than that are held. A row that end, if given,
// says is beyond the last isn't taken. Who made the versions is looked up
// afterwards, because few have made many.
func (p *planner) read(ctx context.Context, s *sqlText, o order, end func(out []hit, next row) error) ([]hit, error) {
	if p.explained != nil {
		return nil, p.steps(ctx, s)
	}
	var out []hit
	var authors []int64
	values := make([]kit.Value, 0, 64*len(o.keys)) // one piece for many hits
	err := p.c.rows(ctx, s.String(), s.args, func(r row) error {
		if end != nil {
			if err := end(out, r); err != nil {
				return err
			}
		}
		from := len(values)
		for i := range o.keys {
			values = append(values, key(r[1+i]))
		}
		rest := r[1+len(o.keys):]
		record := &store.Record{Type: p.name, ID: r.text(0), Version: rest.number(0), LastUpdated: kit.Instant(rest.number(1)),
			Method: rest.text(2), Peer: rest.bytes(4), Body: rest.bytes(5)}
		out = append(out, hit{record, values[from:len(values):len(values)]})
		authors = append(authors, rest.number(3))
		if p.size > maxPage {
			p.full = true
			return errEnough
		}
		p.size += len(record.Body)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, p.c.sign(ctx, out, authors)
}

// key is a column that a hit sorts by.
func key(column any) kit.Value {
	switch v := column.(type) {
	case int64:
		return kit.Value{N: &v}
	case string:
		return kit.Value{S: []byte(v)}
	}
	return kit.Value{}
}

// sign sets By of records, each of which has the author at its place, 0 for none.
func (c *conn) sign(ctx context.Context, found []hit, authors []int64) error {
	made := map[int64][]byte{}
	var ids []any
	for _, id := range authors {
		if _, known := made[id]; id != 0 && !known {
			made[id] = nil
			ids = append(ids, id)
		}
	}
	err := chunks(ids, func(some []any) error {
		return c.rows(ctx, `SELECT id, val FROM who WHERE id IN (`+marks(len(some))+`)`, some, func(r row) error {
			made[r.number(0)] = r.bytes(1)
			return nil
		})
	})
	for i, h := range found {
		h.record.By = made[authors[i]]
	}
	return err
}

// errTies: a page is full of bodies in the middle of records of one start.
var errTies = errors.New("store: too much begins at the same time")

// inStep reads a statement whose rows come by start but not by id where several
// have the same, and whose columns are those of read: it reads n hits, and the
// others of the last one's start. What SQLite needs a sorter for is a comparison
// here, since hardly two records of a term begin together.
func (p *planner) inStep(ctx context.Context, s *sqlText, o order, n int) ([]hit, error) {
	out, err := p.read(ctx, s, o, func(out []hit, next row) error {
		if len(out) == 0 || *out[len(out)-1].keys[0].N != next.number(1) {
			if len(out) >= n {
				return errEnough
			}
			return nil
		}
		if p.size > maxPage {
			return errTies
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for from := 0; from < len(out); {
		to := from + 1
		for to < len(out) && *out[to].keys[0].N == *out[from].keys[0].N {
			to++
		}
		slices.SortFunc(out[from:to], func(a, b hit) int {
			if o.idDesc {
				a, b = b, a
			}
			return strings.Compare(a.record.ID, b.record.ID)
		})
		from = to
	}
	return out[:min(n, len(out))], nil
}
