package xmltree

import "strings"

// Node is an element, or a run of text where Local is "".
type Node struct {
	Space, Local string
	Attrs        []Attr // without namespace declarations
	Children     []*Node
	Text         string // of a text node
	Line         int    // of the end of the start tag

	start, end int    // the element's bytes in the text
	scope      *scope // the namespace bindings in force
	outer      *scope // those of them that the element inherits
}

// Attr is an attribute; Space is "" where its name has no prefix.
type Attr struct{ Space, Local, Value string }

// scope is a list of namespace bindings, innermost first.
type scope struct {
	prefix, uri string
	outer       *scope
	depth       int
}

func (s *scope) count() int {
	if s == nil {
		return 0
	}
	return s.depth
}

func (s *scope) find(prefix string) (uri string, bound bool) {
	for ; s != nil; s = s.outer {
		if s.prefix == prefix {
			return s.uri, true
		}
	}
	return "", prefix == ""
}

// Is says whether the node is this element.
func (n *Node) Is(space, local string) bool {
	return n != nil && n.Local == local && n.Space == space
}

// Child returns the first child element of this name in the node's own
// namespace; nil where there is none. A nil node has no children, so paths can
// be followed without checks.
func (n *Node) Child(path ...string) *Node {
	for _, local := range path {
		var found *Node
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

// All returns the child elements of this name in the node's own namespace.
func (n *Node) All(local string) []*Node {
	if n == nil {
		return nil
	}
	return n.AllIn(n.Space, local)
}

// AllIn returns the child elements of this name.
func (n *Node) AllIn(space, local string) []*Node {
	if n == nil {
		return nil
	}
	var found []*Node
	for _, c := range n.Children {
		if c.Is(space, local) {
			found = append(found, c)
		}
	}
	return found
}

// Elements returns the child elements, without text.
func (n *Node) Elements() []*Node {
	if n == nil {
		return nil
	}
	var found []*Node
	for _, c := range n.Children {
		if c.Local != "" {
			found = append(found, c)
		}
	}
	return found
}

// Attr returns an attribute without namespace, "" where there is none.
func (n *Node) Attr(local string) string {
	value, _ := n.AttrIn("", local)
	return value
}

// AttrIn returns an attribute and whether it is there.
func (n *Node) AttrIn(space, local string) (string, bool) {
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

// Content returns the element's own text, trimmed.
func (n *Node) Content() string {
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

// Resolve gives the namespace that a prefix has at this element; the default
// one for "".
func (n *Node) Resolve(prefix string) (uri string, bound bool) {
	if prefix == "xml" {
		return xmlNamespace, true
	}
	return n.scope.find(prefix)
}

// Standalone returns the element's own bytes as a document of its own: the
// namespace declarations that it inherits are written into its start tag, all
// else stays as it came. text is what Read read.
func (n *Node) Standalone(text []byte) []byte {
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

// EscapeText makes a value safe as element text. Characters that XML 1.0 can't
// hold become U+FFFD.
func EscapeText(s string) string {
	if verbatim(s) {
		return s
	}
	return textEscaper.Replace(clean(s))
}

// EscapeAttr makes a value safe between double quotes.
func EscapeAttr(s string) string {
	if verbatim(s) && strings.IndexByte(s, '\n') < 0 {
		return s
	}
	return attrEscaper.Replace(clean(s))
}

// verbatim says whether a text can stand as it is, as most do.
func verbatim(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && c != '\n' || c >= 0x7f || c == '&' || c == '<' || c == '>' || c == '"' {
			return false
		}
	}
	return true
}

func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !allowed(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// Bytes returns the element as it stands in what Read read.
func (n *Node) Bytes(text []byte) []byte { return text[n.start:n.end] }
