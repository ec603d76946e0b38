package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// tellEvery is how often the log says that the store can't serve still, tellOther how
// often for another reason: one disk may fail each sort of call in its own words.
const (
	tellEvery = time.Minute
	tellOther = time.Second
)

// Trouble says since when a store has served no calls of a sort, and why.
type Trouble struct {
	Since time.Time `json:"since"`
	Why   string    `json:"why"`
}

// troubles notices that calls of a sort fail because the store can't serve, which
// their callers are told as "try again" only: whoever runs it must know the reason.
type troubles struct {
	calls string // what can't be served, for the log
	log   *slog.Logger
	now   func() time.Time
	gauge prometheus.Gauge // 1 where calls are served; may be nil

	is   atomic.Bool
	mu   sync.Mutex
	last Trouble
	told time.Time // zero: never
	said bool      // the log knows of this trouble
}

// note takes in what came of a call. That a call was refused for what it asked says
// nothing.
func (t *troubles) note(o outcome, err error) {
	switch {
	case o == ok && t.is.Load():
		t.over()
	case o == unavailable, o == unknown && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded):
		t.begin(err)
	}
}

func (t *troubles) begin(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if !t.is.Load() {
		t.last.Since = now
		t.is.Store(true)
		t.set(0)
	}
	pause := tellEvery
	if t.last.Why != err.Error() {
		pause = tellOther
	}
	t.last.Why = err.Error()
	if !t.told.IsZero() && now.Sub(t.told) < pause {
		return
	}
	t.told, t.said = now, true
	t.log.Error("the store can't serve "+t.calls+"; callers are asked to try again", "since", t.last.Since, "error", err)
}

func (t *troubles) over() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.is.Load() {
		return
	}
	t.is.Store(false)
	t.set(1)
	if !t.said { // one that comes and goes
		return
	}
	t.said = false
	t.log.Info("the store serves "+t.calls+" again", "failed", t.now().Sub(t.last.Since).Round(time.Millisecond))
}

func (t *troubles) set(value float64) {
	if t.gauge != nil {
		t.gauge.Set(value)
	}
}

// current gives the trouble that there is.
func (t *troubles) current() (Trouble, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last, t.is.Load()
}
