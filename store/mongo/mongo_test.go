package mongo_test

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/mongo"
	"github.com/onward-health/onward/store/mongo/fakereplset"
	"github.com/onward-health/onward/store/storetest"
)

// serve starts a fake that the test's end closes.
func serve(t testing.TB, o fakereplset.Options) *fakereplset.Server {
	t.Helper()
	fake, err := fakereplset.Start(o)
	require.NoError(t, err)
	t.Cleanup(fake.Close)
	return fake
}

// open opens a store that the test's end closes.
func open(t testing.TB, uri string, o mongo.Options) *mongo.Store {
	t.Helper()
	s, err := mongo.Open(t.Context(), uri, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// topologies are the servers that the engine works with: a replica set, a cluster,
// and the oldest.
var topologies = []fakereplset.Options{{}, {Cluster: true, Trailing: true}, {WireVersion: 13}}

// Each rule of the contract is tried on one of the topologies in turn, and on all
// with ONWARD_SOAK.
func TestTheEngineKeepsTheContract(t *testing.T) {
	for first := range topologies {
		n := first
		storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
			n++
			return open(t, serve(t, topologies[n%len(topologies)]).URI(), mongo.Options{Now: now})
		})
		if os.Getenv("ONWARD_SOAK") == "" {
			return
		}
	}
}

// TestMain lets more tests run at once than there are processors: they wait for
// the driver to find its server again.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
