package nhs111

import (
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

// organisation gathers what the document says of one organisation in several
// places, so that a code makes one entry.
type organisation struct {
	url       string
	codes     []*fhir.Object // identifiers
	code      string         // ODS, "" where none is known
	name      string
	aliases   []string
	partOf    *organisation
	telecoms  []*fhir.Object
	addresses []*fhir.Object
	kinds     []*fhir.Object
	wanted    bool            // something refers to it
	said      map[string]bool // what is in these lists
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
			m.assigned(id)
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
		m.assigned(id)
		switch {
		case root != oidODS && root != oidODSSite:
			if root != "" {
				m.omit(strings.TrimSuffix(path, "/"+org.Local)+"/id", "an organisation has no ids of its role")
			}
		case code != "" && code != key:
			codes = append(codes, fhir.Obj("system", nhs.SystemODSSite, "value", code))
		}
	}
	o := m.organisationAt(org, key)
	o.codes = o.join(o.codes, "code", codes)
	for _, title := range contents(org.All("name")) {
		switch {
		case !o.news("name" + title):
		case o.name == "":
			o.name = title
		default:
			o.aliases = append(o.aliases, title) // the places that name it disagree
		}
	}
	if whole := org.Child("asOrganizationPartOf", "wholeOrganization"); whole != nil {
		above := m.organisationOf(whole, path+"/asOrganizationPartOf/wholeOrganization", nil)
		if o.partOf == nil && !above.within(o) {
			o.partOf = above
		}
		if o.partOf != above {
			m.omit(path+"/asOrganizationPartOf", "an organisation is part of one other, and not of itself")
		}
	}
	for _, place := range []*xmltree.Node{org, beside} {
		o.telecoms = o.join(o.telecoms, "telecom", telecomObjects(m.telecoms(place.All("telecom"), path)))
		o.addresses = o.join(o.addresses, "addr", m.addresses(place.All("addr"), path))
	}
	o.kinds = o.join(o.kinds, "kind", list(m.concept(org.Child("standardIndustryClassCode"), path+"/standardIndustryClassCode")))
	return o
}

// assigned notes that an id of a national system names who assigned it.
func (m *mapper) assigned(id *xmltree.Node) {
	if id.Attr("assigningAuthorityName") != "" {
		m.omit("//id/@assigningAuthorityName", "the id is of a national system")
	}
}

// join adds to one of the organisation's lists what isn't there yet. A report can
// name an organisation in a hundred places, so no list is searched.
func (o *organisation) join(all []*fhir.Object, list string, more []*fhir.Object) []*fhir.Object {
	for _, part := range more {
		if o.news(list + string(part.JSON())) {
			all = append(all, part)
		}
	}
	return all
}

// news notes something that is said of the organisation; false: it was before.
func (o *organisation) news(what string) bool {
	if o.said[what] {
		return false
	}
	if o.said == nil {
		o.said = map[string]bool{}
	}
	o.said[what] = true
	return true
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
		o.codes = o.join(nil, "code", odsIdentifiers(oidODS, code))
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

// within says whether an organisation is part of another.
func (o *organisation) within(other *organisation) bool {
	for ; o != nil; o = o.partOf {
		if o == other {
			return true
		}
	}
	return false
}

// use marks an organisation as referred to and returns its name.
func (o *organisation) use() string {
	if o == nil {
		return ""
	}
	o.wanted = true
	o.partOf.use()
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
		first.code, first.codes = provider, append(first.join(nil, "code", odsIdentifiers(oidODS, provider)), first.codes...)
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

// addOrganisations writes the organisations last, when it is known which are
// referred to and all that the document says of them was gathered.
func (m *mapper) addOrganisations() {
	for _, o := range m.orgOrder {
		if !o.wanted {
			continue
		}
		m.add(o.url, m.ukCore("Organization").Set("identifier", o.codes).Set("active", true).
			Set("type", o.kinds).Set("name", orElse(orElse(o.name, o.code), "Not stated")).Set("alias", o.aliases).
			Set("telecom", o.telecoms).Set("address", o.addresses).Set("partOf", ref(o.partOf.use())))
	}
}
