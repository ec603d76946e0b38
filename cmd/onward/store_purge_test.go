package main

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAPurgeRemovesOldVersionsAndKeepsTheCurrentOne drives the built binary: a
// record is updated and another deleted, the server stops, and what is left
// afterwards is read through a new one.
func TestAPurgeRemovesOldVersionsAndKeepsTheCurrentOne(t *testing.T) {
	path := "sqlite:" + filepath.Join(t.TempDir(), "onward.db")
	s := start(t, "--store", path, "--no-sandbox")
	for _, body := range []string{`{"resourceType":"Patient","id":"p1"}`, `{"resourceType":"Patient","id":"p1","active":true}`} {
		a := s.do("PUT", "/FHIR/R4/Patient/p1", plain(), []byte(body))
		require.Less(t, a.status, 300, "%s", a.body)
	}
	require.Equal(t, 201, s.do("PUT", "/FHIR/R4/Patient/p2", plain(), []byte(`{"resourceType":"Patient","id":"p2"}`)).status)
	require.Less(t, s.do("DELETE", "/FHIR/R4/Patient/p2", plain(), nil).status, 300)
	binary, err := builtOnce()
	require.NoError(t, err)
	purge := func(more ...string) (string, error) {
		out, err := exec.Command(binary, append([]string{"store", "purge", "--store", path}, more...)...).CombinedOutput()
		return string(out), err
	}
	now := time.Now().UTC().Add(2 * time.Millisecond).Format(time.RFC3339Nano) // past before any process starts
	out, err := purge("--before", now, "--yes")
	require.Error(t, err, "a running server holds the file")
	require.Contains(t, out, "in use")
	s.kill()
	for _, refused := range [][]string{{"--before", now}, {"--before", "yesterday", "--yes"}, {"--before", "2999-01-01", "--yes"}, {"--before", now, "--type", "Patient/", "--yes"}, {"--before", now, "--type", "patient", "--yes"}} {
		out, err := purge(refused...)
		require.Error(t, err, "%s", out)
	}
	out, err = purge("--before", now, "--type", "Patient", "--yes")
	require.NoError(t, err, "%s", out)
	require.Contains(t, out, "removed 2 superseded versions and 1 deleted records; audit record audit|purge/")

	s.run()
	require.Equal(t, 200, s.do("GET", "/FHIR/R4/Patient/p1", nil, nil).status)
	require.Equal(t, 200, s.do("GET", "/FHIR/R4/Patient/p1/_history/2", nil, nil).status)
	require.Equal(t, 404, s.do("GET", "/FHIR/R4/Patient/p1/_history/1", nil, nil).status)
	require.Equal(t, 404, s.do("GET", "/FHIR/R4/Patient/p2", nil, nil).status)
	require.NotContains(t, string(s.do("GET", "/FHIR/R4/Patient/p1/_history", nil, nil).body), "_history/1")
}
