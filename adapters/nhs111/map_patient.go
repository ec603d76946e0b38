package nhs111

import (
	"sort"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

const (
	pathPatient = "ClinicalDocument/recordTarget/patientRole"
	roleCodes   = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
)

func (m *mapper) addPatient() {
	role := m.report.patientRole
	human := role.Child("patient")
	born := ""
	if value := human.Child("birthTime").Attr("value"); value != "" {
		var err error
		if born, err = birthDate(value); err != nil {
			m.problems.add(pathPatient+"/patient/birthTime/@value", err.Error())
		} else if t, _ := parseHL7Time(value); t.Digits > 8 {
			m.omit(pathPatient+"/patient/birthTime/@value", "a birthDate has no time of day")
		}
	}
	phones := m.telecoms(role.All("telecom"), pathPatient)
	patient := m.ukCore("Patient").
		Set("extension", m.patientExtensions(human)).
		Set("identifier", m.patientIdentifiers(role)).
		Set("active", true).
		Set("name", m.patientNames(human)).
		Set("telecom", telecomObjects(phones)).
		Set("gender", m.gender(human.Child("administrativeGenderCode"))).
		Set("birthDate", born).
		Set("address", m.addresses(role.All("addr"), pathPatient)).
		Set("maritalStatus", m.maritalStatus(human.Child("maritalStatusCode"))).
		Set("contact", m.contacts(phones)).
		Set("communication", m.languages(human))
	if gp := role.Child("providerOrganization"); gp != nil {
		o := m.organisationOf(gp, pathPatient+"/providerOrganization", nil)
		if !o.unnamed() {
			patient.Set("generalPractitioner", refs(o.use()))
		}
	}
	m.add(m.patient, patient)
}

// patientIdentifiers maps the NHS number with its verification status and every
// local id. An unverified number that can't be an NHS number stays a local id.
func (m *mapper) patientIdentifiers(role *xmltree.Node) []*fhir.Object {
	var out []*fhir.Object
	for _, id := range role.All("id") {
		root, value := id.Attr("root"), strings.TrimSpace(id.Attr("extension"))
		number := nhs.ParseNHSNumber(value)
		if root == oidVerified || root == oidUnverified {
			m.assigned(id)
		}
		switch {
		case (root == oidVerified || root == oidUnverified) && value == "":
		case root == oidVerified:
			out = append(out, nhsNumber(number, "number-present-and-verified", "Number present and verified"))
		case root == oidUnverified && number.Valid():
			out = append(out, nhsNumber(number, "number-present-but-not-traced", "Number present but not traced"))
		case root == oidUnverified:
			out = append(out, fhir.Obj("system", "urn:oid:"+oidUnverified, "value", value))
		default:
			if o := m.identifier(id, pathPatient+"/id"); o != nil {
				out = append(out, o)
			}
		}
	}
	return out
}

func nhsNumber(number nhs.NHSNumber, status, display string) *fhir.Object {
	verification := fhir.Obj("url", nhs.ExtVerification,
		"valueCodeableConcept", conceptOf(nhs.SystemVerification, status, display))
	return fhir.Obj("extension", list(verification), "system", nhs.SystemNHSNumber, "value", string(number))
}

func (m *mapper) patientNames(human *xmltree.Node) []*fhir.Object {
	var out []*fhir.Object
	for i, n := range human.All("name") {
		use := ""
		if i == 0 {
			use = "official"
		}
		if o := m.name(n, use, pathPatient+"/patient/name"); o != nil {
			out = append(out, o)
		}
	}
	return out
}

// gender maps the sex codes of the NHS Data Dictionary.
func gender(code string) string {
	switch strings.TrimSpace(code) {
	case "1":
		return "male"
	case "2":
		return "female"
	case "9":
		return "other"
	}
	return "unknown"
}

// gender maps the patient's and notes what it can't say.
func (m *mapper) gender(code *xmltree.Node) string {
	known := gender(code.Attr("code"))
	if value := strings.TrimSpace(code.Attr("code")); known == "unknown" && value != "0" && value != "" {
		m.omit(pathPatient+"/patient/administrativeGenderCode/@code", "it isn't one of the NHS Data Dictionary's")
	}
	return known
}

// maritalStatus maps the HL7 codes, whatever system a sender gives them; others
// stay as they are.
func (m *mapper) maritalStatus(code *xmltree.Node) *fhir.Object {
	value := strings.ToUpper(oneLine(code.Attr("code")))
	if len(value) != 1 || !strings.Contains("ACDILMPSTUW", value) || len(code.Elements()) > 0 {
		return m.concept(code, pathPatient+"/patient/maritalStatusCode")
	}
	return conceptOf(maritalCodes, value, oneLine(code.Attr("displayName")))
}

func (m *mapper) languages(human *xmltree.Node) []*fhir.Object {
	var out []*fhir.Object
	for _, language := range human.All("languageCommunication") {
		code := language.Child("languageCode")
		concept := m.concept(code, pathPatient+"/patient/languageCommunication/languageCode")
		if value := oneLine(code.Attr("code")); value != "" && code.Attr("codeSystem") == "" { // the type CS is a code alone
			concept = conceptOf(systemLanguage, value, strings.TrimSpace(code.Attr("displayName")))
		}
		if concept == nil {
			continue
		}
		o := fhir.Obj("extension", list(m.proficiency(language)), "language", concept)
		preferred := language.Child("preferenceInd").Attr("value")
		if yes, known := truth(preferred); known && preferred != "" {
			o.Set("preferred", yes)
		} else if !known {
			m.omit(pathPatient+"/patient/languageCommunication/preferenceInd", "it is neither true nor false")
		}
		out = append(out, o)
	}
	return out
}

// proficiency is how and how well a language is spoken.
func (m *mapper) proficiency(language *xmltree.Node) *fhir.Object {
	const path = pathPatient + "/patient/languageCommunication"
	var parts []*fhir.Object
	for _, part := range [][2]string{{"level", "proficiencyLevelCode"}, {"type", "modeCode"}} {
		level := language.Child(part[1])
		coding := m.coding(level, path+"/"+part[1])
		if words := codeText(level); coding == nil && words != "" {
			coding = fhir.Obj("display", words)
		}
		if coding != nil {
			parts = append(parts, fhir.Obj("url", part[0], "valueCoding", coding))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return fhir.Obj("extension", parts, "url", extProficiency)
}

// FHIR's own extensions of a Patient, and UK Core's of the ethnic category.
const (
	extProficiency = "http://hl7.org/fhir/StructureDefinition/patient-proficiency"
	extReligion    = "http://hl7.org/fhir/StructureDefinition/patient-religion"
	extBirthPlace  = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
	extEthnic      = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-EthnicCategory"
)

// patientExtensions are what of a patient FHIR has in extensions.
func (m *mapper) patientExtensions(human *xmltree.Node) []*fhir.Object {
	var out []*fhir.Object
	for _, part := range [][2]string{{extEthnic, "ethnicGroupCode"}, {extReligion, "religiousAffiliationCode"}} {
		if concept := m.concept(human.Child(part[1]), pathPatient+"/patient/"+part[1]); concept != nil {
			out = append(out, fhir.Obj("url", part[0], "valueCodeableConcept", concept))
		}
	}
	place := human.Child("birthplace", "place")
	born := m.address(place.Child("addr"), pathPatient+"/patient/birthplace/place")
	if title := oneLine(place.Child("name").Content()); title != "" {
		if born == nil {
			born = fhir.Obj("text", title)
		} else {
			m.omit(pathPatient+"/patient/birthplace/place/name", "the address of the place is carried")
		}
	}
	if born != nil {
		out = append(out, fhir.Obj("url", extBirthPlace, "valueAddress", born))
	}
	return out
}

// contact is someone to ring about the patient.
type contact struct {
	relationship []*fhir.Object
	name         *fhir.Object
	phones       []telecom
	weight       int // lower comes first
}

// contacts ranks whom to ring (BaRS Core 1.5, contacts): whoever gave an
// emergency number first, which is how 111 marks the number to call back, then
// the patient, then those who spoke for the patient. In each contact one telecom
// has rank 1, a phone where there is one.
//
// The participant CALLBCK isn't one of them: it is the sender's desk that
// answers questions about the report (HL7 v3 ParticipationType), see
// messageHeader.
func (m *mapper) contacts(own []telecom) []*fhir.Object {
	self := contact{phones: own, weight: 2,
		relationship: list(conceptOf(roleCodes, "ONESELF", "self"))}
	var all []contact
	for _, p := range m.related {
		phones := m.telecoms(p.entity.All("telecom"), p.path)
		if p.self() {
			self.phones = merge(self.phones, phones)
			continue
		}
		all = append(all, contact{m.relationship(p), m.name(p.person().Child("name"), "", p.path), phones, 3})
	}
	all = append([]contact{self}, all...)
	for i := range all {
		all[i].order()
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].weight < all[j].weight })
	var out []*fhir.Object
	for _, c := range all {
		if len(c.phones) > 0 {
			out = append(out, c.object(len(out)+1))
		}
	}
	return out
}

// order puts the contact's emergency number first, then phones, then the rest,
// and moves a contact with an emergency number up and one without a phone down.
func (c *contact) order() {
	worth := func(t telecom) int {
		switch {
		case t.phone() && t.emergency():
			return 0
		case t.phone():
			return 1
		}
		return 2
	}
	phones := append([]telecom(nil), c.phones...)
	sort.SliceStable(phones, func(i, j int) bool { return worth(phones[i]) < worth(phones[j]) })
	c.phones = merge(nil, phones)
	if len(phones) == 0 {
		return
	}
	switch worth(phones[0]) {
	case 0:
		c.weight = min(c.weight, 1)
	case 2:
		c.weight += 4
	}
}

func (c contact) object(rank int) *fhir.Object {
	var telecom []*fhir.Object
	for i, t := range c.phones {
		telecom = append(telecom, t.object(i+1))
	}
	return fhir.Obj(
		"extension", list(fhir.Obj("url", nhs.ExtContactRank, "valuePositiveInt", rank)),
		"relationship", c.relationship, "name", c.name, "telecom", telecom)
}

// merge adds numbers that aren't there yet; senders give the call-back number a
// second time with its use.
func merge(all, more []telecom) []telecom {
	all = append([]telecom(nil), all...)
next:
	for _, t := range more {
		for i := range all {
			if all[i].System == t.System && all[i].Value == t.Value {
				all[i].Use = orElse(all[i].Use, t.Use)
				continue next
			}
		}
		all = append(all, t)
	}
	return all
}
