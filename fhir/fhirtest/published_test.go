package fhirtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPublishedFilesAreLookedForWhereTheVariableSaysElseBesideTheRepository(t *testing.T) {
	t.Setenv("ONWARD_SAMPLES", "")
	require.FileExists(t, filepath.Join(repository(), "go.mod"))
	require.Equal(t, filepath.Join("..", "..", "..", "shared", "samples"), Place("samples"))
	folder := t.TempDir()
	t.Setenv("ONWARD_SAMPLES", folder)
	require.NoError(t, os.Mkdir(filepath.Join(folder, "samples"), 0o700))
	require.Equal(t, filepath.Join(folder, "samples"), Published(t, "samples"))
}
