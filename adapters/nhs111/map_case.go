package nhs111

import (
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

const nsCase = "http://nhspathways.org/webservices/pathways/pathwaysCase"

// triage is one run through NHS Pathways (PathwaysCase 2.4, pathwayTriage).
type triage struct {
	node   *xmltree.Node
	finish string // FHIR dateTime, "" if unknown
}

// readCases unpacks the embedded PathwaysCase documents. One that can't be read
// doesn't stop the referral: the report's own sections say the outcome, and the
// document stays whole; it is noted as a warning.
func (m *mapper) readCases() {
	budget := maxDecoded
	for _, value := range m.report.cases {
		if inline := caseIn(value); inline != nil {
			m.addTriages(inline)
			continue
		}
		if value.Content() == "" {
			continue
		}
		decoded, err := unpack(value.Content(), false, budget)
		if err == nil {
			budget -= len(decoded)
			err = m.readCase(decoded)
		}
		if err != nil {
			m.warnings = append(m.warnings, "the embedded PathwaysCase can't be read: "+err.Error())
		}
	}
}

func (m *mapper) readCase(decoded []byte) error {
	text, err := xmltree.ToUTF8(decoded, "")
	if err != nil {
		return err
	}
	root, err := xmltree.Read(text, xmltree.Rules{Instructions: true})
	if err != nil {
		return err
	}
	if !root.Is(nsCase, "PathwaysCase") {
		m.warnings = append(m.warnings, "an embedded document isn't a PathwaysCase")
		return nil
	}
	m.addTriages(root)
	return nil
}

// caseIn finds a PathwaysCase that stands in the document as it is.
func caseIn(value *xmltree.Node) *xmltree.Node {
	for _, child := range value.Elements() {
		if child.Is(nsCase, "PathwaysCase") {
			return child
		}
	}
	return nil
}

func (m *mapper) addTriages(root *xmltree.Node) {
	for _, details := range root.Child("pathwayDetails").All("pathwayTriageDetails") {
		for _, run := range details.All("pathwayTriage") {
			m.triages = append(m.triages, triage{run, pathwaysTime(run.Child("finish").Content())})
		}
	}
}

// pathwaysTime reads an xs:dateTime; without a zone it is London wall time. ""
// where it can't be read.
func pathwaysTime(s string) string {
	at, err := fhir.ParseInstant(s)
	if err != nil {
		wall, err := fhir.ParseInstant(s + "Z")
		if err != nil {
			return ""
		}
		at = londonWall(wall)
	}
	return at.UTC().Format(time.RFC3339)
}

// triageFinish is when the last triage reached its end.
func (m *mapper) triageFinish() string {
	last := ""
	for _, t := range m.triages {
		last = max(last, t.finish) // UTC in one layout, so text order is time order
	}
	return last
}

// contentVersion is the Pathways release that the triage ran on.
func (m *mapper) contentVersion() string {
	for _, t := range m.triages {
		if v := t.node.Child("origSite", "pathwaysContentVersion").Content(); v != "" {
			return v
		}
	}
	return ""
}

// addCases makes a Questionnaire and a QuestionnaireResponse of each triage: the
// questions with their possible answers, and what was answered, in their order
// and only what is meant for the report. A question that was asked again has a
// number after its id.
func (m *mapper) addCases() {
	for _, t := range m.triages {
		questions, items := triageItems(t.node.Child("triageLineDetails").All("triageLine"))
		if len(items) == 0 {
			continue
		}
		authored := t.finish
		if authored == "" {
			authored = m.report.Effective.dateTime()
		}
		canonical, url := m.url(), m.url()
		m.questionnaires = append(m.questionnaires, url)
		m.add(m.url(), m.resource("Questionnaire", nhs.ProfileBase+"Questionnaire").
			Set("url", canonical).Set("version", t.node.Child("origSite", "pathwaysContentVersion").Content()).
			Set("title", "NHS Pathways triage").
			Set("status", "active").Set("subjectType", []string{"Patient"}).
			Set("item", questions))
		m.add(url, m.ukCore("QuestionnaireResponse").
			Set("extension", list(fhir.Obj("url", "http://hl7.org/fhir/StructureDefinition/questionnaireresponse-reason",
				"valueCodeableConcept", fhir.Obj("text", "NHS Pathways triage")))).
			Set("questionnaire", canonical).
			Set("status", "completed").
			Set("subject", ref(m.patient)).Set("encounter", ref(m.encounterURL)).
			Set("authored", authored).Set("author", ref(m.triagedBy(t))).
			Set("item", items))
	}
}

// skillSet is what a user's skill set follows.
const skillSet = "NHS Pathways skill set "

// triagedBy is the practitioner who ran the triage: its user, where the case
// names one, else the report's author.
func (m *mapper) triagedBy(t triage) string {
	user := t.node.Child("user")
	id, name := oneLine(user.Child("id").Content()), oneLine(user.Child("name").Content())
	if id == "" && name == "" {
		return m.authors[0].practitioner
	}
	url := m.users[id+"|"+name]
	if url == "" {
		url = m.url()
		m.users[id+"|"+name] = url
		practitioner := m.ukCore("Practitioner")
		if id != "" {
			practitioner.Set("identifier", list(fhir.Obj("system", "urn:oid:"+oidLocalPerson, "value", id)))
		} else {
			practitioner.Set("identifier", list(m.ownIdentifier("user|"+name)))
		}
		if name != "" {
			practitioner.Set("name", list(fhir.Obj("text", name)))
		}
		if skill := oneLine(user.Child("skillSet").Content()); skill != "" {
			practitioner.Set("qualification", list(fhir.Obj("code", fhir.Obj("text", skillSet+skill))))
		}
		m.add(url, practitioner)
	}
	return url
}

func triageItems(lines []*xmltree.Node) (questions, items []*fhir.Object) {
	used := map[string]int{}
	for _, line := range lines {
		if strings.EqualFold(line.Child("includeInReport").Content(), "false") {
			continue
		}
		question := line.Child("question")
		text, answers := oneLine(question.Child("questionText").Content()), selected(question)
		reported := oneLine(line.Child("reportText", "text").Content())
		if line.Child("questionType").Content() == "SetVariable" && reported == "" {
			continue // a variable of the software, no question
		}
		if text == "" && reported != "" {
			text, answers = line.Child("questionType").Content(), []string{reported}
		}
		if text == "" {
			continue
		}
		if action := line.Child("action").Content(); action == "Back" || action == "Change" {
			text += " (changed later)"
		}
		id := uniqueLink(used, oneLine(question.Child("questionId").Content()))
		questions = append(questions, asked(id, text, question))
		item, given := fhir.Obj("linkId", id, "text", text), answersOf(answers)
		if comment := oneLine(line.Child("userComment").Content()); comment != "" {
			below := item
			if len(given) > 0 { // items stand below the answer or beside it, not both (qrs-1)
				below = given[0]
			}
			below.Set("item", list(fhir.Obj("linkId", id+".comment", "text", "User comment", "answer", answersOf([]string{comment}))))
		}
		items = append(items, item.Set("answer", given))
	}
	return questions, items
}

// asked is the question as it could have been answered.
func asked(id, text string, question *xmltree.Node) *fhir.Object {
	item := fhir.Obj("linkId", id)
	logic := question.Child("triageLogicId")
	if place := oneLine(logic.Child("pathwayId").Content() + " " + logic.Child("pathwayOrderNo").Content()); place != "" {
		item.Set("prefix", place)
	}
	item.Set("text", text)
	var options []*fhir.Object
	seen := map[string]bool{}
	for _, answer := range question.Child("answers").All("answer") {
		if text := oneLine(answer.Child("text").Content()); text != "" && !seen[text] {
			seen[text] = true
			options = append(options, fhir.Obj("valueString", text))
		}
	}
	if len(options) == 0 {
		return item.Set("type", "string")
	}
	// Pathways lets the user add words of their own to an answer.
	return item.Set("type", "open-choice").Set("repeats", true).Set("answerOption", options)
}

// uniqueLink makes a linkId: the question's id, numbered when asked again.
func uniqueLink(used map[string]int, id string) string {
	if id == "" {
		id = "N/A"
	}
	used[id]++
	if used[id] == 1 {
		return id
	}
	return id + "-" + strconv.Itoa(used[id])
}

func selected(question *xmltree.Node) []string {
	var out []string
	for _, answer := range question.Child("answers").All("answer") {
		if text := oneLine(answer.Child("text").Content()); text != "" && strings.EqualFold(answer.Attr("selected"), "true") {
			out = append(out, text)
		}
	}
	return out
}

func answersOf(texts []string) []*fhir.Object {
	var out []*fhir.Object
	for _, text := range texts {
		out = append(out, fhir.Obj("valueString", text))
	}
	return out
}
