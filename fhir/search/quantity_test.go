package search

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

// pressure has two components, each with its own code, value and unit.
const pressure = `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},
"component":[
{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":120,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":16,"unit":"kPa","system":"http://unitsofmeasure.org","code":"kPa"}}]}`

func check(t *testing.T, r *fhir.Resource, cases map[string]bool) {
	t.Helper()
	x := Extract(r, testOptions)
	for query, want := range cases {
		p, err := Parse(r.Type(), query, testOptions)
		require.NoError(t, err, query)
		require.Equal(t, want, Match(p.Query, "x", 0, x), "%s of %v %v", query, x.X, x.D)
	}
}

func TestAQuantityIsFoundByValuePrefixAndUnit(t *testing.T) {
	const weight = `{"resourceType":"Observation","code":{"text":"w"},"valueQuantity":{"value":5.40,"unit":"milligram","system":"http://unitsofmeasure.org","code":"mg"}}`
	check(t, resource(t, weight), map[string]bool{
		"value-quantity=5.4": true, "value-quantity=5": true, "value-quantity=5.40": true, "value-quantity=5.41": false, "value-quantity=54e-1": true,
		"value-quantity=5.4|http://unitsofmeasure.org|mg": true, "value-quantity=5.4||mg": true, "value-quantity=5.4||milligram": true,
		"value-quantity=5.4|http://unitsofmeasure.org|g": false, "value-quantity=5.4|urn:other|mg": false, "value-quantity=5.4||g": false,
		"value-quantity=gt5.4": false, "value-quantity=gt5.39": true, "value-quantity=ge5.4": true, "value-quantity=lt5.4": false, "value-quantity=le5.4": true,
		"value-quantity=sa5.3||mg": true, "value-quantity=eb5.3||mg": false, "value-quantity=ne5.4": false, "value-quantity=ne6": true,
		"value-quantity=ap5": true, "value-quantity=ap4": false, "value-quantity=gt-3": true, "value-quantity=1,5": true,
		"combo-value-quantity=5.4": true, "component-value-quantity=5.4": false, "value-quantity:missing=false": true,
		"component-value-quantity:missing=true": true,
	})
}

func TestANumberMeansWhatItsPrecisionSays(t *testing.T) {
	for number, want := range map[string][2]float64{
		"100": {99.5, 100.5}, "100.00": {99.995, 100.005}, "1e2": {95, 105}, "-5.4": {-5.45, -5.35}, "0": {-0.5, 0.5}, "0.0": {-0.05, 0.05}, "+1": {0.5, 1.5},
	} {
		lo, hi, ok := asked(Eq, number)
		require.True(t, ok, number)
		require.Equal(t, ordered(want[0]), lo, number)
		require.Equal(t, ordered(want[1])-1, hi, number)
	}
	for _, number := range []string{"", "-", ".", "5.", ".5", "1e", "e1", "1e2.0", "0x1", "1_0", "--1", "-+1", "Inf", "NaN", "1e401", "1 0", "１"} {
		_, _, ok := asked(Eq, number)
		require.False(t, ok, number)
	}
}

func TestTheIntegersOfNumbersKeepTheirOrder(t *testing.T) {
	numbers := []float64{math.Inf(-1), -math.MaxFloat64, -2, -1.5, -math.SmallestNonzeroFloat64, 0, math.SmallestNonzeroFloat64, 1, 1.5, 2, 1e300, math.Inf(1)}
	var got []int64
	for _, f := range numbers {
		got = append(got, ordered(f))
	}
	require.True(t, slices.IsSorted(got))
	require.Len(t, slices.Compact(got), len(numbers))
	require.Equal(t, ordered(0), ordered(math.Copysign(0, -1)))
}

func TestAComparatorAndARangeLeaveTheirEndsOpen(t *testing.T) {
	check(t, resource(t, `{"resourceType":"Observation","valueQuantity":{"value":5,"comparator":"<","code":"mg"}}`), map[string]bool{
		"value-quantity=lt4": true, "value-quantity=gt5": false, "value-quantity=ge5": false, "value-quantity=gt4": true, "value-quantity=5": false,
	})
	check(t, resource(t, `{"resourceType":"Observation","valueQuantity":{"value":5,"comparator":">","code":"mg"}}`), map[string]bool{
		"value-quantity=le5": false, "value-quantity=sa5": true, "value-quantity=ge6": true, "value-quantity=lt5": false, "value-quantity=5": false,
	})
	check(t, resource(t, `{"resourceType":"Condition","onsetRange":{"low":{"value":10,"code":"a"},"high":{"value":20,"code":"a"}}}`), map[string]bool{
		"onset-age=ge15": true, "onset-age=gt20": false, "onset-age=sa9||a": true, "onset-age=eb21": true, "onset-age=15": false, "onset-age=ap20": true,
	})
	check(t, resource(t, `{"resourceType":"Condition","onsetRange":{"low":{"value":10,"code":"a"}}}`), map[string]bool{
		"onset-age=gt1000||a": true, "onset-age=lt10": false,
	})
	check(t, resource(t, `{"resourceType":"Condition","onsetAge":{"value":"10"}}`), map[string]bool{"onset-age=10": false, "onset-age:missing=false": true})
}

func TestValueAndUnitMustSitInOneElement(t *testing.T) {
	check(t, resource(t, pressure), map[string]bool{
		"component-value-quantity=120||mm[Hg]": true, "component-value-quantity=16||kPa": true, "component-value-quantity=120": true,
		"component-value-quantity=120||kPa": false, "component-value-quantity=16||mm[Hg]": false, "value-quantity=120": false,
	})
}

func TestThePartsOfACompositeMustSitInOneElement(t *testing.T) {
	check(t, resource(t, pressure), map[string]bool{
		"component-code-value-quantity=8480-6$120":                                                     true,
		"component-code-value-quantity=http://loinc.org|8480-6$gt100|http://unitsofmeasure.org|mm[Hg]": true,
		"component-code-value-quantity=http://loinc.org|$lt20||kPa":                                    true,
		"component-code-value-quantity=8462-4$120":                                                     false,
		"component-code-value-quantity=8480-6$16":                                                      false,
		"component-code-value-quantity=8480-6$120||kPa":                                                false,
		"component-code-value-quantity=urn:other|8480-6$120":                                           false,
		"component-code-value-quantity=1$2,8462-4$le16":                                                true,
		"combo-code-value-quantity=8480-6$120":                                                         true,
		"combo-code-value-quantity=85354-9$120":                                                        false,
		"code-value-quantity=8480-6$120":                                                               false,
		"component-code-value-quantity:missing=false":                                                  true,
		"code-value-quantity:missing=true":                                                             true,
	})
	check(t, resource(t, `{"resourceType":"Observation","code":{"coding":[{"system":"urn:c","code":"a$b"},{"code":"c"}]},"valueString":"Très bon"}`), map[string]bool{
		`code-value-string=a\$b$tres`: true, "code-value-string=c$bon": true, "code-value-string=c$on": false, "code-value-string=d$bon": false,
		`code-value-string=urn:c|a\$b$TRES+B`: true, "code-value-string=|c$tres": true, "code-value-string=urn:c|c$tres": false,
	})
	check(t, resource(t, `{"resourceType":"Observation","code":{"coding":[{"code":"c"}]},"valueDateTime":"2026-03-10"}`), map[string]bool{
		"code-value-date=c$2026-03": true, "code-value-date=c$gt2026-03-10": false, "code-value-date=d$2026-03": false,
	})
	check(t, resource(t, `{"resourceType":"Observation","code":{"coding":[{"code":"c"}]},"valueCodeableConcept":{"coding":[{"system":"urn:v","code":"v"}]}}`), map[string]bool{
		"code-value-concept=c$v": true, "code-value-concept=c$urn:v|v": true, "code-value-concept=c$urn:v|": true, "code-value-concept=c$|v": false,
		"combo-code-value-concept=c$v": true, "component-code-value-concept=c$v": false,
	})
	check(t, resource(t, `{"resourceType":"Observation","code":{"coding":[{"code":"a"}]},"valueCodeableConcept":{"coding":[{"code":"b$:c"}]}}`), map[string]bool{
		`code-value-concept=a$b\$:c`: true, `code-value-concept=a\$:b$c`: false,
	})
	check(t, resource(t, `{"resourceType":"DocumentReference","relatesTo":[{"code":"replaces","target":{"reference":"DocumentReference/d1"}},{"code":"appends","target":{"reference":"DocumentReference/d2"}}]}`), map[string]bool{
		"relationship=d1$replaces": true, "relationship=DocumentReference/d2$appends": true, "relationship=d1$appends": false,
		"relationship=d1$http://hl7.org/fhir/document-relationship-type|replaces": true, "relationship=d1$urn:x|replaces": false,
	})
	check(t, resource(t, `{"resourceType":"Questionnaire","useContext":[{"code":{"system":"urn:u","code":"age"},"valueRange":{"low":{"value":1,"unit":"a"},"high":{"value":5,"unit":"a"}}},{"code":{"code":"focus"},"valueCodeableConcept":{"coding":[{"code":"x"}]}}]}`), map[string]bool{
		"context-type-quantity=age$gt2||a": true, "context-type-quantity=focus$gt2": false, "context-type-value=focus$x": true, "context-type-value=age$x": false,
	})
}

func TestQuantitiesAndCompositesThatMakeNoSenseAreRefused(t *testing.T) {
	for query, kind := range map[string]fhir.Kind{
		"value-quantity=five": fhir.KindValue, "value-quantity=5|mg": fhir.KindValue, "value-quantity=5|urn:s|": fhir.KindValue, "value-quantity=": fhir.KindValue,
		"value-quantity=gt": fhir.KindValue, "value-quantity=5|a|b|c": fhir.KindValue, "value-quantity:exact=5": fhir.KindNotSupported,
		"code-value-quantity=5": fhir.KindValue, "code-value-quantity=a$": fhir.KindValue, "code-value-quantity=$5": fhir.KindValue,
		"code-value-quantity=a$5$6": fhir.KindValue, "code-value-quantity=a$b": fhir.KindValue, "code-value-quantity:not=a$5": fhir.KindNotSupported,
		"_sort=code-value-quantity": fhir.KindNotSupported,
	} {
		_, err := Parse("Observation", query, testOptions)
		require.Error(t, err, query)
		require.Equal(t, kind, fhir.AsOutcome(err).Kind, "%s: %v", query, err)
	}
	_, err := Parse("DocumentReference", "relationship=d1$http://hl7.org/fhir/document-relationship-type|", testOptions)
	require.Equal(t, fhir.KindValue, fhir.AsOutcome(err).Kind)
}

func TestAPatientIsDeceasedWhereTheElementIsThereAndNotFalse(t *testing.T) {
	for text, dead := range map[string]bool{
		`{"resourceType":"Patient"}`: false, `{"resourceType":"Patient","deceasedBoolean":false}`: false,
		`{"resourceType":"Patient","deceasedBoolean":true}`: true, `{"resourceType":"Patient","deceasedDateTime":"2026"}`: true,
	} {
		check(t, resource(t, text), map[string]bool{
			"deceased=" + strconv.FormatBool(dead): true, "deceased=" + strconv.FormatBool(!dead): false, "deceased:not=true": !dead,
			"deceased=http://hl7.org/fhir/special-values|" + strconv.FormatBool(dead): true,
		})
	}
}

func TestANameIsFoundByItsSound(t *testing.T) {
	for word, want := range map[string]string{"robert": "R163", "rupert": "R163", "ashcraft": "A261", "tymczak": "T522", "pfister": "P236", "o'hara": "O600", "lee": "L000"} {
		require.Equal(t, []string{want}, soundsOf([]byte(word)), word)
	}
	check(t, resource(t, `{"resourceType":"Patient","name":[{"family":"Smith","given":["Éva"]}]}`), map[string]bool{
		"phonetic=smyth": true, "phonetic=Eva": true, "phonetic=" + url.QueryEscape("ava"): false, "phonetic=eva+smythe": true, "phonetic=jones,smith": true,
	})
	_, err := Parse("Patient", "phonetic=123", testOptions)
	require.Equal(t, fhir.KindValue, fhir.AsOutcome(err).Kind)
	_, err = Parse("Patient", "phonetic:exact=smith", testOptions)
	require.Equal(t, fhir.KindNotSupported, fhir.AsOutcome(err).Kind)
}
