package mongo

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/readconcern"
	"go.mongodb.org/mongo-driver/mongo/readpref"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"

	"github.com/onward-health/onward/store"
)

// endTime bounds what is done after a transaction, for which its caller waits.
const endTime = 2 * time.Second

// afterwards is the context of what is done when that of a transaction has ended.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), endTime)
}

// endSession ends a session, and a transaction that is still open in it.
func endSession(ctx context.Context, session mongo.Session) {
	end, cancel := afterwards(ctx)
	defer cancel()
	session.EndSession(end)
}

func transaction() *options.TransactionOptions {
	journal, most := true, writeTime // a commit that waits longer in the server isn't carried out
	return options.Transaction().SetReadConcern(readconcern.Snapshot()).SetReadPreference(readpref.Primary()).SetMaxCommitTime(&most).
		SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journal})
}

// work is one try at what a transaction is to do.
type work interface {
	// do reads, judges and writes, and says whether there is something to commit.
	do(context.Context) (bool, error)
	// landed looks for what do wrote, after a commit.
	landed(context.Context) (bool, error)
	// lasting says that what do wrote can be found whatever others have written
	// since.
	lasting() bool
}

// repeat does a work in a transaction, and a fresh one where it met another or
// the way to the server failed before the commit. It gives the one that was done.
//
// A server that says when the commit is repeated that the transaction is gone
// hasn't committed it, by the manual. One that has lost its record of it, by a
// fault of its own, would say the same; so what was to be written is looked for
// before it is judged afresh: our own booking must not be what refuses it.
func (s *Store) repeat(ctx context.Context, fresh func() work) (work, error) {
	var lost []work // that may have been committed
	var err error
	for n := range maxAttempts {
		if n > 0 && pause(ctx, n-1) != nil {
			break
		}
		var done work
		if done, lost, err = committed(ctx, lost); err == nil && done != nil {
			return done, nil
		}
		if err == nil {
			w := fresh()
			var asked bool
			if asked, err = s.attempt(ctx, w); err == nil {
				return w, nil
			}
			if asked {
				lost = append(lost, w)
			}
		}
		if !repeatable(err) {
			break
		}
	}
	if len(lost) > 0 {
		done, left, asked := committed(ctx, lost)
		switch {
		case done != nil:
			return done, nil
		case asked != nil || len(left) > 0:
			return nil, store.ErrUnknown
		}
	}
	if repeatable(err) {
		return nil, &DriverError{Doing: "commit", Code: codeOf(err), is: store.ErrUnavailable}
	}
	return nil, err
}

// committed looks for works that may have been committed, and leaves those of which
// it can't be told.
func committed(ctx context.Context, lost []work) (done work, left []work, err error) {
	for i, w := range lost {
		was, err := w.landed(ctx)
		switch {
		case err != nil:
			return nil, append(left, lost[i:]...), err
		case was:
			return w, nil, nil
		case !w.lasting():
			left = append(left, w)
		}
	}
	return nil, left, nil
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

// attempt tries once; asked says that the server was asked to commit, and has said
// that the transaction is gone.
//
// What a transaction reads is sure to last only when it is committed: until then it
// may be undone with the primary that it was read from. So one that has written
// nothing is committed too, before anybody is told that a booking was carried out
// earlier, or refused for another's.
func (s *Store) attempt(ctx context.Context, w work) (asked bool, err error) {
	session, err := s.session()
	if err != nil {
		return false, err
	}
	defer func() {
		endSession(ctx, session)
		follow(mongo.SessionFromContext(ctx), session)
	}()
	if err := session.StartTransaction(transaction()); err != nil {
		return false, err
	}
	write, err := w.do(mongo.NewSessionContext(ctx, session))
	var refused *store.ConflictError
	if err != nil && !errors.As(err, &refused) {
		end, cancel := afterwards(ctx)
		defer cancel()
		_ = session.AbortTransaction(end) // the server forgets it after a while anyway
		return false, err
	}
	ended := finish(ctx, session)
	switch {
	case ended == nil:
		s.wrote(session)
		return false, err
	case refused != nil && errors.Is(ended, store.ErrUnknown):
		return false, &DriverError{Doing: "commit", is: store.ErrUnavailable}
	}
	return write && refused == nil && gone(ended), ended
}

// finish commits. Only an answer of the server that names the transaction as
// gone or refuses the commit says that it wasn't carried out; in all other cases
// the commit is sent again: the server knows a transaction that it has committed.
func finish(ctx context.Context, session mongo.Session) error {
	for n := 0; ; n++ {
		err := session.CommitTransaction(ctx)
		if err == nil || uncommitted(err) {
			return err
		}
		if pause(ctx, n) != nil {
			return store.ErrUnknown
		}
	}
}

// uncommitted says that the server has answered a commit and not carried it out.
// A write concern that failed or can't be met says nothing of the commit itself.
func uncommitted(err error) bool {
	code := codeOf(err)
	switch {
	case gone(err):
		return true
	case code == 0, passing[code], code == codeUnsatisfiable, labelled(err, "UnknownTransactionCommitResult"), labelled(err, "RetryableWriteError"):
		return false
	}
	return true
}

// gone says that the server has ended the transaction, so that it is to be begun
// again. The answer may be to a repetition by the driver.
func gone(err error) bool {
	code := codeOf(err)
	return code == codeNoTransaction || (code != 0 && labelled(err, "TransientTransactionError"))
}
