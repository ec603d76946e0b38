package nhs111

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
)

// asDocument gives an AmbulanceRequest (REPC_MT200001GB02) the form of the
// report that it says the same as, so that both are mapped by the same code:
// the elements of its templates carry the template in their names, and what a
// document has in entries and sections it has in pertinentInformation.
// Problems are therefore named by the paths of a ClinicalDocument. What a report
// has no place for stays reachable as the child ambulanceRequest.
func asDocument(request *xmltree.Node) *xmltree.Node {
	event := request.Child("pertinentInformation5", "pertinentEncounterEvent")
	doc := element("ClinicalDocument",
		request.Child("id"), request.Child("code"), request.Child("effectiveTime"))
	doc.Line = request.Line
	for _, target := range event.All("recordTarget") {
		role := renamed(templated(target, "PatientRole"), "patientRole")
		give(doc, element("recordTarget", with(role, "patientPatient", "patient")))
	}
	var custodian *xmltree.Node
	for _, author := range request.All("author") {
		role := renamed(templated(author, "AssignedAuthor", "AssignedAuthorDevice"), "assignedAuthor")
		give(doc, element("author", author.Child("functionCode"), author.Child("time"), role))
		if custodian == nil {
			custodian = role.Child("representedOrganization")
		}
	}
	for _, informant := range event.All("informant") {
		person := renamed(templated(informant, "RelatedEntity"), "relatedEntity")
		staff := renamed(templated(informant, "AssignedEntity"), "assignedEntity")
		give(doc, element("informant", staff, with(person, "relationshipHolder", "relatedPerson")))
	}
	if custodian != nil {
		give(doc, element("custodian", element("assignedCustodian", renamed(custodian, "representedCustodianOrganization"))))
	}
	for _, recipient := range request.All("informationRecipient") {
		role := renamed(templated(recipient, "IntendedRecipient", "RecipientWorkgroup"), "intendedRecipient")
		role = with(with(role, "representedOrganization", "receivedOrganization"), "assignedPerson", "informationRecipient")
		give(doc, attributed(element("informationRecipient", role), "typeCode", recipient.Attr("typeCode")))
	}
	if contact := request.Child("callBackContact"); contact != nil {
		desk := renamed(templated(contact, "Workgroup"), "associatedEntity")
		desk = with(with(desk, "representedOrganization", "scopingOrganization"), "assignedPerson", "associatedPerson")
		give(doc, attributed(element("participant", contact.Child("noteText"), desk), "typeCode", "CALLBCK"))
	}
	if earlier := request.Child("replacementOf", "priorPreviousAmbulanceRequest", "id"); earlier != nil {
		give(doc, attributed(element("relatedDocument", element("parentDocument", earlier)), "typeCode", "RPLC"))
	}
	give(doc, element("componentOf", encounterOf(request, event)))
	give(doc, element("component", element("structuredBody", element("component", bodyOf(request, event)))))
	give(doc, renamed(request, "ambulanceRequest"))
	return doc
}

func encounterOf(request, event *xmltree.Node) *xmltree.Node {
	encounter := element("encompassingEncounter", event.All("id")...)
	give(encounter, event.Child("effectiveTime"))
	if code := request.Child("pertinentInformation6", "pertinentTriageDisposition", "value"); code != nil {
		give(encounter, renamed(code, "dischargeDispositionCode"))
	}
	if place := event.Child("location"); place != nil {
		give(encounter, element("location", renamed(templated(place, "HealthCareFacility"), "healthCareFacility")))
	}
	return encounter
}

// noteTitles names the additional notes (oidNotes).
var noteTitles = map[string]string{
	"SPN": "Special patient notes", "LAI": "Location access information", "OAN": "Other notes",
	"PRC": "Primary reason for call", "RAT": "Rationale",
}

// bodyOf makes the classification section: entries and sections.
func bodyOf(request, event *xmltree.Node) *xmltree.Node {
	body := element("section")
	if permission := templated(request.Child("pertinentInformation8"), "PermissionToView"); permission != nil {
		give(body, entryOf(templatePermission, renamed(permission, "observation")))
	}
	for _, info := range request.All("pertinentInformation9") {
		if found := info.Child("pertinentClinicalDiscriminator"); found != nil {
			give(body, entryOf(templateDiscriminator, renamed(found, "observation")))
		}
	}
	for _, info := range request.All("pertinentInformation7") {
		note := info.Child("pertinentAdditionalNotes")
		code := note.Child("code")
		title := noteTitles[code.Attr("code")]
		if title == "" {
			title = strings.TrimSpace("Note " + orElse(code.Attr("displayName"), code.Attr("code")))
		}
		give(body, sectionOf(code, title, note.Child("text").Content()))
	}
	if text := event.Child("text").Content(); text != "" {
		give(body, sectionOf(nil, encounterTitle, text))
	}
	return body
}

func entryOf(template string, n *xmltree.Node) *xmltree.Node {
	id := attributed(&xmltree.Node{Space: nsNPFIT, Local: "contentId"}, "extension", template+"#")
	return element("entry", id, n)
}

// sectionOf makes a section of plain text, a paragraph a line.
func sectionOf(code *xmltree.Node, title, text string) *xmltree.Node {
	body := element("text")
	for line := range strings.Lines(text) {
		give(body, element("paragraph", &xmltree.Node{Text: line}))
	}
	return element("component", element("section", code, element("title", &xmltree.Node{Text: title}), body))
}

// templated finds the child of a participation whose name ends with one of the
// classes that it may be of: COCD_TP145200GB01.AssignedAuthor.
func templated(n *xmltree.Node, classes ...string) *xmltree.Node {
	for _, child := range n.Elements() {
		if _, name, found := strings.Cut(child.Local, "."); found && slices.Contains(classes, name) && child.Space == nsHL7 {
			return child
		}
	}
	return nil
}

func element(local string, children ...*xmltree.Node) *xmltree.Node {
	n := &xmltree.Node{Space: nsHL7, Local: local}
	for _, child := range children {
		give(n, child)
	}
	return n
}

func give(n, child *xmltree.Node) {
	if child != nil {
		n.Children = append(n.Children, child)
	}
}

func attributed(n *xmltree.Node, name, value string) *xmltree.Node {
	n.Attrs = append(n.Attrs, xmltree.Attr{Local: name, Value: value})
	return n
}

// renamed is a shallow copy under another name, nil of nil.
func renamed(n *xmltree.Node, local string) *xmltree.Node {
	if n == nil {
		return nil
	}
	copied := *n
	copied.Local = local
	return &copied
}

// with is a shallow copy with children of one name renamed.
func with(n *xmltree.Node, from, to string) *xmltree.Node {
	if n == nil {
		return nil
	}
	copied := *n
	copied.Children = nil
	for _, child := range n.Children {
		if child.Local == from {
			child = renamed(child, to)
		}
		copied.Children = append(copied.Children, child)
	}
	return &copied
}

// Codes of an AmbulanceRequest.
const (
	codeInterim = "828791000000100" // SNOMED CT: the final request follows
	codeFinal   = "828801000000101"
	oidNotes    = "2.16.840.1.113883.2.1.3.2.4.17.422"
	oidSafety   = "2.16.840.1.113883.2.1.3.2.4.17.327"
)

// triageOutcome is the ambulance priority (R1, G2, …), nil in a report.
func (r *report) triageOutcome() *xmltree.Node {
	return r.ambulance.Child("reason", "justifyingTriageOutcome", "value")
}

// urgency is the FHIR request-priority of an ambulance priority; "" where it
// says none that is known.
func urgency(code string) string {
	switch strings.ToUpper(strings.TrimSpace(code)) {
	case "":
		return ""
	case "R1", "R2", "C1", "C2":
		return "stat"
	case "G1", "G2", "C3":
		return "urgent"
	case "G4", "C5":
		return "routine"
	}
	return "asap"
}

// sceneFlags reads the five flags of an AmbulanceRequest. A scene that isn't
// said to be safe isn't said to be unsafe either.
func (m *mapper) sceneFlags() {
	if m.report.ambulance == nil {
		return
	}
	set := func(name, flag string) bool {
		value := m.report.ambulance.Child(name, "pertinent"+flag+"Flag", "value")
		yes, known := truth(value.Attr("value"))
		if !known {
			m.omit("AmbulanceRequest/"+name+"/pertinent"+flag+"Flag/value", "it is neither true nor false")
		}
		return yes
	}
	if set("pertinentInformation2", "SceneSafe") {
		m.sceneFlag("S", "The Scene is safe", nil)
	} else {
		m.sceneFlag("UNK", "Unknown", nil)
	}
	for _, f := range [][3]string{
		{"pertinentInformation", "Trauma", "TM"}, {"pertinentInformation1", "Fire", "FR"},
		{"pertinentInformation3", "Police", "PL"}, {"pertinentInformation4", "Trapped", "TR"},
	} {
		if set(f[0], f[1]) {
			m.hazard(f[2], f[1])
		}
	}
}

// hazard raises one of the system flags: fire makes the scene unsafe, the others
// are for the receiver to know.
func (m *mapper) hazard(code, name string) {
	own := fhir.Obj("system", "urn:oid:"+oidSafety, "code", code, "display", name)
	if code == "FR" {
		m.sceneFlag("U", "The Scene is unsafe", own)
		return
	}
	m.flag("API", "Additional Patient Information", fhir.Obj("coding", list(own), "text", name))
}

// sceneFlag raises a Flag about the scene (BaRS Core 1.5, scene safety): its
// subject is the place, where one is given.
func (m *mapper) sceneFlag(code, display string, why *fhir.Object) {
	coding := append(list(fhir.Obj("system", codeSystemBase+"scene-safety-codes-bars", "code", code, "display", display)), list(why)...)
	subject := m.incident
	if subject == "" {
		subject = m.patient
	}
	m.addFlag(profileBase+"BARSFlag-scene-safety", subject,
		conceptOf(codeSystemBase+"flag-categories-bars", "SS", "Scene Safety"), fhir.Obj("coding", coding))
}

// truth reads a boolean of HL7 v3, as XML Schema and people write it too. An absent
// one is known to be none.
func truth(value string) (yes, known bool) {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "true", "1":
		return true, true
	case "false", "0", "":
		return false, true
	}
	return false, false
}
