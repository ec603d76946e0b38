package mongo

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

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
