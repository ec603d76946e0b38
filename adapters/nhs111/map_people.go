package nhs111

import (
	"strings"

	"github.com/google/uuid"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

// person is a practitioner of the document: the entries that stand for one.
type person struct {
	practitioner, role string
	organisation       *organisation
	participation      string // v3-ParticipationType in the encounter
}

// relatedPerson is someone who spoke for the patient.
type relatedPerson struct {
	url    string
	entity *xmltree.Node
}

// self says whether it was the patient.
func (p relatedPerson) self() bool { return p.entity.Child("code").Attr("code") == relateSelf }

// organisation gathers what the document says of one organisation in several
// places, so that a code makes one entry.
type organisation struct {
	url       string
	codes     []*fhir.Object // identifiers
	code      string         // ODS, "" where none is known
	name      string
	telecoms  []*fhir.Object
	addresses []*fhir.Object
	kind      *fhir.Object
	wanted    bool // something refers to it
}

// organisationOf finds or makes the entry of an organisation element. path is
// for problems; telecom and addr may stand on the role beside the organisation.
func (m *mapper) organisationOf(org *xmltree.Node, path string, beside *xmltree.Node) *organisation {
	if org == nil {
		return nil
	}
	var codes []*fhir.Object
	key := ""
	for _, id := range org.All("id") {
		root, code := id.Attr("root"), strings.ToUpper(strings.TrimSpace(id.Attr("extension")))
		if (root == oidODS || root == oidODSSite) && code != "" {
			if key == "" {
				key = code
			}
			codes = append(codes, odsIdentifiers(root, code)...)
			continue
		}
		if o := m.identifier(id, path+"/id"); o != nil {
			codes = append(codes, o)
		}
	}
	for _, id := range beside.All("id") {
		// The role's own code is the site that the patient is sent to.
		root, code := id.Attr("root"), strings.ToUpper(strings.TrimSpace(id.Attr("extension")))
		if (root == oidODS || root == oidODSSite) && code != "" && code != key {
			codes = append(codes, fhir.Obj("system", nhs.SystemODSSite, "value", code))
		}
	}
	o := m.organisationAt(org, key)
	if len(o.codes) < len(codes) {
		o.codes = codes
	}
	if o.name == "" {
		o.name = oneLine(org.Child("name").Content())
	}
	for _, place := range []*xmltree.Node{org, beside} {
		if len(o.telecoms) == 0 {
			o.telecoms = telecomObjects(telecoms(place.All("telecom")))
		}
		if len(o.addresses) == 0 {
			o.addresses = addresses(place.All("addr"))
		}
	}
	if o.kind == nil {
		o.kind = m.concept(org.Child("standardIndustryClassCode"), path+"/standardIndustryClassCode")
	}
	return o
}

// odsIdentifiers gives a site code under both systems: the room finds
// organisations by the organisation code's, and sites and organisations share
// one space of codes.
func odsIdentifiers(root, code string) []*fhir.Object {
	all := []*fhir.Object{fhir.Obj("system", nhs.SystemODS, "value", code)}
	if root == oidODSSite {
		all = append(all, fhir.Obj("system", nhs.SystemODSSite, "value", code))
	}
	return all
}

// organisation finds an organisation by code; "" always makes a new one.
func (m *mapper) organisation(code string) *organisation {
	if o := m.organisations[code]; o != nil && code != "" {
		return o
	}
	o := &organisation{url: m.url(), code: code}
	if code != "" {
		o.codes = odsIdentifiers(oidODS, code)
		m.organisations[code] = o
	}
	m.orgOrder = append(m.orgOrder, o)
	return o
}

// organisationAt is organisation for an element: one without a code is the same
// each time that its element is read.
func (m *mapper) organisationAt(n *xmltree.Node, code string) *organisation {
	if code != "" {
		return m.organisation(code)
	}
	if m.uncoded[n] == nil {
		m.uncoded[n] = m.organisation("")
	}
	return m.uncoded[n]
}

// unnamed says whether nothing identifies the organisation.
func (o *organisation) unnamed() bool { return len(o.codes) == 0 && o.name == "" }

// use marks an organisation as referred to and returns its name.
func (o *organisation) use() string {
	if o == nil {
		return ""
	}
	o.wanted = true
	return o.url
}

// sender is the organisation that keeps the report.
func (m *mapper) sender() *organisation {
	sender := m.organisationOf(m.report.custodian, "ClinicalDocument/custodian", nil)
	if sender.unnamed() {
		sender = m.organisation(m.Envelope.AuditODS)
	}
	m.senderURL = sender.use()
	return sender
}

// receiver is the organisation that the message is addressed to: the one of the
// ODS address, else the one that provides the service of the DoS address. Where
// the document's first primary recipient has no code, that is it.
func (m *mapper) receiver() *organisation {
	var first *organisation
	for _, recipient := range m.report.recipients {
		intended := recipient.Child("intendedRecipient")
		o := m.organisationOf(intended.Child("receivedOrganization"), "ClinicalDocument/informationRecipient", intended)
		if o == nil {
			continue
		}
		if first == nil && primary(recipient) {
			first = o
		}
	}
	if code := m.addressODS(); code != "" {
		return m.organisation(code)
	}
	provider := string(m.Provider)
	if first != nil && (provider == "" || first.code == provider) {
		return first
	}
	if first != nil && first.code == "" && m.organisations[provider] == nil {
		first.code, first.codes = provider, append(odsIdentifiers(oidODS, provider), first.codes...)
		m.organisations[provider] = first
		return first
	}
	o := m.organisation(provider)
	if o.name == "" {
		o.name = "Provider of service " + m.Target.Value
	}
	return o
}

// addressODS is the ODS code that goes with the target.
func (m *mapper) addressODS() string {
	if m.Target.System == nhs.SystemODS {
		return m.Target.Value
	}
	for _, code := range m.Envelope.ODS {
		if code, ok := nhs.ParseODSCode(code); ok {
			return string(code)
		}
	}
	return ""
}

// addPeople makes the practitioners: authors, the responsible party, informants
// that are staff, and the people of other participations.
func (m *mapper) addPeople() {
	for _, author := range m.report.authors {
		m.authors = append(m.authors, m.person(author.Child("assignedAuthor"), "ClinicalDocument/author", "PPRF"))
	}
	if party := m.report.encounter.Child("responsibleParty", "assignedEntity"); party != nil {
		p := m.person(party, "ClinicalDocument/componentOf/encompassingEncounter/responsibleParty", "ATND")
		m.responsible = &p
	}
	for _, informant := range m.report.root.All("informant") {
		if entity := informant.Child("assignedEntity"); entity != nil {
			m.informants = append(m.informants, m.person(entity, "ClinicalDocument/informant", "INF"))
		} else if entity := informant.Child("relatedEntity"); entity != nil {
			m.related = append(m.related, relatedPerson{m.url(), entity})
		}
	}
}

// person makes a Practitioner and the PractitionerRole that ties it to its
// organisation.
func (m *mapper) person(role *xmltree.Node, path, participation string) person {
	human := role.Child("assignedPerson")
	p := person{practitioner: m.url(), role: m.url(), participation: participation,
		organisation: m.organisationOf(role.Child("representedOrganization"), path, nil)}
	if p.organisation == nil || p.organisation.unnamed() { // BaRS wants one; who sent it answers for its people
		p.organisation = m.sender()
	}
	ids := m.identifiers(role.All("id"), path+"/id")
	if len(ids) == 0 {
		ids = list(m.ownIdentifier(path + "|" + human.Child("name").Content() + strings.Join(words(human.Child("name")), " ")))
	}
	practitioner := m.ukCore("Practitioner").Set("identifier", ids)
	practitioner.Set("name", list(name(human.Child("name"), "")))
	practitioner.Set("telecom", telecomObjects(telecoms(role.All("telecom"))))
	practitioner.Set("address", addresses(role.All("addr")))
	m.add(p.practitioner, practitioner)
	m.add(p.role, m.ukCore("PractitionerRole").
		Set("practitioner", ref(p.practitioner)).
		Set("organization", ref(p.organisation.use())).
		Set("code", list(m.concept(role.Child("code"), path+"/code"))))
	return p
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

// addOrganisations writes the organisations last, when it is known which are
// referred to and all that the document says of them was gathered.
func (m *mapper) addOrganisations() {
	for _, o := range m.orgOrder {
		if !o.wanted {
			continue
		}
		m.add(o.url, m.ukCore("Organization").Set("identifier", o.codes).Set("active", true).
			Set("type", list(o.kind)).Set("name", orElse(orElse(o.name, o.code), "Not stated")).Set("telecom", o.telecoms).Set("address", o.addresses))
	}
}

// addRelatedPersons makes those who spoke for the patient.
func (m *mapper) addRelatedPersons() {
	for _, p := range m.related {
		if p.self() {
			continue
		}
		m.add(p.url, m.ukCore("RelatedPerson").Set("active", true).
			Set("patient", ref(m.patient)).
			Set("relationship", list(m.relationship(p.entity))).
			Set("name", list(name(p.entity.Child("relatedPerson", "name"), ""))).
			Set("telecom", telecomObjects(telecoms(p.entity.All("telecom")))).
			Set("address", addresses(p.entity.All("addr"))))
	}
}

func (m *mapper) relationship(entity *xmltree.Node) *fhir.Object {
	return m.concept(entity.Child("code"), "ClinicalDocument/informant/relatedEntity/code")
}
