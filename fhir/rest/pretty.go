package rest

import "bytes"

// indentXML puts every element of a resource on a line of its own. text is what
// fhirxml.FromJSON gives: no white space, comments or text outside the
// narrative. White space between elements means nothing in FHIR XML (R4
// xml.html), but in the narrative it does, so a div stays as it is.
func indentXML(text []byte) []byte {
	out := make([]byte, 0, len(text)*3/2)
	depth := 0
	for len(text) > 0 {
		end := tagEnd(text)
		opens := false
		switch {
		case bytes.HasPrefix(text, []byte("<?")):
		case bytes.HasPrefix(text, []byte("</")):
			depth--
		case isDiv(text):
			end = elementEnd(text)
		default:
			opens = !selfClosed(text[:end])
		}
		if len(out) > 0 {
			out = append(out, '\n')
			out = append(out, bytes.Repeat([]byte("  "), max(depth, 0))...)
		}
		out = append(out, text[:end]...)
		text = text[end:]
		if opens {
			depth++
		}
	}
	return out
}

// tagEnd is where the tag at the start of text ends. A > may stand in a quoted
// value.
func tagEnd(text []byte) int {
	quote := byte(0)
	for i, c := range text {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i + 1
		}
	}
	return len(text)
}

func selfClosed(tag []byte) bool { return bytes.HasSuffix(tag, []byte("/>")) }

// isDiv says whether text begins with a narrative: no other element is a div.
func isDiv(text []byte) bool {
	rest, ok := bytes.CutPrefix(text, []byte("<div"))
	return ok && len(rest) > 0 && bytes.IndexByte([]byte(" \t\r\n/>"), rest[0]) >= 0
}

// elementEnd is where the element at the start of text ends, with all that is
// in it.
func elementEnd(text []byte) int {
	depth, at := 0, 0
	for {
		rest := text[at:]
		switch {
		case bytes.HasPrefix(rest, []byte("<!--")):
			at += through(rest, "-->")
		case bytes.HasPrefix(rest, []byte("<![CDATA[")):
			at += through(rest, "]]>")
		case bytes.HasPrefix(rest, []byte("</")):
			at += through(rest, ">")
			depth--
		default:
			end := tagEnd(rest)
			if !selfClosed(rest[:end]) {
				depth++
			}
			at += end
		}
		next := bytes.IndexByte(text[at:], '<')
		if depth <= 0 || next < 0 {
			return at
		}
		at += next
	}
}

// through is where the first mark in text ends.
func through(text []byte, mark string) int {
	at := bytes.Index(text, []byte(mark))
	if at < 0 {
		return len(text)
	}
	return at + len(mark)
}
