package fhirxml

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/onward-health/onward/fhir"
)

// namespace is one of those that matter here.
type namespace uint8

const (
	noNamespace namespace = iota
	fhirNamespace
	xhtmlNamespace
	xsiNamespace
	xmlNamespace
	otherNamespace
)

const (
	fhirURI  = "http://hl7.org/fhir"
	xhtmlURI = "http://www.w3.org/1999/xhtml"
	xsiURI   = "http://www.w3.org/2001/XMLSchema-instance"
	xmlURI   = "http://www.w3.org/XML/1998/namespace"
	xmlnsURI = "http://www.w3.org/2000/xmlns/"
)

// binding is a namespace declaration in force; its prefix is empty for the
// default namespace.
type binding struct {
	prefix []byte
	space  namespace
}

// resolve finds the namespace of a name. An attribute without prefix has none.
func (s *scanner) resolve(n name, isElement bool) (name, error) {
	switch {
	case string(n.prefix) == "xml":
		n.space = xmlNamespace
		return n, nil
	case len(n.prefix) == 0 && !isElement:
		return n, nil
	}
	for i := len(s.bindings) - 1; i >= 0; i-- {
		if b := &s.bindings[i]; bytes.Equal(b.prefix, n.prefix) {
			n.space = b.space
			return n, nil
		}
	}
	if len(n.prefix) > 0 {
		return n, s.fail("a prefix is not bound to a namespace")
	}
	return n, nil
}

// resolveAttributes takes the namespace declarations out of the attributes just
// read, puts them in force and resolves the other attributes' names.
func (s *scanner) resolveAttributes() ([]attribute, error) {
	for i := range s.attrs {
		for j := range s.attrs[:i] {
			if sameName(s.attrs[i].name, s.attrs[j].name) {
				return nil, s.fail("an attribute stands twice in one element")
			}
		}
	}
	kept := s.attrs[:0]
	for _, attr := range s.attrs {
		if isDeclaration(attr.name) {
			continue
		}
		var err error
		if attr.name, err = s.resolve(attr.name, false); err != nil {
			return nil, err
		}
		if attr.name.space != noNamespace && slices.ContainsFunc(kept, func(k attribute) bool { return k.name.same(attr.name) }) {
			return nil, s.fail("an attribute stands twice in one element")
		}
		kept = append(kept, attr)
	}
	return kept, nil
}

// same compares names by namespace. It takes all namespaces that don't matter
// here for one; attributes of those are refused anyway.
func (n name) same(m name) bool { return n.space == m.space && bytes.Equal(n.local, m.local) }

func sameName(a, b name) bool {
	return bytes.Equal(a.prefix, b.prefix) && bytes.Equal(a.local, b.local)
}

func isDeclaration(n name) bool {
	return string(n.prefix) == "xmlns" || len(n.prefix) == 0 && string(n.local) == "xmlns"
}

// declare puts a start tag's namespace declarations in force.
func (s *scanner) declare() error {
	for _, attr := range s.attrs {
		if !isDeclaration(attr.name) {
			continue
		}
		var prefix []byte
		if len(attr.name.prefix) > 0 {
			prefix = attr.name.local
		}
		space, ok := namespaceOf(prefix, string(attr.value))
		if !ok {
			return s.fail("this namespace declaration is not allowed")
		}
		if len(s.bindings) == maxBindings {
			return fhir.NewOutcome(fhir.KindTooComplex, "", "more than "+strconv.Itoa(maxBindings)+" namespace declarations are in force at once")
		}
		s.bindings = append(s.bindings, binding{prefix, space})
	}
	return nil
}

// namespaceOf applies the rules of Namespaces in XML 1.0 section 3: a prefix
// can't be undeclared, and xml and xmlns keep their meaning.
func namespaceOf(prefix []byte, uri string) (namespace, bool) {
	isXML := string(prefix) == "xml"
	switch uri {
	case "":
		return noNamespace, len(prefix) == 0
	case xmlURI:
		return xmlNamespace, isXML
	case xmlnsURI:
		return otherNamespace, false
	}
	if isXML || string(prefix) == "xmlns" {
		return otherNamespace, false
	}
	switch uri {
	case fhirURI:
		return fhirNamespace, true
	case xhtmlURI:
		return xhtmlNamespace, true
	case xsiURI:
		return xsiNamespace, true
	}
	return otherNamespace, true
}
