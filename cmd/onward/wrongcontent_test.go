package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
)

// wrongContents are resources with one thing wrong each, with the element that
// the refusal must name and what BaRS calls it; plain FHIR calls a broken rule
// processing.
var wrongContents = []struct{ name, resource, at, code string }{
	{"a required element missing", `{"resourceType":"ServiceRequest","intent":"plan","subject":{"reference":"Patient/x"}}`, "ServiceRequest.status", "invariant"},
	{"a boolean as a string", `{"resourceType":"Patient","active":"yes"}`, "Patient.active", "structure"},
	{"an unknown member", `{"resourceType":"Patient","foo":1}`, "Patient.foo", "structure"},
	{"a date that no calendar has", `{"resourceType":"Patient","birthDate":"1970-13-40"}`, "Patient.birthDate", "value"},
	{"a code outside its required value set", `{"resourceType":"Patient","gender":"banana"}`, "Patient.gender", "invariant"},
	{"app-3", `{"resourceType":"Appointment","status":"booked","participant":[{"actor":{"reference":"Patient/x"},"status":"accepted"}]}`, "Appointment", "invariant"},
	{"an empty array", `{"resourceType":"Patient","name":[]}`, "Patient.name", "structure"},
	{"null", `{"resourceType":"Patient","active":null}`, "Patient.active", "structure"},
	{"an array for a single value", `{"resourceType":"Patient","gender":["male"]}`, "Patient.gender", "structure"},
	{"a date for an instant", `{"resourceType":"Slot","schedule":{"reference":"Schedule/x"},"status":"free","start":"2030-01-01","end":"2030-01-01T09:20:00Z"}`, "Slot.start", "value"},
	{"a member of another type", `{"resourceType":"Slot","schedule":{"reference":"Schedule/x"},"status":"free","start":"2030-01-01T09:00:00Z","end":"2030-01-01T09:20:00Z","birthDate":"1970-01-01"}`, "Slot.birthDate", "structure"},
}

// Ensure that wrong content is refused with the element named, whatever way it
// comes in, and that nothing of it is stored.
func TestWrongContentIsRefusedByEveryDoor(t *testing.T) {
	s := start(t)
	slot := s.freeSlots(1)[0]
	before := s.counts()
	patient := s.do("PUT", "/FHIR/R4/Patient/x", plain(), []byte(`{"resourceType":"Patient","id":"x"}`))
	require.Equal(t, 201, patient.status)
	before = strings.Replace(before, "Patient 0", "Patient 1", 1)
	for _, c := range wrongContents {
		t.Run(c.name, func(t *testing.T) {
			typ, _, _ := strings.Cut(c.at, ".")
			below := strings.TrimPrefix(c.at, typ)
			code, status := c.code, 400
			if code == "invariant" {
				code, status = "processing", 422
			}
			refused := func(a *answer, status int, code, at string) {
				t.Helper()
				require.Equal(t, status, a.status, "%s", a.body)
				issue := a.resource(t).Get("issue")
				require.Equal(t, 1, issue.Len(), "%s", a.body)
				require.Equal(t, []string{"error", code, at}, []string{issue.At(0).Get("severity").Text(), issue.At(0).Get("code").Text(), issue.At(0).Get("expression").At(0).Text()})
				require.NotEmpty(t, issue.At(0).Get("diagnostics").Text())
				require.NotContains(t, string(a.body), "banana")
				require.Equal(t, before, s.counts(), "something was stored")
			}
			withID := strings.Replace(c.resource, `"`+typ+`"`, `"`+typ+`","id":"new"`, 1)
			refused(s.do("POST", "/FHIR/R4/"+typ, plain(), []byte(c.resource)), status, code, c.at)
			refused(s.do("PUT", "/FHIR/R4/"+typ+"/new", plain(), []byte(withID)), status, code, c.at)
			refused(s.do("PUT", "/FHIR/R4/"+typ+"?_id=new", plain(), []byte(withID)), status, code, c.at)

			once := plain()
			once.Set("If-None-Exist", "_id=none")
			refused(s.do("POST", "/FHIR/R4/"+typ, once, []byte(c.resource)), status, code, c.at)
			if typ == "Patient" {
				merge := plain()
				merge.Set("Content-Type", "application/json-patch+json")
				member, value, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(c.resource, `{"resourceType":"Patient","`), "}"), `":`)
				refused(s.do("PATCH", "/FHIR/R4/Patient/x", merge, []byte(`[{"op":"add","path":"/`+member+`","value":`+value+`}]`)), status, code, c.at)
			}

			bundle := func(kind string) []byte {
				return []byte(`{"resourceType":"Bundle","type":"` + kind + `","entry":[{"request":{"method":"GET","url":"Patient/x"}},` +
					`{"request":{"method":"POST","url":"` + typ + `"},"resource":` + c.resource + `}]}`)
			}
			refused(s.do("POST", "/FHIR/R4", plain(), bundle("transaction")), status, code, "Bundle.entry[1].resource"+below)
			batch := s.do("POST", "/FHIR/R4", plain(), bundle("batch")).resource(t).Get("entry").At(1).Get("response")
			require.True(t, strings.HasPrefix(batch.Get("status").Text(), fmt.Sprint(status)))
			require.Equal(t, c.at, batch.Get("outcome").Dig("issue").At(0).Get("expression").At(0).Text())

			with := strings.Replace(c.resource, `{`, `{"meta":{"lastUpdated":"2026-11-20T09:00:00Z"},`, 1)
			message := string(bookingFor(t, slot))
			end := strings.LastIndex(message, "]")
			message = message[:end] + `,{"fullUrl":"urn:uuid:00000077-0000-4000-8000-000000000077","resource":` + with + `}` + message[end:]
			refused(s.do("POST", messagePath, speaking(sandbox.UrgentTreatment), []byte(message)), 400, c.code, "Bundle.entry[8].resource"+below)
		})
	}
	require.Equal(t, 200, s.do("POST", messagePath, speaking(sandbox.UrgentTreatment), bookingFor(t, slot)).status, "the message itself is right")
}
