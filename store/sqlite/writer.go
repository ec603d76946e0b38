package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	lib "modernc.org/sqlite/lib"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// How the writer groups batches into one commit.
const (
	queueLength  = 1024
	queueWait    = 2 * time.Second
	groupBatches = 256
	loneOps      = 200 // a batch of so many operations is committed alone
	groupTime    = 50 * time.Millisecond
	bulkTime     = 2 * time.Second // where nobody waits for an answer
	yields       = 3
)

var errReadOnly = errors.New("store: the store is open for reading")

// request is a batch, or a task of the engine's own, on its way to the writer.
// The caller may have gone; done has room for the answer.
type request struct {
	ctx   context.Context
	batch *store.Batch
	parts []*parts // of the batch's operations, those that put
	task  func(ctx context.Context, w *writer) (any, error)
	done  chan answer
}

type answer struct {
	result *store.Result
	value  any // what the task gave
	err    error
}

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, b *store.Batch) (*store.Result, error) {
	if err := kit.Check(b); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fault("commit", err)
	}
	ready := make([]*parts, len(b.Ops))
	for i, op := range b.Ops {
		if put, is := op.(store.Put); is {
			ready[i] = partsOf(put.Record.Index)
		}
	}
	a := s.submit(ctx, &request{ctx: ctx, batch: b, parts: ready, done: make(chan answer, 1)})
	return a.result, a.err
}

// submit gives a request to the writer and waits for its answer. A caller whose
// context ends meanwhile goes without.
func (s *Store) submit(ctx context.Context, r *request) answer {
	if s.writer == nil {
		return answer{err: errReadOnly}
	}
	if err := s.send(r); err != nil {
		return answer{err: err}
	}
	select {
	case a := <-r.done:
		return a
	case <-ctx.Done():
		return answer{err: fmt.Errorf("%w: %w", store.ErrUnknown, fault("commit", ctx.Err()))}
	}
}

// send hands the request to the writer; when it fails, nothing will happen.
func (s *Store) send(r *request) error {
	s.sending.RLock()
	defer s.sending.RUnlock()
	select {
	case <-s.closing:
		return fmt.Errorf("%w: the store is closing", store.ErrUnavailable)
	default:
	}
	select {
	case s.in <- r:
		return nil
	default:
	}
	full := time.NewTimer(queueWait)
	defer full.Stop()
	select {
	case s.in <- r:
		return nil
	case <-full.C:
		return fmt.Errorf("%w: too many batches wait", store.ErrUnavailable)
	case <-s.closing:
		return fmt.Errorf("%w: the store is closing", store.ErrUnavailable)
	case <-r.ctx.Done():
		return fault("commit", r.ctx.Err())
	}
}

// writer owns the one connection that writes.
type writer struct {
	*conn
	s       *Store
	types   map[string]int64      // record type -> its number
	widths  map[dateParam]width   // what xw says
	mains   map[int64]int         // what types says of start
	terms   map[termKey]int64     // terms that were needed again
	learned bool                  // this batch added to those above
	add     pending               // index rows that this batch adds
	loose   map[int64]bool        // terms that lost a row in this batch
	authors map[string]*author    // of this batch
	batch   map[int64]store.Count // what this batch adds to types
	total   map[int64]store.Count // what the batches of the group that succeeded add
	taken   []*request            // of the group that is carried out
	swept   time.Time
	rest    time.Duration // until the next sweep
	tooLong int64         // bytes of the log, from where on it is shortened

	ended                error // of closing the connection
	lastTerm, lastAuthor int64 // the highest numbers given; 0: not known
}

func newWriter(s *Store, c *conn) *writer {
	w := &writer{conn: c, s: s, batch: map[int64]store.Count{}, total: map[int64]store.Count{},
		loose: map[int64]bool{}, authors: map[string]*author{}}
	w.add.pks = map[int64]bool{}
	w.forget()
	return w
}

// forget drops what was learned from rows that may have been rolled back.
func (w *writer) forget() {
	w.types, w.widths, w.mains, w.terms = map[string]int64{}, map[dateParam]width{}, map[int64]int{}, map[termKey]int64{}
	w.lastTerm, w.lastAuthor = 0, 0
}

func (w *writer) run() {
	defer close(w.s.drained)
	for r := range w.s.in {
		w.taken = append(w.taken[:0], r)
		if err := w.s.usable(); err != nil {
			w.refuse(err)
			continue
		}
		err := w.s.guarded(func() error {
			w.group(r)
			w.sweep()
			w.shorten()
			return nil
		})
		if err != nil {
			w.refuse(fmt.Errorf("%w: %w", store.ErrUnknown, err))
		}
		clear(w.taken)
	}
	w.ended = w.s.guarded(func() error {
		if w.s.lost.Load() {
			return nil
		}
		_ = w.once(context.Background(), `PRAGMA wal_checkpoint(TRUNCATE)`)
		return w.close()
	})
}

// refuse answers what was taken and has no answer yet.
func (w *writer) refuse(err error) {
	for _, r := range w.taken {
		select {
		case r.done <- answer{err: err}:
		default:
		}
	}
}

// group carries out r and what waits behind it, commits once, and only then
// answers. A load does so without savepoints and for longer: the more it changes in
// one transaction, the fewer pages are written twice.
func (w *writer) group(r *request) {
	ctx := context.Background() // a caller's end must not break the others' commit
	if _, err := w.exec(ctx, `BEGIN IMMEDIATE`); err != nil {
		r.done <- answer{err: unavailable(err)}
		return
	}
	carry, failed, long := w.one, w.abandon, groupTime
	if w.s.bulk {
		carry, failed, long = w.carryOut, w.apart, bulkTime
	} else if r.large() && r.ctx.Err() == nil {
		w.lone(ctx, r)
		return
	}
	until := time.Now().Add(long)
	var requests []*request
	var answers []answer
	for open := true; open; r, open = w.next(len(requests), until) {
		if err := r.ctx.Err(); err != nil {
			r.done <- answer{err: fault("commit", err)}
			continue
		}
		a, broken := carry(ctx, r)
		requests, answers = append(requests, r), append(answers, a)
		if broken != nil {
			failed(requests, broken)
			return
		}
	}
	w.commit(ctx, requests, answers)
}

// large says that a request changes so much that it is worth a commit of its own.
func (r *request) large() bool { return r.batch != nil && len(r.batch.Ops) >= loneOps }

// lone carries out one request without a savepoint, for which SQLite would copy
// every page that it changes.
func (w *writer) lone(ctx context.Context, r *request) {
	a, err := w.carryOut(ctx, r)
	if err == nil {
		w.commit(ctx, []*request{r}, []answer{a})
		return
	}
	if w.learned {
		w.forget()
	}
	if _, lost := w.exec(ctx, `ROLLBACK`); lost != nil { // SQLite has done it
		r.done <- answer{err: unavailable(err)}
		return
	}
	r.done <- answer{err: fault("commit", err)}
}

// apart is what becomes of a load's group of which one request failed: the
// transaction is taken back, and each is carried out in its own.
func (w *writer) apart(requests []*request, _ error) {
	ctx := context.Background()
	_, _ = w.exec(ctx, `ROLLBACK`) // fails where SQLite has done it
	w.forget()
	clear(w.total)
	for _, r := range requests {
		if err := r.ctx.Err(); err != nil {
			r.done <- answer{err: fault("commit", err)}
			continue
		}
		if _, err := w.exec(ctx, `BEGIN IMMEDIATE`); err != nil {
			r.done <- answer{err: unavailable(err)}
			continue
		}
		w.lone(ctx, r)
	}
}

// commit ends the transaction and answers.
func (w *writer) commit(ctx context.Context, requests []*request, answers []answer) {
	written := len(w.total) > 0
	err := w.count(ctx)
	if err == nil {
		_, err = w.exec(ctx, `COMMIT`)
		err = uncertain(err)
	}
	if err != nil {
		w.abandon(requests, err)
		return
	}
	if written {
		w.s.news.Tell()
	}
	for i, r := range requests {
		r.done <- answers[i]
	}
}

// next takes a waiting request if the group has room for it.
func (w *writer) next(n int, until time.Time) (*request, bool) {
	if n >= groupBatches || !time.Now().Before(until) {
		return nil, false
	}
	for range yields {
		select {
		case r, open := <-w.s.in:
			if open {
				w.taken = append(w.taken, r)
			}
			return r, open
		default:
			runtime.Gosched() // callers that were just answered may be about to ask again
		}
	}
	return nil, false
}

// begin forgets what an earlier batch left.
func (w *writer) begin() {
	w.learned = false
	clear(w.batch)
	w.add.clear()
	clear(w.loose)
	clear(w.authors)
}

// finish writes what was kept back to the end of the batch.
func (w *writer) finish(ctx context.Context) error {
	if err := w.flush(ctx); err != nil {
		return err
	}
	if err := w.signed(ctx); err != nil {
		return err
	}
	return w.dropTerms(ctx)
}

// carryOut carries out a request, whose changes the caller keeps or takes back.
func (w *writer) carryOut(ctx context.Context, r *request) (a answer, err error) {
	w.begin()
	if r.task != nil {
		a.value, err = r.task(ctx, w)
	} else {
		a.result, err = w.apply(ctx, r.batch, r.parts)
	}
	if err == nil {
		err = w.finish(ctx)
	}
	if err == nil {
		w.addCounts()
	}
	return a, err
}

// one carries out a request in a savepoint. broken means that the transaction of
// the whole group is lost.
func (w *writer) one(ctx context.Context, r *request) (a answer, broken error) {
	if _, err := w.exec(ctx, `SAVEPOINT batch`); err != nil {
		return a, err
	}
	a, err := w.carryOut(ctx, r)
	if err == nil {
		_, broken = w.exec(ctx, `RELEASE batch`)
		return a, broken
	}
	if w.learned {
		w.forget()
	}
	// SQLite itself may have ended the transaction (disk full, input/output):
	// then there is no savepoint to go back to and this fails.
	if _, lost := w.exec(ctx, `ROLLBACK TO batch`); lost != nil {
		return a, err
	}
	_, broken = w.exec(ctx, `RELEASE batch`)
	return answer{err: fault("commit", err)}, broken
}

// uncertain tells a COMMIT that wasn't carried out from one that may have been:
// after an input/output error the log may hold all of it, and a crash before the
// next write would make it count.
func uncertain(err error) error {
	err = fault("commit", err)
	var e *DriverError
	// Where a write failed (a file that may grow no further), as where the disk is
	// full, the log ends before the mark of the commit, which is written last.
	if errors.As(err, &e) && e.Code&0xff == lib.SQLITE_IOERR && e.Code != lib.SQLITE_IOERR_WRITE {
		return fmt.Errorf("%w: %s", store.ErrUnknown, e)
	}
	return err
}

// abandon rolls the group back and tells everybody so.
func (w *writer) abandon(requests []*request, err error) {
	_, _ = w.exec(context.Background(), `ROLLBACK`) // fails where SQLite has done it
	w.forget()
	clear(w.total)
	for _, r := range requests {
		r.done <- answer{err: unavailable(err)}
	}
}

func unavailable(err error) error {
	err = fault("commit", err)
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnknown) {
		return err
	}
	// It may be another batch's conflict that led here, which is nobody else's.
	return fmt.Errorf("%w: %s", store.ErrUnavailable, err)
}
