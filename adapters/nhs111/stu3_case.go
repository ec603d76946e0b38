package nhs111

import (
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
)

// stu3Questionnaire is one line of the triage: a question as a Questionnaire
// and its answer as a QuestionnaireResponse.
type stu3Questionnaire struct {
	question, response string
	line               *xmltree.Node
	pathways           *xmltree.Node
}

// readTriage unpacks the first embedded case. One that can't be read leaves no
// questionnaires.
func (m *stu3Mapper) readTriage() {
	if len(m.report.cases) == 0 {
		return
	}
	decoded, err := unpack(m.report.cases[0].Content(), false, maxDecoded)
	if err != nil {
		return
	}
	text, err := xmltree.ToUTF8(decoded, "")
	if err != nil {
		return
	}
	root, err := xmltree.Read(text, xmltree.Rules{Instructions: true})
	if err != nil || !root.Is(nsCase, "PathwaysCase") {
		return
	}
	run := root.Child("pathwayDetails", "pathwayTriageDetails", "pathwayTriage")
	for _, line := range run.Child("triageLineDetails").All("triageLine") {
		m.questionnaires = append(m.questionnaires, stu3Questionnaire{m.url(), m.url(), line, root})
	}
}

func (m *stu3Mapper) addQuestionnaires() {
	for _, q := range m.questionnaires {
		m.addQuestionnaireResponse(q)
		m.addQuestionnaire(q)
	}
}

func (m *stu3Mapper) addQuestionnaireResponse(q stu3Questionnaire) {
	var items []*fhir.Object
	if question := q.line.Child("question"); question != nil {
		answer := ""
		for _, a := range question.Child("answers").All("answer") {
			if text := rawText(a.Child("text")); chosen(a) && strings.TrimSpace(text) != "" {
				answer = text
			}
		}
		items = list(fhir.Obj("linkId", orElse(strings.TrimSpace(rawText(question.Child("questionId"))), "N/A"),
			"text", rawText(question.Child("questionText")),
			"answer", list(fhir.Obj("valueString", answer))))
	}
	m.add(q.response, m.resource("QuestionnaireResponse", q.response).
		Set("identifier", fhir.Obj("value", q.caseID())).
		Set("questionnaire", ref(q.question)).Set("status", "completed").
		Set("subject", ref(m.patient)).Set("context", ref(m.encounter)).
		Set("authored", q.received("2006-01-02T15:04:05+00:00")).
		Set("item", items))
}

func (m *stu3Mapper) addQuestionnaire(q stu3Questionnaire) {
	details := q.pathways.Child("caseDetails")
	var items []*fhir.Object
	if question := q.line.Child("question"); question != nil {
		var options []*fhir.Object
		for _, a := range question.Child("answers").All("answer") {
			selected := "false"
			if chosen(a) {
				selected = "true"
			}
			options = append(options, fhir.Obj("valueString", rawText(a.Child("text"))+", Selected: "+selected))
		}
		items = list(fhir.Obj("linkId", q.caseID(),
			"prefix", rawText(question.Child("triageLogicId", "pathwayOrderNo")),
			"text", rawText(question.Child("questionText")),
			"type", "choice", "required", true, "repeats", false, "option", options))
	}
	var contact *fhir.Object
	if number := rawText(details.Child("contactDetails", "caller", "phone", "number")); number != "" {
		contact = fhir.Obj("telecom", list(fhir.Obj("system", "phone", "value", number)))
	}
	var country *fhir.Object
	if name := rawText(details.Child("address", "country", "name")); name != "" {
		country = fhir.Obj("text", name)
	}
	m.add(q.question, m.resource("Questionnaire", q.question).
		Set("identifier", list(fhir.Obj("value", q.caseID()))).
		Set("version", q.received("2006-01-02T15:04:05.000Z")).
		Set("status", "active").Set("experimental", false).
		Set("date", q.received("2006-01-02T15:04:05+00:00")).
		Set("publisher", q.publisher()).
		Set("lastReviewDate", q.received("2006-01-02")).
		Set("jurisdiction", list(country)).Set("contact", list(contact)).
		Set("subjectType", []string{"Patient"}).Set("item", items))
}

func (q stu3Questionnaire) caseID() string {
	return rawText(q.pathways.Child("caseDetails", "caseId"))
}

// received is when the case was taken in, in UTC.
func (q stu3Questionnaire) received(layout string) string {
	text := strings.TrimSpace(rawText(q.pathways.Child("caseReceiveEnd")))
	at, err := fhir.ParseInstant(text)
	if err != nil {
		wall, err := fhir.ParseInstant(text + "Z")
		if err != nil {
			return ""
		}
		at = londonWall(wall)
	}
	return at.UTC().Truncate(time.Millisecond).Format(layout)
}

// publisher says who ran the triage, in the reference's words.
func (q stu3Questionnaire) publisher() string {
	user := q.pathways.Child("pathwayDetails", "pathwayTriageDetails", "pathwayTriage", "user")
	said := ""
	for _, part := range [][2]string{{"id", "User ID: '"}, {"name", "User name: '"}, {"skillSet", "User skill set: '"}} {
		value := user.Child(part[0])
		if value == nil {
			continue
		}
		text := rawText(value)
		if part[0] == "skillSet" && !knownSkill(text) {
			text = "Unknown"
		}
		said += part[1] + text + "' "
	}
	return orElse(strings.TrimSpace(said), "N/A")
}

func knownSkill(code string) bool {
	return len(code) == 2 && code[0] == 'T' && code[1] >= '1' && code[1] <= '4'
}

func chosen(answer *xmltree.Node) bool {
	selected := answer.Attr("selected")
	return strings.EqualFold(selected, "true") || selected == "1"
}

// rawText is an element's text as it came.
func rawText(n *xmltree.Node) string {
	if n == nil {
		return ""
	}
	var b strings.Builder
	for _, c := range n.Children {
		b.WriteString(c.Text)
	}
	return b.String()
}
