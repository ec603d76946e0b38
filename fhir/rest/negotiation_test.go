package rest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir/rest"
)

const (
	asXML   = "application/fhir+xml"
	browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	java    = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
)

func TestTheAnswerIsInTheFormatAskedFor(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	for _, c := range []struct{ query, accept, want string }{
		{"", "", "json"},
		{"", " ", "json"},
		{"", ",", "json"},
		{"", "*/*", "json"},
		{"", "application/*", "json"},
		{"", "text/*", "json"},
		{"", "application/fhir+json", "json"},
		{"", "application/json", "json"},
		{"", "text/json", "json"},
		{"", "Application/FHIR+JSON; charset=utf-8", "json"},
		{"", "application/fhir+json; fhirVersion=4.0", "json"},
		{"", `application/fhir+json;fhirVersion="4.0"`, "json"},
		{"", "application/fhir+json; fhirVersion=4.0; q=0.2", "json"},
		{"", "application/json;q=1.000", "json"},
		{"", "application/json; version=1.5.0", "json"},
		{"", java, "json"},
		{"", `text/html, application/json`, "json"},

		{"", "application/fhir+xml", "xml"},
		{"", "application/xml", "xml"},
		{"", "text/xml", "xml"},
		{"", "TEXT/XML", "xml"},
		{"", "application/fhir+xml; charset=utf-8", "xml"},
		{"", "application/fhir+xml; fhirVersion=4.0", "xml"},
		{"", "application/xml, text/xml", "xml"},
		{"", "text/html, application/xml;q=0.1", "xml"},
		{"", browser, "xml"},

		// The higher quality wins, then what is named, then JSON.
		{"", "application/fhir+xml, application/fhir+json;q=0.1", "xml"},
		{"", "application/fhir+xml;q=0.1, application/fhir+json", "json"},
		{"", "application/fhir+xml;q=0.9, application/fhir+json;q=0.8", "xml"},
		{"", "application/fhir+xml;q=0.1234, application/fhir+json;q=0.1233", "xml"},
		{"", "application/fhir+xml;q=.2, application/fhir+json;q=.1", "xml"},
		{"", "application/fhir+xml, application/fhir+json", "json"},
		{"", "application/fhir+xml, application/json", "json"},
		{"", "application/fhir+xml, */*", "xml"},
		{"", "application/xml, application/*", "xml"},
		{"", "application/fhir+xml;q=0.5, */*;q=0.5", "xml"},
		{"", "application/fhir+xml;q=0.5, */*", "json"},
		{"", "*/*, application/fhir+json;q=0.5", "xml"},
		{"", "application/*;q=0.2, text/xml;q=0.1", "json"},

		// The most exact range speaks for a format, whatever its quality.
		{"", "application/fhir+json;q=0, */*", "xml"},
		{"", "application/fhir+json;q=0.0, application/*;q=0.1", "xml"},
		{"", "application/fhir+xml;q=0, */*", "json"},
		{"", "application/fhir+json;q=0, application/json, application/xml;q=0.1", "xml"},
		{"", "application/*;q=0, application/json", "json"},
		{"", "application/*;q=0, text/xml", "xml"},
		{"", "text/json, application/json;q=0", "json"},
		{"", "application/fhir+json;q=0.1, application/fhir+json;fhirVersion=4.0;q=0.9, application/fhir+xml;q=0.5", "json"},
		{"", "application/fhir+json;q=0.9, application/fhir+json;fhirVersion=4.0;q=0.1, application/fhir+xml;q=0.5", "xml"},
		{"", "application/fhir+json;fhirVersion=3.0, application/fhir+json;fhirVersion=4.0", "json"},
		{"", "application/fhir+json;fhirVersion=3.0, application/fhir+xml;q=0.1", "xml"},

		{"", `text/x;a=",application/json,"`, "application/fhir+json and"},
		{"", "text/html", "application/fhir+json and"},
		{"", "text/turtle", "application/fhir+json and"},
		{"", "application/fhir+turtle", "application/fhir+json and"},
		{"", "application/json-patch+json", "application/fhir+json and"},
		{"", "application/atom+xml", "application/fhir+json and"},
		{"", "json", "application/fhir+json and"},
		{"", "xml", "application/fhir+json and"},
		{"", "nonsense;;;", "application/fhir+json and"},
		{"", "application/fhir+json;fhirVersion=3.0", "4.0"},
		{"", "application/fhir+xml;fhirVersion=3.0", "4.0"},
		{"", "application/fhir+json;fhirVersion=4.0.1", "4.0"},
		{"", "*/*;fhirVersion=5.0", "4.0"},
		{"", "application/fhir+json;q=0", "application/fhir+json and"},
		{"", "application/fhir+json;q=0.000, application/fhir+xml;q=0", "application/fhir+json and"},
		{"", "*/*;q=0", "application/fhir+json and"},
		{"", "application/*;q=0, text/*;q=0, */*;q=1", "application/fhir+json and"},
		{"", "application/json;q=2", "application/fhir+json and"},
		{"", "application/json;q=1.001", "application/fhir+json and"},
		{"", "application/json;q=Inf", "application/fhir+json and"},
		{"", "application/json;q=-1", "application/fhir+json and"},
		{"", "application/json;q=1e-1", "application/fhir+json and"},
		{"", "application/json;q=0x1", "application/fhir+json and"},
		{"", "application/json;q=.", "application/fhir+json and"},
		{"", `application/json;q=""`, "application/fhir+json and"},

		// _format goes before Accept.
		{"?_format=json", "application/fhir+xml", "json"},
		{"?_format=xml", "application/fhir+json", "xml"},
		{"?_format=xml", "text/html", "xml"},
		{"?_format=XML", "", "xml"},
		{"?_format=application/json", "", "json"},
		{"?_format=application/xml", "", "xml"},
		{"?_format=text/xml", "", "xml"},
		{"?_format=text/json&_pretty=false", "", "json"},
		{"?_format=application/fhir%2Bjson", "", "json"},
		{"?_format=application/fhir+json", "application/fhir+xml", "json"},
		{"?_format=application/fhir%2Bxml", "", "xml"},
		{"?_format=application/fhir+xml", "", "xml"},
		{"?_format=application/fhir%2Bjson%3BfhirVersion%3D4.0", "", "json"},
		{"?_format=application/fhir+xml;fhirVersion=4.0", "", "xml"},
		{"?_format=", "", "json"},
		{"?_format=", "application/fhir+xml", "xml"},
		{"?_format=", "text/html", "application/fhir+json and"},
		{"?_format=html", "application/fhir+json", "application/fhir+json and"},
		{"?_format=ttl", "", "application/fhir+json and"},
		{"?_format=*/*", "", "application/fhir+json and"},
		{"?_format=application/json;q=0", "", "application/fhir+json and"},
		{"?_format=application/fhir%2Bjson%3BfhirVersion%3D3.0", "", "4.0"},
		{"?_format=application/fhir%2Bxml%3BfhirVersion%3D3.0", "", "4.0"},
	} {
		for _, path := range []string{"/Patient/a", "/Patient/a/_history/1", "/Patient/a/_history", "/Patient"} {
			var headers []string
			if c.accept != "" {
				headers = []string{"Accept: " + c.accept}
			}
			a := s.do("GET", path+c.query, "", headers...)
			switch says := path + c.query + " " + c.accept; c.want {
			case "json", "xml":
				require.Equal(t, 200, a.status, says)
				require.Equal(t, c.want, a.format(t), says)
			default:
				require.Equal(t, 406, a.status, says)
				require.Contains(t, a.refused(t, 406, "not-supported"), c.want, says)
			}
		}
	}
	for _, path := range []string{"/Patient/a", "/Patient/a/_history"} { // a search takes each parameter of the result once
		require.Equal(t, "xml", s.do("GET", path+"?_format=xml&_format=text/xml", "").format(t))
		require.Equal(t, "xml", s.do("GET", path+"?_format=&_format=xml", "").format(t))
		require.Contains(t, s.do("GET", path+"?_format=json&_format=xml", "").refused(t, 406, "not-supported"), "more than once")
	}
	require.Equal(t, "json", s.do("GET", "/Patient/a", "", "Accept: text/html", "Accept: application/json").format(t), "two headers are one list")
	require.Contains(t, s.do("GET", "/Patient/a", "", "Accept: "+strings.Repeat("text/html,", 500)).refused(t, 400, "too-costly"), "too long")
	s.do("GET", "/Patient/a?_format=%zz", "").refused(t, 400, "invalid")
	s.send("POST", "/Patient", `{"resourceType":"Patient"}`, "Accept: text/turtle").refused(t, 406, "not-supported")
	require.Len(t, s.backend.records, 1, "refused before anything was written")
}

// format says in what format the body is, and that the headers say the same.
func (a answer) format(t *testing.T) string {
	t.Helper()
	require.Equal(t, "Accept, Accept-Encoding", a.header.Get("Vary"))
	switch a.header.Get("Content-Type") {
	case rest.ContentType:
		require.True(t, strings.HasPrefix(a.body, "{"), a.body)
		return "json"
	case rest.ContentTypeXML:
		require.True(t, strings.HasPrefix(a.body, `<?xml version="1.0" encoding="UTF-8"?>`), a.body)
		return "xml"
	}
	return ""
}

func TestABodyMustBeR4JSONOrXML(t *testing.T) {
	const inJSON, inXML = `{"resourceType":"Patient","id":"a"}`, `<Patient xmlns="http://hl7.org/fhir"><id value="a"/></Patient>`
	for _, c := range []struct {
		headers []string
		body    string
		status  int
		says    string
	}{
		{[]string{"Content-Type: application/fhir+json"}, inJSON, 201, ""},
		{[]string{"Content-Type: application/json"}, inJSON, 201, ""},
		{[]string{"Content-Type: text/json"}, inJSON, 201, ""},
		{[]string{"Content-Type: Application/FHIR+json; Charset=UTF-8"}, inJSON, 201, ""},
		{[]string{`Content-Type: application/json; charset="us-ascii"`}, inJSON, 201, ""},
		{[]string{"Content-Type: application/fhir+json; fhirVersion=4.0"}, inJSON, 201, ""},
		{[]string{"Content-Type: application/json", "Content-Encoding: identity"}, inJSON, 201, ""},
		{[]string{"Content-Type: application/fhir+xml"}, inXML, 201, ""},
		{[]string{"Content-Type: application/xml"}, inXML, 201, ""},
		{[]string{"Content-Type: text/xml"}, inXML, 201, ""},
		{[]string{"Content-Type: TEXT/XML; charset=utf-8"}, inXML, 201, ""},
		{[]string{`Content-Type: application/xml; charset="US-ASCII"`}, inXML, 201, ""},
		{[]string{"Content-Type: application/fhir+xml; fhirVersion=4.0"}, "\uFEFF" + inXML, 201, ""},
		{[]string{"Content-Type: application/fhir+xml"}, inJSON, 400, "not acceptable XML"},
		{[]string{"Content-Type: application/fhir+json"}, inXML, 400, "JSON object"},
		{[]string{"Content-Type: application/fhir+xml"}, `<?xml version="1.0" encoding="ISO-8859-1"?>` + inXML, 400, "UTF-8"},
		{nil, inJSON, 415, "required"},
		{[]string{"Content-Type: "}, inJSON, 415, ""},
		{[]string{"Content-Type: text/plain"}, inJSON, 415, "application/fhir+json"},
		{[]string{"Content-Type: application/x-www-form-urlencoded"}, inJSON, 415, ""},
		{[]string{"Content-Type: application/json-patch+json"}, inJSON, 415, ""},
		{[]string{"Content-Type: application/soap+xml"}, inXML, 415, "application/fhir+xml"},
		{[]string{"Content-Type: application/xhtml+xml"}, inXML, 415, ""},
		{[]string{"Content-Type: */*"}, inJSON, 415, ""},
		{[]string{"Content-Type: json"}, inJSON, 415, ""},
		{[]string{"Content-Type: xml"}, inXML, 415, ""},
		{[]string{"Content-Type: application/json; charset=iso-8859-1"}, inJSON, 415, "charset"},
		{[]string{"Content-Type: application/json; charset=utf-16"}, inJSON, 415, "charset"},
		{[]string{"Content-Type: application/fhir+xml; charset=iso-8859-1"}, inXML, 415, "charset"},
		{[]string{"Content-Type: text/xml; charset=utf-16"}, inXML, 415, "charset"},
		{[]string{"Content-Type: application/json; charset"}, inJSON, 415, "malformed"},
		{[]string{"Content-Type: application/fhir+json; fhirVersion=3.0"}, inJSON, 415, "4.0"},
		{[]string{"Content-Type: application/fhir+xml; fhirVersion=3.0"}, inXML, 415, "4.0"},
		{[]string{"Content-Type: application/json", "Content-Type: application/fhir+xml"}, inJSON, 415, "one Content-Type"},
		{[]string{"Content-Type: application/json", "Content-Encoding: br"}, inJSON, 415, "gzip"},
		{[]string{"Content-Type: application/json", "Content-Encoding: deflate"}, inJSON, 415, "gzip"},
		{[]string{"Content-Type: application/json", "Content-Encoding: compress"}, inJSON, 415, "gzip"},
		{[]string{"Content-Type: application/json", "Content-Encoding: gzip, gzip"}, inJSON, 415, "gzip, once"},
		{[]string{"Content-Type: application/json", "Content-Encoding: identity", "Content-Encoding: br"}, inJSON, 415, "gzip"},
	} {
		s := newScene(t)
		a := s.do("PUT", "/Patient/a", c.body, c.headers...)
		require.Equal(t, c.status, a.status, "%v: %s", c.headers, a.body)
		if c.status == 201 {
			require.Equal(t, inJSON, string(s.backend.records["Patient/a"][0].Body), "what is stored is JSON")
			continue
		}
		code := "not-supported"
		if c.status == 400 {
			code = "structure"
		}
		require.Contains(t, a.refused(t, c.status, code), c.says)
		if c.says == "gzip" {
			require.Equal(t, "gzip", a.header.Get("Accept-Encoding"), "says what is taken")
		}
		s.do("POST", "/Patient", c.body, c.headers...).refused(t, c.status, code)
		require.Empty(t, s.backend.records)
	}
}
