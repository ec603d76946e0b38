package profile

import (
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
)

// fits says whether a value has all that a pattern asks for (R4
// elementdefinition.html, pattern[x]): members may be added, and each element of
// an array of the pattern must be met by some element.
func fits(v, pattern fhir.Value) bool {
	switch pattern.Kind() {
	case fhir.ObjectKind:
		if v.Kind() != fhir.ObjectKind {
			return false
		}
		for name, want := range pattern.Members() {
			if !fits(v.Get(name), want) {
				return false
			}
		}
		return true
	case fhir.ArrayKind:
		for want := range pattern.Items() {
			met := false
			for one := range v.Items() {
				if fits(one, want) {
					met = true
					break
				}
			}
			if !met {
				return false
			}
		}
		return true
	}
	return fhir.Equal(v, pattern)
}

// inBinding says whether a coded value is of a value set. A value without any
// code (a text, or extensions only) is not.
func inBinding(set *codes, it item) bool {
	v := it.v
	if it.typ == nil {
		return false
	}
	switch it.typ.Name {
	case "CodeableConcept":
		for one := range v.Get("coding").Items() {
			if set.has(one.Get("system").Text(), one.Get("code").Text()) {
				return true
			}
		}
		return false
	case "Coding", "Quantity", "Age", "Duration", "Distance", "Count", "Money":
		return set.has(v.Get("system").Text(), v.Get("code").Text())
	}
	return set.hasBare(v.Text())
}

// bindable says whether a binding says anything of the type.
func bindable(typ *def.Type) bool {
	return slices.Contains([]string{"code", "string", "uri", "Coding", "CodeableConcept", "Quantity", "Age", "Duration", "Distance", "Count"}, typ.Name)
}

// typeIs says whether a type is one of some; BackboneElement stands for those
// that are defined inline.
func typeIs(typ *def.Type, names []string) bool {
	return slices.Contains(names, typ.Name) || typ.Kind == def.Resource && (slices.Contains(names, "Resource") || slices.Contains(names, "DomainResource")) ||
		typ.Kind == def.Backbone && slices.Contains(names, "BackboneElement")
}
