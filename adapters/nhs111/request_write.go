package nhs111

import (
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/onward-health/onward/fhir"
)

// How the supporting information names the message that a referral came as.
const (
	cameAsReport  = "NHS 111 report"
	cameAsRequest = "NHS 111 ambulance request"
	cameAsInterim = "NHS 111 interim ambulance request"
)

// systemARP are the categories of the Ambulance Response Programme in BaRS;
// oidPriority and oidPriorities the ambulance priorities of 111, its own and
// others.
const (
	systemARP     = codeSystemBase + "arp-priority-codes"
	oidPriority   = "2.16.840.1.113883.2.1.3.2.4.17.329"
	oidPriorities = "2.16.840.1.113883.2.1.3.2.4.17.539"
	oidOrgType    = "2.16.840.1.113883.2.1.3.2.4.17.191"
	typeAmbulance = "018" // ambulance trust
	priorityText  = "Ambulance priority"
)

// isRequest says whether a referral asks for an ambulance, and is written as an
// AmbulanceRequest (REPC_MT200001GB02): it came as one, it goes from one control
// room to another (BaRS application 6), or it goes to urgent and emergency care
// and the receiver is an ambulance trust, or 111 came to an ambulance. What
// came as a report stays one.
func (w *documentWriter) isRequest() bool {
	for info := range w.request.Get("supportingInfo").Items() {
		switch info.Get("display").Text() {
		case cameAsRequest, cameAsInterim:
			return true
		case cameAsReport:
			return false
		}
	}
	useCase := w.useCase()
	switch useCase {
	case "a6t1", "a6t2", "a6t3":
		return true
	case useCaseUEC, "a1t11", "a1t12": // from 111, a clinical assessment service, 999
		for kind := range w.receiver().Get("type").Items() {
			if fhir.CodeOf(kind, "urn:oid:"+oidOrgType) == typeAmbulance {
				return true
			}
		}
		code, _ := w.dispositionCode()
		priority, _ := w.ambulancePriority()
		return useCase == useCaseUEC && (priority != nil || emergencyForm.MatchString(code))
	}
	return false
}

func (w *documentWriter) useCase() string {
	for category := range w.request.Get("category").Items() {
		if code := fhir.CodeOf(category, codeSystemBase+"usecases-categories-bars"); code != "" {
			return code
		}
	}
	return ""
}

// mayHaveBeenRequest says whether a referral that ends was sent as a request. What
// is left of it doesn't say what the triage came to.
func (w *documentWriter) mayHaveBeenRequest() bool {
	for info := range w.request.Get("supportingInfo").Items() {
		if info.Get("display").Text() == cameAsReport {
			return false
		}
	}
	return w.isRequest() || w.useCase() == useCaseUEC
}

// requestID names one version of a request: the set is the first one's id, and
// each later one says that it replaces the one before.
func requestID(set string, version int) string {
	if version <= 1 {
		return set
	}
	return strings.ToUpper(uuid.NewSHA1(uuid.NameSpaceOID, []byte(set+" ambulance request "+strconv.Itoa(version))).String())
}

// ambulanceRequest writes the referral as one. Its templates are stricter than a
// report's: what has no place in them stands in the notes, in words.
func (w *documentWriter) ambulanceRequest() *xmlElement {
	stage := codeFinal
	for info := range w.request.Get("supportingInfo").Items() {
		if info.Get("display").Text() == cameAsInterim {
			stage = codeInterim
		}
	}
	authors, desk, recipients, event := w.requestAuthors(), w.callBackContact(), w.requestRecipients(), w.encounterEvent()
	disposition, permission, discriminators, reason := w.requestOutcome()
	w.consentInWords()
	w.bookedInWords()
	w.unusual()
	w.unplaced()
	notes, text := w.requestNotes() // last: they say what was left over
	if text != nil {
		event.children = slices.Insert(event.children, 1+len(event.all("id")), text)
	}
	r := el("AmbulanceRequest", at("xmlns", nsHL7, "xmlns:npfitlc", nsNPFIT, "xmlns:xsi", nsXSI, "classCode", "PCPR", "moodCode", "RQO"),
		el("code", at("code", stage, "codeSystem", oidSNOMED)),
		timeElement("effectiveTime", w.effective()),
		el("id", at("root", requestID(w.Set, w.Version))))
	r.add(authors...).add(desk).add(recipients...).add(w.safetyFlags()...).add(pertinent("5", nil, event), disposition)
	r.add(notes...).add(permission).add(discriminators...).add(reason)
	if earlier := w.earlierRequest(); earlier != "" {
		r.add(el("replacementOf", at("typeCode", "RPLC"), el("priorPreviousAmbulanceRequest", at("classCode", "PCPR", "moodCode", "RQO"),
			el("id", at("root", earlier)))))
	}
	return r
}

// requestOutcome are what the triage came to and what may be seen of the record.
func (w *documentWriter) requestOutcome() (disposition, permission *xmlElement, discriminators []*xmlElement, reason *xmlElement) {
	const outcomes = "CarePlan.activity.outcomeCodeableConcept.coding"
	if e := w.disposition(); e != nil {
		e.name = "value"
		w.bare(e, outcomes)
		disposition = pertinent("6", nil, observed("pertinentTriageDisposition", "TD", "2.16.840.1.113883.2.1.3.2.4.17.419", e))
	}
	if entry := w.permission(); entry != nil {
		act := entry.children[1]
		act.name = "COCD_TP146050GB01.PermissionToView"
		act.needs("effectiveTime")
		act.inOrder("code effectiveTime templateId value")
		permission = pertinent("8", entry.children[0], act)
	}
	for _, entry := range w.discriminators() {
		value := entry.children[1].child("value")
		w.bare(value, "Condition.code.coding")
		discriminators = append(discriminators,
			pertinent("9", nil, observed("pertinentClinicalDiscriminator", "CD", "2.16.840.1.113883.2.1.3.2.4.17.540", value)))
	}
	priority, _ := w.ambulancePriority()
	if priority == nil {
		priority = el("value", at("nullFlavor", "NI"))
	}
	w.bare(priority, outcomes)
	reason = el("reason", at("typeCode", "RSON"), separate(), observed("justifyingTriageOutcome", "TO", "2.16.840.1.113883.2.1.3.2.4.17.328", priority))
	return disposition, permission, discriminators, reason
}

// earlierRequest is the one that this replaces; "" where it is the first.
func (w *documentWriter) earlierRequest() string {
	if w.Version > 1 {
		return requestID(w.Set, w.Version-1)
	}
	for earlier := range w.request.Get("replaces").Items() {
		if root := rootOf(earlier.Dig("identifier", "value").Text()); fhir.ValidUUID(root) {
			w.miss("ServiceRequest.replaces", "a request names the one that it replaces by its id")
			return root
		}
	}
	return ""
}

func separate() *xmlElement { return el("seperatableInd", at("value", "false")) } // the model's own spelling

// pertinent is one of the request's numbered parts.
func pertinent(number string, template, act *xmlElement) *xmlElement {
	return el("pertinentInformation"+number, at("typeCode", "PERT"), template, separate(), act)
}

func observed(name, code, system string, value *xmlElement) *xmlElement {
	return el(name, at("classCode", "OBS", "moodCode", "EVN"), el("code", at("code", code, "codeSystem", system)), value)
}

// safetyFlags are the five that each request has: of the scene, that it is said to
// be safe; that it is unsafe says the fire, else words.
func (w *documentWriter) safetyFlags() []*xmlElement {
	raised := map[string]bool{}
	for _, flag := range w.all("Flag") {
		raised[requestFlag(flag)] = true
	}
	var out []*xmlElement
	for i, f := range [][2]string{{"Trauma", "TM"}, {"Fire", "FR"}, {"SceneSafe", "SC"}, {"Police", "PL"}, {"Trapped", "TR"}} {
		value := el("value", at("value", strconv.FormatBool(raised[f[1]])))
		number := strings.TrimPrefix(strconv.Itoa(i), "0")
		out = append(out, pertinent(number, nil, observed("pertinent"+f[0]+"Flag", f[1], oidSafety, value)))
	}
	return out
}

// requestFlag names the flag of a request that a Flag is; UNK is the one of a scene
// of which nothing is known, "" any other.
func requestFlag(flag fhir.Value) string {
	if code := fhir.CodeOf(flag.Get("code"), "urn:oid:"+oidSafety); slices.Contains([]string{"TM", "FR", "PL", "TR"}, code) {
		return code
	}
	return map[string]string{"S": "SC", "UNK": "UNK"}[fhir.CodeOf(flag.Get("code"), codeSystemBase+"scene-safety-codes-bars")]
}

// ambulancePriority is the priority that the triage came to, and the outcome that
// says it.
func (w *documentWriter) ambulancePriority() (value *xmlElement, from fhir.Value) {
	for activity := range w.plan.Get("activity").Items() {
		for outcome := range activity.Get("outcomeCodeableConcept").Items() {
			text := outcome.Get("text").Text()
			words, said := strings.CutPrefix(text, priorityText+": ")
			switch {
			case fhir.CodeOf(outcome, systemARP) != "":
				for coding := range outcome.Get("coding").Items() {
					if coding.Get("system").Text() == systemARP {
						w.miss("CarePlan.activity.outcomeCodeableConcept.coding.system", "an ambulance priority gets the system of a request")
						return el("value", at("code", coding.Get("code").Text(), "codeSystem", oidPriorities, "displayName", coding.Get("display").Text())), outcome
					}
				}
			case fhir.CodeOf(outcome, "urn:oid:"+oidPriority) != "", fhir.CodeOf(outcome, "urn:oid:"+oidPriorities) != "",
				text == priorityText && outcome.Get("coding").Len() > 0:
				value = codeElement("value", outcome)
				value.children = slices.DeleteFunc(value.children, func(c *xmlElement) bool { return c.text == priorityText })
				return value, outcome
			case said && outcome.Get("coding").Len() == 0:
				return el("value", at("nullFlavor", "OTH"), textEl("originalText", words)), outcome
			}
		}
	}
	return nil, fhir.Value{}
}

// requestNotes are the additional notes: the sections of the plan, and what else
// of the referral has only words. event is the text of the encounter.
func (w *documentWriter) requestNotes() (notes []*xmlElement, event *xmlElement) {
	note := func(code, title, text string) {
		if title != "" {
			text = title + "\n" + text
		}
		notes = append(notes, pertinent("7", nil, el("pertinentAdditionalNotes", at("classCode", "OBS", "moodCode", "EVN"),
			el("code", at("code", code, "codeSystem", oidNotes)), textEl("text", text))))
	}
	complaint := false
	_, priority := w.ambulancePriority()
	for activity := range w.plan.Get("activity").Items() {
		for outcome := range activity.Get("outcomeCodeableConcept").Items() {
			if outcome.Get("coding").Len() > 0 || outcome == priority {
				continue
			}
			title, text := titled(outcome.Get("text").Text())
			code := ""
			for known, name := range noteTitles {
				if name == title {
					code = known
				}
			}
			switch {
			case title == encounterTitle && event == nil:
				event = &xmlElement{name: "text", attrs: at("mediaType", "text/plain"), text: text}
			case code == noteReason, code == "" && (section{Title: title}).isComplaint(), text == w.complaint():
				complaint = true
				note(noteReason, "", text)
			case code != "":
				note(code, "", text)
			default:
				note("OAN", title, text)
			}
		}
	}
	if text := w.complaint(); text != "" && !complaint {
		note(noteReason, "", text)
	}
	if advice := w.request.Get("patientInstruction").Text(); advice != "" {
		w.miss("ServiceRequest.patientInstruction", "in words")
		if !w.says(advice) {
			note("OAN", "Advice Given", advice)
		}
	}
	for _, words := range [][2]string{{remarksTitle, strings.TrimSpace(w.remarks() + "\n" + w.confidential())}, {answersTitle, w.answers()}, {furtherTitle, w.further()}} {
		if words[1] != "" {
			note("OAN", words[0], words[1])
		}
	}
	w.inWords(func(title string, lines []string) { note("OAN", title, strings.Join(lines, "\n")) })
	return notes, event
}
