package search

// Targets that recur in R4.
const (
	anyType      = ""
	participants = "Practitioner Device Patient HealthcareService PractitionerRole RelatedPerson Location"
	performers   = "Practitioner Organization CareTeam Device Patient HealthcareService PractitionerRole RelatedPerson"
	requesters   = "Practitioner Organization Device Patient PractitionerRole RelatedPerson"
	people       = "Practitioner Patient PractitionerRole RelatedPerson"
	visits       = "Encounter EpisodeOfCare"
	definitions  = "Questionnaire Measure PlanDefinition OperationDefinition ActivityDefinition"
)

// The types that booking and referral turn on (R4 4.0.1, one line a parameter).
var (
	slot = []Param{
		token("appointment-type", "appointmentType"),
		token("identifier", "identifier"),
		reference("schedule", "Schedule", "schedule"),
		token("service-category", "serviceCategory"),
		token("service-type", "serviceType"),
		token("specialty", "specialty"),
		date("start", "start"),
		code("status", "slotstatus", "status"),
	}
	schedule = []Param{
		boolean("active", "active"),
		reference("actor", participants, "actor"),
		date("date", "planningHorizon"),
		token("identifier", "identifier"),
		token("service-category", "serviceCategory"),
		token("service-type", "serviceType"),
		token("specialty", "specialty"),
	}
	appointment = []Param{
		reference("actor", participants, "participant.actor"),
		token("appointment-type", "appointmentType"),
		reference("based-on", "ServiceRequest", "basedOn"),
		date("date", "start"),
		token("identifier", "identifier"),
		only("location", "Location", "participant.actor"),
		code("part-status", "participationstatus", "participant.status"),
		only("patient", "Patient", "participant.actor"),
		only("practitioner", "Practitioner", "participant.actor"),
		token("reason-code", "reasonCode"),
		reference("reason-reference", "Condition Procedure Observation ImmunizationRecommendation", "reasonReference"),
		token("service-category", "serviceCategory"),
		token("service-type", "serviceType"),
		reference("slot", "Slot", "slot"),
		token("specialty", "specialty"),
		code("status", "appointmentstatus", "status"),
		reference("supporting-info", anyType, "supportingInformation"),
	}
	serviceRequest = []Param{
		date("authored", "authoredOn"),
		reference("based-on", "CarePlan MedicationRequest ServiceRequest", "basedOn"),
		token("body-site", "bodySite"),
		token("category", "category"),
		token("code", "code"),
		reference("encounter", visits, "encounter"),
		token("identifier", "identifier"),
		reference("instantiates-canonical", "PlanDefinition ActivityDefinition", "instantiatesCanonical"),
		uri("instantiates-uri", "instantiatesUri"),
		code("intent", "request-intent", "intent"),
		date("occurrence", "occurrenceDateTime", "occurrencePeriod", "occurrenceTiming"),
		only("patient", "Patient", "subject"),
		reference("performer", performers, "performer"),
		token("performer-type", "performerType"),
		code("priority", "request-priority", "priority"),
		reference("replaces", "ServiceRequest", "replaces"),
		reference("requester", requesters, "requester"),
		token("requisition", "requisition"),
		reference("specimen", "Specimen", "specimen"),
		code("status", "request-status", "status"),
		reference("subject", "Group Device Patient Location", "subject"),
	}
	documentReference = []Param{
		reference("authenticator", "Practitioner Organization PractitionerRole", "authenticator"),
		reference("author", requesters, "author"),
		token("category", "category"),
		code("contenttype", "urn:ietf:bcp:13", "content.attachment.contentType"),
		reference("custodian", "Organization", "custodian"),
		date("date", "date"),
		longText("description", "description"),
		reference("encounter", visits, "context.encounter"),
		token("event", "context.event"),
		token("facility", "context.facilityType"),
		token("format", "content.format"),
		token("identifier", "masterIdentifier", "identifier"),
		code("language", "urn:ietf:bcp:47", "content.attachment.language"),
		uri("location", "content.attachment.url"),
		only("patient", "Patient", "subject"),
		date("period", "context.period"),
		reference("related", anyType, "context.related"),
		reference("relatesto", "DocumentReference", "relatesTo.target"),
		code("relation", "document-relationship-type", "relatesTo.code"),
		composite("relationship", "relatesTo", reference("relatesto", "DocumentReference", "target"), code("relation", "document-relationship-type", "code")),
		token("security-label", "securityLabel"),
		token("setting", "context.practiceSetting"),
		code("status", "document-reference-status", "status"),
		reference("subject", "Practitioner Group Device Patient", "subject"),
		token("type", "type"),
	}
	task = []Param{
		date("authored-on", "authoredOn"),
		reference("based-on", anyType, "basedOn"),
		token("business-status", "businessStatus"),
		token("code", "code"),
		reference("encounter", "Encounter", "encounter"),
		reference("focus", anyType, "focus"),
		token("group-identifier", "groupIdentifier"),
		token("identifier", "identifier"),
		code("intent", "request-intent", "intent"),
		date("modified", "lastModified"),
		reference("owner", performers, "owner"),
		reference("part-of", "Task", "partOf"),
		only("patient", "Patient", "for"),
		token("performer", "performerType"),
		date("period", "executionPeriod"),
		code("priority", "request-priority", "priority"),
		reference("requester", requesters, "requester"),
		code("status", "task-status", "status"),
		reference("subject", anyType, "for"),
	}
	communication = []Param{
		reference("based-on", anyType, "basedOn"),
		token("category", "category"),
		reference("encounter", "Encounter", "encounter"),
		token("identifier", "identifier"),
		reference("instantiates-canonical", definitions, "instantiatesCanonical"),
		uri("instantiates-uri", "instantiatesUri"),
		token("medium", "medium"),
		reference("part-of", anyType, "partOf"),
		only("patient", "Patient", "subject"),
		date("received", "received"),
		reference("recipient", performers+" Group", "recipient"),
		reference("sender", "Practitioner Organization Device Patient HealthcareService PractitionerRole RelatedPerson", "sender"),
		date("sent", "sent"),
		code("status", "event-status", "status"),
		reference("subject", "Group Patient", "subject"),
	}
)
