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

// Stats reads the state, the dead letters first. With an error it gives what was
// counted until then.
func Stats(ctx context.Context, s store.Store, now time.Time) (State, error) {
	var state State
	err := each(ctx, s, KindDead, maxListed, func(store.Aux, *Message) bool { state.Dead++; return true })
	if err != nil {
		return state, err
	}
	err = each(ctx, s, Kind, maxListed, func(_ store.Aux, m *Message) bool {
		if state.Waiting++; !m.Created.IsZero() {
			state.Oldest = max(state.Oldest, now.Sub(m.Created))
		}
		return true
	})
	state.Seconds = int64(state.Oldest / time.Second)
	return state, err
}

// List lists the first 1,000 messages that wait, or dead letters, by recipient,
// focus and order. It leaves out their bodies.
func List(ctx context.Context, s store.Store, dead bool) ([]*Message, error) {
	var list []*Message
	err := each(ctx, s, kindOf(dead), maxListed, func(_ store.Aux, m *Message) bool {
		m.Body = nil
		list = append(list, m)
		return true
	})
	return list, err
}

// each visits the messages of a kind, at most n (0: all) until visit says no. It
// holds a page of them at a time, for bodies can be large.
func each(ctx context.Context, s store.Store, kind string, n int, visit func(store.Aux, *Message) bool) error {
	after := ""
	for seen := 0; ; {
		docs, err := s.AuxScan(ctx, kind, "", after, scanPage)
		if err != nil || len(docs) == 0 {
			return err
		}
		for _, doc := range docs {
			after = doc.Key
			if seen++; !visit(doc, shown(doc)) || seen == n {
				return nil
			}
		}
	}
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

func find(ctx context.Context, s store.Store, id string) (found *Message, doc store.Aux, err error) {
	for _, kind := range []string{KindDead, Kind} {
		err := each(ctx, s, kind, 0, func(d store.Aux, m *Message) bool {
			if m.ID == id {
				found, doc = m, d
			}
			return found == nil
		})
		if err != nil || found != nil {
			return found, doc, err
		}
	}
	return nil, doc, store.ErrNotFound
}

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
	_, err = s.Commit(ctx, &store.Batch{Ops: []store.Op{
		store.AuxDelete{Kind: KindDead, Key: doc.Key, If: store.Condition{Version: doc.Version}}}})
	return err
}
