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

// Ensure that a record that somebody has edited in the database is told apart from a
// database that can't be read.
func TestARecordThatWasEditedInTheDatabaseIsDamaged(t *testing.T) {
	for name, change := range map[string]bson.D{
		"a body with a binary floating-point number": {{Key: "$set", Value: bson.D{{Key: "body.x", Value: 1.5}}}},
		"a body that is a text":                      {{Key: "$set", Value: bson.D{{Key: "body", Value: "x"}}}},
		"no version":                                 {{Key: "$unset", Value: bson.D{{Key: "v", Value: ""}}}},
	} {
		t.Run(name, func(t *testing.T) {
			fake := serve(t, fakereplset.Options{})
			s := open(t, fake.URI(), mongo.Options{})
			ref := store.Ref{Type: "Task", ID: "a"}
			_, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: &store.Record{Type: ref.Type, ID: ref.ID, Method: "PUT",
				Body: []byte(`{"resourceType":"Task","id":"a"}`)}}}})
			require.NoError(t, err)
			client, err := driver.Connect(t.Context(), options.Client().ApplyURI(fake.URI()))
			require.NoError(t, err)
			t.Cleanup(func() { _ = client.Disconnect(t.Context()) })
			done, err := client.Database("fake").Collection("res").UpdateByID(t.Context(), ref.String(), change)
			require.NoError(t, err)
			require.EqualValues(t, 1, done.ModifiedCount)
			_, err = s.Get(t.Context(), ref)
			require.ErrorIs(t, err, store.ErrDamaged)
			require.NotErrorIs(t, err, store.ErrUnavailable)
		})
	}
}
