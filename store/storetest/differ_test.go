package storetest_test

import (
	"flag"
	"testing"

	"github.com/onward-health/onward/store/sqlite"
	"github.com/onward-health/onward/store/storetest"
)

// The long run is make soak-search.
var (
	differSeed      = flag.Uint64("differ.seed", 2, "seed of the random resources and queries")
	differResources = flag.Int("differ.resources", 150, "resources in the store")
	differQueries   = flag.Int("differ.queries", 150, "queries compared")
)

func TestDifferFindsNoDifference(t *testing.T) {
	clock := storetest.NewClock()
	s, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := storetest.Differ(storetest.NewEnv(t.Context(), s, clock), *differSeed, *differResources, *differQueries); err != nil {
		t.Fatal(err)
	}
}
