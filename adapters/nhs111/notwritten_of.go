package nhs111

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/onward-health/onward/fhir"
)

// writtenTypes are the types that writeDocument reads; what it leaves out of them
// is in NotWritten.
var writtenTypes = []string{"MessageHeader", "ServiceRequest", "Patient", "Encounter", "CarePlan", "Consent", "Condition", "Observation",
	"Organization", "Practitioner", "PractitionerRole", "RelatedPerson", "HealthcareService", "Location", "Flag", "Questionnaire",
	"QuestionnaireResponse", "AllergyIntolerance", "MedicationStatement", "Procedure", "Communication", "Task", "Device"}

// notWrittenOf lists what of one message its document has no place for, or only
// in words, by FHIR path and never by value.
func notWrittenOf(message *fhir.Resource, document string) []fhir.Issue {
	var out []fhir.Issue
	add := func(path, why string) {
		if !slices.ContainsFunc(out, func(i fhir.Issue) bool { return i.Expression == path }) {
			out = append(out, fhir.Issue{Expression: path, Diagnostics: why})
		}
	}
	w := newWriter(message)
	for _, o := range NotWritten {
		typ, rest, _ := strings.Cut(o.Path, ".")
		if typ == "Bundle" && hasPath(message.Root(), rest) {
			add(o.Path, o.Why)
		}
		for _, r := range w.all(typ) {
			if w.lacks(typ, rest, r) {
				add(o.Path, o.Why)
			}
		}
	}
	for _, r := range w.resources {
		if typ := r.Get("resourceType").Text(); !slices.Contains(writtenTypes, typ) {
			add(typ, "a report has no place for it")
		}
	}
	if w.isRequest() {
		w.missing()
	} else {
		w.unplaced()
	}
	for _, missed := range w.missed {
		add(missed.Expression, missed.Diagnostics)
	}
	for _, mark := range []string{leftOut, cutOff} {
		if strings.Contains(document, mark+"</content>") || strings.Contains(document, mark+"\n") || strings.Contains(document, mark+"</text>") {
			add("Bundle.entry", "a section in words is longer than a report holds: it says where it was cut")
			break
		}
	}
	return out
}

// missing notes what an ambulance request has no place for beside NotWritten.
func (w *documentWriter) missing() {
	w.documentOptions = documentOptions{Set: uuid.Nil.String(), NewID: uuid.Nil.String}
	w.root()
	for _, o := range notInRequests {
		typ, rest, _ := strings.Cut(o.Path, ".")
		for _, r := range w.all(typ) {
			if hasPath(r, rest) {
				w.miss(o.Path, o.Why)
			}
		}
	}
}

// lacks says whether an entry of NotWritten is true of a resource.
func (w *documentWriter) lacks(typ, path string, r fhir.Value) bool {
	switch {
	case path == "":
		return !w.standsElsewhere(typ, r)
	case typ == "Location" && path == "extension":
		return hasPath(r, path) && len(w.besideGrid(r)) > 0
	case slices.Contains(telecomPaths[typ], path):
		return len(passingAt(r, path)) > 0
	}
	return hasPath(r, path)
}

// hasPath says whether a value has a member, through all items of lists.
func hasPath(v fhir.Value, path string) bool {
	if path == "" {
		return v.Exists()
	}
	if v.Kind() == fhir.ArrayKind {
		for item := range v.Items() {
			if hasPath(item, path) {
				return true
			}
		}
		return false
	}
	name, rest, _ := strings.Cut(path, ".")
	return v.Get(name).Exists() && hasPath(v.Get(name), rest)
}

// reportedCondition is the SNOMED CT code of what the patient said.
const reportedCondition = "33962009"
