package nhs111

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/fhirtest"
	"github.com/onward-health/onward/nhs"
)

func sampleFiles(t testing.TB, parts ...string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(append([]string{fhirtest.Published(t, "samples", "nhs111")}, parts...)...))
	require.NoError(t, err)
	require.NotEmpty(t, found)
	return found
}

// refusedSamples are published messages that the door must not take, and why.
var refusedSamples = map[string]string{
	"QUPA_EX000001GB01_02_ITK.xml": "Unable to find ClinicalDocument element", // a repeat caller query: answered, not mapped
}

// copies are interactions that make no referral.
var copySamples = map[string]bool{"ambulance-itk-request.xml": true, "primary-to-aande-request.xml": true}

var (
	placeholder = regexp.MustCompile(`@@[A-Za-z0-9_-]+@@`)
	otherNumber = regexp.MustCompile(`root="2\.16\.840\.1\.113883\.2\.1\.4\.1" extension="(\d{10})"`)
	addressed   = regexp.MustCompile(`<itk:addresslist>\s*<itk:address [^>]*/?>\s*(</itk:address>)?\s*</itk:addresslist>\s*<`)
	declaration = regexp.MustCompile(`^\s*<\?xml[^>]*\?>`)
)

// readSample fills a template's places and wraps what has no SOAP envelope.
func readSample(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	// The published ambulance request names month 21.
	text := strings.Replace(string(raw), `"201121121305+00"`, `"201112210905+00"`, 1)
	text = placeholder.ReplaceAllStringFunc(text, func(place string) string {
		if other := otherNumber.FindStringSubmatch(text); other != nil && strings.Contains(place, "nhs-number") {
			return other[1] // the documents of a set are of one patient
		}
		return fillPlace(place)
	})
	if !strings.HasSuffix(path, "_ITK.xml") {
		return []byte(text)
	}
	if !addressed.MatchString(text) {
		// These examples leave the address to the transport; this door needs it.
		text = strings.Replace(text, "<itk:auditIdentity>",
			`<itk:addresslist><itk:address uri="urn:nhs-uk:addressing:ods:B2002"/></itk:addresslist><itk:auditIdentity>`, 1)
	}
	service := regexp.MustCompile(`service="([^"]*)"`).FindStringSubmatch(text)[1]
	return []byte(`<s:Envelope xmlns:s="` + nsSOAP + `" xmlns:a="` + nsWSA + `"><s:Header><a:MessageID>0A1B2C3D-0000-4000-8000-0A1B2C3D4E5F</a:MessageID><a:Action>` +
		service + `</a:Action></s:Header><s:Body>` + declaration.ReplaceAllString(text, "") + `</s:Body></s:Envelope>`)
}

func fillPlace(place string) string {
	switch {
	case strings.Contains(place, "encounter-date-time"):
		return "202603021026"
	case strings.Contains(place, "date-time"):
		return "2026-03-02T10:26:00"
	case strings.Contains(place, "ods-code"):
		return "B2002"
	case strings.Contains(place, "dos-code"):
		return "2000072489"
	case strings.Contains(place, "nhs-number"):
		return "9990057699"
	case strings.Contains(place, "disposition-code"):
		return "Dx06"
	}
	return "filled in"
}

func TestEveryPublishedReportIsMapped(t *testing.T) {
	files := sampleFiles(t, "adaptor-pairs", "*.request.xml")
	files = append(files, sampleFiles(t, "iuc-spec-examples", "*_ITK.xml")...)
	files = append(files, sampleFiles(t, "test-pack-templates", "*.xml")...)
	for _, path := range files {
		base := filepath.Base(path)
		t.Run(base, func(t *testing.T) {
			body := readSample(t, path)
			mapped, e, err := through(body, "", compatRules())
			if reason := refusedSamples[base]; reason != "" {
				require.Error(t, err)
				require.Equal(t, reason, err.(*fault).Text)
				return
			}
			require.NoError(t, err)
			require.Empty(t, mapped.Warnings)
			requireSound(t, mapped)
			requireWhole(t, mapped, body)
			all := resourcesOf(mapped)
			require.Len(t, all["Patient"], 1)
			require.NotEmpty(t, all["Patient"][0].Get("identifier", "value").Text())
			require.NotEmpty(t, all["Patient"][0].Get("name", "family").Text())
			require.NotEmpty(t, all["Patient"][0].Get("contact", "telecom", "value").Text(), "a number to call back")
			require.NotEmpty(t, all["Encounter"][0].Get("identifier", "value").Text(), "a case id")
			require.NotEmpty(t, all["Organization"])
			if copySamples[base] {
				require.Nil(t, mapped.Bundle)
				require.Empty(t, all["ServiceRequest"])
				return
			}
			require.Len(t, all["ServiceRequest"], 1)
			dx := fhir.CodeOf(all["CarePlan"][0].Get("activity").At(0).Get("outcomeCodeableConcept"), nhs.SystemDxCodes)
			require.NotEmpty(t, dx)
			require.Contains(t, string(body), `"`+dx+`"`, "the disposition keeps its spelling")
			require.Equal(t, len(e.Payloads), len(all["DocumentReference"]))
		})
	}
}

// oracle compares facts with what the reference adaptor published for the same
// request.
func TestPatientDispositionAndSectionsAgreeWithTheReferenceAdaptor(t *testing.T) {
	for _, path := range sampleFiles(t, "adaptor-pairs", "*.request.xml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			mapped, _, err := through(readSample(t, path), "", compatRules())
			require.NoError(t, err)
			raw, err := os.ReadFile(strings.TrimSuffix(path, ".request.xml") + ".expected-stu3.json")
			require.NoError(t, err)
			var bundle struct {
				Entry []struct{ Resource map[string]any }
			}
			require.NoError(t, json.Unmarshal(raw, &bundle))
			theirs := map[string][]map[string]any{}
			for _, e := range bundle.Entry {
				typ := e.Resource["resourceType"].(string)
				theirs[typ] = append(theirs[typ], e.Resource)
			}
			ours := resourcesOf(mapped)
			patient, expected := ours["Patient"][0], theirs["Patient"][0]
			require.Equal(t, expected["gender"], patient.Get("gender").Text())
			require.Equal(t, expected["birthDate"], patient.Get("birthDate").Text())
			name := expected["name"].([]any)[0].(map[string]any)
			require.Equal(t, name["family"], patient.Get("name", "family").Text())
			require.Equal(t, name["given"].([]any)[0], patient.Get("name", "given").At(0).Text())
			for _, id := range listOf(expected["identifier"]) {
				require.Contains(t, valuesOf(patient.Get("identifier")), id["value"])
			}
			for _, id := range listOf(theirs["Encounter"][0]["identifier"]) {
				require.Contains(t, valuesOf(ours["Encounter"][0].Get("identifier")), id["value"])
			}
			coding := listOf(theirs["ProcedureRequest"][0]["code"].(map[string]any)["coding"])[0]
			outcomes := ours["CarePlan"][0].Get("activity").At(0).Get("outcomeCodeableConcept")
			require.Equal(t, coding["code"], fhir.CodeOf(outcomes, nhs.SystemDxCodes))
			period := theirs["Encounter"][0]["period"].(map[string]any)
			require.Equal(t, period["start"], strings.Replace(ours["Encounter"][0].Get("period", "start").Text(), "Z", "+00:00", 1))
			require.Equal(t, sectionsWithText(theirs["Composition"][0]), textConcepts(ours["CarePlan"][0]))
		})
	}
}

func listOf(v any) []map[string]any {
	var out []map[string]any
	items, _ := v.([]any)
	for _, item := range items {
		out = append(out, item.(map[string]any))
	}
	return out
}

func valuesOf(identifiers fhir.Value) []string {
	var out []string
	for id := range fhir.Identifiers(identifiers) {
		out = append(out, id.Value)
	}
	return out
}

var markup = regexp.MustCompile(`(?s)&lt;.*?&gt;|<[^>]*>`)

// sectionsWithText counts the adaptor's sections of the document that say
// something; it adds sections of its own with entries only.
func sectionsWithText(composition map[string]any) int {
	count := 0
	for _, s := range listOf(composition["section"]) {
		text, _ := s["text"].(map[string]any)
		if div, _ := text["div"].(string); strings.TrimSpace(markup.ReplaceAllString(div, "")) != "" && len(listOf(s["entry"])) == 0 {
			count++
		}
		count += sectionsWithText(s)
	}
	return count
}

func textConcepts(plan *fhir.Resource) int {
	count := 0
	for activity := range plan.Get("activity").Items() {
		for concept := range activity.Get("outcomeCodeableConcept").Items() {
			if !concept.Get("coding").Exists() {
				count++
			}
		}
	}
	return count
}
