package fhirxml

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/r4"
)

const (
	openBasic = `<Basic xmlns="http://hl7.org/fhir">`
	openDiv   = openBasic + `<text><div xmlns="http://www.w3.org/1999/xhtml">`
	closeDiv  = `</div></text></Basic>`
)

func TestDocumentsThatAreNotStrictXMLAreRefused(t *testing.T) {
	cases := map[string]string{
		"nothing":                             ``,
		"white space only":                    "\n",
		"no root closed":                      openBasic,
		"text before the root":                `x` + openBasic + `</Basic>`,
		"text behind the root":                openBasic + `</Basic>x`,
		"a reference behind the root":         openBasic + `</Basic>&#32;`,
		"a second root":                       openBasic + `</Basic><Basic xmlns="http://hl7.org/fhir"/>`,
		"an end tag alone":                    `</Basic>`,
		"end tags that cross":                 openBasic + `<code><text value="a"></code></text></Basic>`,
		"an end tag with another prefix":      `<Basic xmlns="http://hl7.org/fhir" xmlns:f="http://hl7.org/fhir"></f:Basic>`,
		"a document type":                     `<!DOCTYPE Basic>` + openBasic + `</Basic>`,
		"a document type with an entity":      `<!DOCTYPE a [<!ENTITY x "y">]>` + openBasic + `<code><text value="&x;"/></code></Basic>`,
		"an unknown entity":                   openBasic + `<code><text value="&nbsp;"/></code></Basic>`,
		"an unknown entity in the narrative":  openDiv + `&nbsp;` + closeDiv,
		"a bare ampersand":                    openBasic + `<code><text value="a & b"/></code></Basic>`,
		"a reference to a control character":  openBasic + `<code><text value="&#1;"/></code></Basic>`,
		"a reference to half a pair":          openBasic + `<code><text value="&#xD800;"/></code></Basic>`,
		"a reference beyond Unicode":          openBasic + `<code><text value="&#x110000;"/></code></Basic>`,
		"a control character":                 openBasic + "<code><text value=\"\x01\"/></code></Basic>",
		"a control character in a comment":    openBasic + "<!-- \x01 --></Basic>",
		"bytes that are not UTF-8":            openBasic + "<code><text value=\"\xff\"/></code></Basic>",
		"the character U+FFFE":                openBasic + "<code><text value=\"\uFFFE\"/></code></Basic>",
		"an unknown instruction":              `<?php echo 1 ?>` + openBasic + `</Basic>`,
		"an instruction in the resource":      openBasic + `<?xml-model a?></Basic>`,
		"an instruction in the narrative":     openDiv + `<?a b?>` + closeDiv,
		"a declaration in a later place":      ` ` + xmlHead + openBasic + `</Basic>`,
		"XML 1.1":                             `<?xml version="1.1"?>` + openBasic + `</Basic>`,
		"another encoding":                    `<?xml version="1.0" encoding="ISO-8859-1"?>` + openBasic + `</Basic>`,
		"a declaration without version":       `<?xml encoding="UTF-8"?>` + openBasic + `</Basic>`,
		"a declaration out of order":          `<?xml version="1.0" standalone="no" encoding="UTF-8"?>` + openBasic + `</Basic>`,
		"a declaration that is not closed":    `<?xml version="1.0">` + openBasic + `</Basic>`,
		"a comment with two hyphens":          openBasic + `<!-- a -- b --></Basic>`,
		"two hyphens in the narrative":        openDiv + `<!-- a -- b -->` + closeDiv,
		"a comment that is not closed":        openBasic + `<!-- a`,
		"an attribute without value":          openBasic + `<code id/></Basic>`,
		"an attribute without quotes":         openBasic + `<code id=a/></Basic>`,
		"attributes without space between":    openBasic + `<extension id="a"url="b"/></Basic>`,
		"< in an attribute":                   openBasic + `<code><text value="a<b"/></code></Basic>`,
		"an attribute twice":                  openBasic + `<code id="a" id="a"/></Basic>`,
		"a namespace declared twice":          `<Basic xmlns="http://hl7.org/fhir" xmlns="http://hl7.org/fhir"/>`,
		"an attribute twice by two prefixes":  `<Basic xmlns="http://hl7.org/fhir" xmlns:a="http://www.w3.org/2001/XMLSchema-instance" xmlns:b="http://www.w3.org/2001/XMLSchema-instance" a:schemaLocation="x y" b:schemaLocation="x y"/>`,
		"a prefix without namespace":          `<f:Basic/>`,
		"a prefix used outside its scope":     openBasic + `<code xmlns:f="http://hl7.org/fhir"/><f:author/></Basic>`,
		"a prefix undeclared":                 `<Basic xmlns="http://hl7.org/fhir" xmlns:f=""/>`,
		"the prefix xml bound anew":           `<Basic xmlns="http://hl7.org/fhir" xmlns:xml="http://hl7.org/fhir"/>`,
		"the prefix xmlns bound":              `<Basic xmlns="http://hl7.org/fhir" xmlns:xmlns="http://hl7.org/fhir"/>`,
		"a name with two colons":              `<a:b:Basic xmlns:a="http://hl7.org/fhir"/>`,
		"]]> in text":                         openDiv + `]]>` + closeDiv,
		"a CDATA section that is not closed":  openDiv + `<![CDATA[ ` + closeDiv,
		"a narrative that is not well-formed": openDiv + `<br>` + closeDiv,
		"JSON":                                `{"resourceType":"Basic"}`,
		"UTF-16":                              "\xFE\xFF\x00<\x00B",
	}
	for name, xml := range cases {
		t.Run(name, func(t *testing.T) {
			r, err := ToJSON([]byte(xml), r4.Tables)
			require.Nil(t, r)
			outcome := fhir.AsOutcome(err)
			require.Equal(t, fhir.KindStructure, outcome.Kind, outcome.Error())
		})
	}
}

func TestXMLThatIsNotFHIRIsRefusedWithItsPath(t *testing.T) {
	cases := []struct {
		name, xml, path string
		kind            fhir.Kind
	}{
		{"no namespace", `<Basic/>`, "", fhir.KindStructure},
		{"another namespace", `<Basic xmlns="http://hl7.org/fhir/"/>`, "", fhir.KindStructure},
		{"an unknown resource", `<Referral xmlns="http://hl7.org/fhir"/>`, "", fhir.KindStructure},
		{"a data type as a resource", `<HumanName xmlns="http://hl7.org/fhir"/>`, "", fhir.KindStructure},
		{"an abstract resource", `<DomainResource xmlns="http://hl7.org/fhir"/>`, "", fhir.KindStructure},
		{"a resource of a later version", `<SubscriptionStatus xmlns="http://hl7.org/fhir"/>`, "", fhir.KindStructure},
		{"an unknown element", openBasic + `<colour value="red"/></Basic>`, "Basic.colour", fhir.KindStructure},
		{"an unknown element, deep", `<Patient xmlns="http://hl7.org/fhir"><name/></Patient>`, "Patient.name[0]", fhir.KindStructure},
		{"an unknown element in a repetition", `<Patient xmlns="http://hl7.org/fhir"><name id="a"/><name><given value="A"/><given value="B"><foo/></given></name></Patient>`, "Patient.name[1].given[1].foo", fhir.KindStructure},
		{"an element whose name is text", openBasic + `<John-Smith/></Basic>`, "Basic.?", fhir.KindStructure},
		{"an element in no namespace", openBasic + `<code xmlns=""/></Basic>`, "Basic.code", fhir.KindStructure},
		{"an element in the namespace of XHTML", openBasic + `<code xmlns="http://www.w3.org/1999/xhtml"/></Basic>`, "Basic.code", fhir.KindStructure},
		{"a choice without its type", `<Observation xmlns="http://hl7.org/fhir"><value value="a"/></Observation>`, "Observation.value", fhir.KindStructure},
		{"a choice of a type that it doesn't allow", `<Observation xmlns="http://hl7.org/fhir"><valueMoney/></Observation>`, "Observation.valueMoney", fhir.KindStructure},
		{"two alternatives of a choice", `<Observation xmlns="http://hl7.org/fhir"><valueString value="a"/><valueInteger value="1"/></Observation>`, "Observation.valueInteger", fhir.KindStructure},
		{"an attribute as an element", openBasic + `<extension><url value="a"/></extension></Basic>`, "Basic.extension[0].url", fhir.KindStructure},
		{"an element twice", openBasic + `<code id="a"/><code id="b"/></Basic>`, "Basic.code", fhir.KindStructure},
		{"a repetition with something between", `<Patient xmlns="http://hl7.org/fhir"><name id="a"/><telecom id="b"/><name id="c"/></Patient>`, "Patient.name", fhir.KindStructure},
		{"elements out of order", `<Slot xmlns="http://hl7.org/fhir"><end value="2030-01-01T10:00:00Z"/><start value="2030-01-01T09:00:00Z"/></Slot>`, "Slot.start", fhir.KindStructure},
		{"text between elements", openBasic + `<code>secret</code></Basic>`, "Basic.code", fhir.KindStructure},
		{"a character reference between elements", openBasic + `<code>&#32;</code></Basic>`, "Basic.code", fhir.KindStructure},
		{"CDATA between elements", openBasic + `<code><![CDATA[ ]]></code></Basic>`, "Basic.code", fhir.KindStructure},
		{"an attribute on the resource", `<Basic xmlns="http://hl7.org/fhir" id="a"/>`, "Basic", fhir.KindStructure},
		{"an unknown attribute", openBasic + `<code lang="a"/></Basic>`, "Basic.code", fhir.KindStructure},
		{"a value on a complex element", openBasic + `<code value="a"/></Basic>`, "Basic.code", fhir.KindStructure},
		{"an attribute in a namespace", openBasic + `<code xml:lang="a"/></Basic>`, "Basic.code", fhir.KindStructure},
		{"an attribute in FHIR's namespace", `<f:Slot xmlns:f="http://hl7.org/fhir"><f:status f:value="free"/></f:Slot>`, "Slot.status", fhir.KindStructure},
		{"a value in a namespace beside the value", `<f:Slot xmlns:f="http://hl7.org/fhir"><f:status value="free" f:value="busy"/></f:Slot>`, "Slot.status", fhir.KindStructure},
		{"an empty element", openBasic + `<code/></Basic>`, "Basic.code", fhir.KindStructure},
		{"an empty primitive", `<Slot xmlns="http://hl7.org/fhir"><status></status></Slot>`, "Slot.status", fhir.KindStructure},
		{"an empty value", `<Slot xmlns="http://hl7.org/fhir"><status value=""/></Slot>`, "Slot.status", fhir.KindValue},
		{"an empty id", openBasic + `<code id=""/></Basic>`, "Basic.code", fhir.KindValue},
		{"a boolean that isn't one", `<Patient xmlns="http://hl7.org/fhir"><active value="1"/></Patient>`, "Patient.active", fhir.KindValue},
		{"a number that isn't one", `<Patient xmlns="http://hl7.org/fhir"><multipleBirthInteger value="two"/></Patient>`, "Patient.multipleBirthInteger", fhir.KindValue},
		{"a number with leading zeros", `<Patient xmlns="http://hl7.org/fhir"><multipleBirthInteger value="02"/></Patient>`, "Patient.multipleBirthInteger", fhir.KindValue},
		{"a decimal with a plus sign", openBasic + `<extension url="a"><valueDecimal value="+1.0"/></extension></Basic>`, "Basic.extension[0].valueDecimal", fhir.KindValue},
		{"a contained element without resource", openBasic + `<contained/></Basic>`, "Basic.contained[0]", fhir.KindStructure},
		{"two resources in one contained element", openBasic + `<contained><Basic/><Basic/></contained></Basic>`, "Basic.contained[0]", fhir.KindStructure},
		{"an attribute on a contained element", openBasic + `<contained id="a"><Basic/></contained></Basic>`, "Basic.contained[0]", fhir.KindStructure},
		{"a resource where an element belongs", openBasic + `<code><Basic/></code></Basic>`, "Basic.code.Basic", fhir.KindStructure},
		{"a narrative outside XHTML", openBasic + `<text><div>a</div></text></Basic>`, "Basic.text.div", fhir.KindStructure},
		{"FHIR in the narrative", openDiv + `<p xmlns="http://hl7.org/fhir"/>` + closeDiv, "Basic.text.div", fhir.KindStructure},
		{"an attribute of another namespace in the narrative", openDiv + `<p xmlns:a="urn:a" a:b="c"/>` + closeDiv, "Basic.text.div", fhir.KindStructure},
		{"a narrative that is another element", openBasic + `<text><p xmlns="http://www.w3.org/1999/xhtml">a</p></text></Basic>`, "Basic.text.p", fhir.KindStructure},
		{"deep inside a Bundle", `<Bundle xmlns="http://hl7.org/fhir"><entry id="a"/><entry><resource><Slot><nope/></Slot></resource></entry></Bundle>`, "Bundle.entry[1].resource.nope", fhir.KindStructure},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r, err := ToJSON([]byte(c.xml), r4.Tables)
			require.Nil(t, r)
			outcome := fhir.AsOutcome(err)
			require.Equal(t, c.kind, outcome.Kind, outcome.Error())
			require.Equal(t, c.path, outcome.Issues[0].Expression)
			require.NotContains(t, outcome.Error(), "secret")
		})
	}
}

func TestHostileXMLIsBounded(t *testing.T) {
	cases := map[string]string{
		"depth":              openBasic + strings.Repeat(`<extension url="a">`, 100),
		"depth in narrative": openDiv + strings.Repeat(`<b>`, 100),
		"elements":           openDiv + strings.Repeat(`<b/>`, maxElements),
		"attributes":         openDiv + `<b` + strings.Repeat(` a="b"`, 100),
		"declarations":       openDiv + strings.Repeat(`<b`+manyDeclarations(60)+`>`, 3),
	}
	for name, xml := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := ToJSON([]byte(xml), r4.Tables)
			require.Equal(t, fhir.KindTooComplex, fhir.AsOutcome(err).Kind)
		})
	}
}

func manyDeclarations(count int) string {
	b := strings.Builder{}
	for i := range count {
		b.WriteString(` xmlns:p` + strings.Repeat("x", i) + `="urn:a"`)
	}
	return b.String()
}

func TestJSONThatXMLCannotHoldIsRefusedWithItsPath(t *testing.T) {
	cases := []struct {
		name, json, path string
		kind             fhir.Kind
	}{
		{"no resource type", `{"id":"a"}`, "$this", fhir.KindStructure},
		{"an unknown resource type", `{"resourceType":"Referral"}`, "Referral", fhir.KindStructure},
		{"an unknown member", `{"resourceType":"Patient","name":[{"colour":"red"}]}`, "Patient.name[0].colour", fhir.KindStructure},
		{"a member whose name is text", `{"resourceType":"Basic","John Smith":1}`, "Basic.?", fhir.KindStructure},
		{"an underscore before a complex element", `{"resourceType":"Basic","_code":{"id":"a"}}`, "Basic.code", fhir.KindStructure},
		{"an underscore before an attribute", `{"resourceType":"Basic","code":{"_id":{"id":"a"}}}`, "Basic.code.id", fhir.KindStructure},
		{"an underscore before the narrative", `{"resourceType":"Basic","text":{"_div":{"id":"a"}}}`, "Basic.text.div", fhir.KindStructure},
		{"two alternatives of a choice", `{"resourceType":"Observation","valueString":"a","_valueInteger":{"id":"b"}}`, "Observation._valueInteger", fhir.KindStructure},
		{"no array where the element repeats", `{"resourceType":"Patient","name":{"family":"A"}}`, "Patient.name", fhir.KindStructure},
		{"an array where it doesn't", `{"resourceType":"Patient","active":[true]}`, "Patient.active", fhir.KindStructure},
		{"an empty array", `{"resourceType":"Patient","name":[]}`, "Patient.name", fhir.KindStructure},
		{"an empty object", `{"resourceType":"Basic","code":{}}`, "Basic.code", fhir.KindStructure},
		{"an empty object beside a primitive", `{"resourceType":"Patient","_active":{}}`, "Patient._active", fhir.KindStructure},
		{"an empty string", `{"resourceType":"Slot","status":""}`, "Slot.status", fhir.KindValue},
		{"null", `{"resourceType":"Slot","status":null}`, "Slot.status", fhir.KindStructure},
		{"null among objects", `{"resourceType":"Patient","name":[null]}`, "Patient.name[0]", fhir.KindStructure},
		{"null without an extension", `{"resourceType":"Patient","name":[{"given":["A",null]}]}`, "Patient.name[0].given[1]", fhir.KindStructure},
		{"a boolean as a string", `{"resourceType":"Patient","active":"true"}`, "Patient.active", fhir.KindStructure},
		{"a number as a string", `{"resourceType":"Patient","multipleBirthInteger":"2"}`, "Patient.multipleBirthInteger", fhir.KindStructure},
		{"a string as a number", `{"resourceType":"Slot","status":1}`, "Slot.status", fhir.KindStructure},
		{"an object as a primitive", `{"resourceType":"Slot","status":{"value":"free"}}`, "Slot.status", fhir.KindStructure},
		{"an attribute that isn't a string", `{"resourceType":"Basic","code":{"id":1}}`, "Basic.code.id", fhir.KindStructure},
		{"a control character", `{"resourceType":"Slot","comment":"a\u0000"}`, "Slot.comment", fhir.KindValue},
		{"the character U+FFFF", `{"resourceType":"Slot","comment":"\uffff"}`, "Slot.comment", fhir.KindValue},
		{"a contained string", `{"resourceType":"Basic","contained":["a"]}`, "Basic.contained[0]", fhir.KindStructure},
		{"a contained object of no type", `{"resourceType":"Basic","contained":[{"id":"a"}]}`, "Basic.contained[0]", fhir.KindStructure},
		{"a narrative without namespace", `{"resourceType":"Basic","text":{"div":"<div>a</div>"}}`, "Basic.text.div", fhir.KindValue},
		{"a narrative that is not well-formed", `{"resourceType":"Basic","text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><br></div>"}}`, "Basic.text.div", fhir.KindValue},
		{"a narrative that leaves its place", `{"resourceType":"Basic","text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"/><status value='a'/>"}}`, "Basic.text.div", fhir.KindValue},
		{"a narrative with an entity", `{"resourceType":"Basic","text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">&nbsp;</div>"}}`, "Basic.text.div", fhir.KindValue},
		{"a narrative with a document type", `{"resourceType":"Basic","text":{"div":"<!DOCTYPE div><div xmlns=\"http://www.w3.org/1999/xhtml\"/>"}}`, "Basic.text.div", fhir.KindValue},
		{"a narrative that is deeper than XML may be", `{"resourceType":"Basic","text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">` +
			strings.Repeat("<b>", maxDepth-2) + strings.Repeat("</b>", maxDepth-2) + `</div>"}}`, "Basic.text.div", fhir.KindTooComplex},
		{"a resource that is deeper than XML may be", strings.Repeat(`{"resourceType":"Bundle","entry":[{"response":{"outcome":`, 15) +
			`{"resourceType":"Bundle","signature":{"who":{"identifier":{"value":"a"}}}}` + strings.Repeat(`}}]}`, 15),
			"Bundle" + strings.Repeat(".entry[0].response.outcome", 15) + ".signature.who.identifier.value", fhir.KindTooComplex},
		{"plain text as narrative", `{"resourceType":"Basic","text":{"div":"a"}}`, "Basic.text.div", fhir.KindValue},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r, err := fhir.Parse([]byte(c.json))
			require.NoError(t, err)
			xml, err := FromJSON(r, r4.Tables)
			require.Nil(t, xml)
			outcome := fhir.AsOutcome(err)
			require.Equal(t, c.kind, outcome.Kind, outcome.Error())
			require.Equal(t, c.path, outcome.Issues[0].Expression)
		})
	}
}
