package profile

import (
	"github.com/onward-health/onward/fhir"
)

// test tells by one discriminator whether a value belongs to a slice.
type test struct {
	steps []step
	kind  string
	// value and pattern: each must be met by some element at its steps
	wants []want
	// exists
	there bool
	// type
	types []string
	// profile: one of them must be kept
	profiles []*Profile
}

// want is a value that an element must have.
type want struct {
	steps []step
	v     fhir.Value // fixed or pattern; none: text or codes
	exact bool
	text  string
	codes *codes
}

// compile makes the tests of a slice from its rules. twins are nodes that stand
// for the same slice of the same element elsewhere in the profile. false: the
// slice can't be told by some discriminator.
func (s *Set) compile(slice *node, twins []*node, by *slicing) bool {
	sources := append([]*node{slice}, twins...)
	for _, d := range by.discriminators {
		t, ok := test{}, false
		for _, from := range sources { // its own rules first
			if t, ok = s.testOf(from, d); ok {
				break
			}
		}
		if !ok {
			return false
		}
		slice.tests = append(slice.tests, t)
	}
	return len(slice.tests) > 0
}

func (s *Set) testOf(n *node, d discriminator) (test, bool) {
	t := test{steps: d.steps, kind: d.kind}
	switch d.kind {
	case "value", "pattern":
		t.kind = "value"
		t.wants = s.wants(n, d.steps)
		return t, len(t.wants) > 0
	}
	at := []*node{n}
	for _, step := range d.steps {
		if step.kind == resolve {
			break // the rules stand at the reference
		}
		var next []*node
		for _, from := range at {
			next = append(next, s.below(from, step)...)
		}
		at = next
	}
	resolved := len(d.steps) > 0 && d.steps[len(d.steps)-1].kind == resolve
	for _, end := range at {
		switch {
		case d.kind == "exists" && end.max != nil && end.max.n == 0:
			return t, true
		case d.kind == "exists" && end.min != nil && end.min.n > 0:
			t.there = true
			return t, true
		case end.typing == nil:
		case d.kind == "type":
			t.types = typeNames(s, end.typing, resolved)
			return t, len(t.types) > 0
		case d.kind == "profile":
			for _, typ := range end.typing.types {
				list := typ.profiles
				if resolved {
					list = typ.targets
				}
				for _, canonical := range list {
					p := s.Find(canonical)
					if p == nil {
						return t, false
					}
					t.profiles = append(t.profiles, p)
				}
			}
			return t, len(t.profiles) > 0
		}
	}
	return t, false
}

// typeNames are the types of a type discriminator.
func typeNames(s *Set, rule *typing, resolved bool) []string {
	var names []string
	for _, typ := range rule.types {
		if !resolved {
			names = append(names, typ.code)
			continue
		}
		for _, target := range typ.targets {
			name := s.targetType(target)
			if name == "" {
				return nil
			}
			names = append(names, name)
		}
	}
	return names
}

// wants collects the values that rules on the way to, at and below the place of
// a discriminator ask for.
func (s *Set) wants(n *node, steps []step) []want {
	var list []want
	at := []*node{n}
	for i := 0; ; i++ {
		rest := steps[i:]
		var next []*node
		for _, from := range at {
			for _, here := range s.withProfiles(from) {
				list = append(list, constants(here, steps, rest)...)
			}
			if len(rest) == 1 && rest[0] == (step{member, "url"}) && from.isExtension() {
				if url := s.extensionURL(from); url != "" {
					list = append(list, want{steps: steps, text: url})
				}
			}
			if len(rest) == 0 {
				list = append(list, s.atEnd(from, steps, 0)...)
				continue
			}
			next = append(next, s.below(from, rest[0])...)
		}
		if len(rest) == 0 {
			return list
		}
		at = next
	}
}

// constants are what a fixed or pattern value of a node says of the place that
// rest leads to from it.
func constants(n *node, steps, rest []step) []want {
	var list []want
	for i, k := range [...]*constant{n.fixed, n.pattern} {
		if k == nil {
			continue
		}
		for _, v := range within(k.v, rest) {
			list = append(list, want{steps: steps, v: v, exact: i == 0})
		}
	}
	return list
}

// within follows steps in a fixed or pattern value.
func within(v fhir.Value, rest []step) []fhir.Value {
	if v.Kind() == fhir.ArrayKind {
		var list []fhir.Value
		for one := range v.Items() {
			list = append(list, within(one, rest)...)
		}
		return list
	}
	if !v.Exists() {
		return nil
	}
	if len(rest) == 0 {
		return []fhir.Value{v}
	}
	if rest[0].kind != member {
		return nil
	}
	return within(v.Get(rest[0].name), rest[1:])
}

// maxNested bounds how deep rules below a discriminator's place are looked for.
const maxNested = 8

// atEnd are the required bindings at a place and the constants below it.
func (s *Set) atEnd(n *node, steps []step, depth int) []want {
	var list []want
	if b := n.binding; b != nil && b.strength == "required" && n.fixed == nil && n.pattern == nil {
		if set := s.terms.boundTo(s.tables, b.valueSet); set != nil {
			list = append(list, want{steps: steps, codes: set})
		}
	}
	if depth >= maxNested {
		return list
	}
	for _, from := range s.withProfiles(n) {
		for _, c := range from.children {
			deeper := append(steps[:len(steps):len(steps)], step{member, c.name})
			list = append(list, constants(c, deeper, nil)...)
			list = append(list, s.atEnd(c, deeper, depth+1)...)
		}
	}
	return list
}

// verdict is whether a value belongs to a slice.
type verdict uint8

const (
	no verdict = iota
	yes
	unsure // a reference leads to what isn't here
)

// belongs holds a value against all discriminators of a slice.
func (c *checker) belongs(it item, slice *node) verdict {
	result := yes
	for i := range slice.tests {
		switch c.meets(it, &slice.tests[i]) {
		case no:
			return no
		case unsure:
			result = unsure
		}
	}
	return result
}

func (c *checker) meets(it item, t *test) verdict {
	if t.kind == "value" {
		for i := range t.wants {
			if v := c.wanted(it, &t.wants[i]); v != yes {
				return v
			}
		}
		return yes
	}
	steps := t.steps
	last := len(steps) - 1
	if t.kind == "type" && last >= 0 && steps[last].kind == resolve {
		return c.referenceType(it, t, steps[:last])
	}
	found, unknown := c.walkSteps(it, steps)
	if unknown {
		return unsure
	}
	if t.kind == "exists" {
		if (len(found) > 0) == t.there {
			return yes
		}
		return no
	}
	for _, one := range found {
		switch {
		case t.kind == "type" && one.typ != nil && typeIs(one.typ, t.types):
			return yes
		case t.kind == "profile" && c.keepsOne(one, t.profiles):
			return yes
		}
	}
	return no
}

// referenceType tells the type of what a reference leads to, by its text where
// that is enough.
func (c *checker) referenceType(it item, t *test, steps []step) verdict {
	found, unknown := c.walkSteps(it, steps)
	for _, one := range found {
		name := c.typeOfTarget(one.v)
		if name == "" {
			unknown = true
			continue
		}
		for _, wanted := range t.types {
			if wanted == name {
				return yes
			}
		}
	}
	if unknown {
		return unsure
	}
	return no
}

func (c *checker) wanted(it item, w *want) verdict {
	found, unknown := c.walkSteps(it, w.steps)
	for _, one := range found {
		switch {
		case w.codes != nil:
			if inBinding(w.codes, one) {
				return yes
			}
		case w.text != "":
			if one.v.Text() == w.text {
				return yes
			}
		case w.exact && fhir.Equal(one.v, w.v), !w.exact && fits(one.v, w.v):
			return yes
		}
	}
	if unknown {
		return unsure
	}
	return no
}
