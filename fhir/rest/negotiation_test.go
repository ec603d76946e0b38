package rest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheClientMustTakeR4JSON(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	for _, c := range []struct {
		query, accept string
		status        int
		says          string
	}{
		{"", "", 200, ""},
		{"", " ", 200, ""},
		{"", "application/fhir+json", 200, ""},
		{"", "application/json", 200, ""},
		{"", "text/json", 200, ""},
		{"", "*/*", 200, ""},
		{"", "application/*", 200, ""},
		{"", "Application/FHIR+JSON; charset=utf-8", 200, ""},
		{"", "application/fhir+json; fhirVersion=4.0", 200, ""},
		{"", `application/fhir+json;fhirVersion="4.0"`, 200, ""},
		{"", "application/fhir+json; fhirVersion=4.0; q=0.2", 200, ""},
		{"", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 200, ""},
		{"", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", 200, ""},
		{"", "application/fhir+xml, application/fhir+json;q=0.1", 200, ""},
		{"", "application/fhir+json;fhirVersion=3.0, application/fhir+json;fhirVersion=4.0", 200, ""},
		{"", `text/x;a=",application/json,"`, 406, "application/fhir+json only"},
		{"", "application/fhir+xml", 406, "XML"},
		{"", "application/xml, text/xml", 406, "XML"},
		{"", "text/html", 406, "application/fhir+json only"},
		{"", "text/turtle", 406, "application/fhir+json only"},
		{"", "json", 406, ""},
		{"", "nonsense;;;", 406, ""},
		{"", "application/fhir+json;fhirVersion=3.0", 406, "4.0"},
		{"", "application/fhir+json;fhirVersion=4.0.1", 406, "4.0"},
		{"", "*/*;fhirVersion=5.0", 406, "4.0"},
		{"", "application/fhir+json;q=0", 406, ""},
		{"", "application/fhir+json;q=0.000", 406, ""},
		{"", "application/fhir+json;q=0, */*", 406, ""},
		{"", "application/*;q=0, */*;q=1", 406, ""},
		{"", "application/*;q=0, application/json", 200, ""},
		{"", "text/json, application/json;q=0", 200, ""},
		{"", "application/json;q=2", 406, ""},
		{"", "application/json;q=1.001", 406, ""},
		{"", "application/json;q=Inf", 406, ""},
		{"", "application/json;q=1.000", 200, ""},
		{"", strings.Repeat("text/html,", 500), 400, "too long"},
		{"?_format=json", "application/fhir+xml", 200, ""},
		{"?_format=application/json", "", 200, ""},
		{"?_format=application/fhir%2Bjson", "", 200, ""},
		{"?_format=application/fhir+json", "", 200, ""},
		{"?_format=application/fhir%2Bjson%3BfhirVersion%3D4.0", "", 200, ""},
		{"?_format=application/fhir+json;fhirVersion=4.0", "", 200, ""},
		{"?_format=text/json&_pretty=true", "", 200, ""},
		{"?_format=", "", 200, ""},
		{"?_format=", "text/html", 406, ""},
		{"?_format=xml", "application/fhir+json", 406, "XML"},
		{"?_format=application/fhir+xml", "", 406, "XML"},
		{"?_format=text/xml", "", 406, "XML"},
		{"?_format=json&_format=xml", "", 406, "XML"},
		{"?_format=html", "", 406, ""},
		{"?_format=ttl", "", 406, ""},
		{"?_format=*/*", "", 406, ""},
		{"?_format=application/fhir%2Bjson%3BfhirVersion%3D3.0", "", 406, "4.0"},
		{"?_format=%zz", "", 400, ""},
	} {
		for _, path := range []string{"/Patient/a", "/Patient/a/_history/1", "/Patient/a/_history", "/Patient"} {
			var headers []string
			if c.accept != "" {
				headers = []string{"Accept: " + c.accept}
			}
			a := s.do("GET", path+c.query, "", headers...)
			require.Equal(t, c.status, a.status, "%s %s: %s", path+c.query, c.accept, a.body)
			require.Equal(t, "application/fhir+json; charset=utf-8", a.header.Get("Content-Type"))
			if c.status == 406 {
				require.Contains(t, a.refused(t, 406, "not-supported"), c.says)
			}
		}
	}
	require.Equal(t, 200, s.do("GET", "/Patient/a", "", "Accept: text/html", "Accept: application/json").status, "two headers are one list")
	s.send("POST", "/Patient", `{"resourceType":"Patient"}`, "Accept: application/fhir+xml").refused(t, 406, "not-supported")
	require.Len(t, s.backend.records, 1, "refused before anything was written")
}

func TestABodyMustBeUncompressedR4JSON(t *testing.T) {
	for _, c := range []struct {
		headers []string
		status  int
		says    string
	}{
		{[]string{"Content-Type: application/fhir+json"}, 201, ""},
		{[]string{"Content-Type: application/json"}, 201, ""},
		{[]string{"Content-Type: text/json"}, 201, ""},
		{[]string{"Content-Type: Application/FHIR+json; Charset=UTF-8"}, 201, ""},
		{[]string{`Content-Type: application/json; charset="us-ascii"`}, 201, ""},
		{[]string{"Content-Type: application/fhir+json; fhirVersion=4.0"}, 201, ""},
		{[]string{"Content-Type: application/json", "Content-Encoding: identity"}, 201, ""},
		{nil, 415, "required"},
		{[]string{"Content-Type: "}, 415, ""},
		{[]string{"Content-Type: application/fhir+xml"}, 415, "XML"},
		{[]string{"Content-Type: text/plain"}, 415, "application/fhir+json"},
		{[]string{"Content-Type: application/x-www-form-urlencoded"}, 415, ""},
		{[]string{"Content-Type: application/json-patch+json"}, 415, ""},
		{[]string{"Content-Type: */*"}, 415, ""},
		{[]string{"Content-Type: json"}, 415, ""},
		{[]string{"Content-Type: application/json; charset=iso-8859-1"}, 415, "charset"},
		{[]string{"Content-Type: application/json; charset=utf-16"}, 415, "charset"},
		{[]string{"Content-Type: application/json; charset"}, 415, "malformed"},
		{[]string{"Content-Type: application/fhir+json; fhirVersion=3.0"}, 415, "4.0"},
		{[]string{"Content-Type: application/json", "Content-Type: application/fhir+xml"}, 415, "one Content-Type"},
		{[]string{"Content-Type: application/json", "Content-Encoding: gzip"}, 415, "compressed"},
		{[]string{"Content-Type: application/json", "Content-Encoding: identity, gzip"}, 415, "compressed"},
		{[]string{"Content-Type: application/json", "Content-Encoding: identity", "Content-Encoding: br"}, 415, "compressed"},
	} {
		s := newScene(t)
		a := s.do("PUT", "/Patient/a", `{"resourceType":"Patient","id":"a"}`, c.headers...)
		require.Equal(t, c.status, a.status, "%v: %s", c.headers, a.body)
		if c.status == 415 {
			require.Contains(t, a.refused(t, 415, "not-supported"), c.says)
			require.Empty(t, s.backend.records)
			s.do("POST", "/Patient", `{"resourceType":"Patient"}`, c.headers...).refused(t, 415, "not-supported")
		}
	}
}
