package profile_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// check is one resource and the issues that it must have; none: it is sound.
type check struct {
	resource string
	issues   []string
}

func sound(resource string) check                   { return check{resource, nil} }
func wrong(resource string, issues ...string) check { return check{resource, issues} }

// ruleCase is a profile called P, of the type of its resources.
type ruleCase struct {
	name   string
	typ    string
	rules  string
	others folder
	checks []check
}

const nhs = `{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9000000009"}`

var ruleCases = []ruleCase{
	{"cardinality", "Patient", elements(
		element("Patient.birthDate", `"min":1`),
		element("Patient.name", `"min":1`, `"max":"2"`),
		element("Patient.photo", `"max":"0"`),
		element("Patient.name.family", `"min":1`),
		element("Patient.telecom", `"max":"*"`),
	), nil, []check{
		sound(`{"resourceType":"Patient","birthDate":"1970-01-01","name":[{"family":"A"},{"_family":{"extension":[{"url":"https://a.example","valueCode":"x"}]}}]}`),
		wrong(`{"resourceType":"Patient","name":[{"family":"A"},{"family":"B"},{"text":"C"}],"photo":[{"title":"me"}]}`,
			"error required Patient.birthDate Patient.birthDate", "error structure Patient.name[2] Patient.name",
			"error required Patient.name[2].family Patient.name.family", "error structure Patient.photo[0] Patient.photo"),
	}},
	{"fixed and pattern values", "ServiceRequest", elements(
		element("ServiceRequest.intent", `"fixedCode":"plan"`),
		element("ServiceRequest.code", `"patternCodeableConcept":{"coding":[{"system":"https://a.example","code":"x"}]}`),
		element("ServiceRequest.quantity[x]", `"fixedQuantity":{"value":1,"unit":"g"}`),
	), nil, []check{
		sound(`{"resourceType":"ServiceRequest","intent":"plan","quantityQuantity":{"unit":"g","value":1},"code":{"text":"t","coding":[{"code":"y"},{"system":"https://a.example","code":"x","display":"X"}]}}`),
		wrong(`{"resourceType":"ServiceRequest","intent":"order","quantityQuantity":{"value":1,"unit":"g","code":"g"},"code":{"coding":[{"system":"https://a.example"},{"code":"x"}]}}`,
			"error value ServiceRequest.intent ServiceRequest.intent", "error value ServiceRequest.code ServiceRequest.code",
			"error value ServiceRequest.quantityQuantity ServiceRequest.quantity[x]"),
	}},
	{"extensions of primitives", "Patient", element("Patient.name.given.extension", `"max":"0"`), nil, []check{
		sound(`{"resourceType":"Patient","name":[{"given":["A","B"],"_given":[null,{"id":"x"}]}]}`),
		wrong(`{"resourceType":"Patient","name":[{"given":["A",null],"_given":[null,{"extension":[{"url":"https://a.example","valueCode":"x"}]}]}]}`,
			"error structure Patient.name[0].given[1].extension[0] Patient.name.given.extension"),
		wrong(`{"resourceType":"Patient","name":[{"given":["A","B"],"_given":[null,{"extension":[{"url":"https://a.example","valueCode":"x"}]}]}]}`,
			"error structure Patient.name[0].given[1].extension[0] Patient.name.given.extension"),
	}},
	{"maxLength", "Patient", element("Patient.name.family", `"maxLength":3`), nil, []check{
		sound(`{"resourceType":"Patient","name":[{"family":"ÅÄÖ"}]}`),
		wrong(`{"resourceType":"Patient","name":[{"family":"ABCD"}]}`, "error too-long Patient.name[0].family Patient.name.family"),
	}},
	{"types of a choice", "Patient", elements(
		element("Patient.deceased[x]", `"type":[{"code":"dateTime"}]`),
		element("Patient.multipleBirthInteger", `"fixedInteger":2`),
	), nil, []check{
		sound(`{"resourceType":"Patient","deceasedDateTime":"2020","multipleBirthBoolean":true}`),
		sound(`{"resourceType":"Patient","multipleBirthInteger":2}`),
		wrong(`{"resourceType":"Patient","deceasedBoolean":true,"multipleBirthInteger":3}`,
			"error structure Patient.deceasedBoolean Patient.deceased[x]", "error value Patient.multipleBirthInteger Patient.multipleBirthInteger"),
	}},
	{"elements of one alternative", "ServiceRequest", elements(
		element("ServiceRequest.occurrence[x]", slicing(open, "type $this")),
		element("ServiceRequest.occurrence[x]:occurrencePeriod", `"type":[{"code":"Period"}]`),
		element("ServiceRequest.occurrence[x]:occurrencePeriod.start", `"min":1`),
	), nil, []check{
		sound(`{"resourceType":"ServiceRequest","occurrencePeriod":{"start":"2020"}}`),
		sound(`{"resourceType":"ServiceRequest","occurrenceDateTime":"2020"}`),
		wrong(`{"resourceType":"ServiceRequest","occurrencePeriod":{"end":"2020"}}`,
			"error required ServiceRequest.occurrencePeriod.start ServiceRequest.occurrence[x]:occurrencePeriod.start"),
	}},
	{"what a reference leads to", "ServiceRequest", elements(
		element("ServiceRequest.subject", `"type":[{"code":"Reference","targetProfile":["`+base+`Group","`+ours+`Person"]}]`),
	), folder{"person.json": definition("Person", "Patient", element("Patient.active", `"min":1`))}, []check{
		sound(`{"resourceType":"ServiceRequest","subject":{"reference":"Patient/1"}}`),
		sound(`{"resourceType":"ServiceRequest","subject":{"reference":"https://a.example/Group/1/_history/1"}}`),
		sound(`{"resourceType":"ServiceRequest","subject":{"reference":"urn:uuid:0"}}`),
		sound(`{"resourceType":"ServiceRequest","subject":{"display":"somebody"}}`),
		wrong(`{"resourceType":"ServiceRequest","subject":{"reference":"Device/1"}}`, "error structure ServiceRequest.subject ServiceRequest.subject"),
		wrong(`{"resourceType":"ServiceRequest","subject":{"type":"Location"}}`, "error structure ServiceRequest.subject ServiceRequest.subject"),
		wrong(`{"resourceType":"ServiceRequest","contained":[{"resourceType":"Patient","id":"p"},{"resourceType":"Device","id":"d"}],"subject":{"reference":"#d"}}`,
			"error structure ServiceRequest.subject ServiceRequest.subject"),
	}},
	{"a data type profile", "Patient", element("Patient.identifier", `"type":[{"code":"Identifier","profile":["`+ours+`Whole"]}]`),
		folder{"whole.json": definition("Whole", "Identifier", elements(element("Identifier.system", `"min":1`), element("Identifier.value", `"min":1`)))}, []check{
			sound(`{"resourceType":"Patient","identifier":[` + nhs + `]}`),
			wrong(`{"resourceType":"Patient","identifier":[`+nhs+`,{"system":"https://a.example"}]}`, "error required Patient.identifier[1].value Identifier.value"),
		}},
	{"one of two data type profiles", "Patient", element("Patient.identifier", `"type":[{"code":"Identifier","profile":["`+ours+`A","`+ours+`B"]}]`),
		folder{"a.json": definition("A", "Identifier", element("Identifier.system", `"min":1`)), "b.json": definition("B", "Identifier", element("Identifier.type", `"min":1`))}, []check{
			sound(`{"resourceType":"Patient","identifier":[{"system":"https://a.example"},{"type":{"text":"t"}}]}`),
			wrong(`{"resourceType":"Patient","identifier":[{"value":"1"}]}`, "error structure Patient.identifier[0] Patient.identifier"),
		}},
	{"required and extensible bindings", "Patient", elements(
		element("Patient.maritalStatus", `"binding":{"strength":"required","valueSet":"`+sets+`colours|1.0.0"}`),
		element("Patient.contact.relationship", `"binding":{"strength":"extensible","valueSet":"`+sets+`colours"}`),
		element("Patient.communication.language", `"binding":{"strength":"required","valueSet":"http://hl7.org/fhir/ValueSet/all-languages"}`),
	), colours, []check{
		sound(`{"resourceType":"Patient","maritalStatus":{"coding":[{"code":"x"},{"system":"` + codes + `colours","code":"dark-red"}]},"contact":[{"relationship":[{"coding":[{"system":"` + codes + `other","code":"grey"}]}]}],"communication":[{"language":{"coding":[{"system":"urn:ietf:bcp:47","code":"en-GB"}]}}]}`),
		wrong(`{"resourceType":"Patient","maritalStatus":{"coding":[{"system":"`+codes+`other","code":"red"}]},"contact":[{"relationship":[{"text":"mum"}]}],"communication":[{"language":{"coding":[{"system":"urn:ietf:bcp:47","code":"en_GB"}]}}]}`,
			"error code-invalid Patient.maritalStatus Patient.maritalStatus",
			"information code-invalid Patient.contact[0].relationship[0] Patient.contact.relationship",
			"error code-invalid Patient.communication[0].language Patient.communication.language"),
		wrong(`{"resourceType":"Patient","maritalStatus":{"coding":[{"system":"`+codes+`colours","code":"black"}]}}`, "error code-invalid Patient.maritalStatus Patient.maritalStatus"),
	}},
	{"constraints", "Observation", elements(
		element("Observation", `"constraint":[{"key":"own-1","severity":"error","human":"a value or a reason","expression":"value.exists() or dataAbsentReason.exists()"},`+
			`{"key":"own-2","severity":"warning","human":"a note","expression":"note.exists()"}]`),
	), nil, []check{
		sound(`{"resourceType":"Observation","valueString":"a","note":[{"text":"n"}]}`),
		wrong(`{"resourceType":"Observation"}`, "error invariant Observation Observation", "warning invariant Observation Observation"),
	}},
	{"the resource itself of another type", "Patient", element("Patient.active", `"min":1`), nil, []check{
		wrong(`{"resourceType":"Device"}`, "error invalid Device"),
	}},
	{"a resource inside another", "Bundle", elements(
		element("Bundle.entry", slicing(closed, "type resource")),
		element("Bundle.entry:patient", `"min":1`, `"max":"1"`),
		element("Bundle.entry:patient.resource", `"type":[{"code":"Patient"}]`),
		element("Bundle.entry:patient.resource.birthDate", `"min":1`),
	), nil, []check{
		sound(`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","birthDate":"1970"}}]}`),
		wrong(`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Device"}},{"resource":{"resourceType":"Patient"}}]}`,
			"error required Bundle.entry[1].resource.birthDate Bundle.entry:patient.resource.birthDate", "error structure Bundle.entry[0] Bundle.entry"),
		wrong(`{"resourceType":"Bundle","type":"collection"}`, "error required Bundle.entry Bundle.entry:patient"),
	}},
}

// colours is a required value set: two codes named, those of a code system (with
// one below another), without one.
var colours = folder{
	"set.json": `{"resourceType":"ValueSet","url":"` + sets + `colours","status":"active","compose":{"include":[{"system":"` + codes + `colours"},` +
		`{"system":"` + codes + `other","concept":[{"code":"grey"}]}],"exclude":[{"system":"` + codes + `colours","concept":[{"code":"black"}]}]}}`,
	"system.json": `{"resourceType":"CodeSystem","url":"` + codes + `colours","status":"active","content":"complete","concept":[{"code":"red","concept":[{"code":"dark-red"}]},{"code":"black"}]}`,
}

func TestEachRuleAcceptsAndRefuses(t *testing.T) {
	runCases(t, ruleCases)
}

func runCases(t *testing.T, cases []ruleCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := folder{"p.json": definition("P", c.typ, c.rules)}
			for name, text := range c.others {
				f[name] = text
			}
			s := load(t, f)
			require.Empty(t, s.Unenforced())
			for _, k := range c.checks {
				require.Equal(t, k.issues, found(t, s, "P", k.resource), k.resource)
			}
		})
	}
}
