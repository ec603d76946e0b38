package nhs111

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// wordedKinds are the resources that the templates of a 111 report have no entry
// for: each is a line in the section of its kind, but for those that stand
// elsewhere in the report (standsElsewhere).
var wordedKinds = []struct{ typ, title string }{
	{"Observation", "Observations"},
	{"Condition", "Conditions"},
	{"AllergyIntolerance", "Allergies and intolerances"},
	{"MedicationStatement", "Medication"},
	{"Procedure", "Procedures"},
	{"Communication", "Communications"},
	{"RelatedPerson", "Related people"},
	{"Task", "Tasks"},
	{"Device", "Devices"},
}

const (
	contactsTitle = "Old and temporary numbers"

	// Bounds of what one section says in words: lines, and characters of a line.
	maxWordLines = 200
	maxWordLine  = 4000
	cutOff       = " [cut off]"
	leftOut      = " more are left out of this report"
)

// wordSections are the sections of what has only words in CDA.
func (w *documentWriter) wordSections() []*xmlElement {
	var out []*xmlElement
	w.inWords(func(title string, lines []string) {
		out = append(out, w.section(title, strings.Join(lines, "\n"), "", nil))
	})
	return out
}

// inWords goes through the kinds of what has only words.
func (w *documentWriter) inWords(each func(title string, lines []string)) {
	add := func(title string, lines []string) {
		if len(lines) > 0 {
			each(title, lines)
		}
	}
	for _, kind := range wordedKinds {
		var lines []string
		for _, r := range w.all(kind.typ) {
			if !w.standsElsewhere(kind.typ, r) {
				lines = append(lines, w.line(r))
			}
		}
		add(kind.title, bounded(lines))
	}
	add(contactsTitle, bounded(w.oldContacts()))
}

func bounded(lines []string) []string {
	if more := len(lines) - maxWordLines; more > 0 {
		lines = append(lines[:maxWordLines:maxWordLines], strconv.Itoa(more)+leftOut)
	}
	for i, line := range lines {
		if utf8.RuneCountInString(line) > maxWordLine {
			lines[i] = string([]rune(line)[:maxWordLine]) + cutOff
		}
	}
	return lines
}

// standsElsewhere says whether a report has a place for all that a resource says:
// the reported condition, discriminators, those who spoke for the patient and
// guardians.
func (w *documentWriter) standsElsewhere(typ string, r fhir.Value) bool {
	switch typ {
	case "Observation":
		return fhir.CodeOf(r.Get("code"), nhs.SystemSNOMED) == reportedCondition && r.Get("valueString").Text() == w.complaint() &&
			onlyHas(r, "status code effectiveDateTime valueString") && r.Get("status").Text() == "final"
	case "Condition":
		return w.isDiscriminator(r)
	case "RelatedPerson":
		if isGuardian(r) {
			return onlyHas(r, "identifier active patient relationship name telecom address period")
		}
		for who := range w.taking("INF") {
			if who == r {
				return onlyHas(r, "active patient relationship name telecom address period") && r.Get("relationship").Len() <= 1
			}
		}
	}
	return false
}

// isDiscriminator says whether a condition is what reading its codes and the
// reported condition makes again.
func (w *documentWriter) isDiscriminator(r fhir.Value) bool {
	state := fhir.CodeOf(r.Get("clinicalStatus"), "http://terminology.hl7.org/CodeSystem/condition-clinical")
	sure := fhir.CodeOf(r.Get("verificationStatus"), "http://terminology.hl7.org/CodeSystem/condition-ver-status")
	text := r.Dig("code", "text").Text()
	if !onlyHas(r, "clinicalStatus verificationStatus category code recordedDate") || state != "" && state != "active" || sure != "" && sure != "provisional" {
		return false
	}
	if recorded := r.Get("recordedDate").Text(); recorded != "" && hl7Value(recorded) != hl7Value(w.effective()) {
		return false
	}
	for coding := range r.Dig("code", "coding").Items() {
		if codingElement("value", coding) == nil && (coding.Get("code").Exists() || coding.Get("display").Text() == "") {
			return false
		}
	}
	return text == "" || text == w.complaint()
}

// everywhere are the members that say nothing of their own in a message of one
// patient.
var everywhere = names("resourceType id meta implicitRules language text subject patient encounter context contained")

// onlyHas says whether a resource has none but these members.
func onlyHas(r fhir.Value, members string) bool {
	known := strings.Fields(members)
	for name := range r.Members() {
		if !everywhere[name] && !slices.Contains(known, name) {
			return false
		}
	}
	return true
}

// The members that stand first in a line, in this order: when, what, how much,
// and how it stands.
var firstMembers = []string{"effective", "performed", "onset", "sent", "authoredOn", "recordedDate", "dateAsserted",
	"code", "medication", "name", "value", "status", "clinicalStatus"}

// line says a resource in words.
func (w *documentWriter) line(r fhir.Value) string {
	speech := speaker{w: w, contained: r.Get("contained"), left: maxWordCount}
	rank := func(name string) int { return slices.Index(firstMembers, baseName(name)) }
	type said struct {
		rank int
		text string
	}
	var first []said
	var rest []string
	for name, value := range r.Members() {
		if everywhere[name] || name == "identifier" {
			continue
		}
		words := speech.words(value, 0)
		switch at := rank(name); {
		case words == "":
		case baseName(name) == "status", baseName(name) == "clinicalStatus":
			first = append(first, said{at, "(" + words + ")"})
		case at >= 0:
			first = append(first, said{at, words})
		default:
			rest = append(rest, label(name)+": "+words)
		}
	}
	slices.SortStableFunc(first, func(a, b said) int { return a.rank - b.rank })
	var head []string
	for _, s := range first {
		head = append(head, s.text)
	}
	line := strings.Join(head, " ")
	if len(rest) > 0 {
		line = strings.TrimPrefix(line+"; ", "; ") + strings.Join(rest, "; ")
	}
	return orElse(line, r.Get("resourceType").Text()+" without content")
}

// telecomPaths are where a report writes numbers from.
var telecomPaths = map[string][]string{"Patient": {"telecom", "contact.telecom"}, "Practitioner": {"telecom"}, "Organization": {"telecom"},
	"RelatedPerson": {"telecom"}}

// passingAt are the old and temporary numbers at a path of a resource.
func passingAt(r fhir.Value, path string) []fhir.Value {
	holders := []fhir.Value{r}
	if inner, found := strings.CutSuffix(path, ".telecom"); found {
		holders = slices.Collect(r.Get(inner).Items())
	}
	var out []fhir.Value
	for _, holder := range holders {
		for t := range holder.Get("telecom").Items() {
			if use := t.Get("use").Text(); use == "old" || use == "temp" {
				out = append(out, t)
			}
		}
	}
	return out
}

// oldContacts says which numbers are old, which aren't given as numbers to call,
// and which are temporary: the schema's uses of a telecom can't.
func (w *documentWriter) oldContacts() []string {
	var lines []string
	for _, r := range w.resources {
		typ := r.Get("resourceType").Text()
		for _, path := range telecomPaths[typ] {
			for _, t := range passingAt(r, path) {
				if value := oneLine(t.Get("value").Text()); value != "" {
					lines = append(lines, t.Get("use").Text()+", "+label(typ)+": "+value)
				}
			}
		}
	}
	return lines
}
