package nhs111

import (
	"regexp"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// body writes the classification section: entries first, then sections of text.
func (w *documentWriter) body() *xmlElement {
	s := el("section", at("classCode", "DOCSECT", "moodCode", "EVN"), el("id", at("root", w.uuid())))
	s.add(w.triage())
	s.add(w.permission())
	s.add(w.discriminators()...)
	s.add(w.appointment())
	return s.add(w.sections()...)
}

func entryElement(template string, statement *xmlElement) *xmlElement {
	return el("entry", at("typeCode", "COMP", "contextConductionInd", "true"), contentID(template), statement)
}

// permission is what the consent says of viewing the record (PTV).
func (w *documentWriter) permission() *xmlElement {
	const template = "COCD_TP146050GB01#PermissionToView"
	provision := w.only("Consent").Get("provision")
	value := fhir.CodeOf(provision.Get("code").At(0), "urn:oid:"+oidPermission)
	if value == "" {
		value = map[string]string{"permit": "01", "deny": "03"}[provision.Get("type").Text()]
	}
	if value == "" {
		return nil
	}
	display := provision.Get("code").At(0).Get("coding").At(0).Get("display").Text()
	return entryElement(template, el("observation", at("classCode", "OBS", "moodCode", "EVN"), templateID(template),
		el("code", at("code", "PTV", "codeSystem", "2.16.840.1.113883.2.1.3.2.4.17.220")),
		periodElement("effectiveTime", provision.Get("period")),
		el("value", at("xsi:type", "CV", "code", value, "codeSystem", oidPermission, "displayName", display))))
}

const oidPermission = "2.16.840.1.113883.2.1.3.2.4.17.524"

// discriminators are the codes of the conditions, and the symptom groups and
// discriminators among the outcomes that aren't codes of one.
func (w *documentWriter) discriminators() []*xmlElement {
	const template = "COCD_TP146092GB01#ClinicalDiscriminator"
	var out []*xmlElement
	written := map[string]bool{}
	add := func(value *xmlElement) {
		value.attrs = append(at("xsi:type", "CV"), value.attrs...)
		out = append(out, entryElement(template, el("observation", at("classCode", "OBS", "moodCode", "EVN"), templateID(template),
			el("code", at("code", "CD", "codeSystem", "2.16.840.1.113883.2.1.3.2.4.17.540")), value)))
	}
	for _, condition := range w.all("Condition") {
		for coding := range condition.Dig("code", "coding").Items() {
			value := codingElement("value", coding)
			if value == nil {
				if coding.Get("display").Text() == "" {
					continue
				}
				value = el("value", at("nullFlavor", "OTH"), textEl("originalText", coding.Get("display").Text()))
			}
			if rootOf(coding.Get("system").Text()) == oidPathways {
				written[coding.Get("code").Text()] = true
			}
			add(value)
		}
	}
	for activity := range w.plan.Get("activity").Items() {
		for outcome := range activity.Get("outcomeCodeableConcept").Items() {
			for coding := range outcome.Get("coding").Items() {
				code := coding.Get("code").Text()
				if value := pathwaysValue(coding); value != nil && !written[code] {
					written[code] = true
					add(value)
				}
			}
		}
	}
	return out
}

var appointmentForm = regexp.MustCompile(`^Appointment(?: at (\S+?))?(?:, (.+))?$`)

// appointment is the one that was booked along with the referral.
func (w *documentWriter) appointment() *xmlElement {
	const template = "COCD_TP146093GB01#AppointmentReference"
	var booked, place fhir.Value
	for info := range w.request.Get("supportingInfo").Items() {
		switch {
		case info.Get("type").Text() == "Appointment" && !booked.Exists():
			booked = info
		case info.Get("display").Text() == placeOfAppointment:
			place = w.follow(info)
		}
	}
	if !booked.Exists() {
		return nil
	}
	e := el("encounter", at("classCode", "ENC", "moodCode", "APT"), templateID(template), idElement(booked.Get("identifier")),
		el("code", at("code", "01", "codeSystem", "2.16.840.1.113883.2.1.3.2.4.17.542", "displayName", "Patient convenience appointment")))
	where := place.Get("name").Text()
	if found := appointmentForm.FindStringSubmatch(booked.Get("display").Text()); found != nil {
		e.add(timeElement("effectiveTime", found[1]))
		where = orElse(where, found[2])
	}
	ids, _ := organisationIDs(place.Get("identifier"))
	role := el("participantRole", at("classCode", "SDLOC")).add(ids...).add(addressElement(place.Get("address")))
	role.add(el("playingEntity", at("classCode", "PLC", "determinerCode", "INSTANCE"), textEl("name", where), textEl("desc", place.Get("description").Text())))
	if where != "" || place.Exists() {
		e.add(el("participant", at("typeCode", "LOC", "contextControlCode", "OP"), role))
	}
	return entryElement(template, e)
}

// Titles of the sections that hold what has only words in CDA.
const (
	remarksTitle = "Referral details"
	answersTitle = "Triage questions"
)

// sections writes the plan's texts, each with the title that it begins with,
// and what of the message has only words in CDA.
func (w *documentWriter) sections() []*xmlElement {
	var laid []laidSection
	complaint := false
	for i := 0; i < w.plan.Get("activity").Len(); i++ {
		for outcome := range w.plan.Get("activity").At(i).Get("outcomeCodeableConcept").Items() {
			if outcome.Get("coding").Len() > 0 {
				continue // the disposition
			}
			title, text := titled(outcome.Get("text").Text())
			code := ""
			switch s := (section{Title: title}); {
			case s.isComplaint(), text == w.complaint():
				complaint, code = true, sectionComplaint
			case s.isAdvice():
				code = sectionAdvice
			}
			place := w.markup(title, text)
			s := laidSection{place: place, section: w.section(title, text, code, place.block())}
			if place == nil && len(laid) > 0 {
				s.place = laid[len(laid)-1].place // behind what it follows
				s.follows = true
			}
			laid = append(laid, s)
		}
	}
	out := w.inOrder(laid)
	if advice := w.request.Get("patientInstruction").Text(); advice != "" && !w.says(advice) {
		out = append(out, w.section("Advice Given", advice, sectionAdvice, nil))
	}
	if text := w.complaint(); text != "" && !complaint {
		out = append([]*xmlElement{w.section("Patient's Reported Condition", text, sectionComplaint, nil)}, out...)
	}
	if text := w.remarks(); text != "" {
		out = append(out, w.section(remarksTitle, text, "", nil))
	}
	if text := w.answers(); text != "" {
		out = append(out, w.section(answersTitle, text, "", nil))
	}
	w.unplaced()
	if text := w.further(); text != "" {
		out = append(out, w.section(furtherTitle, text, "", nil))
	}
	return append(out, w.wordSections()...)
}

// titled parts the title that mapReport puts in front of a section's text.
func titled(text string) (title, rest string) {
	before, after, found := strings.Cut(text, ":\n")
	if !found || strings.Contains(before, "\n") {
		return "", text
	}
	return before, after
}

// says whether one of the plan's texts is this one.
func (w *documentWriter) says(text string) bool {
	for activity := range w.plan.Get("activity").Items() {
		for outcome := range activity.Get("outcomeCodeableConcept").Items() {
			if strings.HasSuffix(outcome.Get("text").Text(), text) {
				return true
			}
		}
	}
	return false
}

// complaint is what the patient said, by observation or condition.
func (w *documentWriter) complaint() string {
	if w.reported == nil {
		found := w.findComplaint()
		w.reported = &found
	}
	return *w.reported
}

func (w *documentWriter) findComplaint() string {
	for _, o := range w.all("Observation") {
		if fhir.CodeOf(o.Get("code"), nhs.SystemSNOMED) == reportedCondition {
			return o.Get("valueString").Text()
		}
	}
	for _, condition := range w.all("Condition") {
		if text := condition.Dig("code", "text").Text(); text != "" {
			return text
		}
	}
	return ""
}

// remarks are what of the referral has only words in CDA: when the patient is
// to be seen by and how urgently, where the disposition doesn't say so, what it
// says beside its code, and flags. The flag that mapReport raises by the
// disposition isn't written.
func (w *documentWriter) remarks() string {
	var lines []string
	code, display := w.dispositionCode()
	words := ""
	e, from := w.dispositionOf()
	if e != nil && len(e.children) > 0 && e.children[0].name == "originalText" {
		words = e.children[0].text
	}
	limit, limited := timeLimit(display)
	if end := w.request.Dig("occurrencePeriod", "end").Text(); end != "" {
		start, _ := fhir.ParseInstant(w.effective())
		if due, err := fhir.ParseInstant(end); err != nil || !limited || !start.Add(limit).Equal(due) {
			lines = append(lines, "To be seen by: "+end)
		}
	}
	usual := priority(code, limit, limited)
	ambulance, said := w.ambulancePriority()
	if !w.requests {
		said = fhir.Value{}
	} else if ambulance != nil {
		usual = orElse(urgency(ambulance.attr("code")), usual)
	}
	if asked := w.request.Get("priority").Text(); asked != "" && asked != usual {
		lines = append(lines, "Priority: "+asked)
	}
	for activity := range w.plan.Get("activity").Items() {
		for outcome := range activity.Get("outcomeCodeableConcept").Items() {
			if outcome.Get("coding").Len() == 0 || said.Exists() && outcome == said {
				continue
			}
			if text := outcomeWords(outcome, e != nil && outcome == from, display, words); text != "" {
				lines = append(lines, "Outcome: "+text)
			}
		}
	}
	if where := w.placeInWords(); where != "" {
		lines = append(lines, where)
	}
	for _, flag := range w.all("Flag") {
		category := flag.Get("category").At(0)
		if w.triaged && systemFlag(flag) != "" {
			continue // it stands in the triage
		}
		if w.requests && requestFlag(flag) != "" {
			continue // it is one of the request's own, or says that nothing is known
		}
		if fhir.CodeOf(category, codeSystemBase+"flag-categories-bars") == "SG" && safeguardingForm.MatchString(code) {
			continue
		}
		lines = append(lines, strings.TrimPrefix(conceptWords(category)+": "+conceptWords(flag.Get("code")), ": "))
	}
	return strings.Join(lines, "\n")
}

func (w *documentWriter) dispositionCode() (code, display string) {
	e := w.disposition()
	if e == nil {
		return "", ""
	}
	for _, a := range e.attrs {
		switch a.name {
		case "code":
			code = a.value
		case "displayName":
			display = a.value
		}
	}
	return code, display
}

func conceptWords(concept fhir.Value) string {
	text := concept.Get("text").Text()
	for coding := range concept.Get("coding").Items() {
		text = orElse(text, orElse(coding.Get("display").Text(), coding.Get("code").Text()))
	}
	return text
}

// section writes its narrative block, else its text line by line; an empty line
// is a second break.
func (w *documentWriter) section(title, text, code string, body *xmlElement) *xmlElement {
	s := el("section", at("classCode", "DOCSECT", "moodCode", "EVN"), templateID("COCD_TP146246GB01#Section1"), el("id", at("root", w.uuid())))
	if code != "" {
		s.add(el("code", at("code", code, "codeSystem", oidSNOMED)))
	}
	if body == nil && text != "" {
		body = el("text", nil)
		for i, line := range strings.Split(text, "\n") {
			if i > 0 {
				body.add(el("br", nil))
			}
			body.add(textEl("content", line))
		}
	}
	return el("component", at("typeCode", "COMP", "contextConductionInd", "true"), contentID("COCD_TP146246GB01#Section1"),
		s.add(textEl("title", title), body))
}
