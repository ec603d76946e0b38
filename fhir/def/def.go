// Package def is the shape of a set of FHIR definitions: every resource and
// data type with its elements in order, their types, cardinality, reference
// targets and required codes. One set of values stands for one FHIR version
// (package r4 holds R4's), so that the XML codec and the validator work for
// every version that they are given.
//
// It holds no definitions itself, no search parameters, no profiles, and of the
// invariants only their names.
package def

import (
	"slices"
	"strings"
)

// Tables is the definitions of one FHIR version. It is static data: nothing is
// parsed or built at start-up, and nothing may change it.
type Tables struct {
	Version string // "4.0.1"
	Types   []Type // by name
	// Targets are the sets of resource types that references may point to, and
	// CodeSets the codes of the required bindings. Elements name them by their
	// index; index 0 is empty and stands for none.
	Targets  [][]string
	CodeSets []CodeSet
	// Constraints names the invariants that must hold (severity error), by path
	// and key. Their expressions aren't data: the validator holds them as code.
	Constraints []Constraint
	// Compartments lists the compartments by the type that each belongs to.
	Compartments []Compartment
}

// Compartment is the resources that belong to one resource of Type, such as a
// patient (R4 compartmentdefinition.html).
type Compartment struct {
	Type    string
	Members []Member // by type
}

// Member says by which search parameters a resource refers to the owner of a
// compartment that it is in. The owner itself is in it without any.
type Member struct {
	Type   string
	Params []string // sorted
}

// Constraint is an invariant by the path of the type or element that declares
// it ("Period", "Organization.telecom") and its key ("per-1"). One that applies
// to every element, extension or resource stands once, at that base type.
type Constraint struct{ Path, Key string }

// Kind says what sort of type a Type is.
type Kind uint8

// The kinds of type. The primitive ones say how JSON writes a value.
const (
	Resource Kind = iota + 1
	AbstractResource
	Complex
	Backbone
	StringPrimitive  // a JSON string
	NumberPrimitive  // a JSON number: decimal, integer, positiveInt, unsignedInt
	BooleanPrimitive // true or false
	XHTML            // Narrative.div: a JSON string, XHTML in XML
)

// Primitive says whether a value of the type is a single text, number or
// boolean that can carry id and extensions beside it. XHTML is none: it has
// neither (R4 narrative.html).
func (k Kind) Primitive() bool {
	return k == StringPrimitive || k == NumberPrimitive || k == BooleanPrimitive
}

// Type is a resource, a data type or a backbone element.
type Type struct {
	Name     string // "Patient", "HumanName", "Patient.contact", "boolean"
	Kind     Kind
	Elements []Element // in the order of the definition
}

// Element is one element of a type. A choice such as value[x] is there once
// for each type that it allows ("valueString", "valueCode" and so on, one after
// the other), because that is how it is named on the wire.
type Element struct {
	Name    string
	Choice  string // "value[x]"; "" for an element that is no choice
	Order   uint8  // position in the definition; the alternatives of a choice share it
	Type    uint16 // index into Tables.Types; see Tables.TypeOf
	Min     uint8  // of a choice: one of the alternatives must be there
	Many    bool   // max is "*", so that JSON writes an array; else max is 1
	Attr    bool   // XML writes it as an attribute (id of an element, url of an extension)
	Targets uint16 // index into Tables.Targets, for Reference and canonical; 0: any or none
	Codes   uint16 // index into Tables.CodeSets; 0: no required binding with a known list
}

// CodeSet is the codes of a value set.
type CodeSet struct {
	URL     string
	Systems []System
}

// System is the codes that a value set takes of one code system.
type System struct {
	URL   string
	Codes []string // sorted
}

// Compartment returns the compartment of a type, or nil.
func (t *Tables) Compartment(typ string) *Compartment {
	for i := range t.Compartments {
		if t.Compartments[i].Type == typ {
			return &t.Compartments[i]
		}
	}
	return nil
}

// Member returns what puts a type into the compartment, or nil where it never is
// in one.
func (c *Compartment) Member(typ string) *Member {
	at, ok := slices.BinarySearchFunc(c.Members, typ, func(m Member, typ string) int {
		return strings.Compare(m.Type, typ)
	})
	if !ok {
		return nil
	}
	return &c.Members[at]
}

// Type returns a type by name, or nil. A backbone element is named by its
// path ("Patient.contact").
func (t *Tables) Type(name string) *Type {
	at, ok := slices.BinarySearchFunc(t.Types, name, func(typ Type, name string) int {
		return strings.Compare(typ.Name, name)
	})
	if !ok {
		return nil
	}
	return &t.Types[at]
}

// Resource returns the definition of a resource type that can be used (not an
// abstract one), or nil.
func (t *Tables) Resource(name string) *Type {
	typ := t.Type(name)
	if typ == nil || typ.Kind != Resource {
		return nil
	}
	return typ
}

// TypeOf returns the type of an element's value.
func (t *Tables) TypeOf(e *Element) *Type { return &t.Types[e.Type] }

// TargetsOf returns the resource types that a Reference or canonical may point
// to; none means that any may be meant.
func (t *Tables) TargetsOf(e *Element) []string { return t.Targets[e.Targets] }

// CodesOf returns the codes that an element's required binding allows, or nil
// where it has none or their list isn't part of FHIR itself (MIME types,
// currencies, units).
func (t *Tables) CodesOf(e *Element) *CodeSet {
	if e.Codes == 0 {
		return nil
	}
	return &t.CodeSets[e.Codes]
}

// Element returns an element by its name on the wire, or nil: "value[x]" isn't
// one, "valueString" is.
func (t *Type) Element(name string) *Element {
	for i := range t.Elements {
		if t.Elements[i].Name == name {
			return &t.Elements[i]
		}
	}
	return nil
}

// Has says whether the set holds the code of the system. An element of type
// code has no system of its own: an empty system matches every one.
func (c *CodeSet) Has(system, code string) bool {
	for i := range c.Systems {
		s := &c.Systems[i]
		if system != "" && system != s.URL {
			continue
		}
		if _, ok := slices.BinarySearch(s.Codes, code); ok {
			return true
		}
	}
	return false
}
