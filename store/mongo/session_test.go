package mongo_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/mongo"
	"github.com/onward-health/onward/store/mongo/fakereplset"
)

// A cluster may show on one shard that a version was superseded before it shows on
// another what by. What a program sees of its own writes is part of the contract,
// which is tried on such a cluster; here another program reads.
func TestAnotherProgramSeesNoHoleWhileShardsCatchUp(t *testing.T) {
	fake := serve(t, fakereplset.Options{Cluster: true, Trailing: true})
	writer, reader := open(t, fake.URI(), mongo.Options{}), open(t, fake.URI(), mongo.Options{})
	ref := store.Ref{Type: "Slot", ID: "s1"}
	for n := range int64(6) {
		_, err := writer.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: slot("s1", "")}, store.Put{Record: slot("s2", "")}}})
		require.NoError(t, err)
		seen, err := reader.History(t.Context(), ref, time.Time{}, 100, "")
		require.NoError(t, err)
		if n > 0 {
			require.NotEmpty(t, seen.Records)
			require.Equal(t, int64(len(seen.Records)), seen.Records[0].Version, "one of them is missing")
		}
	}
	for range 2 {
		_, err := writer.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: slot("s1", "")}, store.Put{Record: slot("s2", "")}}})
		require.NoError(t, err)
		changes, err := reader.Changes(t.Context(), "", 0, 0)
		require.NoError(t, err)
		last := map[string]int64{}
		for _, c := range changes.List {
			require.Equal(t, last[c.Ref.ID]+1, c.Version, "one of %s is missing", c.Ref)
			last[c.Ref.ID] = c.Version
		}
	}
}

// What became of a commit whose answer was lost is looked for as of the server's last
// answer, which may be later than what a shard shows by itself.
func TestALostCommitIsFoundThoughShardsStillCatchUp(t *testing.T) {
	fake := serve(t, fakereplset.Options{Cluster: true, Trailing: true})
	s := open(t, fake.URI(), mongo.Options{})
	for n := range 4 { // in turn it shows on no shard, and on some
		fake.Hook(func(c fakereplset.Call) *fakereplset.Fault {
			switch {
			case c.Name == "commitTransaction" && c.N == 1:
				return &fakereplset.Fault{Apply: true, Drop: true}
			case c.Name == "commitTransaction" && c.N == 2:
				return &fakereplset.Fault{Reply: writeConflict}
			}
			return nil
		})
		absent := store.Condition{Absent: true}
		_, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: slot(fmt.Sprint("a", n), ""), If: absent}, store.Put{Record: slot(fmt.Sprint("b", n), ""), If: absent}}})
		require.NoError(t, err, "its own first try isn't another's")
		require.Equal(t, 2, fake.Count("commitTransaction"), "it isn't written again")
	}
}

// Who is told that a write was refused may look for what has refused it.
func TestWhatHasRefusedAWriteIsSeenThoughShardsStillCatchUp(t *testing.T) {
	for name, more := range map[string][]store.Op{"alone": nil, "in a transaction": {store.AuxPut{Kind: "x", Key: "other"}}} {
		t.Run(name, func(t *testing.T) {
			fake := serve(t, fakereplset.Options{Cluster: true, Trailing: true})
			writer, s := open(t, fake.URI(), mongo.Options{}), open(t, fake.URI(), mongo.Options{})
			for n := range int64(6) { // in turn it shows on no shard, and on some
				key := fmt.Sprint("k", n)
				_, err := writer.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: slot("s1", "")}, store.AuxPut{Kind: "x", Key: key}}})
				require.NoError(t, err)
				stale := store.Put{Record: slot("s1", ""), If: store.Condition{Version: n + 100}}
				_, err = s.Commit(t.Context(), &store.Batch{Ops: append([]store.Op{stale}, more...)})
				require.ErrorAs(t, err, new(*store.ConflictError))
				docs, err := s.AuxGet(t.Context(), "x", []string{key})
				require.NoError(t, err)
				require.Len(t, docs, 1)
			}
		})
	}
}
