package dos

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Ensure that each demand in the page's table names tests that there are.
func TestThePageNamesTestsThatThereAre(t *testing.T) {
	page, err := os.ReadFile("../../docs/doors/dos.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(page), "## What is asked and what proves it")
	require.True(t, found)
	names := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(table, -1)
	require.Greater(t, len(names), 30)
	out, err := exec.Command("grep", "-rhoE", "^func Test[A-Za-z0-9]+", "--include=*_test.go", ".", "../../bars", "../../cmd/onward").Output()
	require.NoError(t, err)
	known := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		known[strings.TrimSpace(strings.TrimPrefix(line, "func "))] = true
	}
	for _, name := range names {
		require.True(t, known[name[1]], name[1])
	}
}
