package patch

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of a path.
const (
	maxPath  = 1000 // bytes
	maxSteps = 64
)

// fhirPath is a simple FHIRPath expression, step by step.
type fhirPath []pathStep

type stepKind uint8

const (
	stepType   stepKind = iota // the name of the resource's type, as the first step
	stepChild                  // .name
	stepIndex                  // [n]
	stepFirst                  // .first()
	stepLast                   // .last()
	stepOfType                 // .ofType(name)
	stepWhere                  // .where(…)
)

type pathStep struct {
	kind  stepKind
	name  string // of stepType, stepChild and stepOfType
	index int
	conds []condition // of stepWhere, all of which must hold
}

// condition is "path = literal".
type condition struct {
	path    []string
	kind    literalKind
	literal string
}

type literalKind uint8

const (
	literalString literalKind = iota
	literalNumber
	literalBool
)

const simplePaths = "the path is not a simple one: element names, [n], where(path = literal and …), first(), last() and ofType(type) are taken"

// parsePath reads an expression of FHIRPath (R4 fhirpath.html) as far as a patch
// needs it. why says what is wrong, without the expression.
func parsePath(text string) (path fhirPath, why string) {
	if len(text) > maxPath {
		return nil, "the path is longer than " + strconv.Itoa(maxPath) + " bytes"
	}
	p := &pathParser{rest: text}
	for first := true; ; first = false {
		name, ok := p.name()
		if !ok {
			return nil, simplePaths
		}
		step := pathStep{kind: stepChild, name: name}
		switch {
		case p.take('('):
			if step, ok = p.call(name); !ok || first {
				return nil, simplePaths
			}
		case first && name[0] >= 'A' && name[0] <= 'Z':
			step.kind = stepType
		}
		path = append(path, step)
		for p.take('[') {
			n, ok := p.index()
			if !ok || !p.take(']') {
				return nil, simplePaths
			}
			path = append(path, pathStep{kind: stepIndex, index: n})
		}
		if p.end() {
			break
		}
		if !p.take('.') {
			return nil, simplePaths
		}
	}
	if len(path) > maxSteps {
		return nil, "the path has more than " + strconv.Itoa(maxSteps) + " steps"
	}
	return path, ""
}

// pathParser takes tokens off the text. White space between them doesn't count.
type pathParser struct{ rest string }

func (p *pathParser) space()    { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }
func (p *pathParser) end() bool { p.space(); return p.rest == "" }

func (p *pathParser) take(c byte) bool {
	p.space()
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// name takes an identifier, which may stand in backquotes, as those must that
// are words of the language ("`div`").
func (p *pathParser) name() (string, bool) {
	quoted := p.take('`')
	n := 0
	for n < len(p.rest) && (isLetter(p.rest[n]) || n > 0 && isDigit(p.rest[n])) {
		n++
	}
	name := p.rest[:n]
	p.rest = p.rest[n:]
	if n == 0 || quoted && !strings.HasPrefix(p.rest, "`") {
		return "", false
	}
	if quoted {
		p.rest = p.rest[1:]
	}
	return name, true
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

func (p *pathParser) index() (int, bool) {
	p.space()
	n := 0
	for n < len(p.rest) && isDigit(p.rest[n]) {
		n++
	}
	if n == 0 || n > 7 {
		return 0, false
	}
	i, err := strconv.Atoi(p.rest[:n])
	p.rest = p.rest[n:]
	return i, err == nil
}

// call takes a function's arguments and closing bracket.
func (p *pathParser) call(name string) (step pathStep, ok bool) {
	switch name {
	case "first", "last":
		step.kind = stepFirst
		if name == "last" {
			step.kind = stepLast
		}
	case "ofType":
		step.kind = stepOfType
		if step.name, ok = p.name(); !ok {
			return step, false
		}
	case "where":
		step.kind = stepWhere
		for {
			c, ok := p.condition()
			if !ok {
				return step, false
			}
			step.conds = append(step.conds, c)
			if p.take(')') {
				return step, true
			}
			if word, ok := p.name(); !ok || word != "and" {
				return step, false
			}
		}
	default:
		return step, false
	}
	return step, p.take(')')
}

func (p *pathParser) condition() (c condition, ok bool) {
	for {
		name, ok := p.name()
		if !ok {
			return c, false
		}
		c.path = append(c.path, name)
		if !p.take('.') {
			break
		}
	}
	if !p.take('=') {
		return c, false
	}
	p.space()
	switch {
	case p.rest == "":
		return c, false
	case p.rest[0] == '\'':
		c.kind = literalString
		c.literal, ok = p.quoted()
	case p.rest[0] == '-' || isDigit(p.rest[0]):
		c.kind = literalNumber
		c.literal, ok = p.number()
	default:
		c.kind = literalBool
		c.literal, ok = p.name()
		ok = ok && (c.literal == "true" || c.literal == "false")
	}
	return c, ok
}

// number takes a decimal, which FHIRPath writes without an exponent.
func (p *pathParser) number() (string, bool) {
	text, n := p.rest, 0
	if text[0] == '-' {
		n++
	}
	whole := n
	for n < len(text) && isDigit(text[n]) {
		n++
	}
	if n == whole {
		return "", false
	}
	if n+1 < len(text) && text[n] == '.' && isDigit(text[n+1]) {
		for n++; n < len(text) && isDigit(text[n]); n++ {
		}
	}
	p.rest = text[n:]
	return text[:n], true
}

// escapes are those of a FHIRPath string, but for \uXXXX.
var escapes = map[byte]byte{'\'': '\'', '"': '"', '`': '`', '\\': '\\', '/': '/', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// quoted takes a string in single quotes.
func (p *pathParser) quoted() (string, bool) {
	var out []byte
	for i := 1; i < len(p.rest); i++ {
		c := p.rest[i]
		switch {
		case c == '\'':
			p.rest = p.rest[i+1:]
			return string(out), true
		case c != '\\':
			out = append(out, c)
			continue
		}
		if i++; i == len(p.rest) {
			return "", false
		}
		if plain, ok := escapes[p.rest[i]]; ok {
			out = append(out, plain)
			continue
		}
		if p.rest[i] != 'u' || i+4 >= len(p.rest) {
			return "", false
		}
		n, err := strconv.ParseUint(p.rest[i+1:i+5], 16, 16)
		if err != nil {
			return "", false
		}
		out = utf8.AppendRune(out, rune(n))
		i += 4
	}
	return "", false
}
