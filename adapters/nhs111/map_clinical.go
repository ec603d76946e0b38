package nhs111

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// addConditions makes a Condition of each SNOMED discriminator; the Pathways
// discriminators are further codings of the first. Without any, the presenting
// complaint alone makes one.
func (m *mapper) addConditions() {
	const path = "ClinicalDocument/component//observation[ClinicalDiscriminator]/value"
	var codes [][]*fhir.Object
	var others []*fhir.Object
	for _, value := range m.report.discriminators {
		found := m.codings(value, path)
		if words := value.Child("originalText").Content(); words != "" || len(found) == 0 {
			if words = codeText(value); words != "" {
				found = append(found, fhir.Obj("display", words))
			}
		}
		if root := value.Attr("codeSystem"); root == oidSNOMED || root == oidSNOMEDExpr {
			codes = append(codes, found)
		} else {
			others = append(others, found...)
		}
	}
	complaint := m.report.complaint()
	if len(codes) == 0 && (len(others) > 0 || complaint != "") {
		codes = append(codes, nil)
	}
	for i, coding := range codes {
		url := m.url()
		if i == 0 {
			m.condition = url
			coding = append(coding, others...)
		}
		m.add(url, m.ukCore("Condition").
			Set("clinicalStatus", conceptOf("http://terminology.hl7.org/CodeSystem/condition-clinical", "active", "Active")).
			Set("verificationStatus", conceptOf("http://terminology.hl7.org/CodeSystem/condition-ver-status", "provisional", "Provisional")).
			Set("category", list(conceptOf("http://terminology.hl7.org/CodeSystem/condition-category", "encounter-diagnosis", "Encounter Diagnosis"))).
			Set("code", fhir.Obj("coding", coding, "text", complaint)).
			Set("subject", ref(m.patient)).Set("encounter", ref(m.encounterURL)).
			Set("recordedDate", m.report.Effective.dateTime()))
	}
}

func (m *mapper) addComplaint() {
	text := m.report.complaint()
	if text == "" {
		return
	}
	m.complaint = m.url()
	m.add(m.complaint, m.ukCore("Observation").
		Set("status", "final").
		Set("code", conceptOf(nhs.SystemSNOMED, "33962009", "Presenting complaint").Set("text", "Presenting complaint")).
		Set("subject", ref(m.patient)).Set("encounter", ref(m.encounterURL)).
		Set("effectiveDateTime", m.report.Effective.dateTime()).
		Set("valueString", text))
}

// pathwaysCodes are the outcomes beside the disposition, one for each code
// system (BaRS Core 1.5, CarePlan): symptom group, symptom discriminator and
// ambulance priority.
func (m *mapper) pathwaysCodes() []*fhir.Object {
	var out []*fhir.Object
	for _, value := range m.report.discriminators {
		code := oneLine(value.Attr("code"))
		system, text := "", ""
		switch {
		case value.Attr("codeSystem") != oidPathways:
			continue
		case strings.HasPrefix(strings.ToUpper(code), "SG"):
			system, text = "pathways-sg-codes", "Pathways Assessment SG Code"
		case strings.HasPrefix(strings.ToUpper(code), "SD"):
			system, text = "pathways-sd-codes", "Pathways Assessment SD Code"
		default:
			continue
		}
		out = append(out, conceptOf(codeSystemBase+system, code, oneLine(value.Attr("displayName"))).Set("text", text))
	}
	if value := m.report.triageOutcome(); value != nil {
		const path = "AmbulanceRequest/reason/justifyingTriageOutcome/value"
		if codings := m.codings(value, path); len(codings) > 0 {
			if words := codeText(value); words != strings.TrimSpace(value.Attr("displayName")) {
				codings = append(codings, fhir.Obj("display", words))
			}
			out = append(out, fhir.Obj("coding", codings, "text", priorityText))
		} else if words := codeText(value); words != "" {
			out = append(out, fhir.Obj("text", priorityText+": "+words))
		}
	}
	return out
}

// addCarePlan holds the outcome of the triage: the disposition and the report's
// sections as text, advice apart.
func (m *mapper) addCarePlan() {
	r := m.report
	var outcome, advice []*fhir.Object
	disposition := r.encounter.Child("dischargeDispositionCode")
	if codes := m.codings(disposition, pathEncounter+"/dischargeDispositionCode"); len(codes) > 0 {
		outcome = append(outcome, fhir.Obj("coding", codes, "text", orElse(disposition.Child("originalText").Content(), dispositionText)))
	} else if words := codeText(disposition); words != "" {
		outcome = append(outcome, fhir.Obj("text", words))
	}
	outcome = append(outcome, m.pathwaysCodes()...)
	for _, s := range r.sections {
		if s.Text == "" {
			continue
		}
		text := s.Text
		if s.Title != "" {
			text = s.Title + ":\n" + text
		}
		if s.isAdvice() {
			advice = append(advice, fhir.Obj("text", text))
		} else {
			outcome = append(outcome, fhir.Obj("text", text))
		}
	}
	var activities []*fhir.Object
	for _, concepts := range [][]*fhir.Object{outcome, advice} {
		if len(concepts) > 0 {
			activities = append(activities, fhir.Obj("outcomeCodeableConcept", concepts))
		}
	}
	start := m.triageFinish()
	if start == "" {
		start = r.Effective.dateTime()
	}
	plan := m.ukCore("CarePlan").
		Set("status", "completed").Set("intent", "plan").Set("title", oneLine(r.Title)).
		Set("subject", ref(m.patient)).Set("encounter", ref(m.encounterURL)).
		Set("period", fhir.Obj("start", start)).
		Set("author", ref(m.authors[0].role)).
		Set("addresses", refs(m.condition)).
		Set("supportingInfo", refs(append(append([]string(nil), m.flags...), m.complaint)...)).
		Set("activity", activities)
	if slices.ContainsFunc(r.sections, func(s section) bool { return s.Text != "" }) {
		plan.Set("text", fhir.Obj("status", "additional", "div", xhtmlDiv(r.sections)))
	}
	m.add(m.carePlan, plan)
}
