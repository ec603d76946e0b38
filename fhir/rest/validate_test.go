package rest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

// issues returns the code and the expression of each issue.
func (a answer) issues(t *testing.T) [][2]string {
	t.Helper()
	require.Equal(t, 200, a.status, a.body)
	r := a.resource(t)
	require.Equal(t, "OperationOutcome", r.Type())
	var all [][2]string
	for issue := range r.Get("issue").Items() {
		all = append(all, [2]string{issue.Get("code").Text(), issue.Get("expression").At(0).Text()})
	}
	return all
}

const inParameters = `{"resourceType":"Parameters","parameter":[`

func TestValidateListsAllThatIsWrongAndStoresNothing(t *testing.T) {
	s := newScene(t)
	wrong := `{"resourceType":"Patient","birthDate":"1980-02-30","gender":"blue","colour":"red"}`
	want := [][2]string{{"value", "Patient.birthDate"}, {"invariant", "Patient.gender"}, {"structure", "Patient.colour"}}
	for _, body := range []string{wrong, inParameters + `{"name":"resource","resource":` + wrong + `}]}`} {
		for _, path := range []string{"/Patient/$validate", "/Patient/a/$validate", "/Patient/$validate?mode=create"} {
			a := s.send("POST", path, body)
			require.Equal(t, want, a.issues(t), a.body)
			require.NotContains(t, a.body, "1980")
			require.NotContains(t, a.body, "blue")
		}
	}
	require.Empty(t, s.backend.records)
}

func TestValidateOfASoundResourceSaysSo(t *testing.T) {
	s := newScene(t)
	sound := `{"resourceType":"Patient","id":"a","gender":"male"}`
	for _, c := range []struct{ path, body string }{
		{"/Patient/$validate", sound},
		{"/Patient/a/$validate", sound},
		{"/Patient/a/$validate?mode=update", sound},
		{"/Patient/$validate", inParameters + `{"name":"mode","valueCode":"update"},{"name":"resource","resource":` + sound + `}]}`},
	} {
		a := s.send("POST", c.path, c.body)
		require.Equal(t, [][2]string{{"informational", ""}}, a.issues(t), a.body)
		require.Equal(t, "information", a.resource(t).Get("issue", "severity").Text())
	}
	require.Equal(t, "xml", s.send("POST", "/Patient/$validate?_format=xml", sound).format(t))
	require.Empty(t, s.backend.records)
}

func TestValidateForDeleteLooksForTheRecord(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	mode := inParameters + `{"name":"mode","valueCode":"delete"}]}`
	require.Equal(t, [][2]string{{"informational", ""}}, s.send("POST", "/Patient/a/$validate", mode).issues(t))
	s.send("POST", "/Patient/b/$validate", mode).refused(t, 404, "not-found")
	s.send("POST", "/Patient/$validate", mode).refused(t, 400, "invalid")
	require.Len(t, s.backend.records["Patient/a"], 1)
}

func TestValidateRefusesWhatItCanNotCheck(t *testing.T) {
	s := newScene(t)
	sound := `{"resourceType":"Patient","id":"a"}`
	resource := `{"name":"resource","resource":` + sound + `}`
	for _, c := range []struct{ path, body, code string }{
		{"/Patient/$validate?mode=profile", sound, "required"},
		{"/Patient/$validate?profile=http://example.org/p", sound, "not-supported"},
		{"/Patient/$validate?mode=wild", sound, "value"},
		{"/Patient/$validate?other=1", sound, "not-supported"},
		{"/Patient/$validate", inParameters + resource + `,{"name":"profile","valueUri":"http://example.org/p"}]}`, "not-supported"},
		{"/Patient/$validate", inParameters + resource + `,{"name":"other"}]}`, "not-supported"},
		{"/Patient/$validate", inParameters + resource + `,` + resource + `]}`, "invalid"},
		{"/Patient/$validate", inParameters + resource + `,{"name":"mode","valueString":"create"}]}`, "invalid"},
		{"/Patient/$validate?mode=update", inParameters + resource + `,{"name":"mode","valueCode":"create"}]}`, "invalid"},
		{"/Patient/$validate", `{"resourceType":"Parameters"}`, "required"},
		{"/Patient/$validate?mode=update", `{"resourceType":"Patient"}`, "invalid"},
		{"/Patient/b/$validate", sound, "invalid"},
		{"/Patient/$validate", `{"resourceType":"Observation"}`, "invalid"},
		{"/Patient/$validate", `{"resourceType":"Patient",}`, "structure"},
	} {
		s.send("POST", c.path, c.body).refused(t, 400, c.code)
	}
	s.send("POST", "/Patient/$validate", sound, "If-None-Exist: _id=a").refused(t, 501, "not-supported")
	s.send("POST", "/Encounter/$validate", sound).refused(t, 404, "not-found")
	require.Equal(t, 415, s.do("POST", "/Patient/$validate", sound, "Content-Type: text/plain").status)
	require.Empty(t, s.backend.records)
}

func TestValidateCutsALongReport(t *testing.T) {
	s := newScene(t)
	names := ""
	for range 200 {
		names += `{"colour":"red"},`
	}
	a := s.send("POST", "/Patient/$validate", `{"resourceType":"Patient","name":[`+names[:len(names)-1]+`]}`)
	all := a.issues(t)
	require.Len(t, all, 101)
	require.Equal(t, "incomplete", all[100][0])
	_, err := fhir.Parse([]byte(a.body))
	require.NoError(t, err)
}
