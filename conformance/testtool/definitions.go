package testtool

import (
	"net/http"
	"slices"
	"strings"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

const definitionBase = "https://fhir.nhs.uk/MessageDefinition/bars-message-"

// metadata answers GET /metadata with the statement of the target, without one with
// that of everything.
func (t *Tool) metadata(w http.ResponseWriter, r *request) error {
	value := r.target.Value
	if value == "" {
		value = "NHS0001"
	}
	offered, known := offers[value]
	if !known {
		return fhir.NewOutcome(fhir.KindNotFound, "", "the test tool knows no such target")
	}
	var resources []*fhir.Object
	resource := func(typ string, interactions ...string) {
		var list []*fhir.Object
		for _, code := range interactions {
			list = append(list, fhir.Obj("code", code))
		}
		resources = append(resources, fhir.Obj("type", typ, "interaction", list, "versioning", "no-version"))
	}
	resource("MessageDefinition", "search-type")
	resource("ServiceRequest", "read", "search-type")
	if offered.slots {
		resource("Appointment", "read", "search-type")
		resource("Slot", "search-type")
	}
	var messages []*fhir.Object
	for _, name := range offered.receives {
		messages = append(messages, fhir.Obj("mode", "receiver", "definition", definitionBase+name))
	}
	rest := func(mode, secured string) *fhir.Object {
		return fhir.Obj("mode", mode,
			"security", fhir.Obj("service", []*fhir.Object{fhir.Obj("coding", []*fhir.Object{fhir.Obj(
				"system", "http://terminology.hl7.org/CodeSystem/restful-security-service", "code", secured)})}),
			"resource", resources,
			"operation", []*fhir.Object{fhir.Obj("name", "$process-message",
				"definition", "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message")})
	}
	return t.write(w, r, fhir.NewObject("CapabilityStatement").
		Set("version", "1.5.0").
		Set("name", "OnwardSandboxTestTool").
		Set("title", "Sandbox stand-in of the BaRS test tool").
		Set("status", "active").
		Set("experimental", true).
		Set("date", "2026-11-20").
		Set("kind", "instance").
		Set("software", fhir.Obj("name", "Onward sandbox test tool")).
		Set("implementation", fhir.Obj("description", "Sandbox stand-in of the BaRS test tool", "url", t.o.BaseURL)).
		Set("fhirVersion", "4.0.1").
		Set("format", []string{"json", "xml"}).
		Set("rest", []*fhir.Object{rest("server", "Certificates"), rest("client", "OAuth")}).
		Set("messaging", []*fhir.Object{fhir.Obj(
			"endpoint", []*fhir.Object{fhir.Obj("protocol", fhir.Obj("system", "http://terminology.hl7.org/CodeSystem/message-transport", "code", "http"),
				"address", t.o.BaseURL+"/$process-message")},
			"supportedMessage", messages)}).
		Resource())
}

// definitions answers GET /MessageDefinition by service and use cases.
func (t *Tool) definitions(w http.ResponseWriter, r *request) error {
	values := r.URL.Query()["context"]
	if len(values) == 0 {
		return fhir.NewOutcome(fhir.KindRequired, "", "the parameter context is missing")
	}
	service := r.target
	var useCases []string
	for _, value := range values {
		code := bare(value)
		if chosen, found := contexts[code]; found {
			return chosen.err()
		}
		if slices.Contains(bars.UseCases(), strings.ToLower(code)) {
			useCases = append(useCases, strings.ToLower(code))
			continue
		}
		service = nhs.ParseServiceID(value)
	}
	offered, known := offers[service.Value]
	if !known {
		return fhir.NewOutcome(fhir.KindNotFound, "", "the test tool has no definitions for this context")
	}
	if len(useCases) == 0 {
		useCases = bars.UseCases()
	}
	useCases = slices.DeleteFunc(useCases, func(code string) bool { return !strings.HasPrefix(code, offered.useCases) })
	if len(useCases) == 0 {
		return fhir.NewOutcome(fhir.KindNotFound, "", "the test tool has no definitions for this context")
	}
	var entries []*fhir.Object
	for _, name := range offered.receives {
		entries = append(entries, fhir.Obj("fullUrl", definitionBase+name,
			"resource", definition(name, service, useCases, offered.wrong), "search", fhir.Obj("mode", "match")))
	}
	return t.write(w, r, t.searchset(entries, len(entries), "/MessageDefinition", r))
}

// content are the types of a message that each kind of it must or may carry, in
// short: senders under test only look at what the definition asks of them.
func content(name string) []*fhir.Object {
	row := func(typ string, min int, max string) *fhir.Object {
		return fhir.Obj("code", typ, "min", min, "max", max)
	}
	list := []*fhir.Object{row("MessageHeader", 1, "1"), row("Patient", 1, "1"), row("Organization", 2, "*")}
	if strings.HasPrefix(name, "booking") {
		list = append(list, row("Appointment", 1, "1"))
	} else {
		list = append(list, row("ServiceRequest", 1, "1"))
	}
	switch {
	case name == "booking-request":
		list = append(list, row("Slot", 1, "1"), row("Schedule", 1, "1"), row("HealthcareService", 1, "1"))
	case strings.HasSuffix(name, "-referral") || strings.HasSuffix(name, "-validation"):
		list = append(list, row("Encounter", 1, "1"), row("CarePlan", 1, "1"), row("Practitioner", 1, "*"), row("PractitionerRole", 1, "*"),
			row("HealthcareService", 1, "*"), row("Consent", 1, "*"))
	}
	return list
}

func definition(name string, service nhs.ServiceID, useCases []string, wrong bool) *fhir.Object {
	context := func(system, code string) *fhir.Object {
		return fhir.Obj("code", fhir.Obj("system", "http://terminology.hl7.org/CodeSystem/usage-context-type", "code", "workflow"),
			"valueCodeableConcept", fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", system, "code", code)}))
	}
	list := []*fhir.Object{context(service.System, service.Value)}
	for _, code := range useCases {
		list = append(list, context(bars.SystemUseCases, code))
	}
	focus := content(name)
	if wrong {
		focus = append(focus, fhir.Obj("code", "Invoice", "min", 1, "max", "1"))
	}
	event := bars.EventBooking
	if group, _, _ := strings.Cut(name, "-re"); group == "servicerequest" {
		event = bars.EventReferral
		if strings.HasPrefix(name, "servicerequest-response") {
			event = bars.EventReferralAnswer
		}
	}
	id := "bars-message-" + name
	return fhir.NewObject("MessageDefinition").Set("id", id).Set("url", definitionBase+name).
		Set("version", "1.1.0").Set("name", id).Set("title", "Sandbox "+name).Set("status", "active").Set("date", "2026-11-20").
		Set("useContext", list).
		Set("eventCoding", fhir.Obj("system", bars.SystemEvents, "code", event)).
		Set("category", "consequence").Set("focus", focus)
}
