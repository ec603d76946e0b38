package mongo

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"

	"github.com/onward-health/onward/store/internal/kit"
)

// The faults that the self-test names.
const (
	errNoTransactions = ownError("self-test a failed: this server has no transactions that can be taken back; it must be MongoDB itself")
	errNotUnique      = ownError("self-test b failed: this server takes one _id twice")
	errNotAtomic      = ownError("self-test c failed: this server lets several of parallel updates win")
	errNotOverShards  = ownError("self-test d failed: this cluster refuses a transaction over several shards; MongoDB does so where a shard has an arbiter, in whose place a member that holds data is needed, or writeConcernMajorityJournalDefault false")
)

const probes = 16

// selfTest catches servers that only look like MongoDB, on documents of its own
// in aux, and a cluster that can't do what the engine needs.
func (s *Store) selfTest(ctx context.Context, cluster bool) error {
	id := "meta|probe|" + primitive.NewObjectID().Hex()
	defer func() {
		all := bson.A{id + "a", id + "b", id + "c"}
		for n := range probes {
			all = append(all, spread(id, n))
		}
		end, cancel := afterwards(ctx)
		defer cancel()
		_, _ = s.aux.DeleteMany(end, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: all}}}})
	}()
	if err := s.testAbort(ctx, id+"a"); err != nil {
		return err
	}
	if err := s.testUnique(ctx, id+"b"); err != nil {
		return err
	}
	if err := s.testAtomic(ctx, id+"c"); err != nil || !cluster {
		return err
	}
	return s.testShards(ctx, id)
}

// spread is the id of one of several probes, which their hashes put on all shards.
func spread(id string, n int) string { return fmt.Sprintf("%sd%d", id, n) }

func probe(id string) bson.D {
	return bson.D{{Key: "_id", Value: id}, {Key: "kind", Value: kit.KindMeta}, {Key: "v", Value: int64(0)}}
}

// inTransaction does something in a transaction, ends it as told, and tries again
// where the server says that it may be: it does so of transactions that meet what has
// just been done to a collection, such as its sharding. An error that doesn't pass is
// not.
func (s *Store) inTransaction(ctx context.Context, do func(context.Context) error, end func(context.Context, mongo.Session) error, not error) error {
	for n := 0; ; n++ {
		err := s.oneTransaction(ctx, do, end)
		switch {
		case labelled(err, "TransientTransactionError") && n < maxAttempts && pause(ctx, n) == nil:
		case err != nil && !passes(err):
			return not
		default:
			return err
		}
	}
}

func (s *Store) oneTransaction(ctx context.Context, do func(context.Context) error, end func(context.Context, mongo.Session) error) error {
	session, err := s.client.StartSession()
	if err != nil {
		return err
	}
	defer endSession(ctx, session)
	if err := session.StartTransaction(transaction()); err != nil {
		return err
	}
	if err := do(mongo.NewSessionContext(ctx, session)); err != nil {
		return err
	}
	return end(ctx, session)
}

func commit(ctx context.Context, session mongo.Session) error { return session.CommitTransaction(ctx) }

func abort(ctx context.Context, session mongo.Session) error { return session.AbortTransaction(ctx) }

func (s *Store) inserts(docs ...any) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.aux.InsertMany(ctx, docs)
		return err
	}
}

// testTransactions only reads, so that a server without transactions, which most
// look-alikes are, is refused before anything is made in its database.
func (s *Store) testTransactions(ctx context.Context) error {
	read := func(ctx context.Context) error {
		err := s.aux.FindOne(ctx, byID(schemaID)).Err()
		if errors.Is(err, mongo.ErrNoDocuments) {
			return nil
		}
		return err
	}
	return s.inTransaction(ctx, read, commit, errNoTransactions)
}

func (s *Store) testShards(ctx context.Context, id string) error {
	var docs []any
	for n := range probes {
		docs = append(docs, probe(spread(id, n)))
	}
	return s.inTransaction(ctx, s.inserts(docs...), commit, errNotOverShards)
}

func (s *Store) testAbort(ctx context.Context, id string) error {
	err := s.inTransaction(ctx, s.inserts(probe(id)), abort, errNoTransactions)
	if err != nil {
		return err
	}
	err = s.aux.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil
	}
	if err != nil {
		return err
	}
	return errNoTransactions
}

func (s *Store) testUnique(ctx context.Context, id string) error {
	if _, err := s.aux.InsertOne(ctx, probe(id)); err != nil {
		return err
	}
	_, err := s.aux.InsertOne(ctx, probe(id))
	if duplicate(err) {
		return nil
	}
	if err != nil && passes(err) {
		return err
	}
	return errNotUnique
}

// passes says that an error tells nothing of what the server can do.
func passes(err error) bool {
	code := codeOf(err)
	return away(err) || passing[code] || code == codeUnauthorized || code == codeAtlas || labelled(err, "TransientTransactionError")
}

func (s *Store) testAtomic(ctx context.Context, id string) error {
	if _, err := s.aux.InsertOne(ctx, probe(id)); err != nil {
		return err
	}
	results := make(chan error, probes)
	for range probes {
		go func() {
			free := bson.D{{Key: "_id", Value: id}, {Key: "v", Value: int64(0)}}
			take := bson.D{{Key: "$set", Value: bson.D{{Key: "v", Value: int64(1)}}}}
			results <- s.aux.FindOneAndUpdate(ctx, free, take).Err()
		}()
	}
	won := 0
	var failed error
	for range probes {
		switch err := <-results; {
		case err == nil:
			won++
		case !errors.Is(err, mongo.ErrNoDocuments):
			failed = err
		}
	}
	if failed != nil {
		return failed
	}
	if won != 1 {
		return errNotAtomic
	}
	return nil
}
