package nhs111

import (
	"iter"

	"github.com/onward-health/onward/fhir"
)

// taking yields those who take part in the encounter in one way, and when.
func (w *documentWriter) taking(code string) iter.Seq2[fhir.Value, fhir.Value] {
	return func(yield func(who, period fhir.Value) bool) {
		for p := range w.encounter.Get("participant").Items() {
			for kind := range p.Get("type").Items() {
				if who := w.follow(p.Get("individual")); fhir.CodeOf(kind, participationSystem) == code && who.Exists() {
					if !yield(who, p.Get("period")) {
						return
					}
				}
			}
		}
	}
}

// authors are those who take the primary part in the encounter, else the one
// who asks for the referral.
func (w *documentWriter) authors() []*xmlElement {
	var out []*xmlElement
	author := func(who, period fhir.Value) {
		authored := orElse(w.request.Get("authoredOn").Text(), w.effective())
		if !w.Withdrawn.IsZero() {
			authored = w.effective()
		}
		if len(out) > 0 { // the first one's time is when the referral was written
			authored = orElse(period.Get("start").Text(), authored)
		}
		at111 := timeElement("time", authored)
		out = append(out, el("author", at("typeCode", "AUT", "contextControlCode", "OP"), contentID("COCD_TP145200GB01#AssignedAuthor"),
			el("functionCode", at("code", "OA", "codeSystem", "2.16.840.1.113883.2.1.3.2.4.17.178", "displayName", "Originating Author")),
			at111, w.person("assignedAuthor", who, "COCD_TP145200GB01#AssignedAuthor")))
	}
	for who, period := range w.taking("PPRF") {
		author(who, period)
	}
	if len(out) == 0 {
		author(w.requester(), fhir.Value{})
	}
	return out
}

// requester is who asks for the referral, by the role that the message gives
// that person.
func (w *documentWriter) requester() fhir.Value {
	asked := w.request.Dig("requester", "reference").Text()
	for _, role := range w.all("PractitionerRole") {
		if asked != "" && role.Dig("practitioner", "reference").Text() == asked {
			return role
		}
	}
	return w.named[asked]
}

// person writes a Practitioner or PractitionerRole as a role of CDA.
func (w *documentWriter) person(name string, who fhir.Value, template string) *xmlElement {
	role, human := who, w.follow(who.Get("practitioner"))
	organisation := w.follow(who.Get("organization"))
	if who.Get("resourceType").Text() == "Practitioner" {
		role, human = fhir.Value{}, who
	}
	if who.Get("resourceType").Text() == "Organization" {
		role, human, organisation = fhir.Value{}, fhir.Value{}, who
	}
	e := el(name, at("classCode", "ASSIGNED"), templateID(template))
	e.add(idElements(human.Get("identifier"), true)...)
	e.add(codeElement("code", role.Get("code").At(0)))
	e.add(addressElements(human.Get("address"))...)
	e.add(telecomElements(human.Get("telecom"))...)
	if titles := nameElements(human.Get("name"), ""); len(titles) > 0 {
		e.add(el("assignedPerson", at("classCode", "PSN", "determinerCode", "INSTANCE")).add(titles...))
	}
	// One without code can't be told to be the custodian; reading takes the
	// custodian for who names none.
	if organisation.Exists() && (organisation != w.follow(w.header.Get("sender")) || organisation.Get("identifier").Len() > 0) {
		e.add(w.organisation("representedOrganization", organisation))
	}
	return e
}

// maxPartOf bounds how many organisations are written into each other.
const maxPartOf = 8

// organisation writes an organisation and those that it is part of.
func (w *documentWriter) organisation(name string, o fhir.Value) *xmlElement {
	return w.organisationPart(name, o, maxPartOf)
}

func (w *documentWriter) organisationPart(name string, o fhir.Value, left int) *xmlElement {
	ids, _ := organisationIDs(o.Get("identifier"))
	e := el(name, at("classCode", "ORG", "determinerCode", "INSTANCE")).add(ids...).add(textEl("name", o.Get("name").Text()))
	for alias := range o.Get("alias").Items() {
		e.add(textEl("name", alias.Text()))
	}
	e.add(telecomElements(o.Get("telecom"))...)
	e.add(addressElements(o.Get("address"))...)
	e.add(codeElement("standardIndustryClassCode", o.Get("type").At(0)))
	if whole := w.follow(o.Get("partOf")); whole.Exists() && left > 0 {
		e.add(el("asOrganizationPartOf", at("classCode", "PART"), w.organisationPart("wholeOrganization", whole, left-1)))
	}
	return e
}

// informants are the staff and the people who spoke for the patient, and the
// contacts whom no one else of the message stands for.
func (w *documentWriter) informants() []*xmlElement {
	out, _ := w.informantsOf()
	return out
}

// informantsOf are the informants and who each is.
func (w *documentWriter) informantsOf() (out []*xmlElement, whos []fhir.Value) {
	contact, call := w.firstContact()
	related := func(e *xmlElement, person fhir.Value) {
		out = append(out, el("informant", at("typeCode", "INF", "contextControlCode", "OP"), contentID("COCD_TP145007UK05#RelatedEntity"), e))
		whos = append(whos, person)
		telecoms := person.Get("telecom")
		if !isSelf(contact) && hasTelecom(telecoms, call) {
			w.markCall(e, call)
		}
	}
	seen := []fhir.Value{}
	for who := range w.taking("INF") {
		if who.Get("resourceType").Text() != "RelatedPerson" {
			out = append(out, el("informant", at("typeCode", "INF", "contextControlCode", "OP"), contentID("COCD_TP145210GB01#AssignedEntity"),
				w.person("assignedEntity", who, "COCD_TP145210GB01#AssignedEntity")))
			whos = append(whos, who)
			continue
		}
		seen = append(seen, who)
		related(relatedEntity(who.Get("relationship").At(0), nameElements(who.Get("name"), ""), who.Get("telecom"), addressElements(who.Get("address")),
			periodElement("effectiveTime", who.Get("period"))), who)
	}
	for _, who := range w.all("RelatedPerson") {
		if isGuardian(who) {
			seen = append(seen, who)
		}
	}
	for c := range w.patient.Get("contact").Items() {
		known := isSelf(c)
		for _, who := range seen {
			known = known || hasTelecom(who.Get("telecom"), c.Get("telecom").At(0))
		}
		if !known {
			var home []*xmlElement
			if a := addressElement(c.Get("address")); a != nil {
				home = append(home, a)
			}
			related(relatedEntity(c.Get("relationship").At(0), []*xmlElement{nameElement(c.Get("name"))}, c.Get("telecom"), home, nil), c)
		}
	}
	return out, whos
}

func relatedEntity(relationship fhir.Value, names []*xmlElement, telecoms fhir.Value, addresses []*xmlElement, since *xmlElement) *xmlElement {
	e := el("relatedEntity", at("classCode", "PRS"), templateID("COCD_TP145007UK05#RelatedEntity"), codeElement("code", relationship))
	e.add(addresses...).add(telecomElements(telecoms)...).add(since)
	person := el("relatedPerson", at("classCode", "PSN", "determinerCode", "INSTANCE")).add(names...)
	if len(person.children) > 0 {
		e.add(person)
	}
	return e
}

// markCall marks the number to call first; one with a use is given again.
func (w *documentWriter) markCall(e *xmlElement, call fhir.Value) {
	again := telecomElement(call, true)
	for i, c := range e.children {
		if c.name != "telecom" || c.attrs[0].value != again.attrs[0].value {
			continue
		}
		if len(c.attrs) == 1 {
			e.children[i] = again
			return
		}
		e.children = append(e.children[:i+1], append([]*xmlElement{again}, e.children[i+1:]...)...)
		return
	}
}
