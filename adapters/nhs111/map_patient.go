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
		}
	}
	phones := telecoms(role.All("telecom"))
	patient := m.ukCore("Patient").
		Set("identifier", m.patientIdentifiers(role)).
		Set("active", true).
		Set("name", patientNames(human)).
		Set("telecom", telecomObjects(phones)).
		Set("gender", gender(human.Child("administrativeGenderCode").Attr("code"))).
		Set("birthDate", born).
		Set("address", addresses(role.All("addr"))).
		Set("maritalStatus", maritalStatus(human.Child("maritalStatusCode"))).
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
		switch {
		case root == oidVerified && value != "":
			out = append(out, nhsNumber(number, "number-present-and-verified", "Number present and verified"))
		case root == oidUnverified && value != "" && number.Valid():
			out = append(out, nhsNumber(number, "number-present-but-not-traced", "Number present but not traced"))
		case root == oidUnverified && value != "":
			out = append(out, fhir.Obj("system", "urn:oid:"+oidUnverified, "value", value))
		case root == oidVerified || root == oidUnverified:
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

func patientNames(human *xmltree.Node) []*fhir.Object {
	var out []*fhir.Object
	for i, n := range human.All("name") {
		use := ""
		if i == 0 {
			use = "official"
		}
		if o := name(n, use); o != nil {
			out = append(out, o)
		}
	}
	return out
}

// gender maps the sex codes of the NHS Data Dictionary.
func gender(code string) string {
	switch code {
	case "1":
		return "male"
	case "2":
		return "female"
	case "9":
		return "other"
	}
	return "unknown"
}

// maritalStatus maps the HL7 codes, whatever system a sender gives them.
func maritalStatus(code *xmltree.Node) *fhir.Object {
	value := strings.ToUpper(oneLine(code.Attr("code")))
	if len(value) != 1 || !strings.Contains("ACDILMPSTUW", value) {
		return nil
	}
	return conceptOf("http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", value, oneLine(code.Attr("displayName")))
}

func (m *mapper) languages(human *xmltree.Node) []*fhir.Object {
	var out []*fhir.Object
	for _, language := range human.All("languageCommunication") {
		concept := m.concept(language.Child("languageCode"), pathPatient+"/patient/languageCommunication/languageCode")
		if concept == nil {
			continue
		}
		o := fhir.Obj("language", concept)
		if preferred := language.Child("preferenceInd").Attr("value"); preferred != "" {
			o.Set("preferred", preferred == "true")
		}
		out = append(out, o)
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
		phones := telecoms(p.entity.All("telecom"))
		if p.self() {
			self.phones = merge(self.phones, phones)
			continue
		}
		all = append(all, contact{list(m.relationship(p.entity)), name(p.entity.Child("relatedPerson", "name"), ""), phones, 3})
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
