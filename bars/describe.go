package bars

import (
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// Facts are what a sender must know of a message to send it: whom it is for, what
// its headers say, and which MessageDefinition the receiver must offer.
type Facts struct {
	ID          string // Bundle.id
	Event       string
	Reason      string
	UseCase     string
	Category    string // of the ServiceRequest
	Status      string // of the ServiceRequest or Appointment
	Definition  string // canonical URL
	Version     string // of the Application: Bundle.meta.versionId
	Destination nhs.ServiceID
	Source      nhs.ServiceID
	Sender      nhs.ODSCode
	SenderName  string
}

// Describe reads the facts of a message. It holds the bundle to FHIR and to the
// rules of the envelope, but to none of the decision tables: what the message
// asks for is the receiver's to judge.
func Describe(bundle *fhir.Resource) (*Facts, error) {
	m, err := parseMessage(&MessageRequest{Bundle: bundle}, Lenient)
	if err != nil {
		return nil, err
	}
	if m.event == EventBooking {
		m.readServiceCategory()
	} else {
		if m.event == EventReferralAnswer {
			m.request = m.first("ServiceRequest")
		}
		m.readCategory("subject of this message")
	}
	if err := m.problems.OrNil(); err != nil {
		return nil, err
	}
	f := &Facts{ID: m.id, Event: m.event, Reason: m.reason, UseCase: m.useCase, Category: m.category,
		Status: m.request.res.Get("status").Text(), Definition: m.definition.URL(), Version: bundle.Get("meta", "versionId").Text(),
		Destination: m.destinations[0].service, Source: nhs.ParseServiceID(m.source),
		Sender: nhs.ODSOf(m.sender.resource()), SenderName: m.sender.res.Get("name").Text()}
	return f, nil
}

// UseContext is the header of that name (BaRS Core 1.5, message headers).
func (f *Facts) UseContext() string {
	second := f.Category
	if f.Event == EventBooking {
		second = f.Status
	}
	return strings.Join([]string{f.UseCase, second, f.Event, f.Reason}, "|")
}

// Supported is the newest version of a use case's Application that this system
// speaks.
func Supported(useCase string) string { return appVersions[application(useCase)] }
