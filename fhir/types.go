package fhir

import (
	"iter"
	"strings"
)

// Coding is a code with its system. Display and version are left to the text.
type Coding struct{ System, Code string }

// Identifier is a business identifier.
type Identifier struct{ System, Value string }

// Reference is a parsed Reference.reference.
type Reference struct {
	Base    string // of an absolute URL, with its closing slash; "" when relative
	Type    string
	ID      string
	Version string // of a version-specific reference
	URN     string // "urn:uuid:…" or "urn:oid:…"
	Anchor  string // "#id" of a contained resource, without the sign
}

// ParseReference takes the forms that R4 allows: relative or absolute
// [base]/Type/id[/_history/version], urn:uuid:, urn:oid: and #anchor. ok is
// false for anything else (such as a logical URL of no REST server). What
// follows urn:uuid: isn't checked: a bundle's own names are matched as text.
func ParseReference(text string) (ref Reference, ok bool) {
	switch {
	case strings.HasPrefix(text, "urn:"):
		name, found := strings.CutPrefix(text, "urn:uuid:")
		if !found {
			name, found = strings.CutPrefix(text, "urn:oid:")
		}
		if !found || name == "" {
			return Reference{}, false
		}
		return Reference{URN: text}, true
	case strings.HasPrefix(text, "#"):
		return Reference{Anchor: text[1:]}, len(text) > 1
	}
	rest := text
	if i := strings.Index(rest, "/_history/"); i >= 0 {
		ref.Version = rest[i+len("/_history/"):]
		rest = rest[:i]
		if !ValidID(ref.Version) {
			return Reference{}, false
		}
	}
	slash := strings.LastIndexByte(rest, '/')
	if slash < 0 || !ValidID(rest[slash+1:]) {
		return Reference{}, false
	}
	ref.ID, rest = rest[slash+1:], rest[:slash]
	if slash = strings.LastIndexByte(rest, '/'); slash >= 0 {
		ref.Base, rest = rest[:slash+1], rest[slash+1:]
		if !validBase(ref.Base) {
			return Reference{}, false
		}
	}
	if !validTypeName(rest) {
		return Reference{}, false
	}
	ref.Type = rest
	return ref, true
}

// validBase says whether s is the address of a REST server: a scheme, a host
// and a path, without a query.
func validBase(s string) bool {
	rest, found := strings.CutPrefix(s, "https://")
	if !found {
		rest, found = strings.CutPrefix(s, "http://")
	}
	if !found || rest == "" || rest[0] == '/' {
		return false
	}
	for i := 0; i < len(rest); i++ {
		if c := rest[i]; c <= ' ' || c == 0x7F || c == '?' || c == '#' {
			return false
		}
	}
	return true
}

func validTypeName(name string) bool {
	if name == "" || name[0] < 'A' || name[0] > 'Z' {
		return false
	}
	for i := 1; i < len(name); i++ {
		if c := name[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

// ValidID says whether s is a FHIR id: 1 to 64 letters, digits, "-" and ".".
func ValidID(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.':
		default:
			return false
		}
	}
	return true
}

// ValidUUID says whether s is a UUID in its usual spelling, either case.
func ValidUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if s[i] != '-' {
				return false
			}
			continue
		}
		c := s[i] | 0x20
		if (s[i] < '0' || s[i] > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Codings ranges over the codings of a CodeableConcept, of an array of them,
// or over a single Coding.
func Codings(v Value) iter.Seq[Coding] {
	return func(yield func(Coding) bool) { codings(v, yield) }
}

func codings(v Value, yield func(Coding) bool) bool {
	if v.Kind() == ArrayKind {
		for item := range v.Items() {
			if !codings(item, yield) {
				return false
			}
		}
		return true
	}
	if list := v.Get("coding"); list.Exists() {
		return codings(list, yield)
	}
	if c := (Coding{v.Get("system").Text(), v.Get("code").Text()}); c != (Coding{}) {
		return yield(c)
	}
	return true
}

// CodeOf returns the first code of the given system in a CodeableConcept (or an
// array of them), or "".
func CodeOf(v Value, system string) string {
	for c := range Codings(v) {
		if c.System == system {
			return c.Code
		}
	}
	return ""
}

// Identifiers ranges over an identifier array (or a single Identifier).
func Identifiers(v Value) iter.Seq[Identifier] {
	return func(yield func(Identifier) bool) {
		if v.Kind() == ObjectKind {
			yield(Identifier{v.Get("system").Text(), v.Get("value").Text()})
			return
		}
		for item := range v.Items() {
			if !yield(Identifier{item.Get("system").Text(), item.Get("value").Text()}) {
				return
			}
		}
	}
}

// Walk visits v and everything below it in document order, depth first.
func Walk(v Value, visit func(name string, v Value)) {
	if !v.Exists() {
		return
	}
	end := v.r.nodes[v.i].next
	for i := v.i; i < end; i++ {
		n := &v.r.nodes[i]
		visit(string(v.r.text[n.keyStart:n.keyEnd]), Value{v.r, i})
	}
}
