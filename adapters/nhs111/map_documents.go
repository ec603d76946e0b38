package nhs111

import (
	"crypto/sha1"
	"encoding/base64"
	"strings"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
)

// addConsent says what the document says of sharing; where it says nothing,
// implied consent for direct care, which BaRS needs as its minimum.
func (m *mapper) addConsent(sender *organisation) {
	const path = "ClinicalDocument/authorization/consent"
	categories := []*fhir.Object{conceptOf(codeSystemBase+"consent-categories-bars", "DRC", "Direct Care")}
	var ids []*fhir.Object
	for _, authorization := range m.report.root.All("authorization") {
		given := authorization.Child("consent")
		ids = append(ids, m.identifiers(given.All("id"), path+"/id")...)
		if code := m.concept(given.Child("code"), path+"/code"); code != nil {
			categories = append(categories, code)
		}
	}
	consent := m.ukCore("Consent").
		Set("identifier", ids).
		Set("status", "active").
		Set("scope", conceptOf("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy", "Privacy Consent")).
		Set("category", categories).
		Set("patient", ref(m.patient)).
		Set("dateTime", m.report.Effective.dateTime()).
		Set("organization", refs(sender.use())).
		Set("sourceReference", m.documentNamed(m.current)).
		Set("policyRule", conceptOf(actCodes, "IMPLIED", "")).
		Set("provision", m.provision())
	m.add(m.url(), consent)
}

// provision is the permission to view (PTV 01 obtained, 02 emergency access, 03
// not obtained) and how long it holds.
func (m *mapper) provision() *fhir.Object {
	const path = "ClinicalDocument/component//observation[PermissionToView]"
	asked := m.report.permission
	kind := ""
	switch asked.Child("value").Attr("code") {
	case "01", "02":
		kind = "permit"
	case "03":
		kind = "deny"
	}
	said := m.concept(asked.Child("value"), path+"/value")
	low := m.time(asked.Child("effectiveTime", "low"), path+"/effectiveTime/low")
	if low.zero() {
		low = m.time(asked.Child("effectiveTime"), path+"/effectiveTime")
	}
	period := m.period(low, m.time(asked.Child("effectiveTime", "high"), path+"/effectiveTime/high"), path+"/effectiveTime")
	if asked == nil || kind == "" && said == nil && period.Empty() {
		return nil
	}
	return fhir.Obj("type", kind, "period", period, "code", list(said))
}

// documents keeps every CDA document as it came, and with the current one the
// whole message as received.
func (m *mapper) documents(sender *organisation) []bars.Entry {
	var out []bars.Entry
	for i, r := range m.reports {
		form := "application/hl7-cda+xml"
		if r.ambulance != nil {
			form = "text/xml" // HL7 v3, but no CDA
		}
		content := []*fhir.Object{m.attachment(&out, m.Documents[i].Text, form, r)}
		if i == m.current {
			content = append(content, m.attachment(&out, m.Message, m.MediaType, nil))
		}
		out = append(out, bars.Entry{FullURL: m.documentURLs[i], Resource: m.documentReference(i, content, sender).Resource()})
	}
	return out
}

const titleReceived = "The message as received"

// attachment adds the Binary and describes it. The Binary's address is its
// entry's, for the room to replace by the stored one.
func (m *mapper) attachment(entries *[]bars.Entry, data []byte, mediaType string, r *report) *fhir.Object {
	url := m.url()
	*entries = append(*entries, bars.Entry{FullURL: url, Resource: binary(data, mediaType)})
	sum := sha1.Sum(data) // FHIR R4 Attachment.hash is SHA-1
	a := fhir.Obj("contentType", mediaType, "url", url, "size", len(data),
		"hash", base64.StdEncoding.EncodeToString(sum[:]))
	if r == nil {
		return fhir.Obj("attachment", a.Set("title", titleReceived))
	}
	a.Set("language", oneLine(r.root.Child("languageCode").Attr("code")))
	a.Set("title", oneLine(r.Title)).Set("creation", r.Effective.dateTime())
	return fhir.Obj("attachment", a)
}

// binary writes a Binary in one piece: it is most of a message's bytes, and
// base64 has nothing to escape.
func binary(data []byte, mediaType string) *fhir.Resource {
	head := append([]byte(`{"resourceType":"Binary","contentType":`), fhir.Quote(mediaType)...)
	text := make([]byte, 0, len(head)+base64.StdEncoding.EncodedLen(len(data))+16)
	text = append(append(text, head...), `,"data":"`...)
	text = append(base64.StdEncoding.AppendEncode(text, data), `"}`...)
	r, err := fhir.Adopt(text)
	if err != nil {
		panic("nhs111: " + err.Error()) // our own text
	}
	return r
}

func (m *mapper) documentReference(i int, content []*fhir.Object, sender *organisation) *fhir.Object {
	r := m.reports[i]
	description := oneLine(r.Title)
	if r.Version != "" {
		description = strings.TrimPrefix(description+", version "+r.Version, ", ")
	}
	doc := m.ukCore("DocumentReference").
		Set("masterIdentifier", fhir.Obj("system", systemURI, "value", uri(r.ID)))
	if r.SetID != "" {
		doc.Set("identifier", list(fhir.Obj("system", systemURI, "value", r.set())))
	}
	state := "final"
	if r.root.Child("code").Attr("code") == codeInterim {
		state = "preliminary"
	}
	doc.Set("status", "current").Set("docStatus", state).
		Set("type", m.concept(r.root.Child("code"), "ClinicalDocument/code")).
		Set("subject", ref(m.patient)).Set("date", r.Effective.instant())
	if i == m.current {
		doc.Set("author", refs(m.authors[0].role))
	}
	doc.Set("custodian", ref(sender.use())).Set("relatesTo", m.relations(i)).
		Set("description", description).
		Set("securityLabel", list(m.confidentiality(r.root.Child("confidentialityCode")))).
		Set("content", content)
	if i != m.current {
		return doc
	}
	return doc.Set("context", fhir.Obj("encounter", refs(m.encounterURL), "related", refs(orElse(m.request, m.communication))))
}

// relations says what the current document replaces, and that it adds to the
// earlier ones of its set.
func (m *mapper) relations(i int) []*fhir.Object {
	if i != m.current {
		return nil
	}
	var out []*fhir.Object
	for _, target := range m.replaced("id") {
		out = append(out, fhir.Obj("code", "replaces", "target", target))
	}
	for _, related := range m.report.root.All("relatedDocument") {
		code := map[string]string{"APND": "appends", "XFRM": "transforms"}[related.Attr("typeCode")]
		for _, name := range []string{"id", "setId"} {
			if root := related.Child("parentDocument", name).Attr("root"); code != "" && fhir.ValidUUID(root) {
				out = append(out, fhir.Obj("code", code, "target", fhir.Obj("identifier", fhir.Obj("system", systemURI, "value", uri(root)))))
			}
		}
	}
	for j, url := range m.documentURLs {
		if j != m.current {
			out = append(out, fhir.Obj("code", "appends", "target", ref(url)))
		}
	}
	return out
}

// confidentiality maps N, R and V; local codes keep their system.
func (m *mapper) confidentiality(code *xmltree.Node) *fhir.Object {
	names := map[string]string{"N": "normal", "R": "restricted", "V": "very restricted"}
	value := oneLine(code.Attr("code"))
	const path = "ClinicalDocument/confidentialityCode"
	if names[value] == "" {
		return m.concept(code, path)
	}
	codings := list(fhir.Obj("system", "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code", value, "display", names[value]))
	if all := m.codings(code, path); len(all) > 1 {
		codings = append(codings, all[1:]...)
	}
	words := codeText(code)
	if strings.EqualFold(words, names[value]) {
		words = ""
	}
	return fhir.Obj("coding", codings, "text", words)
}

// addCommunication records that a copy was sent for information.
func (m *mapper) addCommunication(receiver, sender *organisation) {
	m.add(m.communication, m.resource("Communication", "").
		Set("status", "completed").
		Set("category", list(fhir.Obj("text", "NHS 111 report, copy for information"))).
		Set("subject", ref(m.patient)).Set("encounter", ref(m.encounterURL)).
		Set("sent", m.report.Effective.dateTime()).Set("received", m.stamp).
		Set("recipient", refs(receiver.use())).Set("sender", ref(sender.use())).
		Set("payload", list(fhir.Obj("contentReference", ref(m.documentURLs[m.current])))))
}

// provenance says what was translated from which message, for whom, and what of
// the document only the original holds.
func (m *mapper) provenance(omitted []Omission) bars.Entry {
	kept := fhir.Obj("resourceType", "OperationOutcome", "id", "only-in-the-document")
	var issues []*fhir.Object
	for _, o := range omitted {
		issues = append(issues, fhir.Obj("severity", "information", "code", "informational", "diagnostics", o.Why, "expression", []string{o.Path}))
	}
	sources := []*fhir.Object{
		fhir.Obj("role", "source", "what", ref(m.documentURLs[m.current])),
		fhir.Obj("role", "source", "what", fhir.Obj("identifier", fhir.Obj("value", orElse(m.Envelope.MessageID, m.Envelope.TrackingID)), "display", "SOAP MessageID")),
		fhir.Obj("role", "source", "what", fhir.Obj("identifier", fhir.Obj("value", m.Envelope.TrackingID), "display", "ITK trackingid")),
	}
	p := fhir.NewObject("Provenance")
	if len(issues) > 0 {
		p.Set("contained", list(kept.Set("issue", issues)))
		sources = append(sources, fhir.Obj("role", "source", "what", fhir.Obj("reference", "#only-in-the-document", "display", "What only the document holds")))
	}
	agents := list(fhir.Obj("type", fhir.Obj("text", "Sender"), "who", fhir.Obj("reference", m.senderURL)))
	if m.Envelope.Username != "" {
		agents = append(agents, fhir.Obj("type", fhir.Obj("text", "SOAP user"), "who", fhir.Obj("display", oneLine(m.Envelope.Username))))
	}
	p.Set("target", refs(orElse(m.request, m.communication), m.documentURLs[m.current])).
		Set("recorded", m.stamp).
		Set("activity", fhir.Obj("text", "Translation of an NHS 111 message")).
		Set("agent", agents).Set("entity", sources)
	return bars.Entry{FullURL: m.url(), Resource: p.Resource()}
}
