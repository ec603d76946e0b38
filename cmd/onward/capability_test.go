package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

// minimal are the elements that R4 asks for; any other type needs none.
var minimal = map[string]string{
	"AllergyIntolerance":    `,"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}]},"patient":{"reference":"Patient/x"}`,
	"Binary":                `,"contentType":"text/plain"`,
	"CarePlan":              `,"status":"active","intent":"plan","subject":{"reference":"Patient/x"}`,
	"Communication":         `,"status":"completed"`,
	"Condition":             `,"subject":{"reference":"Patient/x"}`,
	"Consent":               `,"status":"draft","scope":{"text":"a"},"category":[{"text":"a"}],"patient":{"reference":"Patient/x"},"policyRule":{"text":"a"}`,
	"DocumentReference":     `,"status":"current","content":[{"attachment":{"title":"a"}}]`,
	"Encounter":             `,"status":"planned","class":{"code":"EMER"}`,
	"Endpoint":              `,"status":"active","connectionType":{"code":"hl7-fhir-msg"},"payloadType":[{"text":"a"}],"address":"https://a.example"`,
	"Flag":                  `,"status":"active","code":{"text":"a"},"subject":{"reference":"Patient/x"}`,
	"MedicationStatement":   `,"status":"active","medicationCodeableConcept":{"text":"a"},"subject":{"reference":"Patient/x"}`,
	"Observation":           `,"status":"final","code":{"text":"a"}`,
	"Organization":          `,"name":"a"`,
	"Procedure":             `,"status":"completed","subject":{"reference":"Patient/x"}`,
	"Questionnaire":         `,"status":"draft"`,
	"QuestionnaireResponse": `,"status":"completed"`,
	"RelatedPerson":         `,"patient":{"reference":"Patient/x"}`,
	"Task":                  `,"status":"draft","intent":"plan"`,
	"Slot":                  `,"schedule":{"reference":"Schedule/x"},"status":"free","start":"2030-01-01T09:00:00Z","end":"2030-01-01T09:20:00Z"`,
	"Schedule":              `,"actor":[{"reference":"HealthcareService/x"}]`,
	"Appointment":           `,"status":"proposed","participant":[{"actor":{"reference":"Patient/x"},"status":"accepted"}]`,
	"ServiceRequest":        `,"status":"active","intent":"plan","subject":{"reference":"Patient/x"}`,
	"Subscription":          `,"status":"requested","reason":"test","criteria":"Slot?status=busy","channel":{"type":"rest-hook","endpoint":"https://receiver.example/hook"}`,
}

// Ensure that everything that the statement advertises is there, type by type,
// and that what it leaves out is refused.
func TestTheCapabilityStatementDoesNotLie(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:", "--no-sandbox")
	statement := s.do("GET", "/FHIR/R4/metadata", nil, nil).resource(t)
	types := 0
	for resource := range statement.Get("rest").At(0).Get("resource").Items() {
		typ := resource.Get("type").Text()
		if typ == "MessageDefinition" {
			continue
		}
		types++
		s.tryType(typ, resource)
	}
	require.Equal(t, 29, types)
	for interaction := range statement.Get("rest").At(0).Get("interaction").Items() {
		s.trySystem(interaction.Get("code").Text())
	}
	require.Equal(t, 404, s.do("GET", "/FHIR/R4/Basic", nil, nil).status, "a type that isn't advertised")
	s.trySystemSearch(statement.Get("rest").At(0).Get("searchParam"))
	s.tryCompartments()
	require.Equal(t, 415, s.do("PATCH", "/FHIR/R4/Patient/x", http.Header{"Content-Type": {"application/xml-patch+xml"}}, []byte(`<diff/>`)).status, "a patch format that isn't advertised")
	require.Equal(t, 400, s.do("GET", "/FHIR/R4/Patient?animal-breed=x", nil, nil).status)
}

// trySystem calls an interaction on the whole server.
func (s *server) trySystem(code string) {
	s.t.Helper()
	switch code {
	case "transaction", "batch":
		body := `{"resourceType":"Bundle","type":"` + code + `","entry":[{"request":{"method":"POST","url":"Patient"},"resource":{"resourceType":"Patient"}}]}`
		a := s.do("POST", "/FHIR/R4", plain(), []byte(body))
		require.Equal(s.t, 200, a.status, "%s", a.body)
		require.Equal(s.t, "201 Created", a.resource(s.t).Get("entry", "response", "status").Text())
	case "search-system":
		require.Equal(s.t, 200, s.do("GET", "/FHIR/R4?_type=Patient,Slot", nil, nil).status)
		require.Equal(s.t, 200, s.do("GET", "/FHIR/R4/?_count=1", nil, nil).status)
	case "history-system":
		require.Equal(s.t, 200, s.do("GET", "/FHIR/R4/_history", nil, nil).status)
	default:
		require.Fail(s.t, "the statement advertises what this test doesn't know", code)
	}
}

// tryType calls every interaction and every search parameter of a type.
func (s *server) tryType(typ string, resource fhir.Value) {
	t := s.t
	t.Helper()
	base := "/FHIR/R4/" + typ
	body := fmt.Sprintf(`{"resourceType":"%s"%s}`, typ, minimal[typ])
	created := s.do("POST", base, plain(), []byte(body))
	require.Equal(t, 201, created.status, "%s: %s", typ, created.body)
	id := created.resource(t).ID()
	put := fmt.Sprintf(`{"resourceType":"%s","id":"%s"%s}`, typ, id, minimal[typ])
	calls := map[string]func() int{
		"create": func() int { return created.status },
		"read":   func() int { return s.do("GET", base+"/"+id, nil, nil).status },
		"vread":  func() int { return s.do("GET", base+"/"+id+"/_history/1", nil, nil).status },
		"update": func() int { return s.do("PUT", base+"/"+id, plain(), []byte(put)).status },
		"patch": func() int {
			return s.do("PATCH", base+"/"+id, http.Header{"Content-Type": {"application/json-patch+json"}}, []byte(`[]`)).status
		},
		"history-instance": func() int { return s.do("GET", base+"/"+id+"/_history", nil, nil).status },
		"history-type":     func() int { return s.do("GET", base+"/_history", nil, nil).status },
		"search-type":      func() int { return s.do("GET", base+"?_id="+id, nil, nil).status },
		"delete":           func() int { return s.do("DELETE", base+"/"+id, nil, nil).status },
	}
	var deletes func() int
	for interaction := range resource.Get("interaction").Items() {
		code := interaction.Get("code").Text()
		call := calls[code]
		require.NotNil(t, call, "%s advertises %s, which this test doesn't know", typ, code)
		if code == "delete" {
			deletes = call
			continue
		}
		require.Contains(t, []int{200, 201}, call(), "%s %s", typ, code)
	}
	require.True(t, resource.Get("conditionalCreate").Bool())
	once := plain()
	once.Set("If-None-Exist", "_id="+id)
	require.Equal(t, 200, s.do("POST", base, once, []byte(body)).status, typ)
	require.True(t, resource.Get("conditionalUpdate").Bool())
	require.Equal(t, 200, s.do("PUT", base+"?_id="+id, plain(), []byte(put)).status, typ)
	require.Equal(t, "single", resource.Get("conditionalDelete").Text())
	require.Equal(t, 204, s.do("DELETE", base+"?_id=none", nil, nil).status, typ)
	everything := false
	for operation := range resource.Get("operation").Items() {
		switch name := operation.Get("name").Text(); name {
		case "validate":
			require.Equal(t, 200, s.do("POST", base+"/$validate", plain(), []byte(body)).status, typ)
		case "everything":
			require.Equal(t, 200, s.do("GET", base+"/"+id+"/$everything", nil, nil).status, typ)
			require.Equal(t, 200, s.do("POST", base+"/"+id+"/$everything", plain(), []byte(`{"resourceType":"Parameters"}`)).status, typ)
			everything = true
		case "respond": // no message brought this one
			interim := []byte(`{"resourceType":"Parameters","parameter":[{"name":"answer","valueCode":"interim"}]}`)
			require.Equal(t, 404, s.do("POST", base+"/"+id+"/$respond", plain(), interim).status)
		default:
			require.Fail(t, "an operation that this test doesn't know", name)
		}
	}
	if !everything {
		require.Equal(t, 501, s.do("GET", base+"/"+id+"/$everything", nil, nil).status, typ)
	}
	require.Equal(t, 501, s.do("GET", base+"/$everything", nil, nil).status, typ)
	for _, kind := range []string{"Include", "RevInclude"} {
		for value := range resource.Get("search" + kind).Items() {
			a := s.do("GET", base+"?_"+strings.ToLower(kind)+"="+url.QueryEscape(value.Text()), nil, nil)
			require.Equal(t, 200, a.status, "%s %s %s: %s", typ, kind, value.Text(), a.body)
		}
	}
	for param := range resource.Get("searchParam").Items() {
		name, value := param.Get("name").Text(), "x"
		switch param.Get("type").Text() {
		case "date":
			value = "2026-01-01"
		case "reference":
			value = "Patient/x"
		}
		a := s.do("GET", base+"?"+url.QueryEscape(name)+"="+value, nil, nil)
		require.Contains(t, []int{200, 400}, a.status, "%s?%s: %s", typ, name, a.body)
		if a.status == 400 { // a value that this parameter can't have, never an unknown parameter
			code, _, _ := a.issue(t)
			require.Equal(t, "value", code, "%s?%s: %s", typ, name, a.body)
		}
	}
	require.Equal(t, 204, deletes(), typ)
}

// trySystemSearch uses every parameter of a search across types, and one of a
// single type.
func (s *server) trySystemSearch(params fhir.Value) {
	s.t.Helper()
	seen := map[string]bool{}
	for param := range params.Items() {
		name, value := param.Get("name").Text(), "x"
		seen[name] = true
		switch name {
		case "_type":
			value = "Patient,Slot"
		case "_lastUpdated":
			value = "ge2026"
		}
		require.Equal(s.t, 200, s.do("GET", "/FHIR/R4?"+name+"="+value, nil, nil).status, name)
		require.Equal(s.t, 200, s.do("POST", "/FHIR/R4/_search", form(), []byte(name+"="+value)).status, name)
	}
	for _, name := range []string{"_type", "_id", "_lastUpdated", "_tag", "_profile", "_security", "_source"} {
		require.True(s.t, seen[name], name)
	}
	require.Equal(s.t, 400, s.do("GET", "/FHIR/R4?status=free", nil, nil).status, "a parameter that isn't advertised")
	require.Equal(s.t, 400, s.do("GET", "/FHIR/R4?_type=Basic", nil, nil).status, "a type that isn't advertised")
}

// tryCompartments searches each compartment that the statement's text names, and
// one that it doesn't.
func (s *server) tryCompartments() {
	s.t.Helper()
	for _, owner := range []string{"Patient", "Encounter", "RelatedPerson", "Practitioner", "Device"} {
		require.Equal(s.t, 200, s.do("GET", "/FHIR/R4/"+owner+"/x/*", nil, nil).status, owner)
		require.Equal(s.t, 200, s.do("GET", "/FHIR/R4/"+owner+"/x/Observation?status=final", nil, nil).status, owner)
		require.Equal(s.t, 200, s.do("POST", "/FHIR/R4/"+owner+"/x/Observation/_search", form(), []byte("status=final")).status, owner)
		require.Equal(s.t, 404, s.do("GET", "/FHIR/R4/"+owner+"/x/Slot", nil, nil).status, owner)
	}
	require.Equal(s.t, 404, s.do("GET", "/FHIR/R4/Organization/x/Observation", nil, nil).status)
	// The operator's parameter works here, where only this machine can ask.
	explained := s.do("GET", "/FHIR/R4/Slot?status=free&_explain=true", nil, nil)
	require.Equal(s.t, 200, explained.status)
	require.Equal(s.t, "Parameters", explained.resource(s.t).Type())
}

func form() http.Header {
	return http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
}
