package search

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/r4"
)

const bigObservation = `{"resourceType":"Observation","id":"o","meta":{"tag":[{"code":"x"}]},"implicitRules":"urn:r","language":"en","text":{"status":"generated"},"contained":[{"resourceType":"Patient"}],` +
	`"extension":[{"url":"urn:e"}],"modifierExtension":[{"url":"urn:m"}],"status":"final","_status":{"id":"s"},"category":[{"text":"c"}],"code":{"text":"k"},"subject":{"reference":"Patient/p"},"valueString":"v","_valueString":{"id":"w"},"note":[{"text":"n"}],"strange":1}`

func TestASubsetHoldsWhatIsAskedForAndWhatIsMandatory(t *testing.T) {
	const head = `{"resourceType":"Observation","id":"o","meta":{"tag":[{"code":"x"},{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]},"implicitRules":"urn:r",`
	for _, c := range []struct{ query, want string }{
		{"_summary=true", head + `"modifierExtension":[{"url":"urn:m"}],"status":"final","_status":{"id":"s"},"code":{"text":"k"},"subject":{"reference":"Patient/p"},"valueString":"v","_valueString":{"id":"w"}}`},
		{"_summary=text", head + `"text":{"status":"generated"},"modifierExtension":[{"url":"urn:m"}],"status":"final","_status":{"id":"s"},"code":{"text":"k"}}`},
		{"_summary=data", head + `"language":"en","contained":[{"resourceType":"Patient"}],"extension":[{"url":"urn:e"}],"modifierExtension":[{"url":"urn:m"}],"status":"final","_status":{"id":"s"},"category":[{"text":"c"}],"code":{"text":"k"},"subject":{"reference":"Patient/p"},"valueString":"v","_valueString":{"id":"w"},"note":[{"text":"n"}],"strange":1}`},
		{"_elements=category", head + `"modifierExtension":[{"url":"urn:m"}],"status":"final","_status":{"id":"s"},"category":[{"text":"c"}],"code":{"text":"k"}}`},
		{"_elements=value,id", head + `"modifierExtension":[{"url":"urn:m"}],"status":"final","_status":{"id":"s"},"code":{"text":"k"},"valueString":"v","_valueString":{"id":"w"}}`},
		{"_summary=false", bigObservation},
		{"_summary=count", bigObservation},
		{"", bigObservation},
	} {
		p, err := Parse("Observation", c.query, offered)
		require.NoError(t, err, c.query)
		got, err := p.Shape.Of(resource(t, bigObservation))
		require.NoError(t, err, c.query)
		require.Equal(t, c.want, string(got.JSON()), c.query)
	}
}

func TestASubsetIsTaggedOnceAndOnlyWhereSomethingIsMissing(t *testing.T) {
	for text, want := range map[string]string{
		`{"resourceType":"Slot","comment":"c"}`:                           `{"resourceType":"Slot","meta":{"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}}`,
		`{"resourceType":"Slot","meta":{"source":"urn:s"},"comment":"c"}`: `{"resourceType":"Slot","meta":{"source":"urn:s","tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}}`,
		`{"resourceType":"Slot","status":"free"}`:                         `{"resourceType":"Slot","status":"free"}`,
		`{"resourceType":"Slot","meta":{"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]},"comment":"c"}`: `{"resourceType":"Slot","meta":{"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}}`,
	} {
		got, err := Shape{Summary: "true"}.Of(resource(t, text))
		require.NoError(t, err)
		require.Equal(t, want, string(got.JSON()))
	}
	for _, meta := range []string{`"x"`, `{"tag":"x"}`} {
		_, err := Shape{Summary: "true"}.Of(resource(t, `{"resourceType":"Slot","meta":`+meta+`,"comment":"c"}`))
		require.Equal(t, fhir.KindStructure, fhir.AsOutcome(err).Kind)
	}
}

func TestWhatShapesTheAnswerIsChecked(t *testing.T) {
	for query, kind := range map[string]fhir.Kind{
		"_elements=colour": fhir.KindValue, "_elements=": fhir.KindValue, "_elements=code,": fhir.KindValue, "_elements=Observation.code": fhir.KindValue, "_elements=code.text": fhir.KindValue,
		"_elements=code&_summary=true": fhir.KindValue, "_summary=text&_include=Observation:subject": fhir.KindValue, "_type=Patient": fhir.KindNotSupported,
		"_elements=code&_elements=code": fhir.KindValue,
	} {
		_, err := Parse("Observation", query, offered)
		require.Error(t, err, query)
		require.Equal(t, kind, fhir.AsOutcome(err).Kind, "%s: %v", query, err)
	}
	for _, query := range []string{"_summary=true", "_summary=text", "_summary=data", "_elements=code", "_include=Observation:subject", "_revinclude=Task:focus", "_has:Task:focus:status=draft"} {
		_, err := Parse("Observation", query, testOptions)
		require.Error(t, err, query)
		require.Equal(t, fhir.KindNotSupported, fhir.AsOutcome(err).Kind, query)
	}
}

func TestEverySummaryNamesElementsOfItsType(t *testing.T) {
	for _, typ := range Types() {
		require.NotEmpty(t, summaries[typ], typ)
		for _, name := range summaries[typ] {
			require.True(t, isElement(typ, name), "%s.%s", typ, name)
		}
	}
	require.Len(t, summaries, len(Types()))
	require.NotNil(t, r4.Tables.Resource("Slot"))
}

func TestASearchOfSeveralTypesIsOneQueryForEach(t *testing.T) {
	p, err := ParseTypes(Types(), "identifier=urn:s|1&_type=Slot,Patient,Slot&_lastUpdated=ge2026&_tag=a&_sort=-_lastUpdated&_count=3", offered)
	require.NoError(t, err)
	require.Equal(t, []string{"Patient", "Slot"}, p.Types)
	require.Equal(t, []Sort{{"_lastUpdated", true}}, p.Query.Sort)
	require.Equal(t, 3, p.Query.Count)
	require.Len(t, p.Queries, 2)
	for i, q := range p.Queries {
		require.Equal(t, p.Types[i], q.Type)
		require.Len(t, q.Where, 3)
	}
	require.Equal(t, "identifier=urn:s%7C1", p.Applied[0])

	p, err = ParseTypes(Types(), "status=http://hl7.org/fhir/slotstatus|free&_type=Slot,Appointment", offered)
	require.NoError(t, err)
	require.Equal(t, HasAny(nil), p.Queries[0].Where, "each type has its own code system")
	require.Equal(t, Has("status:free"), p.Queries[1].Where)

	p, err = ParseTypes(Types(), "", offered)
	require.NoError(t, err)
	require.Len(t, p.Queries, len(Types()))
	p, err = ParseTypes(Types(), "status=free&_tag=a&status=busy", Options{Lenient: true})
	require.NoError(t, err)
	require.Equal(t, []string{"_tag=a"}, p.Applied, "what one type hasn't got is dropped for all")
	require.Equal(t, Has("_tag:a"), p.Queries[0].Where)
}

func TestASearchOfSeveralTypesRefusesWhatItCantApplyToAll(t *testing.T) {
	for query, want := range map[string]struct {
		kind fhir.Kind
		says string
	}{
		"_type=Basic":                       {fhir.KindValue, "_type"},
		"_type=":                            {fhir.KindValue, "_type"},
		"_type=Slot&_type=Slot":             {fhir.KindValue, "_type"},
		"status=free":                       {fhir.KindNotSupported, "status: AllergyIntolerance hasn't got it"},
		"_type=Slot,Patient&start=2026":     {fhir.KindNotSupported, "start: Patient hasn't got it"},
		"_type=Slot,Patient&identifier:x=1": {fhir.KindNotSupported, "identifier:x: the modifier isn't offered"},
		"_sort=status":                      {fhir.KindNotSupported, "_sort"},
		"_sort=_lastUpdated,_id":            {fhir.KindNotSupported, "_sort"},
		"_content=x":                        {fhir.KindNotSupported, "_content"},
		"_type=" + strings.Repeat("Slot,", 500) + "Slot": {fhir.KindTooCostly, "_type"},
	} {
		_, err := ParseTypes(Types(), query, offered)
		require.Error(t, err, query)
		require.Equal(t, want.kind, fhir.AsOutcome(err).Kind, query)
		require.Contains(t, err.Error(), want.says, query)
	}
}

func TestWhatIsNotOfferedSaysSo(t *testing.T) {
	for query, says := range map[string]string{
		"_content=x": "isn't indexed", "_text=x": "isn't indexed", "_filter=x": "filter expressions", "_list=x": "lists", "_query=x": "named query",
		"_contained=true": "contained", "_containedType=container": "contained", "near=1|2|3|km": "distances", "near:missing=true": "distances",
		"type:in=urn:v": "not, text, missing", "type:not-in=urn:v": "not, text, missing", "type:above=x": "not, text, missing", "type:below=x": "not, text, missing", "status:text=x": "not, missing",
		"type:identifier=x": "not, text, missing", "identifier:of-type=a|b|c": "not, text, missing", "partof:above=x": "identifier, Location, missing", "partof:below=x": "identifier, Location, missing",
		"partof:text=x": "identifier", "name:text=x": "exact, contains, missing", "_sort=near": "can't be sorted by",
	} {
		_, err := Parse("Location", query, offered)
		require.Error(t, err, query)
		require.Equal(t, fhir.KindNotSupported, fhir.AsOutcome(err).Kind, query)
		require.Contains(t, err.Error(), says, query)
	}
	_, err := Parse("Patient", "near=x", offered)
	require.ErrorContains(t, err, "isn't known here")
}

func TestCompartmentsGoByReferencesToTheirOwner(t *testing.T) {
	for _, owner := range []string{"Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"} {
		types := CompartmentTypes(owner)
		require.Contains(t, types, owner)
		for _, typ := range types {
			m := r4.Tables.Compartment(owner).Member(typ)
			require.True(t, m != nil || typ == owner, "%s %s", owner, typ)
			if m == nil {
				continue
			}
			for _, name := range m.Params {
				p := paramOf(typ, name)
				require.NotNil(t, p, "%s: %s.%s", owner, typ, name)
				require.True(t, mayRefer(p, owner), "%s: %s.%s", owner, typ, name)
			}
		}
	}
	require.Empty(t, CompartmentTypes("Slot"))
	require.NotContains(t, CompartmentTypes("Patient"), "Task", "R4 has no Task in it, though R5 has")
	require.True(t, Match(&Query{Where: InCompartment("Device", "d", "Device")}, "d", 0, Index{}))
	require.True(t, Match(&Query{Where: InCompartment("Encounter", "e", "Observation")}, "o", 0, Index{X: []string{"encounter:Encounter/e"}}))
	in := func(typ, id string, entries ...string) bool {
		return Match(&Query{Where: InCompartment("Patient", "p1", typ)}, id, 0, Index{X: entries})
	}
	require.True(t, in("Appointment", "a", "actor:Patient/p1"))
	require.False(t, in("Appointment", "a", "actor:Patient/p2"))
	require.True(t, in("Patient", "p1"))
	require.True(t, in("Patient", "p2", "link:Patient/p1"))
	require.False(t, in("Patient", "p2"))
	require.True(t, in("ServiceRequest", "s", "performer:Patient/p1"))
	require.False(t, in("Task", "t", "patient:Patient/p1"))
	require.False(t, in("Slot", "p1"))
}

func TestEveryKindOfParameterButCompositesCanBeSortedBy(t *testing.T) {
	_, err := Parse("Observation", "_sort=subject,-code,value-quantity,value-string,-date", offered)
	require.NoError(t, err)
	_, err = Parse("Questionnaire", "_sort=url,identifier", offered)
	require.NoError(t, err)
	for _, key := range []string{"combo-code-value-concept", "code-value-quantity"} {
		_, err = Parse("Observation", "_sort="+key, offered)
		require.Equal(t, fhir.KindNotSupported, fhir.AsOutcome(err).Kind, key)
	}
	a := Doc{ID: "a", Index: Extract(resource(t, `{"resourceType":"Observation","valueQuantity":{"value":10},"code":{"coding":[{"code":"b"}]}}`), offered)}
	b := Doc{ID: "b", Index: Extract(resource(t, `{"resourceType":"Observation","valueQuantity":{"value":9.5},"code":{"coding":[{"code":"a"}]}}`), offered)}
	require.Positive(t, Compare([]Sort{{Param: "value-quantity"}}, a, b))
	require.Positive(t, Compare([]Sort{{Param: "code"}}, a, b))
	require.Positive(t, Compare([]Sort{{Param: "_id", Desc: true}}, a, b))
}
