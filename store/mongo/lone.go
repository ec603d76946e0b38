package mongo

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/mongo"

	"github.com/onward-health/onward/store"
)

// lone is a write of one document without a transaction.
type lone interface {
	// try reads, judges and writes, and has fate hear the answer to the write.
	try(context.Context, *fate) error
	// landed looks for what was written.
	landed(context.Context) (bool, error)
	// lasting says that landed finds it whatever others have written since.
	lasting() bool
	// fence writes to where try does, and changes nothing.
	fence(context.Context) error
}

// fate is what is known of the writes that have gone out.
type fate struct {
	sent  bool // there are some of which it isn't known what became
	lost  bool // one was answered by nobody who judged it: it may still come true
	maybe bool // one may have been carried out and left no trace
}

// heard takes note of the answer to a write.
func (f *fate) heard(err error) {
	if err != nil && unsent(err) {
		return
	}
	f.sent = true
	f.lost = f.lost || (err != nil && !settled(err))
}

// persist carries a lone write out, in the session of its call: until it is done or
// refused, has failed maxAttempts times or is out of time. Lost races (errAgain)
// don't count as failures: somebody else got on.
//
// A refusal is believed only when it is known that nothing was done: the driver
// repeats a write by itself, and may give the refusal of a repetition whose first
// was carried out.
func (s *Store) persist(ctx context.Context, w lone) error {
	var f fate
	faults := 0
	for n := 0; ; n++ {
		done, err := settle(ctx, w, &f)
		if err == nil && !done {
			err = w.try(ctx, &f)
			done = err == nil
			if !done && !errors.Is(err, errAgain) && settled(err) {
				was, asked := settle(ctx, w, &f)
				switch {
				case asked == nil && !was && f.maybe:
					return store.ErrUnknown
				case asked == nil && !was:
					s.wrote(mongo.SessionFromContext(ctx)) // it may be looked for what has refused it
					return err
				}
				done = was
			}
		}
		if done {
			s.wrote(mongo.SessionFromContext(ctx))
			return nil
		}
		again := errors.Is(err, errAgain)
		if !again {
			faults++
		}
		if faults < maxAttempts && pause(ctx, n) == nil {
			continue
		}
		switch {
		case f.sent, f.maybe:
			return store.ErrUnknown
		case again:
			return &DriverError{Doing: "commit", is: store.ErrUnavailable}
		}
		return err
	}
}

// settle finds out what became of the writes that have gone out; true: one was
// carried out. All are in one session, in which a server begins no write after a
// later one; so the fence keeps back what hasn't been begun, and waits for what
// has. (MongoDB: TransactionTooOld.)
func settle(ctx context.Context, w lone, f *fate) (bool, error) {
	if !f.sent {
		return false, nil
	}
	if f.lost {
		if err := w.fence(ctx); err != nil {
			return false, err
		}
	}
	was, err := w.landed(ctx)
	if err == nil && !was {
		*f = fate{maybe: f.maybe || (f.lost && !w.lasting())}
	}
	return was, err
}
