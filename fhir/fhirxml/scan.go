package fhirxml

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/onward-health/onward/fhir"
)

// Bounds of what is taken. Bytes are bounded by the caller.
const (
	maxDepth      = fhir.MaxDepth // elements in one another
	maxElements   = 1_000_000     // elements in one document
	maxAttributes = 64            // attributes of one element
	maxBindings   = 128           // namespace declarations in force at one place
)

// tokenKind says what the scanner stands behind.
type tokenKind uint8

const (
	startTag tokenKind = iota
	endTag             // also behind an element that closes itself
	text               // character data or a CDATA section
	endOfFile
)

// token is one piece of markup. Comments never appear: they are only skipped.
type token struct {
	kind       tokenKind
	start, end int         // where it stands in the input
	name       name        // of a tag
	attrs      []attribute // of a start tag, without namespace declarations; valid until the next token
	blank      bool        // of a text: literal white space and nothing else
}

type name struct {
	space         namespace
	prefix, local []byte
}

type attribute struct {
	name  name
	value []byte // with references resolved
}

// scanner reads XML 1.0 with namespaces, strictly and without any document
// type. Names are ASCII: FHIR and XHTML have no others.
type scanner struct {
	in       []byte
	pos      int
	open     []element
	outer    int // how many elements are open around the input
	bindings []binding
	attrs    []attribute
	selfEnd  bool // the start tag just given closed itself
	rooted   bool // the root element was seen
	elements int
}

type element struct {
	raw      []byte // the name as written
	name     name
	bindings int // how many were in force outside
}

func (s *scanner) fail(message string) *fhir.Outcome {
	line, column := 1, 1
	for _, c := range s.in[:min(s.pos, len(s.in))] {
		if c == '\n' {
			line, column = line+1, 1
		} else {
			column++
		}
	}
	return fhir.NewOutcome(fhir.KindStructure, "",
		"not acceptable XML at line "+strconv.Itoa(line)+", column "+strconv.Itoa(column)+": "+message)
}

func (s *scanner) has(prefix string) bool {
	return len(s.in)-s.pos >= len(prefix) && string(s.in[s.pos:s.pos+len(prefix)]) == prefix
}

func (s *scanner) peek() byte {
	if s.pos < len(s.in) {
		return s.in[s.pos]
	}
	return 0
}

// space skips white space and says whether there was any.
func (s *scanner) space() bool {
	start := s.pos
	for isSpace(s.peek()) {
		s.pos++
	}
	return s.pos > start
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// next gives the next token. Behind endOfFile it isn't called again.
func (s *scanner) next() (token, error) {
	if s.selfEnd {
		s.selfEnd = false
		return s.pop(token{kind: endTag, start: s.pos, end: s.pos}), nil
	}
	for {
		switch {
		case s.pos == len(s.in):
			if len(s.open) > 0 || !s.rooted {
				return token{}, s.fail("the document ends too early")
			}
			return token{kind: endOfFile}, nil
		case s.has("<!--"):
			if err := s.comment(); err != nil {
				return token{}, err
			}
		case s.has("<?"):
			if err := s.instruction(); err != nil {
				return token{}, err
			}
		case s.has("<![CDATA["):
			return s.cdata()
		case s.has("<!"):
			return token{}, s.fail("document types and other declarations are not allowed")
		case s.has("</"):
			return s.endTag()
		case s.has("<"):
			return s.startTag()
		default:
			return s.text()
		}
	}
}

func (s *scanner) comment() error {
	body := s.in[s.pos+4:]
	length := bytes.Index(body, []byte("--"))
	if length < 0 || length+2 >= len(body) || body[length+2] != '>' {
		return s.fail("a comment is not closed or holds two hyphens")
	}
	if err := s.characters(body[:length]); err != nil {
		return err
	}
	s.pos += 4 + length + 3
	return nil
}

// instruction takes xml-stylesheet and xml-model in front of the root: they
// are for viewers and editors. Others could change what the document means.
func (s *scanner) instruction() error {
	body := s.in[s.pos+2:]
	length := bytes.Index(body, []byte("?>"))
	if length < 0 {
		return s.fail("a processing instruction is not closed")
	}
	target, rest := cutName(body[:length])
	known := string(target) == "xml-stylesheet" || string(target) == "xml-model"
	if !known || s.rooted || len(rest) > 0 && !isSpace(rest[0]) {
		return s.fail("this processing instruction is not allowed")
	}
	if err := s.characters(rest); err != nil {
		return err
	}
	s.pos += 2 + length + 2
	return nil
}

func (s *scanner) cdata() (token, error) {
	t := token{kind: text, start: s.pos}
	body := s.in[s.pos+len("<![CDATA["):]
	length := bytes.Index(body, []byte("]]>"))
	if length < 0 || len(s.open) == 0 {
		return t, s.fail("a CDATA section is not closed or stands outside the root")
	}
	if err := s.characters(body[:length]); err != nil {
		return t, err
	}
	s.pos += len("<![CDATA[") + length + len("]]>")
	t.end = s.pos
	return t, nil
}

func (s *scanner) text() (token, error) {
	t := token{kind: text, start: s.pos, blank: true}
	for s.pos < len(s.in) && s.in[s.pos] != '<' {
		switch c := s.in[s.pos]; {
		case isSpace(c):
			s.pos++
			continue
		case c == '&':
			if _, err := s.reference(); err != nil {
				return t, err
			}
		case c == ']' && s.has("]]>"):
			return t, s.fail("]]> is not allowed in text")
		default:
			if err := s.character(); err != nil {
				return t, err
			}
		}
		t.blank = false
	}
	t.end = s.pos
	if len(s.open) == 0 && !t.blank {
		s.pos = t.start
		return t, s.fail("there is text outside the root element")
	}
	return t, nil
}

// character steps over one character that XML allows (section 2.2).
func (s *scanner) character() error {
	c := s.in[s.pos]
	if c >= 0x20 && c < utf8.RuneSelf || isSpace(c) {
		s.pos++
		return nil
	}
	r, size := utf8.DecodeRune(s.in[s.pos:])
	if r == utf8.RuneError && size <= 1 {
		return s.fail("the text is not valid UTF-8")
	}
	if !allowed(r) {
		return s.fail("this character is not allowed in XML")
	}
	s.pos += size
	return nil
}

// characters checks a stretch of text that holds no markup.
func (s *scanner) characters(stretch []byte) error {
	part := scanner{in: stretch}
	for part.pos < len(stretch) {
		if err := part.character(); err != nil {
			return s.fail("it holds a character that is not allowed in XML")
		}
	}
	return nil
}

// allowed is the production Char of XML 1.0.
func allowed(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF ||
		r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

var entities = map[string]rune{"lt": '<', "gt": '>', "amp": '&', "quot": '"', "apos": '\''}

// reference reads a character reference or one of XML's five entities.
func (s *scanner) reference() (rune, error) {
	body := s.in[s.pos+1 : min(len(s.in), s.pos+16)]
	length := bytes.IndexByte(body, ';')
	if length < 1 {
		return 0, s.fail("& must begin a reference")
	}
	body = body[:length]
	r, known := entities[string(body)]
	if body[0] == '#' {
		digits, base := body[1:], 10
		if len(digits) > 0 && digits[0] == 'x' {
			digits, base = digits[1:], 16
		}
		n, err := strconv.ParseUint(string(digits), base, 32)
		r, known = rune(n), err == nil && n <= utf8.MaxRune && allowed(rune(n))
	}
	if !known {
		return 0, s.fail("this reference is not one of XML's five entities or a character that XML allows")
	}
	s.pos += 1 + length + 1
	return r, nil
}
