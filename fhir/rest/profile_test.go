package rest_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/validate/profile"
)

const named = "https://clinic.example/StructureDefinition/Named"

// withProfile loads a profile of Patient that asks for a name.
func withProfile(t *testing.T) func(*rest.Options) {
	t.Helper()
	definition := `{"resourceType":"StructureDefinition","url":"` + named + `","version":"1.2","name":"Named","status":"active","kind":"resource","abstract":false,"type":"Patient",` +
		`"baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint","differential":{"element":[{"id":"Patient.name","path":"Patient.name","min":1}]}}`
	set, err := profile.Load(fstest.MapFS{"named.json": {Data: []byte(definition)}})
	require.NoError(t, err)
	return func(o *rest.Options) { o.Profiles = set }
}

func TestValidateChecksTheProfileThatIsAskedFor(t *testing.T) {
	s := newScene(t, withProfile(t))
	nameless := `{"resourceType":"Patient","gender":"blue"}`
	resource := `{"name":"resource","resource":` + nameless + `}`
	want := [][2]string{{"invariant", "Patient.gender"}, {"required", "Patient.name"}}
	for _, c := range []struct{ path, body string }{
		{"/Patient/$validate?profile=" + named, nameless},
		{"/Patient/$validate?mode=profile&profile=" + named + "%7C1.2", nameless},
		{"/Patient/$validate", inParameters + resource + `,{"name":"profile","valueUri":"` + named + `"}]}`},
		{"/Patient/$validate", inParameters + resource + `,{"name":"profile","valueCanonical":"` + named + `|1.2"},{"name":"mode","valueCode":"profile"}]}`},
		{"/Patient/$validate?profile=" + named, inParameters + resource + `,{"name":"profile","valueUri":"` + named + `"}]}`},
	} {
		a := s.send("POST", c.path, c.body)
		require.Equal(t, want, a.issues(t), c.path)
		require.Contains(t, a.body, named+", element Patient.name")
	}
	a := s.send("POST", "/Patient/$validate?profile="+named, `{"resourceType":"Patient","name":[{"text":"A"}]}`)
	require.Equal(t, [][2]string{{"informational", ""}}, a.issues(t))
	require.Empty(t, s.backend.records)
}

func TestValidateChecksWhatTheResourceClaims(t *testing.T) {
	s := newScene(t, withProfile(t))
	claims := func(canonical string) string {
		return `{"resourceType":"Patient","meta":{"profile":["` + canonical + `"]}}`
	}
	require.Equal(t, [][2]string{{"required", "Patient.name"}}, s.send("POST", "/Patient/$validate", claims(named)).issues(t))
	a := s.send("POST", "/Patient/$validate", claims("https://far.example"))
	require.Equal(t, [][2]string{{"informational", "Patient.meta.profile[0]"}}, a.issues(t))
	require.Equal(t, "information", a.resource(t).Get("issue", "severity").Text())
	require.Equal(t, [][2]string{{"informational", ""}}, s.send("POST", "/Patient/$validate", `{"resourceType":"Patient"}`).issues(t))
}

func TestValidateRefusesAProfileThatIsNotLoaded(t *testing.T) {
	s := newScene(t, withProfile(t))
	sound := `{"resourceType":"Patient","name":[{"text":"A"}]}`
	resource := `{"name":"resource","resource":` + sound + `}`
	for _, c := range []struct{ path, body, code string }{
		{"/Patient/$validate?profile=https://far.example", sound, "not-supported"},
		{"/Patient/$validate?profile=" + named + "%7C2.0", sound, "not-supported"},
		{"/Patient/$validate?profile=", sound, "not-supported"},
		{"/Patient/$validate?mode=profile", sound, "required"},
		{"/Patient/$validate", inParameters + resource + `,{"name":"profile","valueString":"` + named + `"}]}`, "invalid"},
		{"/Patient/$validate?profile=" + named, inParameters + resource + `,{"name":"profile","valueUri":"https://far.example"}]}`, "invalid"},
	} {
		require.NotContains(t, s.send("POST", c.path, c.body).refused(t, 400, c.code), "far.example")
	}
}
