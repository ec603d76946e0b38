package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// maxScan bounds one AuxScan.
const maxScan = 10_000

// errMeta: the cursor key must not leave the engine.
const errMeta = ownError("documents of kind meta are the engine's own")

// auxPut writes a document if its condition holds; an expired one counts as
// absent, but its successor goes on from its version, so that the old holder of
// a lease can't take the new one for its own.
func (w *writer) auxPut(ctx context.Context, i int, op store.AuxPut, now int64) error {
	if err := w.auxCondition(ctx, i, op.Kind, op.Key, op.If, now); err != nil {
		return err
	}
	var exp any
	if !op.Expires.IsZero() {
		exp = op.Expires.UnixMilli()
	}
	return w.auxWrite(ctx, op.Kind, op.Key, op.Value, exp)
}

func (w *writer) auxDelete(ctx context.Context, i int, op store.AuxDelete, now int64) error {
	if err := w.auxCondition(ctx, i, op.Kind, op.Key, op.If, now); err != nil {
		return err
	}
	_, err := w.exec(ctx, `DELETE FROM aux WHERE kind = ? AND key = ?`, op.Kind, op.Key)
	return err
}

func (w *writer) auxCondition(ctx context.Context, i int, kind, key string, c store.Condition, now int64) error {
	if c == (store.Condition{}) {
		return nil
	}
	var ver int64
	found, err := w.row(ctx, `SELECT ver FROM aux WHERE kind = ? AND key = ? AND (exp IS NULL OR exp > ?)`,
		[]any{kind, key, now}, &ver)
	if err != nil {
		return err
	}
	return kit.Unmet(c, found, ver, i, kind+"|"+key)
}

func (w *writer) auxWrite(ctx context.Context, kind, key string, val []byte, exp any) error {
	if kind != kit.KindMeta {
		val = w.values.short(val)
	}
	_, err := w.exec(ctx, `INSERT INTO aux (kind, key, ver, val, exp) VALUES (?, ?, 1, ?, ?)
		ON CONFLICT (kind, key) DO UPDATE SET ver = ver + 1, val = excluded.val, exp = excluded.exp`,
		kind, key, blob(val), exp)
	return err
}

// blob keeps nothing as NULL.
func blob(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// AuxGet implements store.Store. Several claimed parts of a slot are several
// documents of one key, in order of part.
func (s *Store) AuxGet(ctx context.Context, kind string, keys []string) ([]store.Aux, error) {
	if len(keys) > store.MaxMany {
		return nil, fmt.Errorf("%w: more than %d keys", store.ErrTooLarge, store.MaxMany)
	}
	if kind == kit.KindMeta {
		return nil, errMeta
	}
	now := s.now().UnixMilli()
	var out []store.Aux
	err := s.read(ctx, "read documents", func(c *conn) error {
		if kind == kit.KindClaim {
			return c.claimsOf(ctx, keys, now, &out)
		}
		if kind == kit.KindHold {
			return c.holdsOf(ctx, keys, now, &out)
		}
		return c.snapshot(ctx, func() error {
			size := 0
			for _, key := range keys {
				had := len(out)
				err := c.aux(ctx, kind, `SELECT key, ver, val, exp FROM aux WHERE kind = ? AND key = ? AND (exp IS NULL OR exp > ?)`, []any{kind, key, now}, &out)
				if err != nil {
					return err
				}
				for _, a := range out[had:] {
					if size += len(a.Value); size > store.MaxWhole {
						return fmt.Errorf("%w: more than %d bytes of documents", store.ErrTooLarge, store.MaxWhole)
					}
				}
			}
			return nil
		})
	})
	return out, err
}

// claimsOf reads the claims of slots in one statement: a list of slots asks for
// hundreds.
func (c *conn) claimsOf(ctx context.Context, slots []string, now int64, out *[]store.Aux) error {
	list, err := json.Marshal(slots)
	if err != nil {
		return err
	}
	return c.aux(ctx, kit.KindClaim, `SELECT c.slot, 1, CAST(c.owner AS BLOB), c.exp FROM json_each(?) j CROSS JOIN claim c ON c.slot = j.value
		WHERE c.exp IS NULL OR c.exp > ? ORDER BY j.key, c.part`, []any{string(list), now}, out)
}

// holdsOf reads all holds that run where they are fewer than the slots: among
// the claims of a large store each slot is a place of its own to look at.
func (c *conn) holdsOf(ctx context.Context, slots []string, now int64, out *[]store.Aux) error {
	var n int
	_, err := c.row(ctx, `SELECT count(*) FROM (SELECT 1 FROM claim INDEXED BY claim_exp WHERE exp > ? LIMIT ? + 0)`, []any{now, len(slots)}, &n)
	if err != nil || n == 0 {
		return err
	}
	var found []store.Aux
	if n == len(slots) {
		if err := c.claimsOf(ctx, slots, now, &found); err != nil {
			return err
		}
	} else if err := c.aux(ctx, kit.KindClaim, `SELECT slot, 1, CAST(owner AS BLOB), exp FROM claim INDEXED BY claim_exp
		WHERE exp > ? ORDER BY slot, part`, []any{now}, &found); err != nil {
		return err
	}
	held := map[string][]store.Aux{}
	for _, a := range found {
		if !a.Expires.IsZero() {
			a.Kind = kit.KindHold
			held[a.Key] = append(held[a.Key], a)
		}
	}
	for _, slot := range slots {
		*out = append(*out, held[slot]...)
	}
	return nil
}

// AuxScan implements store.Store. limit is at most 10,000, which is also what 0
// means. The parts of one slot aren't torn apart: the last slot of a list of
// claims comes with all of them.
func (s *Store) AuxScan(ctx context.Context, kind, prefix, after string, limit int) ([]store.Aux, error) {
	if limit <= 0 || limit > maxScan {
		limit = maxScan
	}
	if kind == kit.KindMeta {
		return nil, errMeta
	}
	text := `SELECT key, ver, val, exp FROM aux WHERE kind = ? AND key >= ? AND key > ? AND key < ?
		AND (exp IS NULL OR exp > ?) ORDER BY key LIMIT ? + 0`
	if kind == kit.KindClaim {
		text = `SELECT slot, 1, CAST(owner AS BLOB), exp FROM claim WHERE ? <> '' AND slot >= ? AND slot > ? AND slot < ?
			AND (exp IS NULL OR exp > ?) ORDER BY slot, part LIMIT ? + 0`
	}
	now := s.now().UnixMilli()
	args := []any{kind, prefix, after, successor(prefix), now, limit}
	var out []store.Aux
	err := s.read(ctx, "list documents", func(c *conn) error {
		return c.snapshot(ctx, func() error {
			if err := c.auxUpTo(ctx, kind, text, args, store.MaxList, &out); err != nil || kind != kit.KindClaim || len(out) < limit {
				return err
			}
			return c.wholeSlot(ctx, &out, now)
		})
	})
	return out, err
}

// wholeSlot reads the parts of the last slot again, all of them.
func (c *conn) wholeSlot(ctx context.Context, out *[]store.Aux, now int64) error {
	list := *out
	last, n := list[len(list)-1].Key, len(list)
	for n > 0 && list[n-1].Key == last {
		n--
	}
	*out = list[:n]
	return c.aux(ctx, kit.KindClaim, `SELECT slot, 1, CAST(owner AS BLOB), exp FROM claim WHERE slot = ? AND (exp IS NULL OR exp > ?) ORDER BY part`,
		[]any{last, now}, out)
}

func (c *conn) aux(ctx context.Context, kind, text string, args []any, out *[]store.Aux) error {
	return c.auxUpTo(ctx, kind, text, args, math.MaxInt, out)
}

// auxUpTo reads documents up to so many bytes of values, but at least one.
// Claims, which are short, aren't measured.
func (c *conn) auxUpTo(ctx context.Context, kind, text string, args []any, most int, out *[]store.Aux) error {
	size := 0
	return c.each(ctx, text, args, func(scan func(...any) error) error {
		a := store.Aux{Kind: kind}
		var exp sql.NullInt64
		err := scan(&a.Key, &a.Version, &a.Value, &exp)
		if err == nil && kind != kit.KindClaim {
			a.Value, err = c.values.long(a.Value)
			size += len(a.Value)
		}
		if err != nil {
			return err
		}
		if size > most && len(*out) > 0 {
			return errEnough
		}
		if exp.Valid {
			a.Expires = kit.Instant(exp.Int64)
		}
		*out = append(*out, a)
		return nil
	})
}

// successor is the first text after all that start with prefix.
func successor(prefix string) string {
	b := []byte(prefix)
	for len(b) > 0 {
		if b[len(b)-1] < 0xff {
			b[len(b)-1]++
			return string(b)
		}
		b = b[:len(b)-1]
	}
	return "\xff\xff\xff\xff"
}
