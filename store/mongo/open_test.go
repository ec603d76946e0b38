package mongo_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
	driver "go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/mongo"
	"github.com/onward-health/onward/store/mongo/fakereplset"
)

func TestAServerThatCannotKeepTheContractIsRefusedByName(t *testing.T) {
	for _, c := range []struct {
		name string
		o    fakereplset.Options
		says string
	}{
		{"standalone", fakereplset.Options{Standalone: true}, "MongoDB must run as a replica set; a single server becomes one with `mongod --replSet rs0` and `rs.initiate()`"},
		{"no transactions", fakereplset.Options{NoTransactions: true}, "self-test a failed"},
		{"one _id twice", fakereplset.Options{DoubleIDs: true}, "self-test b failed"},
		{"lost updates", fakereplset.Options{LostUpdates: true}, "self-test c failed"},
		{"an arbiter in a shard", fakereplset.Options{Cluster: true, Arbiter: true}, "self-test d failed"},
		{"old server", fakereplset.Options{WireVersion: 9}, "5.0 or later"},
		{"a server too old for the driver", fakereplset.Options{WireVersion: 5}, "5.0 or later"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := mongo.Open(t.Context(), serve(t, c.o).URI(), mongo.Options{})
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestAnOlderServerWillDo(t *testing.T) {
	open(t, serve(t, fakereplset.Options{WireVersion: 17}).URI(), mongo.Options{})
}

func TestOneMemberIsKeptToOnlyWhereThereAreNoOthers(t *testing.T) {
	direct := func(fake *fakereplset.Server) string {
		return strings.Replace(fake.URI(), "replicaSet=rs0", "directConnection=true", 1)
	}
	open(t, direct(serve(t, fakereplset.Options{})), mongo.Options{})
	_, err := mongo.Open(t.Context(), direct(serve(t, fakereplset.Options{Hosts: []string{"127.0.0.1:1"}})), mongo.Options{})
	require.ErrorContains(t, err, "has directConnection=true")
}

func TestAStartThatCannotBeSaysWhatToCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		uri  func(fake *fakereplset.Server) string
		hook func(fakereplset.Call) *fakereplset.Fault
		says string
	}{
		{"a name that isn't in the DNS", func(*fakereplset.Server) string { return "mongodb+srv://bob:secret@secret.invalid/" }, nil, "aren't in the DNS"},
		{"a wrong password", func(f *fakereplset.Server) string { return strings.Replace(f.URI(), "://", "://bob:secret@", 1) },
			once("saslStart", 1, 1000, fakereplset.Fault{Reply: fakereplset.Failure(18, "AuthenticationFailed", "Authentication failed.")}), "refuses the user or password"},
		{"a wrong password of Atlas", func(f *fakereplset.Server) string { return strings.Replace(f.URI(), "://", "://bob:secret@", 1) },
			once("saslStart", 1, 1000, fakereplset.Fault{Reply: fakereplset.Failure(8000, "AtlasError", "bad auth : Authentication failed.")}), "refuses the user or password"},
		{"a user without rights at Atlas", (*fakereplset.Server).URI,
			once("createIndexes", 1, 1000, fakereplset.Fault{Reply: fakereplset.Failure(8000, "AtlasError", "user is not allowed to do action [createIndex] on [bob.secret]")}), "needs the role readWrite"},
		{"a mechanism that the server hasn't", func(f *fakereplset.Server) string { return strings.Replace(f.URI(), "://", "://bob:secret@", 1) },
			once("saslStart", 1, 1000, fakereplset.Fault{Reply: fakereplset.Failure(334, "MechanismUnavailable", "none such")}), "refuses the user or password"},
		{"a server without logins", func(f *fakereplset.Server) string { return strings.Replace(f.URI(), "://", "://bob:secret@", 1) },
			once("saslStart", 1, 1000, fakereplset.Fault{Reply: fakereplset.Failure(59, "CommandNotFound", "no such command: secret")}), "only looks like MongoDB"},
		{"a server without partial indexes", (*fakereplset.Server).URI,
			once("createIndexes", 1, 1000, fakereplset.Fault{Reply: fakereplset.Failure(238, "NotImplemented", "secret is not implemented")}), "only looks like MongoDB"},
		{"a user without any rights", (*fakereplset.Server).URI,
			once("find", 1, 1000, fakereplset.Fault{Reply: fakereplset.Failure(13, "Unauthorized", "not authorized on secret")}), "needs the role readWrite"},
		{"a user without rights", (*fakereplset.Server).URI,
			once("createIndexes", 1, 1000, fakereplset.Fault{Reply: fakereplset.Failure(13, "Unauthorized", "not authorized")}), "needs the role readWrite"},
		{"nobody there", func(f *fakereplset.Server) string { f.Close(); return f.URI() }, nil, "no primary of the MongoDB replica set answers within 5 s: nothing listens at a host's port"},
		{"another replica set", func(f *fakereplset.Server) string { return strings.Replace(f.URI(), "rs0", "rs1", 1) }, nil, "no host of the address is a member of the replica set that it names"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fake := serve(t, fakereplset.Options{})
			fake.Hook(c.hook)
			uri := c.uri(fake)
			_, err := mongo.Open(t.Context(), uri, mongo.Options{})
			require.ErrorContains(t, err, c.says)
			for _, part := range []string{"secret", "bob", "127.0.0.1"} {
				require.NotContains(t, err.Error(), part)
			}
		})
	}
}

// shell is a plain client of the same database.
func shell(t *testing.T, fake *fakereplset.Server) *driver.Database {
	client, err := driver.Connect(t.Context(), options.Client().ApplyURI(fake.URI()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Disconnect(t.Context()) })
	return client.Database("fake")
}

func TestADatabaseOfANewerProgramIsRefused(t *testing.T) {
	fake := serve(t, fakereplset.Options{})
	_, err := shell(t, fake).Collection("aux").InsertOne(t.Context(), bson.D{{Key: "_id", Value: "meta|schema"}, {Key: "v", Value: 2}})
	require.NoError(t, err)
	fake.Record()
	_, err = mongo.Open(t.Context(), fake.URI(), mongo.Options{})
	require.ErrorContains(t, err, "its schema is 2, this program knows 1")
	for _, c := range fake.Log() {
		require.Contains(t, []string{"find", "commitTransaction"}, c.Name, "nothing is written")
	}
}

func TestAServerWithoutTransactionsIsRefusedBeforeAnythingIsMade(t *testing.T) {
	fake := serve(t, fakereplset.Options{})
	fake.Hook(once("commitTransaction", 1, 1000, fakereplset.Fault{Reply: fakereplset.Failure(59, "CommandNotFound", "no such command")}))
	fake.Record()
	_, err := mongo.Open(t.Context(), fake.URI(), mongo.Options{})
	require.ErrorContains(t, err, "self-test a failed")
	for _, c := range fake.Log() {
		require.Contains(t, []string{"find", "commitTransaction"}, c.Name)
	}
}

func TestAnIndexThatIsNotOursIsRefused(t *testing.T) {
	ttl := func() *options.IndexOptions {
		return options.Index().SetName("expiry").SetExpireAfterSeconds(24 * 60 * 60)
	}
	exp := bson.D{{Key: "exp", Value: 1}}
	for name, model := range map[string]driver.IndexModel{
		"another time":      {Keys: exp, Options: ttl().SetExpireAfterSeconds(1)},
		"another field":     {Keys: bson.D{{Key: "at", Value: 1}}, Options: ttl()},
		"another direction": {Keys: bson.D{{Key: "exp", Value: -1}}, Options: ttl()},
		"unique":            {Keys: exp, Options: ttl().SetUnique(true)},
		"sparse":            {Keys: exp, Options: ttl().SetSparse(true)},
		"hidden":            {Keys: exp, Options: ttl().SetHidden(true)},
		"of a part":         {Keys: exp, Options: ttl().SetPartialFilterExpression(bson.D{{Key: "owner", Value: "x"}})},
		"with a collation":  {Keys: exp, Options: ttl().SetCollation(&options.Collation{Locale: "en"})},
	} {
		t.Run(name, func(t *testing.T) {
			fake := serve(t, fakereplset.Options{})
			_, err := shell(t, fake).Collection("claim").Indexes().CreateOne(t.Context(), model)
			require.NoError(t, err)
			_, err = mongo.Open(t.Context(), fake.URI(), mongo.Options{})
			require.ErrorContains(t, err, "index expiry of collection claim isn't as this program makes it; remove it with `db.claim.dropIndex(\"expiry\")`")
		})
	}
}

func TestAnIndexInTheWayOfOursIsNamed(t *testing.T) {
	for name, row := range map[string]struct {
		model driver.IndexModel
		drop  string
	}{
		"the same fields by another name": {driver.IndexModel{Keys: bson.D{{Key: "exp", Value: int32(1)}}, Options: options.Index().SetName("old")}, `db.claim.dropIndex("old")`},
		"another filter on the same field": {driver.IndexModel{Keys: bson.D{{Key: "t", Value: int32(1)}, {Key: "lu", Value: int32(1)}},
			Options: options.Index().SetName("deleted").SetPartialFilterExpression(bson.D{{Key: "del", Value: false}})}, `db.res.dropIndex("deleted")`},
	} {
		t.Run(name, func(t *testing.T) {
			fake := serve(t, fakereplset.Options{})
			collection := strings.Split(row.drop, ".")[1]
			_, err := shell(t, fake).Collection(collection).Indexes().CreateOne(t.Context(), row.model)
			require.NoError(t, err)
			_, err = mongo.Open(t.Context(), fake.URI(), mongo.Options{})
			require.ErrorContains(t, err, row.drop)
		})
	}
}

func TestACollectionWithACollationIsRefused(t *testing.T) {
	fake := serve(t, fakereplset.Options{})
	fake.Hook(func(c fakereplset.Call) *fakereplset.Fault {
		if c.Name != "listIndexes" || c.Doc.Lookup("listIndexes").StringValue() != "claim" {
			return nil
		}
		id := bson.D{{Key: "v", Value: 2}, {Key: "key", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "name", Value: "_id_"}, {Key: "collation", Value: bson.D{{Key: "locale", Value: "en"}, {Key: "strength", Value: 2}}}}
		return &fakereplset.Fault{Reply: bson.D{{Key: "ok", Value: 1.0}, {Key: "cursor", Value: bson.D{{Key: "id", Value: int64(0)}, {Key: "ns", Value: "fake.claim"}, {Key: "firstBatch", Value: bson.A{id}}}}}}
	})
	_, err := mongo.Open(t.Context(), fake.URI(), mongo.Options{})
	require.ErrorContains(t, err, "collection claim has a collation")
}

func TestTwoStoresOfOneDatabaseAreOne(t *testing.T) {
	fake := serve(t, fakereplset.Options{})
	a, b := open(t, fake.URI(), mongo.Options{}), open(t, fake.URI(), mongo.Options{})
	for _, id := range []string{"s1", "s2"} {
		r := slot(id, "")
		r.Index.D = []search.Span{{Param: "start", Lo: 1, Hi: 1}}
		_, err := a.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: r}}})
		require.NoError(t, err)
	}
	q := search.Query{Type: "Slot", Count: 1, Sort: []search.Sort{{Param: "start"}}}
	page, err := a.Search(t.Context(), &q)
	require.NoError(t, err)
	q.Cursor = page.Next
	page, err = b.Search(t.Context(), &q)
	require.NoError(t, err, "a cursor of one is good for the other")
	require.Equal(t, "s2", page.Records[0].ID)
}

func TestCommandsHaveTheShapeThatTheServerNeeds(t *testing.T) {
	fake, s := scene(t)
	fake.Record()
	for _, w := range writes() {
		_, err := s.Commit(t.Context(), w.batch)
		require.NoError(t, err, w.name)
		if w.name == "an update" {
			break
		}
	}
	for _, c := range fake.Log() {
		require.NotEqual(t, "commitTransaction", c.Name, "one record needs no transaction")
		if c.Name != "insert" && c.Name != "update" {
			continue
		}
		require.NotZero(t, c.Doc.Lookup("txnNumber").Type, "%s can be repeated", c.Name)
		require.Zero(t, c.Doc.Lookup("autocommit").Type)
		require.Equal(t, "majority", c.Doc.Lookup("writeConcern", "w").StringValue())
		require.True(t, c.Doc.Lookup("writeConcern", "j").Boolean())
	}
	fake.Record()
	booking := *writes()[5].batch
	booking.Ops = append([]store.Op{}, booking.Ops...)
	booking.Ops[2] = store.Put{Record: slot("s1", "busy")}
	_, err := s.Commit(t.Context(), &booking)
	require.NoError(t, err)
	var names []string
	for i, c := range fake.Log() {
		names = append(names, c.Name)
		require.False(t, c.Doc.Lookup("autocommit").Boolean())
		require.Equal(t, i == 0, c.Doc.Lookup("startTransaction").Type != 0)
		if c.Name == "commitTransaction" {
			require.Equal(t, "majority", c.Doc.Lookup("writeConcern", "w").StringValue())
			require.True(t, c.Doc.Lookup("writeConcern", "j").Boolean())
			require.Equal(t, int64(10_000), c.Doc.Lookup("maxTimeMS").AsInt64())
			continue
		}
		require.Zero(t, c.Doc.Lookup("writeConcern").Type, c.Name)
		if i == 0 {
			require.Equal(t, "snapshot", c.Doc.Lookup("readConcern", "level").StringValue())
		}
	}
	require.Equal(t, "find find find insert update update insert insert commitTransaction", strings.Join(names, " "))
	fake.Record()
	_, err = s.Get(t.Context(), store.Ref{Type: "Slot", ID: "s1"})
	require.NoError(t, err)
	require.Equal(t, "majority", fake.Log()[0].Doc.Lookup("readConcern", "level").StringValue())
}

// allowed are the operators that the engine may ask with.
var allowed = strings.Fields("$and $or $nor $in $elemMatch $exists $gt $gte $lt $lte")

func operators(v bson.RawValue, found map[string]bool) {
	var list []bson.RawElement
	if doc, is := v.DocumentOK(); is {
		list, _ = doc.Elements()
	} else if array, is := v.ArrayOK(); is {
		list, _ = array.Elements()
	}
	for _, e := range list {
		if strings.HasPrefix(e.Key(), "$") {
			found[e.Key()] = true
		}
		operators(e.Value(), found)
	}
}

func TestQueriesUseTheAllowedOperatorsOnly(t *testing.T) {
	fake, s := scene(t)
	fake.Record()
	var all search.And
	for _, op := range []search.Op{search.Eq, search.Ne, search.Gt, search.Lt, search.Ge, search.Le, search.Sa, search.Eb, search.Ap} {
		all = append(all, search.Date{Param: "start", Op: op, Lo: 1, Hi: 2}, search.Updated{Op: op, Lo: 1, Hi: 2})
	}
	all = append(all, search.Not{Node: search.Or{search.Prefix("a"), search.HasAny{"b"}, search.IDs{"s1"}, search.And{}, search.Or{}}})
	_, err := s.Search(t.Context(), &search.Query{Type: "Slot", Where: all, Sort: []search.Sort{{Param: "start"}, {Param: "name"}}})
	require.NoError(t, err)
	_, err = s.History(t.Context(), store.Ref{Type: "Slot"}, time.Time{}, 1, "")
	require.NoError(t, err)
	_, err = s.AuxScan(t.Context(), "link", "a", "b", 1)
	require.NoError(t, err)
	found := map[string]bool{}
	for _, c := range fake.Log() {
		operators(c.Doc.Lookup("filter"), found)
		require.Zero(t, c.Doc.Lookup("collation").Type)
	}
	require.Contains(t, found, "$elemMatch")
	for op := range found {
		require.True(t, slices.Contains(allowed, op), op)
	}
}

func TestTheMostSelectiveTermStandsFirst(t *testing.T) {
	fake, s := scene(t)
	fake.Record()
	_, err := s.Search(t.Context(), &search.Query{Type: "Slot", Where: search.And{search.Prefix("name:x"), search.Has("status:free"),
		search.Date{Param: "start", Op: search.Ge, Lo: 1, Hi: 1}, search.Has("schedule:Schedule/1"), search.Has("identifier=s|1")}})
	require.NoError(t, err)
	terms, err := fake.Log()[0].Doc.Lookup("filter", "$and").Array().Values()
	require.NoError(t, err)
	var order []string
	for _, v := range terms {
		e, err := v.Document().IndexErr(0)
		require.NoError(t, err)
		text, _ := e.Value().StringValueOK()
		order = append(order, e.Key()+text)
	}
	require.Equal(t, "xidentifier=s|1 xschedule:Schedule/1 d.start.hi xstatus:free x", strings.Join(order, " "))
}

func TestIndexesAreAsWrittenDown(t *testing.T) {
	fake, _ := scene(t)
	var got []string
	for _, name := range []string{"res", "hist", "claim", "aux"} {
		cursor, err := shell(t, fake).Collection(name).Indexes().List(t.Context())
		require.NoError(t, err)
		for cursor.Next(t.Context()) {
			elements, err := cursor.Current.Lookup("key").Document().Elements()
			require.NoError(t, err)
			line := name
			for _, e := range elements {
				sign := ""
				if n, _ := e.Value().AsInt64OK(); n < 0 {
					sign = "-"
				}
				line += " " + sign + e.Key()
			}
			if cursor.Current.Lookup("expireAfterSeconds").Type != 0 {
				line += " ttl"
			}
			if cursor.Current.Lookup("partialFilterExpression").Type != 0 {
				line += " partial"
			}
			got = append(got, line)
		}
	}
	require.Equal(t, []string{
		"res _id", "res t x -lu _id", "res t x d.start.lo _id partial", "res t d.start.lo _id partial", "res t d.start.hi _id partial", "res t -lu _id", "res t -lu -_id", "res -lu -_id", "res t lu partial",
		"hist _id", "hist k -v", "hist t -lu -k", "hist -lu -k",
		"claim _id", "claim slot part", "claim owner", "claim exp ttl", "aux _id", "aux kind _id", "aux exp ttl"}, got)
}

// A collection that has just been made or sharded lets transactions fail for a
// moment, and a primary may step down during the self-test: neither says that the
// server can't keep the contract.
func TestAFaultThatPassesIsNotTakenForWhatTheServerCannotDo(t *testing.T) {
	for name, row := range map[string]struct {
		n, times int // of the inserts, of which the transaction's is the first
		reply    bson.D
		says     string // "": it starts
	}{
		"a snapshot that isn't there yet":   {1, 3, fakereplset.Failure(246, "SnapshotUnavailable", "pending collection catalog changes", "TransientTransactionError"), ""},
		"a snapshot that never comes":       {1, 100, fakereplset.Failure(246, "SnapshotUnavailable", "pending collection catalog changes", "TransientTransactionError"), "MongoDB error code 246"},
		"a step-down in the transaction":    {1, 1, fakereplset.Failure(10107, "NotWritablePrimary", "not primary", "TransientTransactionError"), ""},
		"a step-down in the test of the id": {3, 2, fakereplset.Failure(11602, "InterruptedDueToReplStateChange", "stepping down", "RetryableWriteError"), "MongoDB error code 11602"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := serve(t, fakereplset.Options{})
			fake.Hook(once("insert", row.n, row.times, fakereplset.Fault{Reply: row.reply}))
			s, err := mongo.Open(t.Context(), fake.URI(), mongo.Options{})
			if row.says == "" {
				require.NoError(t, err)
				require.NoError(t, s.Close())
				return
			}
			require.ErrorContains(t, err, row.says)
			require.ErrorIs(t, err, store.ErrUnavailable)
		})
	}
}
