package mongo_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	driver "go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/readconcern"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"

	"github.com/onward-health/onward/store/mongo/fakereplset"
)

func TestRealServerTellsItsTime(t *testing.T) {
	_, name, client := realDatabase(t)
	tellsTime(t, client.Database(name))
}

func TestTheFakeTellsItsTime(t *testing.T) {
	tellsTime(t, shell(t, serve(t, fakereplset.Options{})))
}

// tellsTime shows what the change feed relies on: a read at majority, in a session
// of its own, tells the time of what it shows, which is no earlier than that of an
// acknowledged write, and the latest time that the server knows.
func tellsTime(t *testing.T, db *driver.Database) {
	of := func(do func(ctx context.Context, c *driver.Collection) error) (shown, latest primitive.Timestamp) {
		session, err := db.Client().StartSession()
		require.NoError(t, err)
		defer session.EndSession(t.Context())
		c := db.Collection("times", options.Collection().SetReadConcern(readconcern.Majority()).SetWriteConcern(writeconcern.Majority()))
		require.NoError(t, do(driver.NewSessionContext(t.Context(), session), c))
		require.NotNil(t, session.OperationTime())
		at, i, is := session.ClusterTime().Lookup("$clusterTime", "clusterTime").TimestampOK()
		require.True(t, is)
		return *session.OperationTime(), primitive.Timestamp{T: at, I: i}
	}
	for n := range 20 {
		written, _ := of(func(ctx context.Context, c *driver.Collection) error {
			_, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: n}})
			return err
		})
		shown, latest := of(func(ctx context.Context, c *driver.Collection) error {
			return c.FindOne(ctx, bson.D{{Key: "_id", Value: n}}).Err()
		})
		require.False(t, shown.Before(written), "%v %v", shown, written)
		require.False(t, latest.Before(shown), "%v %v", latest, shown)
	}
}

func TestRealServerBeginsNoWriteAfterALaterOne(t *testing.T) {
	_, name, client := realDatabase(t)
	keepsOrder(t, client.Database(name))
}

func TestTheFakeBeginsNoWriteAfterALaterOne(t *testing.T) {
	keepsOrder(t, shell(t, serve(t, fakereplset.Options{})))
}

// keepsOrder shows what a write whose answer was lost relies on: where a later one of
// its session has been carried out, though that changed nothing, it never comes true.
func keepsOrder(t *testing.T, db *driver.Database) {
	session, err := db.Client().StartSession()
	require.NoError(t, err)
	defer session.EndSession(t.Context())
	in := driver.NewSessionContext(t.Context(), session)
	insert := func(id string, number int64) error {
		raw, err := db.RunCommand(in, bson.D{{Key: "insert", Value: "order"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: id}}}}, {Key: "txnNumber", Value: number}}).Raw()
		if err == nil {
			require.Zero(t, raw.Lookup("writeErrors").Type, "%v", raw)
		}
		return err
	}
	require.NoError(t, insert("first", 5))
	require.NoError(t, insert("first", 5), "the same again is answered as it was")
	nothing := bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: "none"}}}, {Key: "limit", Value: 1}}
	require.NoError(t, db.RunCommand(in, bson.D{{Key: "delete", Value: "order"}, {Key: "deletes", Value: bson.A{nothing}}, {Key: "txnNumber", Value: int64(7)}}).Err())
	err = insert("late", 6)
	var refused driver.CommandError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, int32(225), refused.Code, "TransactionTooOld")
	require.ErrorIs(t, db.Collection("order").FindOne(t.Context(), bson.D{{Key: "_id", Value: "late"}}).Err(), driver.ErrNoDocuments)
}
