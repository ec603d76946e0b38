package nhs111

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

const (
	codeSystemBase = "https://fhir.nhs.uk/CodeSystem/"
	profileBase    = "https://fhir.nhs.uk/StructureDefinition/"
	definition     = "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request-referral"
)

// messageHeader builds the first entry (BaRS Core 1.5, MessageHeader).
func (m *mapper) messageHeader(receiver, sender *organisation) entry {
	header := m.resource("MessageHeader", profileBase+"BARSMessageHeader-servicerequest-request")
	header.Set("extension", list(m.cdss()))
	header.Set("eventCoding", fhir.Obj("system", codeSystemBase+"message-events-bars", "code", "servicerequest-request"))
	header.Set("destination", list(fhir.Obj("endpoint", m.Target.String(), "receiver", ref(receiver.use()))))
	header.Set("sender", ref(sender.use()))
	supplier := sender.name
	if supplier == "" {
		supplier = m.Envelope.AuditODS
	}
	header.Set("source", fhir.Obj("name", supplier,
		"software", displayName(m.report.device.Child("manufacturerModelName")),
		"version", displayName(m.report.device.Child("softwareName")),
		"contact", m.callBackDesk(),
		"endpoint", nhs.SystemODS+"|"+m.senderODS()))
	header.Set("reason", conceptOf(codeSystemBase+"message-reason-bars", "new", ""))
	header.Set("focus", refs(m.request)).Set("definition", definition)
	return entry{m.url(), header}
}

// callBackDesk is where the sender answers questions about the report; the
// first telecom of participant CALLBCK.
func (m *mapper) callBackDesk() *fhir.Object {
	for _, participant := range m.report.root.All("participant") {
		if participant.Attr("typeCode") != "CALLBCK" {
			continue
		}
		if all := m.telecoms(participant.Child("associatedEntity").All("telecom"), "ClinicalDocument/participant"); len(all) > 0 {
			return all[0].object(0)
		}
	}
	return nil
}

// cdss names the triage software (BaRS Core 1.5, CDSSExtension). A disposition
// of NHS Pathways came from NHS Pathways, even where the document names no
// software; then no version is known. Nil where there is neither.
func (m *mapper) cdss() *fhir.Object {
	for _, part := range []string{"manufacturerModelName", "softwareName"} {
		if n := m.report.device.Child(part); n.Content() != "" && n.Content() != displayName(n) {
			m.omit(classification+"/entry/observationMedia/participant/participantRole/playingDevice/"+part+"/text()", "its displayName is carried")
		}
	}
	software := displayName(m.report.device.Child("manufacturerModelName"))
	version := orElse(m.contentVersion(), displayName(m.report.device.Child("softwareName")))
	if software == "" && (len(m.triages) > 0 || m.report.encounter.Child("dischargeDispositionCode").Attr("code") != "") {
		software = "NHS Pathways"
	}
	if software == "" {
		return nil
	}
	return fhir.Obj("extension", []*fhir.Object{
		fhir.Obj("url", "requesterCDSSSoftware", "valueString", software),
		fhir.Obj("url", "requesterCDSSVersion", "valueString", orElse(version, "not stated")),
	}, "url", profileBase+"CDSSExtension")
}

// displayName reads an SC value: its displayName attribute, else its text.
func displayName(n *xmltree.Node) string {
	if v := strings.TrimSpace(n.Attr("displayName")); v != "" {
		return v
	}
	return n.Content()
}

// senderODS is the address that an answer would go to.
func (m *mapper) senderODS() string {
	if code, ok := odsIn(m.Envelope.SenderURI, odsURI); ok {
		if parsed, ok := nhs.ParseODSCode(code); ok {
			return string(parsed)
		}
	}
	return m.Envelope.AuditODS
}

func (m *mapper) addServiceRequest(receiver *organisation) {
	r := m.report
	disposition := r.encounter.Child("dischargeDispositionCode")
	limit, limited := timeLimit(m.dispositionWords()...)
	period := fhir.Obj("start", r.Effective.dateTime())
	if limited && r.Effective.instant() != "" {
		end := r.Effective
		end.At = end.At.Add(limit)
		period.Set("end", end.dateTime())
	}
	authored := hl7Time{}
	for _, author := range r.authors {
		if t := m.time(author.Child("time"), "ClinicalDocument/author/time"); authored.zero() {
			authored = t
		}
	}
	if authored.zero() {
		authored = r.Effective
	}
	request := m.resource("ServiceRequest", profileBase+"BARSServiceRequest-request-referral").
		Set("identifier", m.caseIdentifiers()).
		Set("basedOn", refs(m.carePlan)).
		Set("replaces", m.replaced("setId")).
		Set("status", "active").Set("intent", "plan").
		Set("category", list(fhir.Obj("coding", []*fhir.Object{
			fhir.Obj("system", codeSystemBase+"message-category-servicerequest", "code", "referral", "display", "Transfer of Care"),
			fhir.Obj("system", codeSystemBase+"usecases-categories-bars", "code", m.UseCase, "display", useCaseNames[m.UseCase]),
		}))).
		Set("priority", orElse(urgency(r.triageOutcome().Attr("code")), priority(disposition.Attr("code"), limit, limited))).
		Set("subject", ref(m.patient)).Set("encounter", ref(m.encounterURL)).
		Set("occurrencePeriod", period).Set("authoredOn", authored.dateTime()).
		Set("requester", ref(m.authors[0].practitioner)).
		Set("performer", refs(m.service))
	if m.incident != "" && (r.ambulance != nil || !m.incidentIsHome()) {
		request.Set("locationReference", refs(m.incident))
	}
	request.Set("reasonReference", refs(m.condition)).
		Set("supportingInfo", m.supportingInfo(receiver)).
		Set("patientInstruction", r.advice())
	m.add(m.request, request)
}

// caseIdentifiers are the set of versions and the case that the request is of.
func (m *mapper) caseIdentifiers() []*fhir.Object {
	var out []*fhir.Object
	if m.report.SetID != "" {
		out = append(out, fhir.Obj("system", systemURI, "value", "urn:uuid:"+strings.ToLower(m.report.SetID)))
	}
	for _, id := range m.report.encounter.All("id") {
		if id.Attr("root") == oidCaseRef {
			out = append(out, m.identifiers([]*xmltree.Node{id}, pathEncounter+"/id")...)
		}
	}
	return out
}

// replaced names the earlier document (its setId or id) by identifier: the room
// knows its own record of it, this message can't. An earlier version of the same
// set is the same request, so it isn't one that this replaces.
func (m *mapper) replaced(what string) []*fhir.Object {
	var out []*fhir.Object
	for _, related := range m.report.root.All("relatedDocument") {
		root := related.Child("parentDocument", what).Attr("root")
		if related.Attr("typeCode") != "RPLC" || !fhir.ValidUUID(root) || uri(root) == m.report.set() {
			continue
		}
		out = append(out, fhir.Obj("identifier", fhir.Obj("system", systemURI, "value", uri(root))))
	}
	return out
}

// documentNamed refers to a document by its id: the message has no room for
// DocumentReferences, and must stand on its own when it is sent on.
func (m *mapper) documentNamed(i int) *fhir.Object {
	return fhir.Obj("type", "DocumentReference", "identifier", fhir.Obj("system", systemURI, "value", uri(m.reports[i].ID)))
}

// supportingInfo points at what the receiver should see beside the care plan.
func (m *mapper) supportingInfo(receiver *organisation) []*fhir.Object {
	out := refs(append(append([]string(nil), m.flags...), m.questionnaires...)...)
	for i, r := range m.reports {
		display := r.cameAs()
		if i != m.current {
			display = "Earlier " + display
		}
		out = append(out, m.documentNamed(i).Set("display", display))
	}
	if place := m.addAppointmentPlace(); place != nil {
		out = append(out, place)
	}
	if booked := m.appointmentInfo(); booked != nil {
		out = append(out, booked)
	}
	for _, link := range m.report.appointmentLinks() {
		out = append(out, fhir.Obj("reference", link, "type", "Appointment", "display", "Booked appointment"))
	}
	for _, recipient := range m.report.recipients {
		const path = "ClinicalDocument/informationRecipient/intendedRecipient"
		intended := recipient.Child("intendedRecipient")
		o := m.organisationOf(intended.Child("receivedOrganization"), path+"/receivedOrganization", intended)
		display := sentAlso
		if !primary(recipient) {
			display = sentCopy
		}
		if human := intended.Child("informationRecipient"); human != nil || len(intended.AllIn(nsNPFIT, "recipientRoleCode")) > 0 {
			if o == receiver {
				display = sentTo
			}
			out = append(out, ref(m.person(intended, path, "").role).Set("display", display))
			continue
		}
		if o != nil && o != receiver {
			out = append(out, ref(o.use()).Set("display", display))
		}
	}
	for _, participant := range m.report.root.All("participant") {
		display := desks[participant.Attr("typeCode")]
		entity := participant.Child("associatedEntity")
		if display == "" || entity == nil {
			if display != "" {
				m.omit("ClinicalDocument/participant", "it says nobody")
			}
			continue
		}
		if who := oneLine(entity.Child("associatedPerson", "name").Content()); who != "" {
			display += ": " + who
		}
		if note := oneLine(participant.Child("noteText").Content()); note != "" {
			display += " (" + note + ")"
		}
		if participant.Child("time") != nil {
			m.omit("ClinicalDocument/participant/time", "when the patient was referred, or the desk is there")
		}
		if names := entity.Child("associatedPerson").All("name"); len(names) > 1 || len(names) == 1 && len(names[0].Elements()) > 0 {
			out = append(out, ref(m.person(entity, "ClinicalDocument/participant/associatedEntity", "").role).Set("display", display))
			continue
		}
		if entity.Child("code") != nil {
			m.omit("ClinicalDocument/participant/associatedEntity/code", "of the role")
		}
		o := m.organisationOf(entity.Child("scopingOrganization"), "ClinicalDocument/participant/associatedEntity/scopingOrganization", entity)
		if o == nil && len(entity.Elements()) > 0 { // it is known by what stands beside it only
			o = m.organisationOf(&xmltree.Node{Space: nsHL7, Local: "scopingOrganization"}, "ClinicalDocument/participant/associatedEntity", entity)
		}
		if o != nil {
			out = append(out, ref(o.use()).Set("display", display))
		}
	}
	return out
}

// cameAs names what the referral came as; sending it on goes by it.
func (r *report) cameAs() string {
	switch {
	case r.ambulance == nil:
		return cameAsReport
	case r.root.Child("code").Attr("code") == codeInterim:
		return cameAsInterim
	}
	return cameAsRequest
}

// How the supporting information names the recipients of the report.
const (
	sentTo   = "Sent to"
	sentAlso = "Also sent to"
	sentCopy = "Copy sent to"
)

func (m *mapper) addHealthcareService(receiver *organisation) {
	title := receiver.name
	if title == "" {
		title = "Service " + m.Target.Value
	}
	m.add(m.service, m.ukCore("HealthcareService").
		Set("identifier", list(fhir.Obj("system", m.Target.System, "value", m.Target.Value))).
		Set("active", true).Set("providedBy", ref(receiver.use())).Set("name", title))
}

var (
	limitForm     = regexp.MustCompile(`(?i)\bwithin (?:the next )?(\d{1,3}) (minute|hour|day)s?\b`)
	emergencyForm = regexp.MustCompile(`(?i)^dx01\d`)
)

// timeLimit reads the disposition's own words ("within 6 hours"): the first
// text that names a limit counts.
func timeLimit(texts ...string) (time.Duration, bool) {
	unit := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}
	for _, words := range texts {
		if found := limitForm.FindStringSubmatch(words); found != nil {
			count, _ := strconv.Atoi(found[1])
			return time.Duration(count) * unit[strings.ToLower(found[2])], true
		}
	}
	return 0, false
}

// dispositionWords are the texts that say the disposition, the nearest to its
// code first: its display, the outcome of the triage, the section.
func (m *mapper) dispositionWords() []string {
	words := []string{m.report.encounter.Child("dischargeDispositionCode").Attr("displayName")}
	for _, t := range m.triages {
		words = append(words, t.node.Child("finalDisposition", "finalDisptext").Content())
	}
	line, _, _ := strings.Cut(m.report.firstText(section.isDisposition), "\n")
	return append(words, line)
}

// priority follows the disposition: emergency ambulance codes (Dx010…), then
// anything due within the hour, else routine.
func priority(code string, limit time.Duration, limited bool) string {
	switch {
	case emergencyForm.MatchString(strings.TrimSpace(code)):
		return "stat"
	case limited && limit <= time.Hour:
		return "urgent"
	}
	return "routine"
}
