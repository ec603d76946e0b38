package main

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

// minimal are the least resources that the room's rules let in; any other type
// needs nothing.
var minimal = map[string]string{
	"Slot":           `,"schedule":{"reference":"Schedule/x"},"status":"free","start":"2030-01-01T09:00:00Z","end":"2030-01-01T09:20:00Z"`,
	"Schedule":       `,"actor":[{"reference":"HealthcareService/x"}]`,
	"Appointment":    `,"status":"proposed","participant":[{"status":"accepted"}]`,
	"ServiceRequest": `,"status":"active","intent":"plan","subject":{"reference":"Patient/x"}`,
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
	require.Equal(t, 28, types)
	require.Equal(t, 404, s.do("GET", "/FHIR/R4/Basic", nil, nil).status, "a type that isn't advertised")
	require.Equal(t, 501, s.do("POST", "/FHIR/R4/", plain(), []byte(`{"resourceType":"Bundle","type":"transaction"}`)).status)
	require.Equal(t, 501, s.do("PATCH", "/FHIR/R4/Patient/x", plain(), []byte(`[]`)).status)
	require.Equal(t, 400, s.do("GET", "/FHIR/R4/Patient?animal-breed=x", nil, nil).status)
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
		"create":           func() int { return created.status },
		"read":             func() int { return s.do("GET", base+"/"+id, nil, nil).status },
		"vread":            func() int { return s.do("GET", base+"/"+id+"/_history/1", nil, nil).status },
		"update":           func() int { return s.do("PUT", base+"/"+id, plain(), []byte(put)).status },
		"history-instance": func() int { return s.do("GET", base+"/"+id+"/_history", nil, nil).status },
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
