package sandbox_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store/sqlite"
)

var scaleStart = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestGeneratedDataIsTheSameForTheSameSeed(t *testing.T) {
	texts := func(seed uint64) (list []string) {
		s := sandbox.Scale{Slots: 500, Seed: seed, Start: scaleStart}
		for n := range s.Batches() {
			for _, r := range s.Batch(n) {
				list = append(list, string(r.JSON()))
			}
		}
		return list
	}
	require.Equal(t, texts(1), texts(1))
	require.NotEqual(t, texts(1), texts(2))
}

func TestGeneratedNHSNumbersAreValidAndOfTheTestRange(t *testing.T) {
	seen := map[nhs.NHSNumber]bool{}
	for n := range 2000 {
		number := sandbox.ScaleNHSNumber(n)
		require.True(t, number.Valid(), number)
		require.Equal(t, "999", string(number[:3]))
		require.False(t, seen[number], number)
		seen[number] = true
	}
	require.Len(t, sandbox.ScaleNHSNumber(111_110), 10)
}

// Ensure that what is generated keeps every invariant of the room.
func TestGeneratedDataPassesTheCheck(t *testing.T) {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, ":memory:", sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	desk := bars.NewDesk(db, bars.Options{Base: "https://onward.example/FHIR/R4"})
	s := sandbox.Scale{Slots: 1250, Seed: 7, Start: scaleStart}
	loaded := 0
	for n := range s.Batches() {
		batch := s.Batch(n)
		require.LessOrEqual(t, len(batch), bars.LoadBatch)
		stored, err := desk.Load(ctx, bars.Caller{Door: "seed"}, batch)
		require.NoError(t, err)
		loaded += stored
	}
	require.Equal(t, int(s.Resources())+6, loaded) // two services with what they hang on
	report, err := desk.Verify(ctx, bars.VerifyOptions{Everything: db})
	require.NoError(t, err)
	require.Empty(t, report.Breaches)
	require.Empty(t, report.Overlaps)
	require.Equal(t, 113, report.Appointments) // 12 of 125 are cancelled
	require.Equal(t, 113, report.Claims)
	again, err := desk.Load(ctx, bars.Caller{Door: "seed"}, s.Batch(0))
	require.NoError(t, err)
	require.Zero(t, again)
}
