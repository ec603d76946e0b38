package search

import (
	"strings"

	"github.com/onward-health/onward/fhir"
)

// pair is what a composite parameter joins: two parameters on one element.
type pair struct {
	// roots are the paths of the elements; an empty one is the resource itself.
	roots [][]step
	parts [2]Param
}

// composite is a parameter on two parameters whose paths start from the same
// element. roots are divided by blanks; "." is the resource.
func composite(name, roots string, left, right Param) Param {
	p := Param{Name: name, Type: CompositeType, pair: &pair{parts: [2]Param{left, right}}}
	for _, root := range strings.Fields(roots) {
		prefix := ""
		if root != "." {
			prefix = root + "."
			p.pair.roots = append(p.pair.roots, stepsOf(root))
		} else {
			p.pair.roots = append(p.pair.roots, nil)
		}
		for _, part := range p.pair.parts {
			for _, path := range part.Paths {
				p.Paths = append(p.Paths, prefix+path)
			}
		}
	}
	p.pair.parts[1].suffixes = false
	return newParam(p)
}

// composite enters each pair of values that one element holds.
func (x *extractor) composite(p *Param) {
	for _, root := range p.pair.roots {
		inner := extractor{o: x.o, root: x.root, visit: func(v fhir.Value) {
			left, _ := x.partOf(&p.pair.parts[0], v)
			if len(left) == 0 {
				return
			}
			right, spans := x.partOf(&p.pair.parts[1], v)
			x.join(left, right, spans)
		}}
		inner.walk(x.root, root, step{})
	}
}

// partOf extracts one of the two parameters from an element: what its entries
// and spans have behind the parameter's name.
func (x *extractor) partOf(p *Param, v fhir.Value) (forms []string, spans []Span) {
	inner := extractor{o: x.o, root: x.root, p: p}
	for _, path := range p.steps {
		inner.walk(v, path, step{})
	}
	for _, e := range inner.entries {
		form := string(inner.buf[e.from+len(p.Name) : e.to])
		if form[0] == ':' || form[0] == '=' && p.Type == TokenType {
			forms = append(forms, form)
		}
	}
	for _, s := range inner.d {
		s.Param = s.Param[len(p.Name):]
		spans = append(spans, s)
	}
	return forms, spans
}

func (x *extractor) join(left, right []string, spans []Span) {
	for _, l := range left {
		for _, r := range right {
			if !x.room() {
				return
			}
			x.present = true
			x.whole(pairEntry(x.p.Name, l, r))
		}
		for _, s := range spans {
			if !x.room() {
				return
			}
			x.present = true
			x.d = append(x.d, Span{pairParam(x.p.Name, l, s.Param), s.Lo, s.Hi})
		}
	}
}

// pairEntry and pairParam name a pair in X and in D. The first part is kept
// short and free of "$", so that it ends where it seems to end.
func pairEntry(name, left, right string) string {
	return name + ":" + leftKey(left) + "$" + right
}

func pairParam(name, left, unit string) string {
	return name + "$" + leftKey(left) + unit
}

func leftKey(form string) string {
	return short(strings.ReplaceAll(form, "$", "%24"))
}

// composites compiles "left$right".
func (t term) composites(values []string) (Node, *fhir.Outcome) {
	if t.modifier != "" {
		return nil, badModifier(t.name, t.param)
	}
	var nodes []Node
	for _, value := range values {
		parts := cutUnescaped(value, '$')
		if len(parts) != 2 || parts[0] == "" || parts[1] == "" {
			return nil, badValue(t.name, `it must be two values divided by "$"`)
		}
		var sides [2]Node
		for i := range sides {
			side := term{p: t.p, param: &t.param.pair.parts[i], name: t.name}
			node, err := side.compile(parts[i : i+1])
			if err != nil {
				return nil, err
			}
			sides[i] = node
		}
		node, ok := t.joined(sides[0], sides[1])
		if !ok {
			return nil, badValue(t.name, "each side must name a value")
		}
		nodes = append(nodes, node)
	}
	return anyOf(nodes), nil
}

// joined makes one condition of those of the two sides.
func (t term) joined(left, right Node) (Node, bool) {
	lefts, ok := entriesOf(left)
	if !ok {
		return nil, false
	}
	name, skip := t.param.Name, len(t.param.pair.parts[0].Name)
	rights, _ := entriesOf(right)
	entries, other := HasAny{}, []Node{}
	for _, l := range lefts {
		if l[0] == '!' {
			return nil, false
		}
		l = l[skip:]
		skip := len(t.param.pair.parts[1].Name)
		for _, r := range rights {
			if r[0] == '!' {
				return nil, false
			}
			entries = append(entries, pairEntry(name, l, r[skip:]))
		}
		switch right := right.(type) {
		case Prefix:
			other = append(other, Prefix(pairEntry(name, l, string(right)[skip:])))
		case Date:
			other = append(other, Date{pairParam(name, l, right.Param[skip:]), right.Op, right.Lo, right.Hi})
		}
	}
	t.p.terms += len(entries) + len(other)
	switch {
	case len(other) > 0:
		return anyOf(other), true
	case len(entries) == 1:
		return Has(entries[0]), true
	}
	return entries, true
}

func entriesOf(n Node) (list []string, ok bool) {
	switch n := n.(type) {
	case Has:
		return []string{string(n)}, true
	case HasAny:
		return n, true
	}
	return nil, false
}

// cutUnescaped divides a value at each separator that has no backslash before it.
func cutUnescaped(value string, separator byte) []string {
	var parts []string
	start := 0
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '\\':
			i++
		case separator:
			parts = append(parts, value[start:i])
			start = i + 1
		}
	}
	return append(parts, value[start:])
}
