package sqlite

import (
	"context"
	"encoding/json"
	"time"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

var (
	_ store.Exporter = (*Store)(nil)
	_ store.Importer = (*Store)(nil)
)

// Bounds of what Export hands over at once; one body more may come.
const (
	exportRows  = 500
	exportBytes = 8 << 20
)

// exported is a position: behind a record (Part "res"), or where N isn't 0 behind
// that version of it; behind a claim or a document.
type exported struct {
	Part string `json:"part"`
	A    string `json:"a"`
	B    string `json:"b"`
	N    int64  `json:"n,omitempty"`
}

func (e exported) text() string {
	b, err := json.Marshal(e)
	if err != nil {
		panic("store: " + err.Error()) // texts and a number always encode
	}
	return string(b)
}

// Export implements store.Exporter: records by type and id, then claims, then
// documents.
func (s *Store) Export(ctx context.Context, after string, asOf time.Time, f func([]store.Item, string) error) error {
	from := exported{Part: "res"}
	if after != "" {
		if err := json.Unmarshal([]byte(after), &from); err != nil {
			return store.ErrCursor
		}
	}
	x := exporter{s: s, f: f, now: asOf.UnixMilli()}
	for _, part := range []struct {
		name string
		page func(context.Context, *conn, exported) error
	}{{"res", x.records}, {"claim", x.claims}, {"aux", x.documents}} {
		if from.Part != part.name {
			continue // done before
		}
		for at := from; ; at = x.last {
			x.last, x.items, x.size = at, x.items[:0], 0
			err := s.read(ctx, "export", func(c *conn) error {
				return c.snapshot(ctx, func() error { return part.page(ctx, c, at) })
			})
			if err != nil {
				return err
			}
			if len(x.items) == 0 {
				break
			}
			if err := f(x.items, x.last.text()); err != nil {
				return err
			}
		}
		from = exported{Part: map[string]string{"res": "claim", "claim": "aux"}[part.name], N: -1}
	}
	return nil
}

// exporter reads one page at a time, so that no read transaction lasts.
type exporter struct {
	s     *Store
	f     func([]store.Item, string) error
	now   int64
	items []store.Item
	size  int // bytes of bodies and values among them
	last  exported
}

func (x *exporter) full() bool { return len(x.items) >= exportRows || x.size > exportBytes }

func (x *exporter) add(r *store.Record, current bool) {
	x.items, x.size = append(x.items, store.Item{Version: r, Current: current}), x.size+len(r.Body)
	x.last = exported{Part: "res", A: r.Type, B: r.ID}
	if !current {
		x.last.N = r.Version
	}
}

// records reads the next records with their versions, or what follows in the one
// that after is inside.
func (x *exporter) records(ctx context.Context, c *conn, after exported) error {
	text, most := `SELECT ix, `+columns+` FROM res r WHERE (typ, id) > (?, ?) ORDER BY typ, id LIMIT ? + 0`, exportRows
	if after.N > 0 {
		text, most = `SELECT ix, `+columns+` FROM res r WHERE (typ, id) >= (?, ?) ORDER BY typ, id LIMIT ? + 0`, 1
	}
	var list []*store.Record
	var packed [][]byte
	size := 0
	err := c.each(ctx, text, []any{after.A, after.B, most}, func(scan func(...any) error) error {
		if size > exportBytes {
			return errEnough
		}
		var ix []byte
		r, err := scanRecord(scan, &ix)
		if err != nil {
			return err
		}
		size += len(r.Body)
		list, packed = append(list, r), append(packed, ix)
		return nil
	})
	if err != nil {
		return err
	}
	indexes, texts, err := c.indexes(ctx, packed)
	if err != nil {
		return err
	}
	for i, r := range list {
		behind := int64(0)
		if r.Type == after.A && r.ID == after.B { // else that one was purged
			behind = after.N
		}
		if r.Version > 1 {
			if err := x.superseded(ctx, c, r.Ref(), behind); err != nil {
				return err
			}
		}
		if x.full() {
			return nil
		}
		r.Index = indexes[i].index(texts)
		x.add(r, true)
	}
	return nil
}

// superseded reads versions of a record until the page is full.
func (x *exporter) superseded(ctx context.Context, c *conn, ref store.Ref, behind int64) error {
	return c.each(ctx, `SELECT `+columns+` FROM hist r WHERE typ = ? AND id = ? AND ver > ? ORDER BY ver`, []any{ref.Type, ref.ID, behind}, func(scan func(...any) error) error {
		if x.full() {
			return errEnough
		}
		old, err := scanRecord(scan)
		if err == nil {
			x.add(old, false)
		}
		return err
	})
}

func (x *exporter) claims(ctx context.Context, c *conn, after exported) error {
	return c.each(ctx, `SELECT slot, part, owner, at, exp FROM claim WHERE (slot, part) > (?, ?) AND (exp IS NULL OR exp > ?)
		ORDER BY slot, part LIMIT ? + 0`, []any{after.A, after.N, x.now, exportRows}, func(scan func(...any) error) error {
		var at int64
		var exp *int64
		cl := &store.Claimed{}
		if err := scan(&cl.Slot, &cl.Part, &cl.Owner, &at, &exp); err != nil {
			return err
		}
		cl.At = kit.Instant(at)
		if exp != nil {
			cl.Until = kit.Instant(*exp)
		}
		x.items = append(x.items, store.Item{Claim: cl})
		x.last = exported{Part: "claim", A: cl.Slot, N: int64(cl.Part)}
		return nil
	})
}

func (x *exporter) documents(ctx context.Context, c *conn, after exported) error {
	return c.each(ctx, `SELECT kind, key, ver, val, exp FROM aux WHERE (kind, key) > (?, ?) AND kind <> ? AND (exp IS NULL OR exp > ?)
		ORDER BY kind, key LIMIT ? + 0`, []any{after.A, after.B, kit.KindMeta, x.now, exportRows}, func(scan func(...any) error) error {
		if x.full() {
			return errEnough
		}
		var exp *int64
		a := &store.Aux{}
		err := scan(&a.Kind, &a.Key, &a.Version, &a.Value, &exp)
		if err == nil {
			a.Value, err = c.values.long(a.Value)
		}
		if err != nil {
			return err
		}
		if exp != nil {
			a.Expires = kit.Instant(*exp)
		}
		x.items, x.size = append(x.items, store.Item{Aux: a}), x.size+len(a.Value)
		x.last = exported{Part: "aux", A: a.Kind, B: a.Key}
		return nil
	})
}

// Items implements store.Exporter.
func (s *Store) Items(ctx context.Context) (n int64, err error) {
	err = s.read(ctx, "count", func(c *conn) error {
		_, err := c.row(ctx, `SELECT (SELECT count(*) FROM res) + (SELECT count(*) FROM hist)
			+ (SELECT count(*) FROM claim) + (SELECT count(*) FROM aux WHERE kind <> 'meta')`, nil, &n)
		return err
	})
	return n, err
}
