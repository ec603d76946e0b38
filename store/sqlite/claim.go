package sqlite

import (
	"context"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// claim takes a slot part. What stands in the way is a claim for good, or a hold
// that still runs, of an owner who is neither this one nor the predecessor.
func (w *writer) claim(ctx context.Context, i int, op store.Claim, now int64) error {
	var owner string
	found, err := w.row(ctx, `SELECT owner FROM claim WHERE slot = ? AND part = ? AND (exp IS NULL OR exp > ?)`,
		[]any{op.Slot, op.Part, now}, &owner)
	if err != nil {
		return err
	}
	if found && owner != op.Owner && (op.Predecessor == "" || owner != op.Predecessor) {
		return kit.Conflict(store.SlotTaken, i, "Slot/"+op.Slot, 0)
	}
	var until any
	if !op.Until.IsZero() {
		until = op.Until.UnixMilli()
	}
	_, err = w.exec(ctx, `INSERT INTO claim (slot, part, owner, at, exp) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (slot, part) DO UPDATE SET owner = excluded.owner, at = excluded.at, exp = excluded.exp`,
		op.Slot, op.Part, op.Owner, now, until)
	return err
}

// release gives a slot part back. A hold that ran out counts as none.
func (w *writer) release(ctx context.Context, i int, op store.Release, now int64) error {
	var owner string
	var live bool
	found, err := w.row(ctx, `SELECT owner, exp IS NULL OR exp > ? FROM claim WHERE slot = ? AND part = ?`,
		[]any{now, op.Slot, op.Part}, &owner, &live)
	if err != nil || !found {
		return err
	}
	if owner != op.Owner {
		if live {
			return kit.Conflict(store.SlotTaken, i, "Slot/"+op.Slot, 0)
		}
		return nil
	}
	_, err = w.exec(ctx, `DELETE FROM claim WHERE slot = ? AND part = ?`, op.Slot, op.Part)
	return err
}
