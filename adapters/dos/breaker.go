package dos

import (
	"sync"
	"time"
)

// Breaker stops calls after failures in a row, so that a directory that is down
// doesn't hold every call handler up. After Wait one call is let through; if it
// succeeds, all are again.
type Breaker struct {
	Failures int // in a row, until it opens
	Wait     time.Duration
	Now      func() time.Time

	mu     sync.Mutex
	failed int
	until  time.Time
}

// NewBreaker opens after five failures for half a minute.
func NewBreaker(now func() time.Time) *Breaker {
	return &Breaker{Failures: 5, Wait: 30 * time.Second, Now: now}
}

func (b *Breaker) allow() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed < b.Failures {
		return true
	}
	if b.Now().Before(b.until) {
		return false
	}
	b.until = b.Now().Add(b.Wait) // this one tries; the others wait for it
	return true
}

func (b *Breaker) note(success bool) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if success {
		b.failed = 0
		return
	}
	if b.failed++; b.failed >= b.Failures {
		b.until = b.Now().Add(b.Wait)
	}
}
