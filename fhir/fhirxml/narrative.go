package fhirxml

import "bytes"

// narrative reads the div whose start tag is the current token and writes it
// as a JSON string. A div that declares the XHTML namespace as its default and
// uses no prefixes is kept as it is written, with line ends as XML reads them.
// Any other would mean something else outside its document, so it is written
// anew (and loses its comments).
func (d *decoder) narrative() error {
	start, own := d.tok.start, d.s.declaresXHTML()
	x := xhtml{s: &d.s}
	if err := x.element(d.tok); err != nil {
		return err
	}
	switch {
	case x.foreign:
		return d.fail("only XHTML may stand in the narrative")
	case own && !x.prefixed:
		d.out = appendString(d.out, lineEnds(d.s.in[start:d.s.pos]))
	default:
		d.out = appendString(d.out, lineEnds(x.out))
	}
	return d.read()
}

// declaresXHTML says whether the start tag just read declares the XHTML
// namespace as the default one.
func (s *scanner) declaresXHTML() bool {
	for _, b := range s.bindings[s.open[len(s.open)-1].bindings:] {
		if len(b.prefix) == 0 && b.space == xhtmlNamespace {
			return true
		}
	}
	return false
}

// lineEnds turns the line ends of other systems into line feeds (XML 1.0
// section 2.11).
func lineEnds(s []byte) []byte {
	if bytes.IndexByte(s, '\r') < 0 {
		return s
	}
	s = bytes.ReplaceAll(s, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(s, []byte("\r"), []byte("\n"))
}

// xhtml reads a div to its end and writes it without prefixes.
type xhtml struct {
	s        *scanner
	out      []byte
	prefixed bool // a prefix other than xml was used
	foreign  bool // something isn't XHTML
}

// element reads from the start tag t to behind its end tag.
func (x *xhtml) element(t token) error {
	for depth := 0; ; {
		switch t.kind {
		case startTag:
			x.start(t, depth == 0)
			depth++
		case endTag:
			if depth--; t.end > t.start {
				x.out = append(append(append(x.out, "</"...), t.name.local...), '>')
			}
		case text:
			x.out = append(x.out, x.s.in[t.start:t.end]...)
		}
		if depth == 0 {
			return nil
		}
		var err error
		if t, err = x.s.next(); err != nil {
			return err
		}
	}
}

func (x *xhtml) start(t token, outermost bool) {
	x.foreign = x.foreign || t.name.space != xhtmlNamespace
	x.prefixed = x.prefixed || len(t.name.prefix) > 0
	x.out = append(append(x.out, '<'), t.name.local...)
	if outermost {
		x.out = append(x.out, ` xmlns="`+xhtmlURI+`"`...)
	}
	for _, attr := range t.attrs {
		x.out = append(x.out, ' ')
		switch attr.name.space {
		case noNamespace:
		case xmlNamespace:
			x.out = append(x.out, "xml:"...)
		default:
			x.foreign = true
		}
		x.out = append(append(x.out, attr.name.local...), '=')
		x.out, _ = appendValue(x.out, string(attr.value)) // what was read can be written
	}
	if x.s.selfEnd {
		x.out = append(x.out, '/')
	}
	x.out = append(x.out, '>')
}

// checkDiv says whether text is a narrative's div that can stand in XML as it
// is. outer is the number of elements around it.
func checkDiv(div string, outer int) error {
	s := scanner{in: []byte(div), outer: outer}
	if !s.has("<") {
		return s.fail("the narrative must begin with its div")
	}
	t, err := s.next()
	if err != nil {
		return err
	}
	if t.kind != startTag || string(t.name.local) != "div" || t.name.space != xhtmlNamespace {
		return s.fail("the narrative must begin with a div in the namespace " + xhtmlURI)
	}
	x := xhtml{s: &s}
	if err := x.element(t); err != nil {
		return err
	}
	if x.foreign {
		return s.fail("only XHTML may stand in the narrative")
	}
	if s.pos != len(s.in) {
		return s.fail("the narrative must end with its div")
	}
	return nil
}
