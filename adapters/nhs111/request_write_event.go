package nhs111

import (
	"slices"

	"github.com/onward-health/onward/fhir"
)

// encounterTitle is what reading calls the text of the encounter.
const encounterTitle = "Encounter"

// encounterEvent is the call: its ids and times, who told of it, where, and the
// patient.
func (w *documentWriter) encounterEvent() *xmlElement {
	from := w.componentOf().child("encompassingEncounter")
	e := el("pertinentEncounterEvent", at("classCode", "ENC", "moodCode", "EVN"), from.child("effectiveTime")).add(from.all("id")...)
	e.needs("id")
	for who := range w.taking("ATND") {
		w.tellPart("Encounter.participant", "Responsible", who)
		break // the others are told as participants
	}
	if kind := w.encounter.Get("type").At(1); kind.Exists() {
		w.tell("Encounter.type", "Kind of encounter: "+conceptInWords(kind))
	}
	return e.add(w.requestInformant(), w.requestPlace(), w.requestPatient())
}

// requestInformant is the first who spoke for the patient; the others, and the
// patient's contacts, are said in words.
func (w *documentWriter) requestInformant() *xmlElement {
	all, whos := w.informantsOf()
	first := max(0, slices.IndexFunc(all, func(e *xmlElement) bool { return e.child("relatedEntity") != nil }))
	var out *xmlElement
	for i, informant := range all {
		who := whos[i]
		if i == first {
			out = informant
			if w.fitInformant(informant) {
				continue
			}
		}
		if who.Get("resourceType").Exists() {
			w.tellPart("Encounter.participant", "Informant", who)
			w.miss("Patient.contact", "in words, where it has no place")
		} else {
			speech := speaker{w: w, left: maxWordCount}
			w.tell("Patient.contact", "Contact: "+speech.words(who, 0))
		}
	}
	return out
}

func (w *documentWriter) fitInformant(informant *xmlElement) (whole bool) {
	if staff := informant.child("assignedEntity"); staff != nil {
		return w.fitPerson(staff, "COCD_TP145210GB01", "AssignedEntity")
	}
	const template = "COCD_TP145007UK03"
	related := informant.child("relatedEntity")
	informant.children[0] = contentID(template + "#RelatedEntity")
	if human := related.child("relatedPerson"); human != nil {
		human.name = "relationshipHolder"
		human.needs("name")
		human.add(ofTemplate(template, human.name))
		whole = human.inOrder("name templateId")
	} else {
		whole = true
	}
	related.needs("code")
	if related.child("code").attr("nullFlavor") == "OTH" {
		w.miss("Patient.contact.relationship", "a code without OID is in words")
		w.miss("RelatedPerson.relationship", "a code without OID is in words")
	}
	w.bare(related.child("code"), "Patient.contact.relationship")
	// Of the numbers the one to call first is written.
	slices.SortStableFunc(related.children, func(a, b *xmlElement) int {
		if a.name != "telecom" || b.name != "telecom" {
			return 0
		}
		return rankOfCall(a) - rankOfCall(b)
	})
	numbers := map[string]bool{}
	for _, t := range related.all("telecom") {
		numbers[t.attr("value")] = true
	}
	related.only("telecom", 1, func(*xmlElement) bool { return true })
	return related.classed(template, "RelatedEntity", "addr code telecom templateId relationshipHolder") && whole && len(numbers) <= 1
}

func rankOfCall(telecom *xmlElement) int {
	if telecom.attr("use") == "EC" {
		return 0
	}
	return 1
}

// requestPlace is where the patient is. A request has to have one.
func (w *documentWriter) requestPlace() *xmlElement {
	const template = "COCD_TP145222GB02"
	e := w.incident()
	if e == nil {
		e = el("location", at("typeCode", "LOC"), contentID(template+"#HealthCareFacility"), el("healthCareFacility", at("classCode", "ISDLOC"), unknownID()))
	}
	facility := e.child("healthCareFacility")
	if kind := facility.child("code"); kind != nil {
		w.tell("Location.type", "Kind of place: "+kind.attr("displayName"))
	}
	if keeper := facility.child("serviceProviderOrganization"); keeper != nil {
		for _, place := range w.all("Location") {
			w.say(w.follow(place.Get("managingOrganization")))
		}
		w.miss("Location.managingOrganization", "in words")
	}
	place := facility.child("location")
	if place == nil {
		place = el("location", at("classCode", "PLC", "determinerCode", "INSTANCE"))
		facility.add(place)
	}
	place.needs("addr", "name")
	place.add(ofTemplate(template, "location"))
	place.inOrder("addr name templateId")
	if !facility.only("id", 3, hasOID) {
		for _, l := range w.all("Location") {
			w.members(l, "identifier")
		}
	}
	facility.needs("id")
	for _, id := range facility.all("id") {
		if given := id.attr("assigningAuthorityName"); given != "" {
			w.tell("Location.identifier.assigner", "Identifier of the place "+id.attr("extension")+": "+given)
		}
		id.drop("assigningAuthorityName")
	}
	facility.classed(template, "HealthCareFacility", "id* templateId location")
	return e
}

// requestPatient is the patient.
func (w *documentWriter) requestPatient() *xmlElement {
	const template = "COCD_TP145201GB01"
	e := w.recordTarget()
	role := e.child("patientRole")
	human := role.child("patient")
	human.name = "patientPatient"
	w.members(w.patient, "maritalStatus", "extension")
	for _, who := range w.all("RelatedPerson") {
		if isGuardian(who) {
			w.say(who)
			w.miss("Patient.contact", "in words, where it has no place")
		}
	}
	human.needs("birthTime", "name")
	for _, spoken := range human.all("languageCommunication") {
		spoken.add(ofTemplate(template, "languageCommunication"))
		for _, name := range []string{"modeCode", "proficiencyLevelCode"} {
			if !spoken.only(name, 1, func(c *xmlElement) bool {
				return c.attr("code") != "" && c.attr("codeSystem") != "" && c.attr("displayName") != "" && plain(c)
			}) {
				w.members(w.patient, "communication")
			}
		}
		spoken.inOrder("languageCode modeCode preferenceInd proficiencyLevelCode templateId")
	}
	human.add(ofTemplate(template, "patientPatient"))
	human.inOrder("administrativeGenderCode birthTime name* templateId languageCommunication*")
	if !role.only("id", maxSiblings, func(id *xmlElement) bool { return oidForm.MatchString(id.attr("root")) && id.attr("extension") != "" }) {
		w.members(w.patient, "identifier")
	}
	if len(role.all("id")) == 0 { // a request has to have one: it is ours, of this request only
		role.add(el("id", at("root", oidLocalPerson, "extension", w.Set)))
	}
	if !role.only("addr", 4, func(*xmlElement) bool { return true }) {
		w.members(w.patient, "address")
	}
	if practice := role.child("providerOrganization"); practice != nil {
		practice.needs("standardIndustryClassCode")
		w.bare(practice.child("standardIndustryClassCode"), "Organization.type")
		if !fitOrganisation(practice, template, "addr id name standardIndustryClassCode telecom* templateId") {
			w.say(w.follow(w.patient.Get("generalPractitioner").At(0)))
		}
	}
	role.classed(template, "PatientRole", "addr* id* telecom* templateId patientPatient providerOrganization")
	return e
}

// confidential says that a request is confidential: it has no code for it.
func (w *documentWriter) confidential() string {
	if code := w.confidentiality().attr("code"); code != "N" {
		w.miss("ServiceRequest.meta.security", "in words")
		return map[string]string{"R": "Confidentiality: restricted", "V": "Confidentiality: very restricted"}[code]
	}
	return ""
}

// consentInWords says the consent's own codes and identifiers.
func (w *documentWriter) consentInWords() {
	for _, consent := range w.all("Consent") {
		for category := range consent.Get("category").Items() {
			if fhir.CodeOf(category, codeSystemBase+"consent-categories-bars") == "" {
				w.tell("Consent.category", "Consent: "+conceptInWords(category))
			}
		}
		w.members(consent, "identifier")
	}
}

// bookedInWords says the appointment.
func (w *documentWriter) bookedInWords() {
	for info := range w.request.Get("supportingInfo").Items() {
		display := info.Get("display").Text()
		if info.Get("type").Text() == "Appointment" {
			speech := speaker{w: w, left: maxWordCount}
			w.tell("ServiceRequest.supportingInfo", orElse(display, "Appointment")+" "+speech.words(info.Get("identifier"), 0)+" "+info.Get("reference").Text())
		}
		if display == placeOfAppointment {
			w.tellPart("ServiceRequest.supportingInfo", display, w.follow(info))
		}
	}
}

// unusual notes what a request says of itself otherwise than the referral.
func (w *documentWriter) unusual() {
	for _, u := range []struct {
		r           fhir.Value
		path, usual string
	}{{w.plan, "status", "completed"}, {w.encounter, "status", "finished"}} {
		if said := u.r.Get(u.path).Text(); said != "" && said != u.usual {
			typ := u.r.Get("resourceType").Text()
			w.tell(typ+"."+u.path, label(typ)+" "+u.path+": "+said)
		}
	}
	if w.useCase() != useCaseUEC {
		w.miss("ServiceRequest.category", "a request has no use case")
	}
	for _, response := range w.all("QuestionnaireResponse") {
		if e := w.user(response.Get("author")); e != nil {
			w.say(w.follow(response.Get("author")))
		}
	}
}
