package mongo

import (
	"context"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// Bounds of one call to the store; a caller's shorter deadline holds.
const (
	writeTime = 10 * time.Second
	readTime  = 5 * time.Second
	startTime = 60 * time.Second // of Open, which may have to build indexes
)

// Options set up a store.
type Options struct {
	// Now is the clock that stamps versions and judges expiry; time.Now if nil.
	// Several goroutines call it at once.
	Now func() time.Time
	// MaxScan bounds the records that a query may look through where none of its
	// conditions is one that an index knows; more is store.ErrTooCostly.
	// store.DefaultMaxScan if 0, no bound if negative.
	MaxScan int
	// Database replaces the one that the address names, "onward" if neither does.
	Database string
	// Existing refuses a database without a store, in which one would be made.
	Existing bool
	// Import opens a store to copy into, which may hold an unfinished copy.
	Import bool
}

// Store is one database of a MongoDB server. See package store for its methods.
type Store struct {
	now    func() time.Time
	client *mongo.Client
	most   int // see Options.MaxScan
	seal   kit.Sealer
	dates  dateParams
	news   kit.News
	watch  watch
	latest latest

	res, hist, claim, aux *mongo.Collection

	using  sync.RWMutex // held for reading by every call
	closed bool
}

var _ store.Store = (*Store)(nil)

// Open connects to the replica set or sharded cluster at uri ("mongodb://" or
// "mongodb+srv://", with credentials and TLS as MongoDB's connection string
// says), makes and verifies collections and indexes, and tries out what the
// engine relies on. No error holds the uri; one that is wrong by itself is an
// AddressError.
//
// The write concern is "majority" with journal, whatever the uri leaves out; a
// uri that asks for a lower one is refused.
func Open(ctx context.Context, uri string, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxScan == 0 {
		o.MaxScan = store.DefaultMaxScan
	}
	address, asked, err := parse(uri)
	if err != nil {
		return nil, err
	}
	if o.Database == "" {
		o.Database = address.Database
	}
	client, err := mongo.Connect(ctx, asked)
	if err != nil {
		return nil, errUnusable
	}
	s := newStore(client, o)
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	err = s.start(ctx, o.Existing, address.DirectConnection)
	if err == nil && !o.Import {
		err = s.finished(ctx)
	}
	if err != nil {
		end, cancel := context.WithTimeout(context.WithoutCancel(caller), readTime)
		defer cancel()
		s.watch.end()
		_ = client.Disconnect(end)
		return nil, refusal(caller, err)
	}
	return s, nil
}

func newStore(client *mongo.Client, o Options) *Store {
	db := client.Database(o.Database)
	s := &Store{
		now: o.Now, client: client, most: o.MaxScan,
		res: db.Collection("res"), hist: db.Collection("hist"), claim: db.Collection("claim"), aux: db.Collection("aux"),
		dates: dateParams{known: map[string]bool{}},
	}
	s.watch.ctx, s.watch.end = context.WithCancel(context.Background())
	return s
}

// start runs the checks that come before serving; existing says that the database
// must hold a store, direct that the address keeps to one member.
func (s *Store) start(ctx context.Context, existing, direct bool) error {
	cluster, err := s.meet(ctx, existing, direct)
	if err != nil {
		return err
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	if cluster {
		if err := s.shard(ctx); err != nil {
			return err
		}
	}
	return s.tryOut(ctx, cluster)
}

// meet is what comes before anything is made. A server that has greeted and then
// says nothing isn't waited for as one is that builds an index.
func (s *Store) meet(ctx context.Context, existing, direct bool) (cluster bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	if cluster, err = s.greet(ctx, direct); err != nil {
		return false, err
	}
	if err := s.testTransactions(ctx); err != nil {
		return false, err
	}
	return cluster, s.checkSchema(ctx, existing)
}

// tryOut is what comes once all is made.
func (s *Store) tryOut(ctx context.Context, cluster bool) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	if err := s.selfTest(ctx, cluster); err != nil {
		return err
	}
	if err := s.keepSchema(ctx); err != nil {
		return err
	}
	return s.openSeal(ctx)
}

// finished refuses a store that holds a part of a copy.
func (s *Store) finished(ctx context.Context) error {
	_, _, found, err := s.importing(ctx)
	if err == nil && found {
		return store.ErrUnfinished
	}
	return err
}

// ahead compares the clocks: the server's was read somewhere between asking and
// hearing.
func (s *Store) ahead(ctx context.Context) (time.Duration, error) {
	asked := s.now()
	hello, err := s.client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Raw()
	if err != nil {
		return 0, err
	}
	heard := s.now()
	at := time.UnixMilli(moment(hello, "localTime"))
	switch {
	case at.UnixMilli() == 0: // it doesn't say
		return 0, nil
	case asked.After(at):
		return asked.Sub(at), nil
	case heard.Before(at):
		return heard.Sub(at), nil
	}
	return 0, nil
}

// Health says how the store does.
func (s *Store) Health(ctx context.Context) (store.Health, error) {
	h := store.Health{Engine: "mongodb", Schema: schemaVersion, Durable: "journal of the majority of the replica set", Sync: "majority, journaled"}
	in, leave, err := s.enter(ctx, readTime)
	if err != nil {
		return h, err
	}
	defer leave()
	if h.Ahead, err = s.ahead(in); err != nil {
		return h, fault(ctx, "health", err)
	}
	return h, fault(ctx, "health", s.aux.FindOne(in, bson.D{{Key: "_id", Value: schemaID}}).Err())
}

// Close waits for the calls that run and closes the connections.
func (s *Store) Close() error {
	s.using.Lock()
	defer s.using.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.watch.end()
	s.watch.done.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), writeTime)
	defer cancel()
	return fault(ctx, "close", s.client.Disconnect(ctx))
}
