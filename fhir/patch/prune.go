package patch

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// prune takes out of an opened node what changes have left empty: FHIR has no
// element without content.
func prune(n *node) {
	for i := len(n.items) - 1; i >= 0; i-- {
		item := n.items[i]
		if !item.open || !item.isObject() && !item.isArray() {
			continue
		}
		if name, beside := "", false; n.isObject() && item.isArray() {
			if name, beside = strings.CutPrefix(n.names[i], "_"); beside {
				pruneBeside(n, name, item)
				continue
			}
		}
		prune(item)
	}
	for i := len(n.items) - 1; i >= 0; i-- {
		if n.items[i].emptied() {
			n.remove(i)
		}
	}
}

// emptied says whether changes took the last content of a node.
func (n *node) emptied() bool {
	return n.open && (n.isObject() || n.isArray()) && len(n.items) == 0 && (!n.value.Exists() || n.value.Len() > 0)
}

// pruneBeside prunes the list that stands beside one of primitive values
// ("_given"): in it null stands for nothing, so that places still agree. A place
// that has nothing in either list goes.
func pruneBeside(object *node, name string, sides *node) {
	var mains *node
	if i := object.member(name); i >= 0 && object.items[i].isArray() {
		mains = object.items[i]
		mains.expand()
	}
	left := 0
	for i := len(sides.items) - 1; i >= 0; i-- {
		prune(sides.items[i])
		switch {
		case sides.items[i].kind == fhir.NullKind:
		case !sides.items[i].emptied():
			left++
		case mains == nil || i < len(mains.items) && mains.items[i].kind == fhir.NullKind:
			sides.items = slices.Delete(sides.items, i, i+1)
			if mains != nil {
				mains.items = slices.Delete(mains.items, i, i+1)
			}
		default:
			sides.items[i] = orNull(nil)
		}
	}
	if left == 0 {
		sides.items = nil
	}
}
