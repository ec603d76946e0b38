package sandbox

import (
	"sync"
	"time"
)

// limiter counts requests: of each application in a minute (the quota), of all in
// a second (the spike arrest). Both windows begin anew when they are over.
type limiter struct {
	quota, spike int
	now          func() time.Time

	mu             sync.Mutex
	minute, second time.Time
	inSecond       int
	inMinute       map[string]int // one entry for each registered application, "" for the others
}

func newLimiter(quota, spike int, now func() time.Time) *limiter {
	return &limiter{quota: quota, spike: spike, now: now}
}

// take counts one request of an application; where it is one too many it says how
// long the window lasts that is full, else 0. A request that is refused doesn't
// count.
func (l *limiter) take(application string) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if !l.minute.Equal(now.Truncate(time.Minute)) {
		l.minute, l.inMinute = now.Truncate(time.Minute), map[string]int{}
	}
	if !l.second.Equal(now.Truncate(time.Second)) {
		l.second, l.inSecond = now.Truncate(time.Second), 0
	}
	switch {
	case l.quota >= 0 && l.inMinute[application] >= l.quota:
		return l.minute.Add(time.Minute).Sub(now)
	case l.spike >= 0 && l.inSecond >= l.spike:
		return l.second.Add(time.Second).Sub(now)
	}
	l.inMinute[application]++
	l.inSecond++
	return 0
}
