package nhs111

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// placedMembers are the members of each type that are written, or that NotWritten
// names. Any other that a message has is said in words.
var placedMembers = map[string]map[string]bool{
	"ServiceRequest": names("extension identifier basedOn replaces status intent category priority occurrencePeriod authoredOn requester performer " +
		"locationReference reasonReference supportingInfo patientInstruction"),
	"CarePlan":          names("identifier status intent title period author addresses supportingInfo activity"),
	"Encounter":         names("identifier status statusHistory class type episodeOfCare participant period location serviceProvider"),
	"Patient":           names("extension identifier active name telecom gender birthDate address maritalStatus contact communication generalPractitioner"),
	"Consent":           names("identifier status scope category dateTime organization policyRule provision sourceReference performer"),
	"Location":          names("extension identifier status name description type address position managingOrganization"),
	"Practitioner":      names("identifier active name telecom address qualification"),
	"PractitionerRole":  names("identifier active practitioner organization code"),
	"Organization":      names("identifier active type name alias telecom address partOf"),
	"HealthcareService": names("identifier active providedBy name"),
}

// unplaced says the members that have no place: a note on the referral, say.
func (w *documentWriter) unplaced() {
	for _, r := range w.resources {
		placed := placedMembers[r.Get("resourceType").Text()]
		if placed == nil {
			continue
		}
		for name := range r.Members() {
			if !placed[name] && !everywhere[name] {
				w.members(r, name)
			}
		}
	}
}

const furtherTitle = "Further details"

// miss notes a path of the referral that the request has no place for.
func (w *documentWriter) miss(path, why string) {
	if !slices.ContainsFunc(w.missed, func(i fhir.Issue) bool { return i.Expression == path }) {
		w.missed = append(w.missed, fhir.Issue{Expression: path, Diagnostics: why})
	}
}

// tell says in words what of the referral at this path has no place.
func (w *documentWriter) tell(path, words string) {
	if words = oneLine(words); words != "" && !w.toldOnce[words] {
		w.told, w.toldOnce[words] = append(w.told, words), true
	}
	w.miss(path, "in words, where it has no place")
}

// say says a resource once, and the person whose role it is.
func (w *documentWriter) say(r fhir.Value) {
	if !r.Exists() || w.said[r] {
		return
	}
	w.said[r] = true
	typ := r.Get("resourceType").Text()
	w.tell(typ, label(typ)+": "+w.line(r))
	if human := w.follow(r.Get("practitioner")); human.Exists() {
		w.say(human)
	}
}

// tellPart says somebody who took part, and what is known of the person.
func (w *documentWriter) tellPart(path, part string, who fhir.Value) {
	if !who.Exists() {
		w.tell(path, part)
		return
	}
	w.tell(path, part+": "+w.line(who))
	w.miss(who.Get("resourceType").Text(), "in words, where it has no place")
	w.say(w.follow(who.Get("practitioner")))
}

// members says some members of a resource.
func (w *documentWriter) members(r fhir.Value, names ...string) {
	speech := speaker{w: w, contained: r.Get("contained"), left: maxWordCount}
	typ := r.Get("resourceType").Text()
	for _, name := range names {
		if words := speech.words(r.Get(name), 0); words != "" {
			w.tell(typ+"."+name, label(typ)+" "+label(name)+": "+words)
		}
	}
}

// further are the lines of all that was left over.
func (w *documentWriter) further() string { return strings.Join(bounded(w.told), "\n") }
