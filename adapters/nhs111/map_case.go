package nhs111

import (
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
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
	for _, details := range root.Child("pathwayDetails").All("pathwayTriageDetails") {
		for _, run := range details.All("pathwayTriage") {
			m.triages = append(m.triages, triage{run, pathwaysTime(run.Child("finish").Content())})
		}
	}
	return nil
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

// addCases makes a QuestionnaireResponse of each triage: the questions and
// answers in their order, only those meant for the report.
func (m *mapper) addCases() {
	for _, t := range m.triages {
		items := triageItems(t.node.Child("triageLineDetails").All("triageLine"))
		if len(items) == 0 {
			continue
		}
		authored := t.finish
		if authored == "" {
			authored = m.report.Effective.dateTime()
		}
		url := m.url()
		m.questionnaires = append(m.questionnaires, url)
		m.add(url, m.ukCore("QuestionnaireResponse").
			Set("extension", list(fhir.Obj("url", "http://hl7.org/fhir/StructureDefinition/questionnaireresponse-reason",
				"valueCodeableConcept", fhir.Obj("text", "NHS Pathways triage")))).
			Set("status", "completed").
			Set("subject", ref(m.patient)).Set("encounter", ref(m.encounterURL)).
			Set("authored", authored).Set("author", ref(m.authors[0].practitioner)).
			Set("item", items))
	}
}

func triageItems(lines []*xmltree.Node) []*fhir.Object {
	var items []*fhir.Object
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
		id := uniqueLink(used, question.Child("questionId").Content())
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
	return items
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
