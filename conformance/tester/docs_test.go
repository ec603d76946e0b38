package tester

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/scripts"
)

// Ensure that the page lists every case with its requirement. To write the
// table: ONWARD_WRITE_DOCS=1.
func TestThePageListsEveryCase(t *testing.T) {
	var table strings.Builder
	table.WriteString("\n| requirement | case |\n|---|---|\n")
	all, err := scripts.BaRS()
	require.NoError(t, err)
	seen := map[string]bool{}
	row := func(requirement, id string) {
		require.NotEmpty(t, requirement, id)
		require.False(t, seen[id], "two cases %s", id)
		seen[id] = true
		require.Contains(t, requirement, "(BaRS ", id)
		fmt.Fprintf(&table, "| %s | `%s` |\n", requirement, id)
	}
	for _, script := range all {
		for _, test := range script.Tests {
			row(test.Description, script.ID+"/"+test.Name)
		}
	}
	for _, c := range Cases() {
		row(c.Requirement, c.ID)
	}
	const path, begin, end = "../../docs/conform.md", "<!-- cases -->", "<!-- end -->"
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(page), begin)
	require.True(t, found)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found)
	want := before + begin + table.String() + end + after
	if os.Getenv("ONWARD_WRITE_DOCS") != "" {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(page))
}
