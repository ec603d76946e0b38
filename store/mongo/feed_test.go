package mongo_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/mongo"
	"github.com/onward-health/onward/store/mongo/fakereplset"
	"github.com/onward-health/onward/store/storetest"
)

// TestTheFeedListsWhatAProcessWithAnotherClockWrote has two processes on one
// database, of which one is four seconds late.
func TestTheFeedListsWhatAProcessWithAnotherClockWrote(t *testing.T) {
	fake := serve(t, fakereplset.Options{})
	clock := storetest.NewClock()
	early := open(t, fake.URI(), mongo.Options{Now: clock.Now})
	late := open(t, fake.URI(), mongo.Options{Now: func() time.Time { return clock.Now().Add(-4 * time.Second) }})
	write := func(s *mongo.Store, id string) {
		_, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: slot(id, "")}}})
		require.NoError(t, err)
	}
	position := ""
	next := func() (ids []string) {
		page, err := early.Changes(t.Context(), position, 0, 0)
		require.NoError(t, err)
		position = page.Next
		for _, c := range page.List {
			ids = append(ids, c.Ref.ID)
		}
		return ids
	}
	write(early, "a")
	require.Equal(t, []string{"a"}, next())
	write(late, "b")
	require.Equal(t, []string{"b"}, next(), "it was written before a by its clock, and a isn't listed again")
	require.Empty(t, next())
	long := len(position)
	clock.Move(time.Hour)
	require.Empty(t, next())
	require.Less(t, len(position), long, "what is long past needn't be remembered")
	write(late, "a")
	require.Equal(t, []string{"a"}, next())
}

// TestAReaderOfOneProcessWakesForAnother shows it with the server's change stream,
// and without one.
func TestAReaderOfOneProcessWakesForAnother(t *testing.T) {
	for name, o := range map[string]fakereplset.Options{"by a stream": {}, "by looking": {NoStreams: true}} {
		t.Run(name, func(t *testing.T) {
			fake := serve(t, o)
			reader, writer := open(t, fake.URI(), mongo.Options{}), open(t, fake.URI(), mongo.Options{})
			position := ""
			for _, id := range []string{"a", "b", "c"} {
				written := make(chan error, 1)
				go func() {
					_, err := writer.Commit(context.WithoutCancel(t.Context()), &store.Batch{Ops: []store.Op{store.Put{Record: slot(id, "")}}})
					written <- err
				}()
				page, err := reader.Changes(t.Context(), position, 0, time.Minute)
				require.NoError(t, err)
				require.NoError(t, <-written)
				require.Len(t, page.List, 1)
				require.Equal(t, id, page.List[0].Ref.ID)
				position = page.Next
			}
		})
	}
}

func TestAStaleCopyInHistIsNotTakenForTheVersion(t *testing.T) {
	fake, s := scene(t)
	_, err := shell(t, fake).Collection("hist").InsertOne(t.Context(), bson.D{{Key: "_id", Value: "Slot/s1/1"}, {Key: "k", Value: "Slot/s1"},
		{Key: "t", Value: "Slot"}, {Key: "id", Value: "s1"}, {Key: "v", Value: int64(1)}, {Key: "lu", Value: primitive.DateTime(1)}, {Key: "del", Value: true},
		{Key: "m", Value: "DELETE"}, {Key: "w", Value: primitive.NewObjectID()}})
	require.NoError(t, err)
	for range 2 { // and a copy of the very version is left as it is
		_, err = s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: slot("s1", "two")}}})
		require.NoError(t, err)
	}
	first, err := s.GetVersion(t.Context(), store.Ref{Type: "Slot", ID: "s1"}, 1)
	require.NoError(t, err)
	require.False(t, first.Deleted)
	require.Contains(t, string(first.Body), "one")
}

func TestAPurgeThatMeetsAWriteRunsAgain(t *testing.T) {
	fake, s := scene(t)
	_, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Delete{Ref: store.Ref{Type: "Slot", ID: "s1"}}}})
	require.NoError(t, err)
	later := open(t, fake.URI(), mongo.Options{Now: func() time.Time { return time.Now().Add(time.Minute) }})
	fake.Hook(once("delete", 1, 1, fakereplset.Fault{Reply: writeConflict}))
	done, err := later.Purge(t.Context(), store.PurgeRequest{Before: time.Now().Add(time.Second), By: []byte(`{}`)})
	fake.Hook(nil)
	require.NoError(t, err)
	require.Equal(t, []int64{1, 1}, []int64{done.Versions, done.Records})
	_, err = s.Get(t.Context(), store.Ref{Type: "Slot", ID: "s1"})
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestAPurgeThatTheServerHasForgottenCountsWhatItRemoved(t *testing.T) {
	fake, s := scene(t)
	_, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: slot("s1", "two")}}})
	require.NoError(t, err)
	later := open(t, fake.URI(), mongo.Options{Now: func() time.Time { return time.Now().Add(time.Minute) }})
	fake.Hook(func(c fakereplset.Call) *fakereplset.Fault {
		switch {
		case c.Name == "commitTransaction" && c.N == 1:
			return &fakereplset.Fault{Apply: true, Drop: true}
		case c.Name == "commitTransaction" && c.N == 2:
			fake.Forget()
		}
		return nil
	})
	done, err := later.Purge(t.Context(), store.PurgeRequest{Before: time.Now().Add(time.Second), By: []byte(`{}`)})
	fake.Hook(nil)
	require.NoError(t, err)
	require.Equal(t, int64(1), done.Versions)
	docs, err := s.AuxGet(t.Context(), store.KindAudit, []string{done.Audit})
	require.NoError(t, err)
	require.Len(t, docs, 1)
	require.Contains(t, string(docs[0].Value), `"versions":1`)
}

// Ensure that a history is a list even where a purge takes versions away between
// its two reads.
func TestAHistoryLeavesOutWhatIsPurgedWhileItIsRead(t *testing.T) {
	fake := serve(t, fakereplset.Options{})
	clock := storetest.NewClock()
	s := open(t, fake.URI(), mongo.Options{Now: clock.Now})
	other := open(t, fake.URI(), mongo.Options{Now: clock.Now})
	write := func(op store.Op) {
		_, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{op}})
		require.NoError(t, err)
		clock.Move(time.Second)
	}
	for range 3 {
		write(store.Put{Record: slot("a", "")})
	}
	write(store.Put{Record: slot("b", "")})
	write(store.Delete{Ref: store.Ref{Type: "Slot", ID: "b"}})
	fake.Hook(func(c fakereplset.Call) *fakereplset.Fault {
		if c.Name == "find" && c.N == 4 { // both collections were listed
			fake.Hook(nil)
			_, err := other.Purge(context.Background(), store.PurgeRequest{Before: clock.Now(), By: []byte(`{}`)})
			if err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	page, err := s.History(t.Context(), store.Ref{Type: "Slot"}, time.Time{}, 0, "")
	require.NoError(t, err)
	require.Len(t, page.Records, 1)
	require.Equal(t, int64(3), page.Records[0].Version)
	require.Empty(t, page.Next)
}

// The majority of a set may be long behind the primary: what is written then has an
// unknown result, and comes to be seen when the majority has it. A reader who was
// told meanwhile that there is nothing new mustn't be past it.
func TestTheFeedListsWhatTheMajorityGetsLate(t *testing.T) {
	clock := storetest.NewClock()
	fake := serve(t, fakereplset.Options{Now: clock.Now})
	s := open(t, fake.URI(), mongo.Options{Now: clock.Now})
	write := func(ctx context.Context, id string) error {
		_, err := s.Commit(ctx, &store.Batch{Ops: []store.Op{store.Put{Record: slot(id, ""), If: store.Condition{Absent: true}}}})
		return err
	}
	position := ""
	next := func() (ids []string) {
		page, err := s.Changes(t.Context(), position, 0, 0)
		require.NoError(t, err)
		position = page.Next
		for _, c := range page.List {
			ids = append(ids, c.Ref.ID)
		}
		return ids
	}
	require.NoError(t, write(t.Context(), "before"))
	require.Equal(t, []string{"before"}, next())
	require.NoError(t, fake.Stall())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, write(ctx, "late"), store.ErrUnknown)
	for range 3 {
		clock.Move(time.Minute)
		require.Empty(t, next())
	}
	fake.CatchUp()
	require.Equal(t, []string{"late"}, next())
	long := len(position)
	require.NoError(t, write(t.Context(), "after"))
	require.Equal(t, []string{"after"}, next())
	clock.Move(time.Hour)
	require.Empty(t, next())
	require.LessOrEqual(t, len(position), long, "what is long past needn't be remembered")
}
