package search

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

// FuzzParse: any text is either a query whose self link means the same, or an
// Outcome; nothing panics, and bounds hold.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"status=free&start=ge2026-03-01T12:00:00%2B00:00&start=le2026-03-01",
		"identifier=urn:s|1,urn:s|,|1&patient=p1&patient.identifier=urn:n|9",
		"actor:HealthcareService.identifier=1&_sort=-date,status&_count=0&_total=none",
		`identifier=a\,b\|c\$d\\e&status:not=x&status:missing=true&_id=a,b`,
		"family:exact=Smith&name:contains=mit&name=J%C3%A9&address-postalcode=LS1+4AP",
		"_has:Appointment:slot:patient.name=x&_has:Task:focus:_has:Task:part-of:status=draft&schedule.actor.organization.name=y",
		"_include=Slot:schedule&_include:iterate=Schedule:actor:Patient&_revinclude=Appointment:*&_elements=status,start",
		"value-quantity=ge5.4||mg&code-value-quantity=urn:s|c$5e-3|urn:u|g&code-value-concept=a$b,c$|d&code-value-string=a$b&phonetic=smyth&deceased=true",
		"_type=Slot,Patient&identifier=urn:s|1&_sort=-_lastUpdated&_revinclude=*&_tag:not=x",
		"&&=&%zz=1&_cursor=abc&_lastUpdated=ap2026&a=b;c=d",
	} {
		for _, typ := range []string{"Appointment", "Patient", "Slot", "Observation", ""} {
			f.Add(typ, seed, true)
		}
	}
	f.Fuzz(func(t *testing.T, typ, query string, lenient bool) {
		o := offered
		o.Lenient = lenient
		parse := func(query string) (*Parsed, error) {
			if typ == "" {
				return ParseTypes([]string{"Patient", "Slot", "Observation"}, query, o)
			}
			return Parse(typ, query, o)
		}
		p, err := parse(query)
		if err != nil {
			var outcome *fhir.Outcome
			require.True(t, errors.As(err, &outcome))
			return
		}
		require.LessOrEqual(t, p.Query.Count, MaxCount)
		again, err := parse(strings.Join(p.Applied, "&"))
		require.NoError(t, err)
		require.Equal(t, p.Query.Where, again.Query.Where)
		require.Equal(t, p.Queries, again.Queries)
		require.Equal(t, p.Query.Sort, again.Query.Sort)
		require.Equal(t, p.Includes, again.Includes)
		require.Equal(t, p.Shape, again.Shape)
		require.Equal(t, p.Applied, again.Applied)
		Match(p.Query, "x", 0, Index{X: []string{"status:free"}, D: []Span{{"start", 0, 1}}})
	})
}

// FuzzExtract: any JSON object gives a sorted index within its bounds.
func FuzzExtract(f *testing.F) {
	for _, seed := range []string{
		serviceRequestJSON,
		`{"resourceType":"Patient","name":[{"family":"Łuk","given":["é"]}],"address":[{"postalCode":"LS1 4AP"}],"telecom":[{"system":"phone","value":"1"}],"birthDate":"1970-01"}`,
		`{"resourceType":"Appointment","participant":[{"actor":{"reference":"Patient/p"}},{"actor":{"identifier":{"value":"1"}}}],"start":"2026-10-25T01:30:00+01:00"}`,
		`{"resourceType":"Slot","status":1,"schedule":"x","start":{"start":"2026"},"identifier":[[],{},null,"a",{"value":{}}]}`,
		pressure,
		`{"resourceType":"Observation","code":{"coding":[{"code":"a$b"}]},"valueQuantity":{"value":1e999,"comparator":"<","unit":"u","code":"c"},"component":[{"valueQuantity":{"value":-0}},[],{"code":[{}],"valueRange":{"low":{}}}]}`,
		`{"resourceType":"Encounter","period":{"event":["2026","x",1]},"location":[{"period":{"end":"2026"}}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := fhir.Parse(text)
		if err != nil {
			return
		}
		x := Extract(r, testOptions)
		require.True(t, slices.IsSorted(x.X))
		require.Equal(t, len(x.X), len(slices.Compact(slices.Clone(x.X))))
		require.LessOrEqual(t, len(x.X)+len(x.D), MaxEntries)
		for _, e := range x.X {
			require.True(t, utf8.ValidString(e))
			require.LessOrEqual(t, len(e), 64+maxPart+maxValue)
		}
		for _, s := range x.D {
			require.NotEmpty(t, s.Param)
		}
	})
}
