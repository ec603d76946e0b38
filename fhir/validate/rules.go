package validate

import (
	"strings"

	"github.com/onward-health/onward/fhir"
)

// rule is one invariant of the standard.
type rule struct {
	path  string // that declares it in the definitions
	key   string
	on    string // the type whose objects it is checked on
	text  string
	holds func(v fhir.Value) bool
}

// rules are the invariants checked on a whole object. ele-1, ext-1, dom-2 to
// dom-5, ref-1, txt-1 and txt-2 are part of the walk itself.
var rules = join(typeRules, resourceRules, bundleRules, questionnaireRules)

// walked are the invariants that are checked without a rule of the list.
var walked = []string{
	"Element ele-1", "Extension ext-1", "DomainResource dom-2", "DomainResource dom-3", "DomainResource dom-4",
	"DomainResource dom-5", "Reference ref-1", "Narrative.div txt-1", "Narrative.div txt-2",
}

func join(lists ...[]rule) []rule {
	all := []rule{}
	for _, list := range lists {
		for _, r := range list {
			if r.on == "" {
				r.on = r.path
			}
			all = append(all, r)
		}
	}
	return all
}

// place is what a broken rule names: the object, or the element of it that
// declares the rule.
func (r *rule) place(object string) string { return object + strings.TrimPrefix(r.path, r.on) }

// has says whether an element exists, be it by its extensions only.
func has(v fhir.Value, name string) bool {
	for member := range v.Members() {
		if member == name || len(member) == len(name)+1 && member[0] == '_' && member[1:] == name {
			return true
		}
	}
	return false
}

// hasChoice says whether any alternative of a choice exists.
func hasChoice(v fhir.Value, stem string) bool {
	for member := range v.Members() {
		if rest, ok := strings.CutPrefix(strings.TrimPrefix(member, "_"), stem); ok && rest != "" && rest[0] >= 'A' && rest[0] <= 'Z' {
			return true
		}
	}
	return false
}

// is says whether a string is one of some.
func is(v fhir.Value, texts ...string) bool {
	text := v.TextBytes()
	for _, t := range texts {
		if string(text) == t {
			return true
		}
	}
	return false
}

// count is the number of an element's repetitions.
func count(v fhir.Value) int {
	if v.Kind() == fhir.ArrayKind {
		return v.Len()
	}
	if v.Exists() {
		return 1
	}
	return 0
}

// hasCoding says whether a CodeableConcept has a coding of the system with one
// of the codes.
func hasCoding(v fhir.Value, system string, codes ...string) bool {
	for coding := range v.Get("coding").Items() {
		if is(coding.Get("system"), system) && is(coding.Get("code"), codes...) {
			return true
		}
	}
	return false
}

// noneOf says whether no element of an array has the code in a member.
func noneOf(list fhir.Value, member, code string) bool {
	for item := range list.Items() {
		if is(item.Get(member), code) {
			return false
		}
	}
	return true
}

// inOrder says whether a is not surely later than b. What isn't a date is not
// compared; its form is another check's business.
func inOrder(a, b fhir.Value) bool {
	if a.Kind() != fhir.StringKind || b.Kind() != fhir.StringKind {
		return true
	}
	start, ok1 := parseMoment(a.TextBytes())
	end, ok2 := parseMoment(b.TextBytes())
	return !ok1 || !ok2 || !surelyAfter(start, end)
}
