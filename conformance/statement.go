package conformance

import (
	"time"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
)

// coreVersion is the version of BaRS Core that we speak; senders compare its
// major part with their own.
const coreVersion = "1.5.0"

// Facts are what the statement needs to know of the running program.
type Facts struct {
	BaseURL string
	Version string // of the product
	Started time.Time
	Types   []string // the resource types that the REST API serves
	// BaRS adds what only requests in the standard's dialect can ask for.
	BaRS bool
}

// interactions are those of the REST API on every type, each with its route in
// package fhir/rest.
var interactions = []string{"create", "read", "vread", "update", "delete", "history-instance", "search-type"}

// Statement writes the CapabilityStatement.
func Statement(f Facts) *fhir.Resource {
	code := func(codes ...string) []*fhir.Object {
		var list []*fhir.Object
		for _, c := range codes {
			list = append(list, fhir.Obj("code", c))
		}
		return list
	}
	var resources []*fhir.Object
	for _, typ := range f.Types {
		resources = append(resources, fhir.Obj(
			"type", typ,
			"interaction", code(interactions...),
			"versioning", "versioned",
			"readHistory", true,
			"updateCreate", true,
			"conditionalCreate", false,
			"conditionalRead", "full-support",
			"conditionalUpdate", false,
			"conditionalDelete", "not-supported",
			"searchInclude", includes(typ, f.BaRS),
			"searchParam", params(typ, f.BaRS),
		))
	}
	resources = append(resources, fhir.Obj(
		"type", "MessageDefinition",
		"interaction", code("read", "search-type"),
		"versioning", "no-version",
		"searchParam", []*fhir.Object{fhir.Obj("name", "context", "type", "token",
			"documentation", "A service id (dos-service-id) and use-case codes (usecases-categories-bars), as system|value.")},
	))
	rest := fhir.Obj(
		"mode", "server",
		"documentation", "Plain FHIR R4. A request to $process-message, or one that carries an NHSD header, is held to the NHS Booking and Referral Standard.",
		"security", fhir.Obj("cors", false, "description", "No authentication: the server listens on loopback only."),
		"resource", resources,
		"operation", []*fhir.Object{fhir.Obj("name", "process-message",
			"definition", "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message")},
	)
	return fhir.NewObject("CapabilityStatement").
		Set("id", "onward").
		Set("version", coreVersion).
		Set("name", "Onward").
		Set("title", "Onward").
		Set("status", "active").
		Set("date", fhir.FormatInstant(f.Started)).
		Set("publisher", "Onward").
		Set("kind", "instance").
		Set("software", fhir.Obj("name", "Onward", "version", f.Version)).
		Set("implementation", fhir.Obj("description", "Onward", "url", f.BaseURL)).
		Set("fhirVersion", "4.0.1").
		Set("format", []string{"json", "xml"}).
		Set("rest", []*fhir.Object{rest}).
		Set("messaging", []*fhir.Object{messaging(f.BaseURL)}).
		Resource()
}

// messaging lists the messages that the receiver takes.
func messaging(base string) *fhir.Object {
	var messages []*fhir.Object
	for _, d := range bars.Definitions() {
		messages = append(messages, fhir.Obj("mode", "receiver", "definition", d.URL()))
	}
	return fhir.Obj(
		"endpoint", []*fhir.Object{fhir.Obj(
			"protocol", fhir.Obj("system", "http://terminology.hl7.org/CodeSystem/message-transport", "code", "http"),
			"address", base+"/$process-message")},
		"supportedMessage", messages,
	)
}

func params(typ string, inBaRS bool) []*fhir.Object {
	var list []*fhir.Object
	for _, p := range search.ParamsOf(typ) {
		list = append(list, fhir.Obj("name", p.Name, "type", string(p.Type)))
	}
	if !inBaRS {
		return list
	}
	switch typ {
	case "Slot":
		list = append(list, fhir.Obj("name", "Schedule.actor:HealthcareService", "type", "token"))
	case "Appointment", "ServiceRequest":
		for _, name := range []string{"patient:identifier", "patient:name", "patient:birthdate", "patient:address-postalcode"} {
			kind := "string"
			if name == "patient:identifier" {
				kind = "token"
			}
			list = append(list, fhir.Obj("name", name, "type", kind))
		}
	}
	return list
}

// includes lists what GET /Slot of the Booking and Referral Standard includes.
func includes(typ string, inBaRS bool) []string {
	if typ != "Slot" || !inBaRS {
		return nil
	}
	return []string{bars.IncludeSchedule, bars.IncludeService, bars.IncludePractitioner, bars.IncludeRole, bars.IncludeProvider, bars.IncludeLocation}
}
