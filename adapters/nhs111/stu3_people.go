package nhs111

import (
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

// extVerificationSTU3 is CareConnect's; the reference uses its address as the
// code system too.
const extVerificationSTU3 = "https://fhir.hl7.org.uk/STU3/StructureDefinition/Extension-CareConnect-NHSNumberVerificationStatus-1"

func (m *stu3Mapper) addPatient() {
	role := m.report.patientRole
	human := role.Child("patient")
	var identifiers []*fhir.Object
	for _, id := range role.All("id") {
		status := map[string]string{oidVerified: "01", oidUnverified: "02"}[id.Attr("root")]
		if status == "" || id.Attr("extension") == "" {
			continue
		}
		identifiers = append(identifiers, fhir.Obj(
			"extension", list(fhir.Obj("url", extVerificationSTU3, "valueCodeableConcept", conceptOf(extVerificationSTU3, status, ""))),
			"system", nhs.SystemNHSNumber, "value", id.Attr("extension")))
	}
	language := ""
	for _, spoken := range human.All("languageCommunication") {
		language = orElse(spoken.Child("languageCode").Attr("code"), language)
	}
	born, _ := birthDate(human.Child("birthTime").Attr("value"))
	practice := role.Child("providerOrganization")
	practiceURL := ""
	if practice != nil {
		practiceURL = m.url()
	}
	var contacts []*fhir.Object
	for _, guardian := range human.All("guardian") {
		contacts = append(contacts, fhir.Obj(
			"name", stu3Name(guardian.Child("guardianPerson", "name")),
			"telecom", stu3Telecoms(guardian.All("telecom")),
			"address", stu3Address(guardian.Child("addr"))))
	}
	m.add(m.patient, m.resource("Patient", m.patient).Set("language", language).
		Set("identifier", identifiers).Set("active", true).
		Set("name", stu3Names(human.All("name"))).
		Set("telecom", stu3Telecoms(role.All("telecom"))).
		Set("gender", gender(human.Child("administrativeGenderCode").Attr("code"))).
		Set("birthDate", born).Set("address", stu3Addresses(role.All("addr"))).
		Set("maritalStatus", stu3MaritalStatus(human.Child("maritalStatusCode"))).
		Set("contact", contacts).
		Set("generalPractitioner", refs(practiceURL)))
	if practice != nil {
		m.addOrganisation(practiceURL, practice, nil)
	}
}

func stu3MaritalStatus(code *xmltree.Node) *fhir.Object {
	value := code.Attr("code")
	if len(value) != 1 || !strings.Contains("ADILMPSTUW", value) {
		return nil
	}
	return conceptOf("http://hl7.org/fhir/v3/MaritalStatus", value, code.Attr("displayName"))
}

// addProvider writes the custodian as service provider. The reference gives it
// no identifier.
func (m *stu3Mapper) addProvider() {
	custodian := m.report.custodian
	m.add(m.provider, m.resource("Organization", m.provider).Set("active", true).
		Set("type", list(fhir.Obj("text", orElse(m.report.root.Child("custodian").Attr("typeCode"), "CST")))).
		Set("name", nodeValue(custodian.Child("name"))).
		Set("telecom", stu3Telecoms(custodian.All("telecom"))).
		Set("address", stu3Addresses(custodian.All("addr"))))
}

// addOrganisation writes an organisation and the ones that it is part of. kind
// overrides its type.
func (m *stu3Mapper) addOrganisation(url string, org *xmltree.Node, kind *fhir.Object) {
	var identifiers []*fhir.Object
	for _, id := range org.All("id") {
		if value := id.Attr("extension"); value != "" {
			identifiers = append(identifiers, fhir.Obj("value", value))
		}
	}
	if kind == nil {
		if display := org.Child("standardIndustryClassCode").Attr("displayName"); display != "" {
			kind = fhir.Obj("text", display)
		}
	}
	whole, wholeURL := org.Child("asOrganizationPartOf", "wholeOrganization"), ""
	if whole != nil {
		wholeURL = m.url()
	}
	m.add(url, m.resource("Organization", url).
		Set("identifier", identifiers).Set("type", list(kind)).
		Set("name", nodeValue(org.Child("name"))).
		Set("telecom", stu3Telecoms(org.All("telecom"))).
		Set("address", stu3Addresses(org.All("addr"))).
		Set("partOf", ref(wholeURL)))
	if whole != nil {
		m.addOrganisation(wholeURL, whole, nil)
	}
}

func (m *stu3Mapper) addPractitioner(url string, role *xmltree.Node, person string) {
	m.add(url, m.resource("Practitioner", url).Set("active", true).
		Set("name", stu3Names(role.Child(person).All("name"))).
		Set("telecom", stu3Telecoms(role.All("telecom"))).
		Set("address", stu3Addresses(role.All("addr"))))
}

func (m *stu3Mapper) addRelatedPerson(url string, entity *xmltree.Node) {
	var codes []*fhir.Object
	if code := entity.Child("code"); code.Attr("code") != "" {
		codes = append(codes, rawCoding(code))
	}
	if emergencyTelecom(entity) != nil {
		codes = append(codes, emergencyContact())
	}
	m.add(url, m.resource("RelatedPerson", url).Set("active", true).
		Set("patient", ref(m.patient)).
		Set("relationship", fhir.Obj("coding", codes)).
		Set("name", stu3Names(entity.Child("relatedPerson").All("name"))).
		Set("telecom", stu3Telecoms(entity.All("telecom"))).
		Set("gender", "unknown").
		Set("address", stu3Addresses(entity.All("addr"))).
		Set("period", stu3Period(entity.Child("effectiveTime"))))
}

func emergencyContact() *fhir.Object {
	return fhir.Obj("system", "http://hl7.org/fhir/v2/0131", "code", "C", "display", "Emergency Contact")
}

func emergencyTelecom(role *xmltree.Node) *xmltree.Node {
	for _, telecom := range role.All("telecom") {
		for _, use := range strings.Fields(telecom.Attr("use")) {
			if use == "EC" {
				return telecom
			}
		}
	}
	return nil
}

// addEmergencyContact makes a nameless person of the patient's own emergency
// number, as the reference does.
func (m *stu3Mapper) addEmergencyContact() {
	telecom := emergencyTelecom(m.report.patientRole)
	if telecom == nil {
		return
	}
	url := m.url()
	m.add(url, m.resource("RelatedPerson", url).Set("patient", ref(m.patient)).
		Set("relationship", fhir.Obj("coding", list(emergencyContact()))).
		Set("telecom", stu3Telecoms([]*xmltree.Node{telecom})))
}

// addRoles writes the roles of the authors and of the responsible party, each
// followed by its organisation.
func (m *stu3Mapper) addRoles() {
	for i, author := range m.report.authors {
		m.addRole(m.authors[i], author.Child("assignedAuthor"))
	}
	if m.responsible != "" {
		m.addRole(m.responsible, m.report.encounter.Child("responsibleParty", "assignedEntity"))
	}
}

func (m *stu3Mapper) addRole(practitioner string, role *xmltree.Node) {
	url, organisation := m.url(), role.Child("representedOrganization")
	organisationURL := ""
	if organisation != nil {
		organisationURL = m.url()
	}
	var code *fhir.Object
	if coding := rawCoding(role.Child("code")); coding != nil {
		code = fhir.Obj("coding", list(coding))
	}
	m.add(url, m.resource("PractitionerRole", url).Set("practitioner", ref(practitioner)).
		Set("organization", ref(organisationURL)).Set("code", list(code)))
	if organisation != nil {
		m.addOrganisation(organisationURL, organisation, nil)
	}
}

// rawCoding keeps the OID as the system, which STU3 consumers expect.
func rawCoding(code *xmltree.Node) *fhir.Object {
	return fhir.Obj("system", code.Attr("codeSystem"), "code", code.Attr("code"), "display", code.Attr("displayName"))
}

func stu3Names(nodes []*xmltree.Node) []*fhir.Object {
	var out []*fhir.Object
	for _, n := range nodes {
		if o := stu3Name(n); !o.Empty() {
			out = append(out, o)
		}
	}
	return out
}

// stu3Name takes a name's parts, else its plain text.
func stu3Name(n *xmltree.Node) *fhir.Object {
	if n == nil {
		return nil
	}
	if len(n.Elements()) == 0 {
		return fhir.Obj("text", nodeValue(n))
	}
	return fhir.Obj("use", "official", "family", nodeValue(n.Child("family")), "given", nodeValues(n.All("given")),
		"prefix", nodeValues(n.All("prefix")), "suffix", nodeValues(n.All("suffix")), "period", stu3Period(n.Child("validTime")))
}

// stu3Telecoms keeps the scheme in the value, unlike FHIR's own examples.
func stu3Telecoms(nodes []*xmltree.Node) []*fhir.Object {
	var out []*fhir.Object
	for _, n := range nodes {
		value := n.Attr("value")
		if value == "" {
			continue
		}
		system := "other"
		switch {
		case strings.HasPrefix(value, "tel"):
			system = "phone"
		case strings.HasPrefix(value, "mailto"):
			system = "email"
		}
		use, _, _ := strings.Cut(n.Attr("use"), " ")
		out = append(out, fhir.Obj("system", system, "value", value,
			"use", map[string]string{"H": "home", "HV": "home", "MC": "mobile", "WP": "work"}[use]))
	}
	return out
}

func stu3Addresses(nodes []*xmltree.Node) []*fhir.Object {
	var out []*fhir.Object
	for _, n := range nodes {
		if o := stu3Address(n); !o.Empty() {
			out = append(out, o)
		}
	}
	return out
}

func stu3Address(n *xmltree.Node) *fhir.Object {
	if n == nil {
		return nil
	}
	o := &fhir.Object{}
	switch use, _, _ := strings.Cut(n.Attr("use"), " "); use {
	case "H", "HP":
		o.Set("use", "home")
	case "WP":
		o.Set("use", "work")
	case "TMP":
		o.Set("use", "temp")
	case "PHYS":
		o.Set("type", "physical")
	}
	return o.Set("text", nodeValue(n.Child("desc"))).
		Set("line", nodeValues(n.All("streetAddressLine"))).
		Set("city", nodeValue(n.Child("city"))).
		Set("district", nodeValue(n.Child("precinct"))).
		Set("state", nodeValue(n.Child("state"))).
		Set("postalCode", nodeValue(n.Child("postalCode"))).
		Set("country", nodeValue(n.Child("country")))
}

// nodeValue is the text that an element starts with, "" where it starts with
// another element.
func nodeValue(n *xmltree.Node) string {
	if n == nil || len(n.Children) == 0 {
		return ""
	}
	return strings.TrimSpace(n.Children[0].Text)
}

func nodeValues(nodes []*xmltree.Node) []string {
	var out []string
	for _, n := range nodes {
		if value := nodeValue(n); value != "" {
			out = append(out, value)
		}
	}
	return out
}
