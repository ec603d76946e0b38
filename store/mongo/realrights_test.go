package mongo_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/mongo"
)

// as is an address with another user, who is known to the database of that name.
func as(uri, user, password, database string) string {
	scheme, rest, _ := strings.Cut(uri, "://")
	rest, query, _ := strings.Cut(rest, "?")
	rest, _, _ = strings.Cut(rest, "/")
	if _, hosts, is := strings.Cut(rest, "@"); is {
		rest = hosts
	}
	out := scheme + "://" + user + ":" + password + "@" + rest + "/?authSource=" + database
	for _, option := range strings.Split(query, "&") {
		if name, _, _ := strings.Cut(strings.ToLower(option), "="); option != "" && !strings.HasPrefix(name, "auth") {
			out += "&" + option
		}
	}
	return out
}

func TestAnAddressForAnotherUserKeepsTheRest(t *testing.T) {
	for uri, want := range map[string]string{
		"mongodb://a:1,b:2/?replicaSet=rs0":                                "mongodb://u:p@a:1,b:2/?authSource=d&replicaSet=rs0",
		"mongodb://x:y@a:1/db?authSource=admin&authMechanism=PLAIN&tls=on": "mongodb://u:p@a:1/?authSource=d&tls=on",
		"mongodb+srv://x:y@a.example":                                      "mongodb+srv://u:p@a.example/?authSource=d",
	} {
		require.Equal(t, want, as(uri, "u", "p", "d"))
	}
}

// Ensure that the rights which docs/operations.md asks for are enough for all that
// the engine does: readWrite on the database, and read on config where the
// collections of a cluster are sharded.
func TestRealServerNeedsTheRightsOfTheManual(t *testing.T) {
	uri, name, client := realDatabase(t)
	db := client.Database(name)
	hello, err := client.Database("admin").RunCommand(t.Context(), bson.D{{Key: "hello", Value: 1}}).Raw()
	require.NoError(t, err)
	if hello.Lookup("setName").Type == 0 {
		open(t, uri, mongo.Options{Database: name}) // which shards them
	}
	role := func(role, of string) bson.D { return bson.D{{Key: "role", Value: role}, {Key: "db", Value: of}} }
	err = db.RunCommand(t.Context(), bson.D{{Key: "createUser", Value: "proof"}, {Key: "pwd", Value: name}, {Key: "roles", Value: bson.A{role("readWrite", name), role("read", "config")}}}).Err()
	if err != nil {
		t.Skip("the address's user may make no other: the rights that are needed are NOT proven")
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		require.NoError(t, db.RunCommand(ctx, bson.D{{Key: "dropUser", Value: "proof"}}).Err())
	})
	s := open(t, as(uri, "proof", name, name), mongo.Options{Database: name})
	if other, err := mongo.Open(t.Context(), as(uri, "proof", name, name), mongo.Options{Database: name + "_other"}); err == nil {
		require.NoError(t, other.Close())
		require.NoError(t, client.Database(name+"_other").Drop(t.Context()))
		t.Skip("the server lets everybody do everything: the rights that are needed are NOT proven")
	}
	everything(t, s)
}

func TestTheFakeDoesEverything(t *testing.T) {
	_, s := scene(t)
	everything(t, s)
}

// everything uses each command that the engine has.
func everything(t *testing.T, s *mongo.Store) {
	waiting := make(chan error, 1)
	go func() {
		_, err := s.Changes(context.WithoutCancel(t.Context()), "", 0, 10*time.Second)
		waiting <- err
	}()
	_, err := s.Commit(t.Context(), bookingOf("s1", "a"))
	require.NoError(t, err)
	require.NoError(t, <-waiting)
	ref := store.Ref{Type: "Appointment", ID: "a"}
	_, err = s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Delete{Ref: ref}}})
	require.NoError(t, err)
	_, err = s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Claim{Slot: "s2", Owner: "hold/x", Until: time.Now().Add(time.Minute)}}})
	require.NoError(t, err)
	q := &search.Query{Type: "Appointment", Where: search.Has("identifier=s|a"), Sort: []search.Sort{{Param: "start"}}}
	for what, err := range map[string]error{
		"search":  func() error { _, err := s.Search(t.Context(), q); return err }(),
		"count":   func() error { _, _, err := s.Count(t.Context(), q, 0); return err }(),
		"explain": func() error { _, err := s.Explain(t.Context(), q); return err }(),
		"history": func() error { _, err := s.History(t.Context(), ref, time.Time{}, 10, ""); return err }(),
		"counts":  func() error { _, err := s.Counts(t.Context()); return err }(),
		"items":   func() error { _, err := s.Items(t.Context()); return err }(),
		"scan":    func() error { _, err := s.AuxScan(t.Context(), "claim", "", "", 10); return err }(),
		"export":  s.Export(t.Context(), "", time.Now(), func([]store.Item, string) error { return nil }),
		"reindex": s.Reindex(t.Context(), "Appointment", "", func(*store.Record) (search.Index, error) { return search.Index{}, nil }, nil),
		"purge": func() error {
			_, err := s.Purge(t.Context(), store.PurgeRequest{Before: time.Now(), By: []byte(`{"who":"proof"}`)})
			return err
		}(),
		"health": func() error { _, err := s.Health(t.Context()); return err }(),
	} {
		require.NoError(t, err, what)
	}
}
