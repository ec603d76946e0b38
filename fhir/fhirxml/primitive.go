package fhirxml

import (
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
)

// primitive reads one that can't repeat: its value and, as a member of its own
// whose name begins with an underscore, its id and extensions.
func (d *decoder) primitive(e *def.Element, typ *def.Type, first bool) (bool, error) {
	start, wasFirst := len(d.out), first
	first = d.member(first, "", e.Name)
	hasValue, extra, err := d.value(typ)
	if err != nil {
		return first, err
	}
	if !hasValue {
		d.out, first = d.out[:start], wasFirst
	}
	if extra != nil {
		first = d.member(first, "_", e.Name)
		d.out = append(d.out, extra...)
	}
	return first, nil
}

// primitives reads all repetitions of one. Both arrays are filled up with null
// to the same length (R4 json.html).
func (d *decoder) primitives(e *def.Element, typ *def.Type, first bool) (bool, error) {
	start, wasFirst := len(d.out), first
	first = d.member(first, "", e.Name)
	d.out = append(d.out, '[')
	values, extras := 0, [][]byte(nil)
	index := 0
	for ; d.repeats(e, index); index++ {
		d.path.at(index)
		if index > 0 {
			d.out = append(d.out, ',')
		}
		hasValue, extra, err := d.value(typ)
		if err != nil {
			return first, err
		}
		if hasValue {
			values++
		} else {
			d.out = append(d.out, "null"...)
		}
		if extra != nil {
			for len(extras) < index {
				extras = append(extras, nil)
			}
			extras = append(extras, extra)
		}
	}
	d.out = append(d.out, ']')
	if values == 0 {
		d.out, first = d.out[:start], wasFirst
	}
	if extras == nil {
		return first, nil
	}
	first = d.member(first, "_", e.Name)
	d.out = append(d.out, '[')
	for i := range index {
		if i > 0 {
			d.out = append(d.out, ',')
		}
		if i < len(extras) && extras[i] != nil {
			d.out = append(d.out, extras[i]...)
		} else {
			d.out = append(d.out, "null"...)
		}
	}
	d.out = append(d.out, ']')
	return first, nil
}

// value writes a primitive's value, if it has one, and returns its id and
// extensions as a JSON object, if it has any.
func (d *decoder) value(typ *def.Type) (hasValue bool, extra []byte, err error) {
	if err := d.checkAttributes(typ, true); err != nil {
		return false, nil, err
	}
	value, hasValue := d.attr("value")
	id, hasID := d.attr("id")
	if hasValue {
		if err := d.scalar(typ, value); err != nil {
			return false, nil, err
		}
	}
	main := d.out
	d.out = nil
	if hasID {
		d.out = appendString(append(d.out, `{"id":`...), id)
	}
	if err := d.read(); err != nil {
		return false, nil, err
	}
	if d.tok.kind == endTag {
		if !hasValue && !hasID {
			return false, nil, d.fail("an element must have a value or children")
		}
		if hasID {
			d.out = append(d.out, '}')
		}
		err = d.read()
	} else {
		if !hasID {
			d.out = append(d.out, '{')
		}
		err = d.members(typ, !hasID)
	}
	extra, d.out = d.out, main
	return hasValue, extra, err
}

// scalar writes a primitive's value as its JSON type.
func (d *decoder) scalar(typ *def.Type, value []byte) error {
	switch typ.Kind {
	case def.NumberPrimitive:
		if value[0] == '+' && typ.Name != "decimal" {
			value = value[1:]
		}
		if !isNumber(value) {
			return fhir.NewOutcome(fhir.KindValue, d.path.String(), "the value must be a number")
		}
		d.out = append(d.out, value...)
	case def.BooleanPrimitive:
		if v := string(value); v != "true" && v != "false" {
			return fhir.NewOutcome(fhir.KindValue, d.path.String(), "the value must be true or false")
		}
		d.out = append(d.out, value...)
	default:
		d.out = appendString(d.out, value)
	}
	return nil
}
