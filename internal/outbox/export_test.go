package outbox

import (
	"context"
	"strings"
)

// Known is how many recipients a worker remembers.
func (w *Worker) Known() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.routes)
}

// Look starts what may be sent, and doesn't wait for it.
func (w *Worker) Look(ctx context.Context) error {
	_, err := w.pass(ctx, ctx)
	return err
}

// Wait waits for what is under way.
func (w *Worker) Wait() { w.under.Wait() }

// UnderWay counts what is under way by recipient.
func (w *Worker) UnderWay() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := map[string]int{}
	for key := range w.lanes {
		n[strings.Split(key, "|")[1]]++
	}
	return n
}
