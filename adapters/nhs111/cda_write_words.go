package nhs111

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
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
	add := func(title string, lines []string) {
		if len(lines) > 0 {
			out = append(out, w.section(title, strings.Join(lines, "\n"), "", nil))
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
	return out
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

// choices are the types that the name of a choice element ends with.
var choices = []string{"CodeableConcept", "Reference", "DateTime", "Period", "Quantity", "String", "Boolean", "Integer", "Range", "Ratio",
	"Age", "Timing", "SampledData", "Time", "Instant", "Url", "Annotation", "Attachment"}

// baseName is the name of a choice element without its type.
func baseName(name string) string {
	for _, typ := range choices {
		if base, found := strings.CutSuffix(name, typ); found && base != "" {
			return base
		}
	}
	return name
}

// label writes the name of an element as words: bodySite is "body site".
func label(name string) string {
	var b strings.Builder
	for _, c := range baseName(name) {
		if unicode.IsUpper(c) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return strings.TrimSpace(b.String())
}

// speaker says FHIR values in words.
type speaker struct {
	w         *documentWriter
	contained fhir.Value
	left      int // values that it may still say: references may lead round and round
}

// Bounds of what is said of one resource: how deep a value is followed, how many
// values, and characters of what a reference leads to.
const (
	maxWordDepth = 8
	maxWordCount = 2000
	maxNameSaid  = 300
)

// words says a value: data types as people write them, other structures as label
// and value. "" for what says nothing.
func (s *speaker) words(v fhir.Value, depth int) string {
	if s.left--; depth > maxWordDepth || s.left < 0 {
		return ""
	}
	switch v.Kind() {
	case fhir.ArrayKind:
		var all []string
		for item := range v.Items() {
			if said := s.words(item, depth+1); said != "" {
				all = append(all, said)
			}
		}
		return strings.Join(all, ", ")
	case fhir.ObjectKind:
		return s.structure(v, depth)
	}
	return oneLine(orElse(v.Text(), string(v.Raw())))
}

func (s *speaker) structure(v fhir.Value, depth int) string {
	has := func(name string) bool { return v.Get(name).Exists() }
	switch {
	case has("reference"):
		return s.named(v, depth)
	case has("coding"):
		return conceptInWords(v)
	case has("contentType"), has("data"): // Attachment
		return oneLine(orElse(v.Get("title").Text(), "attachment "+v.Get("contentType").Text()))
	case has("url") && (has("extension") || strings.Contains(v.Get("url").Text(), "/")): // Extension
		return s.extension(v, depth)
	case has("value") && (has("unit") || has("comparator") || has("code")): // Quantity
		unit := orElse(v.Get("unit").Text(), v.Get("code").Text())
		return oneLine(v.Get("comparator").Text() + string(v.Get("value").Raw()) + " " + unit)
	case has("value") && has("system"): // ContactPoint, Identifier
		return oneLine(v.Get("value").Text() + " " + v.Get("use").Text())
	case has("code") && has("system"): // Coding
		return oneLine(orElse(v.Get("display").Text(), v.Get("code").Text()))
	case has("family"), has("given"): // HumanName
		return s.only(v, "prefix given family suffix", " ", depth)
	case has("line"), has("postalCode"): // Address
		return s.only(v, "line city district postalCode country", ", ", depth)
	case has("start") && has("end"): // Period
		return s.words(v.Get("start"), depth+1) + " to " + s.words(v.Get("end"), depth+1)
	}
	var parts []string
	for name, member := range v.Members() {
		switch said := s.words(member, depth+1); {
		case said == "", name == "id", name == "resourceType", name == "meta":
		case name == "text", name == "extension", name == "coding":
			parts = append(parts, said)
		default:
			parts = append(parts, label(name)+" "+said)
		}
	}
	return strings.Join(parts, ", ")
}

// only says some members of a value.
func (s *speaker) only(v fhir.Value, members, between string, depth int) string {
	var parts []string
	for name := range strings.FieldsSeq(members) {
		if said := s.words(v.Get(name), depth+1); said != "" {
			parts = append(parts, said)
		}
	}
	return strings.Join(parts, between)
}

// extension says an extension by the last part of its name.
func (s *speaker) extension(v fhir.Value, depth int) string {
	url := v.Get("url").Text()
	var parts []string
	for name, member := range v.Members() {
		if said := s.words(member, depth+1); said != "" && name != "url" && name != "id" {
			parts = append(parts, said)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return oneLine(url[strings.LastIndex(url, "/")+1:]) + ": " + strings.Join(parts, ", ")
}

// named says what a reference leads to, by its name or code; what says nothing of
// itself is left out.
func (s *speaker) named(reference fhir.Value, depth int) string {
	if display := reference.Get("display").Text(); display != "" {
		return oneLine(display)
	}
	to := s.w.follow(reference)
	if local, found := strings.CutPrefix(reference.Get("reference").Text(), "#"); found {
		for item := range s.contained.Items() {
			if item.Get("id").Text() == local {
				to = item
			}
		}
	}
	if who := s.w.follow(to.Get("practitioner")); who.Exists() {
		to = who
	}
	for _, member := range []string{"code", "name", "deviceName", "description", "type"} {
		if said := s.words(to.Get(member), depth+1); said != "" && to != s.w.patient {
			return string([]rune(said)[:min(maxNameSaid, utf8.RuneCountInString(said))])
		}
	}
	return ""
}

// conceptInWords says a CodeableConcept: its words, those of its codings that
// differ, and where there are none a code.
func conceptInWords(concept fhir.Value) string {
	var all []string
	add := func(text string) {
		if text = oneLine(text); text != "" && !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	add(concept.Get("text").Text())
	for coding := range concept.Get("coding").Items() {
		add(coding.Get("display").Text())
	}
	if len(all) == 0 {
		add(conceptWords(concept))
	}
	return strings.Join(all, ", ")
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
