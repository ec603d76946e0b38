package nhs111

import (
	"strings"
)

// is says whether the node is this element.
func (n *node) is(space, local string) bool {
	return n != nil && n.Local == local && n.Space == space
}

// child returns the first child element of this name in the node's own
// namespace; nil where there is none. A nil node has no children, so paths can
// be followed without checks.
func (n *node) child(path ...string) *node {
	for _, local := range path {
		var found *node
		if n != nil {
			for _, c := range n.Children {
				if c.Local == local && c.Space == n.Space {
					found = c
					break
				}
			}
		}
		n = found
	}
	return n
}

// all returns the child elements of this name in the node's own namespace.
func (n *node) all(local string) []*node {
	if n == nil {
		return nil
	}
	return n.allIn(n.Space, local)
}

func (n *node) allIn(space, local string) []*node {
	if n == nil {
		return nil
	}
	var found []*node
	for _, c := range n.Children {
		if c.is(space, local) {
			found = append(found, c)
		}
	}
	return found
}

// elements returns the child elements, without text.
func (n *node) elements() []*node {
	if n == nil {
		return nil
	}
	var found []*node
	for _, c := range n.Children {
		if c.Local != "" {
			found = append(found, c)
		}
	}
	return found
}

// attr returns an attribute without namespace, "" where there is none.
func (n *node) attr(local string) string {
	value, _ := n.attrIn("", local)
	return value
}

func (n *node) attrIn(space, local string) (string, bool) {
	if n == nil {
		return "", false
	}
	for _, a := range n.Attrs {
		if a.Local == local && a.Space == space {
			return a.Value, true
		}
	}
	return "", false
}

// content returns the element's own text, trimmed.
func (n *node) content() string {
	if n == nil {
		return ""
	}
	if len(n.Children) == 1 {
		return strings.TrimSpace(n.Children[0].Text)
	}
	var b strings.Builder
	for _, c := range n.Children {
		b.WriteString(c.Text)
	}
	return strings.TrimSpace(b.String())
}

// standalone returns the element's own bytes as a document of its own: the
// namespace declarations that it inherits are written into its start tag, all
// else stays as it came.
func (n *node) standalone(text []byte) []byte {
	element := text[n.start:n.end]
	nameEnd := 1
	for nameEnd < len(element) && !strings.ContainsRune(" \t\r\n/>", rune(element[nameEnd])) {
		nameEnd++
	}
	out := make([]byte, 0, len(element)+256)
	out = append(out, element[:nameEnd]...)
	seen := map[string]bool{}
	for s := n.scope; s != n.outer; s = s.outer {
		seen[s.prefix] = true // the element's own
	}
	for s := n.outer; s != nil; s = s.outer {
		if seen[s.prefix] {
			continue
		}
		seen[s.prefix] = true
		if s.uri == "" {
			continue
		}
		name := "xmlns"
		if s.prefix != "" {
			name += ":" + s.prefix
		}
		out = append(out, " "+name+`="`+attrEscaper.Replace(s.uri)+`"`...)
	}
	return append(out, element[nameEnd:]...)
}

var (
	textEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#13;")
	attrEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;", "\t", "&#9;", "\n", "&#10;", "\r", "&#13;")
)

// escapeXML makes a value safe as element text. Characters that XML 1.0 can't
// hold become U+FFFD.
func escapeXML(s string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r':
			return r
		case r < 0x20, r == 0xFFFE, r == 0xFFFF:
			return '\uFFFD'
		}
		return r
	}, s)
	return textEscaper.Replace(clean)
}
