package nhs111

import (
	"strings"

	"github.com/onward-health/onward/internal/xmltree"
)

// innerMarkup writes what is in an element as XML without prefixes.
func innerMarkup(n *xmltree.Node) string {
	var b strings.Builder
	for _, c := range n.Children {
		writeMarkup(&b, c, "", anything)
	}
	return b.String()
}

// narrativeMarkup writes a section's text for a div as the reference does: in
// CDA's namespace, with the declaration that its parser adds. Only elements and
// attributes of the narrative block pass, since those who show it may take it
// for HTML; of others the text stays.
func narrativeMarkup(n *xmltree.Node) string {
	var b strings.Builder
	for _, c := range n.Children {
		writeMarkup(&b, c, ` xmlns="`+nsHL7+`" xmlns:npfitlc="`+nsNPFIT+`"`, ofNarrative)
	}
	return b.String()
}

// narrativeElements are those of CDA R2's narrative block, without the ones
// that fetch (renderMultiMedia) and with their harmless attributes.
var narrativeElements = map[string]string{
	"content": " styleCode ID ", "paragraph": " styleCode ID ", "br": " ", "sub": " ", "sup": " ", "caption": " styleCode ID ",
	"list": " listType styleCode ID ", "item": " styleCode ID ", "linkHtml": " href title ",
	"table": " border width ID summary ", "thead": " ", "tbody": " ", "tfoot": " ", "colgroup": " ", "col": " ",
	"tr": " styleCode ID ", "th": " styleCode colspan rowspan ", "td": " styleCode colspan rowspan ",
}

type passes func(element, attribute, value string) bool

func anything(string, string, string) bool { return true }

func ofNarrative(element, attribute, value string) bool {
	attributes, known := narrativeElements[element]
	if attribute == "" || !known {
		return known
	}
	if attribute == "href" && !strings.HasPrefix(value, "https://") && !strings.HasPrefix(value, "http://") {
		return false
	}
	return strings.Contains(attributes, " "+attribute+" ")
}

func writeMarkup(b *strings.Builder, n *xmltree.Node, declarations string, pass passes) {
	if n.Local == "" {
		b.WriteString(xmltree.EscapeText(n.Text))
		return
	}
	if !pass(n.Local, "", "") {
		b.WriteString(xmltree.EscapeText(allText(n)))
		return
	}
	b.WriteString("<" + n.Local + declarations)
	for _, a := range n.Attrs {
		if a.Space == "" && pass(n.Local, a.Local, a.Value) {
			b.WriteString(" " + a.Local + `="` + xmltree.EscapeAttr(a.Value) + `"`)
		}
	}
	if len(n.Children) == 0 {
		b.WriteString("/>")
		return
	}
	b.WriteString(">")
	for _, c := range n.Children {
		writeMarkup(b, c, "", pass)
	}
	b.WriteString("</" + n.Local + ">")
}

var showing = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// shown makes markup into text that shows it.
func shown(markup string) string { return showing.Replace(markup) }
