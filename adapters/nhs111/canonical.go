package nhs111

import (
	"errors"

	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"

	"github.com/onward-health/onward/internal/xmltree"
)

// canonical gives the exclusive canonical form of the node at the end of a path,
// and makes sure that it says what the node does.
func (v *verifier) canonical(path []*xmltree.Node, prefixes string) ([]byte, error) {
	element, node := v.document.Root(), v.e.root
	for _, step := range path {
		mine, theirs := node.Elements(), element.ChildElements()
		at := -1
		for i, child := range mine {
			if child == step {
				at = i
			}
		}
		if at < 0 || len(mine) != len(theirs) {
			return nil, errReaders
		}
		element, node = theirs[at], step
	}
	scope, err := etreeutils.NSBuildParentContext(element)
	if err != nil {
		return nil, errReaders
	}
	detached, err := etreeutils.NSDetatch(scope, element)
	if err != nil {
		return nil, errReaders
	}
	out, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList(prefixes).Canonicalize(detached)
	if err != nil {
		return nil, errReaders
	}
	again, err := xmltree.Read(out, xmltree.Rules{Instructions: true})
	if err != nil || !same(again, node) {
		return nil, errReaders
	}
	return out, nil
}

var errReaders = errors.New("the canonical form of a signed part doesn't say what the part says")

// same compares two trees by what they say.
func same(a, b *xmltree.Node) bool {
	if a.Space != b.Space || a.Local != b.Local || len(a.Attrs) != len(b.Attrs) {
		return false
	}
	for _, attr := range a.Attrs {
		if value, ok := b.AttrIn(attr.Space, attr.Local); !ok || value != attr.Value {
			return false
		}
	}
	left, right := runs(a), runs(b)
	if len(left) != len(right) {
		return false
	}
	for i, l := range left {
		r := right[i]
		if l.element == nil || r.element == nil {
			if l.element != r.element || l.text != r.text {
				return false
			}
		} else if !same(l.element, r.element) {
			return false
		}
	}
	return true
}

// run is a child element, or all the text between two of them.
type run struct {
	element *xmltree.Node
	text    string
}

func runs(n *xmltree.Node) []run {
	var out []run
	for _, c := range n.Children {
		switch {
		case c.Local != "":
			out = append(out, run{element: c})
		case c.Text == "":
		case len(out) > 0 && out[len(out)-1].element == nil:
			out[len(out)-1].text += c.Text
		default:
			out = append(out, run{text: c.Text})
		}
	}
	return out
}
