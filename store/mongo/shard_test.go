package mongo_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
	driver "go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/mongo"
	"github.com/onward-health/onward/store/mongo/fakereplset"
)

func TestTheCollectionsOfAClusterAreShardedAtStart(t *testing.T) {
	fake := serve(t, fakereplset.Options{Cluster: true})
	open(t, fake.URI(), mongo.Options{})
	s := open(t, fake.URI(), mongo.Options{}) // and found sharded at the next
	cursor, err := shell(t, fake).Client().Database("config").Collection("collections").Find(t.Context(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	require.NoError(t, err)
	var got []string
	for cursor.Next(t.Context()) {
		got = append(got, cursor.Current.Lookup("_id").StringValue()+" "+cursor.Current.Lookup("key").String())
	}
	require.Equal(t, []string{`fake.aux {"_id": "hashed"}`, `fake.claim {"_id": "hashed"}`, `fake.hist {"k": "hashed"}`, `fake.res {"_id": "hashed"}`}, got)
	for _, w := range moreWrites()[:1] {
		_, err = s.Commit(t.Context(), w.batch)
		require.NoError(t, err)
		w.check(t, s)
	}
}

// Ensure that every write of one document names it by its shard key, without
// which a cluster refuses it, or asks all shards.
func TestWritesNameTheShardKey(t *testing.T) {
	fake, s := scene(t)
	fake.Record()
	for _, w := range moreWrites() {
		_, err := s.Commit(t.Context(), w.batch)
		if w.name == "a hold" || w.name == "a new record" {
			require.NoError(t, err)
		}
	}
	_, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: slot("s1", "more")}, store.Release{Slot: "free", Owner: "hold/x"}}})
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, c := range fake.Log() {
		for name, list := range map[string]string{"update": "updates", "delete": "deletes"} {
			if c.Name != name {
				continue
			}
			collection := c.Doc.Lookup(name).StringValue()
			values, err := c.Doc.Lookup(list).Array().Values()
			require.NoError(t, err)
			for _, v := range values {
				key := map[bool]string{true: "k", false: "_id"}[collection == "hist"]
				require.Equal(t, bson.TypeString, v.Document().Lookup("q", key).Type, "%s of %s", name, collection)
			}
			seen[name+" "+collection] = true
		}
	}
	for _, what := range []string{"update res", "update hist", "update claim", "delete claim"} {
		require.True(t, seen[what], what)
	}
}

func TestAClusterThatIsShardedOtherwiseIsRefused(t *testing.T) {
	config := func(t *testing.T, fake *fakereplset.Server) *driver.Collection {
		return shell(t, fake).Client().Database("config").Collection("collections")
	}
	fake := serve(t, fakereplset.Options{Cluster: true})
	_, err := config(t, fake).InsertOne(t.Context(), bson.D{{Key: "_id", Value: "fake.claim"}, {Key: "key", Value: bson.D{{Key: "owner", Value: 1}}}})
	require.NoError(t, err)
	_, err = mongo.Open(t.Context(), fake.URI(), mongo.Options{})
	require.ErrorContains(t, err, `collection claim is sharded by another key than {_id: "hashed"}`)
	require.ErrorContains(t, err, "`sh.reshardCollection(db.getName() + \".claim\", {_id: \"hashed\"})`")

	for name, what := range map[string]struct{ command, says string }{
		"may not shard": {"shardCollection", "`sh.shardCollection(db.getName() + \".res\", {_id: \"hashed\"})`"},
		"may not look":  {"find", "needs the role read on the database config"},
	} {
		t.Run(name, func(t *testing.T) {
			fake := serve(t, fakereplset.Options{Cluster: true})
			fake.Hook(func(c fakereplset.Call) *fakereplset.Fault {
				if c.Name == what.command && (c.Name != "find" || c.Doc.Lookup("$db").StringValue() == "config") {
					return &fakereplset.Fault{Reply: fakereplset.Failure(13, "Unauthorized", "no")}
				}
				return nil
			})
			_, err := mongo.Open(t.Context(), fake.URI(), mongo.Options{})
			require.ErrorContains(t, err, what.says)
		})
	}
	listed := serve(t, fakereplset.Options{Cluster: true})
	_, err = config(t, listed).InsertOne(t.Context(), bson.D{{Key: "_id", Value: "fake.res"}, {Key: "key", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "unsplittable", Value: true}})
	require.NoError(t, err)
	_, err = mongo.Open(t.Context(), listed.URI(), mongo.Options{})
	require.ErrorContains(t, err, "collection res isn't sharded")
}
