package nhs111

import (
	"regexp"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

const (
	sectionConsent     = "887031000000108"
	sectionAppointment = "749001000000101"
)

// disposition is the final disposition, nil where the document gives none.
func (m *stu3Mapper) disposition() *fhir.Object {
	coding := rawCoding(m.report.encounter.Child("dischargeDispositionCode"))
	if coding.Empty() {
		return nil
	}
	return coding
}

// addRecipientsAndReferral writes the services that the report is for, the
// request, its disposition and those whom it names as referred to.
func (m *stu3Mapper) addRecipientsAndReferral() {
	var services, referred []string
	for _, recipient := range m.report.recipients {
		if primary(recipient) {
			services = append(services, m.addService(recipient.Child("intendedRecipient")))
		}
	}
	var entities []*xmltree.Node
	for _, participant := range m.report.root.All("participant") {
		if participant.Attr("typeCode") == "REFT" {
			referred = append(referred, m.url())
			entities = append(entities, participant.Child("associatedEntity"))
		}
	}
	authored := ""
	for _, author := range m.report.authors {
		authored = orElse(authored, stu3Time(author.Child("time")))
	}
	occurrence := fhir.Obj("start", stu3Offset(m.report.Effective.dateTime()))
	m.add(m.referral, m.resource("ReferralRequest", m.referral).
		Set("status", "active").Set("intent", "plan").Set("priority", "routine").
		Set("subject", ref(m.patient)).Set("context", ref(m.encounter)).
		Set("occurrencePeriod", occurrence).Set("authoredOn", authored).
		Set("requester", fhir.Obj("agent", ref(m.device), "onBehalfOf", ref(m.provider))).
		Set("recipient", refs(append(append([]string(nil), referred...), services...)...)).
		Set("reasonReference", refs(m.condition)).
		Set("supportingInfo", refs(m.procedure)))
	if m.procedure != "" {
		m.add(m.procedure, m.resource("ProcedureRequest", m.procedure).
			Set("status", "active").Set("intent", "plan").Set("priority", "routine").Set("doNotPerform", false).
			Set("code", fhir.Obj("coding", list(m.disposition()))).
			Set("subject", ref(m.patient)).Set("occurrencePeriod", occurrence).
			Set("reasonReference", refs(m.condition)))
	}
	for i, url := range referred {
		m.addPractitioner(url, entities[i], "associatedPerson")
	}
}

// addService writes a primary recipient: the service, where it is, who runs it.
func (m *stu3Mapper) addService(recipient *xmltree.Node) string {
	service, place := m.url(), m.url()
	organisation, organisationURL := recipient.Child("receivedOrganization"), ""
	if organisation != nil {
		organisationURL = m.url()
	}
	title := nodeValue(organisation.Child("name"))
	telecoms := stu3Telecoms(recipient.All("telecom"))
	m.add(service, m.resource("HealthcareService", service).Set("active", true).
		Set("providedBy", ref(organisationURL)).Set("location", refs(place)).
		Set("name", title).Set("telecom", telecoms))
	m.add(place, m.resource("Location", place).Set("telecom", telecoms).
		Set("address", stu3Address(recipient.Child("addr"))).
		Set("managingOrganization", ref(organisationURL)))
	if organisation != nil {
		m.addOrganisation(organisationURL, organisation,
			fhir.Obj("coding", list(fhir.Obj("code", "PRCP", "display", title))))
	}
	return service
}

// addDocument writes the composition and what it was made of.
func (m *stu3Mapper) addDocument() {
	plans := m.adviceSections(m.root.Child("component", "structuredBody"))
	var planURLs []string
	for range plans {
		planURLs = append(planURLs, m.url())
	}
	m.addComposition(planURLs)
	for i, section := range plans {
		m.add(planURLs[i], m.resource("CarePlan", planURLs[i]).
			Set("status", "completed").Set("intent", "plan").
			Set("title", nodeValue(section.Child("title"))).
			Set("description", nodeValue(section.Child("text", "content"))).
			Set("subject", ref(m.patient)).Set("context", ref(m.encounter)).
			Set("period", stu3Period(m.report.encounter.Child("effectiveTime"))).
			Set("author", refs(m.authorOrganisation)).
			Set("addresses", refs(m.condition)))
	}
	m.addConsent()
	m.addCondition()
	m.addQuestionnaires()
	m.addComplaints()
}

// adviceSections finds the sections of advice given: at each level first those
// of the level, then those below.
func (m *stu3Mapper) adviceSections(parent *xmltree.Node) []*xmltree.Node {
	var out []*xmltree.Node
	for _, section := range sectionsOf(parent) {
		if code := section.Child("code"); code.Attr("code") == sectionAdvice && code.Attr("codeSystem") == oidSNOMED {
			out = append(out, section)
		}
	}
	for _, section := range sectionsOf(parent) {
		out = append(out, m.adviceSections(section)...)
	}
	return out
}

func sectionsOf(parent *xmltree.Node) []*xmltree.Node {
	var out []*xmltree.Node
	for _, component := range parent.All("component") {
		out = append(out, component.All("section")...)
	}
	return out
}

func (m *stu3Mapper) addComposition(plans []string) {
	var sections []*fhir.Object
	for _, top := range sectionsOf(m.root.Child("component", "structuredBody")) {
		sections = append(sections, fhir.Obj("section", m.compositionSections(top)))
	}
	linked := func(title, url string) {
		sections = append(sections, fhir.Obj("title", title, "entry", refs(url)))
	}
	for _, plan := range plans {
		linked("CarePlan", plan)
	}
	linked("ReferralRequest", m.referral)
	for _, q := range m.questionnaires {
		linked("QuestionnaireResponse", q.response)
	}
	confidentiality := m.report.root.Child("confidentialityCode").Attr("code")
	if !strings.Contains(" U L M N R V ", " "+confidentiality+" ") {
		confidentiality = ""
	}
	url := m.url()
	m.add(url, m.resource("Composition", url).
		Set("identifier", fhir.Obj("use", "usual", "value", m.report.SetID)).
		Set("status", "final").
		Set("type", conceptOf(nhs.SystemSNOMED, "371531000", "Report of clinical encounter (record artifact)")).
		Set("subject", ref(m.patient)).Set("encounter", ref(m.encounter)).
		Set("date", stu3Offset(m.report.Effective.dateTime())).
		Set("author", refs(m.authors...)).Set("title", "111 Report").
		Set("confidentiality", confidentiality).
		Set("relatesTo", m.replacedDocuments()).
		Set("section", sections))
}

func (m *stu3Mapper) replacedDocuments() []*fhir.Object {
	for _, related := range m.report.root.All("relatedDocument") {
		if id := related.Child("parentDocument", "id").Attr("root"); id != "" {
			code := map[string]string{"APND": "appends", "XFRM": "transforms"}[related.Attr("typeCode")]
			return list(fhir.Obj("code", orElse(code, "replaces"),
				"targetIdentifier", fhir.Obj("use", "usual", "value", id)))
		}
	}
	return nil
}

func (m *stu3Mapper) compositionSections(parent *xmltree.Node) []*fhir.Object {
	var out []*fhir.Object
	for _, section := range sectionsOf(parent) {
		o := fhir.Obj("title", section.Child("title").Content())
		if text := section.Child("text"); text != nil {
			if markup := strings.TrimSpace(innerMarkup(text)); markup != "" {
				// The markup is shown as text, not as XHTML: escaped it is inert.
				o.Set("text", fhir.Obj("status", "generated", "div", stu3Div(shown(markup))))
			}
		}
		out = append(out, o.Set("section", m.compositionSections(section)))
	}
	return out
}

func stu3Div(content string) string {
	return `<div xmlns="http://www.w3.org/1999/xhtml">` + content + `</div>`
}

func (m *stu3Mapper) addConsent() {
	var actions []*fhir.Object
	for _, authorization := range m.report.root.All("authorization") {
		code := authorization.Child("consent", "code")
		system, value, display := code.Attr("codeSystem"), code.Attr("code"), code.Attr("displayName")
		if system == "" || value == "" || display == "" {
			continue
		}
		if system == oidSNOMED {
			system = nhs.SystemSNOMED
		}
		actions = append(actions, conceptOf(system, value, display).Set("text", display))
	}
	var text *fhir.Object
	source := ""
	for _, top := range sectionsOf(m.root.Child("component", "structuredBody")) {
		for _, section := range sectionsOf(top) {
			code := section.Child("code")
			if code.Attr("code") != sectionConsent || code.Attr("codeSystem") != oidSNOMED {
				continue
			}
			source = orElse(section.Child("id").Attr("root"), source)
			if n := section.Child("text"); n != nil {
				text = fhir.Obj("status", "generated", "div", stu3Div(narrativeMarkup(n)))
			}
		}
	}
	url := m.url()
	consent := m.resource("Consent", url).Set("text", text).
		Set("identifier", stu3Usual(m.report.SetID)).Set("status", "active").
		Set("patient", ref(m.patient)).
		Set("period", stu3Period(m.report.encounter.Child("effectiveTime"))).
		Set("consentingParty", refs(m.patient)).Set("action", actions).
		Set("organization", refs(m.provider))
	if source != "" {
		consent.Set("sourceIdentifier", fhir.Obj("value", source))
	}
	m.add(url, consent.Set("policyRule", "http://hl7.org/fhir/ConsentPolicy/opt-out").
		Set("dataPeriod", stu3Period(m.report.permission.Child("effectiveTime"))).
		Set("data", list(fhir.Obj("meaning", "related", "reference", ref(m.encounter)))))
}

func stu3Usual(value string) *fhir.Object {
	if value == "" {
		return nil
	}
	return fhir.Obj("use", "usual", "value", value)
}

func (m *stu3Mapper) addCondition() {
	var code, category *fhir.Object
	for _, value := range m.report.discriminators {
		if value.Attr("codeSystem") == oidSNOMED {
			code = fhir.Obj("coding", list(rawCoding(value)))
		}
	}
	if text := oneLine(allText(m.report.appointment.Child("text"))); text != "" {
		category = fhir.Obj("text", text)
	}
	var evidence []*fhir.Object
	for _, q := range m.questionnaires {
		evidence = append(evidence, fhir.Obj("detail", refs(q.response)))
	}
	m.add(m.condition, m.resource("Condition", m.condition).
		Set("clinicalStatus", "active").Set("verificationStatus", "unknown").
		Set("category", list(category)).Set("code", code).
		Set("subject", ref(m.patient)).Set("context", ref(m.encounter)).
		Set("assertedDate", stu3Time(m.report.appointment.Child("effectiveTime"))).
		Set("evidence", evidence))
}

// encounterText is the text of the appointment's entry, which the reference
// takes for the encounter's.
func (m *stu3Mapper) encounterText() *fhir.Object {
	text := oneLine(allText(m.report.appointment.Child("text")))
	if text == "" {
		return nil
	}
	return fhir.Obj("status", "generated", "div", stu3Div(xmltree.EscapeText(text)))
}

var complaintTitle = regexp.MustCompile(`^Patient.s Reported Condition$`)

func (m *stu3Mapper) addComplaints() {
	for _, top := range sectionsOf(m.root.Child("component", "structuredBody")) {
		for _, section := range sectionsOf(top) {
			if !complaintTitle.MatchString(nodeValue(section.Child("title"))) {
				continue
			}
			var lines []string
			for _, content := range section.Child("text").All("content") {
				if len(content.Children) > 0 {
					lines = append(lines, content.Children[0].Text)
				}
			}
			url := m.url()
			m.add(url, m.resource("Observation", url).Set("status", "final").
				Set("code", conceptOf(nhs.SystemSNOMED, "33962009", "Presenting complaint")).
				Set("subject", ref(m.patient)).Set("context", ref(m.encounter)).
				Set("valueString", strings.Join(lines, "\n")))
		}
	}
}
