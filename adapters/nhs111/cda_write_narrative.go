package nhs111

import (
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
)

const nsXHTML = "http://www.w3.org/1999/xhtml"

// planSection is a section of the plan's narrative: a heading and the div that
// follows it, as xhtmlDiv writes them.
type planSection struct {
	title string
	depth int
	text  *xmltree.Node // nil where the heading stands alone
	taken bool
}

// planSections reads the plan's narrative; empty where it has another form.
func planSections(plan fhir.Value) []*planSection {
	text := plan.Dig("text", "div").Text()
	root, err := xmltree.Read([]byte(text), xmltree.Rules{})
	if text == "" || err != nil || !root.Is(nsXHTML, "div") {
		return nil
	}
	var out []*planSection
	for _, n := range root.Elements() {
		switch {
		case len(n.Local) == 2 && n.Local[0] == 'h' && n.Local[1] >= '3' && n.Local[1] <= '6':
			out = append(out, &planSection{title: oneLine(n.Content()), depth: int(n.Local[1] - '2')})
		case n.Local == "div" && len(out) > 0 && out[len(out)-1].text == nil:
			out[len(out)-1].text = n
		case n.Local == "div":
			out = append(out, &planSection{depth: 1, text: n})
		}
	}
	return out
}

// markup is the narrative block of a section, where the plan's narrative has one
// that says the same in the same words; nil otherwise.
func (w *documentWriter) markup(title, text string) *planSection {
	title = oneLine(title)
	for _, s := range w.laidOut {
		if s.taken || s.title != title || s.text == nil {
			continue
		}
		if block := narrativeBlock(s.text); narrative(block.node()) == text {
			s.taken = true
			return s
		}
	}
	return nil
}

// The places in a narrative block, by what may stand in them (CDA R2,
// NarrativeBlock.xsd).
type place uint8

const (
	inText  place = iota // everything: text, item
	inCell               // no table: td
	inWords              // no blocks: paragraph, content, th
	inPlain              // text only: sub, sup, linkHtml
)

// narrativeBlock writes the XHTML of a section as the text of a CDA section.
// What CDA can't have in a place is written without its markup.
func narrativeBlock(div *xmltree.Node) *xmlElement {
	return el("text", nil, blocks(div, inText)...)
}

func blocks(n *xmltree.Node, where place) []*xmlElement {
	var out []*xmlElement
	for _, c := range n.Children {
		if c.Local == "" {
			out = append(out, &xmlElement{text: c.Text})
			continue
		}
		out = append(out, block(c, where)...)
	}
	return out
}

func block(n *xmltree.Node, where place) []*xmlElement {
	switch n.Local {
	case "br":
		if where < inPlain {
			return []*xmlElement{el("br", nil)}
		}
		return []*xmlElement{{text: " "}}
	case "b", "strong":
		return styled(n, "Bold", where)
	case "i", "em":
		return styled(n, "Italics", where)
	case "sub", "sup":
		if where < inPlain {
			return []*xmlElement{el(n.Local, nil, blocks(n, inPlain)...)}
		}
	case "a":
		if href := n.Attr("href"); where < inPlain && href != "" {
			return []*xmlElement{el("linkHtml", at("href", href, "title", n.Attr("title")), blocks(n, inPlain)...)}
		}
	case "div", "p":
		if where <= inCell {
			return []*xmlElement{el("paragraph", nil, blocks(n, inWords)...)}
		}
	case "ul", "ol":
		if items := every(n, "li"); where <= inCell && len(items) > 0 {
			list := el("list", at("listType", map[string]string{"ol": "ordered"}[n.Local]))
			for _, item := range items {
				list.add(el("item", nil, blocks(item, inText)...))
			}
			return []*xmlElement{list}
		}
	case "table":
		if table := tableBlock(n); where == inText && table != nil {
			return []*xmlElement{table}
		}
	}
	return blocks(n, where)
}

func styled(n *xmltree.Node, style string, where place) []*xmlElement {
	if where == inPlain {
		return blocks(n, where)
	}
	return []*xmlElement{el("content", at("styleCode", style), blocks(n, inWords)...)}
}

// every lists the children of a name; nil where there is anything else.
func every(n *xmltree.Node, local string) []*xmltree.Node {
	all := n.All(local)
	if len(all) != len(n.Elements()) || n.Content() != "" {
		return nil
	}
	return all
}

// tableBlock writes a table with at least one row; nil where it has none.
func tableBlock(n *xmltree.Node) *xmlElement {
	table := el("table", at("summary", n.Attr("summary")))
	if caption := n.Child("caption"); caption != nil {
		table.add(el("caption", nil, blocks(caption, inPlain)...))
	}
	for _, part := range []string{"thead", "tfoot", "tbody"} {
		for _, group := range n.All(part) {
			table.add(rows(part, group))
		}
	}
	if len(n.All("tr")) > 0 {
		table.add(rows("tbody", n))
	}
	for _, part := range table.children {
		if part.name == "tbody" {
			return table
		}
	}
	return nil
}

func rows(name string, group *xmltree.Node) *xmlElement {
	part := el(name, nil)
	for _, tr := range group.All("tr") {
		row := el("tr", nil)
		for _, cell := range tr.Elements() {
			span := at("rowspan", cell.Attr("rowspan"), "colspan", cell.Attr("colspan"))
			switch cell.Local {
			case "th":
				row.add(el("th", span, blocks(cell, inWords)...))
			case "td":
				row.add(el("td", span, blocks(cell, inCell)...))
			}
		}
		if len(row.children) > 0 {
			part.add(row)
		}
	}
	if len(part.children) == 0 {
		return nil
	}
	return part
}

// node is what was written, as a reader sees it.
func (e *xmlElement) node() *xmltree.Node {
	n := &xmltree.Node{Space: nsHL7, Local: e.name}
	if e.name == "" {
		n.Space, n.Text = "", e.text
		return n
	}
	for _, a := range e.attrs {
		n.Attrs = append(n.Attrs, xmltree.Attr{Local: a.name, Value: a.value})
	}
	if e.text != "" {
		n.Children = append(n.Children, &xmltree.Node{Text: e.text})
	}
	for _, c := range e.children {
		n.Children = append(n.Children, c.node())
	}
	return n
}

// laidSection is a section that was written and its place in the plan's
// narrative; nil where it has none, or where it only follows the one before.
type laidSection struct {
	section *xmlElement
	place   *planSection
	follows bool
}

// inOrder puts sections in the order of the plan's narrative, with the headings
// that stand alone there, and into each other as the headings say: one that is
// deeper than the one before belongs to it.
func (w *documentWriter) inOrder(sections []laidSection) []*xmlElement {
	for _, s := range w.laidOut {
		if s.text == nil && s.title != "" {
			sections = append(sections, laidSection{w.section(s.title, "", "", nil), s, false})
		}
	}
	slices.SortStableFunc(sections, func(a, b laidSection) int {
		return slices.Index(w.laidOut, a.place) - slices.Index(w.laidOut, b.place)
	})
	var out []*xmlElement
	var above []laidSection
	for _, s := range sections {
		depth := 1
		if s.place != nil && !s.follows {
			depth = s.place.depth
		}
		for len(above) > 0 && above[len(above)-1].place.depth >= depth {
			above = above[:len(above)-1]
		}
		if len(above) == 0 {
			out = append(out, s.section)
		} else {
			above[len(above)-1].section.children[1].add(s.section)
		}
		if s.place != nil && !s.follows {
			above = append(above, s)
		}
	}
	return out
}

// block is the narrative block; nil where there is none.
func (s *planSection) block() *xmlElement {
	if s == nil {
		return nil
	}
	block := narrativeBlock(s.text)
	if len(block.children) == 0 {
		return nil
	}
	return block
}
