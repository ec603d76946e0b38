package xmltree

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of what Read takes; bytes are bounded by the caller.
const (
	MaxDepth      = 64
	MaxElements   = 100_000
	MaxAttributes = 64  // of one element
	MaxBindings   = 128 // of namespaces in force at one place
)

const (
	xmlNamespace   = "http://www.w3.org/XML/1998/namespace"
	xmlnsNamespace = "http://www.w3.org/2000/xmlns/"
)

// ErrSize marks input that was refused for its size, not for its form.
var ErrSize = errors.New("over a limit")

// Rules says what of XML Read lets pass.
type Rules struct {
	// Instructions: processing instructions are passed over instead of refused
	// (SOAP 1.1, section 3, forbids them).
	Instructions bool
}

// Read reads one document of UTF-8 text (see ToUTF8) into a tree. Beside what is
// not well formed it refuses document type declarations, unbound prefixes,
// attributes given twice, xml:base, a second root, text outside the root, and
// more depth, elements or attributes than the bounds. Comments are passed over.
// Errors name the line and never quote the input.
func Read(text []byte, rules Rules) (*Node, error) {
	r := reader{rules: rules, in: string(text), line: 1}
	if !utf8.ValidString(r.in) {
		return nil, errEncoding
	}
	root, err := r.document()
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", r.lineAt(r.pos), err)
	}
	return root, nil
}

var errForm = errors.New("the XML isn't well-formed")

// reader goes through the text once. What it gives out are pieces of the one
// string, so that names and values cost no copy.
type reader struct {
	rules    Rules
	in       string
	pos      int
	line     int // of the place counted
	counted  int
	root     *Node
	open     []openElement
	pending  []*Node   // children of the open elements, the innermost's last
	attrs    []rawAttr // of the start tag being read
	nodes    []Node    // slabs
	attrSlab []Attr
	children []*Node
	elements int
}

type openElement struct {
	node  *Node
	raw   string // the name as written, to match the end tag
	first int    // its first child in pending
}

// rawAttr is an attribute as it is written.
type rawAttr struct{ prefix, local, value string }

func (r *reader) lineAt(pos int) int {
	pos = min(pos, len(r.in))
	if pos > r.counted {
		r.line += strings.Count(r.in[r.counted:pos], "\n")
		r.counted = pos
	}
	return r.line
}

func (r *reader) has(prefix string) bool { return strings.HasPrefix(r.in[r.pos:], prefix) }

func (r *reader) document() (*Node, error) {
	if err := r.declaration(); err != nil {
		return nil, err
	}
	for r.pos < len(r.in) {
		var err error
		switch {
		case r.in[r.pos] != '<':
			err = r.text()
		case r.has("</"):
			err = r.endTag()
		case r.has("<!--"):
			err = r.comment()
		case r.has("<?"):
			err = r.instruction()
		case r.has("<![CDATA["):
			err = r.cdata()
		case r.has("<!"):
			err = errors.New("a document type declaration isn't allowed")
		default:
			err = r.startTag()
		}
		if err != nil {
			return nil, err
		}
	}
	if r.root == nil || len(r.open) > 0 {
		return nil, errors.New("the XML ends too early")
	}
	return r.root, nil
}

// startTag reads <name attribute="value" ...>, or the same closed with />.
func (r *reader) startTag() error {
	start := r.pos
	r.pos++
	raw, prefix, local, ok := r.name()
	if !ok {
		return errForm
	}
	if err := r.attributes(); err != nil {
		return err
	}
	r.elements++
	switch {
	case len(r.open) == 0 && r.root != nil:
		return errors.New("there is a second root element")
	case len(r.open) >= MaxDepth:
		return fmt.Errorf("elements are nested deeper than %d: %w", MaxDepth, ErrSize)
	case r.elements > MaxElements:
		return fmt.Errorf("there are more than %d elements: %w", MaxElements, ErrSize)
	}
	n := r.newNode()
	n.start, n.Local = start, local
	if len(r.open) == 0 {
		r.root = n
	} else {
		parent := r.open[len(r.open)-1].node
		n.scope, n.outer = parent.scope, parent.scope
		r.pending = append(r.pending, n)
	}
	if err := r.bind(n); err != nil {
		return err
	}
	var bound bool
	if n.Space, bound = n.resolve(prefix); !bound {
		return errors.New("a namespace prefix isn't declared")
	}
	if err := r.resolveAttributes(n); err != nil {
		return err
	}
	closed := r.in[r.pos] == '/'
	if closed {
		r.pos++
	}
	r.pos++
	n.Line = r.lineAt(r.pos)
	if closed {
		n.end = r.pos
		return nil
	}
	r.open = append(r.open, openElement{n, raw, len(r.pending)})
	return nil
}

// attributes reads up to the end of the start tag, which it leaves standing.
func (r *reader) attributes() error {
	r.attrs = r.attrs[:0]
	for {
		spaced := r.space()
		if r.pos == len(r.in) {
			return errForm
		}
		if r.in[r.pos] == '>' || r.has("/>") {
			return nil
		}
		_, prefix, local, ok := r.name()
		if !spaced || !ok {
			return errForm
		}
		if len(r.attrs) == MaxAttributes {
			return fmt.Errorf("an element has more than %d attributes: %w", MaxAttributes, ErrSize)
		}
		r.space()
		if !r.has("=") {
			return errForm
		}
		r.pos++
		r.space()
		value, err := r.value()
		if err != nil {
			return err
		}
		r.attrs = append(r.attrs, rawAttr{prefix, local, value})
	}
}

// bind takes the namespace declarations of a start tag.
func (r *reader) bind(n *Node) error {
	for _, a := range r.attrs {
		prefix := ""
		switch {
		case a.prefix == "xmlns":
			prefix = a.local
			if a.value == "" || prefix == "xmlns" || (prefix == "xml") != (a.value == xmlNamespace) {
				return errors.New("a namespace prefix is declared wrongly")
			}
		case a.prefix == "" && a.local == "xmlns":
		default:
			continue
		}
		if a.value == xmlnsNamespace || prefix == "" && a.value == xmlNamespace {
			return errors.New("a reserved namespace is declared")
		}
		for s := n.scope; s != n.outer; s = s.outer {
			if s.prefix == prefix {
				return errTwice
			}
		}
		if n.scope = (&scope{prefix, a.value, n.scope, n.scope.count() + 1}); n.scope.depth > MaxBindings {
			return fmt.Errorf("more than %d namespaces are declared around an element: %w", MaxBindings, ErrSize)
		}
	}
	return nil
}

var errTwice = errors.New("an attribute is given twice")

// resolveAttributes gives the node its attributes, without the declarations.
func (r *reader) resolveAttributes(n *Node) error {
	if len(r.attrs) == 0 {
		return nil
	}
	n.Attrs = r.attrSpace(len(r.attrs))
	for _, a := range r.attrs {
		if a.prefix == "xmlns" || a.prefix == "" && a.local == "xmlns" {
			continue
		}
		resolved := Attr{Local: a.local, Value: a.value}
		if a.prefix != "" {
			var bound bool
			if resolved.Space, bound = n.resolve(a.prefix); !bound {
				return errors.New("a namespace prefix isn't declared")
			}
		}
		if resolved.Space == xmlNamespace && resolved.Local == "base" {
			return errors.New("xml:base isn't allowed")
		}
		for _, earlier := range n.Attrs {
			if earlier.Local == resolved.Local && earlier.Space == resolved.Space {
				return errTwice
			}
		}
		n.Attrs = append(n.Attrs, resolved)
	}
	return nil
}

func (n *Node) resolve(prefix string) (string, bool) {
	switch prefix {
	case "xml":
		return xmlNamespace, true
	case "xmlns":
		return "", false
	}
	return n.scope.find(prefix)
}

func (r *reader) endTag() error {
	r.pos += 2
	raw, _, _, ok := r.name()
	if !ok {
		return errForm
	}
	last := len(r.open) - 1
	if last < 0 || r.open[last].raw != raw {
		return errors.New("an end tag doesn't match its start tag")
	}
	r.space()
	if !r.has(">") {
		return errForm
	}
	r.pos++
	closed := r.open[last]
	r.open = r.open[:last]
	closed.node.end = r.pos
	closed.node.Children = r.keep(r.pending[closed.first:])
	r.pending = r.pending[:closed.first]
	return nil
}

// text reads character data up to the next markup.
func (r *reader) text() error {
	value, err := r.characters("<", false)
	if err != nil {
		return err
	}
	if len(r.open) == 0 {
		if strings.Trim(value, " \t\r\n") != "" {
			return errors.New("there is text outside the root element")
		}
		return nil
	}
	r.addText(value)
	return nil
}

func (r *reader) addText(value string) {
	if value == "" {
		return
	}
	n := r.newNode()
	n.Text = value
	r.pending = append(r.pending, n)
}

// newNode, attrSpace and keep take from slabs: a report has thousands of each.
func (r *reader) newNode() *Node {
	if len(r.nodes) == 0 {
		r.nodes = make([]Node, 256)
	}
	n := &r.nodes[0]
	r.nodes = r.nodes[1:]
	return n
}

func (r *reader) attrSpace(n int) []Attr {
	if len(r.attrSlab) < n {
		r.attrSlab = make([]Attr, max(n, 256))
	}
	out := r.attrSlab[:0:n]
	r.attrSlab = r.attrSlab[n:]
	return out
}

func (r *reader) keep(list []*Node) []*Node {
	n := len(list)
	if n == 0 {
		return nil
	}
	if len(r.children) < n {
		r.children = make([]*Node, max(n, 256))
	}
	out := r.children[:n:n]
	r.children = r.children[n:]
	copy(out, list)
	return out
}
