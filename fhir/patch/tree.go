package patch

import (
	"slices"

	"github.com/onward-health/onward/fhir"
)

// node is a JSON value that can be changed. It is a place in a parsed document
// until something inside it changes, and only then a list of its own.
type node struct {
	value fhir.Value // while open is false
	open  bool
	kind  fhir.ValueKind
	names []string // of an object's members
	items []*node  // members or elements
}

func leaf(v fhir.Value) *node { return &node{value: v, kind: v.Kind()} }

// expand makes a list of members or elements.
func (n *node) expand() {
	if n.open {
		return
	}
	n.open = true
	for name, v := range n.value.Members() {
		n.names = append(n.names, name)
		n.items = append(n.items, leaf(v))
	}
	for v := range n.value.Items() {
		n.items = append(n.items, leaf(v))
	}
}

func (n *node) isObject() bool { return n.kind == fhir.ObjectKind }
func (n *node) isArray() bool  { return n.kind == fhir.ArrayKind }

// member finds an object's member; -1 where it isn't there.
func (n *node) member(name string) int {
	if !n.isObject() {
		return -1
	}
	n.expand()
	return slices.Index(n.names, name)
}

// set gives a member a value, in its old place where it has one.
func (n *node) set(name string, v *node) {
	if i := n.member(name); i >= 0 {
		n.items[i] = v
		return
	}
	n.names, n.items = append(n.names, name), append(n.items, v)
}

// remove takes a member or element out.
func (n *node) remove(i int) {
	n.items = slices.Delete(n.items, i, i+1)
	if n.isObject() {
		n.names = slices.Delete(n.names, i, i+1)
	}
}

// text writes the node as compact JSON.
func (n *node) text(out []byte) []byte {
	if n.kind == fhir.NullKind {
		return append(out, "null"...) // one of our own has no place in a document
	}
	if !n.open || !n.isObject() && !n.isArray() {
		return append(out, n.value.Raw()...)
	}
	open, end := byte('['), byte(']')
	if n.isObject() {
		open, end = '{', '}'
	}
	out = append(out, open)
	for i, item := range n.items {
		if i > 0 {
			out = append(out, ',')
		}
		if n.isObject() {
			out = append(append(out, fhir.Quote(n.names[i])...), ':')
		}
		out = item.text(out)
	}
	return append(out, end)
}

// clone copies a node, so that a change of one isn't a change of the other.
func (n *node) clone() *node {
	c := &node{value: n.value, open: n.open, kind: n.kind, names: slices.Clone(n.names)}
	for _, item := range n.items {
		c.items = append(c.items, item.clone())
	}
	return c
}

// resource reads the whole tree as a resource.
func (n *node) resource() (*fhir.Resource, error) {
	if !n.isObject() {
		return nil, failed("the result must be an object")
	}
	return fhir.Parse(n.text(nil))
}

// failed is a patch that can't be applied to this resource (R4 http.html#patch:
// 422).
func failed(text string) *fhir.Outcome { return fhir.NewOutcome(fhir.KindProcessing, "", text) }
