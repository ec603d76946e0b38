package outbox

import (
	"context"
	"errors"
	"time"

	"github.com/onward-health/onward/store"
)

// Retry sends a dead letter again, or one that waits at once. It keeps its place:
// behind those of its recipient and focus that are older, before those that are
// newer and still wait. A recipient that is left alone, because it asked for that
// or failed before, is tried without waiting any longer, and so is what stands
// before the message.
func Retry(ctx context.Context, s store.Store, id string, now time.Time) error {
	_, doc, err := find(ctx, s, id)
	if err != nil {
		return err
	}
	return sendAgain(ctx, s, doc, now)
}

// RetryAll does so with every dead letter to a recipient and says with how many.
// Those that can't be read stay.
func RetryAll(ctx context.Context, s store.Store, recipient string, now time.Time) (n int, err error) {
	return eachDead(ctx, s, recipient, func(doc store.Aux) (bool, error) {
		if _, err := read(doc); err != nil {
			return false, nil
		}
		return true, sendAgain(ctx, s, doc, now)
	})
}

// eachDead does something with each dead letter to a recipient and counts with how
// many it did.
func eachDead(ctx context.Context, s store.Store, recipient string, do func(store.Aux) (bool, error)) (n int, err error) {
	walked := each(ctx, s, KindDead, 0, func(doc store.Aux, m *Message) bool {
		if m.Recipient != recipient {
			return true
		}
		var done bool
		if done, err = do(doc); done && err == nil {
			n++
		}
		return err == nil
	})
	return n, errors.Join(err, walked)
}

func sendAgain(ctx context.Context, s store.Store, doc store.Aux, now time.Time) error {
	m, err := read(doc)
	if err != nil {
		return err
	}
	// Its age counts from now, else it would die of the first failure.
	m.Attempts, m.Due, m.Died, m.Created = 0, time.Time{}, time.Time{}, now.UTC()
	put := store.AuxPut{Kind: Kind, Key: doc.Key, Value: m.value(), If: store.Condition{Absent: true}}
	ops := []store.Op{store.AuxPut{Kind: kindLift, Key: m.route(), Value: []byte(now.UTC().Format(time.RFC3339Nano)), Expires: now.Add(longestAsked)}}
	if doc.Kind == Kind {
		put.If = store.Condition{Version: doc.Version}
	} else {
		ops = append(ops, store.AuxDelete{Kind: KindDead, Key: doc.Key, If: store.Condition{Version: doc.Version}})
		// The change feed may have told of the same version again.
		same, err := s.AuxGet(ctx, Kind, []string{doc.Key})
		if err != nil {
			return err
		}
		if len(same) > 0 {
			put.If = store.Condition{Version: same[0].Version}
		}
	}
	before, err := hasten(ctx, s, m.lane(), doc.Key, now)
	if err != nil {
		return err
	}
	_, err = s.Commit(ctx, &store.Batch{Ops: append(append(ops, put), before...)})
	return err
}

// hasten makes the first message of a lane due, where it stands before key.
func hasten(ctx context.Context, s store.Store, lane, key string, now time.Time) ([]store.Op, error) {
	docs, err := s.AuxScan(ctx, Kind, lane, "", 1)
	if err != nil || len(docs) == 0 || docs[0].Key >= key {
		return nil, err
	}
	first, err := read(docs[0])
	if err != nil || !first.Due.After(now) {
		return nil, err
	}
	first.Due = time.Time{}
	return []store.Op{store.AuxPut{Kind: Kind, Key: docs[0].Key, Value: first.value(), If: store.Condition{Version: docs[0].Version}}}, nil
}

// Drop forgets a dead letter. One that still waits can't be dropped: those behind
// it may build on it.
func Drop(ctx context.Context, s store.Store, id string) error {
	_, doc, err := find(ctx, s, id)
	if err != nil {
		return err
	}
	if doc.Kind != KindDead {
		return store.ErrNotFound
	}
	return drop(ctx, s, doc)
}

// DropAll forgets every dead letter to a recipient and says how many.
func DropAll(ctx context.Context, s store.Store, recipient string) (n int, err error) {
	return eachDead(ctx, s, recipient, func(doc store.Aux) (bool, error) { return true, drop(ctx, s, doc) })
}

func drop(ctx context.Context, s store.Store, doc store.Aux) error {
	_, err := s.Commit(ctx, &store.Batch{Ops: []store.Op{
		store.AuxDelete{Kind: KindDead, Key: doc.Key, If: store.Condition{Version: doc.Version}}}})
	return err
}
