// Package wait waits for a while, or until a context ends.
package wait

import (
	"context"
	"time"
)

// For waits for d; the error is the context's, nil where it didn't end before.
func For(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
