package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// storeBuckets are in seconds: a read of SQLite takes 7 µs, a durable commit
// a millisecond, the longest wait is ten seconds.
var storeBuckets = []float64{.00001, .000025, .0001, .00025, .001, .0025, .005, .01, .025, .1, .25, 1, 5, 10}

// outcome is what came of a call.
type outcome uint8

const (
	ok outcome = iota
	replay
	notFound
	unavailable
	unknown
	tooLarge
	tooCostly
	badCursor
	cutOff
	fault
	conflict // of a kind that isn't below
	versionConflict
	exists
	missing
	slotTaken
	guard
	idemMismatch
	outcomes
)

var outcomeNames = [outcomes]string{
	ok: "ok", replay: "replay", notFound: "not-found", unavailable: "unavailable", unknown: "unknown", tooLarge: "too-large",
	tooCostly: "too-costly", badCursor: "cursor", cutOff: "cut-off", fault: "fault", conflict: "conflict",
	versionConflict: "conflict-version", exists: "conflict-exists", missing: "conflict-missing", slotTaken: "conflict-slot-taken",
	guard: "conflict-guard", idemMismatch: "conflict-idem-mismatch",
}

// operation is a method that reads.
type operation uint8

const (
	get operation = iota
	getVersion
	getMany
	searching
	count
	history
	auxGet
	auxScan
	operations
)

var operationNames = [operations]string{"get", "get-version", "get-many", "search", "count", "history", "aux-get", "aux-scan"}

// Store counts the calls of a store and times them. What isn't here goes to the
// store as it is: the change feed waits by design, and the rest is rare.
type Store struct {
	store.Store
	now        func() time.Time
	reads      [operations][outcomes]prometheus.Counter
	readTook   [operations]prometheus.Observer
	commits    [outcomes]prometheus.Counter
	commitTook prometheus.Observer

	reading, writing *troubles
}

// Store wraps a store. now is a clock that never goes back, such as time.Now; log
// is told where the store can't serve.
func (r *Registry) Store(s store.Store, now func() time.Time, log *slog.Logger) *Store {
	w := &Store{Store: s, now: now}
	w.reading = &troubles{calls: "reads", log: log, now: now}
	w.writing = &troubles{calls: "writes", log: log, now: now,
		gauge: r.Gauge("store_writable", "Whether the last batch that the store could judge was written (1), or could not be, such as on a full disk (0).").WithLabelValues()}
	w.writing.set(1)
	reads := r.Counter("store_reads_total", "Reads and searches of the store, by operation and outcome.", "operation", "outcome")
	took := r.Histogram("store_read_duration_seconds", "Time of reads and searches of the store.", storeBuckets, "operation")
	commits := r.Counter("store_commits_total", "Batches that were to be committed, by outcome; unknown: it may have been carried out.", "outcome")
	w.commitTook = r.Histogram("store_commit_duration_seconds", "Time of commits, those that were refused too.", storeBuckets).WithLabelValues()
	for i, name := range outcomeNames {
		o := outcome(i)
		if o != notFound && o != badCursor {
			w.commits[o] = commits.WithLabelValues(name)
		}
		for op, of := range operationNames {
			if o < conflict && o != replay && o != unknown {
				w.reads[op][o] = reads.WithLabelValues(of, name)
			}
		}
	}
	for op, of := range operationNames {
		w.readTook[op] = took.WithLabelValues(of)
	}
	return w
}

// add counts an outcome; one that no such call should have is a fault.
func add(counters *[outcomes]prometheus.Counter, o outcome) {
	if counters[o] == nil {
		o = fault
	}
	counters[o].Inc()
}

// outcomeOf sorts an error.
func outcomeOf(err error) outcome {
	if err == nil {
		return ok
	}
	var c *store.ConflictError
	switch {
	case errors.As(err, &c):
		return conflictOf(c.Kind)
	case errors.Is(err, store.ErrNotFound):
		return notFound
	case errors.Is(err, store.ErrUnknown): // before the context's error, which it may hold
		return unknown
	case errors.Is(err, store.ErrUnavailable):
		return unavailable
	case errors.Is(err, store.ErrTooLarge):
		return tooLarge
	case errors.Is(err, store.ErrTooCostly):
		return tooCostly
	case errors.Is(err, store.ErrCursor):
		return badCursor
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return cutOff
	}
	return fault
}

func conflictOf(kind store.ConflictKind) outcome {
	switch kind {
	case store.VersionConflict:
		return versionConflict
	case store.Exists:
		return exists
	case store.MissingRecord:
		return missing
	case store.SlotTaken:
		return slotTaken
	case store.GuardFailed:
		return guard
	case store.IdemMismatch:
		return idemMismatch
	}
	return conflict
}

// read notes a read that began at start.
func (w *Store) read(op operation, start time.Time, err error) {
	w.readTook[op].Observe(w.now().Sub(start).Seconds())
	o := outcomeOf(err)
	add(&w.reads[op], o)
	w.reading.note(o, err)
}

// Get implements store.Store.
func (w *Store) Get(ctx context.Context, ref store.Ref) (*store.Record, error) {
	start := w.now()
	rec, err := w.Store.Get(ctx, ref)
	w.read(get, start, err)
	return rec, err
}

// GetVersion implements store.Store.
func (w *Store) GetVersion(ctx context.Context, ref store.Ref, version int64) (*store.Record, error) {
	start := w.now()
	rec, err := w.Store.GetVersion(ctx, ref, version)
	w.read(getVersion, start, err)
	return rec, err
}

// GetMany implements store.Store.
func (w *Store) GetMany(ctx context.Context, refs []store.Ref) ([]*store.Record, error) {
	start := w.now()
	list, err := w.Store.GetMany(ctx, refs)
	w.read(getMany, start, err)
	return list, err
}

// Search implements store.Store.
func (w *Store) Search(ctx context.Context, q *search.Query) (*store.Page, error) {
	start := w.now()
	page, err := w.Store.Search(ctx, q)
	w.read(searching, start, err)
	return page, err
}

// Count implements store.Store.
func (w *Store) Count(ctx context.Context, q *search.Query, limit int) (n int, exact bool, err error) {
	start := w.now()
	n, exact, err = w.Store.Count(ctx, q, limit)
	w.read(count, start, err)
	return n, exact, err
}

// History implements store.Store.
func (w *Store) History(ctx context.Context, scope store.Ref, since time.Time, n int, cursor string) (*store.Page, error) {
	start := w.now()
	page, err := w.Store.History(ctx, scope, since, n, cursor)
	w.read(history, start, err)
	return page, err
}

// AuxGet implements store.Store.
func (w *Store) AuxGet(ctx context.Context, kind string, keys []string) ([]store.Aux, error) {
	start := w.now()
	docs, err := w.Store.AuxGet(ctx, kind, keys)
	w.read(auxGet, start, err)
	return docs, err
}

// AuxScan implements store.Store.
func (w *Store) AuxScan(ctx context.Context, kind, prefix, after string, limit int) ([]store.Aux, error) {
	start := w.now()
	docs, err := w.Store.AuxScan(ctx, kind, prefix, after, limit)
	w.read(auxScan, start, err)
	return docs, err
}

// Commit implements store.Store.
func (w *Store) Commit(ctx context.Context, b *store.Batch) (*store.Result, error) {
	start := w.now()
	result, err := w.Store.Commit(ctx, b)
	w.commitTook.Observe(w.now().Sub(start).Seconds())
	o := outcomeOf(err)
	if err == nil && result.Replay != nil {
		o = replay
	}
	add(&w.commits, o)
	w.writing.note(o, err)
	return result, err
}

// Unwritable says why writes fail, where they do.
func (w *Store) Unwritable() (Trouble, bool) { return w.writing.current() }
