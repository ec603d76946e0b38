package storetest_test

import (
	"slices"
	"testing"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
	"github.com/onward-health/onward/store/storetest"
)

// TestABrokenEngineIsCaught breaks a good engine in one way at a time. Every
// check must catch at least one break, or it checks nothing.
func TestABrokenEngineIsCaught(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()) // for the pictures of what can't be
	checks := map[string]storetest.Check{}
	caught := map[string]bool{}
	for _, c := range storetest.Checks() {
		checks[c.Name] = c
	}
	for _, b := range slices.Concat(breaks, feedBreaks) {
		t.Run(b.name, func(t *testing.T) {
			for _, name := range b.caughtBy {
				check, known := checks[name]
				if !known {
					t.Errorf("there is no check %q", name)
					continue
				}
				if runBroken(t, check, b.wrap) == nil {
					t.Errorf("the check %q lets it pass", name)
					continue
				}
				caught[name] = true
			}
		})
	}
	for name := range checks {
		if !caught[name] {
			t.Errorf("nothing shows that the check %q can fail", name)
		}
	}
}

func runBroken(t *testing.T, check storetest.Check, wrap func(store.Store) store.Store) error {
	t.Helper()
	clock := storetest.NewClock()
	good, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	return check.Run(storetest.NewEnv(t.Context(), wrap(good), clock))
}
