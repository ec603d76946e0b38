package patch

import (
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
)

// build makes an element of a parameter: of its value[x], of its resource, or of
// parts, each of which is named as an element of the type. elements are what it
// may become; of a choice the one whose type the value has.
func (e *pathEditor) build(part fhir.Value, elements []*def.Element) (*def.Element, pair, string) {
	var given []string // members that hold a value
	for name := range part.Members() {
		switch {
		case name == "name":
		case name == "part", name == "resource", strings.HasPrefix(name, "value"), strings.HasPrefix(name, "_value"):
			given = append(given, strings.TrimPrefix(name, "_"))
		default:
			return nil, pair{}, "a value holds a member that it may not have"
		}
	}
	if len(given) == 0 || len(given) > 2 || len(given) == 2 && given[0] != given[1] {
		return nil, pair{}, "the value must be one value[x], one resource, or parts"
	}
	switch given[0] {
	case "part":
		return e.assemble(part.Get("part"), elements)
	case "resource":
		el, res := elements[0], part.Get("resource")
		if e.tables.TypeOf(el).Kind != def.AbstractResource || res.Kind() != fhir.ObjectKind {
			return nil, pair{}, "a resource can't stand there"
		}
		return el, pair{main: leaf(res)}, ""
	}
	slot := e.tables.Type("Parameters.parameter").Element(given[0])
	if slot == nil {
		return nil, pair{}, "the value is of no type that a parameter can have"
	}
	typ := e.tables.TypeOf(slot)
	el := e.fitting(elements, typ)
	if el == nil {
		return nil, pair{}, "the value must be of the type " + e.namesOf(elements)
	}
	value, ok := halves(part.Get(given[0]), part.Get("_"+given[0]), typ)
	if !ok {
		return nil, pair{}, "the value does not have the JSON type of its FHIR type"
	}
	return el, value, ""
}

// fitting finds the element that a value of the type can be. XHTML can't be a
// parameter's, so it comes as a string.
func (e *pathEditor) fitting(elements []*def.Element, typ *def.Type) *def.Element {
	for _, el := range elements {
		want := e.tables.TypeOf(el)
		if want.Name == typ.Name || want.Kind == def.XHTML && typ.Name == "string" {
			return el
		}
	}
	return nil
}

// namesOf lists the types of elements; these are the standard's words, not the
// client's.
func (e *pathEditor) namesOf(elements []*def.Element) string {
	var names []string
	for _, el := range elements {
		typ := e.tables.TypeOf(el)
		switch typ.Kind {
		case def.Backbone:
			names = append(names, typ.Name+", given as parts")
		case def.XHTML:
			names = append(names, "string")
		default:
			names = append(names, typ.Name)
		}
	}
	return strings.Join(names, " or ")
}

// halves takes a value and what stands beside it, if they have the JSON types of
// the FHIR type.
func halves(main, side fhir.Value, typ *def.Type) (p pair, ok bool) {
	if main.Exists() && main.Kind() != fhir.NullKind {
		p.main = leaf(main)
	}
	if side.Exists() && side.Kind() != fhir.NullKind {
		p.side = leaf(side)
	}
	if !typ.Kind.Primitive() {
		return p, p.main != nil && p.main.isObject() && p.side == nil && main.Len() > 0
	}
	if p.main == nil && p.side == nil || p.side != nil && (!p.side.isObject() || side.Len() == 0) {
		return p, false
	}
	if p.main == nil {
		return p, true
	}
	switch typ.Kind {
	case def.NumberPrimitive:
		return p, p.main.kind == fhir.NumberKind
	case def.BooleanPrimitive:
		return p, p.main.kind == fhir.BoolKind
	}
	return p, p.main.kind == fhir.StringKind
}

// assemble makes an element of parts (R4 fhirpatch.html: of types without a name).
func (e *pathEditor) assemble(list fhir.Value, elements []*def.Element) (*def.Element, pair, string) {
	el := elements[0]
	typ := e.tables.TypeOf(el)
	if len(elements) > 1 || typ.Kind != def.Backbone && typ.Kind != def.Complex {
		return nil, pair{}, "the value must be of the type " + e.namesOf(elements) + ", not parts"
	}
	if list.Len() == 0 || list.Kind() != fhir.ArrayKind {
		return nil, pair{}, "the value has no parts"
	}
	object := &node{open: true, kind: fhir.ObjectKind}
	for part := range list.Items() {
		if e.visited++; e.visited > maxVisited {
			return nil, pair{}, notFound
		}
		below, why := elementsOf(typ, part.Get("name").Text())
		if why != "" {
			return nil, pair{}, "a part of the value: " + why
		}
		child, value, why := e.build(part, below)
		if why != "" {
			return nil, pair{}, "a part of the value: " + strings.TrimPrefix(why, "a part of the value: ")
		}
		for _, other := range below {
			have, why := e.read(object, other)
			if why != "" {
				return nil, pair{}, why
			}
			if len(have) > 0 && !child.Many {
				return nil, pair{}, "a part of the value is given more than once, but its element does not repeat"
			}
			if other == child {
				write(object, child, append(have, value))
			}
		}
	}
	return el, pair{main: object}, ""
}
