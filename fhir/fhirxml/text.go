package fhirxml

import "unicode/utf8"

// appendString writes a JSON string of valid UTF-8; <, > and & stay as they
// are.
func appendString(out, s []byte) []byte {
	out = append(out, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c == '\n':
			out = append(out, '\\', 'n')
		case c == '\r':
			out = append(out, '\\', 'r')
		case c == '\t':
			out = append(out, '\\', 't')
		default: // XML has no other control characters
			out = append(out, c)
		}
	}
	return append(out, '"')
}

// appendValue writes an attribute value with its quotes. White space other than
// the plain space goes as references, so that it isn't normalised away. It is
// false for characters that XML has no way to write.
func appendValue(out []byte, s string) ([]byte, bool) {
	out = append(out, '"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '&':
			out = append(out, "&amp;"...)
		case r == '<':
			out = append(out, "&lt;"...)
		case r == '"':
			out = append(out, "&quot;"...)
		case r == '\t':
			out = append(out, "&#9;"...)
		case r == '\n':
			out = append(out, "&#10;"...)
		case r == '\r':
			out = append(out, "&#13;"...)
		case !allowed(r):
			return nil, false
		default:
			out = append(out, s[i:i+size]...)
		}
		i += size
	}
	return append(out, '"'), true
}

// isNumber says whether s is a JSON number, which is what R4's decimal is.
func isNumber(s []byte) bool {
	i := 0
	digits := func() bool {
		start := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i > start
	}
	if i < len(s) && s[i] == '-' {
		i++
	}
	if i < len(s) && s[i] == '0' {
		i++
	} else if !digits() {
		return false
	}
	if i < len(s) && s[i] == '.' {
		i++
		if !digits() {
			return false
		}
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return false
		}
	}
	return i == len(s)
}
