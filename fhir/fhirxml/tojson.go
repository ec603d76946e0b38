package fhirxml

import (
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
)

// ToJSON reads one resource as FHIR XML and returns it as JSON. Members stand in
// document order behind resourceType. The error is an Outcome: KindStructure
// for what isn't FHIR XML or names an unknown element, KindValue for a number
// or boolean that JSON can't write, KindTooComplex over the bounds.
//
// A plus sign in front of a number (R4 allows it in integers) is dropped:
// JSON has none.
func ToJSON(xml []byte, t *def.Tables) (*fhir.Resource, error) {
	d := decoder{s: scanner{in: xml}, t: t, out: make([]byte, 0, len(xml))}
	if err := d.s.declaration(); err != nil {
		return nil, err
	}
	if err := d.read(); err != nil {
		return nil, err
	}
	if err := d.resource(); err != nil {
		return nil, err
	}
	return fhir.Parse(d.out) // resource read on to the end of the document
}

// decoder writes JSON while it reads. d.tok is always the token to look at
// next, and never white space.
type decoder struct {
	s    scanner
	t    *def.Tables
	tok  token
	out  []byte
	path path
}

// read moves on to the next token, past white space between elements.
func (d *decoder) read() error {
	for {
		var err error
		if d.tok, err = d.s.next(); err != nil {
			return err
		}
		if d.tok.kind != text {
			return nil
		}
		if !d.tok.blank {
			return d.fail("text between elements is not allowed")
		}
	}
}

func (d *decoder) fail(message string) *fhir.Outcome {
	return fhir.NewOutcome(fhir.KindStructure, d.path.String(), message)
}

// resource reads the resource whose start tag is the current token, up to
// behind its end.
func (d *decoder) resource() error {
	if d.tok.name.space != fhirNamespace {
		return d.fail("a resource in the namespace " + fhirURI + " is expected")
	}
	typeName := string(d.tok.name.local)
	typ := d.t.Resource(typeName)
	if typ == nil {
		return d.fail("an unknown resource type is named")
	}
	if len(d.path) == 0 {
		d.path.push(typeName)
		defer d.path.pop()
	}
	d.out = append(d.out, `{"resourceType":"`...)
	d.out = append(d.out, typeName...)
	d.out = append(d.out, '"')
	if err := d.resourceAttributes(); err != nil {
		return err
	}
	return d.members(typ, false)
}

// resourceAttributes allows xsi:schemaLocation, which editors put there.
func (d *decoder) resourceAttributes() error {
	for _, attr := range d.tok.attrs {
		if attr.name.space != xsiNamespace || string(attr.name.local) != "schemaLocation" {
			return d.fail("a resource has no attributes")
		}
	}
	return d.read()
}

// object reads the complex element whose start tag is the current token.
func (d *decoder) object(typ *def.Type) error {
	d.out = append(d.out, '{')
	first := true
	for i := range typ.Elements {
		e := &typ.Elements[i]
		if !e.Attr {
			continue
		}
		if value, ok := d.attr(e.Name); ok {
			first = d.member(first, "", e.Name)
			d.out = appendString(d.out, value)
		}
	}
	if err := d.checkAttributes(typ, false); err != nil {
		return err
	}
	if err := d.read(); err != nil {
		return err
	}
	if first && d.tok.kind == endTag {
		return d.fail("an element must have a value or children")
	}
	return d.members(typ, first)
}

// attr returns an attribute of the current start tag.
func (d *decoder) attr(name string) ([]byte, bool) {
	for i := range d.tok.attrs {
		a := &d.tok.attrs[i]
		if a.name.space == noNamespace && string(a.name.local) == name {
			return a.value, true
		}
	}
	return nil, false
}

// checkAttributes refuses attributes that the type doesn't have, and empty
// ones (R4 xml.html).
func (d *decoder) checkAttributes(typ *def.Type, value bool) error {
	for i := range d.tok.attrs {
		a := &d.tok.attrs[i]
		known := value && string(a.name.local) == "value"
		if e := typ.Element(string(a.name.local)); e != nil {
			known = e.Attr
		}
		if !known || a.name.space != noNamespace {
			return d.fail("an attribute is not one of the element's type")
		}
		if len(a.value) == 0 {
			return fhir.NewOutcome(fhir.KindValue, d.path.String(), "an attribute can't be empty")
		}
	}
	return nil
}

// member writes the name of a member; it returns false to say that the next
// one isn't the first.
func (d *decoder) member(first bool, mark, name string) bool {
	if !first {
		d.out = append(d.out, ',')
	}
	d.out = append(d.out, '"')
	d.out = append(d.out, mark...)
	d.out = append(d.out, name...)
	d.out = append(d.out, '"', ':')
	return false
}

// members reads child elements up to behind the end tag of their parent and
// closes the JSON object.
func (d *decoder) members(typ *def.Type, first bool) error {
	var previous *def.Element
	for d.tok.kind == startTag {
		e := d.child(typ)
		if e == nil {
			d.path.push(pathName(d.tok.name.local))
			return d.fail("an unknown element, or one in a wrong namespace")
		}
		d.path.push(e.Name)
		if err := d.checkOrder(previous, e); err != nil {
			return err
		}
		previous = e
		var err error
		if first, err = d.element(e, first); err != nil {
			return err
		}
		d.path.pop()
	}
	d.out = append(d.out, '}')
	return d.read()
}

// checkOrder refuses what JSON couldn't hold (a member twice) together with
// what R4 xml.html forbids (elements out of order). Repetitions of an element
// that may repeat were all read with its first.
func (d *decoder) checkOrder(previous, e *def.Element) error {
	switch {
	case previous == nil || e.Order > previous.Order:
		return nil
	case e == previous:
		return d.fail("the element stands more than once")
	case e.Order == previous.Order:
		return d.fail("the element is an alternative to the one before it; only one of them may stand here")
	}
	return d.fail("the element is not in the order of the definition")
}

// child finds the definition of the current start tag.
func (d *decoder) child(typ *def.Type) *def.Element {
	e := typ.Element(string(d.tok.name.local))
	if e == nil || e.Attr {
		return nil
	}
	space := fhirNamespace
	if d.t.TypeOf(e).Kind == def.XHTML {
		space = xhtmlNamespace
	}
	if d.tok.name.space != space {
		return nil
	}
	return e
}

// element reads an element with all its repetitions.
func (d *decoder) element(e *def.Element, first bool) (bool, error) {
	typ := d.t.TypeOf(e)
	switch {
	case typ.Kind.Primitive() && e.Many:
		return d.primitives(e, typ, first)
	case typ.Kind.Primitive():
		return d.primitive(e, typ, first)
	}
	first = d.member(first, "", e.Name)
	if !e.Many {
		return first, d.single(typ)
	}
	d.out = append(d.out, '[')
	for index := 0; d.repeats(e, index); index++ {
		d.path.at(index)
		if index > 0 {
			d.out = append(d.out, ',')
		}
		if err := d.single(typ); err != nil {
			return first, err
		}
	}
	d.out = append(d.out, ']')
	return first, nil
}

// repeats says whether the current token is repetition index of e; number 0
// was looked at before.
func (d *decoder) repeats(e *def.Element, index int) bool {
	return index == 0 || d.tok.kind == startTag && d.tok.name.space == fhirNamespace &&
		string(d.tok.name.local) == e.Name
}

// single reads one element that is no primitive.
func (d *decoder) single(typ *def.Type) error {
	switch typ.Kind {
	case def.XHTML:
		return d.narrative()
	case def.Resource, def.AbstractResource:
		return d.wrapped()
	}
	return d.object(typ)
}

// wrapped reads an element such as contained, which holds one resource.
func (d *decoder) wrapped() error {
	if len(d.tok.attrs) > 0 {
		return d.fail("an element that holds a resource has no attributes")
	}
	if err := d.read(); err != nil {
		return err
	}
	if d.tok.kind != startTag {
		return d.fail("a resource is missing")
	}
	if err := d.resource(); err != nil {
		return err
	}
	if d.tok.kind != endTag {
		return d.fail("more than one resource stands here")
	}
	return d.read()
}
