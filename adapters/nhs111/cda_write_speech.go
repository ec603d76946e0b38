package nhs111

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/onward-health/onward/fhir"
)

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
