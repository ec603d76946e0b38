package nhs111

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

// writtenTypes are the types that writeDocument reads; what it leaves out of them
// is in NotWritten.
var writtenTypes = []string{"MessageHeader", "ServiceRequest", "Patient", "Encounter", "CarePlan", "Consent", "Condition", "Observation",
	"Organization", "Practitioner", "PractitionerRole", "RelatedPerson", "HealthcareService", "Location", "Flag", "Questionnaire",
	"QuestionnaireResponse"}

// notWrittenOf lists what of one message its document has no place for, or only
// in words, by FHIR path and never by value.
func notWrittenOf(message *fhir.Resource, document string) []fhir.Issue {
	var out []fhir.Issue
	add := func(path, why string) {
		if !slices.ContainsFunc(out, func(i fhir.Issue) bool { return i.Expression == path }) {
			out = append(out, fhir.Issue{Expression: path, Diagnostics: why})
		}
	}
	for _, o := range NotWritten {
		typ, rest, _ := strings.Cut(o.Path, ".")
		if typ == "Bundle" && hasPath(message.Root(), rest) {
			add(o.Path, o.Why)
		}
		for entry := range message.Get("entry").Items() {
			if r := entry.Get("resource"); r.Get("resourceType").Text() == typ && hasPath(r, rest) {
				add(o.Path, o.Why)
			}
		}
	}
	for entry := range message.Get("entry").Items() {
		r := entry.Get("resource")
		typ := r.Get("resourceType").Text()
		switch {
		case !slices.Contains(writtenTypes, typ):
			add(typ, "a report has no place for it")
		case typ == "Observation" && fhir.CodeOf(r.Get("code"), nhs.SystemSNOMED) != reportedCondition:
			add(typ, "only the reported condition is written")
		case typ == "Condition":
			for _, path := range unsaid(r, document) {
				add(typ+"."+path, "a report has the reported condition and the codes that have an OID")
			}
		}
	}
	return out
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

// unsaid are the paths of a condition's codes and words that the document doesn't
// have.
func unsaid(r fhir.Value, document string) []string {
	var out []string
	var walk func(v fhir.Value, path string)
	walk = func(v fhir.Value, path string) {
		switch v.Kind() {
		case fhir.ArrayKind:
			for item := range v.Items() {
				walk(item, path)
			}
		case fhir.ObjectKind:
			for name, member := range v.Members() {
				switch name {
				case "system", "reference", "userSelected", "version", "extension":
				default:
					walk(member, path+"."+name)
				}
			}
		default:
			said := v.Text()
			if said == "" {
				said = string(v.Raw())
			}
			for line := range strings.SplitSeq(said, "\n") { // sections are written line by line
				if !strings.Contains(document, xmltree.EscapeText(line)) && !strings.Contains(document, xmltree.EscapeAttr(line)) {
					out = append(out, path)
					return
				}
			}
		}
	}
	for name, member := range r.Members() {
		if name == "code" || name == "note" || name == "bodySite" || name == "severity" {
			walk(member, name)
		}
	}
	return out
}
