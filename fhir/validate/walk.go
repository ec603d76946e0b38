package validate

import (
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
)

const notOfFHIR = "this member isn't one of FHIR's for this place"

// object checks an object of a resource, data type or backbone element.
func (c *checker) object(v fhir.Value, p *plan) {
	var present bits
	count, ids := 0, 0
	for name, m := range v.Members() {
		if c.full() {
			return
		}
		count++
		if name == "id" {
			ids++
		}
		if name == "resourceType" && p.kind == def.Resource {
			continue
		}
		plain, beside := strings.CutPrefix(name, "_")
		r := p.row(plain)
		if r == nil || beside && (r.Attr || !r.plan.kind.Primitive()) {
			c.absent(Structure, v, name, "", notOfFHIR)
			continue
		}
		if present.has(r.Order) && r.Choice != "" {
			c.choice(v, m, p, r)
		}
		present.add(r.Order)
		if beside {
			c.beside(v, m, r)
		} else {
			c.member(v, m, r)
		}
	}
	if p.kind != def.Resource {
		c.content(v, count, ids)
	}
	c.missing(v, p, present)
	switch p.is {
	case isExtension:
		c.extension(v)
	case isReference:
		c.anchor(v.Get("reference"), v)
	case isMeta:
		c.containedMeta(v)
	}
	for _, rule := range p.rules {
		if !rule.holds(v) && c.room() {
			c.add(Issue{Rule, rule.key, rule.place(c.path(v)), rule.text})
		}
	}
}

// content checks that an element has some (ele-1).
func (c *checker) content(v fhir.Value, count, ids int) {
	switch {
	case count == 0:
		c.structure(v, "an object can't be empty; leave it out")
	case count == ids:
		c.rule(v, "ele-1", "an element must have a value or children besides its id")
	}
}

// missing reports the elements that must be there and aren't.
func (c *checker) missing(v fhir.Value, p *plan, present bits) {
	if p.required[0]&^present[0] == 0 && p.required[1]&^present[1] == 0 {
		return
	}
	last := -1
	for i := range p.rows {
		r := &p.rows[i]
		if r.Min == 0 || present.has(r.Order) || int(r.Order) == last {
			continue
		}
		last = int(r.Order)
		text := "this element is required"
		if r.Choice != "" {
			text = "one of the alternatives of this element is required"
		}
		c.absent(Rule, v, r.element(), "", text)
	}
}

// choice reports an alternative of a choice that isn't the first given. m is
// its value or the extensions of it.
func (c *checker) choice(v, m fhir.Value, p *plan, r *row) {
	for name := range v.Members() {
		first := p.row(strings.TrimPrefix(name, "_"))
		if first == nil || first.Order != r.Order {
			continue
		}
		if first != r {
			c.rule(m, "", "only one of the alternatives of this element may be given")
		}
		return
	}
}

// member checks a member that isn't a primitive's extensions.
func (c *checker) member(v, m fhir.Value, r *row) {
	if !r.Many {
		if m.Kind() == fhir.ArrayKind {
			c.structure(m, "this element doesn't repeat: a single value belongs here, not an array")
			return
		}
		c.one(m, r)
		return
	}
	if m.Kind() != fhir.ArrayKind {
		c.structure(m, "this element can repeat: an array belongs here, even for one value")
		return
	}
	count, nulls := 0, false
	for item := range m.Items() {
		if c.full() {
			return
		}
		count++
		if item.Kind() == fhir.NullKind && r.plan.kind.Primitive() {
			nulls = true // may hold the place of an extension
			continue
		}
		if r.Name == "contained" && r.plan.kind == def.AbstractResource {
			c.containedResource(item, count)
			continue
		}
		c.one(item, r)
	}
	if count == 0 {
		c.structure(m, "an array can't be empty; leave it out")
	}
	if nulls && v.Get("_"+r.Name).Kind() != fhir.ArrayKind {
		c.structure(m, "null may stand in an array only where the array with the underscore has an extension")
	}
}

// one checks a single value.
func (c *checker) one(m fhir.Value, r *row) {
	switch kind := r.plan.kind; {
	case m.Kind() == fhir.NullKind:
		c.structure(m, "null can't be a value; leave the member out")
	case kind == def.AbstractResource && c.envelope:
	case kind == def.AbstractResource:
		c.resource(m)
	case kind == def.XHTML:
		c.narrative(m)
	case kind.Primitive():
		c.primitive(m, r)
	case m.Kind() != fhir.ObjectKind:
		c.structure(m, "an object of type "+typeName(r)+" belongs here")
	default:
		c.object(m, r.plan)
		if r.codes != nil && r.plan.name == "CodeableConcept" {
			c.coded(m, r)
		}
		if r.plan.is == isReference {
			c.target(m, r)
		}
	}
}

// typeName is what to call an element's type in a sentence.
func typeName(r *row) string {
	if r.plan.kind == def.Backbone {
		return "BackboneElement"
	}
	return r.plan.name
}

// beside checks the member with the underscore: the id and extensions of a
// primitive, or of an array of them (R4 json.html).
func (c *checker) beside(v, m fhir.Value, r *row) {
	if !r.Many {
		c.besideOne(m, r.plan, v.Get(r.Name).Exists())
		return
	}
	if m.Kind() != fhir.ArrayKind {
		c.structure(m, "the extensions of an element that can repeat stand in an array")
		return
	}
	c.pair(v.Get(r.Name), m, r)
}

// pair checks an array of primitives with that of their extensions.
func (c *checker) pair(values, extras fhir.Value, r *row) {
	length := extras.Len()
	if length == 0 {
		c.structure(extras, "an array can't be empty; leave it out")
		return
	}
	if values.Kind() == fhir.ArrayKind && values.Len() != length {
		c.structure(extras, "this array must be as long as that of the values, with null for those without extensions")
		return
	}
	given := make([]bool, 0, length)
	for value := range values.Items() {
		given = append(given, value.Kind() != fhir.NullKind)
	}
	at, some := 0, false
	for extra := range extras.Items() {
		if c.full() {
			return
		}
		hasValue := at < len(given) && given[at]
		at++
		if extra.Kind() != fhir.NullKind {
			some = true
			c.besideOne(extra, r.plan, hasValue)
		} else if !hasValue {
			c.structure(extra, "null can't stand for both the value and its extensions")
		}
	}
	if !some {
		c.structure(extras, "an array of nothing but null says nothing; leave it out")
	}
}

// besideOne checks the id and extensions of one primitive.
func (c *checker) besideOne(m fhir.Value, p *plan, hasValue bool) {
	if m.Kind() != fhir.ObjectKind {
		c.structure(m, "an object with the id and extensions of the value belongs here")
		return
	}
	if !hasValue && m.Get("id").Exists() && m.Len() == 1 {
		c.rule(m, "ele-1", "an element must have a value or children besides its id")
	}
	count := 0
	for name, member := range m.Members() {
		if c.full() {
			return
		}
		count++
		r := p.row(name)
		if r == nil {
			c.absent(Structure, m, name, "", notOfFHIR)
			continue
		}
		c.member(m, member, r)
	}
	if count == 0 {
		c.structure(m, "an object can't be empty; leave it out")
	}
}

// extension checks ext-1; the table has seen to url and to the choice.
func (c *checker) extension(v fhir.Value) {
	if has(v, "extension") == hasChoice(v, "value") {
		c.rule(v, "ext-1", "an extension has either a value or extensions of its own, never both or neither")
	}
}
