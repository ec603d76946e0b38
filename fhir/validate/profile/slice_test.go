package profile_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	local = `{"system":"https://a.example/Id","value":"1"}`
	plain = `{"value":"1"}`
)

func patient(identifiers string) string {
	return `{"resourceType":"Patient","identifier":[` + identifiers + `]}`
}

// twoSlices are an NHS number, at most one, and a local number, at least one.
func twoSlices(rules string) string {
	return elements(
		element("Patient.identifier", slicing(rules, "value system")),
		element("Patient.identifier:nhs", `"max":"1"`),
		element("Patient.identifier:nhs.system", `"min":1`, `"fixedUri":"https://fhir.nhs.uk/Id/nhs-number"`),
		element("Patient.identifier:nhs.value", `"min":1`),
		element("Patient.identifier:local", `"min":1`),
		element("Patient.identifier:local.system", `"patternUri":"https://a.example/Id"`),
	)
}

func category(codings string) string {
	return `{"resourceType":"Observation","category":[` + codings + `]}`
}

var sliceCases = []ruleCase{
	{"open slices by a fixed value", "Patient", twoSlices(open), nil, []check{
		sound(patient(plain + "," + nhs + "," + local)),
		wrong(patient(nhs+","+nhs), "error structure Patient.identifier[1] Patient.identifier:nhs", "error required Patient.identifier Patient.identifier:local"),
		wrong(patient(local+`,{"system":"https://fhir.nhs.uk/Id/nhs-number"}`), "error required Patient.identifier[1].value Patient.identifier:nhs.value"),
	}},
	{"closed slices", "Patient", twoSlices(closed), nil, []check{
		sound(patient(local + "," + nhs)),
		wrong(patient(local+","+plain), "error structure Patient.identifier[1] Patient.identifier"),
	}},
	{"slices that others stand behind", "Patient", twoSlices(`"rules":"openAtEnd"`), nil, []check{
		sound(patient(local + "," + nhs + "," + plain)),
		wrong(patient(local+","+plain+","+nhs), "error structure Patient.identifier[2] Patient.identifier"),
	}},
	{"slices in order", "Patient", twoSlices(`"rules":"open","ordered":true`), nil, []check{
		sound(patient(nhs + "," + plain + "," + local)),
		wrong(patient(local+","+nhs), "error structure Patient.identifier[1] Patient.identifier"),
	}},
	{"slices by a pattern of the whole", "Observation", elements(
		element("Observation.category", slicing(open, "pattern $this")),
		element("Observation.category:lab", `"min":1`, `"patternCodeableConcept":{"coding":[{"system":"https://a.example","code":"lab"}]}`),
		element("Observation.category:lab.text", `"min":1`),
	), nil, []check{
		sound(category(`{"coding":[{"system":"https://a.example","code":"lab","display":"L"}],"text":"t"},{"text":"other"}`)),
		wrong(category(`{"coding":[{"system":"https://a.example","code":"x"}]}`), "error required Observation.category Observation.category:lab"),
		wrong(category(`{"coding":[{"system":"https://a.example","code":"lab"}]}`), "error required Observation.category[0].text Observation.category:lab.text"),
	}},
	{"slices by a value further down, from a pattern further up", "Observation", elements(
		element("Observation.category", slicing(open, "value coding.system")),
		element("Observation.category:own", `"max":"1"`, `"patternCodeableConcept":{"coding":[{"system":"https://a.example","code":"lab"}]}`),
	), nil, []check{
		sound(category(`{"coding":[{"system":"https://a.example","code":"lab"}]},{"coding":[{"system":"https://b.example","code":"x"}]}`)),
		wrong(category(`{"coding":[{"system":"https://a.example","code":"x"}]}`), "error value Observation.category[0] Observation.category:own"),
	}},
	{"slices by values below the place", "Observation", elements(
		element("Observation.component", slicing(open, "value code")),
		element("Observation.component:high", `"min":1`, `"max":"1"`),
		element("Observation.component:high.code.coding.code", `"fixedCode":"high"`),
		element("Observation.component:high.value[x]", `"min":1`),
	), nil, []check{
		sound(`{"resourceType":"Observation","component":[{"code":{"coding":[{"code":"high"}]},"valueInteger":1},{"code":{"text":"x"}}]}`),
		wrong(`{"resourceType":"Observation","component":[{"code":{"coding":[{"code":"high"}]}}]}`, "error required Observation.component[0].value Observation.component:high.value[x]"),
	}},
	{"slices by a required binding", "Observation", elements(
		element("Observation.category", slicing(open, "value $this")),
		element("Observation.category:colour", `"max":"1"`, `"binding":{"strength":"required","valueSet":"`+sets+`colours"}`),
	), colours, []check{
		sound(category(`{"coding":[{"system":"` + codes + `colours","code":"red"}]},{"coding":[{"system":"` + codes + `colours","code":"black"}]}`)),
		wrong(category(`{"coding":[{"system":"`+codes+`colours","code":"red"}]},{"coding":[{"system":"`+codes+`other","code":"grey"}]}`),
			"error structure Observation.category[1] Observation.category:colour"),
	}},
	{"slices by what is there", "Patient", elements(
		element("Patient.identifier", slicing(closed, "exists period")),
		element("Patient.identifier:old", `"max":"1"`),
		element("Patient.identifier:old.period", `"min":1`),
		element("Patient.identifier:now", `"max":"1"`),
		element("Patient.identifier:now.period", `"max":"0"`),
	), nil, []check{
		sound(patient(`{"value":"1"},{"value":"2","period":{"end":"2020"}}`)),
		wrong(patient(`{"value":"1"},{"value":"2"}`), "error structure Patient.identifier[1] Patient.identifier:now"),
	}},
	{"slices by the type of a reference", "ServiceRequest", elements(
		element("ServiceRequest.performer", slicing(open, "type $this.resolve()")),
		element("ServiceRequest.performer:service", `"min":1`, `"type":[{"code":"Reference","targetProfile":["`+base+`HealthcareService"]}]`),
	), nil, []check{
		sound(`{"resourceType":"ServiceRequest","performer":[{"reference":"Practitioner/1"},{"reference":"HealthcareService/1"}]}`),
		wrong(`{"resourceType":"ServiceRequest","performer":[{"reference":"Practitioner/1"}]}`, "error required ServiceRequest.performer ServiceRequest.performer:service"),
		wrong(`{"resourceType":"ServiceRequest","performer":[{"identifier":{"value":"1"}}]}`, "information not-found ServiceRequest.performer[0] ServiceRequest.performer"),
	}},
	{"slices by the profile of what a reference leads to", "ServiceRequest", elements(
		element("ServiceRequest.performer", slicing(open, "profile resolve()")),
		element("ServiceRequest.performer:ours", `"min":1`, `"type":[{"code":"Reference","targetProfile":["`+ours+`Doctor"]}]`),
	), folder{"doctor.json": definition("Doctor", "Practitioner", element("Practitioner.active", `"fixedBoolean":true`, `"min":1`))}, []check{
		sound(`{"resourceType":"ServiceRequest","contained":[{"resourceType":"Practitioner","id":"d","active":true}],"performer":[{"reference":"#d"}]}`),
		wrong(`{"resourceType":"ServiceRequest","contained":[{"resourceType":"Practitioner","id":"d"}],"performer":[{"reference":"#d"}]}`,
			"error required ServiceRequest.performer ServiceRequest.performer:ours"),
		wrong(`{"resourceType":"ServiceRequest","performer":[{"reference":"Practitioner/1"}]}`, "information not-found ServiceRequest.performer[0] ServiceRequest.performer"),
	}},
	{"slices by a value of what a reference leads to", "Bundle", elements(
		element("Bundle.entry", slicing(open, "type resource")),
		element("Bundle.entry:request.resource", `"type":[{"code":"ServiceRequest"}]`),
		element("Bundle.entry:request.resource.performer", slicing(open, "value resolve().active")),
		element("Bundle.entry:request.resource.performer:active", `"min":1`, `"type":[{"code":"Reference","targetProfile":["`+ours+`Doctor"]}]`),
	), folder{"doctor.json": definition("Doctor", "Practitioner", element("Practitioner.active", `"fixedBoolean":true`))}, []check{
		sound(`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"ServiceRequest","performer":[{"reference":"urn:uuid:1"}]}},{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Practitioner","active":true}}]}`),
		sound(`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"ServiceRequest","contained":[{"resourceType":"Practitioner","id":"d","active":true}],"performer":[{"reference":"#d"}]}}]}`),
		wrong(`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"ServiceRequest","performer":[{"reference":"Practitioner/1"}]}},{"resource":{"resourceType":"Practitioner","id":"1","active":false}}]}`,
			"error required Bundle.entry[0].resource.performer Bundle.entry:request.resource.performer:active"),
	}},
	{"slices by two discriminators, one in an extension", "Patient", elements(
		element("Patient.identifier", slicing(open, "value system", "value extension('https://a.example/kind').value")),
		element("Patient.identifier:main", `"max":"1"`),
		element("Patient.identifier:main.system", `"fixedUri":"https://a.example/Id"`),
		element("Patient.identifier:main.extension", slicing(open, "value url")),
		element("Patient.identifier:main.extension:kind", `"min":1`),
		element("Patient.identifier:main.extension:kind.url", `"fixedUri":"https://a.example/kind"`),
		element("Patient.identifier:main.extension:kind.value[x]", `"fixedCode":"main"`),
	), nil, []check{
		sound(patient(local + "," + local)),
		wrong(patient(kinds("main")+","+kinds("main")+","+kinds("other")), "error structure Patient.identifier[1] Patient.identifier:main"),
	}},
	{"a slice of a slice", "Patient", elements(
		element("Patient.identifier", slicing(open, "value system")),
		element("Patient.identifier:local", slicing(closed, "value use")),
		element("Patient.identifier:local.system", `"fixedUri":"https://a.example/Id"`),
		element("Patient.identifier:local/old", `"max":"1"`),
		element("Patient.identifier:local/old.use", `"fixedCode":"old"`),
	), nil, []check{
		sound(patient(`{"system":"https://a.example/Id","use":"old"},` + plain)),
		wrong(patient(local+`,{"system":"https://a.example/Id","use":"old"},{"system":"https://a.example/Id","use":"old"}`),
			"error structure Patient.identifier[2] Patient.identifier:local/old", "error structure Patient.identifier[0] Patient.identifier:local"),
	}},
	{"the default slice", "Patient", elements(
		element("Patient.identifier", slicing(closed, "value system")),
		element("Patient.identifier:nhs.system", `"fixedUri":"https://fhir.nhs.uk/Id/nhs-number"`),
		element("Patient.identifier:@default.value", `"max":"0"`),
	), nil, []check{
		sound(patient(nhs + `,{"system":"https://a.example/Id"}`)),
		wrong(patient(nhs+","+local), "error structure Patient.identifier[1].value Patient.identifier:@default.value"),
	}},
	{"slices repeated in a slice", "Observation", elements(
		element("Observation.component", slicing(open, "value code.text")),
		element("Observation.component.code.coding", slicing(open, "value system")),
		element("Observation.component.code.coding:loinc.system", `"fixedUri":"http://loinc.org"`),
		element("Observation.component:high.code.text", `"fixedString":"high"`),
		element("Observation.component:high.code.coding:loinc", `"min":1`),
		element("Observation.component:high.code.coding:loinc.code", `"fixedCode":"1"`),
	), nil, []check{
		sound(`{"resourceType":"Observation","component":[{"code":{"text":"high","coding":[{"system":"http://loinc.org","code":"1"},{"code":"2"}]}},{"code":{"text":"low"}}]}`),
		wrong(`{"resourceType":"Observation","component":[{"code":{"text":"high","coding":[{"code":"1"}]}}]}`,
			"error required Observation.component[0].code.coding Observation.component:high.code.coding:loinc"),
		wrong(`{"resourceType":"Observation","component":[{"code":{"text":"high","coding":[{"system":"http://loinc.org","code":"2"}]}}]}`,
			"error value Observation.component[0].code.coding[0].code Observation.component:high.code.coding:loinc.code"),
	}},
}

func kinds(code string) string {
	return `{"system":"https://a.example/Id","extension":[{"url":"https://a.example/kind","valueCode":"` + code + `"}]}`
}

func TestValuesAreSortedIntoSlices(t *testing.T) {
	runCases(t, sliceCases)
}

func TestASliceThatCanNotBeToldIsListedAndNotGuessed(t *testing.T) {
	s := load(t, folder{"p.json": definition("P", "Patient", elements(
		element("Patient.identifier", slicing(closed, "value system")),
		element("Patient.identifier:some", `"min":1`),
	))})
	require.Len(t, s.Unenforced(), 1)
	require.Equal(t, "Patient.identifier:some", s.Unenforced()[0].Element)
	require.Empty(t, found(t, s, "P", patient(plain)))
}

func TestReferencesInACircleComeToAnEnd(t *testing.T) {
	s := load(t, folder{"p.json": definition("P", "List", elements(
		element("List.entry", slicing(open, "profile item.resolve()")),
		element("List.entry:own", `"min":1`),
		element("List.entry:own.item", `"type":[{"code":"Reference","targetProfile":["`+ours+`P"]}]`),
	))})
	list := func(id, next string) string {
		entries := ""
		for range 3 {
			entries += `,{"item":{"reference":"List/` + next + `"}}`
		}
		return `{"resource":{"resourceType":"List","id":"` + id + `","meta":{"profile":["` + ours + `P"]},"entry":[` + entries[1:] + `]}}`
	}
	require.Nil(t, s.Check(parse(t, `{"resourceType":"Bundle","entry":[`+list("1", "2")+`,`+list("2", "1")+`]}`)))

	chain := ""
	for i := range 80 {
		chain += "," + list(strconv.Itoa(i), strconv.Itoa(i+1))
	}
	out := s.Check(parse(t, `{"resourceType":"Bundle","entry":[`+chain[1:]+`]}`))
	require.Contains(t, out.Error(), "too deep")
}
