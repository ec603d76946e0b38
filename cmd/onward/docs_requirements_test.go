package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Ensure that each test that the pages of requirements name is there, and that no
// row is without one, or a reason.
func TestTheRequirementsPageNamesTestsThatExist(t *testing.T) {
	written := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test[A-Z]\w*)\(`)
	require.NoError(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(text, -1) {
			written[string(m[1])] = true
		}
		return err
	}))
	for page, least := range map[string]int{"bars-requirements.md": 60, "bars-sender-requirements.md": 45, "nhs111-requirements.md": 35} {
		requireTestsOfPage(t, filepath.Join("../../docs/doors", page), least, written)
	}
}

func requireTestsOfPage(t *testing.T, path string, least int, written map[string]bool) {
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	rows := 0
	for _, line := range strings.Split(string(page), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 4 || strings.HasPrefix(line, "|---") || strings.HasPrefix(line, "| requirement") || strings.HasPrefix(line, "| attack") {
			continue
		}
		rows++
		names := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(cells[2], -1)
		require.True(t, len(names) > 0 || strings.Contains(cells[2], "measured by"), "no test: %s", line)
		for _, m := range names {
			require.True(t, written[m[1]], "there is no test %s", m[1])
		}
	}
	require.Greater(t, rows, least)
}
