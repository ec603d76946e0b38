package profile

import (
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
)

// item is one element of a resource with its type.
type item struct {
	v      fhir.Value // not there for a primitive that has extensions only
	beside fhir.Value // the id and extensions of a primitive
	typ    *def.Type  // nil where the resource doesn't tell
}

// path is the FHIRPath of the item. A primitive's extensions are below the
// element itself, so the underscore of their member goes.
func (it item) path() string {
	at := it.v
	if !at.Exists() {
		at = it.beside
	}
	return strings.ReplaceAll(at.Path(), "._", ".")
}

// children appends the elements of an item that have a name of the definitions
// ("name", "value[x]"), one for each repetition.
func children(t *def.Tables, it item, name string, out []item) []item {
	if it.typ == nil {
		return out
	}
	holder := it.v
	if it.typ.Kind.Primitive() {
		holder = it.beside
	}
	if holder.Kind() != fhir.ObjectKind {
		return out
	}
	for i := range it.typ.Elements {
		e := &it.typ.Elements[i]
		if e.Name != name && (e.Choice == "" || e.Choice != name) {
			continue
		}
		out = values(t, holder, e, out)
		if e.Choice != name {
			break
		}
	}
	return out
}

// values appends the repetitions of one element.
func values(t *def.Tables, holder fhir.Value, e *def.Element, out []item) []item {
	typ, v := t.TypeOf(e), holder.Get(e.Name)
	var beside fhir.Value
	if typ.Kind.Primitive() {
		beside = holder.Get("_" + e.Name)
	}
	if v.Kind() == fhir.NullKind {
		v = fhir.Value{}
	}
	if v.Kind() != fhir.ArrayKind && beside.Kind() != fhir.ArrayKind {
		if v.Exists() || beside.Exists() {
			out = append(out, typed(t, v, beside, typ))
		}
		return out
	}
	start := len(out)
	for one := range v.Items() {
		if one.Kind() == fhir.NullKind {
			one = fhir.Value{}
		}
		out = append(out, typed(t, one, fhir.Value{}, typ))
	}
	at := start
	for one := range beside.Items() {
		if one.Kind() == fhir.NullKind {
			one = fhir.Value{}
		}
		if at < len(out) {
			out[at].beside = one
		} else {
			out = append(out, typed(t, fhir.Value{}, one, typ))
		}
		at++
	}
	// A null on both sides is no element; package validate reports it.
	kept := out[:start]
	for _, it := range out[start:] {
		if it.v.Exists() || it.beside.Exists() {
			kept = append(kept, it)
		}
	}
	return kept
}

// typed makes an item; a resource inside another names its own type.
func typed(t *def.Tables, v, beside fhir.Value, typ *def.Type) item {
	if typ.Kind == def.AbstractResource {
		typ = t.Resource(v.Get("resourceType").Text())
	}
	return item{v, beside, typ}
}
