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
