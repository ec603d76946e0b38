package validate

import (
	"bytes"
	"unicode/utf8"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
)

// format is the form of a primitive's text (R4 datatypes.html).
type format uint8

const (
	anyFormat format = iota
	stringFormat
	base64Format
	codeFormat
	dateFormat
	dateTimeFormat
	idFormat
	instantFormat
	oidFormat
	timeFormat
	uriFormat
	uuidFormat
	integerFormat
	positiveFormat
	unsignedFormat
)

// formatOf returns the format of a primitive type. A decimal has the form of a
// JSON number, a boolean that of a JSON boolean; both are checked already.
func formatOf(name string) format {
	switch name {
	case "string", "markdown":
		return stringFormat
	case "base64Binary":
		return base64Format
	case "code":
		return codeFormat
	case "date":
		return dateFormat
	case "dateTime":
		return dateTimeFormat
	case "id":
		return idFormat
	case "instant":
		return instantFormat
	case "oid":
		return oidFormat
	case "time":
		return timeFormat
	case "uri", "url", "canonical":
		return uriFormat
	case "uuid":
		return uuidFormat
	case "integer":
		return integerFormat
	case "positiveInt":
		return positiveFormat
	case "unsignedInt":
		return unsignedFormat
	}
	return anyFormat
}

// formats are the checks of string formats with what to say when they fail.
// A string is checked in place.
var formats = [...]struct {
	ok   func(text []byte) bool
	text string
}{
	base64Format:   {validBase64, "base64 has groups of four of its characters, padded with = at the end"},
	codeFormat:     {validCode, "a code has no white space but single spaces between its words"},
	dateFormat:     {validDate, "a date is written YYYY, YYYY-MM or YYYY-MM-DD and must exist in the calendar"},
	dateTimeFormat: {validDateTime, "a dateTime is written YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a time zone and must exist in the calendar"},
	idFormat:       {validID, "an id has 1 to 64 letters, digits, hyphens and full stops"},
	instantFormat:  {validInstant, "an instant is written YYYY-MM-DDThh:mm:ss with a time zone and must exist in the calendar"},
	oidFormat:      {validOID, "an oid is written urn:oid: and numbers with full stops between them"},
	timeFormat:     {validTime, "a time is written hh:mm:ss, without time zone"},
	uriFormat:      {validURI, "a uri has no white space or control characters"},
	uuidFormat:     {validUUID, "a uuid is written urn:uuid: and the UUID in lower case"},
}

// primitive checks the JSON type and the text of a primitive value.
func (c *checker) primitive(m fhir.Value, r *row) {
	switch r.plan.kind {
	case def.BooleanPrimitive:
		if m.Kind() != fhir.BoolKind {
			c.structure(m, "true or false belongs here, without quotes")
		}
	case def.NumberPrimitive:
		if m.Kind() != fhir.NumberKind {
			c.structure(m, "a number belongs here, without quotes")
			return
		}
		if text := numberProblem(m.Raw(), r.plan.format); text != "" {
			c.value(m, text)
		}
	default:
		if m.Kind() != fhir.StringKind {
			c.structure(m, "a string belongs here, in quotes")
			return
		}
		c.text(m, r)
	}
}

// text checks a string value.
func (c *checker) text(m fhir.Value, r *row) {
	raw := m.Raw()
	raw = raw[1 : len(raw)-1]
	if len(raw) == 0 {
		c.value(m, "a string can't be empty; leave the member out")
		return
	}
	switch r.plan.format {
	case stringFormat:
		if text := stringProblem(raw); text != "" {
			c.value(m, text)
		} else if r.Attr && bytes.IndexByte(raw, ' ') >= 0 {
			c.value(m, "the id of an element has no spaces")
		}
	case anyFormat:
	default:
		if bytes.IndexByte(raw, '\\') >= 0 {
			raw = []byte(m.Text())
		}
		if f := &formats[r.plan.format]; !f.ok(raw) {
			c.value(m, f.text)
			return
		}
		if r.plan.format == uriFormat && raw[0] == '#' {
			c.anchor(m, fhir.Value{})
		}
	}
	if r.codes != nil && !inSet(r.codes, "", m.TextBytes()) {
		c.rule(m, "", "the code must be one of the value set "+r.codes.URL)
	}
}

// maxString is R4's bound of a string in characters.
const maxString = 1024 * 1024

// stringProblem checks the inside of a JSON string as a FHIR string.
func stringProblem(raw []byte) string {
	if len(raw) > maxString && utf8.RuneCount(raw) > maxString {
		return "a string has at most 1,048,576 characters"
	}
	for i := bytes.IndexByte(raw, '\\'); i >= 0 && i < len(raw); {
		switch raw[i+1] {
		case 'b', 'f':
			return "a string has no control characters but tab, carriage return and line feed"
		case 'u':
			if code := raw[i+2 : i+6]; code[0] == '0' && code[1] == '0' && code[2] < '2' && !allowedControl(code) {
				return "a string has no control characters but tab, carriage return and line feed"
			}
		}
		next := bytes.IndexByte(raw[i+2:], '\\')
		if next < 0 {
			break
		}
		i += 2 + next
	}
	return ""
}

// allowedControl says whether the digits of an escape below U+0020 are those
// of tab, line feed or carriage return.
func allowedControl(code []byte) bool {
	low := code[3] | 0x20
	return code[2] == '0' && (code[3] == '9' || low == 'a' || low == 'd')
}

// numberProblem checks the text of a JSON number as an integer type.
func numberProblem(raw []byte, f format) string {
	if f == anyFormat {
		return ""
	}
	digits, negative := raw, raw[0] == '-'
	if negative {
		digits = raw[1:]
	}
	value := int64(0)
	for _, b := range digits {
		if b < '0' || b > '9' {
			return "a whole number belongs here, written without point or exponent"
		}
		if value = value*10 + int64(b-'0'); value > 1<<31 {
			value = 1<<31 + 1
		}
	}
	switch {
	case negative && value == 0:
		return "zero is written without a sign"
	case f == positiveFormat && (negative || value == 0):
		return "a number above zero belongs here"
	case f == unsignedFormat && negative:
		return "a number that isn't negative belongs here"
	case value > 1<<31, !negative && value == 1<<31:
		return "the number is outside the 32 bits of an integer"
	}
	return ""
}
