package profile_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

// reason is an extension with a nested code and period; modifier one that
// changes what it stands in.
var extensions = folder{
	"reason.json": definition("Reason", "Extension", elements(
		element("Extension", `"max":"1"`),
		element("Extension.extension", slicing(closed, "value url")),
		element("Extension.extension:code", `"min":1`, `"max":"1"`),
		element("Extension.extension:code.url", `"fixedUri":"code"`),
		element("Extension.extension:code.value[x]", `"min":1`, `"type":[{"code":"Coding"}]`),
		element("Extension.extension:when", `"max":"1"`),
		element("Extension.extension:when.url", `"fixedUri":"when"`),
		element("Extension.url", `"fixedUri":"`+ours+`Reason"`),
		element("Extension.value[x]", `"max":"0"`),
	)),
	"plain.json": definition("Plain", "Extension", elements(
		element("Extension.extension", `"max":"0"`),
		element("Extension.value[x]", `"min":1`, `"type":[{"code":"code"}]`),
	)),
	"modifier.json": definition("Modifier", "Extension", element("Extension", `"isModifier":true`)),
}

func extended(member, list string) string {
	return `{"resourceType":"Patient","` + member + `":[` + list + `]}`
}

func TestExtensionsAreHeldAgainstTheirDefinitions(t *testing.T) {
	runCases(t, []ruleCase{{"slices of extensions", "Patient", elements(
		element("Patient.extension:reason", `"max":"1"`, `"type":[{"code":"Extension","profile":["`+ours+`Reason"]}]`),
		element("Patient.extension:plain", `"min":1`, `"type":[{"code":"Extension","profile":["`+ours+`Plain|1.0.0"]}]`),
		element("Patient.birthDate.extension:plain", `"max":"0"`, `"type":[{"code":"Extension","profile":["`+ours+`Plain"]}]`),
		element("Patient.extension:reason.extension:when", `"min":1`),
	), extensions, []check{
		sound(extended("extension", `{"url":"https://b.example","valueCode":"x"},{"url":"`+ours+`Plain","valueCode":"x"},{"url":"`+ours+`Reason","extension":[{"url":"code","valueCoding":{"code":"x"}},{"url":"when","valueDate":"2020"}]}`)),
		wrong(extended("extension", `{"url":"`+ours+`Reason","extension":[{"url":"code","valueCoding":{"code":"x"}}]},{"url":"`+ours+`Reason","valueCode":"x","extension":[{"url":"code","valueCode":"x"},{"url":"other","valueCode":"x"}]}`),
			"error structure Patient.extension[1] Patient.extension:reason",
			"error required Patient.extension[0].extension Patient.extension:reason.extension:when",
			"error required Patient.extension[1].extension Patient.extension:reason.extension:when",
			"error required Patient.extension Patient.extension:plain",
			"error structure Patient.extension[1].extension[0].valueCode Extension.extension:code.value[x]",
			"error structure Patient.extension[1].extension[1] Extension.extension",
			"error structure Patient.extension[1].valueCode Extension.value[x]"),
		wrong(`{"resourceType":"Patient","extension":[{"url":"`+ours+`Plain","valueCode":"x"}],"birthDate":"1970","_birthDate":{"extension":[{"url":"`+ours+`Plain","valueString":"x"}]}}`,
			"error structure Patient.birthDate.extension[0] Patient.birthDate.extension:plain",
			"error structure Patient.birthDate.extension[0].valueString Extension.value[x]"),
	}}})
}

func TestAModifierStandsWhereItIsSeen(t *testing.T) {
	f := folder{"p.json": definition("P", "Patient", element("Patient.active"))}
	for name, text := range extensions {
		f[name] = text
	}
	s := load(t, f)
	modifier, ordinary := `{"url":"`+ours+`Modifier","valueCode":"x"}`, `{"url":"`+ours+`Plain","valueCode":"x"}`
	require.Empty(t, found(t, s, "P", extended("modifierExtension", modifier)))
	require.Empty(t, found(t, s, "P", extended("extension", ordinary)))
	require.Equal(t, []string{"error extension Patient.extension[0] Extension"}, found(t, s, "P", extended("extension", modifier)))
	require.Equal(t, []string{"error extension Patient.modifierExtension[0] Extension"}, found(t, s, "P", extended("modifierExtension", ordinary)))
}

func TestClaimsAreHeldAgainstTheirProfiles(t *testing.T) {
	f := folder{"p.json": definition("P", "Patient", element("Patient.active", `"min":1`))}
	for name, text := range extensions {
		f[name] = text
	}
	s := load(t, f)
	claims := func(claim, rest string) string {
		return `{"resourceType":"Patient","meta":{"profile":["` + claim + `"]}` + rest + `}`
	}
	badExtension := `,"extension":[{"url":"` + ours + `Plain","valueString":"x"}]`
	for _, c := range []struct{ name, resource, enforced, told string }{
		{"a claim kept", claims(ours+"P", `,"active":true`), "", ""},
		{"a claim broken", claims(ours+"P", ""), "Patient.active", "error Patient.active"},
		{"the version", claims(ours+"P|1.0.0", ""), "Patient.active", "error Patient.active"},
		{"another version", claims(ours+"P|2.0.0", ""), "", "information Patient.meta.profile[0]"},
		{"an unknown profile", claims("https://b.example", ""), "", "information Patient.meta.profile[0]"},
		{"no claim", `{"resourceType":"Patient"}`, "", ""},
		{"in a bundle", `{"resourceType":"Bundle","entry":[{"resource":` + claims(ours+"P", "") + `}]}`, "Bundle.entry[0].resource.active", "error Bundle.entry[0].resource.active"},
		{"contained", `{"resourceType":"Device","contained":[` + claims(ours+"P", "") + `]}`, "Device.contained[0].active", "error Device.contained[0].active"},
		{"of another type", `{"resourceType":"Device","meta":{"profile":["` + ours + `P"]}}`, "Device", "error Device"},
		{"an extension under a claim", claims(ours+"P", `,"active":true`+badExtension), "Patient.extension[0].valueString", "error Patient.extension[0].valueString"},
		{"an extension without a claim", `{"resourceType":"Patient"` + badExtension + `}`, "", "error Patient.extension[0].valueString"},
		{"what isn't even FHIR", `{"resourceType":"Patient","meta":{"profile":["` + ours + `P"]},"name":"x","identifier":[null,1,{"system":1}],"extension":{},"active":null}`, "Patient.active", "error Patient.active"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := parse(t, c.resource)
			if out := s.Check(r); c.enforced == "" {
				require.Nil(t, out)
			} else {
				require.Equal(t, fhir.KindInvariant, out.Kind)
				require.Len(t, out.Issues, 1)
				require.Equal(t, c.enforced, out.Issues[0].Expression)
			}
			told := ""
			for _, i := range s.Validate(r).Issues {
				told += string(i.Severity) + " " + i.Expression
			}
			require.Equal(t, c.told, told)
		})
	}
}

func TestAContainedResourceRefersToItsSiblings(t *testing.T) {
	s := load(t, folder{"p.json": definition("P", "ServiceRequest", element("ServiceRequest.subject", `"type":[{"code":"Reference","targetProfile":["`+base+`Group"]}]`))})
	holder := func(sibling string) string {
		return `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Device"}},{"resource":{"resourceType":"Task","contained":[{"resourceType":"` + sibling + `","id":"s"},` +
			`{"resourceType":"ServiceRequest","id":"r","meta":{"profile":["` + ours + `P"]},"subject":{"reference":"#s"}}]}}]}`
	}
	require.Nil(t, s.Check(parse(t, holder("Group"))))
	require.NotNil(t, s.Check(parse(t, holder("Patient"))))
}

func TestTheReportIsBoundedAndQuotesNothing(t *testing.T) {
	s := load(t, folder{"p.json": definition("P", "Patient", element("Patient.identifier.value", `"fixedString":"1"`))})
	many := ""
	for range 300 {
		many += `,{"value":"secret"}`
	}
	report := s.Validate(parse(t, patient(many[1:])), s.Find(ours+"P"))
	require.True(t, report.Cut)
	require.Len(t, report.Issues, 100)
	out := report.Outcome()
	require.Len(t, out.Issues, 101)
	require.NotContains(t, out.Error(), "secret")
	require.Contains(t, out.Issues[0].Diagnostics, ours+"P")
	require.Contains(t, out.Issues[0].Diagnostics, "element Patient.identifier.value")
}

// Information alone must not fill the report of a write, or errors would pass.
func TestInformationDoesNotHideErrors(t *testing.T) {
	f := folder{"p.json": definition("P", "Patient", elements(
		element("Patient.contact.relationship", `"binding":{"strength":"extensible","valueSet":"`+sets+`colours"}`),
		element("Patient.link", `"min":1`),
	))}
	for name, text := range colours {
		f[name] = text
	}
	many := ""
	for range 200 {
		many += `,{"relationship":[{"text":"x"}]}`
	}
	out := load(t, f).Check(parse(t, `{"resourceType":"Patient","meta":{"profile":["`+ours+`P"]},"contact":[`+many[1:]+`]}`))
	require.NotNil(t, out)
	require.Len(t, out.Issues, 1)
	require.Equal(t, "Patient.link", out.Issues[0].Expression)
}
