package bars

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// elementRules are all element rules, in the order of the documentation.
var elementRules = [][]elementRule{messageRules, patientRules, requestRules, encounterRules, carePlanRules, clinicalRules, directoryRules, bookingRules}

// elementRulesOn are the same rules by what they are about.
var elementRulesOn = func() map[string][]*elementRule {
	on := map[string][]*elementRule{}
	for _, group := range elementRules {
		for i := range group {
			r := &group[i]
			on[r.on] = append(on[r.on], r)
		}
	}
	return on
}()

const (
	kindsOfRequest  = kindReferral | kindValidation
	kindsWithCase   = kindReferral | kindValidation | kindInterim | kindFull | kindStatus | kindNoShow
	kindsButBooking = kindBookingCancel | kindReferralCancel | kindsWithCase
	kindsOfResponse = kindInterim | kindFull | kindStatus | kindNoShow
	systemCDSS      = "https://fhir.nhs.uk/StructureDefinition/CDSSExtension"
)

// messageRules are about the envelope and the MessageHeader.
var messageRules = []elementRule{
	{id: "bundle-profile", on: "Bundle", path: "meta.profile", check: bundleProfile,
		text: "meta.profile must name " + ProfileBundle},
	{id: "resource-profile", on: anyResource, path: "meta.profile", check: when(composed, present),
		text: "meta.profile must name the profile that the resource keeps"},
	{id: "no-id", on: anyResource, path: "id", check: when(named, noID),
		text: "the receiver names new resources: id must not be given"},
	{id: "no-absolute-reference", on: anyResource, path: "reference", check: noAbsoluteReference,
		text: "a reference must be a urn:uuid of this message, or relative to what the receiver holds"},
	{id: "header-cdss", on: "MessageHeader", path: "extension", apps: []int{1, 2, 3, 4}, check: cdss,
		text: "the CDSSExtension must name the decision support software and its version"},
	{id: "header-source-endpoint", on: "MessageHeader", path: "source.endpoint", check: serviceEndpoint,
		text: "source.endpoint must be system|value, so that answers can be sent to it"},
	{id: "header-response-code", on: "MessageHeader", path: "response.code", kinds: kindsOfResponse, check: fixed("ok"),
		text: "response.code must be ok"},
}

func bundleProfile(x *elements, r *elementRule, v fhir.Value) {
	for item := range values(v, r.path) {
		if item.Text() == ProfileBundle {
			return
		}
	}
	x.fail(r, v, r.path)
}

// composed says whether the sender made the resource: in a booking the Slot and
// what else the search for it gave come back as they were offered.
func composed(x *elements, v fhir.Value) bool {
	typ := v.Get("resourceType").Text()
	return x.kind != kindBooking || !slices.Contains(oursPerhaps, typ)
}

// oursPerhaps are the types of which the receiver may hold the sender's entry
// already, and have told its id.
var oursPerhaps = []string{"Slot", "Schedule", "HealthcareService", "Location", "Organization", "Practitioner", "PractitionerRole"}

// named says whether the receiver will give the resource its id.
func named(x *elements, v fhir.Value) bool {
	return x.isNew() && !slices.Contains(oursPerhaps, v.Get("resourceType").Text())
}

func noID(x *elements, r *elementRule, v fhir.Value) {
	if v.Get("id").Exists() {
		x.fail(r, v, "id")
	}
}

func noAbsoluteReference(x *elements, r *elementRule, v fhir.Value) {
	for name, member := range v.Members() {
		if name == "reference" && member.Kind() == fhir.StringKind {
			if ref, ok := fhir.ParseReference(member.Text()); !ok || ref.Base != "" {
				x.fail(r, member, "")
			}
			continue
		}
		noAbsoluteReference(x, r, member)
	}
	for item := range v.Items() {
		noAbsoluteReference(x, r, item)
	}
}

// cdss looks in both places and for both spellings that are published.
func cdss(x *elements, r *elementRule, v fhir.Value) {
	for _, place := range []string{"extension", "source.extension"} {
		for ext := range values(v, place) {
			if ext.Get("url").Text() != systemCDSS {
				continue
			}
			if nested(ext, "requesterCDSSSoftware") && nested(ext, "requesterCDSSVersion") {
				return
			}
		}
	}
	x.fail(r, v, "extension")
}

// nested says whether an extension holds a string of that name.
func nested(ext fhir.Value, name string) bool {
	for item := range ext.Get("extension").Items() {
		if strings.EqualFold(item.Get("url").Text(), name) && item.Get("valueString").Text() != "" {
			return true
		}
	}
	return false
}

// bookingRules are about the Appointment.
var bookingRules = []elementRule{
	{id: "appointment-category", on: "Appointment", path: "serviceCategory", kinds: kindBooking | kindBookingCancel, check: oneOf,
		text: "there must be one serviceCategory"},
	{id: "appointment-times", on: "Appointment", path: "start", kinds: kindBooking | kindBookingCancel, check: startAndEnd,
		text: "start and end are needed"},
	{id: "appointment-participant", on: "Appointment", path: "participant.status", kinds: kindBooking | kindBookingCancel, check: fixed("accepted"),
		text: "the status of each participant must be accepted"},
}

func oneOf(x *elements, r *elementRule, v fhir.Value) {
	if v.Get(r.path).Len() != 1 {
		x.fail(r, v, r.path)
	}
}

func startAndEnd(x *elements, r *elementRule, v fhir.Value) {
	for _, member := range []string{"start", "end"} {
		if !v.Get(member).Exists() {
			x.fail(r, v, member)
		}
	}
}

// directoryRules are about services, organisations and people who work in them.
// In a new booking these may be entries that the search for slots gave, so the
// sender doesn't answer for them.
var directoryRules = []elementRule{
	{id: "service-identifier", on: "HealthcareService", path: "identifier", kinds: kindsWithCase, check: someWith("system", "value"),
		text: "the HealthcareService needs an identifier with system and value"},
	{id: "service-active", on: "HealthcareService", path: "active", kinds: kindsWithCase, check: present,
		text: "active is needed"},
	{id: "service-name", on: "HealthcareService", path: "name", kinds: kindsWithCase, check: present,
		text: "name is needed"},
	{id: "service-provider", on: "HealthcareService", path: "providedBy", apps: []int{1, 2, 3, 4, 6}, kinds: kindsWithCase, check: refersTo("Organization"),
		text: "providedBy must refer to an Organization"},
	{id: "organisation-identifier", on: "Organization", path: "identifier", apps: []int{1, 2, 3, 4, 6, 7, 8}, kinds: kindsButBooking, check: when(between, someWith("system", "value")),
		text: "the Organization needs an identifier with system and value"},
	{id: "organisation-ods", on: "MessageHeader", path: "sender", check: odsOfBothSides,
		text: "sender and receiver must be Organizations with an ODS code"},
	{id: "organisation-name", on: "Organization", path: "name", kinds: kindsButBooking, check: present,
		text: "name is needed"},
	{id: "organisation-type", on: "MessageHeader", path: "sender", apps: []int{5}, kinds: kindReferral, check: senderType,
		text: "the sending Organization needs a type with system and code"},
	{id: "practitioner-identifier", on: "Practitioner", path: "identifier", apps: []int{1, 2, 3, 4, 6, 7}, kinds: kindsWithCase, check: someWith("system", "value"),
		text: "the Practitioner needs an identifier with system and value"},
	{id: "role-practitioner", on: "PractitionerRole", path: "practitioner", apps: []int{1, 2, 3, 4, 6, 7}, kinds: kindsWithCase, check: refersTo("Practitioner"),
		text: "practitioner must refer to a Practitioner"},
	{id: "role-organisation", on: "PractitionerRole", path: "organization", apps: []int{1, 2, 3, 4, 6, 7}, kinds: kindsWithCase, check: refersTo("Organization"),
		text: "organization must refer to an Organization"},
}

// between says whether an Organization is neither sender nor receiver, which
// need more than any identifier.
func between(x *elements, v fhir.Value) bool {
	for _, side := range x.sides() {
		if side.res == v {
			return false
		}
	}
	return true
}

// sides are the Organizations that send and receive the message.
func (x *elements) sides() []*entry {
	var list []*entry
	for _, side := range []fhir.Value{x.m.header.Get("sender"), x.m.header.Get("destination").At(0).Get("receiver")} {
		if e := x.target(side); e != nil && e.typ == "Organization" {
			list = append(list, e)
		}
	}
	return list
}

func odsOfBothSides(x *elements, r *elementRule, _ fhir.Value) {
	for _, side := range x.sides() {
		if nhs.ODSOf(side.resource()) == "" {
			x.fail(r, side.res, "identifier")
		}
	}
}

func senderType(x *elements, r *elementRule, v fhir.Value) {
	e := x.target(v.Get("sender"))
	if e == nil || e.typ != "Organization" {
		return
	}
	for c := range fhir.Codings(e.res.Get("type")) {
		if c.System != "" && c.Code != "" {
			return
		}
	}
	x.fail(r, e.res, "type")
}
