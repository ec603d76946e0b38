package bars

import (
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// Definition is a MessageDefinition as data: which resource types a message may
// hold and how many of each (BaRS Core 1.5). Types that it doesn't list may
// not be in the message.
type Definition struct {
	Name    string // last part of the canonical URL
	Event   string
	Version string // the Application version that we serve
	Title   string
	Focus   string
	Content []Content
}

// Content is how many resources of one type a message holds. Max 0 means any
// number.
type Content struct {
	Type     string
	Min, Max int
}

// URL is the definition's canonical URL.
func (d *Definition) URL() string { return definitionBase + d.Name }

// Definitions of the messages that this receiver takes.
const (
	defBooking         = "bars-message-booking-request"
	defBookingCancel   = "bars-message-booking-request-cancelled"
	defReferral        = "bars-message-servicerequest-request-referral"
	defReferralCancel  = "bars-message-servicerequest-request-cancelled"
	defaultAppVersion  = "1.1.0"
	maxAppVersionMajor = 2
)

var definitions = []*Definition{
	{
		Name: defBooking, Event: EventBooking, Version: defaultAppVersion, Title: "Booking request", Focus: "Appointment",
		Content: []Content{
			{"MessageHeader", 1, 1}, {"Appointment", 1, 1}, {"ServiceRequest", 0, 1}, {"Patient", 1, 1},
			{"Location", 0, 1}, {"Organization", 2, 0}, {"Practitioner", 0, 0}, {"PractitionerRole", 0, 0},
			{"HealthcareService", 1, 1}, {"Consent", 0, 0}, {"Slot", 1, 1}, {"Schedule", 1, 1},
		},
	},
	{
		Name: defBookingCancel, Event: EventBooking, Version: defaultAppVersion, Title: "Booking cancellation", Focus: "Appointment",
		Content: []Content{
			{"MessageHeader", 1, 1}, {"Appointment", 1, 1}, {"Patient", 1, 1}, {"Organization", 2, 0},
		},
	},
	{
		Name: defReferral, Event: EventReferral, Version: defaultAppVersion, Title: "Referral request", Focus: "ServiceRequest",
		Content: []Content{
			{"MessageHeader", 1, 1}, {"ServiceRequest", 1, 1}, {"Patient", 1, 1}, {"Encounter", 1, 1}, {"CarePlan", 1, 1},
			{"Location", 0, 0}, {"Organization", 2, 0}, {"Practitioner", 1, 0}, {"PractitionerRole", 1, 0},
			{"HealthcareService", 1, 0}, {"Consent", 1, 0}, {"Observation", 0, 0}, {"Flag", 0, 0},
			{"MedicationStatement", 0, 0}, {"AllergyIntolerance", 0, 0}, {"Questionnaire", 0, 0},
			{"QuestionnaireResponse", 0, 0}, {"Condition", 0, 0}, {"Task", 0, 0}, {"Communication", 0, 0},
			{"Procedure", 0, 0}, {"Device", 0, 1}, {"RelatedPerson", 0, 0},
		},
	},
	{
		Name: defReferralCancel, Event: EventReferral, Version: defaultAppVersion, Title: "Referral cancellation", Focus: "ServiceRequest",
		Content: []Content{
			{"MessageHeader", 1, 1}, {"ServiceRequest", 1, 1}, {"Patient", 1, 1}, {"Organization", 2, 0},
		},
	},
}

// Definitions returns the definitions of the messages that this receiver takes.
func Definitions() []*Definition { return slices.Clone(definitions) }

func definitionByURL(url string) *Definition {
	for _, d := range definitions {
		if d.URL() == url {
			return d
		}
	}
	return nil
}

// ServesUseCase says whether a use case sends this message: application 7 only
// books, applications 3 to 6 and 8 only refer.
func (d *Definition) ServesUseCase(code string) bool {
	switch application(code) {
	case 7:
		return d.Event == EventBooking
	case 3, 5, 6, 8:
		return d.Event == EventReferral
	case 4:
		return false // validation requests aren't taken yet
	}
	return true
}

// Resource writes the MessageDefinition as a service offers it for some use
// cases. Without a service it is the bare definition.
func (d *Definition) Resource(service nhs.ServiceID, useCases []string) *fhir.Resource {
	context := func(system, code string) *fhir.Object {
		return fhir.Obj(
			"code", fhir.Obj("system", systemUsageContext, "code", "workflow"),
			"valueCodeableConcept", fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", system, "code", code)}),
		)
	}
	var contexts []*fhir.Object
	if service.Value != "" {
		contexts = append(contexts, context(service.System, service.Value))
	}
	for _, code := range useCases {
		contexts = append(contexts, context(SystemUseCases, code))
	}
	var focus []*fhir.Object
	for _, c := range d.Content {
		limit := "*"
		if c.Max > 0 {
			limit = itoa(c.Max)
		}
		focus = append(focus, fhir.Obj("code", c.Type, "min", c.Min, "max", limit))
	}
	return fhir.NewObject("MessageDefinition").
		Set("id", d.Name).
		Set("url", d.URL()).
		Set("version", d.Version).
		Set("name", d.Name).
		Set("title", d.Title).
		Set("status", "active").
		Set("date", "2026-11-20").
		Set("useContext", contexts).
		Set("eventCoding", fhir.Obj("system", SystemEvents, "code", d.Event)).
		Set("category", "consequence").
		Set("focus", focus).
		Resource()
}
