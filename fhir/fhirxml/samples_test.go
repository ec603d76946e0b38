package fhirxml

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/fhirtest"
	"github.com/onward-health/onward/fhir/r4"
)

// invalidSamples are published samples that are rightly refused, and why.
var invalidSamples = map[string]string{
	"bars/conformance/CodeSystem/rejected-reasons-bars.xml": "only XML 1.0 in UTF-8 is taken", // declares XML 1.1
}

func TestPublishedSamplesSurviveXMLToJSONAndBack(t *testing.T) {
	folder := fhirtest.Published(t, "samples")
	files := []string{}
	err := filepath.WalkDir(filepath.Join(folder, "bars"), func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".xml") {
			files = append(files, path)
		}
		return err
	})
	require.NoError(t, err)
	ukCore, err := filepath.Glob(filepath.Join(folder, "uk-core", "*.xml"))
	require.NoError(t, err)
	files = append(files, ukCore...)
	require.NotEmpty(t, files)
	refused := 0
	for _, file := range files {
		name, err := filepath.Rel(folder, file)
		require.NoError(t, err)
		xml, err := os.ReadFile(file)
		require.NoError(t, err)
		first, err := ToJSON(xml, r4.Tables)
		if reason, invalid := invalidSamples[filepath.ToSlash(name)]; invalid {
			require.ErrorContains(t, err, reason, name)
			refused++
			continue
		}
		require.NoError(t, err, name)
		require.True(t, survives(t, first), name)
	}
	require.Len(t, invalidSamples, refused, "an invalid sample isn't there any more")
	t.Logf("%d samples, %d of them rightly refused", len(files), refused)
}

// survives says whether JSON to XML to JSON gives the same bytes.
func survives(t *testing.T, r *fhir.Resource) bool {
	xml, err := FromJSON(r, r4.Tables)
	require.NoError(t, err)
	again, err := ToJSON(xml, r4.Tables)
	require.NoError(t, err)
	return string(again.JSON()) == string(r.JSON())
}

// TestTheOfficialExamplesSurviveJSONToXMLAndBack compares meanings where the
// bytes differ: XML has its own order of members and no null.
func TestTheOfficialExamplesSurviveJSONToXMLAndBack(t *testing.T) {
	folder := fhirtest.Examples(t)
	files, err := filepath.Glob(filepath.Join(folder, "*-*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	exact := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		first, err := fhir.Parse(text)
		require.NoError(t, err, file)
		xml, err := FromJSON(first, r4.Tables)
		require.NoError(t, err, file)
		again, err := ToJSON(xml, r4.Tables)
		require.NoError(t, err, file)
		if string(again.JSON()) == string(first.JSON()) {
			exact++
			continue
		}
		require.Equal(t, meaning(t, first), meaning(t, again), file)
	}
	t.Logf("%d examples mean the same after JSON to XML to JSON, %d of them byte for byte", len(files), exact)
}
