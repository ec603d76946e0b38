package patch

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
)

// maxVisited bounds the elements that all operations of a patch look at
// together.
const maxVisited = 1 << 20

// pathEditor is a document that operations of a FHIRPath Patch are applied to.
type pathEditor struct {
	tables  *def.Tables
	root    *node
	typ     *def.Type // of the root
	visited int
}

// spot is an element in the document. A primitive one may stand in two members
// of its parent: its value, and under "_name" its id and extensions.
type spot struct {
	parent *node     // the object that holds its member; nil for the resource itself
	owner  *def.Type // the type of that object
	el     *def.Element
	at     int // its place in the list, where the element repeats
	pair
}

// pair is the two nodes of an element; either may be nil. Only a primitive
// element has a side.
type pair struct{ main, side *node }

const (
	noElement  = "R4 has no such element there"
	badShape   = "the record holds an element there that is not as R4 has it"
	notOne     = "its path finds more than one element"
	notFound   = "its path finds nothing"
	wrongStart = "its path begins with another type than the record's"
)

// typeOf is the type of a spot's value.
func (e *pathEditor) typeOf(s spot) *def.Type {
	if s.parent == nil {
		return e.typ
	}
	return e.tables.TypeOf(s.el)
}

// find evaluates a path.
func (e *pathEditor) find(path fhirPath) (spots []spot, why string) {
	spots = []spot{{}}
	for _, step := range path {
		switch step.kind {
		case stepType:
			if step.name != e.typ.Name && step.name != "Resource" && step.name != "DomainResource" {
				return nil, wrongStart
			}
		case stepChild:
			spots, why = e.childrenOf(spots, step.name)
		case stepIndex:
			spots = spots[min(step.index, len(spots)):min(step.index+1, len(spots))]
		case stepFirst:
			spots = spots[:min(1, len(spots))]
		case stepLast:
			spots = spots[max(0, len(spots)-1):]
		case stepOfType:
			if e.tables.Type(step.name) == nil {
				return nil, "R4 has no type of the name in ofType()"
			}
			spots = slices.DeleteFunc(spots, func(s spot) bool { return e.typeOf(s).Name != step.name })
		case stepWhere:
			spots, why = e.chosen(spots, step.conds)
		}
		if why != "" {
			return nil, why
		}
	}
	return spots, ""
}

func (e *pathEditor) childrenOf(spots []spot, name string) (all []spot, why string) {
	for _, s := range spots {
		if e.visited++; e.visited > maxVisited {
			return nil, notFound // the caller sees the true reason
		}
		object, typ, why := e.open(s, false)
		if why != "" {
			return nil, why
		}
		elements, why := elementsOf(typ, name)
		if why != "" {
			return nil, why
		}
		if object == nil {
			continue
		}
		for _, el := range elements {
			list, why := e.read(object, el)
			if why != "" {
				return nil, why
			}
			for at, p := range list {
				all = append(all, spot{object, typ, el, at, p})
			}
		}
	}
	return all, ""
}

// open gives the object that holds a spot's children, and its type. A primitive
// element has one only where it has an id or extensions; create makes it.
func (e *pathEditor) open(s spot, create bool) (*node, *def.Type, string) {
	if s.parent == nil {
		return e.root, e.typ, ""
	}
	typ, object := e.tables.TypeOf(s.el), s.main
	if typ.Kind.Primitive() {
		if s.side != nil || !create {
			return s.side, typ, ""
		}
		list, why := e.read(s.parent, s.el)
		if why != "" {
			return nil, nil, why
		}
		list[s.at].side = &node{open: true, kind: fhir.ObjectKind}
		write(s.parent, s.el, list)
		return list[s.at].side, typ, ""
	}
	if typ.Kind == def.XHTML {
		return nil, typ, ""
	}
	if object == nil || !object.isObject() {
		return nil, nil, badShape
	}
	if typ.Kind == def.AbstractResource {
		name := ""
		if i := object.member("resourceType"); i >= 0 && object.items[i].kind == fhir.StringKind {
			name = object.items[i].value.Text()
		}
		if typ = e.tables.Resource(name); typ == nil {
			return nil, nil, badShape
		}
	}
	return object, typ, ""
}

// baseName is an element's name without the type of a choice.
func baseName(el *def.Element) string {
	if el.Choice == "" {
		return el.Name
	}
	return strings.TrimSuffix(el.Choice, "[x]")
}

// elementsOf finds a type's element by the name that FHIRPath has for it: a
// choice has that of its base ("value") and several elements on the wire.
func elementsOf(typ *def.Type, name string) (list []*def.Element, why string) {
	for i := range typ.Elements {
		el := &typ.Elements[i]
		switch {
		case baseName(el) == name:
			list = append(list, el)
		case el.Name == name:
			return nil, "a choice of types is named without its type: " + baseName(el)
		}
	}
	if len(list) == 0 {
		return nil, noElement
	}
	return list, ""
}

// read lists what an object has of an element.
func (e *pathEditor) read(object *node, el *def.Element) ([]pair, string) {
	var main, side *node
	if i := object.member(el.Name); i >= 0 {
		main = object.items[i]
	}
	if e.tables.TypeOf(el).Kind.Primitive() {
		if i := object.member("_" + el.Name); i >= 0 {
			side = object.items[i]
		}
	}
	if !el.Many {
		if main == nil && side == nil {
			return nil, ""
		}
		if main != nil && main.isArray() || side != nil && !side.isObject() {
			return nil, badShape
		}
		return []pair{{main, side}}, ""
	}
	var list []pair
	for _, half := range []struct {
		n    *node
		side bool
	}{{main, false}, {side, true}} {
		if half.n == nil {
			continue
		}
		if !half.n.isArray() {
			return nil, badShape
		}
		half.n.expand()
		e.visited += len(half.n.items)
		for len(list) < len(half.n.items) {
			list = append(list, pair{})
		}
		for i, item := range half.n.items {
			switch {
			case item.kind == fhir.NullKind:
			case !half.side:
				list[i].main = item
			case !item.isObject():
				return nil, badShape
			default:
				list[i].side = item
			}
		}
	}
	return list, ""
}

// write gives an object what it is to have of an element; no list takes it away.
func write(object *node, el *def.Element, list []pair) {
	var mains, sides []*node
	hasMain, hasSide := false, false
	for _, p := range list {
		mains, sides = append(mains, orNull(p.main)), append(sides, orNull(p.side))
		hasMain, hasSide = hasMain || p.main != nil, hasSide || p.side != nil
	}
	writeHalf(object, el.Name, el.Many, hasMain, mains)
	writeHalf(object, "_"+el.Name, el.Many, hasSide, sides)
}

func writeHalf(object *node, name string, many, has bool, list []*node) {
	switch {
	case has && many:
		object.set(name, &node{open: true, kind: fhir.ArrayKind, items: list})
	case has:
		object.set(name, list[0])
	default:
		if i := object.member(name); i >= 0 {
			object.remove(i)
		}
	}
}

func orNull(n *node) *node {
	if n == nil {
		return &node{kind: fhir.NullKind}
	}
	return n
}

// chosen keeps the spots for which all conditions hold.
func (e *pathEditor) chosen(spots []spot, conds []condition) (kept []spot, why string) {
	for _, s := range spots {
		holds := true
		for _, c := range conds {
			if holds, why = e.holds(s, c); why != "" {
				return nil, why
			}
			if !holds {
				break
			}
		}
		if holds {
			kept = append(kept, s)
		}
	}
	return kept, ""
}

// holds says whether the one value at a condition's path equals its literal.
func (e *pathEditor) holds(s spot, c condition) (bool, string) {
	found, why := []spot{s}, ""
	for _, name := range c.path {
		if found, why = e.childrenOf(found, name); why != "" {
			return false, why
		}
	}
	if len(found) != 1 {
		return false, ""
	}
	n := found[0].main
	if n == nil {
		return false, ""
	}
	switch c.kind {
	case literalString:
		return n.kind == fhir.StringKind && n.value.Text() == c.literal, ""
	case literalNumber:
		return n.kind == fhir.NumberKind && sameNumber(string(n.value.Raw()), c.literal), ""
	}
	return n.kind == fhir.BoolKind && n.value.Bool() == (c.literal == "true"), ""
}
