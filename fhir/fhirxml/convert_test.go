package fhirxml

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/r4"
)

const xmlHead = `<?xml version="1.0" encoding="UTF-8"?>`

// pairs hold the same resource as the XML and the JSON that we write.
var pairs = []struct{ name, xml, json string }{
	{"a resource without content",
		`<Basic xmlns="http://hl7.org/fhir"/>`,
		`{"resourceType":"Basic"}`},
	{"booleans and numbers are JSON's own and keep their spelling",
		`<Observation xmlns="http://hl7.org/fhir"><id value="o1"/><valueQuantity><value value="-1.50e+2"/><unit value="mmol"/></valueQuantity>` +
			`<component><valueBoolean value="false"/></component><component><valueInteger value="0"/></component></Observation>`,
		`{"resourceType":"Observation","id":"o1","valueQuantity":{"value":-1.50e+2,"unit":"mmol"},` +
			`"component":[{"valueBoolean":false},{"valueInteger":0}]}`},
	{"an element that may repeat is an array even when it stands once",
		`<Patient xmlns="http://hl7.org/fhir"><name><family value="Oak"/><given value="Ann"/></name></Patient>`,
		`{"resourceType":"Patient","name":[{"family":"Oak","given":["Ann"]}]}`},
	{"ids and extensions of a primitive go beside its value",
		`<Patient xmlns="http://hl7.org/fhir"><birthDate id="b" value="2001-02-03"><extension url="http://example.org/t"><valueTime value="04:05:06"/></extension></birthDate></Patient>`,
		`{"resourceType":"Patient","birthDate":"2001-02-03","_birthDate":{"id":"b","extension":[{"url":"http://example.org/t","valueTime":"04:05:06"}]}}`},
	{"a primitive may have extensions and no value",
		`<Patient xmlns="http://hl7.org/fhir"><active><extension url="http://example.org/why"><valueCode value="unknown"/></extension></active><gender id="g"/></Patient>`,
		`{"resourceType":"Patient","_active":{"extension":[{"url":"http://example.org/why","valueCode":"unknown"}]},"_gender":{"id":"g"}}`},
	{"arrays of primitives stay aligned by null",
		`<Patient xmlns="http://hl7.org/fhir"><name><given value="A"/><given><extension url="http://example.org/x"><valueString value="y"/></extension></given><given id="c" value="C"/><given value="D"/></name></Patient>`,
		`{"resourceType":"Patient","name":[{"given":["A",null,"C","D"],"_given":[null,{"extension":[{"url":"http://example.org/x","valueString":"y"}]},{"id":"c"},null]}]}`},
	{"an array in which no primitive has a value",
		`<Patient xmlns="http://hl7.org/fhir"><name><given id="a"/><given id="b"/></name></Patient>`,
		`{"resourceType":"Patient","name":[{"_given":[{"id":"a"},{"id":"b"}]}]}`},
	{"id and url are attributes of elements, id of a resource is an element",
		`<Basic xmlns="http://hl7.org/fhir"><id value="b"/><extension id="x" url="http://example.org/e"><extension url="inner"><valueUri value="urn:a"/></extension></extension><code id="c"/></Basic>`,
		`{"resourceType":"Basic","id":"b","extension":[{"id":"x","url":"http://example.org/e","extension":[{"url":"inner","valueUri":"urn:a"}]}],"code":{"id":"c"}}`},
	{"contained resources, each in an element of its own",
		`<ServiceRequest xmlns="http://hl7.org/fhir"><contained><Patient><id value="p"/></Patient></contained><contained><Basic/></contained><status value="active"/><subject><reference value="#p"/></subject></ServiceRequest>`,
		`{"resourceType":"ServiceRequest","contained":[{"resourceType":"Patient","id":"p"},{"resourceType":"Basic"}],"status":"active","subject":{"reference":"#p"}}`},
	{"resources in a Bundle and in Parameters",
		`<Bundle xmlns="http://hl7.org/fhir"><type value="message"/><entry><fullUrl value="urn:uuid:1"/><resource><Parameters><parameter><name value="a"/><part><name value="b"/><resource><Slot/></resource></part></parameter></Parameters></resource></entry><entry><resource><Slot><status value="free"/></Slot></resource></entry></Bundle>`,
		`{"resourceType":"Bundle","type":"message","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b","resource":{"resourceType":"Slot"}}]}]}},{"resource":{"resourceType":"Slot","status":"free"}}]}`},
	{"the narrative keeps its own text",
		`<Basic xmlns="http://hl7.org/fhir"><text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml" xml:lang='en'><!-- kept --><p>1 &lt; 2 &#233;<br/><![CDATA[<&]]></p>
 <i >x</i></div></text></Basic>`,
		`{"resourceType":"Basic","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang='en'><!-- kept --><p>1 &lt; 2 &#233;<br/><![CDATA[<&]]></p>\n <i >x</i></div>"}}`},
	{"markup, quotes, line breaks and any script in values",
		`<Basic xmlns="http://hl7.org/fhir"><code><text value="&lt;a> &amp; &quot;b&quot; 'c' \ &#9;&#10;&#13; é 漢 😀"/></code></Basic>`,
		`{"resourceType":"Basic","code":{"text":"<a> & \"b\" 'c' \\ \t\n\r é 漢 😀"}}`},
	{"an element that R4 defines by reference to another",
		`<Questionnaire xmlns="http://hl7.org/fhir"><item><linkId value="1"/><item><linkId value="1.1"/><item><linkId value="1.1.1"/><required value="true"/></item></item></item></Questionnaire>`,
		`{"resourceType":"Questionnaire","item":[{"linkId":"1","item":[{"linkId":"1.1","item":[{"linkId":"1.1.1","required":true}]}]}]}`},
	{"an element called resourceType in a backbone element",
		`<ExampleScenario xmlns="http://hl7.org/fhir"><instance><resourceId value="i"/><resourceType value="Slot"/></instance></ExampleScenario>`,
		`{"resourceType":"ExampleScenario","instance":[{"resourceId":"i","resourceType":"Slot"}]}`},
}

func TestXMLBecomesTheSameResourceInJSON(t *testing.T) {
	for _, pair := range pairs {
		t.Run(pair.name, func(t *testing.T) {
			r, err := ToJSON([]byte(pair.xml), r4.Tables)
			require.NoError(t, err)
			require.Equal(t, pair.json, string(r.JSON()))
		})
	}
}

func TestJSONBecomesTheSameResourceInXML(t *testing.T) {
	for _, pair := range pairs {
		t.Run(pair.name, func(t *testing.T) {
			r, err := fhir.Parse([]byte(pair.json))
			require.NoError(t, err)
			xml, err := FromJSON(r, r4.Tables)
			require.NoError(t, err)
			require.Equal(t, xmlHead+pair.xml, string(xml))
		})
	}
}

func TestXMLThatIsWrittenDifferentlyMeansTheSame(t *testing.T) {
	want := `{"resourceType":"Basic","text":{"status":"empty","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p class=\"a\" xml:lang=\"en\">x<br/></p></div>"},"code":{"text":"a b c"}}`
	div := `<div xmlns="http://www.w3.org/1999/xhtml"><p class="a" xml:lang="en">x<br/></p></div>`
	plain := `<Basic xmlns="http://hl7.org/fhir"><text><status value="empty"/>` + div + `</text><code><text value="a b c"/></code></Basic>`
	cases := map[string]string{
		"plain":                  plain,
		"byte order mark":        "\uFEFF" + plain,
		"declaration":            `<?xml version='1.0' encoding='utf-8' standalone = "no" ?>` + "\r\n" + plain + "\n",
		"declaration after mark": "\uFEFF" + xmlHead + plain,
		"viewer's instructions":  xmlHead + `<?xml-model href="a.sch"?><?xml-stylesheet href="a.css"?>` + plain,
		"comments and space":     "<!-- a -->\n" + strings.Replace(plain, "<code><text", "<code>\t<!-- b - c -->\r\n <text", 1) + "<!-- d -->",
		"end tags":               strings.ReplaceAll(plain, `<status value="empty"/>`, `<status value="empty"></status >`),
		"spread out":             strings.ReplaceAll(plain, `<text value="a b c"/>`, "<text\n  value\t=\n'a b c'\n/>"),
		"line breaks in a value": strings.ReplaceAll(plain, "a b c", "a\r\nb\tc"),
		"schema location": strings.Replace(plain, `<Basic `,
			`<Basic xsi:schemaLocation="http://hl7.org/fhir fhir.xsd" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" `, 1),
		"prefix for FHIR": `<f:Basic xmlns:f="http://hl7.org/fhir"><f:text><f:status value="empty"/>` + div +
			`</f:text><f:code><f:text value="a b c"/></f:code></f:Basic>`,
		"prefix for XHTML": `<Basic xmlns="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml"><text><status value="empty"/>` +
			`<h:div><h:p class="a" xml:lang="en">x<h:br/></h:p></h:div></text><code><text value="a b c"/></code></Basic>`,
		"prefix in a div that has its own namespace": strings.Replace(strings.Replace(plain, "<Basic ", `<Basic xmlns:h="http://www.w3.org/1999/xhtml" `, 1),
			"<br/>", "<h:br/>", 1),
		"default namespace changed and back": strings.Replace(plain, `<code>`, `<code xmlns="http://hl7.org/fhir">`, 1),
	}
	for name, xml := range cases {
		t.Run(name, func(t *testing.T) {
			r, err := ToJSON([]byte(xml), r4.Tables)
			require.NoError(t, err)
			require.Equal(t, want, string(r.JSON()))
		})
	}
}

func TestANarrativesLineEndsAreReadAsXMLReadsThem(t *testing.T) {
	xml := `<Basic xmlns="http://hl7.org/fhir"><text><div xmlns="http://www.w3.org/1999/xhtml">a` + "\r\nb\rc" + `&#13;</div></text></Basic>`
	r, err := ToJSON([]byte(xml), r4.Tables)
	require.NoError(t, err)
	require.Equal(t, "<div xmlns=\"http://www.w3.org/1999/xhtml\">a\nb\nc&#13;</div>", r.Get("text", "div").Text())
}

func TestAPlusSignOfAnIntegerIsDropped(t *testing.T) {
	r, err := ToJSON([]byte(`<Slot xmlns="http://hl7.org/fhir"><extension url="a"><valueInteger value="+7"/></extension></Slot>`), r4.Tables)
	require.NoError(t, err)
	require.Equal(t, "7", string(r.Get("extension", "valueInteger").Raw()))
}

func TestJSONMembersInAnyOrderBecomeXMLInOrder(t *testing.T) {
	r, err := fhir.Parse([]byte(`{"extension":[{"valueString":"v","url":"u","id":"i"}],"status":"free","_comment":{"id":"c"},"id":"s","resourceType":"Slot"}`))
	require.NoError(t, err)
	xml, err := FromJSON(r, r4.Tables)
	require.NoError(t, err)
	require.Equal(t, xmlHead+`<Slot xmlns="http://hl7.org/fhir"><id value="s"/><extension id="i" url="u"><valueString value="v"/></extension><status value="free"/><comment id="c"/></Slot>`, string(xml))
}

func TestAResourceInsideAnotherBecomesADocumentOfItsOwn(t *testing.T) {
	r, err := fhir.Parse([]byte(`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Slot","id":"s"}}]}`))
	require.NoError(t, err)
	xml, err := FromJSON(r.Get("entry", "resource").Resource(), r4.Tables)
	require.NoError(t, err)
	require.Equal(t, xmlHead+`<Slot xmlns="http://hl7.org/fhir"><id value="s"/></Slot>`, string(xml))
}
