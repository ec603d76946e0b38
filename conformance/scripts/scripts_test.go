package scripts_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/scripts"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/validate"
)

var aFile = regexp.MustCompile(`^TestScript\.fixture\[\d+\]\.resource\.reference$`)

// Ensure that other runners can take our scripts too.
func TestEveryScriptIsAValidTestScript(t *testing.T) {
	names, err := scripts.Names()
	require.NoError(t, err)
	require.NotEmpty(t, names)
	more, err := scripts.BaRSNames()
	require.NoError(t, err)
	require.NotEmpty(t, more)
	for _, name := range append(names, more...) {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		r, err := fhir.Parse(text)
		require.NoError(t, err, name)
		require.Equal(t, strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)), r.ID())
		for _, issue := range validate.Resource(r, validate.Options{}).Issues {
			// A fixture may be a file beside the script, which is no resource's URL.
			if !aFile.MatchString(issue.Expression) {
				t.Errorf("%s: %s: %s", name, issue.Expression, issue.Text)
			}
		}
	}
}

// Ensure that the page lists each requirement with the test that proves it, and
// none that has no test.
func TestThePageListsEveryRequirement(t *testing.T) {
	page, err := os.ReadFile("../../docs/conformance.md")
	require.NoError(t, err)
	all, err := scripts.All()
	require.NoError(t, err)
	rows := 0
	for _, s := range all {
		seen := map[string]bool{}
		for _, test := range s.Tests {
			require.NotEmpty(t, test.Description, "%s/%s", s.ID, test.Name)
			require.False(t, seen[test.Name], "two tests %s/%s", s.ID, test.Name)
			seen[test.Name] = true
			rows++
			require.Contains(t, string(page), fmt.Sprintf("\n| %s | `%s/%s` |\n", test.Description, s.ID, test.Name))
		}
	}
	require.Equal(t, rows, strings.Count(string(page), "` |\n"), "the page lists tests that aren't there")
}
