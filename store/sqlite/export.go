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

// Bounds of what Export hands over at once. A record's versions may be more.
const (
	exportRows  = 500
	exportBytes = 8 << 20
)

// exported is a position: behind a record (Part "res"), a claim or a document.
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
			x.last, x.items = at, x.items[:0]
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
	last  exported
}

// records reads the next records with all their versions. A record with a long
// history gets a page of its own.
func (x *exporter) records(ctx context.Context, c *conn, after exported) error {
	var list []*store.Record
	var packed [][]byte
	size := 0
	err := c.each(ctx, `SELECT ix, `+columns+` FROM res r WHERE (typ, id) > (?, ?) ORDER BY typ, id LIMIT ? + 0`,
		[]any{after.A, after.B, exportRows}, func(scan func(...any) error) error {
			if size > exportBytes {
				return nil
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
		if len(x.items) > 0 && (len(x.items)+int(r.Version) > 2*exportRows || size > 2*exportBytes) {
			return nil
		}
		if r.Version > 1 {
			err := c.each(ctx, `SELECT `+columns+` FROM hist r WHERE typ = ? AND id = ? ORDER BY ver`, []any{r.Type, r.ID}, func(scan func(...any) error) error {
				old, err := scanRecord(scan)
				if err != nil {
					return err
				}
				size += len(old.Body)
				x.items = append(x.items, store.Item{Version: old})
				return nil
			})
			if err != nil {
				return err
			}
		}
		r.Index = indexes[i].index(texts)
		x.items = append(x.items, store.Item{Version: r, Current: true})
		x.last = exported{Part: "res", A: r.Type, B: r.ID}
	}
	return nil
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
		x.items = append(x.items, store.Item{Aux: a})
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
