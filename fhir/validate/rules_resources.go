package validate

import "github.com/onward-health/onward/fhir"

const (
	allergyVerification = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
	conditionClinical   = "http://terminology.hl7.org/CodeSystem/condition-clinical"
	conditionVerStatus  = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
)

// resourceRules are the invariants of the resources that are stored.
var resourceRules = []rule{
	{path: "AllergyIntolerance", key: "ait-1", text: "an allergy that wasn't entered in error needs a clinicalStatus",
		holds: func(v fhir.Value) bool {
			return has(v, "clinicalStatus") || hasCoding(v.Get("verificationStatus"), allergyVerification, "entered-in-error")
		}},
	{path: "AllergyIntolerance", key: "ait-2", text: "an allergy that was entered in error has no clinicalStatus",
		holds: func(v fhir.Value) bool {
			return !has(v, "clinicalStatus") || !hasCoding(v.Get("verificationStatus"), allergyVerification, "entered-in-error")
		}},
	{path: "Appointment", key: "app-2", text: "an appointment has both start and end or neither",
		holds: func(v fhir.Value) bool { return both(v, "start", "end") }},
	{path: "Appointment", key: "app-3", text: "only a proposed, cancelled or waitlisted appointment can be without start and end",
		holds: func(v fhir.Value) bool {
			return has(v, "start") && has(v, "end") || is(v.Get("status"), "proposed", "cancelled", "waitlist")
		}},
	{path: "Appointment", key: "app-4", text: "only a cancelled appointment or a no-show has a cancelation reason",
		holds: func(v fhir.Value) bool {
			return !has(v, "cancelationReason") || is(v.Get("status"), "noshow", "cancelled")
		}},
	{path: "Appointment.participant", key: "app-1", text: "a participant needs a type or an actor",
		holds: func(v fhir.Value) bool { return has(v, "type") || has(v, "actor") }},
	{path: "CarePlan.activity", key: "cpl-3", text: "an activity has a detail or a reference, not both",
		holds: func(v fhir.Value) bool { return notBoth(v, "detail", "reference") }},
	{path: "Condition", key: "con-4", text: "a condition that has abated is inactive, resolved or in remission",
		holds: func(v fhir.Value) bool {
			return !hasChoice(v, "abatement") || hasCoding(v.Get("clinicalStatus"), conditionClinical, "resolved", "remission", "inactive")
		}},
	{path: "Condition", key: "con-5", text: "a condition that was entered in error has no clinicalStatus",
		holds: func(v fhir.Value) bool {
			return !has(v, "clinicalStatus") || !hasCoding(v.Get("verificationStatus"), conditionVerStatus, "entered-in-error")
		}},
	{path: "Condition.stage", key: "con-1", text: "a stage needs a summary or an assessment",
		holds: func(v fhir.Value) bool { return has(v, "summary") || has(v, "assessment") }},
	{path: "Condition.evidence", key: "con-2", text: "evidence needs a code or a detail",
		holds: func(v fhir.Value) bool { return has(v, "code") || has(v, "detail") }},
	{path: "Consent", key: "ppc-1", text: "a consent needs a policy or a policyRule",
		holds: func(v fhir.Value) bool { return has(v, "policy") || has(v, "policyRule") }},
	{path: "Consent", key: "ppc-2", text: "a consent to privacy needs a patient", holds: consentOf("patient-privacy")},
	{path: "Consent", key: "ppc-3", text: "a consent to research needs a patient", holds: consentOf("research")},
	{path: "Consent", key: "ppc-4", text: "an advance care directive needs a patient", holds: consentOf("adr")},
	{path: "Consent", key: "ppc-5", text: "a consent to treatment needs a patient", holds: consentOf("treatment")},
	{path: "Observation", key: "obs-6", text: "an observation with a value has no dataAbsentReason",
		holds: func(v fhir.Value) bool { return !has(v, "dataAbsentReason") || !hasChoice(v, "value") }},
	{path: "Observation", key: "obs-7", text: "where a component has the observation's own code, the value belongs in the component", holds: componentCodesDiffer},
	{path: "Observation.referenceRange", key: "obs-3", text: "a reference range needs low, high or text",
		holds: func(v fhir.Value) bool { return has(v, "low") || has(v, "high") || has(v, "text") }},
	{path: "Organization", key: "org-1", text: "an organization needs a name or an identifier",
		holds: func(v fhir.Value) bool { return has(v, "name") || has(v, "identifier") }},
	{path: "Organization.address", on: "Organization", key: "org-2", text: "an organization has no home address",
		holds: func(v fhir.Value) bool { return noneOf(v.Get("address"), "use", "home") }},
	{path: "Organization.telecom", on: "Organization", key: "org-3", text: "an organization has no home telephone or address",
		holds: func(v fhir.Value) bool { return noneOf(v.Get("telecom"), "use", "home") }},
	{path: "Patient.contact", key: "pat-1", text: "a contact needs a name, telecom, address or organization",
		holds: func(v fhir.Value) bool {
			return has(v, "name") || has(v, "telecom") || has(v, "address") || has(v, "organization")
		}},
	{path: "ServiceRequest", key: "prr-1", text: "orderDetail needs a code",
		holds: func(v fhir.Value) bool { return needs(v, "orderDetail", "code") }},
	{path: "Task", key: "inv-1", text: "a task can't have been changed before it was made",
		holds: func(v fhir.Value) bool { return inOrder(v.Get("authoredOn"), v.Get("lastModified")) }},
	{path: "Parameters.parameter", key: "inv-1", text: "a parameter has one of value, resource and part",
		holds: func(v fhir.Value) bool {
			given := 0
			for _, one := range [...]bool{has(v, "part"), has(v, "resource"), hasChoice(v, "value")} {
				if one {
					given++
				}
			}
			return given == 1
		}},
}

// consentOf needs a patient for one scope. The system is the one that R4's own
// expressions name.
func consentOf(scope string) func(v fhir.Value) bool {
	return func(v fhir.Value) bool {
		return has(v, "patient") || !hasCoding(v.Get("scope"), "something", scope)
	}
}

// componentCodesDiffer is obs-7. Codings are the same if all their texts are;
// keys in a map keep hostile lists from being compared pair by pair.
func componentCodesDiffer(v fhir.Value) bool {
	components := v.Get("component")
	if !components.Exists() || !hasChoice(v, "value") {
		return true
	}
	own := map[[5]string]bool{}
	for coding := range v.Dig("code", "coding").Items() {
		own[codingKey(coding)] = true
	}
	for component := range components.Items() {
		for coding := range component.Dig("code", "coding").Items() {
			if own[codingKey(coding)] {
				return false
			}
		}
	}
	return true
}

func codingKey(v fhir.Value) [5]string {
	return [5]string{
		v.Get("system").Text(), v.Get("version").Text(), v.Get("code").Text(), v.Get("display").Text(), string(v.Get("userSelected").Raw()),
	}
}
