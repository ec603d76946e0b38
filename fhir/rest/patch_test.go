package rest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	asJSONPatch  = "Content-Type: application/json-patch+json"
	asMergePatch = "Content-Type: application/merge-patch+json; charset=utf-8"
)

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
		{"/Patient/a", "Content-Type: application/fhir+json", `{"resourceType":"Patient"}`, "", 415, "not-supported"},
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
		if c.status == 415 {
			require.Equal(t, "application/json-patch+json, application/merge-patch+json", a.header.Get("Accept-Patch"))
		}
	}
	require.Len(t, s.backend.records["Patient/a"], 1)
}
