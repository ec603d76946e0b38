package bars

import (
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// classify reads the workflow variables and looks the message up in the
// decision tables, then holds its content against its definition. It fills
// category, useCase and rule.
func (m *message) classify() error {
	if m.event == eventBookingResponse {
		m.broken(m.header.Path()+".eventCoding", "booking-response is not used")
		return m.problems
	}
	switch m.event {
	case EventReferral:
		m.readCategory()
	case EventBooking:
		m.readServiceCategory()
	case EventReferralAnswer:
		return m.checkAnswer()
	default:
		m.broken(m.header.Path()+".eventCoding", "the event is none of the standard's")
	}
	if err := m.problems.OrNil(); err != nil {
		return err
	}
	status := m.focus.res.Get("status").Text()
	m.rule = decide(m.event, m.reason, status, m.category, m.useCase, m.mode)
	if m.rule == nil {
		return fhir.NewOutcome(fhir.KindWorkflow, m.focus.path()+".status",
			"event, reason, status, category and use case of this message combine to nothing that the standard knows")
	}
	if m.rule.act == actNotBuilt {
		return fhir.NewOutcome(fhir.KindNotImplemented, m.header.Path()+".definition",
			"this receiver does not take "+m.rule.meaning+" yet; its CapabilityStatement lists what it takes")
	}
	if m.definition == nil {
		m.broken(m.header.Path()+".definition", "the definition does not fit what the message asks for, which is "+m.rule.meaning)
		return m.problems
	}
	m.checkContent()
	m.checkElements()
	m.checkConditions()
	m.checkPatient()
	return m.problems.OrNil()
}

// checkAnswer handles servicerequest-response, which this receiver, not yet
// being a sender, has asked nobody for.
func (m *message) checkAnswer() error {
	response := m.header.Get("response")
	if response.Dig("identifier").Text() == "" {
		m.broken(m.header.Path()+".response", "a response must name the Bundle.id that it answers in response.identifier")
		return m.problems
	}
	return fhir.NewOutcome(fhir.KindNotFound, m.header.Path()+".response.identifier",
		"response.identifier names no request that this system has sent")
}

// readCategory reads the two codings of ServiceRequest.category.
func (m *message) readCategory() {
	if m.focus.typ != "ServiceRequest" {
		m.broken(m.header.Path()+".focus[0]", "the focus of a servicerequest-request must be a ServiceRequest")
		return
	}
	category := m.focus.res.Get("category")
	at := m.focus.path() + ".category"
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
	at := m.header.Path() + ".definition"
	if m.definition.Event != m.event {
		m.broken(at, "the definition belongs to another event")
		return
	}
	if m.definition.Name == defReferralCancel != (m.rule.act == actCancelReferral) ||
		m.definition.Name == defBookingCancel != (m.rule.act == actCancelBooking) {
		m.broken(at, "the definition does not fit what the message asks for, which is "+m.rule.meaning)
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
		if c.Max > 0 && n > c.Max {
			m.broken("Bundle.entry", "the message definition allows at most "+itoa(c.Max)+" "+c.Type)
		}
	}
}

// checkConditions holds the other resources against the decision row.
func (m *message) checkConditions() {
	m.checkStatuses("CarePlan", m.rule.carePlan)
	m.checkStatuses("Encounter", m.rule.encounter)
	m.checkStatuses("Task", m.rule.taskStatus)
	for _, e := range m.all("CarePlan") {
		if e.res.Get("intent").Text() != "plan" {
			m.broken(e.path()+".intent", "the intent must be plan")
		}
	}
	if m.rule.class != "" {
		for _, e := range m.all("Encounter") {
			if e.res.Dig("class", "code").Text() != m.rule.class {
				m.broken(e.path()+".class", "the class must be "+m.rule.class)
			}
		}
	}
	if m.event == EventReferral && m.focus.res.Get("intent").Text() != "plan" {
		m.broken(m.focus.path()+".intent", "the intent must be plan")
	}
}

func (m *message) checkStatuses(typ string, statuses []string) {
	if len(statuses) == 0 {
		return
	}
	for _, e := range m.all(typ) {
		if !slices.Contains(statuses, e.res.Get("status").Text()) {
			m.broken(e.path()+".status", "in "+m.rule.meaning+" the status must be "+allowed(statuses))
		}
	}
}

// checkPatient checks the NHS number. A patient without one is welcome; a
// number that can't be one is an error in strict mode (published examples hold
// such numbers).
func (m *message) checkPatient() {
	for _, e := range m.all("Patient") {
		number := nhs.NHSNumberOf(e.resource())
		if number != "" && !number.Valid() {
			m.strictly(e.path()+".identifier", "the NHS number's check digit is wrong")
		}
	}
	person := m.first("Patient")
	if person == nil {
		return
	}
	if m.event == EventReferral {
		if ref := m.focus.res.Dig("subject", "reference").Text(); m.resolve(ref) != person {
			m.broken(m.focus.path()+".subject", "the subject must be the Patient of this bundle")
		}
		return
	}
	for participant := range m.focus.res.Get("participant").Items() {
		if m.resolve(participant.Dig("actor", "reference").Text()) == person {
			return
		}
	}
	m.broken(m.focus.path()+".participant", "one participant must be the Patient of this bundle")
}
