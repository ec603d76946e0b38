package nhs111

import (
	"encoding/base64"
	"regexp"
	"slices"
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
func (w *documentWriter) triage() *xmlElement {
	const template = "COCD_TP146002GB01#ObservationMedia"
	runs := el("pathwayTriageDetails", nil)
	for _, response := range w.all("QuestionnaireResponse") {
		if isTriage(response) {
			runs.add(w.run(response))
		}
	}
	value := el("value", at("nullFlavor", "NI"))
	if w.triaged = len(runs.children) > 0; w.triaged {
		runs.children[0].add(w.systemFlags())
		var b strings.Builder
		el("PathwaysCase", at("xmlns", nsCase), textEl("messageStatus", "Complete"), el("pathwayDetails", nil, runs)).write(&b)
		value = &xmlElement{name: "value", attrs: at("xsi:type", "ST", "representation", "B64", "mediaType", "text/xml"),
			text: base64.StdEncoding.EncodeToString([]byte(b.String()))}
	}
	media := el("observationMedia", at("classCode", "OBS", "moodCode", "EVN"), templateID(template), el("id", at("root", w.uuid())), value)
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
	} else if !w.triaged {
		return nil
	}
	return entryElement(template, media)
}

// systemFlags writes the flags that NHS Pathways has itself.
func (w *documentWriter) systemFlags() *xmlElement {
	e := el("systemFlags", nil)
	for _, flag := range w.all("Flag") {
		e.add(textEl("systemFlag", systemFlag(flag)))
	}
	if len(e.children) == 0 {
		return nil
	}
	return e
}

// systemFlag names a Flag as NHS Pathways does; "" where it has no such one.
func systemFlag(flag fhir.Value) string {
	own := fhir.CodeOf(flag.Get("code"), "urn:oid:"+oidSafety)
	if name := map[string]string{"FR": "Fire", "TM": "Trauma", "PL": "Police", "TR": "Trapped"}[own]; name != "" {
		return name
	}
	return map[string]string{"S": "SceneSafe", "U": "SceneUnsafe"}[fhir.CodeOf(flag.Get("code"), codeSystemBase+"scene-safety-codes-bars")]
}

// run writes one QuestionnaireResponse as a pathwayTriage.
func (w *documentWriter) run(response fhir.Value) *xmlElement {
	lines := el("triageLineDetails", nil)
	asked := map[string]bool{}
	questions := w.questionsOf(response)
	for item := range response.Get("item").Items() {
		text, changed := strings.CutSuffix(item.Get("text").Text(), " (changed later)")
		id := questionID(asked, item.Get("linkId").Text())
		if asked, given := questions[item.Get("linkId").Text()], item.Get("answer"); asked.Get("type").Text() == "string" && given.Len() == 1 {
			lines.add(el("triageLine", nil, textEl("questionType", text), el("question", nil, logicOf(asked), textEl("questionId", id)),
				el("reportText", nil, textEl("text", answerWords(given.At(0)))), textEl("userComment", commentOn(item)),
				textEl("action", stepOf(changed)), textEl("includeInReport", "true")))
			continue
		}
		question := el("question", nil, logicOf(questions[item.Get("linkId").Text()]), textEl("questionId", id), textEl("questionText", text),
			answersElement(questions[item.Get("linkId").Text()], item))
		lines.add(el("triageLine", nil, textEl("questionType", "SingleAnswer"),
			question, textEl("userComment", commentOn(item)), textEl("action", stepOf(changed)), textEl("includeInReport", "true")))
	}
	e := el("pathwayTriage", nil, textEl("finish", response.Get("authored").Text()), lines)
	version := w.contentVersion()
	if questionnaire := w.questionnaireOf(response); questionnaire.Exists() {
		version = questionnaire.Get("version").Text()
	}
	if version != "" {
		e.add(el("origSite", nil, textEl("pathwaysContentVersion", version)))
	}
	return e.add(w.user(response.Get("author")))
}

// commentOn is what the user wrote beside an answer.
func commentOn(item fhir.Value) string {
	comment := ""
	for below := range item.Get("item").Items() {
		comment = answerWords(below.Get("answer").At(0))
	}
	for answer := range item.Get("answer").Items() {
		for below := range answer.Get("item").Items() {
			comment = answerWords(below.Get("answer").At(0))
		}
	}
	return comment
}

// stepOf says how the triage went on.
func stepOf(changed bool) string {
	if changed {
		return "Change"
	}
	return "Next"
}

// questionsOf are the questions that a response answers, by linkId.
func (w *documentWriter) questionsOf(response fhir.Value) map[string]fhir.Value {
	out := map[string]fhir.Value{}
	for item := range w.questionnaireOf(response).Get("item").Items() {
		out[item.Get("linkId").Text()] = item
	}
	return out
}

func (w *documentWriter) questionnaireOf(response fhir.Value) fhir.Value {
	return w.asked[response.Get("questionnaire").Text()]
}

// logicOf is the place of a question in NHS Pathways: pathway and order.
func logicOf(question fhir.Value) *xmlElement {
	pathway, order, _ := strings.Cut(question.Get("prefix").Text(), " ")
	if pathway == "" {
		return nil
	}
	return el("triageLogicId", nil, textEl("pathwayId", pathway), textEl("pathwayOrderNo", order))
}

// answersElement writes the answers that were possible, in their order, and says
// which were given; one in words of its own comes last.
func answersElement(question, item fhir.Value) *xmlElement {
	var given []string
	for answer := range item.Get("answer").Items() {
		given = append(given, answerWords(answer))
	}
	e := el("answers", nil)
	answer := func(text string, selected bool) {
		e.add(el("answer", at("selected", map[bool]string{true: "true", false: "false"}[selected]), textEl("text", text)))
	}
	for option := range question.Get("answerOption").Items() {
		text := answerWords(option)
		i := slices.Index(given, text)
		answer(text, i >= 0)
		if i >= 0 {
			given = slices.Delete(given, i, i+1)
		}
	}
	for _, text := range given {
		answer(text, true)
	}
	return e
}

// user is who ran the triage, where that isn't the report's author.
func (w *documentWriter) user(author fhir.Value) *xmlElement {
	who := w.follow(author)
	for role := range w.taking("PPRF") {
		if role.Dig("practitioner", "reference").Text() == author.Get("reference").Text() {
			return nil
		}
	}
	if who.Get("resourceType").Text() != "Practitioner" {
		return nil
	}
	e := el("user", nil)
	for id := range who.Get("identifier").Items() {
		if id.Get("system").Text() == "urn:oid:"+oidLocalPerson {
			e.add(textEl("id", id.Get("value").Text()))
			break
		}
	}
	e.add(textEl("name", who.Get("name").At(0).Get("text").Text()))
	if skill, found := strings.CutPrefix(who.Dig("qualification", "code", "text").Text(), skillSet); found {
		e.add(textEl("skillSet", skill))
	}
	if len(e.children) == 0 {
		return nil
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
		if w.requests || !isTriage(response) {
			ask(response.Get("item"))
		}
	}
	return strings.Join(lines, "\n")
}
