package nhs111

// NotWritten lists what of a BaRS referral message a 111 report has no place
// for, by FHIR path from the resource's type. A test holds writeDocument to it.
// What remarks, answers and wordSections write in words is among it: the words are
// there, the resource isn't.
var NotWritten = []Omission{
	{Path: "Bundle.timestamp", Why: "when the message was made; the receiver stamps its own"},
	{Path: "MessageHeader.source.name", Why: "the sending organisation is named, its supplier isn't"},
	{Path: "MessageHeader.source.endpoint", Why: "the sender's address is an organisation's"},
	{Path: "MessageHeader.extension", Why: "stands beside an embedded triage only"},
	{Path: "MessageHeader.reason", Why: "a report is new; that it replaces one is said by its set"},
	{Path: "HealthcareService.name", Why: "the recipient is an organisation"},
	{Path: "ServiceRequest.occurrencePeriod.end", Why: "in words, where the disposition doesn't say so"},
	{Path: "ServiceRequest.priority", Why: "in words, where the disposition doesn't say so"},
	{Path: "ServiceRequest.supportingInfo", Why: "flags, questionnaires and documents that aren't in a report by themselves"},
	{Path: "CarePlan.supportingInfo", Why: "flags, which are words in a report"},
	{Path: "CarePlan.activity.outcomeCodeableConcept.text", Why: "words beside the disposition's code are a section of their own"},
	{Path: "CarePlan.period", Why: "a report has the time of the triage, else its own"},
	{Path: "Consent.dateTime", Why: "a report has its own time only"},
	{Path: "Encounter.identifier.system", Why: "an identifier whose system has no OID becomes a local case id"},
	{Path: "Location.extension", Why: "in words, but for the grid reference"},
	{Path: "Location.position", Why: "in words"},
	{Path: "Flag", Why: "in words"},
	{Path: "Observation", Why: "in words, but for the reported condition"},
	{Path: "Condition", Why: "in words, but for the reported condition and codes that are discriminators"},
	{Path: "AllergyIntolerance", Why: "in words"},
	{Path: "MedicationStatement", Why: "in words"},
	{Path: "Procedure", Why: "in words"},
	{Path: "Communication", Why: "in words"},
	{Path: "RelatedPerson", Why: "in words, but for guardians and those who spoke for the patient"},
	{Path: "Task", Why: "in words"},
	{Path: "Device", Why: "in words"},
	{Path: "Patient.telecom", Why: "that a number is old or temporary is in words; an old one stands there only"},
	{Path: "Patient.contact.telecom", Why: "that a number is old or temporary is in words; an old one stands there only"},
	{Path: "Practitioner.telecom", Why: "that a number is old or temporary is in words; an old one stands there only"},
	{Path: "Organization.telecom", Why: "that a number is old or temporary is in words; an old one stands there only"},
	{Path: "QuestionnaireResponse", Why: "of NHS Pathways whole, others in words"},
	{Path: "Patient.communication.language", Why: "the schema takes a bare code, without words"},
	{Path: "Consent.sourceReference", Why: "the report is a document of its own and names itself"},
}

// notInRequests is what beside it an ambulance request never has a place for; what
// one has a place for in part is found as it is written.
var notInRequests = []Omission{
	{Path: "MessageHeader.source.software", Why: "a request names no software"},
	{Path: "MessageHeader.source.version", Why: "a request names no software"},
	{Path: "ServiceRequest.identifier", Why: "a request has an id of its own, and no set"},
	{Path: "CarePlan.title", Why: "a request has no title"},
	{Path: "CarePlan.text", Why: "the notes of a request are plain text"},
	{Path: "CarePlan.activity.reference", Why: "a Task is in words"},
	{Path: "Encounter.statusHistory", Why: "a request is of one moment"},
	{Path: "Encounter.location.status", Why: "a request has the place only"},
	{Path: "Condition.category", Why: "a discriminator has none"},
	{Path: "Patient.address.type", Why: "only physical and postal have a code"},
	{Path: "Questionnaire", Why: "a request has no questions but those that were answered, in words"},
	{Path: "QuestionnaireResponse", Why: "in words"},
}
