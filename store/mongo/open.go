package mongo

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/readconcern"
	"go.mongodb.org/mongo-driver/mongo/readpref"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/x/mongo/driver/connstring"
	"go.mongodb.org/mongo-driver/x/mongo/driver/topology"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// Bounds of one call to the store; a caller's shorter deadline holds.
const (
	writeTime = 10 * time.Second
	readTime  = 5 * time.Second
	startTime = 60 * time.Second // of Open, which may have to build indexes
	// connectTime is how long a member that vanished without a word is waited for;
	// the driver's own half minute is longer than the election of another takes.
	connectTime = 10 * time.Second
)

// defaultDatabase is used where the address names none.
const defaultDatabase = "onward"

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
// engine relies on. No error holds the uri.
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
	parsed, err := connstring.ParseAndValidate(uri)
	if err != nil { // the driver's text could quote it
		if strings.HasPrefix(uri, connstring.SchemeMongoDBSRV+"://") {
			return nil, ownError("the MongoDB address can't be read, or the records that it names aren't in the DNS")
		}
		return nil, ownError("the MongoDB address can't be read")
	}
	if o.Database == "" {
		o.Database = parsed.Database
	}
	if o.Database == "" {
		o.Database = defaultDatabase
	}
	if lowered(parsed) {
		return nil, ownError("the MongoDB address lowers the write concern; leave w, journal and retryWrites out of it")
	}
	asked := settings(uri)
	if asked.Timeout != nil { // the driver then repeats writes in a way that we don't reckon with
		return nil, ownError("the MongoDB address sets timeoutMS; leave it out, every call has its own bound")
	}
	client, err := mongo.Connect(ctx, asked)
	if err != nil {
		return nil, ownError("the MongoDB address can't be used")
	}
	s := newStore(client, o)
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	err = s.start(ctx, o.Existing, parsed.DirectConnection)
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

// refusal says why the database can't be opened, in the words of whoever starts
// the program.
func refusal(caller context.Context, err error) error {
	var selection topology.ServerSelectionError
	switch code := codeOf(err); {
	case caller.Err() != nil:
	case code == 0 && strings.Contains(err.Error(), "reports wire version"): // the driver has no type for it
		return errTooOld
	case code == codeAuthenticationFailed, code == codeAtlas && strings.Contains(err.Error(), "bad auth"):
		return ownError("MongoDB refuses the user or password of the address")
	case code == codeUnauthorized, code == codeAtlas && strings.Contains(err.Error(), "not allowed"):
		return ownError("the user of the MongoDB address may not do what is needed: it needs the role readWrite on the database")
	case errors.As(err, &selection), code == 0 && away(err):
		return &startError{"no primary of the MongoDB replica set answers within 5 s: check that it runs and has a primary, and the hosts, replicaSet and TLS settings of the address"}
	}
	return fault(caller, "open the database", err)
}

// startError is a fault that may pass.
type startError struct{ text string }

func (e *startError) Error() string { return "store: " + e.text }

func (e *startError) Unwrap() error { return store.ErrUnavailable }

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

// lowered says that the address asks for less than we promise.
func lowered(c *connstring.ConnString) bool {
	return c.WNumberSet || (c.WString != "" && c.WString != "majority") || (c.JSet && !c.J) || (c.RetryWritesSet && !c.RetryWrites)
}

func settings(uri string) *options.ClientOptions {
	journal := true
	o := options.Client().ApplyURI(uri)
	if o.ConnectTimeout == nil {
		o.SetConnectTimeout(connectTime)
	}
	return o.
		SetAppName("onward").
		SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journal}).
		SetReadConcern(readconcern.Majority()).
		SetReadPreference(readpref.Primary()).
		SetRetryWrites(true).SetRetryReads(true).
		SetServerSelectionTimeout(5 * time.Second).
		SetMaxPoolSize(100)
}

// start runs the checks that come before serving; existing says that the database
// must hold a store, direct that the address keeps to one member.
func (s *Store) start(ctx context.Context, existing, direct bool) error {
	cluster, err := s.greet(ctx, direct)
	if err != nil {
		return err
	}
	if err := s.checkSchema(ctx, existing); err != nil {
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

// Health says how the store does.
func (s *Store) Health(ctx context.Context) (store.Health, error) {
	h := store.Health{Engine: "mongodb", Schema: schemaVersion, Durable: "journal of the majority of the replica set", Sync: "majority, journaled"}
	in, leave, err := s.enter(ctx, readTime)
	if err != nil {
		return h, err
	}
	defer leave()
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
