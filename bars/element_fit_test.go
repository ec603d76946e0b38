package bars_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// fitApplication adds to the tour's referral what the application of its use
// case asks for, so that a test can change the use case alone. It only adds what
// is missing, new entries at the end.
func fitApplication(t testing.TB, doc map[string]any) {
	t.Helper()
	byType := map[string]map[string]any{}
	urls := map[string]string{}
	entries, _ := doc["entry"].([]any)
	for _, e := range entries {
		entry := e.(map[string]any)
		r, _ := entry["resource"].(map[string]any)
		if typ, ok := r["resourceType"].(string); ok && byType[typ] == nil {
			byType[typ] = r
			urls[typ], _ = entry["fullUrl"].(string)
		}
	}
	add := func(typ, text string) {
		if byType[typ] != nil {
			return
		}
		r := members(t, text)
		r["resourceType"] = typ
		r["meta"] = members(t, `{"lastUpdated":"2026-11-20T09:00:00+00:00","profile":["http://hl7.org/fhir/StructureDefinition/`+typ+`"]}`)
		byType[typ], urls[typ] = r, "urn:uuid:"+uuid.NewString()
		doc["entry"] = append(doc["entry"].([]any), map[string]any{"fullUrl": urls[typ], "resource": r})
	}
	fill := func(typ, text string) {
		for name, value := range members(t, text) {
			if r := byType[typ]; r != nil && r[name] == nil {
				r[name] = value
			}
		}
	}
	ref := func(typ string) string { return `{"reference":"` + urls[typ] + `"}` }
	coding := func(system, code string) string {
		return `{"coding":[{"system":"` + system + `","code":"` + code + `"}]}`
	}
	bars := "https://fhir.nhs.uk/CodeSystem/"
	condition := `{"clinicalStatus":` + coding("http://terminology.hl7.org/CodeSystem/condition-clinical", "active") +
		`,"verificationStatus":` + coding("http://terminology.hl7.org/CodeSystem/condition-ver-status", "provisional") +
		`,"category":[` + coding("http://snomed.info/sct", "33962009") + `]}`
	task := func(code, intent string) string {
		return `{"status":"requested","intent":"` + intent + `","code":` + coding("http://snomed.info/sct", code) + `,"authoredOn":"2026-11-20T09:00:00+00:00"}`
	}
	located := func() {
		add("Location", `{"type":[`+coding(bars+"location-types-bars", "ILOC")+`],"extension":[{"url":"https://fhir.nhs.uk/StructureDefinition/LocationExtension","extension":[{"url":"UPRN","valueString":"1"}]}]}`)
		fill("ServiceRequest", `{"locationReference":[`+ref("Location")+`]}`)
	}
	ordered := func(code string) {
		fill("Condition", condition)
		add("Task", task(code, "order"))
		fill("CarePlan", `{"addresses":[`+ref("Condition")+`]}`)
		put(t, byType["CarePlan"], []string{"activity[0]", "reference"}, members(t, ref("Task")))
	}
	useCase := ""
	if list, _ := byType["ServiceRequest"]["category"].([]any); len(list) > 0 {
		if codings, _ := list[0].(map[string]any)["coding"].([]any); len(codings) > 1 {
			useCase, _ = codings[1].(map[string]any)["code"].(string)
		}
	}
	switch {
	case useCase == "a3t1":
		located()
		add("Flag", `{"status":"active","category":[`+coding(bars+"flag-categories-bars", "SS")+`],"code":`+coding(bars+"scene-safety-codes-bars", "UNK")+`,"subject":`+ref("Location")+`}`)
	case useCase == "a4t1":
		located()
	case useCase == "a5t1" || useCase == "referraltopharmacy":
		ordered("2140231000000104")
		for _, e := range doc["entry"].([]any) {
			if r := e.(map[string]any)["resource"].(map[string]any); r["resourceType"] == "Organization" {
				r["type"] = []any{members(t, coding("http://snomed.info/sct", "788007007"))}
			}
		}
	case useCase == "a6t1":
		located()
		fill("Encounter", `{"statusHistory":[{"status":"planned","period":{"start":"2026-11-20T08:44:00+00:00"}}],"location":[{"location":`+ref("Location")+`}]}`)
		fill("Condition", condition)
		fill("Task", task("715537001", "plan"))
	case useCase == "a8t1":
		ordered("792891000000102")
		put(t, byType["Encounter"], []string{"class", "code"}, "VR")
		add("Device", `{"status":"active","deviceName":[{"name":"eRS","type":"user-friendly-name"}],"owner":`+ref("Organization")+`}`)
		put(t, byType["ServiceRequest"], []string{"performer[0]"}, members(t, ref("Device")))
		fill("ServiceRequest", `{"code":`+coding("http://snomed.info/sct", "792891000000102")+`,"orderDetail":[`+coding(bars+"bars-broker-referral-letter-status", "NEED_TO_ADD_LATER")+`]}`)
		put(t, byType["CarePlan"], []string{"activity[0]", "outcomeCodeableConcept[1]"}, members(t, coding(bars+"bars-broker-priority-status", "R")))
		put(t, byType["CarePlan"], []string{"activity[1]"}, members(t, `{"detail":{"status":"not-started","performer":[`+ref("HealthcareService")+`]}}`))
		put(t, byType["Patient"], []string{"address[0]", "use"}, "home")
	}
}

func members(t testing.TB, text string) map[string]any {
	t.Helper()
	var out map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &out), text)
	return out
}
