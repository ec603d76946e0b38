package sqlite

import (
	"context"
	"time"
)

// Sweeping only tidies: expired rows count as absent from their moment on. They
// stay a while so that a lease taken over goes on from its version.
const (
	sweepEvery = time.Minute
	sweepAgain = 100 * time.Millisecond // where some were left
	sweepGrace = 24 * time.Hour
	sweepRows  = 500
)

func (w *writer) sweep() {
	now := w.s.now()
	if since := now.Sub(w.swept); since >= 0 && since < w.rest {
		return
	}
	w.swept, w.rest = now, sweepEvery
	before := now.Add(-sweepGrace).UnixMilli()
	ctx := context.Background()
	for _, text := range []string{
		`DELETE FROM claim WHERE (slot, part) IN (SELECT slot, part FROM claim WHERE exp <= ? LIMIT ? + 0)`,
		`DELETE FROM aux WHERE (kind, key) IN (SELECT kind, key FROM aux WHERE exp <= ? LIMIT ? + 0)`,
	} {
		done, err := w.exec(ctx, text, before, sweepRows)
		if err != nil {
			continue
		}
		if n, _ := done.RowsAffected(); n == sweepRows {
			w.rest = sweepAgain
		}
	}
}
