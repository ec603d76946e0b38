package nhs111

import (
	"strings"

	"github.com/google/uuid"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
)

// person is a practitioner of the document: the entries that stand for one.
type person struct {
	practitioner, role string
	organisation       *organisation
	participation      string // v3-ParticipationType in the encounter
	period             *fhir.Object
}

// relatedPerson is someone who spoke for the patient, or a guardian.
type relatedPerson struct {
	url      string
	entity   *xmltree.Node
	path     string
	guardian bool
}

func (p relatedPerson) person() *xmltree.Node {
	if p.guardian {
		return p.entity.Child("guardianPerson")
	}
	return p.entity.Child("relatedPerson")
}

// self says whether it was the patient.
func (p relatedPerson) self() bool {
	return !p.guardian && p.entity.Child("code").Attr("code") == relateSelf
}

// addPeople makes the practitioners: authors, the responsible party, informants
// that are staff, and the people of other participations.
func (m *mapper) addPeople() {
	for _, author := range m.report.authors {
		p := m.person(author.Child("assignedAuthor"), "ClinicalDocument/author", "PPRF")
		p.period = m.interval(author.Child("time"), "ClinicalDocument/author/time")
		m.authors = append(m.authors, p)
	}
	if party := m.report.encounter.Child("responsibleParty", "assignedEntity"); party != nil {
		p := m.person(party, pathEncounter+"/responsibleParty", "ATND")
		m.responsible = &p
	}
	for _, informant := range m.report.root.All("informant") {
		if entity := informant.Child("assignedEntity"); entity != nil {
			m.others = append(m.others, m.person(entity, "ClinicalDocument/informant", "INF"))
		} else if entity := informant.Child("relatedEntity"); entity != nil {
			m.related = append(m.related, relatedPerson{url: m.url(), entity: entity, path: "ClinicalDocument/informant/relatedEntity"})
		}
	}
	for _, guardian := range m.report.patientRole.Child("patient").All("guardian") {
		m.related = append(m.related, relatedPerson{m.url(), guardian, pathPatient + "/patient/guardian", true})
	}
	m.addParticipants()
}

// addParticipants makes those who had another part in the encounter or in the
// document: by the code of their participation, the one that CDA gives to
// elements of their own included (v3-ParticipationType).
func (m *mapper) addParticipants() {
	root := m.report.root
	took := func(all []*xmltree.Node, path, code string) {
		for _, n := range all {
			role := n.Child("assignedEntity")
			if code == "" {
				role = n.Child("associatedEntity")
			}
			if role == nil {
				role = n.Child("assignedEntity")
			}
			kind := orElse(code, oneLine(n.Attr("typeCode")))
			if n.Local == "participant" && desks[kind] != "" {
				continue
			}
			if role == nil || kind == "" {
				m.omit(path, "it says nobody or not how they took part")
				continue
			}
			p := m.person(role, path, kind)
			p.period = m.interval(n.Child("time"), path+"/time")
			m.others = append(m.others, p)
		}
	}
	took(root.All("dataEnterer"), "ClinicalDocument/dataEnterer", "ENT")
	took(root.All("legalAuthenticator"), "ClinicalDocument/legalAuthenticator", "LA")
	took(root.All("authenticator"), "ClinicalDocument/authenticator", "AUTHEN")
	took(root.All("participant"), "ClinicalDocument/participant", "")
	took(m.report.encounter.All("encounterParticipant"), pathEncounter+"/encounterParticipant", "")
}

// desks are the participations that the supporting information names.
var desks = map[string]string{"REFT": "Referred to", "CALLBCK": "Sender's call-back desk"}

// person makes a Practitioner and the PractitionerRole that ties it to its
// organisation.
func (m *mapper) person(role *xmltree.Node, path, participation string) person {
	human := role.Child("assignedPerson")
	for _, local := range []string{"associatedPerson", "informationRecipient"} {
		if human == nil {
			human = role.Child(local)
		}
	}
	represented := role.Child("representedOrganization")
	for _, local := range []string{"scopingOrganization", "receivedOrganization"} {
		if represented == nil {
			represented = role.Child(local)
		}
	}
	p := person{practitioner: m.url(), role: m.url(), participation: participation,
		organisation: m.organisationOf(represented, path, nil)}
	if p.organisation == nil || p.organisation.unnamed() { // BaRS wants one; who sent it answers for its people
		p.organisation = m.sender()
	}
	ids := m.identifiers(role.All("id"), path+"/id")
	if len(ids) == 0 {
		ids = list(m.ownIdentifier(path + "|" + human.Child("name").Content() + strings.Join(words(human.Child("name")), " ")))
	}
	practitioner := m.ukCore("Practitioner").Set("identifier", ids)
	practitioner.Set("name", m.names(human, path))
	practitioner.Set("telecom", telecomObjects(m.telecoms(role.All("telecom"), path)))
	practitioner.Set("address", m.addresses(role.All("addr"), path))
	m.add(p.practitioner, practitioner)
	m.add(p.role, m.ukCore("PractitionerRole").
		Set("practitioner", ref(p.practitioner)).
		Set("organization", ref(p.organisation.use())).
		Set("code", m.roleCodes(role, path)))
	return p
}

// roleCodes are what a person is; of a recipient NHS England's own element says it.
func (m *mapper) roleCodes(role *xmltree.Node, path string) []*fhir.Object {
	out := list(m.concept(role.Child("code"), path+"/code"))
	for _, code := range role.AllIn(nsNPFIT, "recipientRoleCode") {
		out = append(out, list(m.concept(code, path+"/recipientRoleCode"))...)
	}
	return out
}

// personSpace makes the identifiers of people whom a report gives none.
var personSpace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://github.com/onward-health/onward/nhs111/person"))

// ownIdentifier is one of ours, because BaRS wants one of each Practitioner and
// many reports have none. It is the same in every version of a report.
func (m *mapper) ownIdentifier(who string) *fhir.Object {
	id := uuid.NewSHA1(personSpace, []byte(m.report.SetID+"|"+who))
	return fhir.Obj("use", "temp", "system", "urn:ietf:rfc:3986", "value", "urn:uuid:"+id.String())
}

// words are the texts of a name's parts.
func words(name *xmltree.Node) []string {
	var list []string
	for _, part := range name.Elements() {
		list = append(list, part.Content())
	}
	return list
}

// addRelatedPersons makes those who spoke for the patient.
func (m *mapper) addRelatedPersons() {
	for _, p := range m.related {
		if p.self() {
			m.selfInformant(p)
			continue
		}
		m.add(p.url, m.ukCore("RelatedPerson").
			Set("identifier", m.identifiers(p.entity.All("id"), p.path+"/id")).
			Set("active", true).Set("patient", ref(m.patient)).
			Set("relationship", m.relationship(p)).
			Set("name", m.names(p.person(), p.path)).
			Set("telecom", telecomObjects(m.telecoms(p.entity.All("telecom"), p.path))).
			Set("address", m.addresses(p.entity.All("addr"), p.path)).
			Set("period", m.interval(p.entity.Child("effectiveTime"), p.path+"/effectiveTime")))
	}
}

// selfInformant notes what the patient said of himself once more.
func (m *mapper) selfInformant(p relatedPerson) {
	for _, part := range p.entity.Elements() {
		if part.Local != "telecom" && !structural(part.Local) {
			m.omit(p.path+"/"+part.Local, "the informant is the patient, whose telecoms are joined")
		}
	}
}

// names are all names of a person.
func (m *mapper) names(human *xmltree.Node, path string) []*fhir.Object {
	var out []*fhir.Object
	for _, n := range human.All("name") {
		out = append(out, list(m.name(n, "", path))...)
	}
	return out
}

// relationship is what somebody is to the patient.
func (m *mapper) relationship(p relatedPerson) []*fhir.Object {
	out := list(m.concept(p.entity.Child("code"), p.path+"/code"))
	if p.guardian {
		out = append([]*fhir.Object{conceptOf(roleCodes, "GUARD", "guardian")}, out...)
	}
	return out
}
