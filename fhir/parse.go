package fhir

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of what Parse takes. Bytes are bounded by the caller, who knows its
// door's limit.
const (
	MaxDepth   = 64        // objects and arrays in one another
	MaxNodes   = 500_000   // JSON values in one document
	maxTextLen = 1<<31 - 1 // positions are 32 bits
)

// Parse reads one JSON object, strictly by RFC 8259: no duplicate member names,
// no lone surrogates, valid UTF-8, nothing after the object. A byte order mark
// in front is ignored. The error is a KindStructure Outcome (KindTooComplex
// over MaxDepth, MaxNodes or 512 members of one object) that names the place and never quotes the input.
func Parse(text []byte) (*Resource, error) {
	if len(text) >= 3 && text[0] == 0xEF && text[1] == 0xBB && text[2] == 0xBF {
		text = text[3:]
	}
	if len(text) >= maxTextLen {
		return nil, NewOutcome(KindTooLarge, "", "the document is too large")
	}
	p := parser{
		in:    text,
		out:   make([]byte, 0, len(text)),
		nodes: make([]node, 0, len(text)/16+16),
	}
	return p.resource()
}

// Adopt is Parse of a text that the caller gives away: the Resource is made in
// its place.
func Adopt(text []byte) (*Resource, error) {
	if len(text) >= maxTextLen {
		return nil, NewOutcome(KindTooLarge, "", "the document is too large")
	}
	p := parser{in: text, out: text[:0], nodes: make([]node, 0, min(len(text)/16, 1000)+16)}
	return p.resource()
}

func (p *parser) resource() (*Resource, error) {
	p.space()
	if p.peek() != '{' {
		return nil, p.fail("the body must be one JSON object")
	}
	if err := p.value(0); err != nil {
		return nil, err
	}
	p.space()
	if p.pos != len(p.in) {
		return nil, p.fail("there is text after the end of the JSON object")
	}
	return &Resource{text: p.out, nodes: p.nodes}, nil
}

// checkValue says whether text is exactly one JSON value.
func checkValue(text []byte) error {
	p := parser{in: text}
	p.space()
	if err := p.value(0); err != nil {
		return err
	}
	p.space()
	if p.pos != len(p.in) {
		return p.fail("there is text after the end of the value")
	}
	return nil
}

// parser copies the document without its insignificant white space and notes
// where each value stands in the copy.
type parser struct {
	in    []byte
	pos   int
	out   []byte
	nodes []node
	order []int // scratch of repeats
}

func (p *parser) fail(message string) *Outcome {
	line, column := 1, 1
	for _, c := range p.in[:min(p.pos, len(p.in))] {
		if c == '\n' {
			line, column = line+1, 1
		} else {
			column++
		}
	}
	return NewOutcome(KindStructure, "", "not valid JSON at line "+strconv.Itoa(line)+", column "+strconv.Itoa(column)+": "+message)
}

func (p *parser) peek() byte {
	if p.pos < len(p.in) {
		return p.in[p.pos]
	}
	return 0
}

func (p *parser) space() {
	for p.pos < len(p.in) {
		switch p.in[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// copied appends what was read from a place on. Where the text is made in its own
// place and had no white space so far, it stands there already.
func (p *parser) copied(start int) {
	if n := len(p.out); n == start && n > 0 && &p.out[0] == &p.in[0] {
		p.out = p.out[:p.pos]
		return
	}
	p.out = append(p.out, p.in[start:p.pos]...)
}

func (p *parser) take(c byte) {
	p.out = append(p.out, c)
	p.pos++
}

// value reads the value at pos and notes its node; object adds the name.
func (p *parser) value(depth int) error {
	if len(p.nodes) >= MaxNodes {
		return NewOutcome(KindTooComplex, "", "the document holds more than "+strconv.Itoa(MaxNodes)+" values")
	}
	at := len(p.nodes)
	p.nodes = append(p.nodes, node{start: int32(len(p.out))})
	var kind ValueKind
	var err error
	switch c := p.peek(); {
	case c == '{':
		kind, err = ObjectKind, p.object(depth+1)
	case c == '[':
		kind, err = ArrayKind, p.array(depth+1)
	case c == '"':
		kind, err = StringKind, p.str()
	case c == 't':
		kind, err = BoolKind, p.literal("true")
	case c == 'f':
		kind, err = BoolKind, p.literal("false")
	case c == 'n':
		kind, err = NullKind, p.literal("null")
	case c == '-' || c >= '0' && c <= '9':
		kind, err = NumberKind, p.number()
	default:
		return p.fail("a value is expected here")
	}
	if err != nil {
		return err
	}
	n := &p.nodes[at]
	n.kind, n.end, n.next = kind, int32(len(p.out)), int32(len(p.nodes))
	return nil
}

func (p *parser) object(depth int) error {
	if depth > MaxDepth {
		return NewOutcome(KindTooComplex, "", "the document is nested deeper than "+strconv.Itoa(MaxDepth)+" levels")
	}
	self := len(p.nodes) - 1
	p.take('{')
	p.space()
	if p.peek() == '}' {
		p.take('}')
		return nil
	}
	for count := 0; ; count++ {
		if p.peek() != '"' {
			return p.fail("a member name in double quotes is expected here")
		}
		keyStart := len(p.out) + 1
		if err := p.str(); err != nil {
			return err
		}
		keyEnd := len(p.out) - 1
		if bytes.IndexByte(p.out[keyStart:keyEnd], '\\') >= 0 {
			// One member could otherwise hide behind two spellings of its name.
			return p.fail("a member name must be written without escapes")
		}
		if count >= maxMembers {
			return NewOutcome(KindTooComplex, "", "an object holds more than "+strconv.Itoa(maxMembers)+" members")
		}
		if count < fewMembers && p.seen(self, p.out[keyStart:keyEnd]) {
			return p.fail(twice)
		}
		p.space()
		if p.peek() != ':' {
			return p.fail("a colon is expected after a member name")
		}
		p.take(':')
		p.space()
		at := len(p.nodes)
		if err := p.value(depth); err != nil {
			return err
		}
		p.nodes[at].keyStart, p.nodes[at].keyEnd = int32(keyStart), int32(keyEnd)
		p.space()
		switch p.peek() {
		case ',':
			p.take(',')
			p.space()
		case '}':
			if count >= fewMembers && p.repeats(self) {
				return p.fail(twice)
			}
			p.take('}')
			return nil
		default:
			return p.fail("a comma or a closing brace is expected here")
		}
	}
}

const (
	// maxMembers bounds one object; no FHIR element has a tenth as many.
	maxMembers = 512
	// fewMembers is up to where comparing every name with every other is the
	// quickest way to find a duplicate.
	fewMembers = 32

	twice = "a member name stands twice in one object"
)

// seen looks for a name among the members that the object has so far.
func (p *parser) seen(object int, name []byte) bool {
	for i := object + 1; i < len(p.nodes); i = int(p.nodes[i].next) {
		if string(p.nameOf(i)) == string(name) {
			return true
		}
	}
	return false
}

// repeats looks for a duplicate in a whole object by sorting its names, since
// hostile input would make seen slow.
func (p *parser) repeats(object int) bool {
	p.order = p.order[:0]
	for i := object + 1; i < len(p.nodes); i = int(p.nodes[i].next) {
		p.order = append(p.order, i)
	}
	slices.SortFunc(p.order, func(a, b int) int { return bytes.Compare(p.nameOf(a), p.nameOf(b)) })
	for i := 1; i < len(p.order); i++ {
		if bytes.Equal(p.nameOf(p.order[i-1]), p.nameOf(p.order[i])) {
			return true
		}
	}
	return false
}

func (p *parser) nameOf(i int) []byte {
	n := &p.nodes[i]
	return p.out[n.keyStart:n.keyEnd]
}

func (p *parser) array(depth int) error {
	if depth > MaxDepth {
		return NewOutcome(KindTooComplex, "", "the document is nested deeper than "+strconv.Itoa(MaxDepth)+" levels")
	}
	p.take('[')
	p.space()
	if p.peek() == ']' {
		p.take(']')
		return nil
	}
	for {
		if err := p.value(depth); err != nil {
			return err
		}
		p.space()
		switch p.peek() {
		case ',':
			p.take(',')
			p.space()
		case ']':
			p.take(']')
			return nil
		default:
			return p.fail("a comma or a closing bracket is expected here")
		}
	}
}

func (p *parser) literal(word string) error {
	if p.pos+len(word) > len(p.in) || string(p.in[p.pos:p.pos+len(word)]) != word {
		return p.fail("a value is expected here")
	}
	p.out = append(p.out, word...)
	p.pos += len(word)
	return nil
}

func (p *parser) number() error {
	start := p.pos
	if p.peek() == '-' {
		p.pos++
	}
	switch {
	case p.peek() == '0':
		p.pos++
	case !p.digits():
		return p.fail("a digit is expected here")
	}
	if p.peek() == '.' {
		p.pos++
		if !p.digits() {
			return p.fail("a digit is expected after the decimal point")
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.pos++
		if c := p.peek(); c == '+' || c == '-' {
			p.pos++
		}
		if !p.digits() {
			return p.fail("a digit is expected in the exponent")
		}
	}
	p.out = append(p.out, p.in[start:p.pos]...)
	return nil
}

func (p *parser) digits() bool {
	start := p.pos
	for p.pos < len(p.in) && p.in[p.pos] >= '0' && p.in[p.pos] <= '9' {
		p.pos++
	}
	return p.pos > start
}

// str copies a string with its quotes, unchanged.
func (p *parser) str() error {
	start := p.pos
	p.pos++
	for p.pos < len(p.in) {
		if p.pos = plainRun(p.in, p.pos); p.pos == len(p.in) {
			break
		}
		c := p.in[p.pos]
		switch {
		case c == '"':
			p.pos++
			p.copied(start)
			return nil
		case c == '\\':
			if err := p.escape(); err != nil {
				return err
			}
		case c < 0x20:
			return p.fail("a control character in a string must be escaped")
		case c < utf8.RuneSelf:
			p.pos++
		default:
			r, size := utf8.DecodeRune(p.in[p.pos:])
			if r == utf8.RuneError && size <= 1 {
				return p.fail("the text is not valid UTF-8")
			}
			p.pos += size
		}
	}
	return p.fail("a string is not closed")
}

func (p *parser) escape() error {
	p.pos++
	switch p.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		p.pos++
		return nil
	case 'u':
	default:
		return p.fail("unknown escape in a string")
	}
	r := hex4(p.in[p.pos+1:])
	if r < 0 {
		return p.fail("four hexadecimal digits are expected after \\u")
	}
	p.pos += 5
	if !utf16.IsSurrogate(r) {
		return nil
	}
	if p.pos+6 > len(p.in) || p.in[p.pos] != '\\' || p.in[p.pos+1] != 'u' ||
		utf16.DecodeRune(r, hex4(p.in[p.pos+2:])) == utf8.RuneError {
		return p.fail("half a surrogate pair in a string")
	}
	p.pos += 6
	return nil
}
