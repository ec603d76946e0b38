package validate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// in puts the JSON of a data type into an extension's value.
func in(choice string) func(members string) string {
	return func(members string) string {
		return patient(`"extension":[{"url":"http://a.example/x","value` + choice + `":{` + members + `}}]`)
	}
}

// resourceOf makes a resource of members.
func resourceOf(head string) func(members string) string {
	return func(members string) string { return `{"resourceType":` + head + `,` + members + `}` }
}

// part makes a resource with one element of members, in an array.
func part(head, element string) func(members string) string {
	return func(members string) string {
		return `{"resourceType":` + head + `,"` + element + `":[{` + members + `}]}`
	}
}

var (
	appointment = resourceOf(`"Appointment","participant":[{"status":"accepted","type":[{"text":"a"}]}]`)
	observation = resourceOf(`"Observation","status":"final","code":{"coding":[{"system":"http://a.example","code":"a"}]}`)
	condition   = resourceOf(`"Condition","subject":{"reference":"Patient/1"}`)
	consent     = resourceOf(`"Consent","status":"active","category":[{"text":"a"}]`)
	question    = part(`"Questionnaire","status":"active"`, "item")
	repeat      = func(members string) string { return in("Timing")(`"repeat":{` + members + `}`) }
	filterOf    = func(kind string) func(string) string {
		return func(members string) string {
			return in("DataRequirement")(`"type":"Slot","` + kind + `":[{` + members + `}]`)
		}
	}
)

const ucumUnit = `"system":"http://unitsofmeasure.org",`

// ruleCases has for each invariant what it accepts and what it refuses.
var ruleCases = []struct {
	rule   string // path and key
	make   func(members string) string
	passes []string
	fails  []string
}{
	{"Quantity qty-3", in("Quantity"), []string{`"value":1,"system":"http://a.example","code":"a"`, `"value":1`}, []string{`"value":1,"code":"a"`}},
	{"Age qty-3", in("Age"), []string{`"value":1,` + ucumUnit + `"code":"a"`}, []string{`"value":1,"code":"a"`}},
	{"Count qty-3", in("Count"), []string{`"value":1,` + ucumUnit + `"code":"1"`}, []string{`"value":1,"code":"1"`}},
	{"Distance qty-3", in("Distance"), []string{`"value":1,` + ucumUnit + `"code":"m"`}, []string{`"value":1,"code":"m"`}},
	{"Duration qty-3", in("Duration"), []string{`"value":1,` + ucumUnit + `"code":"min"`}, []string{`"value":1,"code":"min"`}},
	{"Age age-1", in("Age"), []string{`"value":0.5,` + ucumUnit + `"code":"a"`, `"unit":"a"`},
		[]string{`"value":0,` + ucumUnit + `"code":"a"`, `"value":-1e0,` + ucumUnit + `"code":"a"`, `"value":1`, `"value":1,"system":"http://a.example","code":"a"`}},
	{"Count cnt-3", in("Count"), []string{`"value":7,"code":"1",` + ucumUnit + `"unit":"a"`},
		[]string{`"value":1.0,` + ucumUnit + `"code":"1"`, `"value":1,` + ucumUnit + `"code":"2"`, `"value":1`}},
	{"Distance dis-1", in("Distance"), []string{`"value":1,` + ucumUnit + `"code":"m"`}, []string{`"value":1`, `"value":1,"system":"http://a.example","code":"m"`}},
	{"Duration drt-1", in("Duration"), []string{`"value":1,` + ucumUnit + `"code":"min"`, `"value":1`}, []string{ucumUnit + `"code":"min"`, `"value":1,"system":"http://a.example","code":"min"`}},
	{"Period per-1", in("Period"), []string{`"start":"2026-01-01"`, `"start":"2026-01","end":"2026-01-05"`, `"start":"2026-01-05","end":"2026"`,
		`"start":"2026-01-01T10:00:00+01:00","end":"2026-01-01T09:00:00Z"`, `"start":"2026-01-02T01:00:00Z","end":"2026-01-01"`, `"start":"2026-01-01T10:00:00Z","end":"2026-01-01T10:00:00Z"`},
		[]string{`"start":"2026-01-02","end":"2026-01-01"`, `"start":"2026-01-01T10:00:00Z","end":"2026-01-01T10:30:00+01:00"`, `"start":"2027","end":"2026-12-31"`,
			`"start":"2026-01-01T10:00:00.5Z","end":"2026-01-01T10:00:00Z"`, `"start":"2026-01-03T00:00:00Z","end":"2026-01-01"`}},
	{"Range rng-2", in("Range"), []string{`"low":{"value":1.50},"high":{"value":1.5}`, `"low":{"value":2,"unit":"kg"},"high":{"value":1,"unit":"stone"}`, `"low":{"value":-2},"high":{"value":-1}`, `"low":{"value":9e-1},"high":{"value":10}`},
		[]string{`"low":{"value":10},"high":{"value":9.5}`, `"low":{"value":-1},"high":{"value":-2}`, `"low":{"value":1e1},"high":{"value":9}`}},
	{"Ratio rat-1", in("Ratio"), []string{`"numerator":{"value":1},"denominator":{"value":2}`, `"extension":[{"url":"http://a.example/x","valueCode":"a"}]`},
		[]string{`"numerator":{"value":1}`, `"denominator":{"value":1}`}},
	{"ContactPoint cpt-2", in("ContactPoint"), []string{`"system":"phone","value":"0113"`, `"rank":1`}, []string{`"value":"0113"`}},
	{"Attachment att-1", in("Attachment"), []string{`"contentType":"text/plain","data":"YQ=="`, `"title":"a"`}, []string{`"data":"YQ=="`}},
	{"Expression exp-1", in("Expression"), []string{`"language":"text/fhirpath","expression":"a"`}, []string{`"language":"text/fhirpath"`}},
	{"DataRequirement.codeFilter drq-1", filterOf("codeFilter"), []string{`"path":"a"`}, []string{`"valueSet":"http://a.example"`, `"path":"a","searchParam":"b"`}},
	{"DataRequirement.dateFilter drq-2", filterOf("dateFilter"), []string{`"searchParam":"a"`}, []string{`"valueDateTime":"2026"`, `"path":"a","searchParam":"b"`}},
	{"TriggerDefinition trd-1", in("TriggerDefinition"), []string{`"type":"periodic","timingDate":"2026"`}, []string{`"type":"periodic","timingDate":"2026","data":[{"type":"Slot"}]`}},
	{"TriggerDefinition trd-2", in("TriggerDefinition"), []string{`"type":"data-added","data":[{"type":"Slot"}],"condition":{"language":"text/cql","expression":"a"}`},
		[]string{`"type":"named-event","name":"a","condition":{"language":"text/cql","expression":"a"}`}},
	{"TriggerDefinition trd-3", in("TriggerDefinition"), []string{`"type":"named-event","name":"a"`}, []string{`"type":"named-event"`, `"type":"periodic"`, `"type":"data-added"`}},
	{"Timing.repeat tim-1", repeat, []string{`"duration":1,"durationUnit":"h"`}, []string{`"duration":1`}},
	{"Timing.repeat tim-2", repeat, []string{`"period":1,"periodUnit":"h"`}, []string{`"period":1`}},
	{"Timing.repeat tim-4", repeat, []string{`"duration":0,"durationUnit":"h"`}, []string{`"duration":-1,"durationUnit":"h"`}},
	{"Timing.repeat tim-5", repeat, []string{`"period":0,"periodUnit":"h"`}, []string{`"period":-0.1,"periodUnit":"h"`}},
	{"Timing.repeat tim-6", repeat, []string{`"period":1,"periodMax":2,"periodUnit":"h"`}, []string{`"periodMax":1`}},
	{"Timing.repeat tim-7", repeat, []string{`"duration":1,"durationMax":2,"durationUnit":"h"`}, []string{`"durationMax":1`}},
	{"Timing.repeat tim-8", repeat, []string{`"count":1,"countMax":2`}, []string{`"countMax":2`}},
	{"Timing.repeat tim-9", repeat, []string{`"offset":5,"when":["ACM"]`, `"when":["C"]`}, []string{`"offset":5`, `"offset":5,"when":["ACM","CD"]`}},
	{"Timing.repeat tim-10", repeat, []string{`"timeOfDay":["10:00:00"]`}, []string{`"timeOfDay":["10:00:00"],"when":["C"]`}},

	{"AllergyIntolerance ait-1", resourceOf(`"AllergyIntolerance","patient":{"reference":"Patient/1"}`),
		[]string{`"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}]}`}, []string{`"type":"allergy"`}},
	{"AllergyIntolerance ait-2", resourceOf(`"AllergyIntolerance","patient":{"reference":"Patient/1"},"verificationStatus":{"coding":[{"system":"` + allergyVerification + `","code":"entered-in-error"}]}`),
		[]string{`"type":"allergy"`}, []string{`"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}]}`}},
	{"Appointment app-2", appointment, []string{`"status":"proposed"`}, []string{`"status":"proposed","start":"2026-01-01T10:00:00Z"`, `"status":"cancelled","end":"2026-01-01T10:00:00Z"`}},
	{"Appointment app-3", appointment, []string{`"status":"booked","start":"2026-01-01T10:00:00Z","end":"2026-01-01T10:20:00Z"`, `"status":"waitlist"`}, []string{`"status":"booked"`}},
	{"Appointment app-4", appointment, []string{`"status":"cancelled","cancelationReason":{"text":"a"}`}, []string{`"status":"proposed","cancelationReason":{"text":"a"}`}},
	{"Appointment.participant app-1", part(`"Appointment","status":"proposed"`, "participant"), []string{`"status":"accepted","actor":{"reference":"Patient/1"}`}, []string{`"status":"accepted"`}},
	{"CarePlan.activity cpl-3", part(`"CarePlan","status":"active","intent":"plan","subject":{"reference":"Patient/1"}`, "activity"), []string{`"reference":{"reference":"Task/1"}`},
		[]string{`"reference":{"reference":"Task/1"},"detail":{"status":"unknown"}`}},
	{"Condition con-4", condition, []string{`"abatementString":"a","clinicalStatus":{"coding":[{"system":"` + conditionClinical + `","code":"resolved"}]}`},
		[]string{`"abatementString":"a"`, `"abatementAge":{"value":1,` + ucumUnit + `"code":"a"},"clinicalStatus":{"coding":[{"system":"` + conditionClinical + `","code":"active"}]}`}},
	{"Condition con-5", condition, []string{`"verificationStatus":{"coding":[{"system":"` + conditionVerStatus + `","code":"entered-in-error"}]}`},
		[]string{`"verificationStatus":{"coding":[{"system":"` + conditionVerStatus + `","code":"entered-in-error"}]},"clinicalStatus":{"coding":[{"system":"` + conditionClinical + `","code":"active"}]}`}},
	{"Condition.stage con-1", part(`"Condition","subject":{"reference":"Patient/1"}`, "stage"), []string{`"summary":{"text":"a"}`}, []string{`"type":{"text":"a"}`}},
	{"Condition.evidence con-2", part(`"Condition","subject":{"reference":"Patient/1"}`, "evidence"), []string{`"code":[{"text":"a"}]`}, []string{`"extension":[{"url":"http://a.example/x","valueCode":"a"}]`}},
	{"Consent ppc-1", consent, []string{`"scope":{"text":"a"},"policyRule":{"text":"a"}`, `"scope":{"text":"a"},"policy":[{"uri":"http://a.example"}]`}, []string{`"scope":{"text":"a"}`}},
	consentCase("ppc-2", "patient-privacy"), consentCase("ppc-3", "research"), consentCase("ppc-4", "adr"), consentCase("ppc-5", "treatment"),
	{"Observation obs-6", observation, []string{`"dataAbsentReason":{"text":"a"}`}, []string{`"dataAbsentReason":{"text":"a"},"valueInteger":1`}},
	{"Observation obs-7", observation, []string{`"valueInteger":1,"component":[{"code":{"coding":[{"system":"http://a.example","code":"b"}]}}]`, `"component":[{"code":{"coding":[{"system":"http://a.example","code":"a"}]}}]`},
		[]string{`"valueInteger":1,"component":[{"code":{"coding":[{"code":"a","system":"http://a.example"}]}}]`}},
	{"Observation.referenceRange obs-3", part(`"Observation","status":"final","code":{"text":"a"}`, "referenceRange"), []string{`"text":"a"`}, []string{`"type":{"text":"a"}`}},
	{"Organization org-1", resourceOf(`"Organization"`), []string{`"name":"a"`, `"identifier":[{"value":"a"}]`}, []string{`"active":true`}},
	{"Organization.address org-2", resourceOf(`"Organization","name":"a"`), []string{`"address":[{"use":"work"}]`}, []string{`"address":[{"use":"work"},{"use":"home"}]`}},
	{"Organization.telecom org-3", resourceOf(`"Organization","name":"a"`), []string{`"telecom":[{"use":"work"}]`}, []string{`"telecom":[{"use":"home"}]`}},
	{"Patient.contact pat-1", part(`"Patient"`, "contact"), []string{`"name":{"text":"a"}`, `"organization":{"reference":"Organization/1"}`}, []string{`"gender":"male"`}},
	{"ServiceRequest prr-1", func(m string) string { return request("," + m) }, []string{`"code":{"text":"a"},"orderDetail":[{"text":"a"}]`}, []string{`"orderDetail":[{"text":"a"}]`}},
	{"Task inv-1", resourceOf(`"Task","status":"draft","intent":"order"`), []string{`"authoredOn":"2026-01-01","lastModified":"2026-01-01T10:00:00Z"`}, []string{`"authoredOn":"2026-01-02","lastModified":"2026-01-01"`}},
	{"Parameters.parameter inv-1", part(`"Parameters"`, "parameter"), []string{`"name":"a","valueCode":"b"`, `"name":"a","part":[{"name":"b","valueCode":"c"}]`, `"name":"a","resource":{"resourceType":"Basic","code":{"text":"a"}}`},
		[]string{`"name":"a"`, `"name":"a","valueCode":"b","resource":{"resourceType":"Basic","code":{"text":"a"}}`}},

	{"Bundle bdl-1", resourceOf(`"Bundle"`), []string{`"type":"searchset","total":0`}, []string{`"type":"collection","total":0`}},
	{"Bundle bdl-2", resourceOf(`"Bundle"`), []string{`"type":"searchset","entry":[{"search":{"mode":"match"},"resource":{"resourceType":"Patient"}}]`}, []string{`"type":"collection","entry":[{"search":{"mode":"match"},"resource":{"resourceType":"Patient"}}]`}},
	{"Bundle bdl-3", resourceOf(`"Bundle"`), []string{`"type":"batch","entry":[{"request":{"method":"GET","url":"Slot"}}]`},
		[]string{`"type":"transaction","entry":[{"resource":{"resourceType":"Patient"}}]`, `"type":"collection","entry":[{"request":{"method":"GET","url":"Slot"}}]`}},
	{"Bundle bdl-4", resourceOf(`"Bundle"`), []string{`"type":"batch-response","entry":[{"response":{"status":"200"}}]`},
		[]string{`"type":"batch-response","entry":[{"resource":{"resourceType":"Patient"}}]`, `"type":"searchset","entry":[{"response":{"status":"200"}}]`}},
	{"Bundle bdl-7", resourceOf(`"Bundle"`), []string{`"type":"collection","entry":[{"fullUrl":"urn:uuid:a","resource":{"resourceType":"Patient","meta":{"versionId":"1"}}},{"fullUrl":"urn:uuid:a","resource":{"resourceType":"Patient","meta":{"versionId":"2"}}}]`},
		[]string{`"type":"collection","entry":[{"fullUrl":"urn:uuid:a","resource":{"resourceType":"Patient"}},{"fullUrl":"urn:uuid:a","resource":{"resourceType":"Patient"}}]`}},
	{"Bundle bdl-9", document, []string{`"timestamp":"2026-01-01T10:00:00Z","identifier":{"system":"http://a.example","value":"a"}`}, []string{`"timestamp":"2026-01-01T10:00:00Z"`, `"timestamp":"2026-01-01T10:00:00Z","identifier":{"value":"a"}`}},
	{"Bundle bdl-10", document, []string{`"timestamp":"2026-01-01T10:00:00Z","identifier":{"system":"http://a.example","value":"a"}`}, []string{`"identifier":{"system":"http://a.example","value":"a"}`}},
	{"Bundle bdl-11", resourceOf(`"Bundle"`), []string{`"type":"collection"`}, []string{`"type":"document","timestamp":"2026-01-01T10:00:00Z","identifier":{"system":"http://a.example","value":"a"},"entry":[{"resource":{"resourceType":"Patient"}}]`}},
	{"Bundle bdl-12", resourceOf(`"Bundle"`), []string{`"type":"message","entry":[{"resource":{"resourceType":"MessageHeader","eventUri":"http://a.example","source":{"endpoint":"http://a.example"}}}]`},
		[]string{`"type":"message","entry":[{"resource":{"resourceType":"Patient"}}]`, `"type":"message"`}},
	{"Bundle.entry bdl-5", resourceOf(`"Bundle","type":"collection"`), []string{`"entry":[{"resource":{"resourceType":"Patient"}}]`}, []string{`"entry":[{"fullUrl":"urn:uuid:a"}]`}},
	{"Bundle.entry bdl-8", resourceOf(`"Bundle","type":"collection"`), []string{`"entry":[{"fullUrl":"http://a.example/Patient/1","resource":{"resourceType":"Patient"}}]`}, []string{`"entry":[{"fullUrl":"http://a.example/Patient/1/_history/2","resource":{"resourceType":"Patient"}}]`}},

	{"Questionnaire que-2", resourceOf(`"Questionnaire","status":"active"`), []string{`"item":[{"linkId":"1","type":"group","item":[{"linkId":"2","type":"string"}]}]`},
		[]string{`"item":[{"linkId":"1","type":"group","item":[{"linkId":"1","type":"string"}]}]`}},
	{"Questionnaire.item que-1", question, []string{`"linkId":"1","type":"group","item":[{"linkId":"2","type":"string"}]`, `"linkId":"1","type":"string","item":[{"linkId":"2","type":"string"}]`},
		[]string{`"linkId":"1","type":"group"`, `"linkId":"1","type":"display","item":[{"linkId":"2","type":"string"}]`}},
	{"Questionnaire.item que-3", question, []string{`"linkId":"1","type":"string","code":[{"code":"a"}]`}, []string{`"linkId":"1","type":"display","code":[{"code":"a"}]`}},
	{"Questionnaire.item que-4", question, []string{`"linkId":"1","type":"choice","answerValueSet":"http://a.example"`}, []string{`"linkId":"1","type":"choice","answerValueSet":"http://a.example","answerOption":[{"valueInteger":1}]`}},
	{"Questionnaire.item que-5", question, []string{`"linkId":"1","type":"integer","answerOption":[{"valueInteger":1}]`}, []string{`"linkId":"1","type":"boolean","answerOption":[{"valueInteger":1}]`, `"linkId":"1","type":"text","answerValueSet":"http://a.example"`}},
	{"Questionnaire.item que-6", question, []string{`"linkId":"1","type":"string","required":true`}, []string{`"linkId":"1","type":"display","required":false`, `"linkId":"1","type":"display","repeats":true`}},
	{"Questionnaire.item que-8", question, []string{`"linkId":"1","type":"integer","initial":[{"valueInteger":1}]`}, []string{`"linkId":"1","type":"display","initial":[{"valueInteger":1}]`}},
	{"Questionnaire.item que-9", question, []string{`"linkId":"1","type":"string","readOnly":true`}, []string{`"linkId":"1","type":"display","readOnly":true`}},
	{"Questionnaire.item que-10", question, []string{`"linkId":"1","type":"text","maxLength":9`}, []string{`"linkId":"1","type":"date","maxLength":9`}},
	{"Questionnaire.item que-11", question, []string{`"linkId":"1","type":"integer","answerOption":[{"valueInteger":1,"initialSelected":true}]`}, []string{`"linkId":"1","type":"integer","answerOption":[{"valueInteger":1}],"initial":[{"valueInteger":1}]`}},
	{"Questionnaire.item que-12", question, []string{`"linkId":"1","type":"string","enableBehavior":"all","enableWhen":[` + threeConditions + `]`}, []string{`"linkId":"1","type":"string","enableWhen":[` + threeConditions + `]`}},
	{"Questionnaire.item que-13", question, []string{`"linkId":"1","type":"integer","repeats":true,"initial":[{"valueInteger":1},{"valueInteger":2}]`}, []string{`"linkId":"1","type":"integer","initial":[{"valueInteger":1},{"valueInteger":2}]`}},
	{"Questionnaire.item.enableWhen que-7", question, []string{`"linkId":"1","type":"string","enableWhen":[{"question":"a","operator":"exists","answerBoolean":true}]`}, []string{`"linkId":"1","type":"string","enableWhen":[{"question":"a","operator":"exists","answerInteger":1}]`}},
	{"QuestionnaireResponse.item qrs-1", part(`"QuestionnaireResponse","status":"completed"`, "item"), []string{`"linkId":"1","answer":[{"valueInteger":1,"item":[{"linkId":"2"}]}]`}, []string{`"linkId":"1","answer":[{"valueInteger":1}],"item":[{"linkId":"2"}]`}},
}

const threeConditions = `{"question":"a","operator":"=","answerInteger":1},{"question":"b","operator":"=","answerInteger":1},{"question":"c","operator":"=","answerInteger":1}`

var document = resourceOf(`"Bundle","type":"document","entry":[{"resource":{"resourceType":"Composition","status":"final","type":{"text":"a"},"date":"2026","author":[{"reference":"Practitioner/1"}],"title":"a"}}]`)

func consentCase(key, code string) (c struct {
	rule   string
	make   func(members string) string
	passes []string
	fails  []string
}) {
	scope := `"policyRule":{"text":"a"},"scope":{"coding":[{"system":"something","code":"` + code + `"}]}`
	c.rule, c.make = "Consent "+key, consent
	c.passes, c.fails = []string{scope + `,"patient":{"reference":"Patient/1"}`}, []string{scope}
	return c
}

func TestEachInvariantAcceptsAndRefuses(t *testing.T) {
	covered := map[string]bool{}
	for _, c := range ruleCases {
		path, key, _ := strings.Cut(c.rule, " ")
		covered[c.rule] = true
		t.Run(c.rule, func(t *testing.T) {
			for _, members := range c.passes {
				require.Empty(t, issues(t, c.make(members)), members)
			}
			for _, members := range c.fails {
				found := ""
				for _, issue := range Resource(parse(t, c.make(members)), Options{}).Issues {
					if issue.Key == key {
						found = issue.Expression
						require.Equal(t, Rule, issue.Class)
					}
				}
				require.NotEmpty(t, found, members)
				_, below, _ := strings.Cut(path, ".")
				require.True(t, strings.HasSuffix(strings.ReplaceAll(found, "[0]", ""), below), found)
			}
		})
	}
	for _, r := range rules {
		require.True(t, covered[r.path+" "+r.key], r.path+" "+r.key+" has no case")
	}
}

func TestARuleThatTheTablesDoNotNameIsNotApplied(t *testing.T) {
	other := *tables
	other.Constraints = nil
	r := parse(t, in("Period")(`"start":"2026-01-02","end":"2026-01-01"`))
	require.False(t, New(tables).Resource(r, Options{}).OK())
	require.True(t, New(&other).Resource(r, Options{}).OK())
}
