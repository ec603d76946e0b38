package nhs111

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of what readXML takes; bytes are bounded by the caller.
const (
	maxXMLDepth      = 64
	maxXMLElements   = 200_000
	maxXMLAttributes = 64  // of one element
	maxXMLBindings   = 128 // of namespaces in force at one place
)

const (
	xmlNamespace   = "http://www.w3.org/XML/1998/namespace"
	xmlnsNamespace = "http://www.w3.org/2000/xmlns/"
)

// errSize marks input that was refused for its size, not for its form.
var errSize = errors.New("over a limit")

// node is an element, or a run of text where Local is "". Names are resolved
// to namespaces, never matched by prefix.
type node struct {
	Space, Local string
	Attrs        []attr // without namespace declarations
	Children     []*node
	Text         string // of a text node
	Line         int

	start, end int64  // the element's bytes in the UTF-8 text
	scope      *scope // the namespace bindings in force
	outer      *scope // those of them that the element inherits
}

type attr struct{ Space, Local, Value string }

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

// xmlRules says what of XML a reader lets pass.
type xmlRules struct {
	// instructions: processing instructions are passed over instead of refused
	// (SOAP 1.1, section 3, forbids them).
	instructions bool
}

// readXML reads one document of UTF-8 text into a tree. Beside what is not well
// formed it refuses document type declarations, unbound prefixes, attributes
// given twice, xml:base, a second root, text outside the root, and more depth,
// elements or attributes than the bounds: encoding/xml lets all of these pass.
// Comments are passed over. Errors name the line and never quote the input.
func readXML(text []byte, rules xmlRules) (*node, error) {
	r := xmlReader{rules: rules, text: text, decoder: xml.NewDecoder(bytes.NewReader(text))}
	// The text is UTF-8 whatever its declaration says; see toUTF8.
	r.decoder.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	if err := r.read(); err != nil {
		line, _ := r.decoder.InputPos()
		return nil, fmt.Errorf("line %d: %w", line, err)
	}
	return r.root, nil
}

type xmlReader struct {
	rules    xmlRules
	text     []byte
	decoder  *xml.Decoder
	root     *node
	stack    []*node
	open     []xml.Name // the names as written, to match end tags
	slab     []node
	elements int
}

func (r *xmlReader) read() error {
	for {
		start := r.decoder.InputOffset()
		token, err := r.decoder.RawToken()
		if err == io.EOF {
			break
		}
		if err != nil {
			return errors.New("the XML isn't well-formed")
		}
		switch t := token.(type) {
		case xml.StartElement:
			err = r.startElement(t, start)
		case xml.EndElement:
			err = r.endElement(t.Name)
		case xml.CharData:
			err = r.charData(t)
		case xml.Directive:
			err = errors.New("a document type declaration isn't allowed")
		case xml.ProcInst:
			err = r.instruction(t.Target, start)
		}
		if err != nil {
			return err
		}
	}
	if r.root == nil || len(r.stack) > 0 {
		return errors.New("the XML ends too early")
	}
	return nil
}

func (r *xmlReader) instruction(target string, start int64) error {
	if strings.EqualFold(target, "xml") {
		if start != 0 || target != "xml" {
			return errors.New("an XML declaration stands elsewhere than at the start")
		}
		return nil
	}
	if !r.rules.instructions {
		return errors.New("a processing instruction isn't allowed")
	}
	return nil
}

func (r *xmlReader) startElement(t xml.StartElement, start int64) error {
	r.elements++
	switch {
	case len(r.stack) == 0 && r.root != nil:
		return errors.New("there is a second root element")
	case len(r.stack) >= maxXMLDepth:
		return fmt.Errorf("elements are nested deeper than %d: %w", maxXMLDepth, errSize)
	case r.elements > maxXMLElements:
		return fmt.Errorf("there are more than %d elements: %w", maxXMLElements, errSize)
	case len(t.Attr) > maxXMLAttributes:
		return fmt.Errorf("an element has more than %d attributes: %w", maxXMLAttributes, errSize)
	}
	n := r.newNode()
	n.start = start
	n.Line, _ = r.decoder.InputPos()
	if len(r.stack) > 0 {
		parent := r.stack[len(r.stack)-1]
		n.scope, n.outer = parent.scope, parent.scope
		parent.Children = append(parent.Children, n)
	} else {
		r.root = n
	}
	if err := n.bind(t.Attr); err != nil {
		return err
	}
	if err := n.name(t); err != nil {
		return err
	}
	r.stack = append(r.stack, n)
	r.open = append(r.open, t.Name)
	return nil
}

// bind takes the namespace declarations of a start tag.
func (n *node) bind(attrs []xml.Attr) error {
	for _, a := range attrs {
		prefix := ""
		switch {
		case a.Name.Space == "xmlns":
			prefix = a.Name.Local
			if a.Value == "" || prefix == "xmlns" || (prefix == "xml") != (a.Value == xmlNamespace) {
				return errors.New("a namespace prefix is declared wrongly")
			}
		case a.Name.Space == "" && a.Name.Local == "xmlns":
		default:
			continue
		}
		if a.Value == xmlnsNamespace || prefix == "" && a.Value == xmlNamespace {
			return errors.New("a reserved namespace is declared")
		}
		for s := n.scope; s != n.outer; s = s.outer {
			if s.prefix == prefix {
				return errors.New("an attribute is given twice")
			}
		}
		if n.scope = (&scope{prefix, a.Value, n.scope, n.scope.count() + 1}); n.scope.depth > maxXMLBindings {
			return fmt.Errorf("more than %d namespaces are declared around an element: %w", maxXMLBindings, errSize)
		}
	}
	return nil
}

// name resolves the element's and its attributes' names.
func (n *node) name(t xml.StartElement) error {
	var ok bool
	if n.Space, ok = n.resolve(t.Name); !ok {
		return errors.New("a namespace prefix isn't declared")
	}
	n.Local = t.Name.Local
	for _, a := range t.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		resolved := attr{Local: a.Name.Local, Value: a.Value}
		if a.Name.Space != "" || strings.Contains(a.Name.Local, ":") {
			if resolved.Space, ok = n.resolve(a.Name); !ok {
				return errors.New("a namespace prefix isn't declared")
			}
		}
		if resolved.Space == xmlNamespace && resolved.Local == "base" {
			return errors.New("xml:base isn't allowed")
		}
		for _, earlier := range n.Attrs {
			if earlier.Space == resolved.Space && earlier.Local == resolved.Local {
				return errors.New("an attribute is given twice")
			}
		}
		if n.Attrs == nil {
			n.Attrs = make([]attr, 0, len(t.Attr))
		}
		n.Attrs = append(n.Attrs, resolved)
	}
	return nil
}

func (n *node) resolve(name xml.Name) (string, bool) {
	if strings.Contains(name.Local, ":") || name.Space == "xmlns" {
		return "", false
	}
	if name.Space == "xml" {
		return xmlNamespace, true
	}
	return n.scope.find(name.Space)
}

func (r *xmlReader) endElement(name xml.Name) error {
	last := len(r.stack) - 1
	if last < 0 || r.open[last] != name {
		return errors.New("an end tag doesn't match its start tag")
	}
	r.stack[last].end = r.decoder.InputOffset()
	r.stack, r.open = r.stack[:last], r.open[:last]
	return nil
}

func (r *xmlReader) charData(text xml.CharData) error {
	if len(r.stack) == 0 {
		if len(bytes.Trim(text, " \t\r\n")) > 0 {
			return errors.New("there is text outside the root element")
		}
		return nil
	}
	parent := r.stack[len(r.stack)-1]
	n := r.newNode()
	n.Text = string(text)
	parent.Children = append(parent.Children, n)
	return nil
}

// newNode takes nodes from slabs: a report has thousands.
func (r *xmlReader) newNode() *node {
	if len(r.slab) == 0 {
		r.slab = make([]node, 256)
	}
	n := &r.slab[0]
	r.slab = r.slab[1:]
	return n
}
