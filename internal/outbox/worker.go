package outbox

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/onward-health/onward/store"
)

// Route says who sends a kind of message and how often it is tried.
type Route struct {
	Sender Sender
	Policy Policy
}

// Options configure a Worker. The zero value of each field has the stated
// default.
type Options struct {
	// Owner names this process among those that share the store. It must differ
	// from all others.
	Owner string
	// Routes by kind of message. Messages of other kinds are left alone. Owner may
	// have several workers, of different kinds.
	Routes map[string]Route
	// Together is how many messages may be under way at once to recipients that are
	// quick, and as many again to those that aren't; 16.
	Together int
	// Poll is how often to look for messages that other processes wrote; 1 s.
	Poll time.Duration
	// Grace is how long messages under way may go on after the stop; 10 s.
	Grace time.Duration
	// Now, After and Random are the clock and the jitter; default the machine's.
	Now    func() time.Time
	After  func(time.Duration) <-chan time.Time
	Random func() float64
	// Attempted is told of each attempt: Dead where no other follows it. May be nil.
	Attempted func(kind string, v Verdict, took time.Duration)
	Log       *slog.Logger
}

// Worker delivers messages. Several, in one process or in many, share the work.
type Worker struct {
	store  store.Store
	o      Options
	wake   chan struct{}
	under  sync.WaitGroup
	began  string // where the pass began,
	from   string // and where the next begins
	passes int64

	mu     sync.Mutex
	lanes  map[string]*lane  // under way here
	routes map[string]*route // recipients, as far as they are remembered
}

// NewWorker makes a worker that Run starts.
func NewWorker(s store.Store, o Options) *Worker {
	routes := map[string]Route{}
	for kind, r := range maps.All(o.Routes) {
		routes[kind] = Route{r.Sender, r.Policy.withDefaults()}
	}
	o.Routes = routes
	if o.Together <= 0 {
		o.Together = 16
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Grace <= 0 {
		o.Grace = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.After == nil {
		o.After = time.After
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Attempted == nil {
		o.Attempted = func(string, Verdict, time.Duration) {}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Worker{store: s, o: o, wake: make(chan struct{}, 1), lanes: map[string]*lane{}, routes: map[string]*route{}}
}

// Wake makes the worker look for messages now. It is called after a commit that
// wrote one, and never blocks.
func (w *Worker) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run delivers until ctx ends; then it takes nothing new and returns when what
// is under way has ended, after Grace by force. What was cut off is sent again by
// the next run.
func (w *Worker) Run(ctx context.Context) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	for ctx.Err() == nil {
		wait := w.o.Poll
		next, err := w.pass(ctx, work)
		if err != nil && ctx.Err() == nil {
			w.o.Log.Warn("the outbox can't be read", "error", err)
		} else if !next.IsZero() {
			wait = max(0, min(wait, next.Sub(w.o.Now())))
		}
		select {
		case <-ctx.Done():
		case <-w.wake:
		case <-w.o.After(wait):
		}
	}
	ended := make(chan struct{})
	go func() { w.under.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-w.o.After(w.o.Grace):
		cancel()
		<-ended
	}
}

// Step starts what is due, waits for it and returns: one turn of Run.
func (w *Worker) Step(ctx context.Context) error {
	_, err := w.pass(ctx, ctx)
	w.under.Wait()
	return err
}

// How many messages are read at once, which are store.MaxList bytes at most.
const (
	leastPage = 2
	scanPage  = 16 // at first
	mostPage  = 256
)

// pass looks at the first message of each lane and starts those that are due. It
// returns when the next will be; zero: none that is known of. It begins with the
// recipient for whom the pass before first found no place, other than the one that
// it began with, so that every recipient has its turn.
func (w *Worker) pass(ctx, work context.Context) (next time.Time, err error) {
	from := w.from
	w.began, w.from = from, ""
	w.passes++
	if err := w.lift(ctx); err != nil {
		return next, err
	}
	next, done, err := w.scan(ctx, work, from, "")
	if err == nil && !done && from != "" {
		var before time.Time
		before, done, err = w.scan(ctx, work, "", from)
		next = earlier(next, before)
	}
	if err == nil && !done {
		w.forget()
	}
	return next, err
}

// scan is a pass over the keys between from and to; done says that no place is
// left.
func (w *Worker) scan(ctx, work context.Context, from, to string) (next time.Time, done bool, err error) {
	after, skip, page, route := from, "", scanPage, ""
	for {
		docs, err := w.store.AuxScan(ctx, Kind, "", after, page)
		if err != nil || len(docs) == 0 {
			return next, false, err
		}
		considered := 0
		for _, doc := range docs {
			if to != "" && doc.Key > to {
				return next, false, nil
			}
			after = doc.Key
			if skip != "" && strings.HasPrefix(doc.Key, skip) {
				continue
			}
			considered++
			lane, verdict, due := laneOf(doc.Key), free, time.Time{}
			if route != routeOf(doc.Key) {
				route = routeOf(doc.Key)
				if verdict, due, err = w.resume(ctx, work, route); err != nil {
					return next, false, err
				}
				next = earlier(next, due)
			}
			if verdict == free {
				verdict, due = w.consider(work, doc)
				next = earlier(next, due)
				w.refused(verdict, lane)
			}
			switch verdict {
			case full:
				return next, true, nil
			case looked:
				skip = lane // what stands behind the first of a lane waits for it
			case skipRoute, shared, crowded:
				skip = route
			case skipKind:
				skip = upTo(doc.Key, 1)
			}
		}
		if strings.HasPrefix(after, skip) {
			after = past(skip)
		}
		page = nextPage(page, considered)
	}
}

// resume begins with a recipient where there was no place for one of its lanes, and
// says whether there is none again, crowded or full.
func (w *Worker) resume(ctx, work context.Context, route string) (c choice, next time.Time, err error) {
	turn := w.takeTurn(route)
	if turn == "" {
		return free, next, nil
	}
	next, done, err := w.scan(ctx, work, turn, past(route))
	switch {
	case done:
		c = full
	case w.turned(route):
		c = crowded
	}
	return c, next, err
}

// nextPage is how many messages to read next, where so many of the last page were
// more than some to be skipped: few of those that wait behind one another, many of
// those that don't.
func nextPage(page, considered int) int {
	if considered < page/16 {
		return max(page/2, leastPage)
	}
	return min(2*page, mostPage)
}

// earlier is the earlier of two times, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

type choice uint8

const (
	free      choice = iota // it may be sent, as far as its recipient goes
	looked                  // it was dealt with
	skipRoute               // nothing more can be done for this recipient now
	shared                  // it has its share for now
	crowded                 // those that are as slow as it have theirs
	skipKind                // another worker has messages of this kind
	full                    // nothing more can be done now
)

// consider starts the lane of a message if it may be sent now. due is when it
// may be, where that is later.
func (w *Worker) consider(work context.Context, doc store.Aux) (c choice, due time.Time) {
	kind, known := w.o.Routes[kindIn(doc.Key)]
	if !known {
		return skipKind, due
	}
	// What the key says is enough for most, and a body may be large.
	if c, due := w.mayBegin(doc.Key, kind.Policy); c != free {
		return c, due
	}
	m, err := read(doc)
	if err != nil {
		w.bury(work, doc)
		return looked, due
	}
	if w.waits(m, kind.Policy) {
		return looked, m.Due
	}
	w.starts(m)
	w.under.Add(1)
	go func() {
		defer w.under.Done()
		w.deliver(work, m, kind)
	}()
	return looked, due
}
