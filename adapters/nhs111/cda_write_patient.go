package nhs111

import (
	"slices"

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
	human.add(nameElements(p.Get("name"), "official")...)
	human.add(el("administrativeGenderCode", at("code", genderCode(p.Get("gender").Text()), "codeSystem", oidGender)))
	human.add(timeElement("birthTime", p.Get("birthDate").Text()))
	human.add(codeElement("maritalStatusCode", p.Get("maritalStatus")),
		codeElement("religiousAffiliationCode", extension(p, extReligion).Get("valueCodeableConcept")),
		codeElement("ethnicGroupCode", extension(p, extEthnic).Get("valueCodeableConcept")))
	human.add(w.guardians()...)
	if born := addressElement(extension(p, extBirthPlace).Get("valueAddress")); born != nil {
		human.add(el("birthplace", at("classCode", "BIRTHPL"), el("place", at("classCode", "PLC", "determinerCode", "INSTANCE"), born)))
	}
	for spoken := range p.Get("communication").Items() {
		code := spoken.Dig("language", "coding").At(0).Get("code").Text()
		if code == "" {
			continue // the type CS is a code alone
		}
		e := el("languageCommunication", nil, el("languageCode", at("code", code)))
		for _, part := range [][2]string{{"type", "modeCode"}, {"level", "proficiencyLevelCode"}} {
			coding := extension(extension(spoken, extProficiency), part[0]).Get("valueCoding")
			if level := codingElement(part[1], coding); level != nil {
				e.add(level)
			} else if words := coding.Get("display").Text(); words != "" {
				e.add(wordsElement(part[1], words))
			}
		}
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

// extension is the one of a name.
func extension(of fhir.Value, url string) fhir.Value {
	for ext := range of.Get("extension").Items() {
		if ext.Get("url").Text() == url {
			return ext
		}
	}
	return fhir.Value{}
}

// guardians are the related persons that are said to be (v3-RoleCode GUARD).
func (w *documentWriter) guardians() []*xmlElement {
	var out []*xmlElement
	for _, who := range w.all("RelatedPerson") {
		if !isGuardian(who) {
			continue
		}
		e := el("guardian", at("classCode", "GUARD")).add(idElements(who.Get("identifier"), false)...)
		for kind := range who.Get("relationship").Items() {
			if fhir.CodeOf(kind, roleCodes) != "GUARD" {
				e.add(codeElement("code", kind))
				break // the schema takes one
			}
		}
		e.add(addressElements(who.Get("address"))...).add(telecomElements(who.Get("telecom"))...)
		_, call := w.firstContact()
		if hasTelecom(who.Get("telecom"), call) {
			w.markCall(e, call)
		}
		out = append(out, e.add(el("guardianPerson", at("classCode", "PSN", "determinerCode", "INSTANCE")).add(nameElements(who.Get("name"), "")...)))
	}
	return out
}

func isGuardian(who fhir.Value) bool {
	for kind := range who.Get("relationship").Items() {
		if fhir.CodeOf(kind, roleCodes) == "GUARD" {
			return true
		}
	}
	return false
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
	own := map[[2]string]bool{}
	key := func(t fhir.Value) [2]string { return [2]string{t.Get("system").Text(), t.Get("value").Text()} }
	for t := range w.patient.Get("telecom").Items() {
		all = append(all, t)
		own[key(t)] = true
	}
	if isSelf(contact) {
		for t := range contact.Get("telecom").Items() {
			if !own[key(t)] {
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
	all = slices.DeleteFunc(slices.Clone(all), func(t fhir.Value) bool { return t.Get("use").Text() == "old" })
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
