package conformance

import (
	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
)

// messageOperation is the operation's name with its sign, as all published
// statements of the standard have it.
const messageOperation = "$process-message"

// barsServer is what the Booking and Referral Standard's dialect offers: its own
// paths and no other (package adapters/barsapi).
func barsServer(f Facts) *fhir.Object {
	return fhir.Obj(
		"mode", "server",
		"documentation", "NHS Booking and Referral Standard, as a receiver. Records are those of the target service that the organisation in NHSD-End-User-Organisation may see. A request without an NHSD header speaks plain FHIR R4.",
		"security", f.barsSecurity(),
		"resource", []*fhir.Object{
			messageDefinitions(),
			managed(f, "Appointment", "PUT changes status and reasonCode only, PATCH the slot only, DELETE cancels."),
			managed(f, "ServiceRequest", "PUT and PATCH change status and reasonCode only, DELETE revokes.",
				param("ServiceRequest.identifier", "token")),
			slots(f),
		},
		"operation", []*fhir.Object{fhir.Obj("name", messageOperation,
			"definition", "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message")},
	)
}

// barsSecurity says how a caller is known.
func (f Facts) barsSecurity() *fhir.Object {
	if !f.Certificates {
		return fhir.Obj("cors", false, "description", "No authentication: the server listens on loopback only.")
	}
	return fhir.Obj("cors", false,
		"service", []*fhir.Object{fhir.Obj("coding", []*fhir.Object{fhir.Obj(
			"system", "http://terminology.hl7.org/CodeSystem/restful-security-service", "code", "Certificates", "display", "Certificates")})},
		"description", "Mutual TLS: a client certificate of the authority that the operator named.")
}

// barsClient is what we ask of other systems of the standard.
func barsClient(f Facts) *fhir.Object {
	resources := []*fhir.Object{
		fhir.Obj("type", "CapabilityStatement", "interaction", codes("read")),
		fhir.Obj("type", "MessageDefinition", "interaction", codes("search-type"), "searchParam", []*fhir.Object{param("context", "token")}),
	}
	if f.Registry {
		resources = append(resources, fhir.Obj("type", "DocumentReference",
			"documentation", "Pointers to what is booked here, in the national registry.",
			"interaction", codes("create", "update", "delete", "search-type"),
			"searchParam", []*fhir.Object{param("subject:identifier", "token"), param("custodian:identifier", "token"), param("next-page-token", "string")}))
	}
	if f.Catalogue {
		resources = append(resources, fhir.Obj("type", "Endpoint",
			"documentation", "Where receivers are reached, in the endpoint catalogue.",
			"interaction", codes("search-type"),
			"searchParam", []*fhir.Object{param("_has:HealthcareService.Identifier", "token"), param("Endpoint.identifier", "token")}))
	}
	return fhir.Obj(
		"mode", "client",
		"documentation", "NHS Booking and Referral Standard, as a sender: directly or through the proxy.",
		"security", f.senderSecurity(),
		"resource", resources,
		"operation", []*fhir.Object{fhir.Obj("name", messageOperation,
			"definition", "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message")},
	)
}

// senderSecurity says how we show who we are: by a token to the proxy, by a
// certificate to receivers; nil where by neither.
func (f Facts) senderSecurity() *fhir.Object {
	var services []*fhir.Object
	for _, one := range []struct {
		code string
		on   bool
	}{{"OAuth", f.Token}, {"Certificates", f.OurCertificate}} {
		if one.on {
			services = append(services, fhir.Obj("coding", []*fhir.Object{fhir.Obj(
				"system", "http://terminology.hl7.org/CodeSystem/restful-security-service", "code", one.code, "display", one.code)}))
		}
	}
	if len(services) == 0 {
		return nil
	}
	return fhir.Obj("service", services)
}

// managed is a type that senders read and write.
func managed(f Facts, typ, documentation string, more ...*fhir.Object) *fhir.Object {
	params := append([]*fhir.Object{
		param("patient:identifier", "token"),
		param("patient:name", "string"),
		param("patient:birthdate", "date"),
		param("patient:address-postalcode", "string"),
	}, more...)
	return fhir.Obj(
		"type", typ,
		"supportedProfile", f.profiles(typ),
		"documentation", documentation,
		"interaction", codes("create", "read", "vread", "update", "patch", "delete", "search-type"),
		"versioning", "versioned",
		"readHistory", true,
		"updateCreate", false,
		"searchParam", params,
	)
}

func slots(f Facts) *fhir.Object {
	return fhir.Obj(
		"type", "Slot",
		"supportedProfile", f.profiles("Slot"),
		"interaction", codes("search-type"),
		"searchInclude", []string{bars.IncludeSchedule, bars.IncludeService, bars.IncludePractitioner, bars.IncludeRole, bars.IncludeProvider, bars.IncludeLocation, "Slot:*"},
		"searchParam", []*fhir.Object{
			param("Schedule.actor:HealthcareService", "token"),
			param("start", "date"),
			param("status", "token"),
		},
	)
}

func param(name, kind string) *fhir.Object { return fhir.Obj("name", name, "type", kind) }
