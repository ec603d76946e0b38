package rest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir/rest"
)

const (
	asJSONPatch  = "Content-Type: application/json-patch+json"
	asMergePatch = "Content-Type: application/merge-patch+json; charset=utf-8"
	asFHIRPath   = "Content-Type: application/fhir+json"
)

// replaceGender is a FHIRPath Patch but for its path.
const replaceGender = `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},` +
	`{"name":"path","valueString":%q},{"name":"value","valueCode":"female"}]}]}`

func pathPatch(format, path string) string { return fmt.Sprintf(format, path) }

func TestAFHIRPathPatchMakesTheNextVersion(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	a := s.do("PATCH", "/Patient/a", pathPatch(replaceGender, "Patient.gender"), asFHIRPath, `If-Match: W/"1"`)
	require.Equal(t, []any{200, `W/"2"`}, []any{a.status, a.header.Get("ETag")}, a.body)
	require.Equal(t, `{"resourceType":"Patient","id":"a","gender":"female"}`, string(s.backend.records["Patient/a"][1].Body))
	a = s.do("PATCH", "/Patient?_id=a", `<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="operation"/>`+
		`<part><name value="type"/><valueCode value="add"/></part><part><name value="path"/><valueString value="Patient"/></part>`+
		`<part><name value="name"/><valueString value="contact"/></part><part><name value="value"/><part><name value="name"/><valueHumanName><text value="n"/></valueHumanName></part></part>`+
		`</parameter></Parameters>`, "Content-Type: application/fhir+xml", "Prefer: return=OperationOutcome")
	require.Equal(t, 200, a.status, a.body)
	require.Equal(t, "OperationOutcome", a.resource(t).Type())
	require.Equal(t, `{"resourceType":"Patient","id":"a","gender":"female","contact":[{"name":{"text":"n"}}]}`, string(s.backend.records["Patient/a"][2].Body))
	for i, kind := range []string{"batch", "transaction"} {
		a = s.send("POST", "/", bundleOf(kind, entry("PATCH", "Patient/a", pathPatch(replaceGender, "Patient.gender"))))
		require.Equal(t, []string{"200 OK"}, a.statuses(t, kind), a.body)
		require.Len(t, s.backend.records["Patient/a"], 4+i)
		a = s.send("POST", "/", bundleOf(kind, entry("PATCH", "Patient/a", pathPatch(replaceGender, "Patient.name"))))
		require.Contains(t, a.body, "operation 1: ")
		require.Len(t, s.backend.records["Patient/a"], 4+i)
	}
}

func TestAPatchMakesTheNextVersion(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	a := s.do("PATCH", "/Patient/a", `[{"op":"test","path":"/meta/versionId","value":"1"},{"op":"replace","path":"/gender","value":"female"}]`, asJSONPatch)
	require.Equal(t, []any{200, `W/"2"`, ""}, []any{a.status, a.header.Get("ETag"), a.header.Get("Location")}, a.body)
	require.Equal(t, `{"resourceType":"Patient","id":"a","meta":{"versionId":"2","lastUpdated":"2026-03-01T09:31:00.250Z"},"gender":"female"}`, a.body)
	a = s.do("PATCH", "/Patient/a", `{"gender":null,"active":true,"name":[{"family":"x"}]}`, asMergePatch, `If-Match: W/"2"`)
	require.Equal(t, 200, a.status, a.body)
	require.Equal(t, `{"resourceType":"Patient","id":"a","active":true,"name":[{"family":"x"}]}`, string(s.backend.records["Patient/a"][2].Body))
	require.Contains(t, s.do("GET", "/Patient/a/_history", "").body, `"request":{"method":"PATCH","url":"Patient/a"}`)
	a = s.do("PATCH", "/Patient?_id=a", `{}`, asMergePatch, "Prefer: return=minimal")
	require.Equal(t, []any{200, "", `W/"4"`}, []any{a.status, a.body, a.header.Get("ETag")})
}

func TestAPatchThatCanNotBeAppliedChangesNothing(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	s.patient("b", "male")
	require.Equal(t, 204, s.do("DELETE", "/Patient/b", "").status)
	for _, c := range []struct {
		path, typ, body, header string
		status                  int
		code                    string
	}{
		{"/Patient/a", asJSONPatch, `[{"op":"test","path":"/gender","value":"female"}]`, "", 422, "processing"},
		{"/Patient/a", asJSONPatch, `[{"op":"remove","path":"/name"}]`, "", 422, "processing"},
		{"/Patient/a", asJSONPatch, `{"op":"remove"}`, "", 400, "structure"},
		{"/Patient/a", asMergePatch, `[]`, "", 400, "structure"},
		{"/Patient/a", asMergePatch, `{}`, `If-Match: W/"7"`, 412, "conflict"},
		{"/Patient/a", asMergePatch, `{}`, `If-Match: 1`, 400, "value"},
		{"/Patient/a?x=1", asMergePatch, `{}`, "", 400, "not-supported"},
		{"/Patient/none", asMergePatch, `{}`, "", 404, "not-found"},
		{"/Patient?_id=a&_count=1", asMergePatch, `{}`, "", 400, "invalid"},
		{"/Patient/a", "Content-Type: application/json", `{"resourceType":"Parameters"}`, "", 415, "not-supported"},
		{"/Patient/a", asFHIRPath, `{"resourceType":"Patient"}`, "", 400, "invalid"},
		{"/Patient/a", asFHIRPath, `{`, "", 400, "structure"},
		{"/Patient/a", asFHIRPath, pathPatch(replaceGender, "Patient.gender.exists()"), "", 400, "not-supported"},
		{"/Patient/a", asFHIRPath, pathPatch(replaceGender, "Patient.name"), "", 422, "processing"},
		{"/Patient/a", asFHIRPath, pathPatch(replaceGender, "Patient.gender"), `If-Match: W/"7"`, 412, "conflict"},
		{"/Patient/none", asFHIRPath, pathPatch(replaceGender, "Patient.gender"), "", 404, "not-found"},
		{"/Patient/a", asFHIRPath + "; fhirVersion=3.0", pathPatch(replaceGender, "Patient.gender"), "", 415, "not-supported"},
		{"/Patient/a", asMergePatch, `{"colour":1}`, "Accept: application/fhir+xml", 406, "not-supported"},
	} {
		headers := []string{c.typ}
		if c.header != "" {
			headers = append(headers, c.header)
		}
		a := s.do("PATCH", c.path, c.body, headers...)
		require.Equal(t, c.status, a.status, "%v %s", c, a.body)
		if c.status == 406 {
			continue
		}
		a.refused(t, c.status, c.code)
		if c.status == 415 && !strings.Contains(c.typ, "fhirVersion") {
			require.Equal(t, strings.Join(rest.PatchTypes, ", "), a.header.Get("Accept-Patch"))
		}
	}
	require.Len(t, s.backend.records["Patient/a"], 1)
}
