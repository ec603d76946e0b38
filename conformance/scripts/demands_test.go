package scripts_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/scripts"
)

var aTest = regexp.MustCompile("^`([a-z0-9-]+/[a-z0-9-]+)`$")

// Ensure that each demand of the RESTful API chapter is proved by tests that are
// there, or says why it isn't.
func TestEveryDemandOfTheChapterIsProvedOrExplained(t *testing.T) {
	page, err := os.ReadFile("../../docs/conformance.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n## What http.html demands of a server\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	_, table, found := strings.Cut(section, "|---|---|---|\n")
	require.True(t, found)

	all, err := scripts.All()
	require.NoError(t, err)
	tests := map[string]bool{}
	for _, s := range all {
		for _, test := range s.Tests {
			tests[s.ID+"/"+test.Name] = true
		}
	}
	rows := strings.Split(strings.TrimSpace(table), "\n")
	require.Greater(t, len(rows), 40)
	for _, row := range rows {
		cells := strings.Split(row, " | ")
		require.Len(t, cells, 3, row)
		proof := strings.TrimPrefix(cells[0], "| ")
		if reason, excused := strings.CutPrefix(proof, "not applicable: "); excused {
			require.NotEmpty(t, reason)
			continue
		}
		if reason, open := strings.CutPrefix(proof, "not held: "); open {
			require.NotEmpty(t, reason)
			continue
		}
		for name := range strings.SplitSeq(proof, ", ") {
			m := aTest.FindStringSubmatch(name)
			require.NotNil(t, m, row)
			require.True(t, tests[m[1]], "there is no test %s", name)
		}
	}
}
