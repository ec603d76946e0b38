package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
)

func conformant(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../testdata/bars/" + name + ".json")
	require.NoError(t, err)
	return string(text)
}

// Ensure that strict mode takes a conformant referral of each application and
// tells everything that is wrong with another at once.
func TestElementRulesDecideWhatStrictModeTakes(t *testing.T) {
	const hospital = sandbox.EmergencyCare // takes every use case
	s := start(t)
	for name, service := range map[string]string{"a1-referral": sandbox.UrgentTreatment, "a2-referral": sandbox.UrgentTreatment,
		"a3-referral": hospital, "a5-referral": hospital, "a6-referral": hospital, "a6-call-assist": hospital, "a8-referral": hospital} {
		a := s.do("POST", messagePath, speaking(service), []byte(conformant(t, name)))
		require.Equal(t, 200, a.status, "%s: %s", name, a.body)
	}
	broken := strings.NewReplacer(`"rank": 2`, `"rank": 1`, `"DRC"`, `"ABC"`, "EpisodeOfCare/0b", "EpisodeOfCare/x").Replace(conformant(t, "a3-referral"))
	a := s.do("POST", messagePath, speaking(hospital), []byte(broken))
	require.Equal(t, 400, a.status, "%s", a.body)
	var at []string
	for issue := range a.resource(t).Get("issue").Items() {
		require.Equal(t, "invariant", issue.Get("code").Text())
		require.Equal(t, "REC_BAD_REQUEST", issue.Dig("details", "coding", "code").Text())
		at = append(at, issue.Dig("expression").At(0).Text())
	}
	require.Equal(t, []string{"Bundle.entry[2].resource.episodeOfCare", "Bundle.entry[4].resource.contact[0].telecom", "Bundle.entry[8].resource.category"}, at)
	require.NotContains(t, string(a.body), "Sample")

	mild := start(t, "--bars-mode", "lenient")
	require.Equal(t, 200, mild.do("POST", messagePath, speaking(hospital), []byte(broken)).status)
}
