package rest_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBinaryIsReadAsItsResource(t *testing.T) {
	s := newScene(t)
	s.send("PUT", "/Binary/b", `{"resourceType":"Binary","id":"b","contentType":"text/plain","data":"aGk="}`)
	for _, headers := range [][]string{nil, {"Accept: */*"}, {"Accept: application/fhir+json"}, {"Accept: text/*"}, {"Accept: application/json"}} {
		a := s.do("GET", "/Binary/b", "", headers...)
		require.Equal(t, "application/fhir+json; charset=utf-8", a.header.Get("Content-Type"))
		require.Empty(t, a.header.Get("Content-Disposition"))
		require.Equal(t, `{"resourceType":"Binary","id":"b","meta":`+stampText+`,"contentType":"text/plain","data":"aGk="}`, a.body)
	}
	a := s.do("GET", "/Binary/b", "", "Accept: application/fhir+xml")
	require.Equal(t, "xml", a.format(t))
	require.Contains(t, a.body, `<contentType value="text/plain"/><data value="aGk="/></Binary>`)
}

func TestABinaryIsSentAsItIsToWhomNamesItsType(t *testing.T) {
	const own, inJSON, inXML = "own", "json", "xml"
	for _, c := range []struct{ contentType, accept, want string }{
		{"application/pdf", "application/pdf", own},
		{"application/pdf", "Application/PDF", own},
		{"application/pdf", "application/pdf, */*;q=0.1", own},
		{"application/pdf", "application/pdf, */*", own},
		{"application/pdf", "application/pdf;q=0.5, application/fhir+json;q=0.4", own},
		{"application/pdf", "application/pdf;q=0.5, application/fhir+json;q=0.6", inJSON},
		{"application/pdf", "application/pdf, application/fhir+json", inJSON},
		{"application/pdf", "application/pdf, application/fhir+xml", inXML},
		{"application/pdf", "application/pdf, application/json", own},
		{"application/pdf", "*/*", inJSON},
		{"application/pdf", "application/*", inJSON},
		{"application/pdf", "", inJSON},
		{"application/pdf", "image/png", ""},
		{"application/pdf", "application/pdf;q=0", ""},
		{"application/pdf", "application/pdf;q=0, */*", inJSON},
		{"image/png", "image/*", own},
		{"image/png", "image/*, */*;q=0.8", own},
		{"image/png", "image/*;q=0.1, */*;q=0.8", inJSON},
		{"image/png", "image/jpeg", ""},
		{"text/html", "text/html", own},
		{"text/html; charset=utf-8", "text/html", own},
		{"TEXT/HTML", browser, own},
		{"text/plain", browser, inXML},
		{"text/plain;charset=iso-8859-1", "text/plain; charset=utf-8", own},
		// FHIR's own types ask for the resource, whatever it holds; the others
		// that JSON and XML go by are those of the content first.
		{"application/xml", "application/xml", own},
		{"application/xml", "application/fhir+xml", inXML},
		{"application/xml", "application/fhir+xml, application/xml", inXML},
		{"application/xml", "text/xml", inXML},
		{"application/json", "application/json", own},
		{"application/fhir+json", "application/fhir+json", inJSON},
		{"application/fhir+xml", "application/fhir+xml", inXML},
		{"application/fhir+xml", "application/fhir+json", inJSON},
		{"application/fhir+json", "application/fhir+json;fhirVersion=3.0", ""},
		// What isn't a media type can't be asked for.
		{"pdf", "pdf", ""},
		{"*/*", "*/*", inJSON},
		{"image/*", "image/*", ""},
		{"application/pdf\r\nX: y", "application/pdf", ""},
		{"", "application/octet-stream", ""},
	} {
		s := newScene(t)
		body := `{"resourceType":"Binary","id":"b","contentType":"` + strings.ReplaceAll(c.contentType, "\r\n", `\r\n`) + `","data":"PGI+ \r\naGk="}`
		require.Equal(t, 201, s.send("PUT", "/Binary/b", body).status)
		for _, path := range []string{"/Binary/b", "/Binary/b/_history/1"} {
			a, head := s.do("GET", path, "", "Accept: "+c.accept), s.do("HEAD", path, "", "Accept: "+c.accept)
			for _, name := range []string{"Content-Type", "Content-Length", "Content-Disposition", "ETag"} {
				require.Equal(t, a.header.Get(name), head.header.Get(name), name)
			}
			require.Equal(t, a.status, head.status)
			require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
			require.Equal(t, "Accept, Accept-Encoding", a.header.Get("Vary"))
			if c.want == "" {
				a.refused(t, 406, "not-supported")
				require.Empty(t, a.header.Get("Content-Disposition"))
				continue
			}
			require.Equal(t, 200, a.status, c)
			require.Equal(t, `W/"1"`, a.header.Get("ETag"))
			if c.want != own {
				require.Equal(t, c.want, a.format(t), c)
				continue
			}
			require.Equal(t, "<b>hi", a.body, c)
			require.Equal(t, "attachment", a.header.Get("Content-Disposition"))
			require.True(t, strings.HasPrefix(strings.ToLower(c.contentType), strings.Split(a.header.Get("Content-Type"), ";")[0]))
		}
	}
}

func TestABinaryKeepsTheParametersOfItsType(t *testing.T) {
	s := newScene(t)
	s.send("PUT", "/Binary/b", `{"resourceType":"Binary","id":"b","contentType":"text/plain;charset=iso-8859-1","data":"6Q==","securityContext":{"reference":"Patient/p"}}`)
	a := s.do("GET", "/Binary/b", "", "Accept: text/plain")
	require.Equal(t, "text/plain; charset=iso-8859-1", a.header.Get("Content-Type"))
	require.Equal(t, "\xE9", a.body)
	require.Equal(t, "Patient/p", a.header.Get("X-Security-Context"))
	require.Equal(t, "\xE9", s.do("GET", "/Binary/b?_format=text/plain", "", "Accept: application/fhir+json").body, "_format goes first here too")
	s.do("GET", "/Binary/b?_format=text/html", "", "Accept: text/plain").refused(t, 406, "not-supported")

	require.Equal(t, 304, s.do("GET", "/Binary/b", "", "Accept: text/plain", `If-None-Match: W/"1"`).status)
	require.Equal(t, 404, s.do("GET", "/Binary/c", "", "Accept: text/plain").status)
	require.Equal(t, 406, s.do("GET", "/Patient/c", "", "Accept: text/plain").status)
	require.Equal(t, 406, s.do("GET", "/Binary", "", "Accept: text/plain").status)
	require.Equal(t, 406, s.do("GET", "/Binary/b/_history", "", "Accept: text/plain").status)
	require.Equal(t, 406, s.send("PUT", "/Binary/b", `{"resourceType":"Binary","id":"b"}`, "Accept: text/plain").status)
	require.Equal(t, 415, s.do("PUT", "/Binary/b", "hi", "Content-Type: text/plain").status)
	require.Len(t, s.backend.records["Binary/b"], 1)
	require.Equal(t, 204, s.do("DELETE", "/Binary/b", "").status)
	require.Equal(t, 410, s.do("GET", "/Binary/b", "", "Accept: text/plain").status)
}

func TestABinaryWithoutContentIsNotSentAsAnEmptyOne(t *testing.T) {
	for _, members := range []string{"", `,"data":"a"`, `,"data":"!!!!"`, `,"data":"  "`, `,"data":1`, `,"_data":{"extension":[{"url":"u","valueCode":"masked"}]}`} {
		s := newScene(t)
		s.send("PUT", "/Binary/b", `{"resourceType":"Binary","id":"b","contentType":"text/plain"`+members+`}`)
		a := s.do("GET", "/Binary/b", "", "Accept: text/plain")
		a.refused(t, 406, "not-supported")
		require.Equal(t, "Binary.data", a.resource(t).Get("issue").At(0).Get("expression").At(0).Text())
		require.Equal(t, 200, s.do("GET", "/Binary/b", "").status)
	}
}

func TestABinaryIsCompressedAsAnyAnswer(t *testing.T) {
	s := newScene(t)
	text := strings.Repeat("line of text\n", 1000)
	s.send("PUT", "/Binary/b", `{"resourceType":"Binary","id":"b","contentType":"text/plain","data":"`+base64.StdEncoding.EncodeToString([]byte(text))+`"}`)
	a := s.do("GET", "/Binary/b", "", "Accept: text/plain", "Accept-Encoding: gzip")
	require.Equal(t, "gzip", a.header.Get("Content-Encoding"))
	require.Equal(t, text, gunzip(t, a.body))
	require.Equal(t, text, s.do("GET", "/Binary/b?_pretty=true", "", "Accept: text/plain").body)
}
