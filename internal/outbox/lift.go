package outbox

import (
	"context"
	"slices"
	"time"

	"github.com/onward-health/onward/store"
)

// lift ends the waits for recipients that an operator has asked to be tried (see
// Retry), in whatever process. Each such wish counts once, and only against a
// wait that had begun by then.
func (w *Worker) lift(ctx context.Context) error {
	for keys := range slices.Chunk(w.paused(), store.MaxMany) {
		docs, err := w.store.AuxGet(ctx, kindLift, keys)
		if err != nil {
			return err
		}
		for _, doc := range docs {
			if at, err := time.Parse(time.RFC3339Nano, string(doc.Value)); err == nil {
				w.liftOne(doc.Key, at)
			}
		}
	}
	return nil
}

// paused lists the recipients that are left alone now, by route.
func (w *Worker) paused() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.o.Now()
	var list []string
	for key, r := range w.routes {
		if r.until.After(now) {
			list = append(list, key)
		}
	}
	return list
}

func (w *Worker) liftOne(key string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.routes[key]
	if r == nil || at.Before(r.failed) || !at.After(r.lifted) {
		return
	}
	r.until, r.lifted = time.Time{}, at
}
