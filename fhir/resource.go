package fhir

import (
	"bytes"
	"iter"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Resource is one FHIR resource (or any part of one) as JSON. The text is the
// sender's own: every member, their order and every number's spelling are kept;
// only insignificant white space is gone. A Resource never changes; see Edit.
//
// Beside the text it holds a flat list of its nodes in document order, so that
// looking something up allocates nothing and no body is ever decoded into
// structs (which would lose what the structs don't know).
type Resource struct {
	text  []byte
	nodes []node
	root  int32
}

// node is one JSON value: where its text and its member name stand, and where
// the node after its whole subtree is.
type node struct {
	kind       ValueKind
	keyStart   int32 // the name without quotes; keyEnd 0: not an object member
	keyEnd     int32
	start, end int32
	next       int32
}

// ValueKind is the JSON type of a Value.
type ValueKind uint8

// The JSON types. Missing is the kind of a Value that isn't there.
const (
	Missing ValueKind = iota
	ObjectKind
	ArrayKind
	StringKind
	NumberKind
	BoolKind
	NullKind
)

// JSON returns the resource's compact JSON text. It must not be changed.
func (r *Resource) JSON() []byte {
	n := &r.nodes[r.root]
	return r.text[n.start:n.end]
}

// Root returns the resource's own object.
func (r *Resource) Root() Value { return Value{r, r.root} }

// Type returns resourceType, or "" where there is none.
func (r *Resource) Type() string { return r.Root().Get("resourceType").Text() }

// ID returns the logical id, or "" where there is none.
func (r *Resource) ID() string { return r.Root().Get("id").Text() }

// Get follows member names from the root; an array on the way stands for its
// first element. A missing member gives a Value that doesn't exist.
func (r *Resource) Get(path ...string) Value { return r.Root().Dig(path...) }

// Value is a place in a Resource. The zero Value doesn't exist; asking it
// anything gives the empty answer, so look-ups can be chained without checks.
type Value struct {
	r *Resource
	i int32
}

// Exists says whether the value is there at all (JSON null is there).
func (v Value) Exists() bool { return v.r != nil }

// Kind returns the value's JSON type.
func (v Value) Kind() ValueKind {
	if v.r == nil {
		return Missing
	}
	return v.r.nodes[v.i].kind
}

// Raw returns the value's JSON text. It must not be changed.
func (v Value) Raw() []byte {
	if v.r == nil {
		return nil
	}
	n := &v.r.nodes[v.i]
	return v.r.text[n.start:n.end]
}

// Get returns a member of an object.
func (v Value) Get(name string) Value {
	if v.Kind() != ObjectKind {
		return Value{}
	}
	end := v.r.nodes[v.i].next
	for i := v.i + 1; i < end; i = v.r.nodes[i].next {
		n := &v.r.nodes[i]
		if string(v.r.text[n.keyStart:n.keyEnd]) == name {
			return Value{v.r, i}
		}
	}
	return Value{}
}

// Dig follows member names; an array on the way stands for its first element.
func (v Value) Dig(path ...string) Value {
	for _, name := range path {
		if v.Kind() == ArrayKind {
			v = v.At(0)
		}
		v = v.Get(name)
	}
	return v
}

// At returns element i of an array.
func (v Value) At(index int) Value {
	for item := range v.Items() {
		if index == 0 {
			return item
		}
		index--
	}
	return Value{}
}

// Len returns the number of elements of an array or members of an object.
func (v Value) Len() int {
	if k := v.Kind(); k != ArrayKind && k != ObjectKind {
		return 0
	}
	count := 0
	end := v.r.nodes[v.i].next
	for i := v.i + 1; i < end; i = v.r.nodes[i].next {
		count++
	}
	return count
}

// Items ranges over the elements of an array; any other kind has none.
func (v Value) Items() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != ArrayKind {
			return
		}
		end := v.r.nodes[v.i].next
		for i := v.i + 1; i < end; i = v.r.nodes[i].next {
			if !yield(Value{v.r, i}) {
				return
			}
		}
	}
}

// Members ranges over the members of an object in their order.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.Kind() != ObjectKind {
			return
		}
		end := v.r.nodes[v.i].next
		for i := v.i + 1; i < end; i = v.r.nodes[i].next {
			n := &v.r.nodes[i]
			if !yield(string(v.r.text[n.keyStart:n.keyEnd]), Value{v.r, i}) {
				return
			}
		}
	}
}

// Text returns a string's decoded content, and "" for every other kind.
func (v Value) Text() string {
	if v.Kind() != StringKind {
		return ""
	}
	raw := v.Raw()
	raw = raw[1 : len(raw)-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	return unescape(raw)
}

// TextBytes is Text without a copy where the string has no escapes, and nil for
// every other kind. It must not be changed, and keeps the resource in memory.
func (v Value) TextBytes() []byte {
	if v.Kind() != StringKind {
		return nil
	}
	raw := v.Raw()
	raw = raw[1 : len(raw)-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	return []byte(unescape(raw))
}

// Bool returns a boolean's value, and false for every other kind.
func (v Value) Bool() bool { return v.Kind() == BoolKind && v.Raw()[0] == 't' }

// Int returns a whole number; ok is false for anything else.
func (v Value) Int() (n int64, ok bool) {
	if v.Kind() != NumberKind {
		return 0, false
	}
	n, err := strconv.ParseInt(string(v.Raw()), 10, 64)
	return n, err == nil
}

// Resource returns the value as a Resource of its own (a Bundle entry, a
// contained resource). It shares the text; nothing is copied.
func (v Value) Resource() *Resource {
	if v.Kind() != ObjectKind {
		return nil
	}
	return &Resource{text: v.r.text, nodes: v.r.nodes, root: v.i}
}

// Path names the place as a simple FHIRPath expression, such as
// "Bundle.entry[3].resource.status".
func (v Value) Path() string {
	if v.r == nil {
		return ""
	}
	var b strings.Builder
	name := v.r.Type()
	if name == "" {
		name = "$this"
	}
	b.WriteString(name)
	for at := v.r.root; at != v.i; {
		isArray := v.r.nodes[at].kind == ArrayKind
		index := 0
		child := at + 1
		for v.r.nodes[child].next <= v.i {
			child = v.r.nodes[child].next
			index++
		}
		if isArray {
			b.WriteString("[" + strconv.Itoa(index) + "]")
		} else {
			n := &v.r.nodes[child]
			b.WriteByte('.')
			b.Write(v.r.text[n.keyStart:n.keyEnd])
		}
		at = child
	}
	return b.String()
}

// unescape decodes the inside of a JSON string that the parser has accepted.
func unescape(raw []byte) string {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '\\' {
			out = append(out, c)
			continue
		}
		i++
		switch raw[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			first := hex4(raw[i+1:])
			i += 4
			if utf16.IsSurrogate(first) {
				first = utf16.DecodeRune(first, hex4(raw[i+3:]))
				i += 6
			}
			out = utf8.AppendRune(out, first)
		default:
			out = append(out, raw[i])
		}
	}
	return string(out)
}

// hex4 reads the four hexadecimal digits of a \u escape; -1 if they aren't.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return -1
		}
	}
	return r
}

// Equal says whether two values mean the same JSON: members in any order,
// elements in their order, numbers by their spelling.
func Equal(a, b Value) bool {
	if a.Kind() != b.Kind() {
		return false
	}
	switch a.Kind() {
	case Missing:
		return true
	case StringKind:
		return a.Text() == b.Text()
	case ObjectKind:
		if a.Len() != b.Len() {
			return false
		}
		for name, v := range a.Members() {
			if !Equal(v, b.Get(name)) {
				return false
			}
		}
		return true
	case ArrayKind:
		if a.Len() != b.Len() {
			return false
		}
		i := 0
		for v := range a.Items() {
			if !Equal(v, b.At(i)) {
				return false
			}
			i++
		}
		return true
	}
	return bytes.Equal(a.Raw(), b.Raw())
}
