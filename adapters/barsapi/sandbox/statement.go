package sandbox

import (
	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
)

// searchParams are those of each type that the proxy tells of: what it serves
// itself and what it passes on.
var searchParams = map[string][][2]string{
	"Appointment":       {{"patient:identifier", "token"}},
	"DocumentReference": {{"_id", "token"}, {"type", "token"}, {"subject:identifier", "token"}, {"patient:identifier", "token"}, {"custodian:identifier", "token"}, {pageTokenParam, "string"}},
	"Endpoint":          {{"Endpoint.identifier", "token"}, {"_has:HealthcareService.Identifier", "token"}, {"_has:HealthcareService.Id", "string"}},
	"HealthcareService": {{"HealthcareService.identifier", "token"}, {"HealthcareService.providedBy", "token"}},
	"MessageDefinition": {{"context", "token"}},
	"Organization":      {{"Organization.identifier", "token"}},
	"ServiceRequest":    {{"patient:identifier", "token"}},
	"Slot":              {{"Schedule.actor:HealthcareService", "token"}, {"start", "date"}, {"status", "token"}},
}

// statement is the proxy's own CapabilityStatement, which it gives where no target
// is named. Its server side takes OAuth, its client side shows a certificate: the
// other way round than a receiver's.
func (s *Sandbox) statement() *fhir.Resource {
	security := func(code string) *fhir.Object {
		return fhir.Obj("service", []*fhir.Object{fhir.Obj("coding", []*fhir.Object{fhir.Obj(
			"system", "http://terminology.hl7.org/CodeSystem/restful-security-service", "code", code)})})
	}
	codes := func(list ...string) []*fhir.Object {
		var out []*fhir.Object
		for _, code := range list {
			out = append(out, fhir.Obj("code", code))
		}
		return out
	}
	resource := func(typ string, interactions ...string) *fhir.Object {
		var params []*fhir.Object
		for _, p := range searchParams[typ] {
			params = append(params, fhir.Obj("name", p[0], "type", p[1]))
		}
		return fhir.Obj("type", typ, "interaction", codes(interactions...), "versioning", "no-version", "searchParam", params)
	}
	own := []string{"read", "search-type", "create", "update", "delete"}
	resources := []*fhir.Object{
		resource("Appointment", "read", "search-type", "create", "update", "patch", "delete"),
		resource("CapabilityStatement", "read"),
		resource("DocumentReference", own...),
		resource("Endpoint", own...),
		resource("HealthcareService", own...),
		resource("MessageDefinition", "search-type"),
		resource("Organization", own...),
		resource("ServiceRequest", "read", "search-type", "create", "update", "patch", "delete"),
		resource("Slot", "search-type"),
	}
	var messages []*fhir.Object
	for _, d := range bars.Definitions() {
		messages = append(messages, fhir.Obj("mode", "receiver", "definition", d.URL()), fhir.Obj("mode", "sender", "definition", d.URL()))
	}
	operation := []*fhir.Object{fhir.Obj("name", "$process-message",
		"definition", "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message")}
	rest := func(mode, secured string) *fhir.Object {
		return fhir.Obj("mode", mode, "security", security(secured), "resource", resources, "operation", operation)
	}
	return fhir.NewObject("CapabilityStatement").
		Set("version", "1.5.0").
		Set("name", "OnwardSandboxBaRSProxy").
		Set("title", "Sandbox stand-in of the BaRS proxy").
		Set("status", "active").
		Set("experimental", true).
		Set("date", "2026-11-20").
		Set("description", "A sandbox for development: it routes to receivers and keeps a registry and an endpoint catalogue. Not for real patients.").
		Set("kind", "instance").
		Set("software", fhir.Obj("name", "Onward sandbox", "version", s.o.Version)).
		Set("implementation", fhir.Obj("description", "Sandbox stand-in of the BaRS proxy", "url", s.o.Root+ProxyPath)).
		Set("fhirVersion", "4.0.1").
		Set("format", []string{"json", "xml"}).
		Set("rest", []*fhir.Object{rest("server", "OAuth"), rest("client", "Certificates")}).
		Set("messaging", []*fhir.Object{fhir.Obj(
			"endpoint", []*fhir.Object{fhir.Obj("protocol", fhir.Obj("system", "http://terminology.hl7.org/CodeSystem/message-transport", "code", "http"),
				"address", s.o.Root+ProxyPath)},
			"supportedMessage", messages)}).
		Resource()
}
