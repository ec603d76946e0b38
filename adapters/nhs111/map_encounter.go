package nhs111

import (
	"regexp"
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

// codeEncounter is what every report calls its encounter.
const codeEncounter = "NHS111Encounter"

func (m *mapper) addEncounter(sender *organisation) {
	e := m.report.encounter
	low := m.time(e.Child("effectiveTime", "low"), pathEncounter+"/effectiveTime/low")
	high := m.time(e.Child("effectiveTime", "high"), pathEncounter+"/effectiveTime/high")
	if low.zero() {
		low = m.time(e.Child("effectiveTime"), pathEncounter+"/effectiveTime")
	}
	kind := fhir.Obj("text", "NHS 111 referral")
	if m.request == "" {
		kind = fhir.Obj("text", "NHS 111 copy for information")
	}
	kinds := list(kind)
	if code := e.Child("code"); code.Attr("code") != codeEncounter || len(code.Elements()) > 0 {
		kinds = append(kinds, list(m.concept(code, pathEncounter+"/code"))...)
	}
	encounter := m.ukCore("Encounter").
		Set("identifier", m.identifiers(caseFirst(e.All("id")), pathEncounter+"/id")).
		Set("status", "finished").
		Set("class", fhir.Obj("system", actCodes, "code", "EMER", "display", "emergency")).
		Set("type", kinds).
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
		m.omit(path+"/low", "the time ends before it begins")
		low = hl7Time{}
	}
	return fhir.Obj("start", low.dateTime(), "end", high.dateTime())
}

// caseFirst puts the case reference before the local case id and the rest, the
// journey last: the first identifier is the one that people read.
func caseFirst(ids []*xmltree.Node) []*xmltree.Node {
	var out []*xmltree.Node
	for _, root := range []string{oidCaseRef, oidCaseID} {
		for _, id := range ids {
			if id.Attr("root") == root {
				out = append(out, id)
			}
		}
	}
	for _, journey := range []bool{false, true} {
		for _, id := range ids {
			if root := id.Attr("root"); root != oidCaseRef && root != oidCaseID && (root == oidJourney) == journey {
				out = append(out, id)
			}
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
	for _, p := range append(people, m.others...) {
		out = append(out, fhir.Obj("type", list(conceptOf(participationSystem, p.participation, "")),
			"period", p.period, "individual", ref(p.role)))
	}
	for _, p := range m.related {
		if !p.self() && !p.guardian {
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
	where := m.address(place.Child("addr"), pathEncounter+"/location/healthCareFacility/location", "additionalLocator")
	title := oneLine(place.Child("name").Content())
	const path = pathEncounter + "/location/healthCareFacility"
	ids, setting := m.identifiers(facility.All("id"), path+"/id"), m.concept(facility.Child("code"), path+"/code")
	keeper := m.organisationOf(facility.Child("serviceProviderOrganization"), path+"/serviceProviderOrganization", nil)
	if where == nil && title == "" && len(ids) == 0 && setting == nil && keeper == nil {
		return
	}
	m.incident = m.url()
	location := m.resource("Location", profileBase+"BARSLocation-incident-location")
	extra := strings.Join(contents(place.Child("addr").All("additionalLocator")), ", ")
	grid := gridForm.FindStringSubmatch(strings.ReplaceAll(extra, " ", ""))
	if grid != nil {
		location.Set("extension", list(fhir.Obj("extension", []*fhir.Object{
			fhir.Obj("url", "eastings", "valueString", grid[1]),
			fhir.Obj("url", "northings", "valueString", grid[2]),
		}, "url", profileBase+"LocationExtension")))
		extra = ""
	}
	location.Set("identifier", ids)
	location.Set("status", "active").Set("name", title).Set("description", extra)
	types := []*fhir.Object{conceptOf(codeSystemBase+"location-types-bars", "ILOC", "Incident Location")}
	if setting != nil {
		// The profile takes one type; what kind of place it is joins the text.
		types[0].Set("text", codeText(facility.Child("code")))
	}
	m.add(m.incident, location.Set("type", types).Set("address", where).Set("managingOrganization", ref(keeper.use())))
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
