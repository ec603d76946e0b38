package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
	"github.com/onward-health/onward/fhir/r4"
)

// methodsOf are the method and the path that each interaction on a type needs.
var methodsOf = map[string][2]string{
	"create": {"POST", ""}, "search-type": {"GET", ""}, "history-type": {"GET", "/_history"},
	"read": {"GET", "/x"}, "update": {"PUT", "/x"}, "patch": {"PATCH", "/x"}, "delete": {"DELETE", "/x"},
	"history-instance": {"GET", "/x/_history"}, "vread": {"GET", "/x/_history/1"},
}

// Ensure that OPTIONS, the statement and what a method is answered with agree:
// what is advertised is listed in Allow, and what is in neither is refused.
func TestWhatTheStatementLeavesOutIsRefusedByMethod(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:", "--no-sandbox")
	statement := s.do("GET", "/FHIR/R4/metadata", nil, nil).resource(t)
	for resource := range statement.Get("rest").At(0).Get("resource").Items() {
		typ := resource.Get("type").Text()
		if !slices.Contains([]string{"Patient", "Appointment", "Slot", "Binary", "MessageDefinition"}, typ) {
			continue // they share these routes
		}
		advertised := map[string][]string{"": nil, "/_history": nil, "/x": nil, "/x/_history": nil, "/x/_history/1": nil} // path to methods
		for interaction := range resource.Get("interaction").Items() {
			m, known := methodsOf[interaction.Get("code").Text()]
			require.True(t, known, "%s advertises what this test doesn't know", typ)
			advertised[m[1]] = append(advertised[m[1]], m[0])
		}
		for path, methods := range advertised {
			s.tryMethods("/FHIR/R4/"+typ+path, methods)
		}
	}
	s.tryMethods("/FHIR/R4/", []string{"GET", "POST"})
	s.tryMethods("/FHIR/R4/_search", []string{"POST"})
	s.tryMethods("/FHIR/R4/metadata", []string{"GET"})
	s.tryMethods("/FHIR/R4/_history", []string{"GET"})

	foreign := http.Header{"Origin": {"https://other.example"}, "Access-Control-Request-Method": {"GET"}}
	require.Equal(t, 403, s.do("OPTIONS", "/FHIR/R4/Patient", foreign, nil).status, "another site's page, and nobody asks who it is")
	own := http.Header{"Origin": {"http://localhost:3000"}, "Access-Control-Request-Method": {"GET"}}
	a := s.do("OPTIONS", "/FHIR/R4/Patient", own, nil)
	require.Equal(t, []any{204, ""}, []any{a.status, a.header.Get("Access-Control-Allow-Origin")})
}

// tryMethods calls a path with every method.
func (s *server) tryMethods(path string, advertised []string) {
	s.t.Helper()
	a := s.do("OPTIONS", path, nil, nil)
	if len(advertised) == 0 { // either there is no such path, or it takes nothing
		require.NotContains(s.t, a.header.Get("Allow"), "GET", path)
	} else {
		require.Equal(s.t, 204, a.status, path)
	}
	allow := strings.Split(a.header.Get("Allow"), ", ")
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"} {
		as := method
		if method == "HEAD" {
			as = "GET"
		}
		status := s.do(method, path, http.Header{"Content-Type": {"text/nothing"}}, nil).status
		if slices.Contains(advertised, as) {
			require.Contains(s.t, allow, method, path)
			require.NotContains(s.t, []int{405, 501}, status, "%s %s", method, path)
			continue
		}
		require.NotContains(s.t, allow, method, path)
		require.Contains(s.t, []int{404, 405, 501}, status, "%s %s", method, path)
	}
}

// Ensure that a type that isn't advertised isn't served, whatever R4 knows.
func TestATypeThatIsNotAdvertisedIsNotServed(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:", "--no-sandbox")
	statement := s.do("GET", "/FHIR/R4/metadata", nil, nil).resource(t)
	served := map[string]bool{}
	for resource := range statement.Get("rest").At(0).Get("resource").Items() {
		served[resource.Get("type").Text()] = true
	}
	others := 0
	for _, typ := range r4.Tables.Types {
		if typ.Kind != def.Resource || served[typ.Name] {
			continue
		}
		others++
		require.Equal(t, 404, s.do("GET", "/FHIR/R4/"+typ.Name, nil, nil).status, typ.Name)
		require.Equal(t, 404, s.do("PUT", "/FHIR/R4/"+typ.Name+"/x", plain(), []byte(`{}`)).status, typ.Name)
	}
	require.Greater(t, others, 50)
	for _, path := range []string{"/Patient/$meta", "/Patient/x/$meta", "/$convert", "/Patient/x/_nothing", "/Patient/x/y/z"} {
		require.Equal(t, 404, s.do("POST", "/FHIR/R4"+path, plain(), []byte(`{"resourceType":"Parameters"}`)).status, path)
	}
}

// Ensure that each format that the statement lists is taken and answered, and no
// other.
func TestTheAdvertisedFormatsAreThoseThatAreTaken(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:", "--no-sandbox")
	statement := s.do("GET", "/FHIR/R4/metadata", nil, nil).resource(t)
	const path = "/FHIR/R4/Patient/formats"
	require.Equal(t, 201, s.do("PUT", path, plain(), []byte(`{"resourceType":"Patient","id":"formats","gender":"male"}`)).status)

	var formats []string
	for format := range statement.Get("format").Items() {
		formats = append(formats, format.Text())
		a := s.do("GET", path+"?_format="+format.Text(), nil, nil)
		require.Equal(t, 200, a.status)
		require.Contains(t, a.header.Get("Content-Type"), "application/fhir+"+format.Text())
	}
	require.Equal(t, []string{"json", "xml"}, formats)
	require.Equal(t, 406, s.do("GET", path+"?_format=ttl", nil, nil).status)

	const operation = `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Patient.gender"},{"name":"value","valueCode":"female"}]}]}`
	patches := map[string]string{
		"application/json-patch+json":  `[{"op":"replace","path":"/gender","value":"female"}]`,
		"application/merge-patch+json": `{"gender":"female"}`,
		"application/fhir+json":        operation,
		"application/fhir+xml": `<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="operation"/><part><name value="type"/><valueCode value="replace"/></part>` +
			`<part><name value="path"/><valueString value="Patient.gender"/></part><part><name value="value"/><valueCode value="female"/></part></parameter></Parameters>`,
	}
	version := 1
	for format := range statement.Get("patchFormat").Items() {
		body, known := patches[format.Text()]
		require.True(t, known, "the statement advertises a patch format that this test doesn't know: %s", format.Text())
		delete(patches, format.Text())
		version++
		a := s.do("PATCH", path, http.Header{"Content-Type": {format.Text()}}, []byte(body))
		require.Equal(t, 200, a.status, "%s: %s", format.Text(), a.body)
		require.Equal(t, "female", a.resource(t).Get("gender").Text())
		require.Equal(t, fmt.Sprintf(`W/"%d"`, version), a.header.Get("ETag"))
		version++
		require.Equal(t, 200, s.do("PATCH", path, http.Header{"Content-Type": {"application/merge-patch+json"}}, []byte(`{"gender":"male"}`)).status)
	}
	require.Empty(t, patches, "a format that is taken and not advertised")
	for _, format := range []string{"application/json", "text/plain", "application/xml-patch+xml", "application/xml"} {
		require.Equal(t, 415, s.do("PATCH", path, http.Header{"Content-Type": {format}}, []byte(`[]`)).status, format)
	}
}

// Ensure that what the statement says of updates and conditions holds for every
// type.
func TestTheAdvertisedConditionsHoldForEveryType(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:", "--no-sandbox")
	statement := s.do("GET", "/FHIR/R4/metadata", nil, nil).resource(t)
	for resource := range statement.Get("rest").At(0).Get("resource").Items() {
		if typ := resource.Get("type").Text(); typ != "MessageDefinition" {
			s.tryConditions(typ, resource)
		}
	}
}

func (s *server) tryConditions(typ string, resource fhir.Value) {
	t := s.t
	t.Helper()
	path := "/FHIR/R4/" + typ + "/own"
	body := []byte(fmt.Sprintf(`{"resourceType":"%s","id":"own"%s}`, typ, minimal[typ]))
	require.True(t, resource.Get("updateCreate").Bool())
	head := plain()
	head.Set("If-None-Match", "*")
	created := s.do("PUT", path, head, body)
	require.Equal(t, 201, created.status, "%s: %s", typ, created.body)
	require.Equal(t, 412, s.do("PUT", path, head, body).status, typ)
	require.Equal(t, "versioned", resource.Get("versioning").Text())
	stale := plain()
	stale.Set("If-Match", `W/"7"`)
	require.Equal(t, 412, s.do("PUT", path, stale, body).status, typ)
	require.Equal(t, "full-support", resource.Get("conditionalRead").Text())
	require.Equal(t, 304, s.do("GET", path, http.Header{"If-None-Match": {created.header.Get("ETag")}}, nil).status, typ)
	require.Equal(t, 304, s.do("GET", path, http.Header{"If-Modified-Since": {created.header.Get("Last-Modified")}}, nil).status, typ)
	require.Equal(t, 200, s.do("GET", path, http.Header{"If-None-Match": {`W/"7"`}}, nil).status, typ)
	require.True(t, resource.Get("readHistory").Bool())
	require.Equal(t, 200, s.do("GET", path+"/_history/1", nil, nil).status, typ)
}
