package validate

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/fhirxml"
)

// FuzzResource checks that nothing that is read makes the validator fail, that
// what it refuses is named, and that what it accepts can be written as XML and
// is accepted again when read from it.
func FuzzResource(f *testing.F) {
	f.Add([]byte(referral))
	f.Add([]byte(patient(`"name":[{"given":["A",null],"_given":[null,{"extension":[{"url":"http://a.example/x","valueCode":"b"}]}]}]`)))
	f.Add([]byte(patient(`"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p class='a'>&#65;&amp;<!-- b --><br/></p></div>"}`)))
	f.Add([]byte(request(`,"performer":[{"reference":"#a"}],"contained":[{"resourceType":"Organization","id":"a","name":"A"}]`)))
	for _, c := range ruleCases {
		f.Add([]byte(c.make(c.passes[0])))
		f.Add([]byte(c.make(c.fails[0])))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := fhir.Parse(text)
		if err != nil {
			return
		}
		report := Resource(r, Options{})
		require.LessOrEqual(t, len(report.Issues), DefaultMaxIssues)
		for _, issue := range report.Issues {
			require.NotEmpty(t, issue.Expression)
			require.NotContains(t, issue.Expression, "_")
		}
		if !report.OK() || beyondXML(r) {
			return
		}
		xml, err := fhirxml.FromJSON(r, tables)
		if err != nil { // an XML document is deeper than its JSON
			require.Equal(t, fhir.KindTooComplex, fhir.AsOutcome(err).Kind, err)
			return
		}
		again, err := fhirxml.ToJSON(xml, tables)
		require.NoError(t, err)
		require.Empty(t, Resource(again, Options{}).Issues)
	})
}

// beyondXML says whether a text has the two characters that FHIR doesn't forbid
// but XML can't write.
func beyondXML(r *fhir.Resource) bool {
	found := false
	fhir.Walk(r.Root(), func(_ string, v fhir.Value) {
		found = found || strings.ContainsAny(v.Text(), "\uFFFE\uFFFF")
	})
	return found || bytes.ContainsAny(r.JSON(), "\uFFFE\uFFFF")
}
