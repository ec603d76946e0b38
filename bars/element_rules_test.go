package bars_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
)

// breaking says for each rule how to break it: the conformant message, one
// change, and the path that is named (from the first entry of the type; "" for
// Bundle).
type breaking struct {
	rule, message string
	change        changes
	at            string
}

const lately = "2026-11-20T09:00:00+00:00"

// code is a CodeableConcept.
func code(system, value string) map[string]any {
	return map[string]any{"coding": []any{map[string]any{"system": system, "code": value}}}
}

func reference(to string) map[string]any { return map[string]any{"reference": to} }

var (
	ranked   = []any{map[string]any{"url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-ContactRank", "valuePositiveInt": 1}}
	status   = "Patient.identifier[0].extension[0].valueCodeableConcept.coding[0].code"
	elsewhat = code("https://other.example", "X")
	within   = "Patient.contact[0]"
)

// The row's reference "to another type" names the receiver's Organization.
var toReceiver = reference("urn:uuid:00000004-0000-4000-8000-000000000004")

var breakings = []breaking{
	{"bundle-profile", "a1-booking", changes{"Bundle.meta.profile": []any{"https://other.example/p"}}, "Bundle.meta.profile"},
	{"resource-profile", "a1-referral", changes{"Condition.meta": map[string]any{"lastUpdated": lately}}, "Condition.meta.profile"},
	{"resource-profile", "a1-booking", changes{"MessageHeader.meta": map[string]any{"lastUpdated": lately}}, "MessageHeader.meta.profile"},
	{"no-id", "a1-referral", changes{"ServiceRequest.id": "1"}, "ServiceRequest.id"},
	{"no-id", "a4-validation", changes{"Flag.id": "1"}, "Flag.id"},
	{"no-absolute-reference", "a1-referral", changes{"Condition.asserter": reference("https://other.example/FHIR/R4/Practitioner/1")}, "Condition.asserter.reference"},
	{"header-cdss", "a1-booking", changes{"MessageHeader.extension": nil}, "MessageHeader.extension"},
	{"header-cdss", "a2-cancel", changes{"MessageHeader.extension": nil}, "MessageHeader.extension"},
	{"header-cdss", "a3-referral", changes{"MessageHeader.extension[0].extension[1].url": "version"}, "MessageHeader.extension"},
	{"header-cdss", "a4-response-interim", changes{"MessageHeader.extension": nil}, "MessageHeader.extension"},
	{"header-source-endpoint", "a1-referral", changes{"MessageHeader.source.endpoint": "[ODS]:[DoS]"}, "MessageHeader.source.endpoint"},
	{"header-source-endpoint", "a7-booking", changes{"MessageHeader.source.endpoint": "https://fhir.nhs.uk/Id/dos-service-id|"}, "MessageHeader.source.endpoint"},
	{"header-response-code", "a4-response-full", changes{"MessageHeader.response.code": "transient-error"}, "MessageHeader.response.code"},

	{"nhs-number-status", "a1-referral", changes{status: "number-not-present-trace-required"}, "Patient.identifier[0].extension"},
	{"nhs-number-status", "a7-booking", changes{"Patient.identifier[0].extension": []any{}}, "Patient.identifier[0].extension"},
	{"nhs-number-verified", "a8-referral", changes{status: "number-present-but-not-traced"}, "Patient.identifier[0].extension"},
	{"nhs-number-given", "a8-referral", changes{"Patient.identifier": nil}, "Patient.identifier"},
	{"sex-and-age-as-observation", "a1-referral", changes{"Patient.extension": []any{map[string]any{"url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-BirthSex", "valueCode": "F"}}}, "Patient.extension[0]"},
	{"sex-and-age-as-observation", "a6-referral", changes{"Patient.extension": []any{map[string]any{"url": "https://other.example/Estimated-Age", "valueInteger": 9}}}, "Patient.extension[0]"},
	{"patient-address", "a8-referral", changes{"Patient.address[0].postalCode": nil}, "Patient.address[0].postalCode"},
	{"contact-given", "a1-booking", changes{"Patient.contact": nil}, "Patient.contact"},
	{"contact-given", "a6-cancel", changes{"Patient.contact": nil}, "Patient.contact"},
	{"contact-rank", "a1-referral", changes{"Patient.contact[1].extension": nil}, "Patient.contact[1].extension"},
	{"contact-first", "a1-referral", changes{"Patient.contact[1].extension": ranked}, "Patient.contact"},
	{"contact-first", "a5-referral", changes{"Patient.contact[0].extension[0].valuePositiveInt": 3}, "Patient.contact"},
	{"contact-relationship", "a1-referral", changes{within + ".relationship": nil}, within + ".relationship"},
	{"contact-telecom", "a1-referral", changes{within + ".telecom": nil}, within + ".telecom"},
	{"telecom-content", "a1-referral", changes{within + ".telecom[0].value": nil}, within + ".telecom[0].value"},
	{"telecom-rank", "a1-referral", changes{within + ".telecom[1].rank": nil}, within + ".telecom[1].rank"},
	{"telecom-first", "a1-referral", changes{within + ".telecom[1].rank": 1}, within + ".telecom"},
	{"telecom-first", "a7-booking", changes{within + ".telecom[0].rank": 3}, within + ".telecom"},
	{"contact-phone", "a1-referral", changes{within + ".telecom": []any{map[string]any{"system": "email", "value": "sandy@mail.example", "rank": 1}}}, within + ".telecom"},

	{"request-category", "a1-referral", changes{"ServiceRequest.category[1]": code("https://other.example", "X")}, "ServiceRequest.category"},
	{"request-based-on", "a1-referral", changes{"ServiceRequest.basedOn": nil}, "ServiceRequest.basedOn"},
	{"request-encounter", "a1-referral", changes{"ServiceRequest.encounter": nil}, "ServiceRequest.encounter"},
	{"request-encounter", "a4-validation", changes{"ServiceRequest.encounter": toReceiver}, "ServiceRequest.encounter"},
	{"request-period", "a4-validation", changes{"ServiceRequest.occurrencePeriod.end": nil}, "ServiceRequest.occurrencePeriod.end"},
	{"request-period", "a3-referral", changes{"ServiceRequest.occurrencePeriod": nil}, "ServiceRequest.occurrencePeriod"},
	{"request-authored", "a6-response-status", changes{"ServiceRequest.authoredOn": nil}, "ServiceRequest.authoredOn"},
	{"request-requester", "a1-referral", changes{"ServiceRequest.requester": toReceiver}, "ServiceRequest.requester"},
	{"request-performer", "a2-referral", changes{"ServiceRequest.performer": []any{toReceiver}}, "ServiceRequest.performer[0]"},
	{"request-broker", "a8-referral", changes{"ServiceRequest.performer": nil}, "ServiceRequest.performer"},
	{"request-location", "a6-referral", changes{"ServiceRequest.locationReference": nil}, "ServiceRequest.locationReference"},
	{"request-code", "a8-referral", changes{"ServiceRequest.code": elsewhat}, "ServiceRequest.code"},
	{"request-letter", "a8-referral", changes{"ServiceRequest.orderDetail": nil}, "ServiceRequest.orderDetail"},
	{"incident-location", "a3-referral", changes{"Location.type": nil}, "Bundle.entry"},
	{"incident-location", "a6-referral-update", changes{"Location.type[0].coding[0].code": "CLOC"}, "Bundle.entry"},
	{"location-findable", "a4-validation", changes{"Location.extension[0].extension": []any{map[string]any{"url": "eastings", "valueString": "1"}}}, "Location.extension"},
	{"location-extension", "a3-referral", changes{"Location.extension[0].extension[1].url": "UPRN"}, "Location.extension[0].extension[1]"},

	{"encounter-class", "a1-referral", changes{"Encounter.class.code": "AMB"}, "Encounter.class"},
	{"encounter-class-virtual", "a8-referral", changes{"Encounter.class.code": "EMER"}, "Encounter.class"},
	{"encounter-subject", "a1-referral", changes{"Encounter.subject": nil}, "Encounter.subject"},
	{"encounter-journey", "a1-referral", changes{"Encounter.episodeOfCare": []any{reference("EpisodeOfCare/1")}}, "Encounter.episodeOfCare"},
	{"encounter-journey", "a6-response-status", changes{"Encounter.episodeOfCare": nil}, "Encounter.episodeOfCare"},
	{"encounter-identifier", "a1-referral", changes{"Encounter.identifier[0].value": nil}, "Encounter.identifier[0].value"},
	{"encounter-start", "a3-referral", changes{"Encounter.period": nil}, "Encounter.period.start"},
	{"encounter-history", "a6-referral", changes{"Encounter.statusHistory": nil}, "Encounter.statusHistory"},
	{"encounter-location", "a6-call-assist", changes{"Encounter.location": nil}, "Encounter.location.location"},

	{"careplan-subject", "a1-referral", changes{"CarePlan.subject": toReceiver}, "CarePlan.subject"},
	{"careplan-encounter", "a4-response-full", changes{"CarePlan.encounter": nil}, "CarePlan.encounter"},
	{"careplan-start", "a5-referral", changes{"CarePlan.period": nil}, "CarePlan.period.start"},
	{"careplan-outcome", "a4-validation", changes{"CarePlan.activity": nil}, "CarePlan.activity.outcomeCodeableConcept"},
	{"careplan-narrative", "a1-referral", changes{"CarePlan.activity[0].outcomeCodeableConcept[3].text": nil}, "CarePlan.activity.outcomeCodeableConcept.text"},
	{"careplan-one-outcome", "a1-referral", changes{"CarePlan.activity[0].outcomeCodeableConcept[3]": map[string]any{"text": "again", "coding": []any{map[string]any{"system": "https://fhir.nhs.uk/CodeSystem/pathways-dx-codes", "code": "DX02"}}}},
		"CarePlan.activity[0].outcomeCodeableConcept[3]"},
	{"careplan-condition", "a5-referral", changes{"CarePlan.addresses": nil}, "CarePlan.addresses"},
	{"careplan-task", "a8-referral", changes{"CarePlan.activity[0].reference": nil}, "CarePlan.activity.reference"},
	{"careplan-priority", "a8-referral", changes{"CarePlan.activity[0].outcomeCodeableConcept[0]": elsewhat}, "CarePlan.activity.outcomeCodeableConcept"},
	{"careplan-shortlist", "a8-referral", changes{"CarePlan.activity[1].detail.performer": nil}, "CarePlan.activity.detail.performer"},
	{"careplan-not-started", "a8-referral", changes{"CarePlan.activity[1].detail.status": "completed"}, "CarePlan.activity[1].detail.status"},

	{"consent-status", "a1-referral", changes{"Consent.status": "draft"}, "Consent.status"},
	{"consent-scope", "a1-referral", changes{"Consent.scope": elsewhat}, "Consent.scope"},
	{"consent-category", "a1-referral", changes{"Consent.category": []any{elsewhat}}, "Consent.category"},
	{"consent-patient", "a1-referral", changes{"Consent.patient": nil}, "Consent.patient"},
	{"consent-time", "a1-referral", changes{"Consent.dateTime": nil}, "Consent.dateTime"},
	{"consent-policy", "a4-response-full", changes{"Consent.policyRule": elsewhat}, "Consent.policyRule"},
	{"flag-category", "a1-referral", changes{"Flag.category": []any{elsewhat}}, "Flag.category"},
	{"flag-code", "a1-referral", changes{"Flag.code": map[string]any{"text": "a worry"}}, "Flag.code"},
	{"flag-subject", "a1-referral", changes{"Flag.subject": toReceiver}, "Flag.subject"},
	{"flag-encounter", "a4-validation", changes{"Flag.encounter": nil}, "Flag.encounter"},
	{"scene-safety", "a3-referral", changes{"Flag.category[0].coding[0].code": "CW"}, "Bundle.entry"},
	{"scene-safety-code", "a3-referral", changes{"Flag.code": elsewhat}, "Flag.code"},
	{"scene-safety-location", "a6-referral", changes{"Flag.subject": reference("urn:uuid:00000003-0000-4000-8000-000000000003")}, "Flag.subject"},
	{"observation-text", "a1-referral", changes{"Observation.code": elsewhat}, "Observation.code.text"},
	{"observation-subject", "a5-referral", changes{"Observation.subject": nil}, "Observation.subject"},
	{"observation-encounter", "a4-validation", changes{"Observation.encounter": nil}, "Observation.encounter"},
	{"condition-status", "a6-referral", changes{"Condition.clinicalStatus": nil}, "Condition.clinicalStatus"},
	{"condition-verification", "a5-referral", changes{"Condition.verificationStatus": nil}, "Condition.verificationStatus"},
	{"condition-category", "a5-referral", changes{"Condition.category": nil}, "Condition.category"},
	{"condition-code", "a8-referral", changes{"Condition.code": nil}, "Condition.code"},
	{"condition-subject", "a8-referral", changes{"Condition.subject": toReceiver}, "Condition.subject"},
	{"condition-encounter", "a8-referral", changes{"Condition.encounter": nil}, "Condition.encounter"},
	{"task-status", "a5-referral", changes{"Task.status": "accepted"}, "Task.status"},
	{"task-order", "a8-referral", changes{"Task.intent": "plan"}, "Task.intent"},
	{"task-plan", "a6-referral", changes{"Task.intent": "order"}, "Task.intent"},
	{"task-service", "a5-referral", changes{"Task.code": code("http://snomed.info/sct", "1659111000000100")}, "Task.code"},
	{"task-code", "a6-referral", changes{"Task.code": nil}, "Task.code"},
	{"task-authored", "a5-referral", changes{"Task.authoredOn": nil}, "Task.authoredOn"},
	{"answers-reason", "a1-referral", changes{"QuestionnaireResponse.extension": nil}, "QuestionnaireResponse.extension"},
	{"answers-subject", "a2-referral", changes{"QuestionnaireResponse.subject": nil}, "QuestionnaireResponse.subject"},
	{"answers-item", "a1-referral", changes{"QuestionnaireResponse.item[0].text": nil}, "QuestionnaireResponse.item[0].text"},
	{"rejected-services", "a1-referral", changes{"QuestionnaireResponse.item[0].item[0].item[2].answer[0].valueCoding.code": "98"}, "QuestionnaireResponse.item[0].item[0].item"},
	{"rejected-services", "a1-referral", changes{"QuestionnaireResponse.item[0].item[0].item[0].linkId": "Id"}, "QuestionnaireResponse.item[0].item[0].item"},
	{"additional-sources", "a1-referral", changes{"QuestionnaireResponse.item[0].linkId": "AdditionalSources"}, "QuestionnaireResponse.item[0].item[0].item"},
	{"device-active", "a8-referral", changes{"Device.status": "inactive"}, "Device.status"},
	{"device-name", "a8-referral", changes{"Device.deviceName[0].name": nil}, "Device.deviceName.name"},
	{"device-name-type", "a8-referral", changes{"Device.deviceName[0].type": "other"}, "Device.deviceName[0].type"},
	{"device-owner", "a8-referral", changes{"Device.owner": nil}, "Device.owner"},

	{"related-relationship", "a1-referral", changes{"+": []string{`{"resourceType":"RelatedPerson","patient":{"reference":"Patient/1"},"name":[{"text":"Robin"}]}`}}, "Bundle.entry[16].resource.relationship"},
	{"related-name", "a1-referral", changes{"+": []string{`{"resourceType":"RelatedPerson","patient":{"reference":"Patient/1"},"relationship":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0131","code":"N"}]}]}`}}, "Bundle.entry[16].resource.name"},

	{"service-identifier", "a1-referral", changes{"HealthcareService.identifier": nil}, "HealthcareService.identifier"},
	{"service-active", "a5-referral", changes{"HealthcareService.active": nil}, "HealthcareService.active"},
	{"service-name", "a1-referral", changes{"HealthcareService.name": nil}, "HealthcareService.name"},
	{"service-provider", "a1-referral", changes{"HealthcareService.providedBy": nil}, "HealthcareService.providedBy"},
	{"organisation-ods", "a1-booking", changes{"Organization.identifier[0].system": "https://other.example"}, "Organization.identifier"},
	{"organisation-identifier", "a1-referral", changes{"+": []string{`{"resourceType":"Organization","name":"A third"}`}}, "Bundle.entry[16].resource.identifier"},
	{"organisation-type", "a5-referral", changes{"MessageHeader.sender": toReceiver}, "Organization.type"},
	{"organisation-name", "a1-cancel", changes{"Organization.name": nil}, "Organization.name"},
	{"practitioner-identifier", "a1-referral", changes{"Practitioner.identifier[0].system": nil}, "Practitioner.identifier[0].system"},
	{"role-practitioner", "a1-referral", changes{"PractitionerRole.practitioner": nil}, "PractitionerRole.practitioner"},
	{"role-organisation", "a4-validation", changes{"PractitionerRole.organization": nil}, "PractitionerRole.organization"},

	{"appointment-category", "a1-booking", changes{"Appointment.serviceCategory[1]": elsewhat}, "Appointment.serviceCategory"},
	{"appointment-times", "a1-booking-cancel", changes{"Appointment.end": nil}, "Appointment.end"},
	{"appointment-participant", "a1-booking", changes{"Appointment.participant[0].status": "tentative"}, "Appointment.participant[0].status"},
}

// altered is a conformant message with one change.
func altered(t testing.TB, r *fhir.Resource, c changes) *fhir.Resource {
	t.Helper()
	var doc map[string]any
	require.NoError(t, json.Unmarshal(r.JSON(), &doc))
	return parse(t, string(apply(t, doc, c)))
}

func TestEachElementRuleIsBrokenByOneChange(t *testing.T) {
	messages := payloadsFilled(t)
	tried := map[string]bool{}
	for _, b := range breakings {
		tried[b.rule] = true
		t.Run(b.rule+" in "+b.message, func(t *testing.T) {
			require.Contains(t, messages, b.message)
			broken := altered(t, messages[b.message], b.change)
			found := bars.CheckElements(broken, bars.Strict, false)
			require.Equal(t, []string{b.rule + " at " + pathIn(broken, b.at)}, found.Broken)
			require.Len(t, found.Problems, 1, "strict mode refuses it")
			require.Empty(t, found.Warnings)
			for _, mild := range []bars.ElementCheck{bars.CheckElements(broken, bars.Lenient, false), bars.CheckElements(broken, bars.Strict, true)} {
				require.Empty(t, mild.Problems)
				require.Equal(t, found.Problems, mild.Warnings, "else it is a warning")
			}
		})
	}
	for _, r := range bars.ElementRules() {
		require.True(t, tried[r.ID], "nothing breaks %s", r.ID)
	}
}

// pathIn writes the path of a place in the first entry of a type.
func pathIn(bundle *fhir.Resource, at string) string {
	typ, rest := at, ""
	for i, c := range at {
		if c == '.' {
			typ, rest = at[:i], at[i:]
			break
		}
	}
	if typ == "Bundle" {
		return at
	}
	return entryOf(bundle, typ).Path() + rest
}

func TestBrokenElementRulesAreListedUpToABound(t *testing.T) {
	var contacts []any
	for range 1000 {
		contacts = append(contacts, map[string]any{"gender": "other"})
	}
	found := bars.CheckElements(altered(t, payloadsFilled(t)["a1-referral"], changes{"Patient.contact": contacts}), bars.Strict, false)
	require.True(t, found.More)
	require.Len(t, found.Broken, 100)
	require.Len(t, found.Problems, 101)
	require.Equal(t, "more element rules are broken than are listed", found.Problems[100].Diagnostics)
}

// What is wrong is told at once, whichever check finds it, and names no value.
func TestBrokenElementRulesAreToldWithEverythingElse(t *testing.T) {
	s := open(t)
	broken := changes{"Patient.contact[0].telecom[0].rank": nil, "Patient.identifier[0].value": "9000000008", "CarePlan.status": "active", "Consent.dateTime": nil}
	_, err := s.send(referral(t, broken))
	refused(t, err, fhir.KindInvariant, "Bundle.entry[4].resource.contact[0].telecom[0].rank", "Bundle.entry[4].resource.contact[0].telecom",
		"Bundle.entry[8].resource.dateTime", "Bundle.entry[3].resource.status", "Bundle.entry[4].resource.identifier")

	delete(broken, "CarePlan.status") // a rule of the decision table, in both modes
	result := open(t, lenient).accepted(referral(t, broken))
	require.Len(t, result.Warnings, 4)
}

func TestAServiceThatDoesNotOfferTheUseCaseDoesNotJudgeItsElements(t *testing.T) {
	_, err := open(t).send(referral(t, changes{srUseCase: "a8t2"}))
	refused(t, err, fhir.KindUnsupportedUse, first)
	_, err = open(t).sendTo(hospital, referral(t, toService(hospital), changes{srUseCase: "a8t2"}))
	refused(t, err, fhir.KindInvariant)
}
