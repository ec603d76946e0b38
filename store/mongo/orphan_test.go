package mongo_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/mongo"
	"github.com/onward-health/onward/store/mongo/fakereplset"
	"github.com/onward-health/onward/store/storetest"
)

// Ensure that a write on a tombstone which meets the purge of that tombstone, at
// whatever command, and which is broken off at whatever later one, leaves nothing
// that the id's next record takes for its own.
func TestAWriteThatMeetsAPurgeLeavesNoVersionBehind(t *testing.T) {
	for purgeAt := 1; purgeAt <= 3; purgeAt++ { // a look, the copy, the write
		for cutAt := purgeAt; cutAt <= 8; cutAt++ {
			t.Run(fmt.Sprintf("purged before command %d, cut off at %d", purgeAt, cutAt), func(t *testing.T) {
				t.Parallel()
				m := &meeting{t: t, fake: serve(t, fakereplset.Options{}), clock: storetest.NewClock()}
				m.s, m.other = m.open(), m.open()
				m.write(store.Put{Record: slot("s1", "first of the old")})
				m.write(store.Put{Record: slot("s1", "second of the old")})
				m.write(store.Delete{Ref: slotOne})
				m.meet(purgeAt, cutAt)
				for range 5 {
					m.write(store.Put{Record: slot("s1", "new")})
					m.isOwn()
				}
				m.purge(m.s)
				counts, err := m.s.Counts(t.Context())
				require.NoError(t, err)
				require.Equal(t, store.Count{Live: 1, Versions: 1}, counts["Slot"], "what was left is collected")
			})
		}
	}
}

var slotOne = store.Ref{Type: "Slot", ID: "s1"}

type meeting struct {
	t        *testing.T
	fake     *fakereplset.Server
	clock    *storetest.Clock
	s, other *mongo.Store
}

func (m *meeting) open() *mongo.Store {
	return open(m.t, m.fake.URI(), mongo.Options{Now: m.clock.Now})
}

func (m *meeting) write(op store.Op) {
	m.t.Helper()
	_, err := m.s.Commit(m.t.Context(), &store.Batch{Ops: []store.Op{op}})
	require.NoError(m.t, err)
	m.clock.Move(time.Second)
}

func (m *meeting) purge(s *mongo.Store) {
	if _, err := s.Purge(context.Background(), store.PurgeRequest{Before: m.clock.Now(), By: []byte(`{}`)}); err != nil {
		m.t.Error(err)
	}
}

// meet writes, has another purge before the n-th command of that, and drops all
// from the cutAt-th on, until the writer is out of time.
func (m *meeting) meet(purgeAt, cutAt int) {
	ctx, cancel := context.WithTimeout(m.t.Context(), 5*time.Second)
	defer cancel()
	var purging atomic.Bool
	var n atomic.Int64
	m.fake.Hook(func(c fakereplset.Call) *fakereplset.Fault {
		if purging.Load() || c.Name == "hello" || c.Name == "ping" || c.Name == "endSessions" {
			return nil
		}
		at := int(n.Add(1))
		if at == purgeAt {
			purging.Store(true)
			m.purge(m.other)
			purging.Store(false)
		}
		if at >= cutAt {
			cancel()
			return &fakereplset.Fault{Drop: true}
		}
		return nil
	})
	_, _ = m.s.Commit(ctx, &store.Batch{Ops: []store.Op{store.Put{Record: slot("s1", "new")}}}) // it may or may not
	m.fake.Hook(nil)
	m.fake.Settle()
}

// isOwn looks at the record's history from all sides.
func (m *meeting) isOwn() {
	m.t.Helper()
	cur, err := m.s.Get(m.t.Context(), slotOne)
	require.NoError(m.t, err)
	for _, scope := range []store.Ref{slotOne, {Type: "Slot"}, {}} {
		page, err := m.s.History(m.t.Context(), scope, time.Time{}, 0, "")
		require.NoError(m.t, err)
		require.Empty(m.t, page.Next)
		next := cur.Version
		for _, r := range page.Records {
			require.Equal(m.t, next, r.Version, "%v", scope)
			require.True(m.t, strings.Contains(string(r.Body), "new"), "version %d of %v is of the old record", r.Version, scope)
			next--
		}
	}
	for v := cur.Version + 1; v < 9; v++ {
		_, err := m.s.GetVersion(m.t.Context(), slotOne, v)
		require.ErrorIs(m.t, err, store.ErrNotFound)
	}
	changes, err := m.s.Changes(m.t.Context(), "", 0, 0)
	require.NoError(m.t, err)
	for _, c := range changes.List {
		require.LessOrEqual(m.t, c.Version, cur.Version, "it is told of")
	}
	err = m.s.Export(m.t.Context(), "", m.clock.Now(), func(items []store.Item, _ string) error {
		for _, i := range items {
			if i.Version != nil && i.Version.Version > cur.Version {
				return fmt.Errorf("version %d is exported", i.Version.Version)
			}
		}
		return nil
	})
	require.NoError(m.t, err)
}
