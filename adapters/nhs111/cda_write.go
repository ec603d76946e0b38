package nhs111

import (
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
)

// documentOptions are what a document needs beside the referral.
type documentOptions struct {
	Version int    // of the document in its set, from 1
	Set     string // a UUID; "": what the referral says, see setID
	// Withdrawn is when the referral was withdrawn, which the document then says
	// instead of what is in it; zero: it wasn't.
	Withdrawn time.Time
	NewID     func() string
}

// writeDocument writes a BaRS referral message (BaRS application 1) as a 111
// report, POCD_MT000002UK01 with the templates of POCD_MT200001GB02, or as an
// ambulance request (isRequest). It is the
// way back of mapReport: what of the message CDA has no place for is listed in
// NotWritten, and a test holds it to the list. set names the document over all its
// versions. The error is a KindProcessing
// Outcome: the message isn't a referral of one patient.
func writeDocument(message *fhir.Resource, o documentOptions) (document, set string, err error) {
	w := newWriter(message)
	w.documentOptions = o
	wrong := &fhir.Outcome{Kind: fhir.KindProcessing}
	for _, need := range []struct {
		found bool
		what  string
	}{
		{w.header.Exists(), "MessageHeader"}, {w.request.Exists(), "ServiceRequest"}, {w.patient.Exists(), "ServiceRequest.subject"},
		{hl7Value(w.effective()) != "", "ServiceRequest.occurrencePeriod.start"},
		{w.follow(w.header.Get("sender")).Exists(), "MessageHeader.sender"},
	} {
		if !need.found {
			wrong.Add(need.what, "a 111 report can't be written without it")
		}
	}
	if len(wrong.Issues) > 0 {
		return "", "", wrong
	}
	w.Set = w.setID()
	var b strings.Builder
	w.root().write(&b)
	return b.String(), w.Set, nil
}

type documentWriter struct {
	documentOptions
	resources []fhir.Value
	named     map[string]fhir.Value
	byType    map[string][]fhir.Value
	asked     map[string]fhir.Value // questionnaires by their address
	reported  *string               // what complaint says

	header, request, patient, encounter, plan fhir.Value
	laidOut                                   []*planSection // the plan's narrative
	triaged                                   bool           // a triage of NHS Pathways is written

	requests bool                // an AmbulanceRequest is written
	told     []string            // what it has no place for, in words
	toldOnce map[string]bool     // those
	said     map[fhir.Value]bool // resources that were said
	missed   []fhir.Issue        // and by path
}

// root is the document: an AmbulanceRequest, or a report or its nullification.
func (w *documentWriter) root() *xmlElement {
	if w.requests = w.Withdrawn.IsZero() && w.isRequest(); w.requests {
		return w.ambulanceRequest()
	}
	return w.document()
}

// newWriter reads a message.
func newWriter(message *fhir.Resource) *documentWriter {
	w := &documentWriter{named: map[string]fhir.Value{}, byType: map[string][]fhir.Value{}, asked: map[string]fhir.Value{},
		toldOnce: map[string]bool{}, said: map[fhir.Value]bool{}}
	for entry := range message.Get("entry").Items() {
		r := entry.Get("resource")
		typ := r.Get("resourceType").Text()
		w.resources, w.byType[typ] = append(w.resources, r), append(w.byType[typ], r)
		if url := r.Get("url").Text(); typ == "Questionnaire" && url != "" && !w.asked[url].Exists() {
			w.asked[url] = r
		}
		w.named[entry.Get("fullUrl").Text()] = r
		if id := r.Get("id").Text(); id != "" {
			w.named[typ+"/"+id] = r
		}
	}
	w.header, w.request = w.only("MessageHeader"), w.only("ServiceRequest")
	w.patient = w.follow(w.request.Get("subject"))
	w.encounter = w.follow(w.request.Get("encounter"))
	w.plan = w.follow(w.request.Get("basedOn").At(0))
	w.laidOut = planSections(w.plan)
	return w
}

// only is the resource of a type that stands once in the message.
func (w *documentWriter) only(typ string) fhir.Value {
	all := w.all(typ)
	if len(all) != 1 {
		return fhir.Value{}
	}
	return all[0]
}

// all are the resources of a type. A message can have thousands, so they are kept
// by type.
func (w *documentWriter) all(typ string) []fhir.Value { return w.byType[typ] }

// follow resolves a Reference within the message.
func (w *documentWriter) follow(reference fhir.Value) fhir.Value {
	return w.named[reference.Get("reference").Text()]
}

func (w *documentWriter) uuid() string { return strings.ToUpper(w.NewID()) }

// effective is when the report was made, or the referral withdrawn.
func (w *documentWriter) effective() string {
	if !w.Withdrawn.IsZero() {
		return fhir.FormatInstant(w.Withdrawn)
	}
	return orElse(w.request.Dig("occurrencePeriod", "start").Text(), w.request.Get("authoredOn").Text())
}

// setID is the set of versions that the referral is: the one that it came with,
// else its own id.
func (w *documentWriter) setID() string {
	if w.Set != "" {
		return strings.ToUpper(w.Set)
	}
	for id := range fhir.Identifiers(w.request.Get("identifier")) {
		if root := rootOf(id.Value); id.System == systemURI && fhir.ValidUUID(root) {
			return root
		}
	}
	if id := w.request.Get("id").Text(); fhir.ValidUUID(id) {
		return strings.ToUpper(id)
	}
	for name, r := range w.named { // its name in the message
		if r == w.request && fhir.ValidUUID(rootOf(name)) {
			return rootOf(name)
		}
	}
	return w.uuid()
}

func (w *documentWriter) document() *xmlElement {
	title := orElse(w.plan.Get("title").Text(), "Integrated Urgent Care Report")
	body, replaced := w.body, w.replaced
	if !w.Withdrawn.IsZero() {
		title, body = "Withdrawal of a referral", w.withdrawal
		replaced = func() []*xmlElement { return []*xmlElement{w.nullified()} }
	}
	doc := el("ClinicalDocument", at("xmlns", nsHL7, "xmlns:npfitlc", nsNPFIT, "xmlns:xsi", nsXSI, "classCode", "DOCCLIN", "moodCode", "EVN"),
		el("typeId", at("root", "2.16.840.1.113883.1.3", "extension", "POCD_HD000040")),
		el("npfitlc:messageType", at("root", "2.16.840.1.113883.2.1.3.2.4.18.17", "extension", "POCD_MT200001GB02")),
		el("id", at("root", w.uuid())),
		el("code", at("code", "819551000000100", "codeSystem", oidSNOMED)),
		textEl("title", title),
		timeElement("effectiveTime", w.effective()),
		w.confidentiality(),
		el("setId", at("root", w.setID())),
		el("versionNumber", at("value", strconv.Itoa(max(w.Version, 1)))),
		w.recordTarget())
	doc.add(w.authors()...)
	doc.add(w.signing("dataEnterer", "ENT", 1)...)
	doc.add(w.informants()...)
	doc.add(w.custodian())
	doc.add(w.recipients()...)
	doc.add(w.signing("legalAuthenticator", "LA", 1)...)
	doc.add(w.signing("authenticator", "AUTHEN", 0)...)
	doc.add(w.participants()...)
	doc.add(replaced()...)
	doc.add(w.authorizations()...).add(w.componentOf())
	return doc.add(el("component", nil, el("structuredBody", at("classCode", "DOCBODY", "moodCode", "EVN"),
		el("component", nil, body()))))
}

func (w *documentWriter) confidentiality() *xmlElement {
	const system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
	code := "N"
	for label := range w.request.Dig("meta", "security").Items() {
		if label.Get("system").Text() == system {
			code = label.Get("code").Text()
		}
	}
	return el("confidentialityCode", at("code", code, "codeSystem", "2.16.840.1.113883.1.11.16926"))
}

// replaced names the set of the referral that this one replaces; the id of the
// document isn't known to a referral.
func (w *documentWriter) replaced() []*xmlElement {
	var out []*xmlElement
	for earlier := range w.request.Get("replaces").Items() {
		root := rootOf(earlier.Dig("identifier", "value").Text())
		if !fhir.ValidUUID(root) {
			continue
		}
		out = append(out, el("relatedDocument", at("typeCode", "RPLC"),
			el("parentDocument", nil, el("id", at("nullFlavor", "NI")), el("setId", at("root", root)))))
	}
	return out
}

// authorizations are the consent's own codes, which follow BaRS's category, each
// with one of its identifiers and the last with the rest.
func (w *documentWriter) authorizations() []*xmlElement {
	consent := w.only("Consent")
	var codes []*xmlElement
	for category := range consent.Get("category").Items() {
		if code := codeElement("code", category); code != nil && fhir.CodeOf(category, codeSystemBase+"consent-categories-bars") == "" {
			codes = append(codes, code)
		}
	}
	ids := idElements(consent.Get("identifier"), false)
	if len(codes) == 0 && len(ids) > 0 {
		codes = append(codes, nil)
	}
	var out []*xmlElement
	for i, code := range codes {
		mine := ids[:min(1, len(ids))]
		if i == len(codes)-1 {
			mine = ids
		}
		ids = ids[len(mine):]
		e := el("consent", at("classCode", "CONS", "moodCode", "EVN"), templateID("COCD_TP146226GB02#Consent")).add(mine...)
		out = append(out, el("authorization", at("typeCode", "AUTH"), contentID("COCD_TP146226GB02#Consent"),
			e.add(code, el("statusCode", at("code", "completed")))))
	}
	return out
}
