package fhir

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// Object builds a JSON object member by member, in order. It never writes an
// empty string, array or object, which FHIR forbids.
type Object struct{ text []byte }

// NewObject starts an object; with a resource type it starts a resource.
func NewObject(resourceType string) *Object {
	o := &Object{}
	return o.Set("resourceType", resourceType)
}

// Obj starts a plain object from name, value pairs.
func Obj(pairs ...any) *Object {
	o := &Object{}
	for i := 0; i+1 < len(pairs); i += 2 {
		o.Set(pairs[i].(string), pairs[i+1])
	}
	return o
}

// ObjectOf is an object with the members of a value, which must be one.
func ObjectOf(v Value) *Object {
	o := &Object{}
	for name, member := range v.Members() {
		o.Set(name, member)
	}
	return o
}

// Set adds a member, which must not be set already. A value is a string, bool,
// int, int64, *Object, *Resource, Value, json.RawMessage, or a slice of strings,
// *Object or json.RawMessage; what is nil, null or empty is left out. (null
// inside a slice stays: it holds the place of a primitive with an extension.)
func (o *Object) Set(name string, value any) *Object {
	before := len(o.text)
	if before == 0 {
		o.text = append(o.text, '{')
	} else {
		o.text = append(o.text, ',')
	}
	o.text = append(appendQuoted(o.text, name), ':')
	at := len(o.text)
	o.text = appendValue(o.text, value)
	if raw := o.text[at:]; len(raw) == 0 || string(raw) == "null" {
		o.text = o.text[:before]
	}
	return o
}

// Empty says whether nothing has been set.
func (o *Object) Empty() bool { return o == nil || len(o.text) == 0 }

// JSON returns the object's text, or nil where it is empty.
func (o *Object) JSON() []byte {
	if o.Empty() {
		return nil
	}
	return append(o.text[:len(o.text):len(o.text)], '}')
}

// Resource returns the object as a Resource. It panics if a RawMessage that it
// was given isn't JSON, which only a programming error can cause.
func (o *Object) Resource() *Resource {
	r, err := Adopt(o.JSON())
	if err != nil {
		panic("fhir: building a resource: " + err.Error())
	}
	return r
}

// appendValue appends the JSON of a value; nothing where that is empty.
func appendValue(out []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return out
	case string:
		if v == "" {
			return out
		}
		return appendQuoted(out, v)
	case bool:
		return strconv.AppendBool(out, v)
	case int:
		return strconv.AppendInt(out, int64(v), 10)
	case int64:
		return strconv.AppendInt(out, v, 10)
	case *Object:
		if v.Empty() {
			return out
		}
		return append(append(out, v.text...), '}')
	case *Resource:
		if v == nil {
			return out
		}
		return append(out, unlessEmpty(v.JSON())...)
	case Value:
		return append(out, unlessEmpty(v.Raw())...)
	case json.RawMessage:
		return append(out, unlessEmpty(v)...)
	case []string:
		return appendList(out, v)
	case []*Object:
		return appendList(out, v)
	case []json.RawMessage:
		return appendList(out, v)
	}
	panic("fhir: a builder can't encode this type")
}

// unlessEmpty drops JSON text that says nothing: "", {} or [].
func unlessEmpty(raw []byte) []byte {
	raw = bytes.TrimSpace(raw)
	switch {
	case string(raw) == `""`:
		return nil
	case len(raw) > 1 && (raw[0] == '{' || raw[0] == '[') && len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0:
		return nil
	}
	return raw
}

func appendList[T any](out []byte, items []T) []byte {
	before := len(out)
	for _, item := range items {
		at := len(out)
		if at == before {
			out = append(out, '[')
		} else {
			out = append(out, ',')
		}
		start := len(out)
		if out = appendValue(out, any(item)); len(out) == start {
			out = out[:at]
		}
	}
	if len(out) == before {
		return out
	}
	return append(out, ']')
}

// Quote writes a JSON string. Unlike encoding/json it leaves <, > and & as
// they are, so that narrative keeps its bytes; bytes that aren't UTF-8 become
// U+FFFD.
func Quote(s string) []byte { return appendQuoted(make([]byte, 0, len(s)+2), s) }

// AppendQuoted is Quote behind what stands in out.
func AppendQuoted(out []byte, s string) []byte { return appendQuoted(out, s) }

func appendQuoted(out []byte, s string) []byte {
	out = append(out, '"')
	for s != "" {
		n := 0
		for n < len(s) && plain[s[n]] {
			n++
		}
		if out = append(out, s[:n]...); n == len(s) {
			break
		}
		r, size := utf8.DecodeRuneInString(s[n:])
		s = s[n+size:]
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case r == '\n':
			out = append(out, '\\', 'n')
		case r == '\r':
			out = append(out, '\\', 'r')
		case r == '\t':
			out = append(out, '\\', 't')
		case r < 0x20:
			const digits = "0123456789abcdef"
			out = append(out, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return append(out, '"')
}
