package patch

import "github.com/onward-health/onward/fhir"

// Merge applies a JSON Merge Patch (RFC 7396): null takes a member away, an
// object is merged, anything else replaces. Errors are those of fhir.Parse, where
// the result is too deep or too large.
func Merge(r, patch *fhir.Resource) (*fhir.Resource, error) {
	root := leaf(r.Root())
	merge(root, patch.Root())
	return root.resource()
}

// merge applies a patch, which is an object, to an object. It goes as deep as
// the patch, whose depth Parse has bounded.
func merge(target *node, patch fhir.Value) {
	target.expand()
	for name, v := range patch.Members() {
		at := target.member(name)
		switch {
		case v.Kind() == fhir.NullKind:
			if at >= 0 {
				target.remove(at)
			}
		case v.Kind() != fhir.ObjectKind:
			target.set(name, leaf(v))
		case at >= 0 && target.items[at].isObject():
			merge(target.items[at], v)
		default: // nulls in it have nothing to take away and must not stay
			fresh := &node{open: true, kind: fhir.ObjectKind}
			merge(fresh, v)
			target.set(name, fresh)
		}
	}
}
