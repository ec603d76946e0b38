package validate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

// issues returns what is wrong as "class expression key", one each.
func issues(t testing.TB, text string) []string {
	t.Helper()
	list := []string{}
	for _, issue := range Resource(parse(t, text), Options{}).Issues {
		class := map[Class]string{Structure: "structure", Value: "value", Rule: "rule"}[issue.Class]
		list = append(list, strings.TrimSpace(class+" "+issue.Expression+" "+issue.Key))
		require.NotEmpty(t, issue.Text)
	}
	return list
}

// request is a minimal ServiceRequest with more members.
func request(members string) string {
	return `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"}` + members + `}`
}

func patient(members string) string { return `{"resourceType":"Patient",` + members + `}` }

func TestAGoodResourceIsAccepted(t *testing.T) {
	report := Resource(parse(t, referral), Options{})
	require.Empty(t, report.Issues)
	require.True(t, report.OK())
	require.Nil(t, report.Outcome())
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	cases := []struct {
		name, text string
		want       []string
	}{
		// Members and JSON types.
		{"a required element is missing", `{"resourceType":"ServiceRequest","intent":"order","subject":{"reference":"Patient/1"}}`, []string{"rule ServiceRequest.status"}},
		{"a string for a boolean", patient(`"active":"yes"`), []string{"structure Patient.active"}},
		{"an unknown member", patient(`"foo":1`), []string{"structure Patient.foo"}},
		{"an unknown member inside", patient(`"name":[{"family":"A","surname":"B"}]`), []string{"structure Patient.name[0].surname"}},
		{"an unknown member whose name says too much", patient(`"Jane Tester 1970":1`), []string{"structure Patient.?"}},
		{"a member without a name", patient(`"":1`), []string{"structure Patient.?"}},
		{"a string for a backbone element", patient(`"contact":["a"]`), []string{"structure Patient.contact[0]"}},
		{"another resource's member", `{"resourceType":"Slot","schedule":{"reference":"Schedule/1"},"status":"free","start":"2026-01-01T10:00:00Z","end":"2026-01-01T10:10:00Z","birthDate":"1970-01-01"}`, []string{"structure Slot.birthDate"}},
		{"resourceType: Slot with a Patient's members", `{"resourceType":"Slot","name":[{"family":"A"}],"gender":"female"}`, []string{"structure Slot.name", "structure Slot.gender", "rule Slot.schedule", "rule Slot.status", "rule Slot.start", "rule Slot.end"}},
		{"the choice without its type", `{"resourceType":"Observation","status":"final","code":{"text":"a"},"value":1}`, []string{"structure Observation.value"}},
		{"an empty array", patient(`"name":[]`), []string{"structure Patient.name"}},
		{"an empty object", patient(`"name":[{}]`), []string{"structure Patient.name[0]"}},
		{"an empty string", patient(`"name":[{"family":""}]`), []string{"value Patient.name[0].family"}},
		{"null", patient(`"active":null`), []string{"structure Patient.active"}},
		{"null in an array of objects", patient(`"name":[null]`), []string{"structure Patient.name[0]"}},
		{"null in an array of strings", patient(`"name":[{"given":["A",null]}]`), []string{"structure Patient.name[0].given"}},
		{"an array for a single value", patient(`"birthDate":["1970-01-01"]`), []string{"structure Patient.birthDate"}},
		{"a single value for an array", patient(`"name":{"family":"A"}`), []string{"structure Patient.name"}},
		{"an object for a string", patient(`"birthDate":{"value":"1970-01-01"}`), []string{"structure Patient.birthDate"}},
		{"a string for an object", patient(`"maritalStatus":"M"`), []string{"structure Patient.maritalStatus"}},
		{"a string for a number", patient(`"multipleBirthInteger":"2"`), []string{"structure Patient.multipleBirthInteger"}},
		{"a number for a string", patient(`"name":[{"family":7}]`), []string{"structure Patient.name[0].family"}},
		{"an array in an array", patient(`"name":[[{"family":"A"}]]`), []string{"structure Patient.name[0]"}},
		{"no resourceType", `{"active":true}`, []string{"structure resourceType"}},
		{"an unknown resourceType", `{"resourceType":"Jane Tester"}`, []string{"structure resourceType"}},
		{"an abstract resourceType", `{"resourceType":"DomainResource"}`, []string{"structure resourceType"}},
		{"a resourceType that is no string", `{"resourceType":1}`, []string{"structure resourceType"}},
		{"a resourceType where there is none", patient(`"name":[{"resourceType":"HumanName"}]`), []string{"structure Patient.name[0].resourceType"}},

		// Values.
		{"a day that doesn't exist", patient(`"birthDate":"1970-13-40"`), []string{"value Patient.birthDate"}},
		{"a date for an instant", `{"resourceType":"Slot","schedule":{"reference":"Schedule/1"},"status":"free","start":"2026-01-01","end":"2026-01-01T10:10:00Z"}`, []string{"value Slot.start"}},
		{"a booked appointment without start and end", `{"resourceType":"Appointment","status":"booked","participant":[{"status":"accepted","actor":{"reference":"Patient/1"}}]}`, []string{"rule Appointment app-3"}},
		{"a decimal as it was written", `{"resourceType":"Observation","status":"final","code":{"text":"a"},"valueQuantity":{"value":1.00}}`, nil},

		// Extensions of primitives.
		{"an extension instead of a value", patient(`"_birthDate":{"extension":[{"url":"http://a.example/x","valueCode":"unknown"}]}`), nil},
		{"extensions beside values", patient(`"name":[{"given":["A",null],"_given":[null,{"extension":[{"url":"http://a.example/x","valueCode":"b"}]}]}]`), nil},
		{"an id beside a value", patient(`"birthDate":"1970-01-01","_birthDate":{"id":"b"}`), nil},
		{"only an id", patient(`"_birthDate":{"id":"b"}`), []string{"rule Patient.birthDate ele-1"}},
		{"an extension that is wrong", patient(`"_birthDate":{"extension":[{"url":"http://a.example/x"}]}`), []string{"rule Patient.birthDate.extension[0] ext-1"}},
		{"an unknown member of them", patient(`"birthDate":"1970-01-01","_birthDate":{"value":"b"}`), []string{"structure Patient.birthDate.value"}},
		{"nothing in them", patient(`"birthDate":"1970-01-01","_birthDate":{}`), []string{"structure Patient.birthDate"}},
		{"an array beside a single value", patient(`"birthDate":"1970-01-01","_birthDate":[null]`), []string{"structure Patient.birthDate"}},
		{"an object beside an array", patient(`"name":[{"given":["A"],"_given":{"id":"a"}}]`), []string{"structure Patient.name[0].given"}},
		{"arrays of different lengths", patient(`"name":[{"given":["A"],"_given":[null,{"id":"a"}]}]`), []string{"structure Patient.name[0].given"}},
		{"an empty array beside", patient(`"name":[{"given":["A"],"_given":[]}]`), []string{"structure Patient.name[0].given"}},
		{"an empty array beside nothing", patient(`"name":[{"_given":[]}]`), []string{"structure Patient.name[0].given"}},
		{"null in both arrays", patient(`"name":[{"given":["A",null],"_given":[{"id":"a"},null]}]`), []string{"structure Patient.name[0].given[1]"}},
		{"an array of nothing but null", patient(`"name":[{"given":["A"],"_given":[null]}]`), []string{"structure Patient.name[0].given"}},
		{"no array of values and null", patient(`"name":[{"_given":[null,{"extension":[{"url":"http://a.example/x","valueCode":"b"}]}]}]`), []string{"structure Patient.name[0].given[0]"}},
		{"an extension of what is no primitive", patient(`"name":[{"family":"A"}],"_name":[{"id":"a"}]`), []string{"structure Patient.name"}},
		{"an extension of an extension's url", patient(`"extension":[{"url":"http://a.example/x","_url":{"id":"a"},"valueCode":"b"}]`), []string{"structure Patient.extension[0].url"}},

		// Cardinality, choices, codes.
		{"a required choice is missing", `{"resourceType":"MedicationStatement","status":"active","subject":{"reference":"Patient/1"}}`, []string{"rule MedicationStatement.medication"}},
		{"a required element by its extension", `{"resourceType":"Slot","schedule":{"reference":"Schedule/1"},"status":"free","_start":{"extension":[{"url":"http://a.example/x","valueCode":"b"}]},"end":"2026-01-01T10:10:00Z"}`, nil},
		{"two alternatives", patient(`"deceasedBoolean":true,"deceasedDateTime":"2020"`), []string{"rule Patient.deceasedDateTime"}},
		{"one alternative with extensions", patient(`"deceasedDateTime":"2020","_deceasedDateTime":{"id":"a"}`), nil},
		{"an extension of another alternative", patient(`"deceasedDateTime":"2020","_deceasedBoolean":{"extension":[{"url":"http://a.example/x","valueCode":"b"}]}`), []string{"rule Patient.deceasedBoolean"}},
		{"three alternatives", patient(`"extension":[{"url":"http://a.example/x","valueCode":"a","valueString":"b","valueUri":"c"}]`), []string{"rule Patient.extension[0].valueString", "rule Patient.extension[0].valueUri"}},
		{"a code of no value set", patient(`"gender":"banana"`), []string{"rule Patient.gender"}},
		{"a code in another case", patient(`"gender":"Female"`), []string{"rule Patient.gender"}},
		{"a concept of another system", `{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/1"},"clinicalStatus":{"coding":[{"system":"http://a.example","code":"active"}]}}`, []string{"rule AllergyIntolerance.clinicalStatus"}},
		{"a concept with text only", `{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/1"},"clinicalStatus":{"text":"active"}}`, []string{"rule AllergyIntolerance.clinicalStatus"}},
		{"a concept with a coding without system", `{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/1"},"clinicalStatus":{"coding":[{"code":"active"}]}}`, []string{"rule AllergyIntolerance.clinicalStatus"}},
		{"a concept that says why it is absent", `{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/1"},"clinicalStatus":{"extension":[{"url":"http://a.example/x","valueCode":"unknown"}]}}`, nil},
		{"a concept with one good coding of two", `{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/1"},"clinicalStatus":{"coding":[{"system":"http://a.example","code":"on"},{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}]}}`, nil},

		// Extensions and elements.
		{"an extension with a value and extensions", patient(`"extension":[{"url":"http://a.example/x","valueCode":"b","extension":[{"url":"y","valueCode":"c"}]}]`), []string{"rule Patient.extension[0] ext-1"}},
		{"an extension without url", patient(`"extension":[{"valueCode":"b"}]`), []string{"rule Patient.extension[0].url"}},
		{"an element with only an id", patient(`"name":[{"id":"a"}]`), []string{"rule Patient.name[0] ele-1"}},
		{"an id of an element with a space", patient(`"name":[{"id":"a b","family":"A"}]`), []string{"value Patient.name[0].id"}},

		// Resources in resources.
		{"a resource in a bundle", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","gender":"banana"}}]}`, []string{"rule Bundle.entry[0].resource.gender"}},
		{"no resourceType in a bundle", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"id":"a"}}]}`, []string{"structure Bundle.entry[0].resource.resourceType"}},
		{"a string for a resource", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":"Patient"}]}`, []string{"structure Bundle.entry[0].resource"}},
		{"a resource in parameters", `{"resourceType":"Parameters","parameter":[{"name":"a","resource":{"resourceType":"Slot","status":"open"}}]}`,
			[]string{"rule Parameters.parameter[0].resource.status", "rule Parameters.parameter[0].resource.schedule", "rule Parameters.parameter[0].resource.start", "rule Parameters.parameter[0].resource.end"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			require.ElementsMatch(t, c.want, issues(t, c.text))
		})
	}
}

func TestTheKindOfTheOutcomeIsThatOfTheWorstIssue(t *testing.T) {
	rule, value, structure := `"gender":"banana"`, `"birthDate":"1970-13-40"`, `"foo":1`
	cases := []struct {
		members string
		want    fhir.Kind
	}{
		{rule, fhir.KindInvariant},
		{rule + "," + value, fhir.KindValue},
		{value + "," + rule, fhir.KindValue},
		{rule + "," + value + "," + structure, fhir.KindStructure},
	}
	for _, c := range cases {
		out := Resource(parse(t, patient(c.members)), Options{}).Outcome()
		require.Equal(t, c.want, out.Kind)
		require.Len(t, out.Issues, strings.Count(c.members, ",")+1, "all problems at once")
	}
	out := Resource(parse(t, patient(`"extension":[{"url":"a"}]`)), Options{}).Outcome()
	require.Contains(t, out.Issues[0].Diagnostics, "(ext-1)")
	require.Equal(t, "Patient.extension[0]", out.Issues[0].Expression)
}

func TestTheReportIsBounded(t *testing.T) {
	text := patient(`"name":[` + strings.Repeat(`{"family":1},`, 500) + `{"family":1}]`)
	report := Resource(parse(t, text), Options{})
	require.Len(t, report.Issues, DefaultMaxIssues)
	require.True(t, report.Cut)
	require.Len(t, report.Outcome().Issues, DefaultMaxIssues+1)
	require.Len(t, Resource(parse(t, text), Options{MaxIssues: 3}).Issues, 3)
}

func TestNoIssueQuotesAValue(t *testing.T) {
	text := `{"resourceType":"Patient","id":"Zebra Zebra","gender":"Zebra","birthDate":"Zebra","Zebra.Zebra":1,"active":"Zebra",
"text":{"status":"Zebra","div":"<Zebra/>"},"managingOrganization":{"reference":"Zebra/Zebra"},"contact":[{"gender":"Zebra"}],
"photo":[{"data":"Zebra!"}],"multipleBirthInteger":1.5,"communication":[{"language":{"text":"Zebra"},"preferred":["Zebra"]}],"contained":[{"resourceType":"Zebra"}]}`
	report := Resource(parse(t, text), Options{})
	require.Greater(t, len(report.Issues), 10)
	for _, issue := range report.Issues {
		require.NotContains(t, issue.Text+issue.Expression, "Zebra")
	}
}

func TestAGoodResourceCostsOneAllocation(t *testing.T) {
	r := parse(t, referral)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { Resource(r, Options{}) }), 1.0)
}
