package bars

import (
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

const (
	systemConsentScope    = "http://terminology.hl7.org/CodeSystem/consentscope"
	systemConsentCategory = "https://fhir.nhs.uk/CodeSystem/consent-categories-bars"
	systemFlagCategories  = "https://fhir.nhs.uk/CodeSystem/flag-categories-bars"
	systemSceneSafety     = "https://fhir.nhs.uk/CodeSystem/scene-safety-codes-bars"
	systemRejectedReasons = "https://fhir.nhs.uk/CodeSystem/dos-rejected-reasons-bars"
	extAnswersReason      = "http://hl7.org/fhir/StructureDefinition/questionnaireresponse-reason"
	sceneSafety           = "SS"
)

// taskOfUseCase is the SNOMED CT code of what application 5 asks a pharmacy for.
var taskOfUseCase = map[string]string{
	"a5t1":               "2140231000000104", // minor illness
	"a5t2":               "1659121000000100", // contraception
	"a5t3":               "1659111000000100", // blood pressure
	"referraltopharmacy": "2140231000000104", // the older name of a5t1
}

// clinicalRules are about what travels with a referral.
var clinicalRules = []elementRule{
	{id: "consent-status", on: "Consent", path: "status", check: fixed("active"),
		text: "status must be active"},
	{id: "consent-scope", on: "Consent", path: "scope", check: coded(systemConsentScope, "patient-privacy"),
		text: "scope must be patient-privacy of consentscope"},
	{id: "consent-category", on: "Consent", path: "category", check: coded(systemConsentCategory, "DRC"),
		text: "category must be DRC of consent-categories-bars"},
	{id: "consent-patient", on: "Consent", path: "patient", check: refersTo("Patient"),
		text: "patient must refer to the Patient"},
	{id: "consent-time", on: "Consent", path: "dateTime", check: present,
		text: "dateTime is needed"},
	{id: "consent-policy", on: "Consent", path: "policyRule", check: coded(systemActCode, "IMPLIED"),
		text: "policyRule must be IMPLIED of v3-ActCode"},

	{id: "flag-category", on: "Flag", path: "category", check: coded(systemFlagCategories, "SG", "SS", "RS", "RA", "IR", "RC", "RT", "AC", "API", "CW"),
		text: "category must be a code of flag-categories-bars"},
	{id: "flag-code", on: "Flag", path: "code", check: codedAnyhow,
		text: "code needs a coding with system and code"},
	{id: "flag-subject", on: "Flag", path: "subject", check: refersTo("Patient", "Location"),
		text: "subject must refer to the Patient, of a scene's safety to its Location"},
	{id: "flag-encounter", on: "Flag", path: "encounter", apps: []int{4, 6}, kinds: kindsOfRequest | kindFull, check: refersTo("Encounter"),
		text: "encounter must refer to an Encounter"},
	{id: "scene-safety", on: "Bundle", path: "entry", apps: []int{3}, kinds: kindReferral, check: sceneSafetyGiven,
		text: "a scene safety Flag is needed, with the code UNK where nobody asked"},
	{id: "scene-safety-code", on: "Flag", path: "code", check: when(ofScene, coded(systemSceneSafety, "S", "U", "UNK")),
		text: "the code of a scene safety Flag must be one of scene-safety-codes-bars"},
	{id: "scene-safety-location", on: "Flag", path: "subject", check: when(ofScene, refersTo("Location")),
		text: "the subject of a scene safety Flag must be a Location"},

	{id: "observation-text", on: "Observation", path: "code.text", apps: []int{1, 2, 3, 4, 6, 8}, kinds: kindsOfRequest, check: present,
		text: "code.text is needed"},
	{id: "observation-subject", on: "Observation", path: "subject", check: refersTo("Patient"),
		text: "subject must refer to the Patient"},
	{id: "observation-encounter", on: "Observation", path: "encounter", apps: []int{1, 2, 3, 4, 6, 8}, kinds: kindsOfRequest, check: refersTo("Encounter"),
		text: "encounter must refer to an Encounter"},

	{id: "condition-status", on: "Condition", path: "clinicalStatus", apps: []int{5, 6, 8}, kinds: kindReferral, check: present,
		text: "clinicalStatus is needed"},
	{id: "condition-verification", on: "Condition", path: "verificationStatus", apps: []int{5, 8}, kinds: kindReferral, check: present,
		text: "verificationStatus is needed"},
	{id: "condition-category", on: "Condition", path: "category", apps: []int{5, 6, 8}, kinds: kindReferral, check: codedAnyhow,
		text: "category needs a coding with system and code"},
	{id: "condition-code", on: "Condition", path: "code", apps: []int{5, 6, 8}, kinds: kindReferral, check: present,
		text: "code is needed"},
	{id: "condition-subject", on: "Condition", path: "subject", apps: []int{5, 6, 8}, kinds: kindReferral, check: refersTo("Patient"),
		text: "subject must refer to the Patient"},
	{id: "condition-encounter", on: "Condition", path: "encounter", apps: []int{5, 6, 8}, kinds: kindReferral, check: refersTo("Encounter"),
		text: "encounter must refer to an Encounter"},

	{id: "task-status", on: "Task", path: "status", apps: []int{5, 8}, kinds: kindReferral, check: fixed("requested"),
		text: "status must be requested"},
	{id: "task-order", on: "Task", path: "intent", apps: []int{5, 8}, kinds: kindReferral, check: fixed("order"),
		text: "intent must be order"},
	{id: "task-plan", on: "Task", path: "intent", apps: []int{6}, kinds: kindReferral, check: fixed("plan"),
		text: "intent must be plan"},
	{id: "task-service", on: "Task", path: "code", apps: []int{5}, kinds: kindReferral, check: taskService,
		text: "code must be the SNOMED CT code of the use case"},
	{id: "task-code", on: "Task", path: "code", apps: []int{6, 8}, kinds: kindReferral, check: present,
		text: "code is needed"},
	{id: "task-authored", on: "Task", path: "authoredOn", apps: []int{5, 6, 8}, kinds: kindReferral, check: present,
		text: "authoredOn is needed"},

	{id: "answers-reason", on: "QuestionnaireResponse", path: "extension", apps: []int{1, 2, 6}, kinds: kindReferral, check: answersReason,
		text: "the extension questionnaireresponse-reason must name the purpose in text"},
	{id: "answers-subject", on: "QuestionnaireResponse", path: "subject", apps: []int{1, 2, 6}, kinds: kindReferral, check: refersTo("Patient"),
		text: "subject must refer to the Patient"},
	{id: "answers-item", on: "QuestionnaireResponse", path: "item", apps: []int{1, 2, 6}, kinds: kindReferral, check: someWith("linkId", "text"),
		text: "items with linkId and text are needed"},
	{id: "rejected-services", on: "QuestionnaireResponse", path: "item", check: rejectedServices,
		text: "each rejected service needs ServiceId, ServiceName and RejectionReason, a code of dos-rejected-reasons-bars"},
	{id: "additional-sources", on: "QuestionnaireResponse", path: "item", check: additionalSources,
		text: "each additional source needs SourceName or SPNTitle"},

	{id: "device-active", on: "Device", path: "status", apps: []int{8}, check: fixed("active"),
		text: "status must be active"},
	{id: "device-name", on: "Device", path: "deviceName.name", apps: []int{8}, check: present,
		text: "deviceName.name is needed"},
	{id: "device-name-type", on: "Device", path: "deviceName.type", apps: []int{8}, check: fixed("user-friendly-name"),
		text: "deviceName.type must be user-friendly-name"},
	{id: "device-owner", on: "Device", path: "owner", apps: []int{8}, check: refersTo("Organization"),
		text: "owner must refer to an Organization"},

	{id: "related-relationship", on: "RelatedPerson", path: "relationship", check: codedAnyhow,
		text: "relationship needs a coding with system and code"},
	{id: "related-name", on: "RelatedPerson", path: "name", check: present,
		text: "name is needed"},
}

// ofScene says whether a Flag is about the safety of a scene.
func ofScene(_ *elements, v fhir.Value) bool {
	for c := range fhir.Codings(v.Get("category")) {
		if c.System == systemFlagCategories && c.Code == sceneSafety {
			return true
		}
	}
	return false
}

func sceneSafetyGiven(x *elements, r *elementRule, v fhir.Value) {
	for _, e := range x.m.all("Flag") {
		if ofScene(x, e.res) {
			return
		}
	}
	x.fail(r, v, r.path)
}

func taskService(x *elements, r *elementRule, v fhir.Value) {
	coded(nhs.SystemSNOMED, taskOfUseCase[x.useOf])(x, r, v)
}

func answersReason(x *elements, r *elementRule, v fhir.Value) {
	for ext := range v.Get("extension").Items() {
		if ext.Get("url").Text() == extAnswersReason && ext.Dig("valueCodeableConcept", "text").Text() != "" {
			return
		}
	}
	x.fail(r, v, r.path)
}

var rejectedReasons = []string{"21", "22", "23", "24", "26", "27", "31", "32", "40", "41", "42", "99"}

func rejectedServices(x *elements, r *elementRule, v fhir.Value) {
	eachGroup(v, "RejectedServices", func(service fhir.Value) {
		reason := answer(service, "RejectionReason").Get("valueCoding")
		if !answer(service, "ServiceId").Exists() || !answer(service, "ServiceName").Exists() ||
			reason.Get("system").Text() != systemRejectedReasons || !slices.Contains(rejectedReasons, reason.Get("code").Text()) {
			x.fail(r, service, "item")
		}
	})
}

func additionalSources(x *elements, r *elementRule, v fhir.Value) {
	eachGroup(v, "AdditionalSources", func(source fhir.Value) {
		if !answer(source, "SourceName").Exists() && !answer(source, "SPNTitle").Exists() {
			x.fail(r, source, "item")
		}
	})
}

// eachGroup ranges over the items below the item of that name.
func eachGroup(v fhir.Value, name string, visit func(fhir.Value)) {
	for item := range v.Get("item").Items() {
		if item.Get("linkId").Text() != name {
			continue
		}
		for group := range item.Get("item").Items() {
			visit(group)
		}
	}
}

// answer is the first answer to the item of that name within a group.
func answer(group fhir.Value, name string) fhir.Value {
	for item := range group.Get("item").Items() {
		if item.Get("linkId").Text() == name {
			return item.Get("answer").At(0)
		}
	}
	return fhir.Value{}
}
