package conformance

import (
	"slices"
	"time"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
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
	// Profiles lists the canonicals of a type's loaded profiles; nil: none are.
	Profiles func(typ string) []string
	// Certificates says that requests in the standard's dialect need a client
	// certificate.
	Certificates bool
	// Directory says that a directory of services can be asked.
	Directory bool
	// What the sender does: it leaves pointers in the registry, looks receivers up
	// in the endpoint catalogue, shows the proxy a token and receivers a certificate.
	Registry, Catalogue, Token, OurCertificate bool
	// BaRS asks for what requests in the standard's dialect are offered.
	BaRS bool
}

func (f Facts) profiles(typ string) []string {
	if f.Profiles == nil {
		return nil
	}
	return f.Profiles(typ)
}

// interactions are those of the REST API on every type, each with its route in
// package fhir/rest.
var interactions = []string{"create", "read", "vread", "update", "patch", "delete", "history-instance", "history-type", "search-type"}

// notes say of a type what the statement has no element for.
var notes = map[string]string{
	"Subscription": "Channel rest-hook, payload JSON, XML or none; criteria without chains. The server sets status and error and shows no header's value.",
}

// systemInteractions are those of the REST API on the whole server.
var systemInteractions = []string{"transaction", "batch", "history-system", "search-system"}

// compartments says what R4 has no element for: R4's rest.compartment only links
// definitions.
const compartments = "Searches of a Patient's, Encounter's, RelatedPerson's, Practitioner's or Device's compartment: [Type]/[id]/[Type] and [Type]/[id]/*."

// Statement writes the CapabilityStatement.
func Statement(f Facts) *fhir.Resource {
	sides := []*fhir.Object{plainServer(f)}
	if f.BaRS {
		sides = []*fhir.Object{barsServer(f), barsClient(f)}
	}
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
		Set("patchFormat", rest.PatchTypes).
		Set("rest", sides).
		Set("messaging", []*fhir.Object{messaging(f.BaseURL)}).
		Resource()
}

// plainServer is what plain FHIR offers.
func plainServer(f Facts) *fhir.Object {
	var resources []*fhir.Object
	for _, typ := range f.Types {
		resources = append(resources, fhir.Obj(
			"type", typ,
			"supportedProfile", f.profiles(typ),
			"documentation", notes[typ],
			"interaction", codes(interactions...),
			"versioning", "versioned",
			"readHistory", true,
			"updateCreate", true,
			"conditionalCreate", true,
			"conditionalRead", "full-support",
			"conditionalUpdate", true,
			"conditionalDelete", "single",
			"searchInclude", includes(typ),
			"searchRevInclude", reverseIncludes(typ, f.Types),
			"searchParam", params(typ),
			"operation", f.operations(typ),
		))
	}
	resources = append(resources, messageDefinitions())
	return fhir.Obj(
		"mode", "server",
		"documentation", "Plain FHIR R4. A request to $process-message, or one that carries an NHSD header, is held to the NHS Booking and Referral Standard. "+compartments,
		"security", fhir.Obj("cors", false, "description", "No authentication: the server listens on loopback only."),
		"resource", resources,
		"interaction", codes(systemInteractions...),
		"searchParam", commonParams(),
		"operation", append([]*fhir.Object{fhir.Obj("name", "process-message",
			"definition", "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message")},
			own("send-message"), own("forget-offers")),
	)
}

// own is an operation that is ours (package adapters/barsapi, docs/doors/bars-sender.md).
func own(name string) *fhir.Object {
	return fhir.Obj("name", name, "definition", "https://github.com/onward-health/onward/OperationDefinition/"+name)
}

// messageDefinitions is offered in both dialects.
func messageDefinitions() *fhir.Object {
	return fhir.Obj(
		"type", "MessageDefinition",
		"interaction", codes("read", "search-type"),
		"versioning", "no-version",
		"searchParam", []*fhir.Object{fhir.Obj("name", "context", "type", "token",
			"documentation", "A service id (dos-service-id) and use-case codes (usecases-categories-bars), as system|value.")},
	)
}

func codes(list ...string) []*fhir.Object {
	var out []*fhir.Object
	for _, c := range list {
		out = append(out, fhir.Obj("code", c))
	}
	return out
}

// operations lists the operations on a type.
func (f Facts) operations(typ string) []*fhir.Object {
	list := []*fhir.Object{fhir.Obj("name", "validate", "definition", "http://hl7.org/fhir/OperationDefinition/Resource-validate")}
	if typ == "Patient" {
		list = append(list, fhir.Obj("name", "everything", "definition", "http://hl7.org/fhir/OperationDefinition/Patient-everything",
			"documentation", "Of one Patient only."))
	}
	if typ == "ServiceRequest" {
		list = append(list, own("respond"))
	}
	if typ == "HealthcareService" && f.Directory {
		list = append(list, own("search-directory"))
	}
	return list
}

// messaging lists the messages that we take, and send on.
func messaging(base string) *fhir.Object {
	var messages []*fhir.Object
	for _, d := range bars.Definitions() {
		messages = append(messages, fhir.Obj("mode", "receiver", "definition", d.URL()), fhir.Obj("mode", "sender", "definition", d.URL()))
	}
	return fhir.Obj(
		"endpoint", []*fhir.Object{fhir.Obj(
			"protocol", fhir.Obj("system", "http://terminology.hl7.org/CodeSystem/message-transport", "code", "http"),
			"address", base+"/$process-message")},
		"supportedMessage", messages,
	)
}

// commonParams lists what a search of all types takes, beside _type.
func commonParams() []*fhir.Object {
	list := []*fhir.Object{fhir.Obj("name", "_type", "type", "special",
		"documentation", "A comma list of types; parameters that all of them have may be used beside it.")}
	for _, p := range search.ParamsOf("") {
		list = append(list, fhir.Obj("name", p.Name, "type", string(p.Type)))
	}
	return list
}

func params(typ string) []*fhir.Object {
	var list []*fhir.Object
	for _, p := range search.ParamsOf(typ) {
		list = append(list, fhir.Obj("name", p.Name, "type", string(p.Type)))
	}
	return list
}

// includes lists what "_include" takes.
func includes(typ string) []string {
	list := []string{"*", typ + ":*"}
	for _, p := range search.ParamsOf(typ) {
		if p.Type == search.ReferenceType {
			list = append(list, typ+":"+p.Name)
		}
	}
	return list
}

// reverseIncludes lists what "_revinclude" takes: the parameters of other types
// that may refer to this one.
func reverseIncludes(typ string, types []string) []string {
	list := []string{"*"}
	for _, other := range types {
		for _, p := range search.ParamsOf(other) {
			if p.Type == search.ReferenceType && (p.Targets == nil || slices.Contains(p.Targets, typ)) {
				list = append(list, other+":"+p.Name)
			}
		}
	}
	return list
}
