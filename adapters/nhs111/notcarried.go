package nhs111

import (
	"slices"
	"strings"
)

// Omission is a part of a document that the mapping leaves to the original,
// which is kept whole.
type Omission struct {
	Path string // from ClinicalDocument; "//" stands for any place
	Why  string
	// Structure is set where it says nothing about patient or care.
	Structure bool
}

const (
	whyTemplate = "entries of other templates"
	whyUnknown  = "the mapping has no place for it"
	whyNamed    = "no OID or UUID, so FHIR has no system for it; code and display are carried"
	whyCopy     = "a copy asks nobody to act: what it says stands in the document"
)

// notInCopies is what of a report isn't mapped where it is a copy for
// information.
var notInCopies = []Omission{
	{Path: "ClinicalDocument/component", Why: whyCopy},
	{Path: "ClinicalDocument/authorization", Why: whyCopy},
	{Path: "ClinicalDocument/componentOf/encompassingEncounter/dischargeDispositionCode", Why: whyCopy},
	{Path: "ClinicalDocument/informationRecipient", Why: whyCopy},
	{Path: "ClinicalDocument/participant", Why: whyCopy},
}

const classification = "ClinicalDocument/component/structuredBody/component/section"

// NotCarried lists every part of an NHS 111 report (POCD_MT200001GB02) that has
// no place in the FHIR resources. A test holds the mapping to it.
var NotCarried = []Omission{
	{"//@classCode", "structure of the HL7 v3 model", true},
	{"//@moodCode", "structure of the HL7 v3 model", true},
	{"//@typeCode", "decides which resource is made", true},
	{"//contentId", "decides how an entry is read", true},
	{"//templateId", "structure of the HL7 v3 model", true},
	{"//@representation", "how a value is written", true},
	{"//@nullFlavor", "why a value is absent; the FHIR element is absent too", true},
	{"ClinicalDocument/typeId", "structure of the HL7 v3 model", true},
	{"ClinicalDocument/messageType", "the same for every report", true},
	{"ClinicalDocument/copyTime", "when this copy was printed", false},
	{"ClinicalDocument/confidentialityCode/@codeSystem", "N, R and V get FHIR's own system", true},
	{"ClinicalDocument/recordTarget/patientRole/patient/administrativeGenderCode/@codeSystem", "gender gets FHIR's own codes", true},
	{"ClinicalDocument/recordTarget/patientRole/patient/id", "the patient's ids are of the role", false},
	{"ClinicalDocument/recordTarget/patientRole/patient/raceCode", "UK Core has the ethnic category", false},
	{"ClinicalDocument/recordTarget/patientRole/patient/guardian/guardianOrganization", "an organisation isn't a related person", false},
	{"//functionCode", "how somebody took part is said by the participation", false},
	{"//signatureCode", "every signature is a signature", true},
	{"//assignedAuthoringDevice", "an author is a person", false},
	{"//asOrganizationPartOf/id", "of the relation of two organisations", false},
	{"//asOrganizationPartOf/code", "of the relation of two organisations", false},
	{"//asOrganizationPartOf/statusCode", "of the relation of two organisations", false},
	{"//asOrganizationPartOf/effectiveTime", "of the relation of two organisations", false},
	{"ClinicalDocument/participant/associatedEntity/code", "where it is whom the patient was referred to, or the desk to call back", false},
	{"ClinicalDocument/inFulfillmentOf", "orders aren't mapped", false},
	{"ClinicalDocument/documentationOf", "service events aren't mapped", false},
	{"ClinicalDocument/relatedDocument/parentDocument/code", "the earlier document is named by its id and set", false},
	{"ClinicalDocument/relatedDocument/parentDocument/text", "the earlier document is named by its id and set", false},
	{"ClinicalDocument/relatedDocument/parentDocument/versionNumber", "the earlier document is named by its id and set", false},
	{"ClinicalDocument/authorization/consent/statusCode", "every consent is completed", true},
	{"ClinicalDocument/componentOf/encompassingEncounter/code/@codeSystem", "the same for every report", true},
	{"ClinicalDocument/componentOf/encompassingEncounter/code/@displayName", "the same for every report", true},
	{"ClinicalDocument/componentOf/encompassingEncounter/code/@codeSystemVersion", "the same for every report", true},
	{"//pertinentAdditionalNotes/code/@codeSystem", "the note's title says what it is", true},
	{"//pertinentTraumaFlag/code", "which flag it is", true},
	{"//pertinentFireFlag/code", "which flag it is", true},
	{"//pertinentSceneSafeFlag/code", "which flag it is", true},
	{"//pertinentPoliceFlag/code", "which flag it is", true},
	{"//pertinentTrappedFlag/code", "which flag it is", true},
	{"//pertinentTriageDisposition/code", "every disposition is one", true},
	{"//pertinentClinicalDiscriminator/code", "every discriminator is one", true},
	{"//COCD_TP146050GB01.PermissionToView/code", "every permission is one", true},
	{"//justifyingTriageOutcome/code", "every outcome is one", true},
	{"ClinicalDocument/componentOf/encompassingEncounter/location/healthCareFacility/code", "the profile takes one type; the words are carried", false},
	{"//addressKey", "its meaning (PAF or UPRN) isn't said", false},
	{classification + "/id", "of a part of the document", true},
	{classification + "/component/section/id", "of a part of the document", true},
	{classification + "/component/section/code", "decides what complaint and advice are; the title is carried", true},
	{classification + "/code", "of a part of the document", true},
	{classification + "/confidentialityCode", "of a single section", false},
	{classification + "/author", "of a single section", false},
	{classification + "/entry/observation/code", "decides how an entry is read", true},
	{classification + "/entry/observationMedia/id", "of a part of the document", true},
	{classification + "/entry/observationMedia/participant/participantRole/code", "every device is the triage software", true},
	{classification + "/entry/observationMedia/participant/participantRole/id", "every device is the triage software", false},
	{classification + "/entry/observationMedia/participant/participantRole/playingDevice/code", "every device is the triage software", true},
	{classification + "/entry/encounter/code", "the same for every appointment", true},
	{"//@styleCode", "how the narrative looks", true},
	{"//footnote/@ID", "the footnote stands where it was written", true},
	{"//footnoteRef", "which footnote is meant; its text is carried", false},
	{"//renderMultiMedia/@referencedObject", "which object is shown; its caption is carried", false},
	{"//@href", "only http and https addresses are written out", true},
	{classification + "/entry/observationMedia/value", "of the embedded PathwaysCase only the questions of the report with their answers, comments, flags, user, end and release are carried", false},
}

// maxOmitted bounds what is listed of one message.
const maxOmitted = 100

// shortened is a list within the bound, which says where it isn't whole.
func shortened(all []Omission) []Omission {
	if len(all) <= maxOmitted {
		return all
	}
	return append(slices.Clip(all[:maxOmitted-1]), Omission{Path: "ClinicalDocument", Why: "more than this list can name isn't carried"})
}

// omissions lists what of a document the mapping leaves to the original: the
// parts that NotCarried names and whatever else the outlines of what is carried
// don't have. What is only structure isn't listed.
func omissions(r *report, kind interactionKind) []Omission {
	var found []Omission
	seen := map[string]bool{}
	report := func(path string) {
		if seen[path] || len(found) > maxOmitted {
			return
		}
		seen[path] = true
		o := Omission{Path: clipPath(path), Why: whyUnknown}
		if strings.HasPrefix(path, "//") {
			o.Why = whyNamed
		}
		for _, listed := range NotCarried {
			if listed.covers(path) {
				if listed.Structure {
					return
				}
				o = listed
				if seen[o.Path] && o.Path != path {
					return
				}
				seen[o.Path] = true
				break
			}
		}
		found = append(found, o)
	}
	if r.ambulance != nil {
		ambulanceShape.walk(r.ambulance, "AmbulanceRequest", report)
		return found
	}
	documentShape.walk(r.root, "ClinicalDocument", report)
	for _, path := range r.unread {
		report(path)
	}
	if kind == forInformation {
		found = append(found, notInCopies...)
	}
	return found
}

// covers says whether a path is the omission's or lies below it.
func (o Omission) covers(path string) bool {
	if suffix, any := strings.CutPrefix(o.Path, "//"); any {
		return strings.HasSuffix(path, "/"+suffix) || strings.Contains(path, "/"+suffix+"/")
	}
	return path == o.Path || strings.HasPrefix(path, o.Path+"/")
}

// clipPath bounds a path, which can hold names of the sender's own.
func clipPath(path string) string {
	if len(path) <= 300 {
		return path
	}
	return strings.ToValidUTF8(path[:300], "") + "…"
}

func names(list string) map[string]bool {
	all := map[string]bool{}
	for _, name := range strings.Fields(list) {
		all[name] = true
	}
	return all
}
