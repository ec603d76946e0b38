package mongo

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"

	"github.com/onward-health/onward/store/internal/kit"
)

// The faults that the self-test names.
const (
	errNoTransactions = ownError("self-test a failed: this server has no transactions that can be taken back")
	errNotUnique      = ownError("self-test b failed: this server takes one _id twice")
	errNotAtomic      = ownError("self-test c failed: this server lets several of parallel updates win")
)

const probes = 16

// selfTest catches servers that only look like MongoDB, on documents of its own
// in aux.
func (s *Store) selfTest(ctx context.Context) error {
	id := "meta|probe|" + primitive.NewObjectID().Hex()
	defer func() {
		_, _ = s.aux.DeleteMany(context.WithoutCancel(ctx), bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: bson.A{id + "a", id + "b", id + "c"}}}}})
	}()
	if err := s.testAbort(ctx, id+"a"); err != nil {
		return err
	}
	if err := s.testUnique(ctx, id+"b"); err != nil {
		return err
	}
	return s.testAtomic(ctx, id+"c")
}

func probe(id string) bson.D {
	return bson.D{{Key: "_id", Value: id}, {Key: "kind", Value: kit.KindMeta}, {Key: "v", Value: int64(0)}}
}

func (s *Store) testAbort(ctx context.Context, id string) error {
	session, err := s.client.StartSession()
	if err != nil {
		return errNoTransactions
	}
	defer session.EndSession(context.WithoutCancel(ctx))
	if err := session.StartTransaction(transaction()); err != nil {
		return errNoTransactions
	}
	if _, err := s.aux.InsertOne(mongo.NewSessionContext(ctx, session), probe(id)); err != nil {
		if away(err) {
			return err
		}
		return errNoTransactions
	}
	if err := session.AbortTransaction(ctx); err != nil {
		return errNoTransactions
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
	if err != nil && away(err) {
		return err
	}
	return errNotUnique
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
