package profile_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir/validate/profile"
)

func TestAProfileBuildsUponItsBase(t *testing.T) {
	s := load(t, folder{
		"sub/base.json": definition("Base", "Patient", elements(
			element("Patient.active", `"min":1`),
			element("Patient.identifier", slicing(open, "value system")),
			element("Patient.identifier:nhs", `"max":"2"`),
			element("Patient.identifier:nhs.system", `"fixedUri":"https://fhir.nhs.uk/Id/nhs-number"`),
		)),
		"a.json": derived("Top", "Patient", ours+"Base|1.0.0", elements(
			element("Patient.identifier:nhs", `"max":"1"`),
			element("Patient.identifier:nhs.value", `"min":1`),
		)),
	})
	require.Equal(t, []string{ours + "Base", ours + "Top"}, s.Supported("Patient"))
	require.Empty(t, s.Supported("Device"))
	two := `{"resourceType":"Patient","active":true,"identifier":[` + nhs + `,` + nhs + `]}`
	require.Empty(t, found(t, s, "Base", two))
	require.Equal(t, []string{"error structure Patient.identifier[1] Patient.identifier:nhs"}, found(t, s, "Top", two))
	require.Equal(t, []string{"error required Patient.active Patient.active", "error required Patient.identifier[0].value Patient.identifier:nhs.value"},
		found(t, s, "Top", `{"resourceType":"Patient","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number"}]}`))
	for _, i := range s.Validate(parse(t, `{"resourceType":"Patient"}`), s.Find(ours+"Top")).Issues {
		require.Equal(t, ours+"Base", i.Profile, "an issue names the profile that makes the rule")
	}
}

func TestADerivedProfileClosesTheSlicesOfItsBase(t *testing.T) {
	s := load(t, folder{"base.json": definition("Base", "Patient", twoSlices(open)),
		"top.json": derived("Top", "Patient", ours+"Base", element("Patient.identifier", `"slicing":{"rules":"closed"}`))})
	require.Empty(t, s.Unenforced())
	require.Empty(t, found(t, s, "Base", patient(local+","+plain)))
	require.Equal(t, []string{"error structure Patient.identifier[1] Patient.identifier"}, found(t, s, "Top", patient(local+","+plain)))
}

func TestAProfileOfAnExtensionKeepsItsURL(t *testing.T) {
	f := folder{
		"narrow.json": derived("Narrow", "Extension", ours+"Plain", element("Extension.value[x]", `"fixedCode":"x"`)),
		"plain.json": definition("Plain", "Extension", elements(element("Extension.url", `"fixedUri":"`+ours+`Plain"`),
			element("Extension.value[x]", `"min":1`, `"type":[{"code":"code"}]`))),
		"p.json": definition("P", "Patient", element("Patient.extension:narrow", `"max":"1"`, `"type":[{"code":"Extension","profile":["`+ours+`Narrow"]}]`)),
		"q.json": definition("Q", "Patient", element("Patient.active")),
	}
	s := load(t, f)
	require.Empty(t, s.Unenforced())
	other := extended("extension", `{"url":"`+ours+`Plain","valueCode":"y"}`)
	require.Equal(t, []string{"error value Patient.extension[0].valueCode Extension.value[x]"}, found(t, s, "P", other))
	require.Empty(t, found(t, s, "Q", other))
	require.Empty(t, found(t, s, "P", extended("extension", `{"url":"`+ours+`Plain","valueCode":"x"}`)))
}

func TestASnapshotStandsInForABaseThatIsNotHere(t *testing.T) {
	far := derived("P", "Patient", "https://b.example/Far", element("Patient.active", `"min":1`))
	snapshot := `"snapshot":{"element":[` + elements(
		element("Patient", `"min":0`, `"max":"*"`, `"constraint":[{"key":"dom-2","severity":"error","human":"h","expression":"contained.contained.empty()","source":"`+base+`DomainResource"}]`),
		element("Patient.gender", `"min":1`, `"max":"1"`, `"binding":{"strength":"required","valueSet":"http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1"}`),
		element("Patient.name", `"min":0`, `"max":"*"`),
		element("Patient.link.other", `"min":1`, `"max":"1"`), // R4's own rule, which is reported once
		element("Patient.id", `"min":0`, `"max":"1"`, `"type":[{"code":"http://hl7.org/fhirpath/System.String"}]`),
		element("Patient.active", `"min":1`, `"max":"1"`, `"type":[{"code":"boolean"}]`),
	) + `]},"differential"`
	s := load(t, folder{"p.json": strings.Replace(far, `"differential"`, snapshot, 1)})
	require.Empty(t, s.Unenforced())
	require.Equal(t, []string{"error required Patient.gender Patient.gender", "error required Patient.active Patient.active"}, found(t, s, "P", `{"resourceType":"Patient","id":"1","link":[{"type":"seealso"}]}`))
	require.Empty(t, found(t, s, "P", `{"resourceType":"Patient","gender":"blue","active":true}`), "R4's own binding is reported once")

	s = load(t, folder{"p.json": far})
	require.Len(t, s.Unenforced(), 1)
	require.Contains(t, s.Unenforced()[0].String(), "p.json: its baseDefinition isn't in the folder")
	require.Equal(t, []string{"error required Patient.active Patient.active"}, found(t, s, "P", `{"resourceType":"Patient"}`))
}

func TestXMLIsReadToo(t *testing.T) {
	s := load(t, folder{
		"p.xml": `<?xml version="1.0"?><StructureDefinition xmlns="http://hl7.org/fhir"><url value="` + ours + `P"/><name value="P"/><status value="active"/>` +
			`<kind value="resource"/><abstract value="false"/><type value="Patient"/><baseDefinition value="` + base + `Patient"/><derivation value="constraint"/>` +
			`<differential><element id="Patient.active"><path value="Patient.active"/><min value="1"/></element></differential></StructureDefinition>`,
		"package.json": `{"name":"x"}`, "notes.txt": "x", ".hidden.json": "{", "message.json": `{"resourceType":"MessageDefinition"}`,
	})
	require.Equal(t, []string{"error required Patient.active Patient.active"}, found(t, s, "P", `{"resourceType":"Patient"}`))
}

func TestAWrongFolderIsRefusedWithTheFileAndTheElement(t *testing.T) {
	good := definition("P", "Patient", element("Patient.active"))
	for _, c := range []struct {
		name  string
		files folder
		want  []string
	}{
		{"no profile at all", folder{"a.json": `{"resourceType":"Patient"}`}, []string{"there is no StructureDefinition in the folder"}},
		{"not JSON", folder{"a.json": `{`, "b.json": good, "c.xml": "<"}, []string{"a.json: structure: not valid JSON", "c.xml: structure: "}},
		{"a rule that R4 doesn't have", folder{"a.json": definition("P", "Patient", element("Patient.active", `"mustHaveValue":true`))}, []string{"a.json: StructureDefinition.differential.element[0].mustHaveValue: "}},
		{"a modifier", folder{"a.json": definition("P", "Patient", element("Patient.active", `"modifierExtension":[{"url":"https://b.example","valueCode":"x"}]`))},
			[]string{"a.json: element Patient.active: this server doesn't understand the rule modifierExtension"}},
		{"no such element", folder{"a.json": definition("P", "Patient", element("Patient.colour", `"min":1`))}, []string{"a.json: element Patient.colour: the base has no such element"}},
		{"the id of another type", folder{"a.json": definition("P", "Patient", element("Device.status"))}, []string{"a.json: element Device.status: the id"}},
		{"no id", folder{"a.json": definition("P", "Patient", `{"path":"Patient.active"}`)}, []string{"a.json: element Patient.active: an ElementDefinition needs an id"}},
		{"another path", folder{"a.json": definition("P", "Patient", `{"id":"Patient.active","path":"Patient.name"}`)}, []string{"a.json: element Patient.active: the id doesn't belong to the path"}},
		{"max", folder{"a.json": definition("P", "Patient", element("Patient.active", `"max":"many"`))}, []string{"a.json: element Patient.active: max must be"}},
		{"a discriminator", folder{"a.json": definition("P", "Patient", element("Patient.identifier", slicing(open, "value repeat(x)")))}, []string{"a.json: element Patient.identifier: this server doesn't understand the path"}},
		{"one url twice", folder{"a.json": good, "b.json": good}, []string{"b.json: the file a.json has the same url"}},
		{"a circle", folder{"a.json": derived("A", "Patient", ours+"B", element("Patient.active")), "b.json": derived("B", "Patient", ours+"A", element("Patient.active"))}, []string{"circle"}},
		{"another type than the base", folder{"a.json": good, "b.json": derived("B", "Device", ours+"P", element("Device.status"))}, []string{"b.json: type isn't that of baseDefinition"}},
		{"another type than R4's base", folder{"b.json": derived("B", "Device", base+"Patient", element("Device.status"))}, []string{"b.json: type isn't that of baseDefinition"}},
		{"no type of R4's", folder{"b.json": derived("B", "Devise", base+"Device", element("Devise.status"))}, []string{"b.json: type must be one of R4's types"}},
		{"no url", folder{"a.json": strings.Replace(good, ours+"P", " ", 1)}, []string{"a.json: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := profile.Load(c.files.fs())
			require.Error(t, err)
			for _, want := range c.want {
				require.Contains(t, err.Error(), want)
			}
			var one *profile.LoadError
			require.True(t, errors.As(err, &one) || len(c.files) == 1 && c.name == "no profile at all")
		})
	}
}

func TestWhatIsNotEnforcedIsListed(t *testing.T) {
	s := load(t, folder{
		"a.json": definition("P", "Observation", elements(
			element("Observation", `"constraint":[{"key":"own-1","severity":"error","human":"h","expression":"value.is(Quantity)"},{"key":"own-2","severity":"error","human":"h"}]`),
			element("Observation.category", `"slicing":{"rules":"open"}`),
			element("Observation.category:x", `"min":1`),
			element("Observation.code", `"binding":{"strength":"required","valueSet":"https://b.example/filtered"}`),
			element("Observation.method", `"binding":{"strength":"extensible","valueSet":"https://b.example/filtered"}`),
			element("Observation.subject", `"type":[{"code":"Reference","targetProfile":["https://b.example/Person"],"aggregation":["bundled"]}]`),
			element("Observation.extension:far", `"type":[{"code":"Extension","profile":["https://b.example/Far"]}]`),
			element("Observation.value[x]", `"minValueInteger":1`),
			element("Observation.value[x]:valueInteger", `"maxValueInteger":9`),
		)),
		"b.json":        strings.Replace(definition("Q", "Patient", element("Patient.active")), "4.0.1", "5.0.0", 1),
		"c.json":        strings.Replace(definition("R", "Patient", element("Patient.active")), `"constraint"`, `"specialization"`, 1),
		"d.json":        strings.Replace(definition("S", "Patient", element("Patient.active")), `"kind":"resource"`, `"kind":"logical"`, 1),
		"filtered.json": `{"resourceType":"ValueSet","url":"https://b.example/filtered","status":"active","compose":{"include":[{"system":"http://snomed.info/sct","filter":[{"property":"concept","op":"is-a","value":"1"}]}]}}`,
		"broken.xml":    `<CodeSystem xmlns="http://hl7.org/fhir"><url value="x"/>c</CodeSystem>`,
	})
	var list []string
	for _, u := range s.Unenforced() {
		list = append(list, u.File+" "+u.Element)
	}
	require.Equal(t, []string{
		"a.json Observation", "a.json Observation", "a.json Observation.category", "a.json Observation.code", "a.json Observation.extension:far",
		"a.json Observation.subject", "a.json Observation.subject", "a.json Observation.value[x]", "a.json Observation.value[x]:valueInteger",
		"b.json ", "broken.xml ", "c.json ", "d.json ",
	}, list)
	require.Equal(t, 1, s.Len())
}

func TestValueSetsAreListedFromWhatTheFolderHas(t *testing.T) {
	include := func(parts string) string {
		return `{"resourceType":"ValueSet","url":"` + sets + `v","status":"active","compose":{"include":[` + parts + `]}}`
	}
	expanded := func(more string) string {
		return `{"resourceType":"ValueSet","url":"` + sets + `v","status":"active","expansion":{"timestamp":"2020"` + more + `,"contains":[{"system":"https://a.example","code":"g","contains":[{"system":"https://a.example","code":"x"}]}]}}`
	}
	for _, c := range []struct {
		name, set string
		known     bool
		codes     string // of https://a.example or colours that are in it
	}{
		{"codes named", include(`{"system":"https://a.example","concept":[{"code":"x"}]}`), true, "x"},
		{"a whole system", include(`{"system":"` + codes + `colours"}`), true, "red"},
		{"another set", include(`{"valueSet":["` + sets + `colours"]}`), true, "red"},
		{"what is in two", include(`{"system":"` + codes + `colours","valueSet":["` + sets + `colours"]}`), true, "red"},
		{"a system that isn't here", include(`{"system":"https://a.example"}`), false, ""},
		{"a set that isn't here", include(`{"valueSet":["https://b.example"]}`), false, ""},
		{"itself", include(`{"valueSet":["` + sets + `v"]}`), false, ""},
		{"an expansion", expanded(""), true, "x"},
		{"a page of an expansion", expanded(`,"total":9`), false, ""},
		{"a later page", expanded(`,"offset":9`), false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := folder{"p.json": definition("P", "Patient", element("Patient.maritalStatus", `"binding":{"strength":"required","valueSet":"`+sets+`v"}`)), "v.json": c.set}
			for name, text := range colours {
				f[name] = text
			}
			s := load(t, f)
			if !c.known {
				require.Len(t, s.Unenforced(), 1)
				return
			}
			require.Empty(t, s.Unenforced())
			for _, code := range []string{"x", "red", "black"} {
				system := map[string]string{"x": "https://a.example"}[code]
				if system == "" {
					system = codes + "colours"
				}
				in := c.codes == code || c.name == "a whole system" && code == "black"
				issues := found(t, s, "P", `{"resourceType":"Patient","maritalStatus":{"coding":[{"system":"`+system+`","code":"`+code+`"}]}}`)
				require.Equal(t, in, len(issues) == 0, code)
			}
		})
	}
}
