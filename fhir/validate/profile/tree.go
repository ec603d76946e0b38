package profile

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
)

// node is an element of a profile, or a slice of one, with the rules that the
// profile and its bases make for it.
type node struct {
	name     string   // of the element ("value[x]"), or of the slice ("a", "a/b")
	id       string   // of the ElementDefinition, so far as one named it
	owner    *Profile // the first that says something of it
	isSlice  bool
	types    []*def.Type    // that a value can have
	elements []*def.Element // of the base that it stands for, one for each type it can have; nil for a slice
	children []*node
	slices   []*node

	min, max    *bound
	maxLength   *bound
	fixed       *constant
	pattern     *constant
	typing      *typing
	binding     *binding
	slicing     *slicing
	constraints []*constraint
	modifier    bool // isModifier, which matters at the root of an extension
	untold      bool // a slice that can't be told from the others
	tests       []test
}

// source is where a rule stands.
type source struct {
	profile *Profile
	element string
}

func (s source) url() string {
	if s.profile == nil {
		return ""
	}
	return s.profile.URL
}

type bound struct {
	n   int
	src source
}

type constant struct {
	v   fhir.Value
	src source
}

// typing is the types that an element is narrowed to.
type typing struct {
	types []typeRule
	src   source
}

type typeRule struct {
	code     string
	profiles []string // canonicals
	targets  []string
	// filled in when the set is complete
	definitions []*Profile
	resources   []string // types that a reference may lead to; nil: any
}

type binding struct {
	strength string
	valueSet string
	src      source
	codes    *codes // nil: can't be enumerated
}

type slicing struct {
	discriminators []discriminator
	closed         bool
	atEnd          bool // unmatched values stand behind the slices
	ordered        bool
	src            source
}

type discriminator struct {
	kind  string // value, pattern, exists, type, profile
	path  string
	steps []step
}

type constraint struct {
	key, human, expression string
	warning                bool
	test                   expression
	src                    source
}

// clone copies a tree, so that a derived profile can add to it. Rules are never
// changed in place and are shared.
func (n *node) clone() *node {
	c := *n
	c.children = make([]*node, len(n.children))
	for i, child := range n.children {
		c.children[i] = child.clone()
	}
	c.slices = make([]*node, len(n.slices))
	for i, s := range n.slices {
		c.slices[i] = s.clone()
	}
	c.constraints = slices.Clone(n.constraints)
	return &c
}

// known finds a child that is there already.
func (n *node) known(name string) *node {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// knownSlice finds a slice that is there already.
func (n *node) knownSlice(name string) *node {
	for _, s := range n.slices {
		if s.name == name {
			return s
		}
	}
	return nil
}

// child finds or makes a child, or returns nil where the types have none such.
// The name of one alternative of a choice ("valueQuantity") means the slice of
// the choice by that type.
func (n *node) child(t *def.Tables, name string) *node {
	if c := n.known(name); c != nil {
		return c
	}
	c := &node{name: name}
	choice := ""
	for _, typ := range n.types {
		for i := range typ.Elements {
			e := &typ.Elements[i]
			if e.Name == name && e.Choice != "" {
				choice = e.Choice
			}
			if e.Name == name && e.Choice == "" || e.Choice == name {
				c.elements = append(c.elements, e)
				if et := t.TypeOf(e); !slices.Contains(c.types, et) {
					c.types = append(c.types, et)
				}
			}
		}
	}
	if len(c.elements) > 0 {
		n.children = append(n.children, c)
		return c
	}
	if choice == "" {
		return nil
	}
	whole := n.child(t, choice)
	return whole.alternative(t, name)
}

// alternative is the slice of a choice by type.
func (n *node) alternative(t *def.Tables, name string) *node {
	s := n.slice(name)
	if s.typing != nil {
		return s
	}
	for _, e := range n.elements {
		if e.Name == name {
			s.types = []*def.Type{t.TypeOf(e)}
			s.typing = &typing{types: []typeRule{{code: t.TypeOf(e).Name}}}
			break
		}
	}
	return s
}

// slice finds or makes a slice.
func (n *node) slice(name string) *node {
	if s := n.knownSlice(name); s != nil {
		return s
	}
	s := &node{name: name, isSlice: true, types: n.types}
	n.slices = append(n.slices, s)
	return s
}

// descend finds or makes the node that an element id names, such as
// "Patient.identifier:nhsNumber.system". The text says what is wrong with it.
func (n *node) descend(t *def.Tables, typ, id string) (*node, string) {
	segments := strings.Split(id, ".")
	if segments[0] != typ {
		return nil, "the id of an element begins with the type of the profile"
	}
	for _, segment := range segments[1:] {
		name, slice, sliced := strings.Cut(segment, ":")
		below := n.child(t, name)
		if below == nil {
			return nil, "the base has no such element"
		}
		n = below
		if !sliced {
			continue
		}
		if strings.HasSuffix(n.name, "[x]") && slices.ContainsFunc(n.elements, func(e *def.Element) bool { return e.Name == slice }) {
			n = n.alternative(t, slice)
			continue
		}
		whole := ""
		for part := range strings.SplitSeq(slice, "/") { // "a/b" is a slice b of the slice a
			whole = strings.TrimPrefix(whole+"/"+part, "/")
			n = n.slice(whole)
		}
	}
	return n, ""
}

// many says whether the base lets an element repeat.
func (n *node) many() bool {
	return slices.ContainsFunc(n.elements, func(e *def.Element) bool { return e.Many })
}
