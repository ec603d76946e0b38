package mongo_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	driver "go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/mongo"
	"github.com/onward-health/onward/store/mongo/fakereplset"
	"github.com/onward-health/onward/store/storetest"
)

// The tests whose names begin with TestRealServer are `make mongo-proof`. They
// need a server at ONWARD_TEST_MONGODB and work in databases of their own, which
// they drop. What they try is tried against the fake as well, but for what it
// can't do: explain, and an election.

// realAddress is the server's address; without one nothing is proven.
func realAddress(t *testing.T) string {
	t.Helper()
	uri := os.Getenv("ONWARD_TEST_MONGODB")
	if uri == "" {
		t.Skip("ONWARD_TEST_MONGODB isn't set: the MongoDB engine has met no real server in this run")
	}
	return uri
}

// realDatabase is the server's address and a fresh database there.
func realDatabase(t *testing.T) (uri, name string, client *driver.Client) {
	t.Helper()
	uri = realAddress(t)
	name = "onward_test_" + primitive.NewObjectID().Hex()
	client, err := driver.Connect(t.Context(), options.Client().ApplyURI(uri))
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_ = client.Database(name).Drop(ctx)
		_ = client.Disconnect(ctx)
	})
	return uri, name, client
}

// The suite's clock stands in the past: without the indexes by which documents
// expire, so that the server doesn't clean up what the suite has just written.
func TestRealServerKeepsTheContract(t *testing.T) {
	realAddress(t)
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		uri, name, client := realDatabase(t)
		s := open(t, uri, mongo.Options{Now: now, Database: name})
		for _, c := range []string{"claim", "aux"} {
			_, err := client.Database(name).Collection(c).Indexes().DropOne(t.Context(), "expiry")
			require.NoError(t, err)
		}
		return s
	})
}

func TestRealServerHasOneWinnerPerSlot(t *testing.T) {
	uri, name, _ := realDatabase(t)
	contend(t, open(t, uri, mongo.Options{Database: name}), open(t, uri, mongo.Options{Database: name}), 40)
}

func TestTheFakeHasOneWinnerPerSlot(t *testing.T) {
	fake := serve(t, fakereplset.Options{})
	contend(t, open(t, fake.URI(), mongo.Options{}), open(t, fake.URI(), mongo.Options{}), 4)
}

// contend lets 64 clients of two programs race for each slot.
func contend(t *testing.T, a, b store.Store, slots int) {
	var mu sync.Mutex
	winners := map[int]int{}
	var wg sync.WaitGroup
	for n := range 64 {
		s := []store.Store{a, b}[n%2]
		wg.Go(func() {
			for i := range slots {
				id := fmt.Sprintf("%d-%d", n, i)
				_, err := s.Commit(t.Context(), bookingOf(fmt.Sprint("s", i), id))
				var c *store.ConflictError
				switch {
				case err == nil:
					mu.Lock()
					winners[i]++
					mu.Unlock()
				case errors.As(err, &c) && c.Kind == store.SlotTaken:
				case errors.Is(err, store.ErrUnavailable): // met too often; nothing was written
				default:
					t.Errorf("a booking: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for i := range slots {
		require.Equal(t, 1, winners[i], "winners of slot %d", i)
		claims, err := a.AuxGet(t.Context(), "claim", []string{fmt.Sprint("s", i)})
		require.NoError(t, err)
		require.Len(t, claims, 1)
	}
	page, err := b.Search(t.Context(), &search.Query{Type: "Appointment", Count: 500})
	require.NoError(t, err)
	require.Len(t, page.Records, slots, "who lost left nothing")
}

func bookingOf(slot, id string) *store.Batch {
	appointment := &store.Record{Type: "Appointment", ID: id, Method: "POST", Body: []byte(`{"resourceType":"Appointment"}`),
		Index: search.Index{X: []string{"slot:Slot/" + slot, "identifier=s|" + id}}}
	return &store.Batch{Idem: &store.Idem{Keys: []string{id}, Hash: id, Keep: time.Hour},
		Ops: []store.Op{store.Claim{Slot: slot, Owner: "Appointment/" + id}, store.Put{Record: appointment, If: store.Condition{Absent: true}}}}
}

func TestRealServerMayFailOver(t *testing.T) {
	uri, name, client := realDatabase(t)
	hello, err := client.Database("admin").RunCommand(t.Context(), bson.D{{Key: "hello", Value: 1}}).Raw()
	require.NoError(t, err)
	if hello.Lookup("setName").Type == 0 {
		t.Skip("a sharded cluster's primaries can't be asked to step down through mongos: failover is NOT proven")
	}
	failOver(t, open(t, uri, mongo.Options{Database: name}), 3, func() {
		err := client.Database("admin").RunCommand(t.Context(), bson.D{{Key: "replSetStepDown", Value: 5}, {Key: "secondaryCatchUpPeriodSecs", Value: 2}, {Key: "force", Value: true}}).Err()
		require.True(t, err == nil || driver.IsNetworkError(err), "replSetStepDown: %v", err)
	})
}

func TestTheFakeMayFailOver(t *testing.T) {
	t.Parallel()
	fake := serve(t, fakereplset.Options{Lifetime: 2 * time.Second})
	failOver(t, open(t, fake.URI(), mongo.Options{}), 1, func() {
		fake.Cut()
		<-time.After(300 * time.Millisecond)
		require.NoError(t, fake.Restore())
	})
}

// failOver books with 8 clients, each of which repeats a booking until it is
// told what became of it, while the primary steps down. Each booking moves its
// client's diary on by one version, so that the version counts the bookings.
func failOver(t *testing.T, s store.Store, times int, stepDown func()) {
	const clients = 8
	over := make(chan struct{})
	var booked [clients]int
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-over:
					return
				default:
				}
				id := fmt.Sprintf("%d-%d", n, i)
				b := bookingOf("slot-"+id, id)
				b.Ops = append(b.Ops, store.Put{Record: &store.Record{Type: "Schedule", ID: fmt.Sprint("d", n), Method: "PUT", Body: []byte(`{"resourceType":"Schedule"}`)}})
				if !untilTold(t, s, b) {
					return
				}
				booked[n]++
			}
		})
	}
	for range times {
		<-time.After(time.Second)
		stepDown()
		<-time.After(2 * time.Second)
	}
	close(over)
	wg.Wait()
	for n, count := range booked {
		require.NotZero(t, count, "client %d", n)
		diary, err := s.Get(t.Context(), store.Ref{Type: "Schedule", ID: fmt.Sprint("d", n)})
		require.NoError(t, err)
		require.Equal(t, int64(count), diary.Version, "one version for each booking: none lost, none doubled")
		for i := range count {
			id := fmt.Sprintf("%d-%d", n, i)
			_, err := s.Get(t.Context(), store.Ref{Type: "Appointment", ID: id})
			require.NoError(t, err)
			claims, err := s.AuxGet(t.Context(), "claim", []string{"slot-" + id})
			require.NoError(t, err)
			require.Len(t, claims, 1)
		}
	}
	t.Logf("%d step-downs, bookings by client: %v", times, booked)
}

func untilTold(t *testing.T, s store.Store, b *store.Batch) bool {
	for began := time.Now(); time.Since(began) < time.Minute; {
		_, err := s.Commit(t.Context(), b)
		switch {
		case err == nil: // a replay says that an earlier try was carried out
			return true
		case !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrUnknown):
			t.Errorf("a booking while the primary changes: %v", err)
			return false
		}
	}
	t.Error("a booking isn't answered for a minute")
	return false
}

func TestRealServerSearchesByIndex(t *testing.T) {
	uri, name, _ := realDatabase(t)
	byIndex(t, open(t, uri, mongo.Options{Database: name}))
}

func TestTheFakeExplainsNothing(t *testing.T) {
	s := open(t, serve(t, fakereplset.Options{}).URI(), mongo.Options{})
	plan, err := s.Explain(t.Context(), &search.Query{Type: "Slot"})
	require.NoError(t, err)
	require.Contains(t, plan.Steps, "the server explains nothing", "else the test above can be run on the fake too")
}

// byIndex asks for the plans of the searches whose speed is promised, among
// records of which few match.
func byIndex(t *testing.T, s store.Store) {
	const hour = 3_600_000
	for from := 0; from < 2000; from += 500 {
		b := &store.Batch{}
		for i := from; i < from+500; i++ {
			r := slot(fmt.Sprint("s", i), "")
			r.Index = search.Index{X: []string{"status:" + []string{"free", "busy"}[i%2], fmt.Sprint("schedule:Schedule/d", i%10), "@org:A1001"},
				D: []search.Span{{Param: "start", Lo: int64(i) * hour, Hi: int64(i)*hour + 999}}}
			a := bookingOf(fmt.Sprint("x", i), fmt.Sprint("a", i)).Ops[1].(store.Put)
			a.Record.Index.X = append(a.Record.Index.X, fmt.Sprint("patient:Patient/p", i%200), "status:booked")
			b.Ops = append(b.Ops, store.Put{Record: r}, a)
		}
		_, err := s.Commit(t.Context(), b)
		require.NoError(t, err)
	}
	start := func(op search.Op, at int64) search.Date {
		return search.Date{Param: "start", Op: op, Lo: at * hour, Hi: at * hour}
	}
	for what, row := range map[string]struct {
		q     search.Query
		by    string // the index, where there is one that any planner must take
		order bool   // the index gives the order too
	}{
		"free slots of a service in two weeks": {search.Query{Type: "Slot", Sort: []search.Sort{{Param: "start"}}, Where: search.And{search.Has("status:free"),
			search.HasAny{"schedule:Schedule/d0", "schedule:Schedule/d2"}, search.Has("@org:A1001"), start(search.Ge, 1000), start(search.Lt, 1336)}}, "", false},
		"appointments of a patient": {search.Query{Type: "Appointment", Where: search.Has("patient:Patient/p7"), Sort: []search.Sort{{Param: "_lastUpdated", Desc: true}}}, "entries", true},
		"by identifier":             {search.Query{Type: "Appointment", Where: search.Has("identifier=s|a7")}, "entries", false},
		"who has a slot":            {search.Query{Type: "Appointment", Where: search.And{search.Has("slot:Slot/x7"), search.Has("status:booked")}}, "entries", false},
		"all of a type":             {search.Query{Type: "Slot"}, "_id_", true},
		"by change":                 {search.Query{Type: "Slot", Sort: []search.Sort{{Param: "_lastUpdated"}}}, "history", true},
		"by change, latest first":   {search.Query{Type: "Slot", Sort: []search.Sort{{Param: "_lastUpdated", Desc: true}}}, "changed", true},
		"what starts later":         {search.Query{Type: "Slot", Where: start(search.Ge, 1990)}, "end", false},
		"what starts earlier":       {search.Query{Type: "Slot", Where: start(search.Lt, 10)}, "start", false},
	} {
		plan, err := s.Explain(t.Context(), &row.q)
		require.NoError(t, err, what)
		steps := strings.Join(plan.Steps, "; ")
		require.Contains(t, steps, "IXSCAN by index "+row.by, what)
		require.NotContains(t, steps, "COLLSCAN", what)
		if row.order {
			require.NotContains(t, plan.Steps, "SORT", what)
		}
		t.Logf("%s: %s", what, steps)
	}
}

func TestRealServerHasTheIndexes(t *testing.T) {
	uri, name, client := realDatabase(t)
	keepsIndexes(t, uri, name, client)
}

func TestTheFakeHasTheIndexes(t *testing.T) {
	fake := serve(t, fakereplset.Options{})
	keepsIndexes(t, fake.URI(), "fake", shell(t, fake).Client())
}

// keepsIndexes shows that a missing index is made again at the next start, and
// that a differing one is refused with the command that mends it.
func keepsIndexes(t *testing.T, uri, name string, client *driver.Client) {
	o := mongo.Options{Database: name}
	open(t, uri, o)
	open(t, uri, o) // what is there is as it should be
	res := client.Database(name).Collection("res")
	_, err := res.Indexes().DropOne(t.Context(), "entries")
	require.NoError(t, err)
	open(t, uri, o)
	_, err = res.Indexes().DropOne(t.Context(), "entries")
	require.NoError(t, err)
	_, err = res.Indexes().CreateOne(t.Context(), driver.IndexModel{Keys: bson.D{{Key: "t", Value: 1}}, Options: options.Index().SetName("entries")})
	require.NoError(t, err)
	_, err = mongo.Open(t.Context(), uri, o)
	require.ErrorContains(t, err, `db.res.dropIndex("entries")`)
}
