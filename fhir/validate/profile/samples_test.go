package profile

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/fhirxml"
	"github.com/onward-health/onward/fhir/r4"
)

// published finds the published profiles and samples, which aren't part of the
// repository.
func published(t testing.TB, name string) string {
	parent := os.Getenv("ONWARD_SAMPLES")
	if parent == "" {
		parent = "../../../../shared"
	}
	folder := filepath.Join(parent, name)
	if _, err := os.Stat(folder); err != nil {
		t.Skip("no " + name + " here: set ONWARD_SAMPLES to the folder that holds them")
	}
	return folder
}

func TestThePublishedProfilesLoad(t *testing.T) {
	begun := time.Now()
	s, err := Load(os.DirFS(published(t, "profiles")))
	require.NoError(t, err)
	t.Log(s.Len(), time.Since(begun))
	for _, u := range s.Unenforced() {
		t.Log(u)
	}
}

func readResource(t testing.TB, path string) *fhir.Resource {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var r *fhir.Resource
	if filepath.Ext(path) == ".xml" {
		r, err = fhirxml.ToJSON(text, r4.Tables)
	} else {
		r, err = fhir.Parse(text)
	}
	if err != nil {
		return nil
	}
	return r
}

func TestSamples(t *testing.T) {
	s, err := Load(os.DirFS(published(t, "profiles")))
	require.NoError(t, err)
	folder := published(t, "samples")
	for _, standard := range []string{"bars", "uk-core"} {
		filepath.WalkDir(filepath.Join(folder, standard), func(path string, _ os.DirEntry, err error) error {
			if e := filepath.Ext(path); e != ".json" && e != ".xml" {
				return nil
			}
			r := readResource(t, path)
			if r == nil {
				return nil
			}
			var asked []*Profile
			if list := s.Supported(r.Type()); len(list) > 0 {
				if p := s.Find("https://fhir.hl7.org.uk/StructureDefinition/UKCore-" + r.Type()); p != nil {
					asked = append(asked, p)
				}
			}
			rel, _ := filepath.Rel(folder, path)
			rep := s.Validate(r, asked...)
			for _, i := range rep.Issues {
				t.Log(rel, i.Severity, i.Code, i.Expression, i.Diagnostics())
			}
			return nil
		})
	}
}
