package mongo

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/mongo"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/mongo/fakereplset"
)

func TestAnIndexThatTakesLongIsToldAsThat(t *testing.T) {
	fake, err := fakereplset.Start(fakereplset.Options{})
	require.NoError(t, err)
	defer fake.Close()
	var asked atomic.Bool
	built := make(chan struct{})
	defer close(built)
	fake.Hook(func(c fakereplset.Call) *fakereplset.Fault {
		if c.Name == "createIndexes" {
			asked.Store(true)
			<-built
		}
		return nil
	})
	client, err := mongo.Connect(t.Context(), settings(fake.URI()))
	require.NoError(t, err)
	s := newStore(client, Options{Now: time.Now, Database: "fake"})
	for wait := time.Second; !asked.Load(); wait *= 2 { // on a busy machine it takes long to get there
		require.Less(t, wait, time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), wait) // as startTime does
		err = refusal(t.Context(), s.prepare(ctx))
		cancel()
	}
	require.ErrorContains(t, err, "start again in a while")
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.NoError(t, client.Disconnect(t.Context()))
}

func TestAVanishedMemberIsNotWaitedForLong(t *testing.T) {
	require.Equal(t, connectTime, *settings("mongodb://127.0.0.1/").ConnectTimeout)
	require.Equal(t, 3*time.Second, *settings("mongodb://127.0.0.1/?connectTimeoutMS=3000").ConnectTimeout, "the address may say otherwise")
}
