package nhs111

import (
	"iter"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

func (w *documentWriter) recordTarget() *xmlElement {
	p := w.patient
	role := el("patientRole", at("classCode", "PAT"), templateID("COCD_TP145201GB01#PatientRole"))
	role.add(patientIDs(p.Get("identifier"))...)
	role.add(addressElements(p.Get("address"))...)
	role.add(w.patientTelecoms()...)
	human := el("patient", at("classCode", "PSN", "determinerCode", "INSTANCE"))
	human.add(nameElements(p.Get("name"))...)
	human.add(el("administrativeGenderCode", at("code", genderCode(p.Get("gender").Text()), "codeSystem", oidGender)))
	human.add(timeElement("birthTime", p.Get("birthDate").Text()))
	if status := p.Dig("maritalStatus", "coding").At(0); status.Get("code").Text() != "" {
		human.add(el("maritalStatusCode", at("code", status.Get("code").Text(), "codeSystem", oidMaritalStatus, "displayName", status.Get("display").Text())))
	}
	for spoken := range p.Get("communication").Items() {
		code := spoken.Dig("language", "coding").At(0).Get("code").Text()
		if code == "" {
			continue // the type CS is a code alone
		}
		e := el("languageCommunication", nil, el("languageCode", at("code", code)))
		if preferred := spoken.Get("preferred"); preferred.Exists() {
			e.add(el("preferenceInd", at("value", map[bool]string{true: "true", false: "false"}[preferred.Bool()])))
		}
		human.add(e)
	}
	role.add(human)
	if practice := w.follow(p.Get("generalPractitioner").At(0)); practice.Get("resourceType").Text() == "Organization" {
		role.add(w.organisation("providerOrganization", practice))
	}
	return el("recordTarget", at("typeCode", "RCT", "contextControlCode", "OP"), contentID("COCD_TP145201GB01#PatientRole"), role)
}

// patientIDs writes the NHS number under the root that says whether it was
// verified. Other identifiers without an OID become local ones of who gave them.
func patientIDs(ids fhir.Value) []*xmlElement {
	var out []*xmlElement
	for id := range ids.Items() {
		e := idElement(id)
		value := id.Get("value").Text()
		switch {
		case e == nil && value == "":
		case e == nil:
			e = el("id", at("root", oidLocalPerson, "extension", value,
				"assigningAuthorityName", orElse(id.Dig("assigner", "display").Text(), id.Get("system").Text())))
		case nhs.Canonical(id.Get("system").Text()) == nhs.SystemNHSNumber && !verified(id):
			e = el("id", at("root", oidUnverified, "extension", value))
		}
		if e != nil {
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		out = append(out, el("id", at("nullFlavor", "UNK")))
	}
	return out
}

func verified(id fhir.Value) bool { return nhs.VerificationOf(id) == nhs.NumberVerified }

func genderCode(gender string) string {
	switch gender {
	case "male":
		return "1"
	case "female":
		return "2"
	case "other":
		return "9"
	}
	return "0"
}

// firstContact is the contact to call, BaRS's ContactRank 1, and the telecom in
// it that has rank 1.
func (w *documentWriter) firstContact() (contact, telecom fhir.Value) {
	for c := range w.patient.Get("contact").Items() {
		if contactRank(c) != 1 {
			continue
		}
		contact, telecom = c, c.Get("telecom").At(0)
		for t := range c.Get("telecom").Items() {
			if rank, _ := t.Get("rank").Int(); rank == 1 {
				telecom = t
			}
		}
	}
	return contact, telecom
}

func contactRank(contact fhir.Value) int64 {
	for ext := range contact.Get("extension").Items() {
		if ext.Get("url").Text() == nhs.ExtContactRank {
			rank, _ := ext.Get("valuePositiveInt").Int()
			return rank
		}
	}
	return 0
}

func isSelf(contact fhir.Value) bool {
	for r := range contact.Get("relationship").Items() {
		if fhir.CodeOf(r, roleCodes) == "ONESELF" || fhir.CodeOf(r, "urn:oid:"+oidRelation) == relateSelf {
			return true
		}
	}
	return false
}

// patientTelecoms writes the patient's own numbers, then those that stand in the
// patient's own contact alone. The one to call first is marked as 111 marks it
// (EC), unless it comes first anyway; a number that has a use is given a second
// time, as 111 senders do.
func (w *documentWriter) patientTelecoms() []*xmlElement {
	contact, call := w.firstContact()
	var all []fhir.Value
	for t := range w.patient.Get("telecom").Items() {
		all = append(all, t)
	}
	if isSelf(contact) {
		for t := range contact.Get("telecom").Items() {
			if !hasTelecom(w.patient.Get("telecom"), t) {
				all = append(all, t)
			}
		}
	}
	mark := isSelf(contact) && !sameTelecom(firstPhone(all), call)
	var out []*xmlElement
	for _, t := range all {
		emergency := mark && sameTelecom(t, call) && t.Get("use").Text() == ""
		if emergency {
			mark = false
		}
		out = append(out, telecomElement(t, emergency))
	}
	if mark {
		out = append(out, telecomElement(call, true))
	}
	return out
}

// firstPhone is the first phone, else the first telecom.
func firstPhone(all []fhir.Value) fhir.Value {
	for _, t := range all {
		if t.Get("system").Text() == "phone" {
			return t
		}
	}
	if len(all) > 0 {
		return all[0]
	}
	return fhir.Value{}
}

func sameTelecom(a, b fhir.Value) bool {
	return a.Get("system").Text() == b.Get("system").Text() && a.Get("value").Text() == b.Get("value").Text()
}

func hasTelecom(telecoms, t fhir.Value) bool {
	for have := range telecoms.Items() {
		if sameTelecom(have, t) {
			return true
		}
	}
	return false
}

// taking yields those who take part in the encounter in one way.
func (w *documentWriter) taking(code string) iter.Seq[fhir.Value] {
	return func(yield func(fhir.Value) bool) {
		for p := range w.encounter.Get("participant").Items() {
			for kind := range p.Get("type").Items() {
				if who := w.follow(p.Get("individual")); fhir.CodeOf(kind, participationSystem) == code && who.Exists() {
					if !yield(who) {
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
	author := func(who fhir.Value) {
		at111 := timeElement("time", orElse(w.request.Get("authoredOn").Text(), w.effective()))
		out = append(out, el("author", at("typeCode", "AUT", "contextControlCode", "OP"), contentID("COCD_TP145200GB01#AssignedAuthor"),
			el("functionCode", at("code", "OA", "codeSystem", "2.16.840.1.113883.2.1.3.2.4.17.178", "displayName", "Originating Author")),
			at111, w.person("assignedAuthor", who, "COCD_TP145200GB01#AssignedAuthor")))
	}
	for who := range w.taking("PPRF") {
		author(who)
	}
	if len(out) == 0 {
		author(w.requester())
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
	if title := nameElement(human.Get("name").At(0)); title != nil {
		e.add(el("assignedPerson", at("classCode", "PSN", "determinerCode", "INSTANCE"), title))
	}
	if organisation.Exists() {
		e.add(w.organisation("representedOrganization", organisation))
	}
	return e
}

func (w *documentWriter) organisation(name string, o fhir.Value) *xmlElement {
	ids, _ := organisationIDs(o.Get("identifier"))
	e := el(name, at("classCode", "ORG", "determinerCode", "INSTANCE")).add(ids...).add(textEl("name", o.Get("name").Text()))
	e.add(telecomElements(o.Get("telecom"))...)
	e.add(addressElements(o.Get("address"))...)
	return e.add(codeElement("standardIndustryClassCode", o.Get("type").At(0)))
}

// informants are the staff and the people who spoke for the patient, and the
// contacts whom no one else of the message stands for.
func (w *documentWriter) informants() []*xmlElement {
	contact, call := w.firstContact()
	var out []*xmlElement
	related := func(e *xmlElement, person fhir.Value) {
		out = append(out, el("informant", at("typeCode", "INF", "contextControlCode", "OP"), contentID("COCD_TP145007UK05#RelatedEntity"), e))
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
			continue
		}
		seen = append(seen, who)
		related(relatedEntity(who.Get("relationship").At(0), who.Get("name").At(0), who.Get("telecom"), addressElements(who.Get("address"))), who)
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
			related(relatedEntity(c.Get("relationship").At(0), c.Get("name"), c.Get("telecom"), home), c)
		}
	}
	return out
}

func relatedEntity(relationship, name, telecoms fhir.Value, addresses []*xmlElement) *xmlElement {
	e := el("relatedEntity", at("classCode", "PRS"), templateID("COCD_TP145007UK05#RelatedEntity"), codeElement("code", relationship))
	e.add(addresses...).add(telecomElements(telecoms)...)
	if title := nameElement(name); title != nil {
		e.add(el("relatedPerson", at("classCode", "PSN", "determinerCode", "INSTANCE"), title))
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
