package fakereplset

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// doc makes a document of names and values in turn.
func doc(pairs ...any) bson.D {
	var d bson.D
	for i := 0; i < len(pairs); i += 2 {
		d = append(d, bson.E{Key: pairs[i].(string), Value: pairs[i+1]})
	}
	return d
}

func nested(levels int) bson.D {
	if levels == 1 {
		return doc("a", 1)
	}
	return doc("a", nested(levels-1))
}

// What no server takes the fake doesn't take either, so that the engine can't come
// to rely on it.
func TestTheFakeRefusesWhatNoServerTakes(t *testing.T) {
	s, err := Start(Options{Cluster: true})
	require.NoError(t, err)
	defer s.Close()
	in := func(more ...any) []any {
		return append([]any{"$db", "db", "lsid", doc("id", 1), "txnNumber", int64(1), "autocommit", false}, more...)
	}
	command := func(name, of string, more ...any) bson.D { return doc(append([]any{name, of}, more...)...) }
	require.Equal(t, 1.0, get(s.run(command("shardCollection", "db.hist", "key", doc("k", "hashed"), "$db", "admin")), "ok"))
	require.Equal(t, 1.0, get(s.run(command("createIndexes", "res", "$db", "db", "indexes", bson.A{doc("name", "two", "key", doc("x", 1, "d.start.all.lo", 1))})), "ok"))
	writes := func(name, list string, one bson.D, more ...any) bson.D {
		of := map[string]string{"updates": "hist", "deletes": "hist", "documents": "res"}[list]
		return command(name, of, append([]any{"$db", "db", list, bson.A{one}}, more...)...)
	}
	for what, row := range map[string]struct {
		code int32
		sent bson.D
	}{
		"an index in a transaction":             {263, command("createIndexes", "res", in("startTransaction", true)...)},
		"a write concern in a transaction":      {72, command("insert", "res", in("startTransaction", true, "writeConcern", doc("w", 1))...)},
		"a later read concern":                  {72, command("find", "res", in("readConcern", doc("level", "snapshot"))...)},
		"a commit elsewhere":                    {13, command("commitTransaction", "", in()...)},
		"a find that may be repeated":           {50768, command("find", "res", "$db", "db", "txnNumber", int64(1))},
		"a time to come":                        {72, command("find", "res", "$db", "db", "readConcern", doc("afterClusterTime", primitive.Timestamp{T: 1 << 31, I: 1}))},
		"an update without shard key":           {61, writes("update", "updates", doc("q", doc("_id", "a"), "u", doc("v", 1)))},
		"an update by a range of the shard key": {61, writes("update", "updates", doc("q", doc("k", doc("$gt", "a")), "u", doc("v", 1)))},
		"a delete without shard key":            {61, writes("delete", "deletes", doc("q", doc("_id", "a"), "limit", int32(1)))},
		"a repeatable write of many":            {72, writes("delete", "deletes", doc("q", doc("k", "a"), "limit", int32(0)), "txnNumber", int64(1))},
		"an index with many fields and a time":  {67, command("createIndexes", "res", "$db", "db", "indexes", bson.A{doc("name", "ttl", "key", doc("a", 1, "b", 1), "expireAfterSeconds", int32(1))})},
	} {
		got := s.run(row.sent)
		require.Equal(t, row.code, get(got, "code"), "%s: %v", what, got)
	}
	for what, row := range map[string]struct {
		code int32
		doc  bson.D
	}{
		"two arrays in one index": {171, doc("_id", "a", "x", bson.A{"a"}, "d", doc("start", doc("all", bson.A{doc("lo", 1)})))},
		"too deep":                {15, nested(101)},
	} {
		for _, sent := range []bson.D{writes("insert", "documents", row.doc), writes("update", "updates", doc("q", doc("k", "a"), "u", row.doc, "upsert", true))} {
			if strings.HasPrefix(what, "two") && sent[0].Key == "update" {
				sent[0].Value = "res"
			}
			got := s.run(sent)
			require.NotEmpty(t, list(got, "writeErrors"), "%s: %v", what, got)
			require.Equal(t, row.code, get(list(got, "writeErrors")[0].(bson.D), "code"), what)
		}
	}
	got := s.run(writes("insert", "documents", append(nested(100), bson.E{Key: "_id", Value: "a"})))
	require.Empty(t, list(got, "writeErrors"), "%v", got)
}
