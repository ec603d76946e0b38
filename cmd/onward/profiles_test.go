package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const named = "https://clinic.example/StructureDefinition/Named"

// profileFolder writes a profile of Patient that asks for a name, with one rule
// that can't be enforced.
func profileFolder(t *testing.T) string {
	t.Helper()
	return writeProfile(t, `{"id":"Patient.name","path":"Patient.name","min":1},`+
		`{"id":"Patient.maritalStatus","path":"Patient.maritalStatus","binding":{"strength":"required","valueSet":"https://far.example/set"}}`)
}

func writeProfile(t *testing.T, elements string) string {
	t.Helper()
	folder := t.TempDir()
	text := `{"resourceType":"StructureDefinition","url":"` + named + `","name":"Named","status":"active","kind":"resource","abstract":false,"type":"Patient",` +
		`"baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint","differential":{"element":[` + elements + `]}}`
	require.NoError(t, os.WriteFile(filepath.Join(folder, "named.json"), []byte(text), 0o600))
	return folder
}

func TestProfilesAreLoadedListedAndChecked(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:", "--no-sandbox", "--profiles", profileFolder(t))
	require.Contains(t, s.log(), `"profiles loaded" count=1`)
	require.Contains(t, s.log(), "file=named.json element=Patient.maritalStatus")
	supported := 0
	for resource := range s.do("GET", "/FHIR/R4/metadata", nil, nil).resource(t).Get("rest").At(0).Get("resource").Items() {
		if list := resource.Get("supportedProfile"); list.Exists() {
			supported++
			require.Equal(t, "Patient", resource.Get("type").Text())
			require.Equal(t, `["`+named+`"]`, string(list.Raw()))
		}
	}
	require.Equal(t, 1, supported)
	claims := []byte(`{"resourceType":"Patient","meta":{"profile":["` + named + `"]}}`)
	a := s.do("POST", "/FHIR/R4/Patient/$validate?profile="+named, plain(), claims)
	require.Equal(t, 200, a.status)
	require.Equal(t, "Patient.name", a.resource(t).Get("issue", "expression").At(0).Text())
	require.Equal(t, 400, s.do("POST", "/FHIR/R4/Patient/$validate?profile=https://far.example", plain(), claims).status)
	require.Equal(t, 201, s.do("POST", "/FHIR/R4/Patient", plain(), claims).status, "writes aren't held to profiles unless that is asked for")
}

func TestProfilesAreEnforcedOnWritesWhereThatIsAskedFor(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:", "--no-sandbox", "--profiles", profileFolder(t), "--enforce-profiles")
	a := s.do("POST", "/FHIR/R4/Patient", plain(), []byte(`{"resourceType":"Patient","meta":{"profile":["`+named+`"]}}`))
	require.Equal(t, 422, a.status)
	require.Equal(t, "Patient.name", a.resource(t).Get("issue", "expression").At(0).Text())
	require.Equal(t, 201, s.do("POST", "/FHIR/R4/Patient", plain(), []byte(`{"resourceType":"Patient"}`)).status)
	require.Equal(t, 201, s.do("POST", "/FHIR/R4/Patient", plain(), []byte(`{"resourceType":"Patient","name":[{"text":"A"}],"meta":{"profile":["`+named+`"]}}`)).status)
}

func TestAWrongProfileFolderStopsTheStart(t *testing.T) {
	out := refusedStart(t, "--store", "sqlite::memory:", "--profiles", writeProfile(t, `{"id":"Patient.colour","path":"Patient.colour","min":1}`))
	require.Contains(t, out, "named.json: element Patient.colour: the base has no such element")
	require.Contains(t, refusedStart(t, "--store", "sqlite::memory:", "--profiles", "nowhere"), "--profiles nowhere")
	require.Contains(t, refusedStart(t, "--store", "sqlite::memory:", "--enforce-profiles"), "--enforce-profiles needs --profiles")
}
