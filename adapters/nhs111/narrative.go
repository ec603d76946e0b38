package nhs111

import (
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
	w.flush()
	return strings.TrimSpace(strings.Join(w.lines, "\n"))
}

// lineWriter gathers lines with folded white space and no two blank lines.
type lineWriter struct {
	lines []string
	line  strings.Builder
}

// flush ends a line that has text, as the edges of a block do.
func (w *lineWriter) flush() {
	if text := strings.TrimSpace(strings.TrimRight(oneLine(w.line.String()), "| ")); text != "" {
		w.lines = append(w.lines, text)
	}
	w.line.Reset()
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
			w.line.WriteString(c.Text)
		case "br":
			w.lineBreak()
		case "paragraph", "p", "item", "li", "tr", "caption", "list", "table":
			w.flush()
			w.render(c)
			w.flush()
		case "td", "th":
			w.render(c)
			w.line.WriteString(" | ")
		case "linkHtml":
			w.render(c)
			if href := webAddress(c); href != "" {
				w.line.WriteString(" (" + href + ")")
			}
		default:
			w.render(c)
		}
	}
}

// xhtmlDiv renders sections as the div of a FHIR Narrative. Nothing is copied:
// each allowed element is written anew by its XHTML name without attributes
// other than a web address, and of all others only the text is kept.
func xhtmlDiv(sections []section) string {
	var b strings.Builder
	b.WriteString(`<div xmlns="http://www.w3.org/1999/xhtml">`)
	for _, s := range sections {
		if s.Title != "" {
			b.WriteString("<h3>" + xmltree.EscapeText(s.Title) + "</h3>")
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

// xhtmlNames are the elements of a CDA narrative block and what they become.
var xhtmlNames = map[string]string{
	"paragraph": "div", "p": "div", "list": "ul", "ul": "ul", "ol": "ol", "item": "li", "li": "li",
	"table": "table", "thead": "thead", "tbody": "tbody", "tfoot": "tfoot", "tr": "tr", "th": "th", "td": "td",
	"sub": "sub", "sup": "sup",
}

func writeXHTML(b *strings.Builder, n *xmltree.Node) {
	for _, c := range n.Children {
		name := xhtmlNames[c.Local]
		switch {
		case c.Local == "":
			b.WriteString(xmltree.EscapeText(c.Text))
			continue
		case c.Local == "br":
			b.WriteString("<br/>")
			continue
		case c.Local == "list" && c.Attr("listType") == "ordered":
			name = "ol"
		case c.Local == "content" && strings.HasPrefix(c.Attr("styleCode"), "Bold"):
			name = "b"
		case c.Local == "content" && strings.HasPrefix(c.Attr("styleCode"), "Italic"):
			name = "i"
		case c.Local == "linkHtml" && webAddress(c) != "":
			b.WriteString(`<a href="` + xmltree.EscapeAttr(webAddress(c)) + `">`)
			writeXHTML(b, c)
			b.WriteString("</a>")
			continue
		}
		if name == "" {
			writeXHTML(b, c)
			continue
		}
		b.WriteString("<" + name + ">")
		writeXHTML(b, c)
		b.WriteString("</" + name + ">")
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
