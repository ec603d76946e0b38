package nhs111

// Omission is a part of a document that the mapping leaves to the original,
// which is kept whole.
type Omission struct {
	Path string // from ClinicalDocument; "//" stands for any place
	Why  string
}

const classification = "ClinicalDocument/component/structuredBody/component/section"

// NotCarried lists every part of an NHS 111 report (POCD_MT200001GB02) that has
// no place in the FHIR resources. A test holds the mapping to it.
var NotCarried = []Omission{
	{"//@classCode", "structure of the HL7 v3 model"},
	{"//@moodCode", "structure of the HL7 v3 model"},
	{"//@typeCode", "decides which resource is made"},
	{"//contentId", "decides how an entry is read"},
	{"//templateId", "structure of the HL7 v3 model"},
	{"//@representation", "how a value is written"},
	{"//value/@type", "how a value is written"},
	{"//@nullFlavor", "why a value is absent; the FHIR element is absent too"},
	{"ClinicalDocument/typeId", "structure of the HL7 v3 model"},
	{"ClinicalDocument/messageType", "the same for every report"},
	{"ClinicalDocument/copyTime", "when this copy was printed"},
	{"ClinicalDocument/confidentialityCode/@codeSystem", "N, R and V get FHIR's own system"},
	{"ClinicalDocument/recordTarget/patientRole/patient/administrativeGenderCode/@codeSystem", "gender gets FHIR's own codes"},
	{"ClinicalDocument/recordTarget/patientRole/patient/maritalStatusCode", "not asked for in a referral"},
	{"ClinicalDocument/recordTarget/patientRole/patient/languageCommunication/modeCode", "Patient.communication has no place for it"},
	{"ClinicalDocument/recordTarget/patientRole/patient/languageCommunication/proficiencyLevelCode", "Patient.communication has no place for it"},
	{"ClinicalDocument/author/functionCode", "every author is the originating author"},
	{"ClinicalDocument/dataEnterer", "typed it in; has no part in the referral"},
	{"ClinicalDocument/informant/relatedEntity/effectiveTime", "since when they were related"},
	{"ClinicalDocument/legalAuthenticator", "signatures aren't mapped"},
	{"ClinicalDocument/participant/associatedEntity/code", "of the role"},
	{"ClinicalDocument/inFulfillmentOf", "orders aren't mapped"},
	{"ClinicalDocument/documentationOf", "service events aren't mapped"},
	{"ClinicalDocument/relatedDocument/parentDocument/code", "the earlier document is named by its id and set"},
	{"ClinicalDocument/relatedDocument/parentDocument/versionNumber", "the earlier document is named by its id and set"},
	{"ClinicalDocument/authorization/consent/statusCode", "every consent is completed"},
	{"ClinicalDocument/componentOf/encompassingEncounter/code", "the same for every report"},
	{"ClinicalDocument/componentOf/encompassingEncounter/encounterParticipant", "people beside author and responsible party"},
	{"ClinicalDocument/componentOf/encompassingEncounter/location/healthCareFacility/code/@code", "the profile takes one type; the display is carried"},
	{"ClinicalDocument/componentOf/encompassingEncounter/location/healthCareFacility/code/@codeSystem", "the profile takes one type; the display is carried"},
	{"ClinicalDocument/componentOf/encompassingEncounter/location/healthCareFacility/location/addr/addressKey", "its meaning (PAF or UPRN) isn't said"},
	{classification + "/id", "of a part of the document"},
	{classification + "/component/section/id", "of a part of the document"},
	{classification + "/component/section/code", "decides what complaint and advice are; the title is carried"},
	{classification + "/entry/act", "entries of other templates"},
	{classification + "/entry/observation/code", "decides how an entry is read"},
	{classification + "/entry/observationMedia/id", "of a part of the document"},
	{classification + "/entry/observationMedia/participant/participantRole/code", "every device is the triage software"},
	{classification + "/entry/encounter/code", "the same for every appointment"},
	{"//@styleCode", "how the narrative looks"},
	{"//@href", "only http and https addresses are written out"},
	{classification + "/entry/observationMedia/value", "of the embedded PathwaysCase only the questions of the report, the answers given, comments, times and release are carried"},
}
