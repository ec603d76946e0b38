package fhirxml

import (
	"slices"
	"strconv"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
)

// maxMisplaced bounds how many elements out of order are listed.
const maxMisplaced = 100

// ToJSONInAnyOrder is ToJSON, but takes elements in any order, which R4 xml.html
// forbids and published messages don't always keep: JSON has no order, so it
// tells nothing. misplaced are the paths of the elements that came too late, at
// most maxMisplaced.
func ToJSONInAnyOrder(xml []byte, t *def.Tables) (r *fhir.Resource, misplaced []string, err error) {
	r, err = ToJSON(xml, t)
	if err == nil {
		return r, nil, nil
	}
	o := orderer{s: scanner{in: xml}, t: t}
	root, broken := o.tree()
	if broken != nil {
		return nil, nil, broken
	}
	typ := t.Resource(string(root.name.local))
	if typ == nil {
		return nil, nil, err
	}
	o.out = append(o.out, xml[:root.start]...)
	o.resource(root, typ.Name)
	if len(o.misplaced) == 0 {
		return nil, nil, err // something else is wrong
	}
	r, err = ToJSON(o.out, t)
	return r, o.misplaced, err
}

// node is an element, or text between elements, as it stands in the document.
type node struct {
	start, inside int // of the start tag and behind it
	close, end    int // of the end tag and behind it
	name          name
	text          bool
	children      []*node
	path          string
	order         int
}

// orderer writes a document anew with the elements in the order of the
// definition. It drops nothing but comments and white space between elements, so
// that ToJSON finds all that was wrong with them.
type orderer struct {
	s         scanner
	t         *def.Tables
	out       []byte
	misplaced []string
}

// tree reads the document. The scanner bounds its depth and its elements.
func (o *orderer) tree() (*node, error) {
	if err := o.s.declaration(); err != nil {
		return nil, err
	}
	root := &node{}
	open := []*node{root}
	for {
		tok, err := o.s.next()
		if err != nil {
			return nil, err
		}
		at := open[len(open)-1]
		switch tok.kind {
		case endOfFile:
			return root.children[0], nil
		case startTag:
			n := &node{start: tok.start, inside: tok.end, name: tok.name}
			at.children = append(at.children, n)
			open = append(open, n)
		case endTag:
			at.close, at.end = tok.start, tok.end
			open = open[:len(open)-1]
		case text:
			if !tok.blank && at != root {
				at.children = append(at.children, &node{start: tok.start, end: tok.end, text: true})
			}
		}
	}
}

// resource writes the element of a resource.
func (o *orderer) resource(n *node, path string) {
	typ := o.t.Resource(string(n.name.local))
	if typ == nil || n.name.space != fhirNamespace {
		o.copied(n)
		return
	}
	n.path = path
	o.object(n, typ)
}

// object writes an element with children of a type's, the later ones of a name
// behind its first.
func (o *orderer) object(n *node, typ *def.Type) {
	if n.inside == n.close && n.close == n.end { // closed itself
		o.copied(n)
		return
	}
	o.out = append(o.out, o.s.in[n.start:n.inside]...)
	elements := make(map[*node]*def.Element, len(n.children))
	count := map[*def.Element]int{}
	highest := 0
	for _, child := range n.children {
		child.order = highest // text and what isn't known stay where they are
		if child.text {
			continue
		}
		e := typ.Element(string(child.name.local))
		if e == nil || e.Attr {
			continue
		}
		elements[child] = e
		child.path = n.path + "." + e.Name
		if e.Many {
			child.path += "[" + strconv.Itoa(count[e]) + "]"
		}
		count[e]++
		if child.order = int(e.Order); child.order < highest {
			if len(o.misplaced) < maxMisplaced {
				o.misplaced = append(o.misplaced, child.path)
			}
		}
		highest = max(highest, child.order)
	}
	slices.SortStableFunc(n.children, func(a, b *node) int { return a.order - b.order })
	for _, child := range n.children {
		o.child(child, elements[child])
	}
	o.out = append(o.out, o.s.in[n.close:n.end]...)
}

func (o *orderer) child(n *node, e *def.Element) {
	if e == nil {
		o.copied(n)
		return
	}
	switch typ := o.t.TypeOf(e); {
	case typ.Kind == def.XHTML || typ.Kind.Primitive():
		o.copied(n)
	case typ.Kind == def.Resource || typ.Kind == def.AbstractResource:
		o.wrapped(n)
	default:
		o.object(n, typ)
	}
}

// wrapped writes an element that holds one resource.
func (o *orderer) wrapped(n *node) {
	if len(n.children) != 1 || n.children[0].text {
		o.copied(n)
		return
	}
	o.out = append(o.out, o.s.in[n.start:n.inside]...)
	o.resource(n.children[0], n.path)
	o.out = append(o.out, o.s.in[n.close:n.end]...)
}

func (o *orderer) copied(n *node) { o.out = append(o.out, o.s.in[n.start:n.end]...) }
