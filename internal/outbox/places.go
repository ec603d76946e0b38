package outbox

import (
	"cmp"
	"maps"
	"time"
)

// Recipients share a worker's places so that those who are slow, or don't answer,
// hold up nobody who is quick: there are as many places for the ones as for the
// others. A recipient of whom nothing is known has one place, and one more with
// each message that it takes quickly. One that was slow keeps to the slow places
// until it has been quick several times; an attempt that turns out to be slow
// moves there where there is room.
const (
	quick    = 2 * time.Second
	unknown  = 1         // trust of a recipient that no message has been sent to
	distrust = -3        // of one that was slow or failed; 0 and less are slow
	remember = time.Hour // how long after the last attempt
)

// route is what is known of one recipient.
type route struct {
	active   int
	trust    int       // messages that may be under way to it; 0 and less: it is slow
	last     time.Time // when its last attempt ended
	failures int       // in a row
	failed   time.Time // when it was last left alone,
	until    time.Time // for how long,
	lifted   time.Time // and when an operator last lifted that
	seen     int64     // the pass that last came upon a message to it
	served   int64     // and that last began one
	turn     string    // the lane that is to begin next, where there was no place for it
}

func (r *route) slow() bool { return r.trust <= 0 }

// most is how many messages may be under way to a recipient, where there is room.
func (r *route) most(p Policy) int {
	switch {
	case r.failures > 0:
		return 1 // to see whether it is back
	case r.slow():
		return p.PerRoute
	}
	return min(r.trust, p.PerRoute)
}

// lane is one that is under way.
type lane struct {
	route *route
	since time.Time // when its attempt began
}

// mayBegin says by a message's key whether its lane may begin, as far as that and its
// recipient go: free is yes. due is when it may, where that is later.
func (w *Worker) mayBegin(key string, p Policy) (c choice, due time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.o.Now()
	r := w.routes[routeOf(key)]
	if r == nil {
		r = &route{trust: unknown}
	}
	r.seen = w.passes
	if w.lanes[laneOf(key)] != nil {
		return looked, due
	}
	return w.takes(r, p, now)
}

// takes says whether a recipient can have one more message: free is yes.
func (w *Worker) takes(r *route, p Policy, now time.Time) (c choice, due time.Time) {
	switch {
	case r.until.After(now):
		return skipRoute, r.until
	case r.active >= r.most(p):
		return shared, due // its end wakes the worker
	}
	return w.room(r, now), due
}

// starts notes that a lane is under way.
func (w *Worker) starts(m *Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.routes[m.route()]
	if r == nil {
		r = &route{trust: unknown, seen: w.passes}
		w.routes[m.route()] = r
	}
	r.active++
	r.served = w.passes
	w.lanes[m.lane()] = &lane{r, w.o.Now()}
}

// takeTurn is where to begin with the messages to a recipient that can have a place; "":
// with the first.
func (w *Worker) takeTurn(name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.routes[name]
	if r == nil || r.turn == "" {
		return ""
	}
	if c, _ := w.takes(r, w.o.Routes[kindIn(name)].Policy, w.o.Now()); c != free {
		return ""
	}
	turn := r.turn
	r.turn = ""
	return turn
}

// turned says that a lane of a recipient found no place.
func (w *Worker) turned(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.routes[name].turn != ""
}

// refused notes for which lane there was no place: its recipient begins with it when
// it has one again, and the next pass begins with its recipient, or with the next
// where that has had a place in this pass.
func (w *Worker) refused(c choice, lane string) {
	if c != shared && c != crowded && c != full {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	from := routeOf(lane)
	if r := w.routes[from]; r != nil {
		r.turn = cmp.Or(r.turn, lane)
		if r.served == w.passes {
			from = past(from)
		}
	}
	if c != shared && (w.from == "" || w.from == w.began) {
		w.from = from
	}
}

// room says whether there is a place for one more message to a recipient. Slow ones
// have their second and further places while half of those for the slow are free.
func (w *Worker) room(r *route, now time.Time) choice {
	slow := 0
	for _, l := range w.lanes {
		if l.route.slow() || now.Sub(l.since) >= quick {
			slow++
		}
	}
	switch {
	case len(w.lanes) == 2*w.o.Together:
		return full
	case r.slow() && (slow >= w.o.Together || r.active > 0 && slow >= w.o.Together/2):
		return crowded
	case !r.slow() && len(w.lanes)-min(slow, w.o.Together) >= w.o.Together:
		return full
	}
	return free
}

// begins notes that an attempt begins.
func (w *Worker) begins(m *Message, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lanes[m.lane()].since = now
}

// left notes that a lane isn't under way any more.
func (w *Worker) left(m *Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.lanes, m.lane())
	w.routes[m.route()].active--
}

// fared notes how a recipient took an attempt: one that failed is left alone
// for a while, with all that waits for it.
func (w *Worker) fared(m *Message, p Policy, result Result, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.routes[m.route()]
	r.last = w.o.Now()
	r.trust = min(r.trust+1, p.PerRoute)
	if result.Verdict == Again || took >= quick {
		r.trust = distrust
	}
	if result.Verdict != Again {
		r.failures, r.until = 0, time.Time{}
		return
	}
	r.failures++
	r.failed = r.last
	p.LongestWait = min(p.LongestWait, time.Minute)
	r.until = r.failed.Add(p.wait(r.failures, result.After, w.o.Random()))
}

// forget drops what is known of recipients for whom a whole pass found nothing,
// some time after their last attempt.
func (w *Worker) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.o.Now()
	maps.DeleteFunc(w.routes, func(_ string, r *route) bool {
		return r.active == 0 && r.seen != w.passes && !r.until.After(now) && now.Sub(r.last) >= remember
	})
}
