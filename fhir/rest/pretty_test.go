package rest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPrettyJSONTouchesOnlyWhiteSpace(t *testing.T) {
	s := newScene(t)
	s.send("PUT", "/Observation/o", `{"resourceType":"Observation","id":"o","z":[1.00,-0.0,1E+400,{},[],null],"a":"é\u00e9 { \"x\" : [1,2] } \\","b":{"c":true}}`)
	a := s.do("GET", "/Observation/o?_pretty=true", "")
	require.Equal(t, "json", a.format(t))
	require.Equal(t, strings.ReplaceAll(`{
  "resourceType": "Observation",
  "id": "o",
  "meta": {
    "versionId": "1",
    "lastUpdated": "2026-03-01T09:30:00.250Z"
  },
  "z": [
    1.00,
    -0.0,
    1E+400,
    {},
    [],
    null
  ],
  "a": "é§ { \"x\" : [1,2] } \\",
  "b": {
    "c": true
  }
}`, "§", `\u00e9`), a.body)
	plain := s.do("GET", "/Observation/o", "").body
	require.NotContains(t, plain, "\n")
	require.Equal(t, plain, s.do("GET", "/Observation/o?_pretty=false", "").body)
	require.Equal(t, plain, s.do("GET", "/Observation/o?_pretty=", "").body)
	require.Equal(t, plain, string(a.resource(t).JSON()))

	for _, path := range []string{"/Observation", "/Observation/o/_history", "/Observation/unknown"} {
		a := s.do("GET", path+"?_pretty=true", "")
		require.Contains(t, a.body, "{\n  \"resourceType\": \"", path)
	}
	require.Contains(t, s.send("PUT", "/Observation/o?_pretty=true", plain).body, "\n  \"id\": \"o\"")
	form := s.do("POST", "/Observation/_search", "_pretty=true", "Content-Type: application/x-www-form-urlencoded")
	require.Contains(t, form.body, "{\n  \"resourceType\": \"Bundle\"")
}

func TestPrettyXMLLeavesTheNarrativeAlone(t *testing.T) {
	div := `<div xmlns="http://www.w3.org/1999/xhtml">One <b title='>'>two</b><br/><i>three</i>` + "\n" +
		`<!-- a <div> that is none --><div>a<div/><p><![CDATA[</div>]]></p> b</div > four</div>`
	s := newScene(t)
	a := s.do("PUT", "/Patient/p", `<Patient xmlns="http://hl7.org/fhir"><id value="p"/><text><status value="generated"/>`+div+`</text>`+
		`<active value="true"/><name><family id="x" value="&gt;&lt;a>"><extension url="u"><valueString value="a&quot;>"/></extension></family></name></Patient>`,
		"Content-Type: "+asXML, "Accept: "+asXML)
	require.Equal(t, 201, a.status, a.body)
	a = s.do("GET", "/Patient/p?_pretty=true", "", "Accept: "+asXML)
	require.Equal(t, "xml", a.format(t))
	require.Equal(t, `<?xml version="1.0" encoding="UTF-8"?>
<Patient xmlns="http://hl7.org/fhir">
  <id value="p"/>
  <meta>
    <versionId value="1"/>
    <lastUpdated value="2026-03-01T09:30:00.250Z"/>
  </meta>
  <text>
    <status value="generated"/>
    `+div+`
  </text>
  <active value="true"/>
  <name>
    <family id="x" value=">&lt;a>">
      <extension url="u">
        <valueString value="a&quot;>"/>
      </extension>
    </family>
  </name>
</Patient>`, a.body)
	require.Contains(t, s.do("GET", "/Patient?_pretty=true&_format=xml", "").body, "\n  <entry>\n    <fullUrl ")
	require.Contains(t, s.do("GET", "/Patient/q?_pretty=true&_format=xml", "").body, "\n  <issue>\n    <severity value=\"error\"/>")
}

func TestPrettyIsTrueOrFalse(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	for _, path := range []string{"/Patient/a", "/Patient/a/_history/1", "/Patient", "/Patient/a/_history", "/Binary/a"} {
		for _, value := range []string{"1", "TRUE", "yes", "true%20"} {
			a := s.do("GET", path+"?_pretty="+value, "", "Prefer: handling=lenient")
			require.Contains(t, a.refused(t, 400, "value"), "_pretty", path)
		}
	}
	s.do("GET", "/Patient/a?_pretty=true&_pretty=false", "").refused(t, 400, "invalid")
	require.Equal(t, 200, s.do("GET", "/Patient/a?_pretty=true&_pretty=true", "").status)
	s.send("POST", "/Patient?_pretty=x", `{"resourceType":"Patient"}`).refused(t, 400, "value")
	require.Len(t, s.backend.records, 1)
}
