package rest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	stampText = `{"versionId":"1","lastUpdated":"2026-03-01T09:30:00.250Z"}`
	httpTime  = "Sun, 01 Mar 2026 09:30:00 GMT"
)

func TestCreateAnswersWithPlaceVersionAndResource(t *testing.T) {
	s := newScene(t)
	a := s.send("POST", "/Patient", `{"resourceType":"Patient","gender":"female"}`)
	require.Equal(t, 201, a.status, a.body)
	require.Equal(t, base+"/Patient/new-1/_history/1", a.header.Get("Location"))
	require.Equal(t, `W/"1"`, a.header.Get("ETag"))
	require.Equal(t, httpTime, a.header.Get("Last-Modified"))
	require.Equal(t, "application/fhir+json; charset=utf-8", a.header.Get("Content-Type"))
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.Equal(t, `{"resourceType":"Patient","id":"new-1","meta":`+stampText+`,"gender":"female"}`, a.body)
}

func TestPreferChoosesTheBodyOfAWrite(t *testing.T) {
	whole := `{"resourceType":"Patient","id":"p","meta":` + stampText + `}`
	outcome := `{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational","diagnostics":"the resource was created"}]}`
	for name, c := range map[string]struct {
		prefer []string
		want   string
	}{
		"nothing asked":                 {nil, whole},
		"minimal":                       {[]string{"Prefer: return=minimal"}, ""},
		"representation":                {[]string{"Prefer: return=representation"}, whole},
		"OperationOutcome":              {[]string{"Prefer: return=OperationOutcome"}, outcome},
		"quoted, among others":          {[]string{`Prefer: respond-async, handling=strict; x=y, RETURN = "minimal"; foo`}, ""},
		"the first one counts":          {[]string{"Prefer: return=minimal", "Prefer: return=representation"}, ""},
		"an unknown one is passed over": {[]string{"Prefer: return=everything"}, whole},
	} {
		t.Run(name, func(t *testing.T) {
			a := newScene(t).send("PUT", "/Patient/p", `{"resourceType":"Patient","id":"p"}`, c.prefer...)
			require.Equal(t, 201, a.status)
			require.Equal(t, c.want, a.body)
			require.Equal(t, base+"/Patient/p/_history/1", a.header.Get("Location"))
			require.Equal(t, `W/"1"`, a.header.Get("ETag"))
		})
	}
}

func TestUpdateCreatesOnceThenMakesVersions(t *testing.T) {
	s := newScene(t)
	body := `{"resourceType":"Patient","id":"p.1-A","gender":"male"}`
	require.Equal(t, 201, s.send("PUT", "/Patient/p.1-A", body).status)
	s.tick()
	a := s.send("PUT", "/Patient/p.1-A", body, `If-Match: W/"1"`)
	require.Equal(t, 200, a.status)
	require.Equal(t, `W/"2"`, a.header.Get("ETag"))
	require.Equal(t, "Sun, 01 Mar 2026 09:31:00 GMT", a.header.Get("Last-Modified"))
	require.Empty(t, a.header.Get("Location"))

	s.send("PUT", "/Patient/p.1-A", body, `If-Match: W/"1"`).refused(t, 412, "conflict")
	require.Len(t, s.backend.records["Patient/p.1-A"], 2)
}

// Ensure that every form of If-Match holds the write back, or is refused.
func TestIfMatchIsReadStrictly(t *testing.T) {
	s := newScene(t)
	s.patient("p", "male")
	body := `{"resourceType":"Patient","id":"p"}`
	for _, c := range []struct {
		value  string
		status int
		code   string
	}{
		{`1`, 400, "value"}, {`W/1`, 400, "value"}, {`w/"1"`, 400, "value"}, {`W/"1", W/"2"`, 400, "value"}, {`"1","1"`, 400, "value"}, {`*, "1"`, 400, "value"},
		{`W/"1`, 400, "value"}, {`W/ "1"`, 400, "value"}, {"", 400, "value"}, {`W/"a b"`, 400, "value"}, {`W/"`, 400, "value"},
		{`W/"2"`, 412, "conflict"}, {`"2"`, 412, "conflict"}, {`W/"01"`, 412, "conflict"}, {`W/"0"`, 412, "conflict"}, {`W/"-1"`, 412, "conflict"}, {`W/"+1"`, 412, "conflict"},
		{`W/""`, 412, "conflict"}, {`W/"x"`, 412, "conflict"}, {`W/"99999999999999999999"`, 412, "conflict"},
	} {
		t.Run(c.value, func(t *testing.T) {
			s := &scene{t: t, url: s.url}
			s.send("PUT", "/Patient/p", body, "If-Match: "+c.value).refused(t, c.status, c.code)
			s.do("DELETE", "/Patient/p", "", "If-Match: "+c.value).refused(t, c.status, c.code)
			s.do("PATCH", "/Patient/p", `{}`, asMergePatch, "If-Match: "+c.value).refused(t, c.status, c.code)
			s.send("PUT", "/Patient?_id=p", body, "If-Match: "+c.value).refused(t, c.status, c.code)
		})
	}
	s.send("PUT", "/Patient/p", body, `If-Match: W/"1"`, `If-Match: W/"2"`).refused(t, 400, "value")
	require.Len(t, s.backend.records["Patient/p"], 1)

	require.Equal(t, 200, s.send("PUT", "/Patient/p", body, `If-Match: "1"`).status, "a strong tag names the same version")
	require.Equal(t, 200, s.send("PUT", "/Patient/p", body, `If-Match: *`).status)
	s.send("PUT", "/Patient/q", `{"resourceType":"Patient","id":"q"}`, `If-Match: *`).refused(t, 412, "conflict")
	require.Equal(t, 204, s.do("DELETE", "/Patient/p", "", `If-Match: *`).status)
	s.send("PUT", "/Patient/p", body, `If-Match: *`).refused(t, 412, "conflict")
	require.Len(t, s.backend.records["Patient/p"], 4)
	require.NotContains(t, s.backend.records, "Patient/q")
}

func TestReadGivesTheCurrentVersionAndVreadAnyOne(t *testing.T) {
	s := newScene(t)
	s.patient("p", "male")
	s.patient("p", "other")

	a := s.do("GET", "/Patient/p", "")
	require.Equal(t, 200, a.status)
	require.Equal(t, `{"resourceType":"Patient","id":"p","meta":{"versionId":"2","lastUpdated":"2026-03-01T09:31:00.250Z"},"gender":"other"}`, a.body)
	require.Equal(t, `W/"2"`, a.header.Get("ETag"))
	require.Equal(t, "Sun, 01 Mar 2026 09:31:00 GMT", a.header.Get("Last-Modified"))

	a = s.do("GET", "/Patient/p/_history/1", "")
	require.Equal(t, 200, a.status)
	require.Equal(t, `{"resourceType":"Patient","id":"p","meta":`+stampText+`,"gender":"male"}`, a.body)
	require.Equal(t, `W/"1"`, a.header.Get("ETag"))

	for _, version := range []string{"3", "0", "01", "abc", "99999999999999999999"} {
		s.do("GET", "/Patient/p/_history/"+version, "").refused(t, 404, "not-found")
	}
	s.do("GET", "/Patient/p/_history/a_b", "").refused(t, 400, "value")
	s.do("GET", "/Patient/unknown", "").refused(t, 404, "not-found")
}

func TestHeadAnswersAsGetWithoutABody(t *testing.T) {
	s := newScene(t)
	s.patient("p", "male")
	for _, path := range []string{"/Patient/p", "/Patient/p/_history/1", "/Patient/p/_history", "/Patient"} {
		get, head := s.do("GET", path, ""), s.do("HEAD", path, "")
		require.Equal(t, 200, head.status, path)
		require.Empty(t, head.body, path)
		require.NotEmpty(t, get.body, path)
		for _, name := range []string{"ETag", "Last-Modified", "Content-Type", "Cache-Control"} {
			require.Equal(t, get.header.Get(name), head.header.Get(name), path)
		}
	}
	require.Equal(t, 404, s.do("HEAD", "/Patient/unknown", "").status)
}

func TestAReadIsAnsweredWith304WhenNothingChanged(t *testing.T) {
	s := newScene(t)
	s.patient("p", "male")
	for name, c := range map[string]struct {
		headers []string
		status  int
	}{
		"this version":                        {[]string{`If-None-Match: W/"1"`}, 304},
		"this version, strong":                {[]string{`If-None-Match: "1"`}, 304},
		"this version in a list":              {[]string{`If-None-Match: "x,y", W/"1"`}, 304},
		"any version":                         {[]string{`If-None-Match: *`}, 304},
		"another version":                     {[]string{`If-None-Match: W/"2"`}, 200},
		"not an ETag":                         {[]string{`If-None-Match: 1`}, 400},
		"not changed since":                   {[]string{"If-Modified-Since: Sun, 01 Mar 2026 09:30:00 GMT"}, 304},
		"changed since":                       {[]string{"If-Modified-Since: Sun, 01 Mar 2026 09:29:59 GMT"}, 200},
		"a date that isn't one":               {[]string{"If-Modified-Since: yesterday"}, 200},
		"the version goes before the instant": {[]string{`If-None-Match: W/"2"`, "If-Modified-Since: Sun, 01 Mar 2026 09:30:00 GMT"}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scene{t: t, url: s.url}
			for _, path := range []string{"/Patient/p", "/Patient/p/_history/1"} {
				a := s.do("GET", path, "", c.headers...)
				require.Equal(t, c.status, a.status, a.body)
				if c.status == 304 {
					require.Empty(t, a.body)
					require.Equal(t, `W/"1"`, a.header.Get("ETag"))
					require.Equal(t, httpTime, a.header.Get("Last-Modified"))
				}
			}
		})
	}
}

func TestADeletedResourceIsGoneButItsPastIsNot(t *testing.T) {
	s := newScene(t)
	s.patient("p", "male")
	s.do("DELETE", "/Patient/p", "", `If-Match: W/"7"`).refused(t, 412, "conflict")

	a := s.do("DELETE", "/Patient/p", "", `If-Match: W/"1"`)
	require.Equal(t, 204, a.status)
	require.Empty(t, a.body)
	require.Equal(t, `W/"2"`, a.header.Get("ETag"))
	require.Equal(t, 204, s.do("DELETE", "/Patient/p", "").status, "deleting again succeeds")

	s.do("GET", "/Patient/p", "").refused(t, 410, "deleted")
	s.do("GET", "/Patient/p", "", `If-None-Match: W/"2"`).refused(t, 410, "deleted")
	s.do("GET", "/Patient/p/_history/2", "").refused(t, 410, "deleted")
	require.Equal(t, 200, s.do("GET", "/Patient/p/_history/1", "").status)
	require.Equal(t, 204, s.do("DELETE", "/Patient/unknown", "").status, "what never was is deleted already")
	require.NotContains(t, s.backend.records, "Patient/unknown")
}

func TestABodyComesBackByteForByteApartFromIDAndStamp(t *testing.T) {
	sent := ` {
		"resourceType" : "Observation",
		"valueQuantity": {"value": 1.00, "code": "a\/b\u00e9é", "unit": "<&>"},
		"_birthDate": {"extension": [{"url": "urn:x", "valueTime": "14:35:45"}]},
		"z": [null, {"x": null}, 1e2, -0.0, 1E+400, 123456789012345678901234567890.10],
		"meta": {"tag": [{"code": "t"}], "versionId": "77", "lastUpdated": "2001-01-01T00:00:00Z"},
		"extension": [{"url": "https://unknown.example/e", "valueDecimal": 0.10}],
		"given": ["A", null], "_given": [null, {"id": "g"}],
		"a": "last though first in the alphabet"
	}`
	rest := `"valueQuantity":{"value":1.00,"code":"a\/b\u00e9é","unit":"<&>"},` +
		`"_birthDate":{"extension":[{"url":"urn:x","valueTime":"14:35:45"}]},` +
		`"z":[null,{"x":null},1e2,-0.0,1E+400,123456789012345678901234567890.10],` +
		`"meta":{"versionId":"1","lastUpdated":"2026-03-01T09:30:00.250Z","tag":[{"code":"t"}]},` +
		`"extension":[{"url":"https://unknown.example/e","valueDecimal":0.10}],` +
		`"given":["A",null],"_given":[null,{"id":"g"}],` +
		`"a":"last though first in the alphabet"}`
	want := `{"resourceType":"Observation","id":"new-1",` + rest

	s := newScene(t)
	require.Equal(t, want, s.send("POST", "/Observation", sent).body)
	require.Equal(t, want, s.do("GET", "/Observation/new-1", "").body)
	require.Equal(t, want, s.do("GET", "/Observation/new-1/_history/1", "").body)
	for _, path := range []string{"/Observation?_id=new-1", "/Observation/new-1/_history"} {
		a := s.do("GET", path, "")
		require.Contains(t, a.body, `"resource":`+want+`,"`, path)
		require.Equal(t, want, string(a.resource(t).Get("entry", "resource").Raw()), path)
	}
}
