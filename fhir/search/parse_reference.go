package search

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
)

func (t term) references(values []string) (Node, *fhir.Outcome) {
	targets := t.param.Targets
	if targets == nil {
		targets = Types()
	}
	if t.modifier != "" {
		known := slices.Contains(targets, t.modifier)
		if !known {
			return nil, badModifier(t.name, t.param)
		}
		targets = []string{t.modifier}
	}
	return t.entries(values, func(value string) ([]string, *fhir.Outcome) {
		return t.reference(unescape(value), targets)
	})
}

// reference compiles a bare id, "Type/id", an absolute URL or a URN.
func (t term) reference(value string, targets []string) ([]string, *fhir.Outcome) {
	if fhir.ValidID(value) {
		list := make([]string, len(targets))
		for i, target := range targets {
			list[i] = entry(t.param.Name, ":", target+"/"+value)
		}
		return list, nil
	}
	absolute := strings.Contains(value, ":")
	value = t.p.o.stripBase(value)
	ref, ok := fhir.ParseReference(value)
	switch {
	case ref.Anchor != "" || !ok && !absolute:
		return nil, badValue(t.name, "it must be an id, Type/id or an absolute URL")
	case ref.Version != "":
		return nil, badValue(t.name, "a version of a record can't be asked for")
	case ref.Type != "" && !t.refersTo(ref, targets):
		return nil, badValue(t.name, "it names a type that the parameter can't refer to")
	}
	return []string{entry(t.param.Name, ":", value)}, nil
}

// refersTo says whether a reference's type is one of the targets. A URL of
// another server may only look as if it named a type.
func (t term) refersTo(ref fhir.Reference, targets []string) bool {
	if t.modifier == "" && (t.param.Targets == nil || ref.Base != "") {
		return true
	}
	return slices.Contains(targets, ref.Type)
}
