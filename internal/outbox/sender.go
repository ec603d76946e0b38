package outbox

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// Sender sends messages of one kind. Send is called from several goroutines, and
// again with the same message after a failure or a crash.
type Sender interface {
	Send(ctx context.Context, m Message) Result
}

// Verdict says what becomes of a message after an attempt.
type Verdict uint8

// The verdicts.
const (
	Again     Verdict = iota // try again later; a dead letter after the last attempt
	Delivered                // the recipient has it
	Dead                     // it will never be taken: a dead letter at once
	Discarded                // nobody wants it any more: forget it
)

// String is the verdict's word.
func (v Verdict) String() string {
	switch v {
	case Delivered:
		return "delivered"
	case Dead:
		return "dead"
	case Discarded:
		return "discarded"
	}
	return "again"
}

// Result is what an attempt came to.
type Result struct {
	Verdict Verdict
	// After is how long the recipient asked to be left alone (Retry-After).
	After time.Duration
	// Reason says why it failed, in fixed words: it is logged and shown, so it
	// holds no patient data and nothing that the recipient wrote.
	Reason string
}

// Policy bounds the attempts of one kind of message. The zero value of each
// field has the stated default.
type Policy struct {
	Timeout     time.Duration // of one attempt; 30 s
	FirstWait   time.Duration // after the first failure, doubled after each; 1 s
	LongestWait time.Duration // 1 h
	MaxAttempts int           // 20, about half a day
	MaxAge      time.Duration // no new attempt on an older message; 72 h
	PerRoute    int           // messages under way to one recipient; 4
}

func (p Policy) withDefaults() Policy {
	if p.Timeout <= 0 {
		p.Timeout = 30 * time.Second
	}
	if p.FirstWait <= 0 {
		p.FirstWait = time.Second
	}
	if p.LongestWait <= 0 {
		p.LongestWait = time.Hour
	}
	if p.MaxAttempts <= 0 {
		p.MaxAttempts = 20
	}
	if p.MaxAge <= 0 {
		p.MaxAge = 72 * time.Hour
	}
	if p.PerRoute <= 0 {
		p.PerRoute = 4
	}
	return p
}

// longestAsked bounds what a Retry-After is believed.
const longestAsked = 24 * time.Hour

// wait is how long to wait after the n-th failure: exponential with jitter over
// its upper half, so that those which failed together don't come back together,
// and no less than the recipient asked for. random is in [0,1).
func (p Policy) wait(n int, asked time.Duration, random float64) time.Duration {
	d := p.LongestWait
	if shift := n - 1; shift < 30 && p.FirstWait<<shift < d {
		d = p.FirstWait << shift
	}
	d = d/2 + time.Duration(random*float64(d/2))
	return max(d, min(asked, longestAsked))
}

// RetryAfter reads the header of that name (RFC 9110 section 10.2.3): seconds or
// an HTTP date, and a day where it says more; 0 where it says nothing that makes
// sense.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	seconds, err := strconv.ParseUint(text, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) { // then seconds is the most that there is
		return time.Duration(min(seconds, uint64(longestAsked/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return min(at.Sub(now), longestAsked)
	}
	return 0
}
