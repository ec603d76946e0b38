// Package fhirtest leads tests to published samples, profiles and examples, which
// aren't part of the repository.
package fhirtest

import (
	"os"
	"path/filepath"
	"testing"
)

// Published is the path of a published file or folder, which begins with "samples"
// or "profiles". A test is skipped where there is none.
func Published(t testing.TB, path ...string) string {
	t.Helper()
	place := Place(path...)
	if _, err := os.Stat(place); err != nil {
		t.Skip("the published files are not here: set ONWARD_SAMPLES to the folder that holds them (" + filepath.Join(path...) + ")")
	}
	return place
}

// Place is where such a file or folder is, if it is there: in the folder that
// ONWARD_SAMPLES names, else in shared beside the repository.
func Place(path ...string) string {
	root := os.Getenv("ONWARD_SAMPLES")
	if root == "" {
		root = filepath.Join(repository(), "..", "shared")
	}
	return filepath.Join(append([]string{root}, path...)...)
}

// Examples is the folder of the official R4 examples. A test is skipped where
// ONWARD_R4_EXAMPLES names none.
func Examples(t testing.TB) string {
	t.Helper()
	folder := os.Getenv("ONWARD_R4_EXAMPLES")
	if folder == "" {
		t.Skip("ONWARD_R4_EXAMPLES doesn't name the official R4 examples; make examples gets them and runs this")
	}
	return folder
}

// repository is its root, from a package's folder, in which tests run.
func repository() string {
	up := "."
	for range 20 {
		if _, err := os.Stat(filepath.Join(up, "go.mod")); err == nil {
			break
		}
		up = filepath.Join(up, "..")
	}
	return up
}
