package nhs111

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
)

// addConsent says what the document says of sharing; where it says nothing,
// implied consent for direct care, which BaRS needs as its minimum.
func (m *mapper) addConsent(sender *organisation) {
	const path = "ClinicalDocument/authorization/consent"
	given := m.report.root.Child("authorization", "consent")
	categories := []*fhir.Object{conceptOf(codeSystemBase+"consent-categories-bars", "DRC", "Direct Care")}
	if code := m.concept(given.Child("code"), path+"/code"); code != nil {
		categories = append(categories, code)
	}
	consent := m.ukCore("Consent").
		Set("identifier", m.identifiers(given.All("id"), path+"/id")).
		Set("status", "active").
		Set("scope", conceptOf("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy", "Privacy Consent")).
		Set("category", categories).
		Set("patient", ref(m.patient)).
		Set("dateTime", m.report.Effective.dateTime()).
		Set("organization", refs(sender.use())).
		Set("sourceReference", ref(m.documentURLs[m.current])).
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
	if kind == "" {
		return nil
	}
	period := fhir.Obj(
		"start", m.time(asked.Child("effectiveTime", "low"), path+"/effectiveTime/low").dateTime(),
		"end", m.time(asked.Child("effectiveTime", "high"), path+"/effectiveTime/high").dateTime())
	return fhir.Obj("type", kind, "period", period, "code", list(m.concept(asked.Child("value"), path+"/value")))
}

// documents keeps every CDA document as it came, and with the current one the
// whole message as received.
func (m *mapper) documents(sender *organisation) []bars.Entry {
	var out []bars.Entry
	for i, r := range m.reports {
		content := []*fhir.Object{m.attachment(&out, m.Documents[i].Text, "application/hl7-cda+xml", r)}
		if i == m.current {
			content = append(content, m.attachment(&out, m.Message, m.MediaType, nil))
		}
		out = append(out, bars.Entry{FullURL: m.documentURLs[i], Resource: m.documentReference(i, content, sender).Resource()})
	}
	return out
}

// attachment adds the Binary and describes it. The Binary's address is its
// entry's, for the room to replace by the stored one.
func (m *mapper) attachment(entries *[]bars.Entry, data []byte, mediaType string, r *report) *fhir.Object {
	url := m.url()
	binary := fhir.NewObject("Binary").Set("contentType", mediaType).
		Set("data", quotedBase64(data))
	*entries = append(*entries, bars.Entry{FullURL: url, Resource: binary.Resource()})
	sum := sha1.Sum(data) // FHIR R4 Attachment.hash is SHA-1
	a := fhir.Obj("contentType", mediaType, "url", url, "size", len(data),
		"hash", base64.StdEncoding.EncodeToString(sum[:]))
	if r == nil {
		return fhir.Obj("attachment", a.Set("title", "The message as received"))
	}
	a.Set("language", oneLine(r.root.Child("languageCode").Attr("code")))
	a.Set("title", oneLine(r.Title)).Set("creation", r.Effective.dateTime())
	return fhir.Obj("attachment", a)
}

// quotedBase64 is a JSON string; base64 has nothing to escape.
func quotedBase64(data []byte) json.RawMessage {
	out := make([]byte, 1, base64.StdEncoding.EncodedLen(len(data))+2)
	out[0] = '"'
	return append(base64.StdEncoding.AppendEncode(out, data), '"')
}

func (m *mapper) documentReference(i int, content []*fhir.Object, sender *organisation) *fhir.Object {
	r := m.reports[i]
	description := oneLine(r.Title)
	if r.Version != "" {
		description = strings.TrimPrefix(description+", version "+r.Version, ", ")
	}
	set := ""
	if r.SetID != "" {
		set = "urn:uuid:" + strings.ToLower(r.SetID)
	}
	doc := m.ukCore("DocumentReference").
		Set("masterIdentifier", fhir.Obj("system", systemURI, "value", "urn:uuid:"+strings.ToLower(r.ID)))
	if set != "" {
		doc.Set("identifier", list(fhir.Obj("system", systemURI, "value", set)))
	}
	doc.Set("status", "current").Set("docStatus", "final").
		Set("type", m.concept(r.root.Child("code"), "ClinicalDocument/code")).
		Set("subject", ref(m.patient)).Set("date", r.Effective.instant())
	if i == m.current {
		doc.Set("author", refs(m.authors[0].role))
	}
	doc.Set("custodian", ref(sender.use())).Set("relatesTo", m.relations(i)).
		Set("description", description).
		Set("securityLabel", list(m.confidentiality(r.root.Child("confidentialityCode")))).
		Set("content", content)
	context := &fhir.Object{}
	if i == m.current {
		context.Set("encounter", refs(m.encounterURL))
	}
	return doc.Set("context", context)
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
	if names[value] == "" {
		return m.concept(code, "ClinicalDocument/confidentialityCode")
	}
	return conceptOf("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", value, names[value])
}

// addCommunication records that a copy was sent for information.
func (m *mapper) addCommunication(receiver, sender *organisation) {
	m.add(m.url(), m.resource("Communication", "").
		Set("status", "completed").
		Set("category", list(fhir.Obj("text", "NHS 111 report, copy for information"))).
		Set("subject", ref(m.patient)).Set("encounter", ref(m.encounterURL)).
		Set("sent", m.report.Effective.dateTime()).Set("received", m.stamp).
		Set("recipient", refs(receiver.use())).Set("sender", ref(sender.use())).
		Set("payload", list(fhir.Obj("contentReference", ref(m.documentURLs[m.current])))))
}
