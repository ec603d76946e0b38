package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Ensure that the example of each application's page runs as it stands.
func TestTheExampleOfEachApplicationRuns(t *testing.T) {
	pages, err := filepath.Glob("../../docs/applications/a*.md")
	require.NoError(t, err)
	require.Len(t, pages, 8)
	for _, page := range pages {
		t.Run(filepath.Base(page), func(t *testing.T) { runPage(t, "docs/applications/"+filepath.Base(page)) })
	}
}
