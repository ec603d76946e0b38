package fhirxml

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/onward-health/onward/fhir"
)

// declaration skips a byte order mark and reads the XML declaration, both of
// which can only stand at the very start.
func (s *scanner) declaration() error {
	if s.has("\uFEFF") {
		s.pos += len("\uFEFF")
	}
	if !s.has("<?xml") || len(s.in) == s.pos+5 || !isSpace(s.in[s.pos+5]) {
		return nil
	}
	s.pos += len("<?xml")
	words := []string{"version", "encoding", "standalone"} // in this order
	for given := 0; ; {
		spaced := s.space()
		if s.has("?>") && given > 0 {
			s.pos += 2
			return nil
		}
		if !spaced {
			return s.fail("the XML declaration is malformed")
		}
		attr, err := s.attribute()
		if err != nil {
			return err
		}
		word := string(attr.name.local)
		at := slices.Index(words[given:], word)
		if at < 0 || given == 0 && at > 0 || len(attr.name.prefix) > 0 {
			return s.fail("the XML declaration is malformed")
		}
		given += at + 1
		if !declarationValue(word, string(attr.value)) {
			return s.fail("only XML 1.0 in UTF-8 is taken")
		}
	}
}

func declarationValue(word, value string) bool {
	switch word {
	case "version":
		return value == "1.0"
	case "encoding":
		return strings.EqualFold(value, "utf-8")
	}
	return value == "yes" || value == "no"
}

// startTag reads <name attribute="value" ...> or the same closed with />.
func (s *scanner) startTag() (token, error) {
	t := token{kind: startTag, start: s.pos}
	if s.rooted && len(s.open) == 0 {
		return t, s.fail("there is a second root element")
	}
	if s.elements++; s.elements > maxElements {
		return t, fhir.NewOutcome(fhir.KindTooComplex, "", "the document holds more than "+strconv.Itoa(maxElements)+" elements")
	}
	if s.outer+len(s.open) >= maxDepth {
		return t, fhir.NewOutcome(fhir.KindTooComplex, "", "the document is nested deeper than "+strconv.Itoa(maxDepth)+" levels")
	}
	s.rooted = true
	s.pos++
	raw, n, err := s.name()
	if err != nil {
		return t, err
	}
	outside := len(s.bindings)
	if err := s.attributes(); err != nil {
		return t, err
	}
	if err := s.declare(); err != nil {
		return t, err
	}
	if t.name, err = s.resolve(n, true); err != nil {
		return t, err
	}
	if t.attrs, err = s.resolveAttributes(); err != nil {
		return t, err
	}
	s.open = append(s.open, element{raw, t.name, outside})
	if s.selfEnd = s.has("/>"); s.selfEnd {
		s.pos++
	}
	s.pos++
	t.end = s.pos
	return t, nil
}

// attributes reads up to the end of the start tag, which it leaves standing.
func (s *scanner) attributes() error {
	s.attrs = s.attrs[:0]
	for {
		spaced := s.space()
		if s.has(">") || s.has("/>") {
			return nil
		}
		if !spaced {
			return s.fail("white space, > or /> is expected here")
		}
		if len(s.attrs) == maxAttributes {
			return fhir.NewOutcome(fhir.KindTooComplex, "", "an element holds more than "+strconv.Itoa(maxAttributes)+" attributes")
		}
		attr, err := s.attribute()
		if err != nil {
			return err
		}
		s.attrs = append(s.attrs, attr)
	}
}

func (s *scanner) attribute() (attribute, error) {
	_, n, err := s.name()
	if err != nil {
		return attribute{}, err
	}
	s.space()
	if s.peek() != '=' {
		return attribute{}, s.fail("= is expected after an attribute's name")
	}
	s.pos++
	s.space()
	value, err := s.value()
	return attribute{n, value}, err
}

// value reads a quoted attribute value and normalises it (section 3.3.3).
func (s *scanner) value() ([]byte, error) {
	quote := s.peek()
	if quote != '"' && quote != '\'' {
		return nil, s.fail("an attribute's value must be quoted")
	}
	s.pos++
	start := s.pos
	for s.pos < len(s.in) {
		c := s.in[s.pos]
		if c == quote {
			s.pos++
			return s.in[start : s.pos-1], nil
		}
		if c == '&' || c == '<' || c < 0x20 {
			break
		}
		if err := s.character(); err != nil {
			return nil, err
		}
	}
	return s.changedValue(quote, bytes.Clone(s.in[start:s.pos]))
}

// changedValue goes on where a value stops being what is written.
func (s *scanner) changedValue(quote byte, out []byte) ([]byte, error) {
	for s.pos < len(s.in) {
		switch c := s.in[s.pos]; {
		case c == quote:
			s.pos++
			return out, nil
		case c == '<':
			return nil, s.fail("< is not allowed in an attribute's value")
		case c == '&':
			r, err := s.reference()
			if err != nil {
				return nil, err
			}
			out = utf8.AppendRune(out, r)
		case isSpace(c):
			if s.has("\r\n") {
				s.pos++
			}
			s.pos++
			out = append(out, ' ')
		default:
			start := s.pos
			if err := s.character(); err != nil {
				return nil, err
			}
			out = append(out, s.in[start:s.pos]...)
		}
	}
	return nil, s.fail("an attribute's value is not closed")
}

// endTag reads </name>, which must close the innermost open element.
func (s *scanner) endTag() (token, error) {
	t := token{kind: endTag, start: s.pos}
	s.pos += 2
	raw, _, err := s.name()
	if err != nil {
		return t, err
	}
	if len(s.open) == 0 || !bytes.Equal(raw, s.open[len(s.open)-1].raw) {
		return t, s.fail("an end tag does not match its start tag")
	}
	s.space()
	if s.peek() != '>' {
		return t, s.fail("> is expected here")
	}
	s.pos++
	t.end = s.pos
	return s.pop(t), nil
}

// pop closes the innermost element and gives its end tag the name.
func (s *scanner) pop(t token) token {
	closed := s.open[len(s.open)-1]
	s.open = s.open[:len(s.open)-1]
	s.bindings = s.bindings[:closed.bindings]
	t.name = closed.name
	return t
}

// name reads a name with at most one prefix.
func (s *scanner) name() (raw []byte, n name, err error) {
	first, rest := cutName(s.in[s.pos:])
	raw, n.local = first, first
	if len(first) > 0 && len(rest) > 0 && rest[0] == ':' {
		second, _ := cutName(rest[1:])
		n.prefix, n.local = first, second
		raw = s.in[s.pos : s.pos+len(first)+1+len(second)]
	}
	if len(n.local) == 0 {
		return nil, n, s.fail("a name is expected here")
	}
	s.pos += len(raw)
	return raw, n, nil
}

// cutName splits off a name without colon at the start of b.
func cutName(b []byte) (name, rest []byte) {
	i := 0
	for i < len(b) {
		c := b[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		later := c >= '0' && c <= '9' || c == '-' || c == '.'
		if !letter && (!later || i == 0) {
			break
		}
		i++
	}
	return b[:i], b[i:]
}
