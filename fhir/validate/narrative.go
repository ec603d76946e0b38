package validate

import (
	"strings"

	"github.com/onward-health/onward/fhir"
)

// The names that R4 allows in narrative (txt-1, narrative.html): chapters 7 to
// 11 of HTML 4.0 without section 9.4, chapter 15, links and images.
var (
	htmlElements = nameSet(`a abbr acronym address area b bdo big blockquote br caption cite code col colgroup dd dfn
		div dl dt em h1 h2 h3 h4 h5 h6 hr i img kbd li map ol p pre q samp small span strong sub sup table tbody td
		tfoot th thead tr tt ul var`)
	htmlAttributes = nameSet(`abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing
		cellvalign char charoff charset cite class colspan compact coords dir frame headers height href hreflang
		hspace id ismap lang longdesc name nohref nowrap rel rev rowspan rules scope shape span src start style
		summary tabindex title type usemap valign value vspace width xml:lang xml:space xmlns`)
)

// nameSet numbers names from 1, fewer than 64.
func nameSet(names string) map[string]uint8 {
	set := map[string]uint8{}
	for i, name := range strings.Fields(names) {
		set[name] = uint8(i + 1)
	}
	return set
}

const (
	xhtmlNamespace = "http://www.w3.org/1999/xhtml"
	maxHTMLDepth   = 64
)

// htmlProblem is what is wrong with a narrative.
type htmlProblem uint8

const (
	htmlFine htmlProblem = iota
	htmlMalformed
	htmlNoDiv
	htmlNotAllowed
	htmlEmpty
)

// narrative checks Narrative.div.
func (c *checker) narrative(m fhir.Value) {
	if m.Kind() != fhir.StringKind {
		c.structure(m, "the narrative's div is one string")
		return
	}
	raw := m.Raw()
	x := html{raw: raw[1 : len(raw)-1]}
	switch x.check() {
	case htmlMalformed:
		c.value(m, "the narrative must be well-formed XHTML of reasonable depth, without document type, processing instructions, CDATA and named entities but XML's own")
	case htmlNoDiv:
		c.value(m, "the narrative must be one div element in the namespace "+xhtmlNamespace)
	case htmlNotAllowed:
		c.rule(m, "txt-1", "the narrative has an element, attribute or script that isn't one of basic formatting, links and images")
	case htmlEmpty:
		c.rule(m, "txt-2", "the narrative must have some text or an image")
	}
}
