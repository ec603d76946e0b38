package outbox

import (
	"context"
	"time"

	"github.com/onward-health/onward/store"
)

// maxListed bounds List and Stats.
const maxListed = 1000

// State is how full the outbox is. Counts end at 1,000.
type State struct {
	Waiting int           `json:"waiting"`
	Oldest  time.Duration `json:"-"` // age of the oldest of those counted
	Seconds int64         `json:"oldestSeconds"`
	Dead    int           `json:"dead"`
}

// Stats reads the state.
func Stats(ctx context.Context, s store.Store, now time.Time) (State, error) {
	var state State
	waiting, err := List(ctx, s, false)
	if err != nil {
		return state, err
	}
	dead, err := s.AuxScan(ctx, KindDead, "", "", maxListed)
	if err != nil {
		return state, err
	}
	state.Waiting, state.Dead = len(waiting), len(dead)
	for _, m := range waiting {
		state.Oldest = max(state.Oldest, now.Sub(m.Created))
	}
	state.Seconds = int64(state.Oldest / time.Second)
	return state, nil
}

// List lists the first 1,000 messages that wait, or dead letters, by recipient,
// focus and order.
func List(ctx context.Context, s store.Store, dead bool) ([]*Message, error) {
	docs, err := s.AuxScan(ctx, kindOf(dead), "", "", maxListed)
	if err != nil {
		return nil, err
	}
	list := make([]*Message, 0, len(docs))
	for _, doc := range docs {
		m, err := read(doc)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

func kindOf(dead bool) string {
	if dead {
		return KindDead
	}
	return Kind
}

// Find finds a message by its id, among the dead letters first. ErrNotFound where
// there is none.
func Find(ctx context.Context, s store.Store, id string) (*Message, error) {
	m, _, err := find(ctx, s, id)
	return m, err
}

func find(ctx context.Context, s store.Store, id string) (*Message, store.Aux, error) {
	for _, kind := range []string{KindDead, Kind} {
		after := ""
		for {
			docs, err := s.AuxScan(ctx, kind, "", after, maxListed)
			if err != nil {
				return nil, store.Aux{}, err
			}
			for _, doc := range docs {
				if m, err := read(doc); err == nil && m.ID == id {
					return m, doc, nil
				}
				after = doc.Key
			}
			if len(docs) < maxListed {
				break
			}
		}
	}
	return nil, store.Aux{}, store.ErrNotFound
}

// Retry sends a dead letter again, or one that waits at once. It keeps its place:
// behind those of its recipient and focus that are older, before those that are
// newer and still wait.
func Retry(ctx context.Context, s store.Store, id string, now time.Time) error {
	m, doc, err := find(ctx, s, id)
	if err != nil {
		return err
	}
	// Its age counts from now, else it would die of the first failure.
	m.Attempts, m.Due, m.Died, m.Created = 0, time.Time{}, time.Time{}, now.UTC()
	put := store.AuxPut{Kind: Kind, Key: doc.Key, Value: m.value(), If: store.Condition{Absent: true}}
	ops := []store.Op{put, store.AuxDelete{Kind: KindDead, Key: doc.Key, If: store.Condition{Version: doc.Version}}}
	if doc.Kind == Kind {
		put.If = store.Condition{Version: doc.Version}
		ops = []store.Op{put}
	}
	_, err = s.Commit(ctx, &store.Batch{Ops: ops})
	return err
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
	_, err = s.Commit(ctx, &store.Batch{Ops: []store.Op{
		store.AuxDelete{Kind: KindDead, Key: doc.Key, If: store.Condition{Version: doc.Version}}}})
	return err
}
