package nhs111

import (
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// documentOptions are what a document needs beside the referral.
type documentOptions struct {
	Version int // of the document in its set, from 1
	NewID   func() string
}

// writeDocument writes a BaRS referral message (BaRS application 1) as a 111
// report, POCD_MT000002UK01 with the templates of POCD_MT200001GB02. It is the
// way back of mapReport: what of the message CDA has no place for is listed in
// NotWritten, and a test holds it to the list. The error is a KindProcessing
// Outcome: the message isn't a referral of one patient.
func writeDocument(message *fhir.Resource, o documentOptions) (string, error) {
	w := &documentWriter{documentOptions: o, named: map[string]fhir.Value{}}
	for entry := range message.Get("entry").Items() {
		r := entry.Get("resource")
		typ := r.Get("resourceType").Text()
		w.resources = append(w.resources, r)
		w.named[entry.Get("fullUrl").Text()] = r
		if id := r.Get("id").Text(); id != "" {
			w.named[typ+"/"+id] = r
		}
	}
	w.header, w.request = w.only("MessageHeader"), w.only("ServiceRequest")
	w.patient = w.follow(w.request.Get("subject"))
	w.encounter = w.follow(w.request.Get("encounter"))
	w.plan = w.follow(w.request.Get("basedOn").At(0))
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
		return "", wrong
	}
	var b strings.Builder
	w.document().write(&b)
	return b.String(), nil
}

type documentWriter struct {
	documentOptions
	resources []fhir.Value
	named     map[string]fhir.Value

	header, request, patient, encounter, plan fhir.Value
}

// only is the resource of a type that stands once in the message.
func (w *documentWriter) only(typ string) fhir.Value {
	all := w.all(typ)
	if len(all) != 1 {
		return fhir.Value{}
	}
	return all[0]
}

func (w *documentWriter) all(typ string) []fhir.Value {
	var out []fhir.Value
	for _, r := range w.resources {
		if r.Get("resourceType").Text() == typ {
			out = append(out, r)
		}
	}
	return out
}

// follow resolves a Reference within the message.
func (w *documentWriter) follow(reference fhir.Value) fhir.Value {
	return w.named[reference.Get("reference").Text()]
}

func (w *documentWriter) uuid() string { return strings.ToUpper(w.NewID()) }

// effective is when the report was made.
func (w *documentWriter) effective() string {
	return orElse(w.request.Dig("occurrencePeriod", "start").Text(), w.request.Get("authoredOn").Text())
}

// setID is the set of versions that the referral is: the one that it came with,
// else its own id.
func (w *documentWriter) setID() string {
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
	doc.add(w.informants()...)
	doc.add(w.custodian())
	doc.add(w.recipients()...)
	doc.add(w.participants()...)
	doc.add(w.replaced()...)
	doc.add(w.authorization(), w.componentOf())
	return doc.add(el("component", nil, el("structuredBody", at("classCode", "DOCBODY", "moodCode", "EVN"),
		el("component", nil, w.body()))))
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

// authorization is the consent's own code, which follows BaRS's category.
func (w *documentWriter) authorization() *xmlElement {
	consent := w.only("Consent")
	for category := range consent.Get("category").Items() {
		code := codeElement("code", category)
		if code == nil || fhir.CodeOf(category, codeSystemBase+"consent-categories-bars") != "" {
			continue
		}
		e := el("consent", at("classCode", "CONS", "moodCode", "EVN"), templateID("COCD_TP146226GB02#Consent"))
		e.add(idElements(consent.Get("identifier"), false)...)
		return el("authorization", at("typeCode", "AUTH"), contentID("COCD_TP146226GB02#Consent"),
			e.add(code, el("statusCode", at("code", "completed"))))
	}
	return nil
}

func (w *documentWriter) componentOf() *xmlElement {
	e := el("encompassingEncounter", at("classCode", "ENC", "moodCode", "EVN"), templateID("COCD_TP146232GB01#EncompassingEncounter"))
	ids := caseIDs(w.encounter.Get("identifier"))
	if id := w.journey(); id != nil && !slices.ContainsFunc(ids, func(have *xmlElement) bool { return have.attrs[0] == id.attrs[0] }) {
		e.add(id)
	}
	e.add(ids...)
	period := periodElement("effectiveTime", w.encounter.Get("period"))
	if period == nil {
		period = el("effectiveTime", nil, timeElement("low", w.effective()))
	}
	e.add(el("code", at("code", "NHS111Encounter", "codeSystem", "2.16.840.1.113883.2.1.3.2.4.17.326")), period, w.disposition())
	for role := range w.taking("ATND") {
		e.add(el("responsibleParty", at("typeCode", "RESP"), contentID("COCD_TP145210GB01#AssignedEntity"),
			w.person("assignedEntity", role, "COCD_TP145210GB01#AssignedEntity")))
		break // the schema takes one
	}
	e.add(w.incident())
	return el("componentOf", at("typeCode", "COMP"), contentID("COCD_TP146232GB01#EncompassingEncounter"), e)
}

// journey is the id that goes with the patient from service to service.
func (w *documentWriter) journey() *xmlElement {
	episode := w.encounter.Get("episodeOfCare").At(0)
	if id, ok := strings.CutPrefix(episode.Get("reference").Text(), "EpisodeOfCare/"); ok {
		return el("id", at("root", oidJourney, "extension", strings.ToUpper(id)))
	}
	if value := episode.Dig("identifier", "value").Text(); value != "" {
		return el("id", at("root", oidJourney, "extension", value))
	}
	return nil
}

// caseIDs writes the encounter's identifiers; those whose system has no OID as
// local case ids of whoever gave them.
func caseIDs(ids fhir.Value) []*xmlElement {
	var out []*xmlElement
	for id := range ids.Items() {
		e := idElement(id)
		if value := id.Get("value").Text(); e == nil && value != "" {
			e = el("id", at("root", oidCaseID, "extension", value,
				"assigningAuthorityName", orElse(id.Dig("assigner", "display").Text(), id.Get("system").Text())))
		}
		if e != nil {
			out = append(out, e)
		}
	}
	return out
}

// dispositionText is what mapReport says beside the code, which needs no words.
const dispositionText = "Pathways Assessment DX Code"

// disposition is the first Pathways outcome of the plan.
func (w *documentWriter) disposition() *xmlElement {
	for activity := range w.plan.Get("activity").Items() {
		for outcome := range activity.Get("outcomeCodeableConcept").Items() {
			for coding := range outcome.Get("coding").Items() {
				if coding.Get("system").Text() != nhs.SystemDxCodes {
					continue
				}
				e := codingElement("dischargeDispositionCode", coding)
				if text := outcome.Get("text").Text(); e != nil && text != dispositionText && coding.Get("display").Text() == "" {
					e.attrs = append(e.attrs, at("displayName", text)...)
				}
				return e
			}
		}
	}
	return nil
}

// incident is the place where the patient is, when the referral names one.
func (w *documentWriter) incident() *xmlElement {
	for _, place := range w.all("Location") {
		kind := place.Get("type").At(0)
		if fhir.CodeOf(kind, codeSystemBase+"location-types-bars") != "ILOC" {
			continue
		}
		facility := el("healthCareFacility", at("classCode", "ISDLOC"), templateID("COCD_TP145222GB02#HealthCareFacility"))
		facility.add(idElements(place.Get("identifier"), true)...)
		if setting := kind.Get("text").Text(); setting != "" {
			facility.add(el("code", at("nullFlavor", "OTH", "displayName", setting)))
		}
		locator := place.Get("description").Text()
		for ext := range place.Get("extension").Items() {
			if ext.Get("url").Text() == profileBase+"LocationExtension" {
				locator = strings.TrimSpace(grid(ext) + " " + locator)
			}
		}
		title := textEl("name", place.Get("name").Text())
		if title == nil {
			title = el("name", at("nullFlavor", "NI"))
		}
		return el("location", at("typeCode", "LOC"), contentID("COCD_TP145222GB02#HealthCareFacility"),
			facility.add(el("location", at("classCode", "PLC", "determinerCode", "INSTANCE"), title,
				addressElement(place.Get("address"), textEl("additionalLocator", locator)))))
	}
	return nil
}

// grid writes eastings and northings as the additionalLocator that 111 uses.
func grid(ext fhir.Value) string {
	parts := map[string]string{}
	for part := range ext.Get("extension").Items() {
		parts[part.Get("url").Text()] = part.Get("valueString").Text()
	}
	if parts["eastings"] == "" || parts["northings"] == "" {
		return ""
	}
	return "X" + parts["eastings"] + ",Y" + parts["northings"]
}
