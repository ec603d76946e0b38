package bars

import (
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// classify reads the workflow variables and looks the message up in the
// decision tables, then holds its content against its definition. It fills
// request, category, useCase and rule.
func (m *message) classify() error {
	switch m.event {
	case eventBookingResponse:
		m.broken(m.header.Path()+".eventCoding", "booking-response is not used")
		return m.problems
	case EventReferral:
		m.readCategory("focus of a servicerequest-request")
	case EventReferralAnswer:
		m.request = m.first("ServiceRequest")
		m.readCategory("message")
		m.findResponder()
	case EventBooking:
		m.readServiceCategory()
	default:
		m.broken(m.header.Path()+".eventCoding", "the event is none of the standard's")
	}
	if err := m.problems.OrNil(); err != nil {
		return err
	}
	v := variables{m.event, m.reason, m.request.res.Get("status").Text(), m.category, m.useCase, ""}
	if m.responder != nil {
		v.responder = m.responder.res.Get("status").Text()
	}
	m.rule = decide(v, m.mode)
	if m.rule == nil {
		return fhir.NewOutcome(fhir.KindWorkflow, m.request.path()+".status",
			"event, reason, status, category and use case of this message combine to nothing that the standard knows")
	}
	if err := m.checkVersion(); err != nil {
		return err
	}
	m.checkContent()
	m.checkElements()
	m.checkConditions()
	m.checkPatient()
	return m.problems.OrNil()
}

// readCategory reads the two codings of ServiceRequest.category.
func (m *message) readCategory(what string) {
	if m.request == nil || m.request.typ != "ServiceRequest" {
		m.broken(m.header.Path()+".focus[0]", "the "+what+" must be a ServiceRequest")
		return
	}
	category := m.request.res.Get("category")
	at := m.request.path() + ".category"
	m.category = m.onlyCode(category, SystemCategories, at)
	if m.category != "" && m.category != CategoryReferral && m.category != CategoryValidation {
		m.broken(at, "the category must be referral or validation")
	}
	m.useCase = m.readUseCase(category, at)
}

// readServiceCategory reads the use case of a booking.
func (m *message) readServiceCategory() {
	if m.focus.typ != "Appointment" {
		m.broken(m.header.Path()+".focus[0]", "the focus of a booking-request must be an Appointment")
		return
	}
	category := m.focus.res.Get("serviceCategory")
	if fhir.CodeOf(category, SystemUseCases) == "" && fhir.CodeOf(category, systemServiceCat) == generalPractice {
		m.useCase = useCaseGPBooking
		return
	}
	m.useCase = m.readUseCase(category, m.focus.path()+".serviceCategory")
}

func (m *message) readUseCase(category fhir.Value, at string) string {
	if m.before != nil {
		m.strictly(at, "a code of "+SystemUseCases+" is needed")
		return m.before.UseCase
	}
	if code := m.likelyUseCase(category); code != "" {
		m.strictly(at, "a code of "+SystemUseCases+" is needed")
		return code
	}
	code := m.onlyCode(category, SystemUseCases, at)
	if code == "" {
		return ""
	}
	folded, known := foldUseCase(code)
	if !known {
		m.broken(at, "the use case is none of the standard's")
	}
	return folded
}

// likelyUseCase is, in lenient mode, the use case of a message that names none,
// as published examples do: the first that the service takes by this definition,
// if the rules are the same for all of those. Bookings have one row for all
// applications.
func (m *message) likelyUseCase(category fhir.Value) string {
	if m.mode != Lenient || m.definition == nil || m.offers == nil || fhir.CodeOf(category, SystemUseCases) != "" {
		return ""
	}
	var fit []string
	for _, code := range useCases {
		if m.definition.ServesUseCase(code) && m.offers(code) {
			fit = append(fit, code)
		}
	}
	if len(fit) == 0 || m.event != EventBooking && len(applications(fit)) > 1 {
		return ""
	}
	return fit[0]
}

// onlyCode returns the one code of a system; none or several are an error.
func (m *message) onlyCode(concept fhir.Value, system, at string) string {
	found := ""
	for c := range fhir.Codings(concept) {
		if c.System != system {
			continue
		}
		if found != "" && found != c.Code {
			m.broken(at, "only one code of "+system+" may be given")
			return ""
		}
		found = c.Code
	}
	if found == "" {
		m.broken(at, "a code of "+system+" is needed")
	}
	return found
}

// checkContent holds the bundle against its MessageDefinition: only the types
// that it lists, each within its bounds.
func (m *message) checkContent() {
	if !slices.Contains(m.rule.defs, m.definition.Name) {
		m.broken(m.header.Path()+".definition", "the definition does not fit what the message asks for, which is "+m.rule.meaning)
		return
	}
	counts := map[string]int{"MessageHeader": 1}
	for _, e := range m.entries {
		counts[e.typ]++
		if !slices.ContainsFunc(m.definition.Content, func(c Content) bool { return c.Type == e.typ }) {
			m.broken(e.path(), "the message definition has no place for this resource type")
		}
	}
	for _, c := range m.definition.Content {
		n := counts[c.Type]
		if n < c.Min {
			m.broken("Bundle.entry", "the message definition asks for at least "+itoa(c.Min)+" "+c.Type)
		}
		// An update may bring our own Encounter back beside the sender's.
		if most := m.most(c); most > 0 && n > most {
			m.broken("Bundle.entry", "the message definition allows at most "+itoa(most)+" "+c.Type)
		}
	}
}

func (m *message) most(c Content) int {
	if c.Type == "Encounter" && len(m.rule.echoes) > 0 {
		return c.Max + 1
	}
	return c.Max
}

// checkConditions holds the other resources against the decision row.
func (m *message) checkConditions() {
	m.checkStatuses("CarePlan", m.rule.carePlan)
	m.checkStatuses("Task", m.rule.taskStatus)
	m.checkEncounters()
	for _, e := range m.all("CarePlan") {
		if e.res.Get("intent").Text() != "plan" {
			m.broken(e.path()+".intent", "the intent must be plan")
		}
	}
	if m.event != EventBooking && m.request.res.Get("intent").Text() != "plan" {
		m.broken(m.request.path()+".intent", "the intent must be plan")
	}
}

// checkEncounters checks the Encounters' states and classes. In an update the
// one that isn't the sender's is ours, sent back.
func (m *message) checkEncounters() {
	own := m.own()
	for _, e := range m.all("Encounter") {
		statuses := m.rule.encounter
		if len(m.rule.echoes) > 0 && e != own {
			statuses = m.rule.echoes
		}
		m.checkStatus(e, statuses)
		if m.rule.class != "" && e.res.Dig("class", "code").Text() != m.rule.class {
			m.broken(e.path()+".class", "the class must be "+m.rule.class)
		}
	}
	if m.rule.explained && !m.responder.res.Get("reasonCode").Exists() {
		m.broken(m.responder.path()+".reasonCode", "a rejection must give its reason")
	}
}

// own is the sender's Encounter of a request: the one that the ServiceRequest
// names, else the first.
func (m *message) own() *entry {
	if e := m.resolve(m.request.res.Dig("encounter", "reference").Text()); e != nil && e.typ == "Encounter" {
		return e
	}
	return m.first("Encounter")
}

func (m *message) checkStatuses(typ string, statuses []string) {
	for _, e := range m.all(typ) {
		m.checkStatus(e, statuses)
	}
}

func (m *message) checkStatus(e *entry, statuses []string) {
	if len(statuses) > 0 && !slices.Contains(statuses, e.res.Get("status").Text()) {
		m.broken(e.path()+".status", "in "+m.rule.meaning+" the status must be "+allowed(statuses))
	}
}

// writes says whether an identifier's value is this NHS number as it stands.
func writes(patient fhir.Value, number nhs.NHSNumber) bool {
	for id := range fhir.Identifiers(patient.Get("identifier")) {
		if nhs.Canonical(id.System) == nhs.SystemNHSNumber && id.Value == string(number) {
			return true
		}
	}
	return false
}

// checkPatient checks the NHS number. A patient without one is welcome; a
// number that can't be one is an error in strict mode (published examples hold
// such numbers).
func (m *message) checkPatient() {
	for _, e := range m.all("Patient") {
		number := nhs.NHSNumberOf(e.resource())
		if number != "" && !number.Valid() {
			m.strictly(e.path()+".identifier", "the NHS number's check digit is wrong")
		} else if number != "" && !writes(e.res, number) {
			m.strictly(e.path()+".identifier", "an NHS number is written in ten digits without blanks")
		}
	}
	person := m.first("Patient")
	if person == nil {
		return
	}
	if m.event != EventBooking {
		if ref := m.request.res.Dig("subject", "reference").Text(); m.resolve(ref) != person && !m.ofHeldPatient(ref) {
			m.broken(m.request.path()+".subject", "the subject must be the Patient of this bundle")
		}
		return
	}
	for participant := range m.focus.res.Get("participant").Items() {
		if ref := participant.Dig("actor", "reference").Text(); m.resolve(ref) == person || m.ofHeldPatient(ref) {
			return
		}
	}
	m.broken(m.focus.path()+".participant", "one participant must be the Patient of this bundle")
}

// ofHeldPatient says whether a reference is one to a Patient that we hold, as a
// sender has it who read the record before changing it. samePatient sees to it
// that it is the record's.
func (m *message) ofHeldPatient(reference string) bool {
	if m.rule.act == actRefer || m.rule.act == actBook || m.resolve(reference) != nil {
		return false
	}
	ref, ok := fhir.ParseReference(reference)
	return ok && ref.Base == "" && ref.Type == "Patient"
}
