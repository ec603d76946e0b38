package xmltree

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// plain marks the bytes that stand for themselves in text and values: ASCII
// without control characters, markup and quotes, and every byte of what lies
// beyond it but the two lead bytes that need a look (surrogates and U+FFFE can
// only begin with them).
var plain = func() (t [256]bool) {
	for c := 0x20; c < 0x80; c++ {
		t[c] = true
	}
	for _, c := range "<&]\"'" {
		t[c] = false
	}
	for c := 0x80; c < 0x100; c++ {
		t[c] = c != 0xED && c != 0xEF
	}
	return t
}()

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// space skips white space and says whether there was any.
func (r *reader) space() bool {
	start := r.pos
	for r.pos < len(r.in) && isSpace(r.in[r.pos]) {
		r.pos++
	}
	return r.pos > start
}

// declaration reads <?xml ...?>, which can only stand at the very start. What it
// says of the encoding was ToUTF8's affair.
func (r *reader) declaration() error {
	if !r.has("<?xml") || len(r.in) == 5 || !isSpace(r.in[5]) {
		return nil
	}
	body, _, found := strings.Cut(r.in[5:], "?>")
	if !found {
		return errForm
	}
	version, ok := pseudo(body, "version")
	if !ok || version != "1.0" {
		return errors.New("only XML 1.0 is taken")
	}
	r.pos = 5 + len(body) + 2
	return nil
}

// pseudo reads one of the declaration's name="value" pairs.
func pseudo(body, name string) (string, bool) {
	_, rest, found := strings.Cut(body, name)
	if !found {
		return "", false
	}
	rest, found = strings.CutPrefix(strings.TrimLeft(rest, " \t\r\n"), "=")
	rest = strings.TrimLeft(rest, " \t\r\n")
	if !found || rest == "" || rest[0] != '"' && rest[0] != '\'' {
		return "", false
	}
	value, _, found := strings.Cut(rest[1:], rest[:1])
	return value, found
}

func (r *reader) instruction() error {
	r.pos += 2
	_, prefix, target, ok := r.name()
	body, _, found := strings.Cut(r.in[r.pos:], "?>")
	switch {
	case !ok || prefix != "" || !found || body != "" && !isSpace(body[0]):
		return errForm
	case strings.EqualFold(target, "xml"):
		return errors.New("an XML declaration stands elsewhere than at the start")
	case !r.rules.Instructions:
		return errors.New("a processing instruction isn't allowed")
	case !valid(body):
		return errForm
	}
	r.pos += len(body) + 2
	return nil
}

func (r *reader) comment() error {
	body, _, found := strings.Cut(r.in[r.pos+4:], "--")
	end := r.pos + 4 + len(body) + 2
	if !found || end >= len(r.in) || r.in[end] != '>' || !valid(body) {
		return errForm
	}
	r.pos = end + 1
	return nil
}

func (r *reader) cdata() error {
	const opening = "<![CDATA["
	body, _, found := strings.Cut(r.in[r.pos+len(opening):], "]]>")
	if !found || len(r.open) == 0 || !valid(body) {
		return errForm
	}
	r.pos += len(opening) + len(body) + 3
	r.addText(newlines(body))
	return nil
}

// newlines makes every line end a line feed (XML 1.0, section 2.11).
func newlines(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// valid says whether a text without references holds only characters of XML.
func valid(s string) bool {
	for i := 0; i < len(s); {
		if c := s[i]; plain[c] || isSpace(c) || c == '<' || c == '&' || c == ']' || c == '"' || c == '\'' {
			i++
			continue
		}
		char, size := utf8.DecodeRuneInString(s[i:])
		if !allowed(char) || char == utf8.RuneError && size == 1 {
			return false
		}
		i += size
	}
	return true
}

// allowed is the production Char of XML 1.0.
func allowed(c rune) bool {
	return c == '\t' || c == '\n' || c == '\r' || c >= 0x20 && c <= 0xD7FF ||
		c >= 0xE000 && c <= 0xFFFD || c >= 0x10000 && c <= 0x10FFFF
}

// value reads a quoted attribute value.
func (r *reader) value() (string, error) {
	if !r.has(`"`) && !r.has(`'`) {
		return "", errForm
	}
	quote := r.in[r.pos : r.pos+1]
	r.pos++
	value, err := r.characters(quote, true)
	if err != nil {
		return "", err
	}
	if r.pos == len(r.in) {
		return "", errForm
	}
	r.pos++
	return value, nil
}

// characters reads up to the delimiter, or the end, with references resolved
// and line ends normalised; in an attribute white space becomes blanks (section
// 3.3.3). A text that needs none of that is a piece of the input.
func (r *reader) characters(delimiter string, attribute bool) (string, error) {
	start := r.pos
	var changed []byte
	for r.pos < len(r.in) {
		from := r.pos
		for r.pos < len(r.in) && plain[r.in[r.pos]] {
			r.pos++
		}
		if changed != nil {
			changed = append(changed, r.in[from:r.pos]...)
		}
		if r.pos == len(r.in) || r.in[r.pos] == delimiter[0] {
			break
		}
		from = r.pos
		as, err := r.special(attribute)
		if err != nil {
			return "", err
		}
		if as == r.in[from:r.pos] && changed == nil {
			continue
		}
		if changed == nil {
			changed = append(make([]byte, 0, from-start+64), r.in[start:from]...)
		}
		changed = append(changed, as...)
	}
	if changed == nil {
		return r.in[start:r.pos], nil
	}
	return string(changed), nil
}

// special steps over what isn't plain and says what it stands for.
func (r *reader) special(attribute bool) (string, error) {
	c := r.in[r.pos]
	switch {
	case c == '&':
		return r.reference()
	case c == '<' && attribute:
		return "", errForm
	case c == ']' && !attribute && r.has("]]>"):
		return "", errForm
	case c == '\r' || attribute && isSpace(c):
		if r.has("\r\n") {
			r.pos++
		}
		r.pos++
		if attribute {
			return " ", nil
		}
		return "\n", nil
	case c < 0x20 && !isSpace(c):
		return "", errForm
	case c < utf8.RuneSelf:
		r.pos++
		return r.in[r.pos-1 : r.pos], nil
	}
	char, size := utf8.DecodeRuneInString(r.in[r.pos:])
	if char == utf8.RuneError && size == 1 || !allowed(char) {
		return "", errForm
	}
	r.pos += size
	return r.in[r.pos-size : r.pos], nil
}

// reference reads a character reference or one of XML's five entities.
func (r *reader) reference() (string, error) {
	name, _, found := strings.Cut(r.in[r.pos+1:min(len(r.in), r.pos+16)], ";")
	if !found || name == "" {
		return "", errForm
	}
	r.pos += 1 + len(name) + 1
	switch name {
	case "lt":
		return "<", nil
	case "gt":
		return ">", nil
	case "amp":
		return "&", nil
	case "quot":
		return `"`, nil
	case "apos":
		return "'", nil
	}
	digits, numeric := strings.CutPrefix(name, "#")
	base := 10
	if hex, is := strings.CutPrefix(digits, "x"); is {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if !numeric || err != nil || n > utf8.MaxRune || !allowed(rune(n)) || strings.ContainsAny(digits, "+_") {
		return "", errForm
	}
	return string(rune(n)), nil
}

// name reads a name with at most one prefix.
func (r *reader) name() (raw, prefix, local string, ok bool) {
	start := r.pos
	local, ok = r.part()
	if ok && r.has(":") {
		r.pos++
		prefix = local
		local, ok = r.part()
	}
	return r.in[start:r.pos], prefix, local, ok && !r.has(":")
}

// part reads a name without colon.
func (r *reader) part() (string, bool) {
	start := r.pos
	for r.pos < len(r.in) {
		c := r.in[r.pos]
		if c < utf8.RuneSelf {
			letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
			later := c >= '0' && c <= '9' || c == '-' || c == '.'
			if !letter && (!later || r.pos == start) {
				break
			}
			r.pos++
			continue
		}
		char, size := utf8.DecodeRuneInString(r.in[r.pos:])
		if !nameStart(char) && (r.pos == start || !nameLater(char)) {
			break
		}
		r.pos += size
	}
	return r.in[start:r.pos], r.pos > start
}

// nameStart is NameStartChar of XML 1.0 (fifth edition) beyond ASCII.
func nameStart(c rune) bool {
	switch {
	case c == 0xD7, c == 0xF7, c == 0x37E:
		return false
	case c >= 0xC0 && c <= 0x2FF, c >= 0x370 && c <= 0x1FFF, c == 0x200C, c == 0x200D,
		c >= 0x2070 && c <= 0x218F, c >= 0x2C00 && c <= 0x2FEF, c >= 0x3001 && c <= 0xD7FF,
		c >= 0xF900 && c <= 0xFDCF, c >= 0xFDF0 && c <= 0xFFFC, c >= 0x10000 && c <= 0xEFFFF:
		return true
	}
	return false
}

// nameLater is what NameChar adds beyond ASCII.
func nameLater(c rune) bool {
	return c == 0xB7 || c >= 0x300 && c <= 0x36F || c == 0x203F || c == 0x2040
}
