package sandbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

func slots(t *testing.T, now time.Time) map[string]*fhir.Resource {
	t.Helper()
	found := map[string]*fhir.Resource{}
	for _, r := range sandbox.Resources(now) {
		if r.Type() == "Slot" {
			require.NotContains(t, found, r.ID(), "two slots with one id")
			found[r.ID()] = r
		}
	}
	return found
}

// Ensure that ids are fixed, so that a start on another day only adds slots.
func TestTheSameSlotHasTheSameIDOnAnyDay(t *testing.T) {
	today := slots(t, time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC))
	tomorrow := slots(t, time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC))
	same := 0
	for id, r := range today {
		if other, ok := tomorrow[id]; ok {
			require.Equal(t, string(r.JSON()), string(other.JSON()))
			same++
		}
	}
	require.Equal(t, len(today)*(sandbox.Days-1)/sandbox.Days, same)
}

// Ensure that a diary opens at nine on the clock of London on both days on
// which the clocks change.
func TestADiaryOpensAtNineWhenTheClocksChange(t *testing.T) {
	for day, utc := range map[string]string{
		"2026-03-28": "2026-03-28T09:00:00.000Z", "2026-03-29": "2026-03-29T08:00:00.000Z",
		"2026-10-24": "2026-10-24T08:00:00.000Z", "2026-10-25": "2026-10-25T09:00:00.000Z",
	} {
		now, err := time.ParseInLocation("2006-01-02", day, nhs.London)
		require.NoError(t, err)
		first := ""
		for _, r := range slots(t, now) {
			if start := r.Get("start").Text(); first == "" || start < first {
				first = start
			}
		}
		require.Equal(t, utc, first, day)
	}
}

// Ensure that what examples rely on is there.
func TestTheSampleDirectoryIsThere(t *testing.T) {
	have := map[string]bool{}
	for _, r := range sandbox.Resources(time.Now()) {
		have[r.Type()+"/"+r.ID()] = true
	}
	for _, ref := range []string{
		"HealthcareService/2000072489", "HealthcareService/2000073917", "HealthcareService/2000011147", "HealthcareService/1503499715",
		"Organization/A1001", "Organization/B2002", "Organization/C3003", "Organization/D4004", "Organization/E5005",
	} {
		require.True(t, have[ref], ref)
	}
}
