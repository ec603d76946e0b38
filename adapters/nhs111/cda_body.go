package nhs111

import (
	"strings"

	"github.com/onward-health/onward/internal/xmltree"
)

// The templates of entries that the mapping reads.
const (
	templateCase          = "COCD_TP146002GB01"
	templatePermission    = "COCD_TP146050GB01"
	templateDiscriminator = "COCD_TP146092GB01"
	templateAppointment   = "COCD_TP146093GB01"
)

// templateOf names an entry's template: what its contentId says, before "#", or
// where it has none, as the schema allows, the templateId of what it holds.
func templateOf(entry *xmltree.Node) string {
	ids := entry.AllIn(nsNPFIT, "contentId")
	if len(ids) == 0 {
		for _, act := range entry.Elements() {
			ids = append(ids, act.All("templateId")...)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	template, _, _ := strings.Cut(ids[0].Attr("extension"), "#")
	return template
}

// readBody takes the sections of the body: the one classification section of a
// report, and what else a sender puts there. A body that is no XML is read
// where it is plain text.
func (r *report) readBody(component *xmltree.Node) {
	for _, part := range component.Child("structuredBody").All("component") {
		for _, s := range part.All("section") {
			if r.body == nil {
				r.body = s
			}
			r.readSection(s, 0)
		}
	}
	text := component.Child("nonXMLBody", "text")
	kind := text.Attr("mediaType")
	switch {
	case text == nil:
	case text.Attr("representation") == "" && (kind == "" || kind == "text/plain") && text.Content() != "":
		r.sections = append(r.sections, section{Text: linesOf(text.Content()), node: text})
	default:
		r.unread = append(r.unread, "ClinicalDocument/component/nonXMLBody/text")
	}
}

// linesOf folds the white space of each line.
func linesOf(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		out = append(out, oneLine(line))
	}
	return strings.Join(out, "\n")
}

// readSection takes a section's text, its entries, and the sections in it.
func (r *report) readSection(s *xmltree.Node, depth int) {
	words := lineWriter{}
	words.render(s.Child("text"))
	found := section{
		Code:  s.Child("code").Attr("code"),
		Title: orElse(oneLine(narrative(s.Child("title"))), oneLine(codeText(s.Child("code")))),
		Text:  words.text(),
		node:  s.Child("text"),
		depth: depth,
	}
	r.unread = append(r.unread, words.left...)
	if found.Title != "" || found.Text != "" {
		r.sections = append(r.sections, found)
	}
	r.readEntries(s)
	for _, component := range s.All("component") {
		for _, inner := range component.All("section") {
			r.readSection(inner, depth+1)
		}
	}
}

// readEntries takes the entries of a section by the template that their contentId
// names; others stay in the document only. Of permissions and appointments the
// first counts.
func (r *report) readEntries(section *xmltree.Node) {
	const path = classification + "/entry"
	for _, entry := range section.All("entry") {
		template := templateOf(entry)
		switch template {
		case templateCase:
			media := entry.Child("observationMedia")
			if value := media.Child("value"); value != nil {
				r.cases = append(r.cases, value)
			}
			if device := media.Child("participant", "participantRole", "playingDevice"); device != nil && r.device == nil {
				r.device = device
			}
		case templatePermission:
			r.first(&r.permission, entry.Child("observation"), path+"["+template+"]")
		case templateDiscriminator:
			r.discriminators = append(r.discriminators, entry.Child("observation").All("value")...)
		case templateAppointment:
			r.first(&r.appointment, entry.Child("encounter"), path+"["+template+"]")
		default:
			r.unread = append(r.unread, path+"["+template+"]")
		}
	}
}

// first keeps the first of several and notes that there are more.
func (r *report) first(place **xmltree.Node, n *xmltree.Node, path string) {
	if *place == nil {
		*place = n
	} else if n != nil {
		r.unread = append(r.unread, path+"[2]")
	}
}
