package nhs_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/nhs"
)

func TestLondonChangesItsClocks(t *testing.T) {
	for utc, want := range map[string]string{
		"2026-01-15T12:00:00Z": "2026-01-15 12:00 GMT",
		"2026-03-29T00:59:59Z": "2026-03-29 00:59 GMT",
		"2026-03-29T01:00:00Z": "2026-03-29 02:00 BST",
		"2026-07-01T23:30:00Z": "2026-07-02 00:30 BST",
		"2026-10-25T00:59:59Z": "2026-10-25 01:59 BST",
		"2026-10-25T01:00:00Z": "2026-10-25 01:00 GMT",
		"1970-01-01T00:00:00Z": "1970-01-01 01:00 BST", // summer time all year from 1968 to 1971
	} {
		at, err := time.Parse(time.RFC3339, utc)
		require.NoError(t, err)
		require.Equal(t, want, at.In(nhs.London).Format("2006-01-02 15:04 MST"), utc)
	}
}

func TestALondonDayIsNotAlways24Hours(t *testing.T) {
	for day, hours := range map[string]float64{"2026-03-28": 24, "2026-03-29": 23, "2026-10-25": 25} {
		start, err := time.ParseInLocation(time.DateOnly, day, nhs.London)
		require.NoError(t, err)
		require.InDelta(t, hours, start.AddDate(0, 0, 1).Sub(start).Hours(), 0, day)
	}
}
