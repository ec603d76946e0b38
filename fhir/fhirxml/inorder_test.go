package fhirxml

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/r4"
)

func TestElementsInAnyOrderBecomeTheSameResource(t *testing.T) {
	for _, c := range []struct {
		name, xml, json string
		misplaced       []string
	}{
		{"in order", `<Slot xmlns="http://hl7.org/fhir"><status value="free"/><start value="2030-01-01T09:00:00Z"/></Slot>`,
			`{"resourceType":"Slot","status":"free","start":"2030-01-01T09:00:00Z"}`, nil},
		{"id behind meta", `<Task xmlns="http://hl7.org/fhir"><meta><profile value="urn:p"/></meta><id value="t"/><status value="requested"/></Task>`,
			`{"resourceType":"Task","id":"t","meta":{"profile":["urn:p"]},"status":"requested"}`, []string{"Task.id"}},
		{"a choice in front, deep in a Bundle, beside a comment", xmlHead + `<!-- 1 --><Bundle xmlns="http://hl7.org/fhir"><entry><resource><!-- 2 --><Observation><code><text value="Age"/></code>` +
			"\n" + `<valueQuantity><unit value="week"/><value value="15.0"/></valueQuantity><subject><reference value="urn:uuid:1"/></subject></Observation></resource></entry></Bundle><!-- 3 -->`,
			`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation","code":{"text":"Age"},"subject":{"reference":"urn:uuid:1"},"valueQuantity":{"value":15.0,"unit":"week"}}}]}`,
			[]string{"Bundle.entry[0].resource.subject", "Bundle.entry[0].resource.valueQuantity.value"}},
		{"repetitions with others between", `<Patient xmlns="http://hl7.org/fhir"><name><given value="A"/><family value="Oak"/><given id="b" value="B"/></name><active value="true"/><name><text value="Second"/></name></Patient>`,
			`{"resourceType":"Patient","active":true,"name":[{"family":"Oak","given":["A","B"],"_given":[null,{"id":"b"}]},{"text":"Second"}]}`,
			[]string{"Patient.active", "Patient.name[0].family"}},
		{"prefixes and declarations of their own", `<f:Slot xmlns:f="http://hl7.org/fhir"><g:start xmlns:g="http://hl7.org/fhir" value="2030-01-01T09:00:00Z"/><f:status value="free"/></f:Slot>`,
			`{"resourceType":"Slot","status":"free","start":"2030-01-01T09:00:00Z"}`, []string{"Slot.status"}},
		{"a contained resource and a narrative", `<Basic xmlns="http://hl7.org/fhir"><contained><Slot><start value="2030-01-01T09:00:00Z"/><status value="free"/></Slot></contained><text><div xmlns="http://www.w3.org/1999/xhtml">a<b>c</b>d</div><status value="generated"/></text></Basic>`,
			`{"resourceType":"Basic","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a<b>c</b>d</div>"},"contained":[{"resourceType":"Slot","status":"free","start":"2030-01-01T09:00:00Z"}]}`,
			[]string{"Basic.text", "Basic.text.status", "Basic.contained[0].status"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, misplaced, err := ToJSONInAnyOrder([]byte(c.xml), r4.Tables)
			require.NoError(t, err)
			require.Equal(t, c.json, string(r.JSON()))
			require.ElementsMatch(t, c.misplaced, misplaced)
		})
	}
}

// Ensure that the order is all that is overlooked.
func TestWhatElseIsWrongIsRefusedInAnyOrder(t *testing.T) {
	const slot = `<Slot xmlns="http://hl7.org/fhir"><start value="2030-01-01T09:00:00Z"/><status value="free"/>`
	for _, c := range []struct{ name, xml, at string }{
		{"an element twice", slot + `<overbooked value="true"/><status value="busy"/></Slot>`, "Slot.status"},
		{"two alternatives of a choice", `<Observation xmlns="http://hl7.org/fhir"><valueString value="a"/><status value="final"/><valueInteger value="1"/></Observation>`, "Observation.valueInteger"},
		{"text between", slot + `secret</Slot>`, "Slot.start"},
		{"an unknown element", slot + `<colour value="red"/></Slot>`, "Slot.colour"},
		{"an unknown attribute", `<Slot xmlns="http://hl7.org/fhir"><start value="2030-01-01T09:00:00Z"/><status value="free" x="y"/></Slot>`, "Slot.status"},
		{"two resources in one element", `<Bundle xmlns="http://hl7.org/fhir"><entry/><type value="message"/><entry><resource><Slot/><Slot/></resource></entry></Bundle>`, "Bundle.entry[0]"},
		{"syntax", slot + `<overbooked value="true"></Slot>`, ""},
		{"no resource", `<Referral xmlns="http://hl7.org/fhir"/>`, ""},
		{"in order but empty", `<Slot xmlns="http://hl7.org/fhir"><status/></Slot>`, "Slot.status"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _, err := ToJSONInAnyOrder([]byte(c.xml), r4.Tables)
			require.Nil(t, r)
			o := fhir.AsOutcome(err)
			require.Equal(t, fhir.KindStructure, o.Kind, o.Error())
			require.Equal(t, c.at, o.Issues[0].Expression)
			require.NotContains(t, o.Error(), "secret")
		})
	}
}

// FuzzToJSONInAnyOrder checks that what is taken in order is taken all the same,
// and that nothing of what is taken out of order is lost: the resource can be
// written and read again, and has as many elements.
func FuzzToJSONInAnyOrder(f *testing.F) {
	for _, pair := range pairs {
		f.Add([]byte(pair.xml))
	}
	f.Add([]byte(`<Patient xmlns="http://hl7.org/fhir"><name><given value="A"/><family value="Oak"/><given id="b" value="B"/></name><active value="true"/></Patient>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		strict, strictErr := ToJSON(text, r4.Tables)
		r, misplaced, err := ToJSONInAnyOrder(text, r4.Tables)
		if strictErr == nil {
			require.NoError(t, err)
			require.Empty(t, misplaced)
			require.Equal(t, string(strict.JSON()), string(r.JSON()))
			return
		}
		if err != nil {
			require.Nil(t, r)
			return
		}
		require.NotEmpty(t, misplaced)
		requireWellFormed(t, text)
		back, err := FromJSON(r, r4.Tables)
		if err != nil {
			require.Equal(t, fhir.KindTooComplex, fhir.AsOutcome(err).Kind, err)
			return
		}
		require.Equal(t, startTags(text), startTags(back))
	})
}

// startTags counts the elements of a document that is well-formed.
func startTags(text []byte) int {
	s, count := scanner{in: text}, 0
	if s.declaration() != nil {
		return -1
	}
	for {
		tok, err := s.next()
		switch {
		case err != nil:
			return -1
		case tok.kind == endOfFile:
			return count
		case tok.kind == startTag:
			count++
		}
	}
}
