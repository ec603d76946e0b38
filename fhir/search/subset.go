package search

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/r4"
)

// Shape says which part of each resource is wanted (R4 search.html#summary,
// #elements). The zero Shape is all of it.
type Shape struct {
	Summary  string   // "true", "text" or "data"; "" where all is wanted
	Elements []string // top-level elements, a choice without its type
}

// Whole says that nothing is left out.
func (s Shape) Whole() bool { return s.Summary == "" && len(s.Elements) == 0 }

// always are the members of every resource that are never left out: to drop a
// modifier would change the meaning of the rest.
var always = []string{"resourceType", "id", "meta", "implicitRules", "modifierExtension"}

// Subset's tag (R4 resource.html#Meta.tag).
const (
	subsettedSystem = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
	subsetted       = "SUBSETTED"
)

// Of returns the part of a resource that is wanted, with the tag SUBSETTED where
// something was left out. Top-level elements are kept whole or not at all;
// mandatory ones are always kept. An element that R4 doesn't know is kept by
// "data" only. The error is a KindStructure Outcome where meta isn't as R4 wants.
func (s Shape) Of(r *fhir.Resource) (*fhir.Resource, error) {
	if s.Whole() {
		return r, nil
	}
	root, edit, dropped := r.Root(), r.Edit(), false
	keep := s.keeper(r.Type())
	for name := range root.Members() {
		if !keep(strings.TrimPrefix(name, "_")) {
			edit.Remove(root, name)
			dropped = true
		}
	}
	if !dropped {
		return r, nil
	}
	if err := tag(edit, root); err != nil {
		return nil, err
	}
	return edit.Done()
}

// keeper says which members stay.
func (s Shape) keeper(typ string) func(name string) bool {
	if s.Summary == "data" {
		return func(name string) bool { return name != "text" }
	}
	wanted := s.Elements
	switch s.Summary {
	case "true":
		wanted = summaries[typ]
	case "text":
		wanted = []string{"text"}
	}
	def := r4.Tables.Resource(typ)
	return func(name string) bool {
		if slices.Contains(always, name) || slices.Contains(wanted, name) {
			return true
		}
		if def == nil {
			return false
		}
		e := def.Element(name)
		return e != nil && (e.Min > 0 || e.Choice != "" && slices.Contains(wanted, strings.TrimSuffix(e.Choice, "[x]")))
	}
}

func tag(edit *fhir.Edit, root fhir.Value) error {
	code := fhir.Obj("system", subsettedSystem, "code", subsetted)
	meta := root.Get("meta")
	tags := meta.Get("tag")
	switch {
	case !meta.Exists():
		edit.Set(root, "meta", fhir.Obj("tag", []*fhir.Object{code}).JSON())
	case meta.Kind() != fhir.ObjectKind, tags.Exists() && tags.Kind() != fhir.ArrayKind:
		return fhir.NewOutcome(fhir.KindStructure, meta.Path(), "meta must be an object and its tag an array")
	case !tags.Exists():
		edit.Set(meta, "tag", slices.Concat([]byte("["), code.JSON(), []byte("]")))
	default:
		for c := range fhir.Codings(tags) {
			if c.System == subsettedSystem && c.Code == subsetted {
				return nil
			}
		}
		edit.Append(tags, code.JSON())
	}
	return nil
}

// isElement says whether "_elements" may name it.
func isElement(typ, name string) bool {
	def := r4.Tables.Resource(typ)
	if def == nil {
		return false
	}
	for i := range def.Elements {
		if e := &def.Elements[i]; e.Name == name || e.Choice == name+"[x]" {
			return true
		}
	}
	return false
}
