package nhs111

import (
	"encoding/base64"
	"regexp"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// triageReason is the reason by which mapReport marks what came of an NHS
// Pathways triage.
const triageReason = "NHS Pathways triage"

func isTriage(response fhir.Value) bool {
	for ext := range response.Get("extension").Items() {
		if ext.Dig("valueCodeableConcept", "text").Text() == triageReason {
			return true
		}
	}
	return false
}

// triage writes the questions of NHS Pathways as the embedded PathwaysCase: the
// text of each question, the answers given and the comments. Of other
// questionnaires only words are written, see answers.
func (w *documentWriter) triage() []*xmlElement {
	const template = "COCD_TP146002GB01#ObservationMedia"
	runs := el("pathwayTriageDetails", nil)
	for _, response := range w.all("QuestionnaireResponse") {
		if isTriage(response) {
			runs.add(w.run(response))
		}
	}
	if len(runs.children) == 0 {
		return nil
	}
	var b strings.Builder
	el("PathwaysCase", at("xmlns", nsCase), textEl("messageStatus", "Complete"), el("pathwayDetails", nil, runs)).write(&b)
	media := el("observationMedia", at("classCode", "OBS", "moodCode", "EVN"), templateID(template), el("id", at("root", w.uuid())),
		&xmlElement{name: "value", attrs: at("xsi:type", "ST", "representation", "B64", "mediaType", "text/xml"),
			text: base64.StdEncoding.EncodeToString([]byte(b.String()))})
	source := w.header.Get("source")
	if model, version := source.Get("software").Text(), source.Get("version").Text(); model != "" || version != "" {
		device := el("playingDevice", at("classCode", "DEV", "determinerCode", "INSTANCE"))
		for _, part := range [][2]string{{"manufacturerModelName", model}, {"softwareName", version}} {
			if part[1] != "" {
				device.add(el(part[0], at("displayName", part[1])))
			}
		}
		media.add(el("participant", at("typeCode", "DEV", "contextControlCode", "OP"), contentID("COCD_TP145000GB01#ParticipantRole"),
			el("participantRole", at("classCode", "ROL"), templateID("COCD_TP145000GB01#ParticipantRole"),
				el("code", at("code", "TS", "codeSystem", "2.16.840.1.113883.2.1.3.2.4.17.418")), device)))
	}
	return []*xmlElement{entryElement(template, media)}
}

// run writes one QuestionnaireResponse as a pathwayTriage.
func (w *documentWriter) run(response fhir.Value) *xmlElement {
	lines := el("triageLineDetails", nil)
	asked := map[string]bool{}
	for item := range response.Get("item").Items() {
		text, changed := strings.CutSuffix(item.Get("text").Text(), " (changed later)")
		id := questionID(asked, item.Get("linkId").Text())
		answers := el("answers", nil)
		for answer := range item.Get("answer").Items() {
			answers.add(el("answer", at("selected", "true"), textEl("text", answerWords(answer))))
		}
		comment := ""
		for below := range item.Get("item").Items() {
			comment = answerWords(below.Get("answer").At(0))
		}
		for answer := range item.Get("answer").Items() {
			for below := range answer.Get("item").Items() {
				comment = answerWords(below.Get("answer").At(0))
			}
		}
		action := "Next"
		if changed {
			action = "Change"
		}
		lines.add(el("triageLine", nil, textEl("questionType", "SingleAnswer"),
			el("question", nil, textEl("questionId", id), textEl("questionText", text), answers),
			textEl("userComment", comment), textEl("action", action), textEl("includeInReport", "true")))
	}
	e := el("pathwayTriage", nil, textEl("finish", response.Get("authored").Text()), lines)
	if version := w.contentVersion(); version != "" {
		e.add(el("origSite", nil, textEl("pathwaysContentVersion", version)))
	}
	return e
}

// questionID is the question's own id: a number behind it says that it was asked
// before.
func questionID(asked map[string]bool, link string) string {
	if base := againForm.ReplaceAllString(link, ""); asked[base] {
		link = base
	}
	asked[link] = true
	if link == "N/A" {
		return ""
	}
	return link
}

var againForm = regexp.MustCompile(`-[0-9]+$`)

// contentVersion is the Pathways release that the message names.
func (w *documentWriter) contentVersion() string {
	for ext := range w.header.Get("extension").Items() {
		for part := range ext.Get("extension").Items() {
			if part.Get("url").Text() == "requesterCDSSVersion" {
				return part.Get("valueString").Text()
			}
		}
	}
	return ""
}

func answerWords(answer fhir.Value) string {
	for name, value := range answer.Members() {
		switch {
		case name == "valueCoding":
			return orElse(value.Get("display").Text(), value.Get("code").Text())
		case name == "valueBoolean":
			return map[bool]string{true: "yes", false: "no"}[value.Bool()]
		case strings.HasPrefix(name, "value"):
			return orElse(value.Text(), string(value.Raw()))
		}
	}
	return ""
}

// answers are the questions of questionnaires that aren't of NHS Pathways, in
// words.
func (w *documentWriter) answers() string {
	var lines []string
	var ask func(items fhir.Value)
	ask = func(items fhir.Value) {
		for item := range items.Items() {
			var given []string
			for answer := range item.Get("answer").Items() {
				given = append(given, answerWords(answer))
			}
			lines = append(lines, strings.TrimSpace(item.Get("text").Text()+" "+strings.Join(given, "; ")))
			ask(item.Get("item"))
		}
	}
	for _, response := range w.all("QuestionnaireResponse") {
		if !isTriage(response) {
			ask(response.Get("item"))
		}
	}
	return strings.Join(lines, "\n")
}
