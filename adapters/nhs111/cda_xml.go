package nhs111

import (
	"strings"

	"github.com/onward-health/onward/internal/xmltree"
)

// xmlElement is a piece of a CDA document being written.
type xmlElement struct {
	name     string
	attrs    []attr
	children []*xmlElement
	text     string
	raw      string // XML that was written before; all else is empty then
}

type attr struct{ name, value string }

// el makes an element; nil children are left out.
func el(name string, attrs []attr, children ...*xmlElement) *xmlElement {
	e := &xmlElement{name: name}
	for _, a := range attrs {
		if a.value != "" {
			e.attrs = append(e.attrs, a)
		}
	}
	return e.add(children...)
}

func (e *xmlElement) add(children ...*xmlElement) *xmlElement {
	for _, c := range children {
		if c != nil {
			e.children = append(e.children, c)
		}
	}
	return e
}

// textEl makes an element of text, nil where there is none.
func textEl(name, text string) *xmlElement {
	if text == "" {
		return nil
	}
	return &xmlElement{name: name, text: text}
}

// at lists attributes as name, value pairs.
func at(pairs ...string) []attr {
	var out []attr
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, attr{pairs[i], pairs[i+1]})
	}
	return out
}

func (e *xmlElement) write(b *strings.Builder) {
	if e.raw != "" {
		b.WriteString(e.raw)
		return
	}
	if e.name == "" { // a run of text between elements
		b.WriteString(xmltree.EscapeText(e.text))
		return
	}
	b.WriteString("<" + e.name)
	for _, a := range e.attrs {
		b.WriteString(" " + a.name + `="` + xmltree.EscapeAttr(a.value) + `"`)
	}
	if e.text == "" && len(e.children) == 0 {
		b.WriteString("/>")
		return
	}
	b.WriteString(">" + xmltree.EscapeText(e.text))
	for _, c := range e.children {
		c.write(b)
	}
	b.WriteString("</" + e.name + ">")
}

// contentID is the pointer that a participation or an entry carries to the
// template of what follows; templateID the template's own mark.
func contentID(template string) *xmlElement {
	return el("npfitlc:contentId", at("root", "2.16.840.1.113883.2.1.3.2.4.18.16", "extension", template))
}

func templateID(template string) *xmlElement {
	return el("templateId", at("root", "2.16.840.1.113883.2.1.3.2.4.18.2", "extension", template))
}

// unknownID stands where the schema wants an id and there is none.
func unknownID() *xmlElement { return el("id", at("nullFlavor", "NI")) }
