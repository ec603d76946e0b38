package mongo

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/readconcern"
	"go.mongodb.org/mongo-driver/mongo/readpref"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/x/mongo/driver/topology"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// maxAttempts bounds how often one batch is tried against faults and
// transactions that meet; firstPause and longestPause are the back-off between.
const (
	maxAttempts  = 8
	firstPause   = 5 * time.Millisecond
	longestPause = 250 * time.Millisecond
)

// errAgain: another write came in between; the batch is judged afresh.
var errAgain = errors.New("again")

// Commit implements store.Store. Where the way to the server breaks at the very
// end and stays broken, the result is unknown.
func (s *Store) Commit(ctx context.Context, b *store.Batch) (*store.Result, error) {
	if err := kit.Check(b); err != nil {
		return nil, err
	}
	in, leave, err := s.enter(ctx, writeTime)
	if err != nil {
		return nil, err
	}
	defer leave()
	result, err := s.commit(in, b)
	s.news.Tell() // after an error too: the write may have been carried out
	if err != nil {
		return nil, fault(ctx, "commit", err)
	}
	return result, nil
}

func (s *Store) commit(ctx context.Context, b *store.Batch) (*store.Result, error) {
	if err := s.learnDates(ctx, b); err != nil {
		return nil, err
	}
	if len(b.Ops) == 1 && len(b.Guards) == 0 && b.Idem == nil {
		switch op := b.Ops[0].(type) {
		case store.Put, store.Delete:
			return s.single(ctx, op)
		case store.Claim:
			return &store.Result{}, s.hold(ctx, op)
		}
	}
	return s.transact(ctx, b)
}

// learnDates writes new date parameters down before the records that have them;
// one that is known and then unused does no harm.
func (s *Store) learnDates(ctx context.Context, b *store.Batch) error {
	for _, op := range b.Ops {
		put, is := op.(store.Put)
		if !is {
			continue
		}
		for _, d := range put.Record.Index.D {
			if err := s.learnDate(ctx, put.Record.Type, d.Param); err != nil {
				return err
			}
		}
	}
	return nil
}

func transaction() *options.TransactionOptions {
	journal := true
	return options.Transaction().SetReadConcern(readconcern.Snapshot()).SetReadPreference(readpref.Primary()).
		SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journal})
}

// transact runs the batch in a transaction. A replay writes nothing.
func (s *Store) transact(ctx context.Context, b *store.Batch) (*store.Result, error) {
	var p *plan
	err := s.repeat(ctx, func(session mongo.SessionContext) (bool, error) {
		p = newPlan(s, b)
		err := p.run(session)
		return p.result.Replay == nil, err
	})
	if err != nil {
		return nil, err
	}
	return p.result, nil
}

// repeat runs a transaction, again where it met another or the way to the server
// failed before the commit. run says whether there is something to commit.
func (s *Store) repeat(ctx context.Context, run func(mongo.SessionContext) (bool, error)) error {
	var err error
	for n := range maxAttempts {
		if n > 0 && pause(ctx, n-1) != nil {
			break
		}
		if err = s.attempt(ctx, run); err == nil || !repeatable(err) {
			return err
		}
	}
	return &DriverError{Doing: "commit", Code: codeOf(err), is: store.ErrUnavailable}
}

// repeatable says that the transaction wasn't committed and may go through
// another time.
func repeatable(err error) bool {
	var conflict *store.ConflictError
	if errors.As(err, &conflict) || errors.Is(err, store.ErrUnknown) {
		return false
	}
	return errors.Is(err, errAgain) || duplicate(err) || labelled(err, "TransientTransactionError") || passing[codeOf(err)] || away(err)
}

func (s *Store) attempt(ctx context.Context, run func(mongo.SessionContext) (bool, error)) error {
	session, err := s.client.StartSession()
	if err != nil {
		return err
	}
	defer session.EndSession(context.WithoutCancel(ctx))
	if err := session.StartTransaction(transaction()); err != nil {
		return err
	}
	write, err := run(mongo.NewSessionContext(ctx, session))
	if err != nil || !write {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = session.AbortTransaction(end) // the server forgets it after a while anyway
		return err
	}
	return finish(ctx, session)
}

// finish commits. Only an answer of the server that names the transaction as
// gone or refuses the commit says that it wasn't carried out; in all other cases
// the commit is sent again: the server knows a transaction that it has committed.
func finish(ctx context.Context, session mongo.Session) error {
	for n := 0; ; n++ {
		err := session.CommitTransaction(ctx)
		if err == nil {
			return nil
		}
		code := codeOf(err)
		open := code == 0 || code == codeMaxTimeExpired || labelled(err, "UnknownTransactionCommitResult") || ambiguous(err)
		if !open || (code != 0 && labelled(err, "TransientTransactionError")) {
			return err
		}
		if pause(ctx, n) != nil {
			return store.ErrUnknown
		}
	}
}

// ambiguous says of a write's error that the write may have been carried out.
func ambiguous(err error) bool {
	if unsent(err) {
		return false
	}
	var write mongo.WriteException
	if errors.As(err, &write) && write.WriteConcernError != nil {
		return true
	}
	return codeOf(err) == codeMaxTimeExpired || away(err)
}

// unsent says that no server was found to send to; where the driver had sent
// before, it gives that error and not this one.
func unsent(err error) bool {
	var selection topology.ServerSelectionError
	var busy topology.WaitQueueTimeoutError
	return errors.As(err, &selection) || errors.As(err, &busy)
}

// pause waits before the next try, a random part of a time that doubles.
func pause(ctx context.Context, n int) error {
	most := longestPause
	if n < 6 {
		most = min(most, firstPause<<n)
	}
	t := time.NewTimer(rand.N(most) + 1)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
