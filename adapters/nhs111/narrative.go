package nhs111

import (
	"strconv"
	"strings"

	"github.com/onward-health/onward/internal/xmltree"
)

// narrative renders a section's text (CDA R2 narrative block) as plain text.
// Markup isn't copied: line breaks, paragraphs, list items and table rows
// become lines, cells are parted by a bar, and only http and https addresses of
// links are written out.
func narrative(text *xmltree.Node) string {
	var w lineWriter
	w.render(text)
	return w.text()
}

// lineWriter gathers lines with folded white space and no two blank lines.
type lineWriter struct {
	lines []string
	line  []byte
	left  []string // paths of what words can't say
}

// text is what was rendered.
func (w *lineWriter) text() string {
	w.flush()
	return strings.TrimSpace(strings.Join(w.lines, "\n"))
}

// flush ends a line that has text, as the edges of a block do.
func (w *lineWriter) flush() {
	if text := strings.TrimSpace(strings.TrimRight(oneLine(string(w.line)), "| ")); text != "" {
		w.lines = append(w.lines, text)
	}
	w.line = w.line[:0]
}

// lineBreak ends the line even where it is empty.
func (w *lineWriter) lineBreak() {
	before := len(w.lines)
	w.flush()
	if len(w.lines) == before && before > 0 && w.lines[before-1] != "" {
		w.lines = append(w.lines, "")
	}
}

func (w *lineWriter) render(n *xmltree.Node) {
	if n == nil {
		return
	}
	for _, c := range n.Children {
		switch c.Local {
		case "":
			w.line = append(w.line, c.Text...)
		case "br":
			w.lineBreak()
		case "paragraph", "p", "item", "li", "tr", "caption", "list", "table":
			w.flush()
			w.render(c)
			w.flush()
		case "td", "th":
			w.render(c)
			w.line = append(w.line, " | "...)
		case "linkHtml":
			w.render(c)
			switch href, label := webAddress(c), c.Content(); {
			case href == "" || label == href:
			case label == "" && len(c.Elements()) == 0: // without words it is its own label
				w.line = append(w.line, href...)
			default:
				w.line = append(w.line, " ("+href+")"...)
			}
		case "footnote":
			w.line = append(w.line, " ["...)
			w.render(c)
			w.line = append(w.line, "] "...)
		case "footnoteRef":
			w.left = append(w.left, "//footnoteRef/@IDREF")
		case "renderMultiMedia":
			w.left = append(w.left, "//renderMultiMedia/@referencedObject")
			w.render(c)
		case "content":
			before, after := struck(c)
			w.line = append(w.line, before...)
			w.render(c)
			w.line = append(w.line, after...)
		default:
			w.render(c)
		}
	}
}

// struck is what stands around text that its author deleted: read as if it stood,
// it would say the opposite.
func struck(content *xmltree.Node) (before, after string) {
	if content.Attr("revised") == "delete" {
		return " [deleted: ", "] "
	}
	return "", ""
}

// xhtmlDiv renders sections as the div of a FHIR Narrative. Nothing is copied:
// each allowed element is written anew by its XHTML name without attributes
// other than a web address, and of all others only the text is kept.
func xhtmlDiv(sections []section) string {
	var b strings.Builder
	size := 64
	for _, s := range sections {
		size += len(s.Title) + len(s.Text) + len(s.Text)/2 + 32
	}
	b.Grow(size)
	b.WriteString(`<div xmlns="http://www.w3.org/1999/xhtml">`)
	for _, s := range sections {
		if heading := headingOf(s.depth); s.Title != "" {
			b.WriteString("<" + heading + ">" + xmltree.EscapeText(s.Title) + "</" + heading + ">")
		}
		if s.Text != "" {
			b.WriteString("<div>")
			writeXHTML(&b, s.node)
			b.WriteString("</div>")
		}
	}
	b.WriteString("</div>")
	return b.String()
}

// headingOf is the heading of a section: h3 for those of the report, smaller for
// those within.
func headingOf(depth int) string { return "h" + strconv.Itoa(min(6, max(3, 2+depth))) }

// xhtmlNames are the elements of a CDA narrative block and what they become.
var xhtmlNames = map[string]string{
	"paragraph": "div", "p": "div", "list": "ul", "ul": "ul", "ol": "ol", "item": "li", "li": "li",
	"table": "table", "thead": "thead", "tbody": "tbody", "tfoot": "tfoot", "tr": "tr", "th": "th", "td": "td",
	"sub": "sub", "sup": "sup",
}

// xhtmlAttributes are those that mean something, by element.
var xhtmlAttributes = map[string][]string{"td": {"rowspan", "colspan"}, "th": {"rowspan", "colspan"}, "table": {"summary"}}

// layout are the elements in which white space is no text.
var layout = names("list ul ol table thead tbody tfoot tr")

func writeXHTML(b *strings.Builder, n *xmltree.Node) {
	for _, c := range n.Children {
		name := xhtmlNames[c.Local]
		switch {
		case c.Local == "" && layout[n.Local] && strings.TrimSpace(c.Text) == "":
			continue // between the rows of a table
		case c.Local == "":
			b.WriteString(xmltree.EscapeText(c.Text))
			continue
		case c.Local == "br":
			b.WriteString("<br/>")
			continue
		case c.Local == "list" && c.Attr("listType") == "ordered":
			name = "ol"
		case c.Local == "caption" && n.Local == "table":
			name = "caption"
		case c.Local == "caption" && (n.Local == "list" || n.Local == "paragraph"):
			continue // it stands before
		case c.Local == "caption":
			writeCaption(b, c)
			continue
		case c.Local == "footnote":
			b.WriteString(" [")
			writeXHTML(b, c)
			b.WriteString("] ")
			continue
		case c.Local == "content" && c.Attr("revised") == "delete":
			before, after := struck(c)
			b.WriteString(before)
			writeXHTML(b, c)
			b.WriteString(after)
			continue
		case c.Local == "content" && strings.HasPrefix(c.Attr("styleCode"), "Bold"):
			name = "b"
		case c.Local == "content" && strings.HasPrefix(c.Attr("styleCode"), "Italic"):
			name = "i"
		case c.Local == "linkHtml" && webAddress(c) != "":
			b.WriteString(`<a href="` + xmltree.EscapeAttr(webAddress(c)) + `"`)
			if title := c.Attr("title"); title != "" {
				b.WriteString(` title="` + xmltree.EscapeAttr(title) + `"`)
			}
			b.WriteString(">")
			if c.Content() == "" && len(c.Elements()) == 0 { // a link without words can't be seen
				b.WriteString(xmltree.EscapeText(webAddress(c)))
			}
			writeXHTML(b, c)
			b.WriteString("</a>")
			continue
		}
		if name == "" {
			writeXHTML(b, c)
			continue
		}
		if c.Local == "list" || c.Local == "paragraph" {
			writeCaption(b, c.Child("caption"))
		}
		b.WriteString("<" + name)
		for _, attribute := range xhtmlAttributes[name] {
			if value := c.Attr(attribute); value != "" {
				b.WriteString(" " + attribute + `="` + xmltree.EscapeAttr(value) + `"`)
			}
		}
		b.WriteString(">")
		writeXHTML(b, c)
		b.WriteString("</" + name + ">")
	}
}

// writeCaption writes the caption of what has none in XHTML.
func writeCaption(b *strings.Builder, caption *xmltree.Node) {
	if caption != nil {
		b.WriteString("<div><b>")
		writeXHTML(b, caption)
		b.WriteString("</b></div>")
	}
}

// webAddress is where a link leads, "" where that is no http or https address.
func webAddress(link *xmltree.Node) string {
	href := strings.TrimSpace(link.Attr("href"))
	if strings.HasPrefix(href, "http://") || strings.HasPrefix(href, "https://") {
		return href
	}
	return ""
}

// links lists where the links in a narrative lead.
func links(n *xmltree.Node, out []string) []string {
	for _, c := range n.Elements() {
		if c.Local == "linkHtml" && webAddress(c) != "" {
			out = append(out, webAddress(c))
		}
		out = links(c, out)
	}
	return out
}

// oneLine folds white space. Most texts have none to fold.
func oneLine(s string) string {
	s = strings.TrimSpace(s)
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f || c == ' ' && s[i+1] == ' ' {
			return strings.Join(strings.Fields(s), " ")
		}
	}
	return s
}
