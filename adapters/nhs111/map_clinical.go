package nhs111

import (
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

const (
	pathEncounter       = "ClinicalDocument/componentOf/encompassingEncounter"
	participationSystem = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
	actCodes            = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
)

func (m *mapper) addEncounter(sender *organisation) {
	e := m.report.encounter
	low := m.time(e.Child("effectiveTime", "low"), pathEncounter+"/effectiveTime/low")
	high := m.time(e.Child("effectiveTime", "high"), pathEncounter+"/effectiveTime/high")
	if low.zero() {
		low = m.time(e.Child("effectiveTime"), pathEncounter+"/effectiveTime")
	}
	kind := "NHS 111 referral"
	if m.request == "" {
		kind = "NHS 111 copy for information"
	}
	encounter := m.ukCore("Encounter").
		Set("identifier", m.identifiers(caseFirst(e.All("id")), pathEncounter+"/id")).
		Set("status", "finished").
		Set("class", fhir.Obj("system", actCodes, "code", "EMER", "display", "emergency")).
		Set("type", list(fhir.Obj("text", kind))).
		Set("subject", ref(m.patient)).
		Set("episodeOfCare", list(m.journey())).
		Set("participant", m.participants()).
		Set("period", m.period(low, high, pathEncounter+"/effectiveTime"))
	if m.incident != "" {
		encounter.Set("location", list(fhir.Obj("location", ref(m.incident), "status", "completed")))
	}
	m.add(m.encounterURL, encounter.Set("serviceProvider", ref(sender.use())))
}

// period makes a Period. One that ends before it begins isn't FHIR (per-1): then
// only its end is given, which says how long something holds.
func (m *mapper) period(low, high hl7Time, path string) *fhir.Object {
	if !low.zero() && !high.zero() && low.At.After(high.At) {
		m.warnings = append(m.warnings, path+" ends before it begins; its low is only in the document")
		low = hl7Time{}
	}
	return fhir.Obj("start", low.dateTime(), "end", high.dateTime())
}

// caseFirst puts the case reference before the local case id and the rest: the
// first identifier is the one that people read.
func caseFirst(ids []*xmltree.Node) []*xmltree.Node {
	var out []*xmltree.Node
	for _, root := range []string{oidCaseRef, oidCaseID} {
		for _, id := range ids {
			if id.Attr("root") == root {
				out = append(out, id)
			}
		}
	}
	for _, id := range ids {
		if root := id.Attr("root"); root != oidCaseRef && root != oidCaseID {
			out = append(out, id)
		}
	}
	return out
}

// journeySpace is the name space of journeys that are known by another id than
// a UUID: the same id gives the same journey (RFC 4122, version 5).
var journeySpace = uuid.NewSHA1(uuid.NameSpaceOID, []byte(oidJourney))

// journey is the patient's journey: BaRS wants the reference to be a UUID, so
// one is derived where the sender's has another form, with the sender's own
// beside it. A report that names no journey begins one with its case.
func (m *mapper) journey() *fhir.Object {
	var first, named *xmltree.Node
	for _, id := range caseFirst(m.report.encounter.All("id")) {
		if strings.TrimSpace(id.Attr("extension")) == "" {
			continue
		}
		if id.Attr("root") == oidJourney {
			named = id
			break
		}
		if first == nil {
			first = id
		}
	}
	value := strings.TrimSpace(named.Attr("extension"))
	switch {
	case fhir.ValidUUID(value):
		return fhir.Obj("reference", "EpisodeOfCare/"+strings.ToLower(value))
	case named != nil:
		return fhir.Obj("reference", derivedJourney(named.Attr("root"), value), "type", "EpisodeOfCare",
			"identifier", fhir.Obj("system", nhs.SystemJourneyOID, "value", value))
	case first != nil:
		return fhir.Obj("reference", derivedJourney(first.Attr("root"), strings.TrimSpace(first.Attr("extension"))))
	}
	return fhir.Obj("reference", derivedJourney(m.report.set(), ""))
}

func derivedJourney(root, extension string) string {
	return "EpisodeOfCare/" + uuid.NewSHA1(journeySpace, []byte(root+"|"+extension)).String()
}

func (m *mapper) participants() []*fhir.Object {
	people := append([]person(nil), m.authors...)
	if m.responsible != nil {
		people = append(people, *m.responsible)
	}
	var out []*fhir.Object
	for _, p := range append(people, m.informants...) {
		out = append(out, fhir.Obj("type", list(conceptOf(participationSystem, p.participation, "")),
			"individual", ref(p.role)))
	}
	for _, p := range m.related {
		if !p.self() {
			out = append(out, fhir.Obj("type", list(conceptOf(participationSystem, "INF", "")), "individual", ref(p.url)))
		}
	}
	return out
}

var gridForm = regexp.MustCompile(`^X?(\d{1,7})(?:,|,?Y)(\d{1,7})$`)

// addIncident makes the place where the patient is, if the document gives one.
func (m *mapper) addIncident() {
	facility := m.report.encounter.Child("location", "healthCareFacility")
	place := facility.Child("location")
	where := address(place.Child("addr"))
	title := oneLine(place.Child("name").Content())
	if where == nil && title == "" {
		return
	}
	m.incident = m.url()
	location := m.resource("Location", profileBase+"BARSLocation-incident-location")
	extra := place.Child("addr", "additionalLocator").Content()
	grid := gridForm.FindStringSubmatch(strings.ReplaceAll(extra, " ", ""))
	if grid != nil {
		location.Set("extension", list(fhir.Obj("extension", []*fhir.Object{
			fhir.Obj("url", "eastings", "valueString", grid[1]),
			fhir.Obj("url", "northings", "valueString", grid[2]),
		}, "url", profileBase+"LocationExtension")))
		extra = ""
	}
	location.Set("identifier", m.identifiers(facility.All("id"), pathEncounter+"/location/healthCareFacility/id"))
	location.Set("status", "active").Set("name", title).Set("description", extra)
	types := []*fhir.Object{conceptOf(codeSystemBase+"location-types-bars", "ILOC", "Incident Location")}
	if setting := m.concept(facility.Child("code"), pathEncounter+"/location/healthCareFacility/code"); setting != nil {
		// The profile takes one type; what kind of place it is joins the text.
		types[0].Set("text", strings.TrimSpace(facility.Child("code").Attr("displayName")))
	}
	m.add(m.incident, location.Set("type", types).Set("address", where))
}

// incidentIsHome compares the incident's address with the patient's own.
func (m *mapper) incidentIsHome() bool {
	place := m.report.encounter.Child("location", "healthCareFacility", "location", "addr")
	for _, home := range m.report.patientRole.All("addr") {
		if use := home.Attr("use"); (use == "H" || use == "HP") && sameAddress(home, place) {
			return true
		}
	}
	return false
}

func sameAddress(a, b *xmltree.Node) bool {
	fold := func(n *xmltree.Node) string {
		parts := append(contents(n.All("streetAddressLine")), n.Child("postalCode").Content())
		return strings.ToLower(strings.Join(strings.Fields(strings.Join(parts, " ")), ""))
	}
	return fold(a) == fold(b)
}

// addConditions makes a Condition of each SNOMED discriminator; the Pathways
// discriminators are further codings of the first. Without any, the presenting
// complaint alone makes one.
func (m *mapper) addConditions() {
	const path = "ClinicalDocument/component//observation[ClinicalDiscriminator]/value"
	var codes [][]*fhir.Object
	var others []*fhir.Object
	for _, value := range m.report.discriminators {
		coding := m.coding(value, path)
		if coding == nil {
			continue
		}
		if root := value.Attr("codeSystem"); root == oidSNOMED || root == oidSNOMEDExpr {
			codes = append(codes, []*fhir.Object{coding})
		} else {
			others = append(others, coding)
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
		if coding := m.coding(value, path); coding != nil {
			out = append(out, fhir.Obj("coding", list(coding), "text", "Ambulance priority"))
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
	if c := m.coding(disposition, pathEncounter+"/dischargeDispositionCode"); c != nil {
		outcome = append(outcome, fhir.Obj("coding", list(c), "text", "Pathways Assessment DX Code"))
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
