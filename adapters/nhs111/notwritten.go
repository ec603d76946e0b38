package nhs111

// NotWritten lists what of a BaRS referral message a 111 report has no place
// for, by FHIR path from the resource's type. A test holds writeDocument to it.
// What remarks and answers write in words is among it: the words are there, the
// resource isn't.
var NotWritten = []Omission{
	{"Bundle.timestamp", "when the message was made; the receiver stamps its own"},
	{"MessageHeader.source.name", "the sending organisation is named, its supplier isn't"},
	{"MessageHeader.source.software", "stands beside an embedded triage only"},
	{"MessageHeader.source.version", "stands beside an embedded triage only"},
	{"MessageHeader.source.endpoint", "the sender's address is an organisation's"},
	{"MessageHeader.extension", "stands beside an embedded triage only"},
	{"MessageHeader.reason", "a report is new; that it replaces one is said by its set"},
	{"HealthcareService.name", "the recipient is an organisation"},
	{"ServiceRequest.occurrencePeriod.end", "in words, where the disposition doesn't say so"},
	{"ServiceRequest.priority", "in words, where the disposition doesn't say so"},
	{"ServiceRequest.supportingInfo", "flags, questionnaires and documents that aren't in a report by themselves"},
	{"CarePlan.supportingInfo", "flags, which are words in a report"},
	{"CarePlan.activity.outcomeCodeableConcept.text", "words beside the disposition's code are a section of their own"},
	{"CarePlan.period", "a report has the time of the triage, else its own"},
	{"Consent.dateTime", "a report has its own time only"},
	{"Encounter.identifier.system", "an identifier whose system has no OID becomes a local case id"},
	{"Flag", "in words"},
	{"QuestionnaireResponse", "of NHS Pathways whole, others in words"},
	{"Patient.communication.language", "the schema takes a bare code"},
}
