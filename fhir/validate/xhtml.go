package validate

import "strings"

// html reads XHTML from the inside of a JSON string, unescaping as it goes, so
// that a narrative costs no copy.
type html struct {
	raw     []byte
	pos     int
	b       byte // the current character; 0 at the end, 0x80 for any beyond ASCII
	open    [maxHTMLDepth]uint8
	depth   int
	content bool
	name    [24]byte
	value   [40]byte // the start of an attribute's value
}

// step goes to the next character.
func (x *html) step() {
	if x.pos >= len(x.raw) {
		x.b = 0
		return
	}
	b := x.raw[x.pos]
	x.pos++
	switch {
	case b >= 0x80:
		b = 0x80
	case b == '\\':
		b = x.escape()
	}
	x.b = b
}

func (x *html) escape() byte {
	b := x.raw[x.pos]
	x.pos++
	switch b {
	case 'n', 'r', 't':
		return ' '
	case 'b', 'f':
		return 1
	case 'u':
		code := 0
		for _, digit := range x.raw[x.pos : x.pos+4] {
			code = code<<4 | hexDigit(digit)
		}
		x.pos += 4
		switch {
		case code == '\t' || code == '\n' || code == '\r':
			return ' '
		case code < ' ':
			return 1
		case code >= 0x80:
			return 0x80
		}
		return byte(code)
	}
	return b
}

func hexDigit(b byte) int {
	if isDigit(b) {
		return int(b - '0')
	}
	return int(b|0x20) - 'a' + 10
}

func (x *html) space() {
	for x.b == ' ' {
		x.step()
	}
}

func (x *html) check() htmlProblem {
	x.step()
	if x.b != '<' {
		return htmlNoDiv
	}
	for {
		switch {
		case x.b == '<':
			x.step()
			if p := x.markup(); p != htmlFine {
				return p
			}
			if x.depth == 0 {
				return x.end()
			}
		case x.b == '&':
			code := x.entity()
			if code < 0 {
				return htmlMalformed
			}
			x.content = x.content || code > ' '
		case x.b < ' ': // the end, or a control character
			return htmlMalformed
		default:
			x.content = x.content || x.b != ' '
			x.step()
		}
	}
}

// end is behind the outermost end tag.
func (x *html) end() htmlProblem {
	switch {
	case x.b != 0:
		return htmlNoDiv
	case !x.content:
		return htmlEmpty
	}
	return htmlFine
}

// markup reads what follows "<".
func (x *html) markup() htmlProblem {
	switch x.b {
	case '/':
		x.step()
		return x.endTag()
	case '!':
		x.step()
		return x.comment()
	case '?':
		return htmlMalformed
	}
	return x.startTag()
}

// read reads a name, which is valid until the next one.
func (x *html) read() []byte {
	n := 0
	for x.b > ' ' && x.b != '=' && x.b != '>' && x.b != '/' && x.b != '<' && x.b != '"' {
		if n < len(x.name) {
			x.name[n] = x.b
		}
		n++
		x.step()
	}
	if n > len(x.name) {
		return nil
	}
	return x.name[:n]
}

func (x *html) endTag() htmlProblem {
	tag := htmlElements[string(x.read())]
	x.space()
	if x.depth == 0 || tag == 0 || x.open[x.depth-1] != tag || x.b != '>' {
		return htmlMalformed
	}
	x.depth--
	x.step()
	return htmlFine
}

func (x *html) comment() htmlProblem {
	dashes := 0
	for ; dashes < 2; dashes++ {
		if x.b != '-' {
			return htmlMalformed
		}
		x.step()
	}
	for dashes = 0; dashes < 2; x.step() {
		switch {
		case x.b < ' ':
			return htmlMalformed
		case x.b == '-':
			dashes++
		default:
			dashes = 0
		}
	}
	if x.b != '>' {
		return htmlMalformed
	}
	x.step()
	if x.depth == 0 {
		return htmlNoDiv
	}
	return htmlFine
}

func (x *html) startTag() htmlProblem {
	tag := htmlElements[string(x.read())]
	if tag == 0 {
		return htmlNotAllowed
	}
	if x.depth == 0 && tag != htmlElements["div"] {
		return htmlNoDiv
	}
	if x.depth == maxHTMLDepth {
		return htmlMalformed
	}
	var seen uint64
	for {
		separated := x.b == ' '
		x.space()
		if x.b == '>' || x.b == '/' {
			break
		}
		if !separated {
			return htmlMalformed
		}
		if p := x.attribute(&seen); p != htmlFine {
			return p
		}
	}
	if x.depth == 0 && seen&(1<<htmlAttributes["xmlns"]) == 0 {
		return htmlNoDiv
	}
	if tag == htmlElements["img"] && seen&(1<<htmlAttributes["src"]) != 0 {
		x.content = true
	}
	if x.b == '/' {
		x.step()
		if x.b != '>' {
			return htmlMalformed
		}
	} else {
		x.open[x.depth] = tag
		x.depth++
	}
	x.step()
	return htmlFine
}

// attribute reads one attribute; seen are those that the element has so far.
func (x *html) attribute(seen *uint64) htmlProblem {
	name := htmlAttributes[string(x.read())]
	x.space()
	if x.b != '=' {
		return htmlMalformed
	}
	x.step()
	x.space()
	quote := x.b
	if quote != '"' && quote != '\'' {
		return htmlMalformed
	}
	x.step()
	n := 0
	for x.b != quote {
		code := int(x.b)
		switch {
		case x.b < ' ' || x.b == '<':
			return htmlMalformed
		case x.b == '&':
			if code = x.entity(); code < 0 {
				return htmlMalformed
			}
		default:
			x.step()
		}
		if n < len(x.value) && code > ' ' {
			x.value[n] = byte(min(code, 0x80))
			n++
		}
	}
	x.step()
	switch {
	case name == 0:
		return htmlNotAllowed
	case *seen&(1<<name) != 0:
		return htmlMalformed
	case name == htmlAttributes["xmlns"] && string(x.value[:n]) != xhtmlNamespace:
		return htmlNoDiv
	case (name == htmlAttributes["href"] || name == htmlAttributes["src"]) && isScript(x.value[:n]):
		return htmlNotAllowed
	}
	*seen |= 1 << name
	return htmlFine
}

// isScript says whether an address runs a script when it is followed.
func isScript(address []byte) bool {
	for _, scheme := range [...]string{"javascript:", "vbscript:"} {
		if len(address) >= len(scheme) && strings.EqualFold(string(address[:len(scheme)]), scheme) {
			return true
		}
	}
	return false
}

// entity reads a character or one of XML's five entities from "&" and returns
// its code, or -1.
func (x *html) entity() int {
	x.step()
	n := 0
	for x.b != ';' {
		if x.b <= ' ' || n == len(x.name) {
			return -1
		}
		x.name[n] = x.b
		n++
		x.step()
	}
	x.step()
	switch text := string(x.name[:n]); text {
	case "lt", "gt", "amp", "quot", "apos":
		return int('&')
	default:
		return charReference(text)
	}
}

// charReference reads "#65" or "#x41"; it returns -1 for what XML doesn't allow.
func charReference(text string) int {
	base, digits := 10, strings.TrimPrefix(text, "#")
	if strings.HasPrefix(digits, "x") {
		base, digits = 16, digits[1:]
	}
	if len(digits) == 0 || text[0] != '#' {
		return -1
	}
	code := 0
	for _, b := range []byte(digits) {
		low := b | 0x20
		if !isDigit(b) && (base == 10 || low < 'a' || low > 'f') || code > 0x10FFFF {
			return -1
		}
		code = code*base + hexDigit(b)
	}
	allowed := code >= ' ' && code < 0xD800 || code >= 0xE000 && code <= 0x10FFFF || code == '\t' || code == '\n' || code == '\r'
	if !allowed {
		return -1
	}
	return code
}
