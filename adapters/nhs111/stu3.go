package nhs111

import (
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

// stu3Device is what the output says of the software that made it. Its model is
// the reference adaptor's, because consumers tell these messages by it.
const stu3Device = "111 Adaptor"

// systemEvent is the code system of MessageHeader.event.
const systemEvent = "https://fhir.nhs.uk/STU3/CodeSystem/EventType-1"

// mapSTU3 maps the newest document of a message to the FHIR STU3 message bundle
// that the reference 111 adaptor 2.0 makes of it, for those who consume that:
// its entries, their order and its codes, raw OIDs as systems included. Where
// the reference's bundle is broken ours isn't; stu3_test.go lists each place.
// endpoint is the address that the message was sent to, version the software's.
//
// Times that can't be read are left out: the message was accepted without them.
// Of several triages only the first is written, as there; the R4 form has all.
func mapSTU3(in source, endpoint, version string) (*fhir.Resource, error) {
	reports, current, err := readReports(in.Documents)
	if err != nil {
		return nil, err
	}
	m := &stu3Mapper{source: in, report: reports[current], text: in.Documents[current].Text}
	if parsed, err := xmltree.Read(m.text, xmltree.Rules{Instructions: true}); err == nil {
		m.root = parsed // its nodes know their bytes in text
	}
	kind, _ := kindOf(in.Envelope.Service, in.Envelope.Interaction)
	return m.bundle(kind == forInformation, endpoint, version), nil
}

// stu3Mapper holds the names of the entries that others refer to.
type stu3Mapper struct {
	source
	report *report
	text   []byte
	root   *xmltree.Node

	patient, encounter, provider, device, condition string
	referral, procedure, appointment                string
	active, authorOrganisation                      string // location and GP practice
	authors                                         []string
	responsible                                     string
	questionnaires                                  []stu3Questionnaire

	entries []entry
}

func (m *stu3Mapper) url() string { return "urn:uuid:" + strings.ToLower(m.NewID()) }

// resource starts a resource whose id is that of its name in the bundle.
func (m *stu3Mapper) resource(typ, url string) *fhir.Object {
	return fhir.NewObject(typ).Set("id", strings.TrimPrefix(url, "urn:uuid:"))
}

func (m *stu3Mapper) add(url string, o *fhir.Object) { m.entries = append(m.entries, entry{url, o}) }

func (m *stu3Mapper) bundle(information bool, endpoint, version string) *fhir.Resource {
	m.patient, m.encounter, m.provider, m.device = m.url(), m.url(), m.url(), m.url()
	m.condition, m.referral = m.url(), m.url()
	if m.disposition() != nil {
		m.procedure = m.url()
	}
	for range m.report.authors {
		m.authors = append(m.authors, m.url())
	}
	m.readTriage()
	m.addHeader(information, endpoint)
	m.addEncounter(information)
	m.addRecipientsAndReferral()
	m.addAppointment()
	m.addDocument()
	m.addRoles()
	m.addEmergencyContact()
	m.add(m.device, m.resource("Device", m.device).Set("model", stu3Device).Set("version", version))
	m.addList()
	list := make([]*fhir.Object, len(m.entries))
	for i, e := range m.entries {
		list[i] = fhir.Obj("fullUrl", e.url, "resource", e.object)
	}
	return fhir.NewObject("Bundle").
		Set("meta", fhir.Obj("lastUpdated", fhir.FormatInstant(m.Now))).
		Set("identifier", fhir.Obj("type", fhir.Obj("text", "ClinicalDocument VersionNumber"), "value", m.report.Version)).
		Set("type", "message").Set("entry", list).Resource()
}

func (m *stu3Mapper) addHeader(information bool, endpoint string) {
	event := fhir.Obj("system", systemEvent, "code", "referral-1", "display", "Referral")
	if information {
		event = fhir.Obj("system", systemEvent, "code", "discharge-details-1", "display", "Discharge Details")
	}
	id := m.Envelope.MessageID
	if len(id) > 36 {
		id = id[len(id)-36:]
	}
	if !fhir.ValidUUID(id) {
		id = m.NewID()
	}
	m.add("urn:uuid:"+id, fhir.NewObject("MessageHeader").Set("id", id).
		Set("event", event).
		Set("destination", list(fhir.Obj("endpoint", m.destination()))).
		Set("timestamp", m.timestamp()).
		Set("source", fhir.Obj("name", "NHS 111 Adaptor", "endpoint", endpoint)).
		Set("reason", conceptOf(nsITK+":interaction", "urn:nhs-itk:interaction:"+m.Envelope.Interaction, "")))
}

// destination joins the ODS address and the DoS service, either of which may be
// absent.
func (m *stu3Mapper) destination() string {
	var parts []string
	if code := first(m.Envelope.ODS); code != "" {
		parts = append(parts, odsURI+code)
	}
	if id := first(m.Envelope.DoS); id != "" {
		parts = append(parts, "DOSServiceID:"+id)
	}
	return strings.Join(parts, ":")
}

func (m *stu3Mapper) timestamp() string {
	if m.report.Effective.instant() == "" {
		return ""
	}
	return m.report.Effective.At.UTC().Format("2006-01-02T15:04:05.000+00:00")
}

// stu3Time writes a time as the reference does: UTC with a numeric offset.
func stu3Time(n *xmltree.Node) string {
	var unread problems
	return stu3Offset(unread.time(n, "").dateTime())
}

func stu3Offset(dateTime string) string {
	if rest, utc := strings.CutSuffix(dateTime, "Z"); utc {
		return rest + "+00:00"
	}
	return dateTime
}

func stu3Period(n *xmltree.Node) *fhir.Object {
	return fhir.Obj("start", stu3Time(n.Child("low")), "end", stu3Time(n.Child("high")))
}

// addEncounter writes the encounter and those in it, in the reference's order.
func (m *stu3Mapper) addEncounter(information bool) {
	kind := "111 Encounter Referral"
	if information {
		kind = "111 Encounter Copy for Information"
	}
	var identifiers []*fhir.Object
	for _, id := range m.report.encounter.All("id") {
		identifiers = append(identifiers, fhir.Obj("system", id.Attr("root"), "value", id.Attr("extension")))
	}
	place := len(m.entries)
	m.add(m.encounter, nil)
	m.addProvider()
	participants := m.addParticipants()
	locations := m.addLocations()
	if m.report.appointment != nil {
		m.appointment = m.url()
	}
	m.entries[place].object = m.resource("Encounter", m.encounter).
		Set("text", m.encounterText()).
		Set("identifier", identifiers).Set("status", "finished").
		Set("type", list(fhir.Obj("text", kind))).
		Set("subject", ref(m.patient)).Set("participant", participants).
		Set("appointment", ref(m.appointment)).
		Set("period", stu3Period(m.report.encounter.Child("effectiveTime"))).
		Set("location", locations).Set("serviceProvider", ref(m.provider))
	m.addPatient()
}

func (m *stu3Mapper) addParticipants() []*fhir.Object {
	var out []*fhir.Object
	with := func(kind *fhir.Object, individual string) {
		out = append(out, fhir.Obj("type", list(kind), "individual", ref(individual)))
	}
	for _, participant := range m.report.root.All("participant") {
		if code := participant.Attr("typeCode"); code != "REFT" {
			url := m.url()
			with(fhir.Obj("text", code), url)
			m.addPractitioner(url, participant.Child("associatedEntity"), "associatedPerson")
		}
	}
	for i, author := range m.report.authors {
		with(conceptOf(stu3Participation, "PPRF", "Author"), m.authors[i])
		m.addPractitioner(m.authors[i], author.Child("assignedAuthor"), "assignedPerson")
	}
	for _, informant := range m.report.root.All("informant") {
		if entity := informant.Child("assignedEntity"); entity != nil {
			url := m.url()
			with(fhir.Obj("text", orElse(informant.Attr("typeCode"), "INF")), url)
			m.addPractitioner(url, entity, "assignedPerson")
		} else if entity := informant.Child("relatedEntity"); entity != nil {
			url := m.url()
			with(fhir.Obj("text", "Informant"), url)
			m.addRelatedPerson(url, entity)
		}
	}
	if enterer := m.report.root.Child("dataEnterer"); enterer != nil {
		url := m.url()
		with(fhir.Obj("text", orElse(enterer.Attr("typeCode"), "ENT")), url)
		m.addPractitioner(url, enterer.Child("assignedEntity"), "assignedPerson")
	}
	if party := m.report.encounter.Child("responsibleParty", "assignedEntity"); party != nil {
		m.responsible = m.url()
		with(conceptOf(stu3Participation, "ATND", "Responsible Party"), m.responsible)
		m.addPractitioner(m.responsible, party, "assignedPerson")
	}
	return out
}

const stu3Participation = "http://hl7.org/fhir/ValueSet/encounter-participant-type"

// addLocations writes the GP practice's place and the incident's.
func (m *stu3Mapper) addLocations() []*fhir.Object {
	var out []*fhir.Object
	if practice := m.report.patientRole.Child("providerOrganization"); practice != nil {
		m.active, m.authorOrganisation = m.url(), m.url()
		out = append(out, fhir.Obj("location", ref(m.active), "status", "active"))
		m.add(m.active, m.resource("Location", m.active).Set("managingOrganization", ref(m.authorOrganisation)))
		m.addOrganisation(m.authorOrganisation, practice, nil)
	}
	if place := m.report.encounter.Child("location", "healthCareFacility", "location"); place != nil {
		url := m.url()
		out = append(out, fhir.Obj("location", ref(url), "status", "completed"))
		m.add(url, m.resource("Location", url).Set("name", nodeValue(place.Child("name"))).
			Set("address", stu3Address(place.Child("addr"))))
	}
	return out
}

// addList names the entries of the triage.
func (m *stu3Mapper) addList() {
	var items []*fhir.Object
	for _, e := range m.entries {
		switch typeOf(e.object) {
		case "Condition", "Questionnaire", "QuestionnaireResponse", "Observation", "Organization",
			"Practitioner", "Provenance", "ReferralRequest", "RelatedPerson":
			items = append(items, fhir.Obj("item", ref(e.url)))
		}
	}
	url := m.url()
	m.add(url, m.resource("List", url).Set("status", "current").Set("mode", "working").
		Set("title", "111 Report List").Set("code", conceptOf(nhs.SystemSNOMED, "225390008", "Triage")).
		Set("subject", ref(m.patient)).Set("encounter", ref(m.encounter)).
		Set("date", stu3Offset(m.report.Effective.dateTime())).Set("source", ref(m.device)).
		Set("orderedBy", conceptOf("http://hl7.org/fhir/list-order", "event-date", "Sorted by Event Date")).
		Set("entry", items))
}

// typeOf reads the resource type that NewObject wrote first.
func typeOf(o *fhir.Object) string {
	rest, _ := strings.CutPrefix(string(o.JSON()), `{"resourceType":"`)
	name, _, _ := strings.Cut(rest, `"`)
	return name
}
