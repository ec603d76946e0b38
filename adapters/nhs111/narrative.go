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
			if href := strings.TrimSpace(c.Attr("href")); strings.HasPrefix(href, "http://") || strings.HasPrefix(href, "https://") {
				w.line.WriteString(" (" + href + ")")
			}
		default:
			w.render(c)
		}
	}
}

// oneLine folds white space.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
