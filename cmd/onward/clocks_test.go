package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store/mongo/fakereplset"
)

func TestAClockThatDiffersFromTheDatabasesIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		apart time.Duration
		told  bool
	}{"slow": {-10 * time.Second, true}, "fast": {10 * time.Second, true}, "right": {0, false}} {
		t.Run(name, func(t *testing.T) {
			fake, err := fakereplset.Start(fakereplset.Options{Now: func() time.Time { return time.Now().Add(-c.apart) }})
			require.NoError(t, err)
			t.Cleanup(fake.Close)
			s := start(t, "--store", fake.URI(), "--no-sandbox")
			require.InDelta(t, c.apart.Seconds(), s.scrape()["onward_store_clock_ahead_seconds"], 0.5)
			if says := "the clocks of this machine and of the database differ"; c.told {
				require.Contains(t, s.log(), says)
			} else {
				require.NotContains(t, s.log(), says)
			}
		})
	}
}
