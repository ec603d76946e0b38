package fhirxml

import (
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
)

// FromJSON writes a resource as FHIR XML, its elements in the definition's
// order (R4 xml.html). All that XML can't show of the JSON is the order of
// members, null that fills up the end of an array, and carriage returns in the
// narrative, which XML reads as line feeds.
//
// The error is an Outcome: KindStructure for an unknown member or a wrong JSON
// type, KindValue for a text that XML can't hold (most control characters, a
// narrative that isn't XHTML), KindTooComplex for too deep a resource.
func FromJSON(r *fhir.Resource, t *def.Tables) ([]byte, error) {
	e := encoder{t: t, out: make([]byte, 0, len(r.JSON())*5/4+128)}
	e.out = append(e.out, `<?xml version="1.0" encoding="UTF-8"?>`...)
	if err := e.resource(r.Root()); err != nil {
		return nil, err
	}
	return e.out, nil
}

type encoder struct {
	t     *def.Tables
	out   []byte
	depth int // open XML elements
}

func structure(v fhir.Value, message string) error {
	return fhir.NewOutcome(fhir.KindStructure, v.Path(), message)
}

// row is an element of an object with the one or two members that tell of it.
type row struct {
	e     *def.Element
	value fhir.Value
	extra fhir.Value // the member with the underscore
}

// at is the row's place for error messages.
func (r row) at() fhir.Value {
	if r.value.Exists() {
		return r.value
	}
	return r.extra
}

func (e *encoder) resource(v fhir.Value) error {
	if v.Kind() != fhir.ObjectKind {
		return structure(v, "a resource must be an object")
	}
	typ := e.t.Resource(v.Get("resourceType").Text())
	if typ == nil {
		return structure(v, "resourceType must name a known resource type")
	}
	rows, err := e.rows(v, typ)
	if err != nil {
		return err
	}
	if err := e.open(v, typ.Name); err != nil {
		return err
	}
	if e.depth == 1 {
		e.out = append(e.out, ` xmlns="`+fhirURI+`"`...)
	}
	return e.children(rows, typ.Name)
}

// open begins a start tag.
func (e *encoder) open(v fhir.Value, name string) error {
	if e.depth++; e.depth > maxDepth {
		return fhir.NewOutcome(fhir.KindTooComplex, v.Path(), "the resource is nested deeper than "+strconv.Itoa(maxDepth)+" XML elements")
	}
	e.out = append(append(e.out, '<'), name...)
	return nil
}

// children ends the start tag of the element name, writes what rows hold and
// closes it.
func (e *encoder) children(rows []row, name string) error {
	defer func() { e.depth-- }()
	if len(rows) == 0 || rows[len(rows)-1].e.Attr {
		e.out = append(e.out, "/>"...)
		return nil
	}
	e.out = append(e.out, '>')
	for _, r := range rows {
		if r.e.Attr {
			continue
		}
		if err := e.element(r); err != nil {
			return err
		}
	}
	e.out = append(append(append(e.out, "</"...), name...), '>')
	return nil
}

// rows sorts an object's members as XML wants them: attributes, then elements
// in the definition's order.
func (e *encoder) rows(v fhir.Value, typ *def.Type) ([]row, error) {
	rows := make([]row, 0, v.Len())
	for name, member := range v.Members() {
		if name == "resourceType" && typ.Kind == def.Resource {
			continue
		}
		name, isExtra := strings.CutPrefix(name, "_")
		elem := typ.Element(name)
		if elem == nil || isExtra && (elem.Attr || !e.t.TypeOf(elem).Kind.Primitive()) {
			return nil, fhir.NewOutcome(fhir.KindStructure, v.Path()+"."+pathName([]byte(name)), "an unknown member")
		}
		at := slices.IndexFunc(rows, func(r row) bool { return r.e == elem })
		if at < 0 {
			at = len(rows)
			rows = append(rows, row{e: elem})
		}
		if isExtra {
			rows[at].extra = member
		} else {
			rows[at].value = member
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		if a.e.Attr != b.e.Attr {
			if a.e.Attr {
				return -1
			}
			return 1
		}
		return int(a.e.Order) - int(b.e.Order)
	})
	for i := 1; i < len(rows); i++ {
		if a, b := rows[i-1].e, rows[i].e; a.Order == b.Order && a.Attr == b.Attr {
			return nil, structure(rows[i].at(), "the element is an alternative to another one; only one of them may stand here")
		}
	}
	return rows, nil
}

// element writes an element with all its repetitions.
func (e *encoder) element(r row) error {
	typ := e.t.TypeOf(r.e)
	if !r.e.Many {
		return e.single(r, typ)
	}
	for _, list := range []fhir.Value{r.value, r.extra} {
		if list.Exists() && (list.Kind() != fhir.ArrayKind || list.Len() == 0) {
			return structure(list, "the element repeats, so it must be an array that isn't empty")
		}
	}
	values, extras := slices.Collect(r.value.Items()), slices.Collect(r.extra.Items())
	for i := range max(len(values), len(extras)) {
		item := row{e: r.e, value: pick(values, i), extra: pick(extras, i)}
		if !item.at().Exists() {
			return structure(r.at(), "an element must have a value or children")
		}
		if err := e.single(item, typ); err != nil {
			return err
		}
	}
	return nil
}

// pick returns an array's item; null, or nothing, where there is none.
func pick(list []fhir.Value, i int) fhir.Value {
	if i >= len(list) {
		return fhir.Value{}
	}
	return list[i]
}

func (e *encoder) single(r row, typ *def.Type) error {
	switch typ.Kind {
	case def.XHTML:
		return e.narrative(r.value)
	case def.Resource, def.AbstractResource:
		if err := e.open(r.value, r.e.Name); err != nil {
			return err
		}
		e.out = append(e.out, '>')
		if err := e.resource(r.value); err != nil {
			return err
		}
		e.depth--
		e.out = append(append(append(e.out, "</"...), r.e.Name...), '>')
		return nil
	}
	if typ.Kind.Primitive() {
		return e.primitive(r, typ)
	}
	return e.object(r.value, r.e.Name, typ)
}

// object writes a complex element.
func (e *encoder) object(v fhir.Value, name string, typ *def.Type) error {
	if v.Kind() != fhir.ObjectKind || v.Len() == 0 {
		return structure(v, "the element must be an object that isn't empty")
	}
	rows, err := e.rows(v, typ)
	if err != nil {
		return err
	}
	if err := e.open(v, name); err != nil {
		return err
	}
	if err := e.attributes(rows); err != nil {
		return err
	}
	return e.children(rows, name)
}

// attributes writes those elements that XML has as attributes.
func (e *encoder) attributes(rows []row) error {
	for _, r := range rows {
		if !r.e.Attr {
			break
		}
		if r.value.Kind() != fhir.StringKind {
			return structure(r.value, "the element must be a string")
		}
		if err := e.attribute(r.e.Name, r.value); err != nil {
			return err
		}
	}
	return nil
}

// attribute writes a string as an attribute.
func (e *encoder) attribute(name string, v fhir.Value) error {
	value := v.Text()
	if value == "" {
		return fhir.NewOutcome(fhir.KindValue, v.Path(), "the value can't be empty")
	}
	e.out = append(append(append(e.out, ' '), name...), '=')
	out, ok := appendValue(e.out, value)
	if !ok {
		return fhir.NewOutcome(fhir.KindValue, v.Path(), "the text holds a character that XML can't hold")
	}
	e.out = out
	return nil
}

// primitive writes a primitive with its id and extensions.
func (e *encoder) primitive(r row, typ *def.Type) error {
	hasValue := r.value.Exists() && r.value.Kind() != fhir.NullKind
	hasExtra := r.extra.Exists() && r.extra.Kind() != fhir.NullKind
	nullAllowed := r.e.Many
	switch {
	case !nullAllowed && (r.value.Kind() == fhir.NullKind || r.extra.Kind() == fhir.NullKind):
		return structure(r.at(), "null is only allowed in an array")
	case !hasValue && !hasExtra:
		return structure(r.at(), "an element must have a value or children")
	case hasExtra && (r.extra.Kind() != fhir.ObjectKind || r.extra.Len() == 0):
		return structure(r.extra, "the id and extensions of a primitive must be an object that isn't empty")
	}
	rows, err := e.rows(r.extra, typ)
	if err != nil {
		return err
	}
	if err := e.open(r.at(), r.e.Name); err != nil {
		return err
	}
	if err := e.attributes(rows); err != nil {
		return err
	}
	if hasValue {
		if err := e.value(r.value, typ); err != nil {
			return err
		}
	}
	return e.children(rows, r.e.Name)
}

// value writes a primitive's value, which must be of its JSON type.
func (e *encoder) value(v fhir.Value, typ *def.Type) error {
	want, message := fhir.StringKind, "the value must be a string"
	switch typ.Kind {
	case def.NumberPrimitive:
		want, message = fhir.NumberKind, "the value must be a number"
	case def.BooleanPrimitive:
		want, message = fhir.BoolKind, "the value must be true or false, without quotes"
	}
	if v.Kind() != want {
		return structure(v, message)
	}
	if want == fhir.StringKind {
		return e.attribute("value", v)
	}
	e.out = append(append(append(e.out, ` value="`...), v.Raw()...), '"')
	return nil
}

// narrative writes the div as it is.
func (e *encoder) narrative(v fhir.Value) error {
	if v.Kind() != fhir.StringKind {
		return structure(v, "the narrative must be a string")
	}
	div := v.Text()
	if err := checkDiv(div, e.depth); err != nil {
		if fhir.AsOutcome(err).Kind == fhir.KindTooComplex {
			return fhir.NewOutcome(fhir.KindTooComplex, v.Path(), "the narrative is too deep or holds too many elements")
		}
		return fhir.NewOutcome(fhir.KindValue, v.Path(), "the narrative is not one well-formed XHTML div of its own").Because(err)
	}
	e.out = append(e.out, div...)
	return nil
}
