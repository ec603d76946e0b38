package bars_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

func TestReindexMakesRecordsFindableAgainWithoutNewVersions(t *testing.T) {
	s := open(t)
	s.accepted(booking(t, 2))
	ref := store.Ref{Type: "Slot", ID: slotID(clinic, 4)}
	rec := s.indexed(ref)
	rec.Index = search.Index{X: []string{"status:nonsense"}}
	s.plant(store.Put{Record: rec})
	_, broken := s.verify(false)
	require.Equal(t, []string{"index " + ref.String() + " "}, broken)
	before := s.indexed(ref).Version

	seen := map[string]int{}
	require.NoError(t, s.desk.Reindex(s.ctx, "", func(typ string, done, total int) {
		require.LessOrEqual(t, done, total)
		seen[typ] = done
	}))
	require.Positive(t, seen["Slot"])
	require.Positive(t, seen["Appointment"])
	_, broken = s.verify(false)
	require.Empty(t, broken)
	require.Equal(t, before, s.indexed(ref).Version)
}
