package fhir_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/onward-health/onward/fhir"
)

// serviceRequest is of the size that a referral usually has, about 3 kB.
const serviceRequest = `{
  "resourceType": "ServiceRequest",
  "id": "5f0c7c1e-52a4-4b53-9a3f-0c2b7a61d0aa",
  "meta": {
    "profile": ["https://fhir.hl7.org.uk/StructureDefinition/UKCore-ServiceRequest"]
  },
  "identifier": [
    {"use": "official", "system": "https://sender.example/Id/case", "value": "CASE-0001"},
    {"use": "secondary", "system": "https://sender.example/Id/journey", "value": "9b1d7b9c-9a3f-4d1c-8a55-1f2f3d0b6c11"}
  ],
  "basedOn": [{"reference": "ServiceRequest/0d5ed9e1-70fd-4a4c-a0f7-5a4a3cf9f0de"}],
  "status": "active",
  "intent": "plan",
  "category": [
    {
      "coding": [
        {"system": "https://sender.example/CodeSystem/category", "code": "referral", "display": "Transfer of care"},
        {"system": "https://sender.example/CodeSystem/use-case", "code": "111-to-treatment-centre", "display": "To an urgent treatment centre"}
      ]
    }
  ],
  "priority": "urgent",
  "code": {
    "coding": [{"system": "http://snomed.info/sct", "code": "306206005", "display": "Referral to service"}],
    "text": "Seen by a clinician face to face within four hours"
  },
  "subject": {
    "reference": "Patient/3a1f0f2b-6a0e-4a8e-8f6b-2f7d6f6f5a01",
    "identifier": {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}
  },
  "encounter": {"reference": "Encounter/0f7f7a43-3d0f-4f0a-9d6c-6f6c1f8c1b02"},
  "occurrencePeriod": {"start": "2026-11-20T13:45:00.000+00:00", "end": "2026-11-20T17:45:00.000+00:00"},
  "authoredOn": "2026-11-20T13:40:12.1234567+00:00",
  "requester": {"reference": "PractitionerRole/6e1f3a5c-2a0d-4a9b-9f43-6a7f2b1c0d03"},
  "performer": [
    {"reference": "HealthcareService/2000072489", "display": "Example treatment centre"},
    {"reference": "Organization/B2002"}
  ],
  "reasonCode": [
    {"coding": [{"system": "http://snomed.info/sct", "code": "21522001", "display": "Abdominal pain"}], "text": "Pain in the abdomen since \"yesterday\" evening"}
  ],
  "supportingInfo": [
    {"reference": "CarePlan/1f3d5b7a-9c0e-4a2b-8d4f-6e8a0c2e4b04"},
    {"reference": "Consent/2a4c6e80-1b3d-4f5a-9c7e-8d0f2b4a6c05"},
    {"reference": "Flag/3b5d7f91-2c4e-4a6b-8d8f-9e1a3c5b7d06"}
  ],
  "note": [
    {"time": "2026-11-20T13:41:00+00:00", "text": "Walks with a stick & needs a ground floor room.\nNo key safe."},
    {"time": "2026-11-20T13:42:00+00:00", "text": "Prefers a call on the mobile number first"}
  ],
  "patientInstruction": "Go to the treatment centre's main entrance and bring a list of your medicines.",
  "extension": [
    {"url": "https://sender.example/StructureDefinition/score", "valueDecimal": 1.50},
    {"url": "https://sender.example/StructureDefinition/flagged", "valueBoolean": true}
  ]
}`

func BenchmarkParse(b *testing.B) {
	text := []byte(serviceRequest)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := fhir.Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseBesideUnmarshal runs both by turns and reports how many times
// as long encoding/json takes for a map of the same bytes.
func BenchmarkParseBesideUnmarshal(b *testing.B) {
	text := []byte(serviceRequest)
	var parse, unmarshal time.Duration
	for b.Loop() {
		start := time.Now()
		_, err := fhir.Parse(text)
		middle := time.Now()
		var m map[string]any
		if err := errors.Join(err, json.Unmarshal(text, &m)); err != nil {
			b.Fatal(err)
		}
		parse += middle.Sub(start)
		unmarshal += time.Since(middle)
	}
	b.ReportMetric(float64(unmarshal)/float64(parse), "map/parse")
	b.ReportMetric(float64(parse.Nanoseconds())/float64(b.N), "parse-ns")
	b.ReportMetric(float64(unmarshal.Nanoseconds())/float64(b.N), "map-ns")
}

func BenchmarkUnmarshalMap(b *testing.B) {
	text := []byte(serviceRequest)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		var m map[string]any
		if err := json.Unmarshal(text, &m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEdit(b *testing.B) {
	r := mustParse(b, serviceRequest)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Edit().SetText(r.Root(), "status", "revoked").Done(); err != nil {
			b.Fatal(err)
		}
	}
}
