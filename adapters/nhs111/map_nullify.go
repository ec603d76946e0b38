package nhs111

import (
	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
)

// readNullification reads a nullification document: the set and the documents
// that it withdraws (relatedDocument, else its own setId), and what is kept of
// it, the message as received. A nullification that names nothing is refused.
func readNullification(in source) (names []string, entries []bars.Entry, wrong *fhir.Outcome) {
	var p problems
	url := func() string { return uri(in.NewID()) }
	message := url()
	entries = append(entries, bars.Entry{FullURL: message, Resource: binary(in.Message, in.MediaType)})
	for _, d := range in.Documents {
		r := &report{root: d.Root, ID: d.Root.Child("id").Attr("root"), SetID: d.Root.Child("setId").Attr("root")}
		if !fhir.ValidUUID(r.ID) {
			p.add("ClinicalDocument/id/@root", "must be a UUID")
		}
		if r.SetID != "" && !fhir.ValidUUID(r.SetID) {
			p.add("ClinicalDocument/setId/@root", "must be a UUID")
		}
		if r.SetID != "" {
			names = append(names, r.set())
		}
		names = append(names, r.replaces()...)
		effective := p.time(d.Root.Child("effectiveTime"), "ClinicalDocument/effectiveTime")
		entries = append(entries, bars.Entry{FullURL: url(), Resource: fhir.NewObject("DocumentReference").
			Set("masterIdentifier", fhir.Obj("system", systemURI, "value", uri(r.ID))).
			Set("status", "current").
			Set("type", p.concept(d.Root.Child("code"), "ClinicalDocument/code")).
			Set("date", effective.instant()).
			Set("description", "Nullification of a report").
			Set("content", list(fhir.Obj("attachment", fhir.Obj("contentType", in.MediaType, "url", message, "title", titleReceived)))).
			Resource()})
	}
	if len(names) == 0 {
		p.add("ClinicalDocument/relatedDocument/parentDocument", "a nullification must name the document or the set that it withdraws")
	}
	return names, entries, p.outcome
}
