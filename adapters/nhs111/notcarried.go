package nhs111

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/internal/xmltree"
)

// Omission is a part of a document that the mapping leaves to the original,
// which is kept whole.
type Omission struct {
	Path string // from ClinicalDocument; "//" stands for any place
	Why  string
	// Structure is set where it says nothing about patient or care.
	Structure bool
}

const whyTemplate = "entries of other templates"

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
	{"//value/@type", "how a value is written", true},
	{"//@nullFlavor", "why a value is absent; the FHIR element is absent too", true},
	{"ClinicalDocument/typeId", "structure of the HL7 v3 model", true},
	{"ClinicalDocument/messageType", "the same for every report", true},
	{"ClinicalDocument/copyTime", "when this copy was printed", false},
	{"ClinicalDocument/confidentialityCode/@codeSystem", "N, R and V get FHIR's own system", true},
	{"ClinicalDocument/recordTarget/patientRole/patient/administrativeGenderCode/@codeSystem", "gender gets FHIR's own codes", true},
	{"ClinicalDocument/recordTarget/patientRole/patient/languageCommunication/modeCode", "Patient.communication has no place for it", false},
	{"ClinicalDocument/recordTarget/patientRole/patient/languageCommunication/proficiencyLevelCode", "Patient.communication has no place for it", false},
	{"ClinicalDocument/author/functionCode", "every author is the originating author", false},
	{"ClinicalDocument/dataEnterer", "typed it in; has no part in the referral", false},
	{"ClinicalDocument/informant/relatedEntity/effectiveTime", "since when they were related", false},
	{"ClinicalDocument/legalAuthenticator", "signatures aren't mapped", false},
	{"ClinicalDocument/participant/associatedEntity/code", "of the role", false},
	{"ClinicalDocument/inFulfillmentOf", "orders aren't mapped", false},
	{"ClinicalDocument/documentationOf", "service events aren't mapped", false},
	{"ClinicalDocument/relatedDocument/parentDocument/code", "the earlier document is named by its id and set", false},
	{"ClinicalDocument/relatedDocument/parentDocument/versionNumber", "the earlier document is named by its id and set", false},
	{"ClinicalDocument/authorization/consent/statusCode", "every consent is completed", true},
	{"ClinicalDocument/componentOf/encompassingEncounter/code", "the same for every report", true},
	{"ClinicalDocument/componentOf/encompassingEncounter/encounterParticipant", "people beside author and responsible party", false},
	{"ClinicalDocument/componentOf/encompassingEncounter/location/healthCareFacility/code/@code", "the profile takes one type; the display is carried", false},
	{"ClinicalDocument/componentOf/encompassingEncounter/location/healthCareFacility/code/@codeSystem", "the profile takes one type; the display is carried", false},
	{"ClinicalDocument/componentOf/encompassingEncounter/location/healthCareFacility/location/addr/addressKey", "its meaning (PAF or UPRN) isn't said", false},
	{classification + "/id", "of a part of the document", true},
	{classification + "/component/section/id", "of a part of the document", true},
	{classification + "/component/section/code", "decides what complaint and advice are; the title is carried", true},
	{classification + "/entry/act", whyTemplate, false},
	{classification + "/entry/observation/code", "decides how an entry is read", true},
	{classification + "/entry/observationMedia/id", "of a part of the document", true},
	{classification + "/entry/observationMedia/participant/participantRole/code", "every device is the triage software", true},
	{classification + "/entry/encounter/code", "the same for every appointment", true},
	{"//@styleCode", "how the narrative looks", true},
	{"//@href", "only http and https addresses are written out", true},
	{classification + "/entry/observationMedia/value", "of the embedded PathwaysCase only the questions of the report with their answers, comments, flags, user, end and release are carried", false},
}

// omissions lists what of NotCarried a document really holds, entries of
// templates that aren't read, and header elements that no report has. What is
// only structure isn't listed.
func omissions(root *xmltree.Node) []Omission {
	var found []Omission
	for _, o := range NotCarried {
		path, ok := strings.CutPrefix(o.Path, "ClinicalDocument/")
		if !ok || o.Structure || o.Why == whyTemplate {
			continue
		}
		if holds(root, path) {
			found = append(found, o)
		}
	}
	for _, child := range root.Elements() {
		if !reportParts[child.Local] {
			found = append(found, Omission{Path: "ClinicalDocument/" + child.Local, Why: "no report has it"})
		}
	}
	seen := map[string]bool{}
	for _, entry := range root.Child("component", "structuredBody", "component", "section").All("entry") {
		if template := templateOf(entry); !readTemplates[template] && !seen[template] {
			seen[template] = true
			found = append(found, Omission{Path: classification + "/entry[" + template + "]", Why: whyTemplate})
		}
		if len(seen) > 10 {
			break
		}
	}
	return namedSystems(root, found)
}

// namedSystems adds the codes whose system isn't an OID or UUID as FHIR writes
// them: code and display are carried without.
func namedSystems(n *xmltree.Node, found []Omission) []Omission {
	if root := n.Attr("codeSystem"); root != "" {
		o := Omission{Path: "//" + n.Local + "/@codeSystem", Why: "no OID or UUID, so FHIR has no system for it; code and display are carried"}
		if system, ok := systemOf(root); ok && system == "" && !slices.Contains(found, o) {
			found = append(found, o)
		}
	}
	for _, c := range n.Elements() {
		found = namedSystems(c, found)
	}
	return found
}

// holds says whether a path below an element leads to something.
func holds(n *xmltree.Node, path string) bool {
	head, rest, more := strings.Cut(path, "/")
	if name, ok := strings.CutPrefix(head, "@"); ok {
		return n.Attr(name) != ""
	}
	for _, child := range n.All(head) {
		if !more || holds(child, rest) {
			return true
		}
	}
	return false
}

// reportParts are the elements of a report (POCD_MT200001GB02) that the mapping
// reads or that NotCarried lists.
var reportParts = names("typeId templateId contentId messageType realmCode id code title effectiveTime confidentialityCode languageCode " +
	"setId versionNumber copyTime recordTarget author dataEnterer informant custodian informationRecipient legalAuthenticator " +
	"participant inFulfillmentOf documentationOf relatedDocument authorization componentOf component ambulanceRequest")

func names(list string) map[string]bool {
	all := map[string]bool{}
	for _, name := range strings.Fields(list) {
		all[name] = true
	}
	return all
}
