package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// Options set up a store.
type Options struct {
	// Now is the clock that stamps versions and judges expiry; time.Now if nil.
	// Several goroutines call it at once.
	Now func() time.Time
	// Sync is SQLite's synchronous setting: "FULL" (default) survives a power
	// cut, "NORMAL" may lose the last commits at one but never corrupts.
	Sync string
	// MaxScan bounds the records that a query may look through where none of its
	// conditions is one that an index knows; more is store.ErrTooCostly.
	// store.DefaultMaxScan if 0, no bound if negative.
	MaxScan int
	// ReadOnly opens a file that is there, beside the process that holds its lock
	// too: an older schema is refused instead of migrated, and Commit fails.
	ReadOnly bool
	// Existing refuses a path without a store, of which one would be made.
	Existing bool
	// Import opens a store to copy into, which may hold an unfinished copy.
	Import bool
	// Bulk gives the writer more memory, a longer log and larger transactions, for
	// loading much at once: nothing else may need the memory, and a batch may wait
	// seconds for others.
	Bulk bool
	// Log is told of what the opening does to a file; slog.Default if nil.
	Log *slog.Logger
}

// Store is one open database file. See package store for its methods.
type Store struct {
	now      func() time.Time
	place    *place
	readers  chan *conn
	seal     kit.Sealer
	durable  string
	bulk     bool
	sync     string
	logLimit int64 // bytes

	writer  *writer
	news    kit.News
	in      chan *request
	closing chan struct{} // closed when Close begins
	sending sync.RWMutex  // held for reading while a request goes in
	drained chan struct{} // closed when the writer has finished
	closed  sync.Once
	ended   error
	lost    atomic.Bool // see guarded
}

var _ store.Store = (*Store)(nil)

// Open opens or makes the database at path; ":memory:" is a private one that
// ends with Close. A file that another Store holds open, here or in another
// process, is refused, as is one with a newer schema.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sync == "" {
		o.Sync = "FULL"
	}
	if o.Sync != "FULL" && o.Sync != "NORMAL" {
		return nil, errors.New("store: sync must be FULL or NORMAL")
	}
	if o.MaxScan == 0 {
		o.MaxScan = store.DefaultMaxScan
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Existing && path != memory {
		if _, err := find(path); err != nil {
			return nil, err
		}
	}
	where := prepare
	if o.ReadOnly {
		where = find
	}
	p, err := where(path)
	if err != nil {
		return nil, err
	}
	if p.temporary {
		o.Sync = "OFF"
	}
	s, err := start(ctx, p, o)
	if err != nil {
		p.release()
		return nil, err
	}
	return s, nil
}

func start(ctx context.Context, p *place, o Options) (opened *Store, err error) {
	var conns []*conn
	defer func() {
		for i := 0; err != nil && i < len(conns) && !errors.Is(err, errLost); i++ {
			conns[i].close()
		}
	}()
	if err := p.ownLog(); err != nil {
		return nil, err
	}
	if err := p.checkLog(); err != nil && o.Sync != "NORMAL" {
		return nil, err
	} else if err != nil { // after a power cut it may be what NORMAL may lose
		o.Log.Error("the store goes on without its last commits", "error", err)
	}
	w, err := p.connect(ctx, nil)
	if err != nil {
		return nil, err
	}
	conns = append(conns, w)
	var seal kit.Sealer
	err = noFault(func() (err error) {
		if err = w.ready(ctx, p, o); err == nil {
			seal, err = w.sealer(ctx)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s := &Store{
		now: o.Now, bulk: o.Bulk, place: p, seal: seal, durable: durable(o.Sync), sync: o.Sync,
		readers: make(chan *conn, readerCount()),
		in:      make(chan *request, queueLength),
		closing: make(chan struct{}), drained: make(chan struct{}),
		logLimit: logLimit,
	}
	if o.Bulk || o.Import {
		s.logLimit = bulkLogLimit
	}
	for range cap(s.readers) {
		r, err := p.connect(ctx, readerPragmas)
		if err != nil {
			return nil, err
		}
		conns = append(conns, r)
		r.maxScan = o.MaxScan
		s.readers <- r
	}
	w.maxScan = o.MaxScan
	if o.ReadOnly {
		s.durable = "nothing is written: the store is open for reading"
		w.close()
		close(s.drained)
		return s, nil
	}
	if err := p.identify(); err != nil {
		return nil, err
	}
	s.writer = newWriter(s, w)
	go s.writer.run()
	return s, nil
}

// ready sets up the first connection and brings the file to this program's
// schema, or refuses it before anything is written to it.
func (c *conn) ready(ctx context.Context, p *place, o Options) error {
	if o.ReadOnly {
		if err := c.run(ctx, readerPragmas); err != nil {
			return fault("open the database", err)
		}
	}
	version, err := c.version(ctx)
	if err != nil {
		return err
	}
	if version == 0 && (o.ReadOnly || o.Existing) {
		return errForeign
	}
	if o.ReadOnly {
		if version != schemaVersion {
			return fmt.Errorf("%w: its schema is %d, this program's %d; starting the server migrates it", errOlder, version, schemaVersion)
		}
		return c.finished(ctx)
	}
	if err := c.run(ctx, writerPragmas(o.Sync, o.Bulk || o.Import)); err != nil {
		return fault("open the database", err)
	}
	if version == 0 {
		return c.create(ctx)
	}
	if err := c.migrate(ctx, p, version, upgrades, o.Log); err != nil || o.Import {
		return err
	}
	return c.finished(ctx)
}

// finished refuses a store that holds a part of a copy.
func (c *conn) finished(ctx context.Context) error {
	_, _, found, err := c.importing(ctx)
	if err == nil && found {
		return store.ErrUnfinished
	}
	return fault("open the database", err)
}

// readerCount is 4 to 8: as many as can run, with some for those that wait for
// the disk.
func readerCount() int { return min(max(runtime.NumCPU(), 4), 8) }

func durable(sync string) string {
	switch sync {
	case "FULL":
		return "power cut"
	case "NORMAL":
		return "kill of the process; a power cut may lose the last writes"
	}
	return "nothing: the store is temporary"
}

// Health says how the store does.
func (s *Store) Health(ctx context.Context) (store.Health, error) {
	h := store.Health{Engine: "sqlite", Schema: schemaVersion, Durable: s.durable, Sync: s.sync, Backlog: len(s.in)}
	if err := s.usable(); err != nil {
		return h, err
	}
	err := s.read(ctx, "health", func(c *conn) error {
		var one int
		_, err := c.row(ctx, `SELECT count(*) FROM types`, nil, &one)
		return err
	})
	return h, err
}

// Close commits what was accepted, folds the WAL into the file and closes it.
func (s *Store) Close() error {
	s.closed.Do(func() { s.ended = s.end() })
	return s.ended
}

func (s *Store) end() error {
	close(s.closing)
	s.sending.Lock() // nobody is half-way into the channel
	close(s.in)
	s.sending.Unlock()
	var err error
	for range cap(s.readers) {
		if c := <-s.readers; !s.lost.Load() {
			err = errors.Join(err, c.close())
		}
	}
	<-s.drained
	if s.writer != nil {
		err = errors.Join(err, s.writer.ended)
	}
	s.place.release()
	if err != nil {
		return fmt.Errorf("store: close: %w", fault("close", err))
	}
	return nil
}
