package bars

import (
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

const (
	systemLocationTypes  = "https://fhir.nhs.uk/CodeSystem/location-types-bars"
	systemLetterStatus   = "https://fhir.nhs.uk/CodeSystem/bars-broker-referral-letter-status"
	systemBrokerPriority = "https://fhir.nhs.uk/CodeSystem/bars-broker-priority-status"
	extLocation          = "https://fhir.nhs.uk/StructureDefinition/LocationExtension"
	incidentLocation     = "ILOC"
	inboundReferral      = "792891000000102"
)

// requestRules are about the ServiceRequest and the place where help is needed.
// A cancellation's ServiceRequest need not repeat what its message has no place
// for.
var requestRules = []elementRule{
	{id: "request-category", on: "ServiceRequest", path: "category", check: categoryShape,
		text: "there must be one category, with two codings: the message's category and the use case"},
	{id: "request-based-on", on: "ServiceRequest", path: "basedOn", kinds: kindsOfRequest | kindFull, check: someRefersTo("CarePlan"),
		text: "basedOn must refer to a CarePlan"},
	{id: "request-encounter", on: "ServiceRequest", path: "encounter", kinds: kindsOfRequest | kindInterim | kindFull, check: refersTo("Encounter"),
		text: "encounter must refer to an Encounter"},
	{id: "request-period", on: "ServiceRequest", path: "occurrencePeriod", apps: []int{3, 4}, kinds: kindsOfRequest | kindInterim | kindFull, check: someWith("start", "end"),
		text: "occurrencePeriod needs start and end, the time by which the patient must be helped"},
	{id: "request-authored", on: "ServiceRequest", path: "authoredOn", kinds: kindsWithCase, check: present,
		text: "authoredOn is needed"},
	{id: "request-requester", on: "ServiceRequest", path: "requester", apps: []int{1, 3, 4, 5, 6, 8}, kinds: kindsOfRequest | kindInterim | kindFull, check: refersTo("Practitioner"),
		text: "requester must refer to a Practitioner"},
	{id: "request-performer", on: "ServiceRequest", path: "performer", apps: []int{1, 2, 3, 4, 5, 6}, kinds: kindsOfRequest | kindFull, check: refersTo("HealthcareService"),
		text: "performer must refer to a HealthcareService"},
	{id: "request-broker", on: "ServiceRequest", path: "performer", apps: []int{8}, kinds: kindReferral, check: refersTo("Device"),
		text: "performer must refer to a Device, the broker"},
	{id: "request-location", on: "ServiceRequest", path: "locationReference", apps: []int{3, 4, 6}, kinds: kindsOfRequest | kindFull, check: refersTo("Location"),
		text: "locationReference must refer to a Location"},
	{id: "request-code", on: "ServiceRequest", path: "code", apps: []int{8}, kinds: kindReferral, check: coded(nhs.SystemSNOMED, inboundReferral),
		text: "code must be SNOMED CT 792891000000102, inbound referral"},
	{id: "request-letter", on: "ServiceRequest", path: "orderDetail", apps: []int{8}, kinds: kindReferral, check: coded(systemLetterStatus, "NEED_TO_ADD_LATER", "NOT_INTENDING_TO_ADD"),
		text: "orderDetail must say whether a referral letter follows"},
	{id: "incident-location", on: "Bundle", path: "entry", apps: []int{3, 6}, kinds: kindReferral, check: incidentGiven,
		text: "a Location of type ILOC, the incident location, is needed"},
	{id: "location-findable", on: "ServiceRequest", path: "locationReference", apps: []int{4}, kinds: kindsOfRequest, check: findable,
		text: "the Location needs a LocationExtension with UPRN, PAF, eastings and northings, or what3words"},
	{id: "location-extension", on: "Location", path: "extension.extension", kinds: kindsWithCase, check: locationExtension,
		text: "a LocationExtension needs values, each a string under its published name, once"},
}

func categoryShape(x *elements, r *elementRule, v fhir.Value) {
	category := v.Get("category")
	only := category.At(0)
	if category.Len() != 1 || fhir.CodeOf(only, SystemCategories) == "" || fhir.CodeOf(only, SystemUseCases) == "" {
		x.fail(r, v, r.path)
	}
}

// someRefersTo asks that one of the references names such an entry: basedOn may
// name others beside.
func someRefersTo(types ...string) elementCheck {
	return func(x *elements, r *elementRule, v fhir.Value) {
		for item := range values(v, r.path) {
			if x.names(item, types) {
				return
			}
		}
		x.fail(r, v, r.path)
	}
}

func incidentGiven(x *elements, r *elementRule, v fhir.Value) {
	for _, e := range x.m.all("Location") {
		if fhir.CodeOf(e.res.Get("type"), systemLocationTypes) == incidentLocation {
			return
		}
	}
	x.fail(r, v, r.path)
}

// findable holds the first Location that the ServiceRequest names to app 4's
// rule that an ambulance must be able to find it.
func findable(x *elements, r *elementRule, v fhir.Value) {
	e := x.target(v.Get("locationReference").At(0))
	if e == nil || e.typ != "Location" {
		return // request-location says so
	}
	given := map[string]bool{}
	for ext := range locationExtensions(e.res) {
		for part := range ext.Get("extension").Items() {
			given[part.Get("url").Text()] = part.Get("valueString").Text() != ""
		}
	}
	if !given["UPRN"] && !given["PAF"] && !given["what3words"] && (!given["eastings"] || !given["northings"]) {
		x.fail(r, e.res, "extension")
	}
}

func locationExtensions(location fhir.Value) func(yield func(fhir.Value) bool) {
	return func(yield func(fhir.Value) bool) {
		for ext := range location.Get("extension").Items() {
			if ext.Get("url").Text() == extLocation && !yield(ext) {
				return
			}
		}
	}
}

var locationParts = []string{"UPRN", "PAF", "eastings", "northings", "what3words", "accuracy"}

func locationExtension(x *elements, r *elementRule, v fhir.Value) {
	for ext := range locationExtensions(v) {
		if ext.Get("extension").Len() == 0 {
			x.fail(r, ext, "extension")
		}
		seen := map[string]bool{}
		for part := range ext.Get("extension").Items() {
			name := part.Get("url").Text()
			if !slices.Contains(locationParts, name) || seen[name] || part.Get("valueString").Text() == "" {
				x.fail(r, part, "")
			}
			seen[name] = true
		}
	}
}

// encounterRules are about the case, the sender's and in responses the
// receiver's.
var encounterRules = []elementRule{
	{id: "encounter-class", on: "Encounter", path: "class", apps: []int{1, 2, 3, 4, 5}, kinds: kindsWithCase, check: coded(systemActCode, "EMER"),
		text: "class must be EMER of v3-ActCode"},
	{id: "encounter-class-virtual", on: "Encounter", path: "class", apps: []int{8}, kinds: kindReferral, check: coded(systemActCode, "VR"),
		text: "class must be VR of v3-ActCode"},
	{id: "encounter-subject", on: "Encounter", path: "subject", kinds: kindsWithCase, check: refersTo("Patient"),
		text: "subject must refer to the Patient"},
	{id: "encounter-journey", on: "Encounter", path: "episodeOfCare", kinds: kindsWithCase, check: journeyNamed,
		text: "episodeOfCare must name the journey: EpisodeOfCare/ and a UUID"},
	{id: "encounter-identifier", on: "Encounter", path: "identifier", kinds: kindsWithCase, check: eachWith("value"),
		text: "an identifier, the case reference, needs a value"},
	{id: "encounter-start", on: "Encounter", path: "period.start", apps: []int{3, 4, 6}, kinds: kindsWithCase, check: present,
		text: "period.start is needed"},
	{id: "encounter-history", on: "Encounter", path: "statusHistory", apps: []int{6}, kinds: kindReferral, check: when(senders, someWith("status", "period.start")),
		text: "the sender's Encounter needs statusHistory, each status with the start of its period"},
	{id: "encounter-location", on: "Encounter", path: "location.location", apps: []int{6}, kinds: kindReferral, check: when(senders, refersTo("Location")),
		text: "location of the sender's Encounter must refer to a Location"},
}

func senders(x *elements, v fhir.Value) bool {
	e := x.senderEncounter()
	return e != nil && e.res == v
}

func journeyNamed(x *elements, r *elementRule, v fhir.Value) {
	for item := range v.Get("episodeOfCare").Items() {
		ref, ok := fhir.ParseReference(item.Get("reference").Text())
		if ok && ref.Base == "" && ref.Type == "EpisodeOfCare" && fhir.ValidUUID(ref.ID) {
			return
		}
	}
	x.fail(r, v, r.path)
}

// carePlanRules are about the CarePlan: what triage found.
var carePlanRules = []elementRule{
	{id: "careplan-subject", on: "CarePlan", path: "subject", kinds: kindsWithCase, check: refersTo("Patient"),
		text: "subject must refer to the Patient"},
	{id: "careplan-encounter", on: "CarePlan", path: "encounter", kinds: kindsOfRequest | kindFull, check: refersTo("Encounter"),
		text: "encounter must refer to an Encounter"},
	{id: "careplan-start", on: "CarePlan", path: "period.start", apps: []int{1, 2, 3, 4, 5, 6}, kinds: kindsOfRequest | kindFull, check: present,
		text: "period.start, the time of the disposition, is needed"},
	{id: "careplan-outcome", on: "CarePlan", path: "activity.outcomeCodeableConcept", apps: []int{1, 2, 3, 4, 6, 8}, kinds: kindsOfRequest | kindFull, check: present,
		text: "activity.outcomeCodeableConcept, the outcome of triage, is needed"},
	{id: "careplan-narrative", on: "CarePlan", path: "activity.outcomeCodeableConcept.text", apps: []int{1, 2}, kinds: kindReferral, check: present,
		text: "an outcome with text, the narrative, is needed"},
	{id: "careplan-one-outcome", on: "CarePlan", path: "activity.outcomeCodeableConcept", kinds: kindsWithCase, check: oneOutcome,
		text: "there may be one outcome of each code system"},
	{id: "careplan-condition", on: "CarePlan", path: "addresses", apps: []int{5, 8}, kinds: kindReferral, check: refersTo("Condition"),
		text: "addresses must refer to a Condition"},
	{id: "careplan-task", on: "CarePlan", path: "activity.reference", apps: []int{5, 8}, kinds: kindReferral, check: refersTo("Task"),
		text: "activity.reference must refer to a Task"},
	{id: "careplan-priority", on: "CarePlan", path: "activity.outcomeCodeableConcept", apps: []int{8}, kinds: kindReferral, check: coded(systemBrokerPriority, "2WW", "U", "R"),
		text: "an outcome must be a priority of bars-broker-priority-status"},
	{id: "careplan-shortlist", on: "CarePlan", path: "activity.detail.performer", apps: []int{8}, kinds: kindReferral, check: refersTo("HealthcareService"),
		text: "activity.detail.performer must name the shortlist, each a HealthcareService"},
	{id: "careplan-not-started", on: "CarePlan", path: "activity.detail.status", apps: []int{8}, kinds: kindReferral, check: fixed("not-started"),
		text: "activity.detail.status must be not-started"},
}

func oneOutcome(x *elements, r *elementRule, v fhir.Value) {
	seen := map[string]bool{}
	for concept := range values(v, r.path) {
		for c := range fhir.Codings(concept) {
			if c.System != "" && seen[c.System] {
				x.fail(r, concept, "")
			}
			seen[c.System] = true
		}
	}
}
