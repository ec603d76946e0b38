package validate

import "github.com/onward-health/onward/fhir"

// questionnaireRules are the invariants of R4 questionnaire.html and
// questionnaireresponse.html. Where sentence and expression differ (que-12),
// the expression is followed, as validators do.
var questionnaireRules = []rule{
	{path: "Questionnaire", key: "que-2", text: "the linkIds of a questionnaire are all different",
		holds: func(v fhir.Value) bool { return linkIDsDiffer(v.Get("item"), map[string]bool{}) }},
	{path: "Questionnaire.item", key: "que-1", text: "a group has items, a display has none",
		holds: func(v fhir.Value) bool {
			return !is(v.Get("type"), "group") && !isDisplay(v) || has(v, "item") == is(v.Get("type"), "group")
		}},
	{path: "Questionnaire.item", key: "que-3", text: "a display has no code",
		holds: func(v fhir.Value) bool { return !isDisplay(v) || !has(v, "code") }},
	{path: "Questionnaire.item", key: "que-4", text: "a question has answerOption or answerValueSet, not both",
		holds: func(v fhir.Value) bool { return notBoth(v, "answerOption", "answerValueSet") }},
	{path: "Questionnaire.item", key: "que-5", text: "a question of this type has no answerOption or answerValueSet",
		holds: func(v fhir.Value) bool {
			return !has(v, "answerOption") && !has(v, "answerValueSet") ||
				is(v.Get("type"), "choice", "open-choice", "decimal", "integer", "date", "dateTime", "time", "string", "quantity")
		}},
	{path: "Questionnaire.item", key: "que-6", text: "a display is neither required nor repeated",
		holds: func(v fhir.Value) bool { return !isDisplay(v) || !has(v, "required") && !has(v, "repeats") }},
	{path: "Questionnaire.item", key: "que-8", text: "a group or display has no initial value",
		holds: func(v fhir.Value) bool { return !isDisplay(v) && !is(v.Get("type"), "group") || !has(v, "initial") }},
	{path: "Questionnaire.item", key: "que-9", text: "a display can't be readOnly",
		holds: func(v fhir.Value) bool { return !isDisplay(v) || !has(v, "readOnly") }},
	{path: "Questionnaire.item", key: "que-10", text: "a question of this type has no maxLength",
		holds: func(v fhir.Value) bool {
			return !has(v, "maxLength") || is(v.Get("type"), "boolean", "decimal", "integer", "string", "text", "url", "open-choice")
		}},
	{path: "Questionnaire.item", key: "que-11", text: "a question with answerOption marks its initial ones there",
		holds: func(v fhir.Value) bool { return notBoth(v, "answerOption", "initial") }},
	{path: "Questionnaire.item", key: "que-12", text: "several enableWhen need an enableBehavior",
		holds: func(v fhir.Value) bool { return count(v.Get("enableWhen")) <= 2 || has(v, "enableBehavior") }},
	{path: "Questionnaire.item", key: "que-13", text: "only a question that repeats has several initial values",
		holds: func(v fhir.Value) bool { return v.Get("repeats").Bool() || count(v.Get("initial")) <= 1 }},
	{path: "Questionnaire.item.enableWhen", key: "que-7", text: "the operator exists needs answerBoolean",
		holds: func(v fhir.Value) bool { return !is(v.Get("operator"), "exists") || has(v, "answerBoolean") }},
	{path: "QuestionnaireResponse.item", key: "qrs-1", text: "items stand below the answer or beside it, not both",
		holds: func(v fhir.Value) bool { return notBoth(v, "answer", "item") }},
}

func isDisplay(v fhir.Value) bool { return is(v.Get("type"), "display") }

func linkIDsDiffer(items fhir.Value, seen map[string]bool) bool {
	for item := range items.Items() {
		if id := item.Get("linkId"); id.Kind() == fhir.StringKind {
			if seen[id.Text()] {
				return false
			}
			seen[id.Text()] = true
		}
		if !linkIDsDiffer(item.Get("item"), seen) {
			return false
		}
	}
	return true
}
