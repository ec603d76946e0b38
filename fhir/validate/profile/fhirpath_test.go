package profile

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/r4"
)

const observation = `{"resourceType":"Observation","status":"final","valueInteger":5,"code":{"coding":[{"system":"http://loinc.org","code":"1"},{"code":"2"}],"text":"it's"},
"extension":[{"url":"https://a.example/x","valueBoolean":false}],"component":[{"code":{"text":"a"}},{"code":{"text":"b"},"valueString":"s"}]}`

func TestExpressionsAreEvaluatedAsFHIRPathSays(t *testing.T) {
	r, err := fhir.Parse([]byte(observation))
	require.NoError(t, err)
	focus := collection{{it: item{v: r.Root(), typ: r4.Tables.Resource("Observation")}}}
	for text, want := range map[string]ternary{
		"status = 'final'":             isTrue,
		"Observation.status = 'final'": isTrue,
		"status != 'final'":            isFalse,
		"issued = '2020'":              unknown,
		"value = 5":                    isTrue,
		"value > 4 and value <= 5":     isTrue,
		"value < 5 or value >= 6":      isFalse,
		"status > 4":                   unknown,
		"code.text = 'it\\'s'":         isTrue,
		"code.coding.where(system='http://loinc.org').exists()":  isTrue,
		"code.coding.exists(code = '3')":                         isFalse,
		"code.coding.all(code.exists())":                         isTrue,
		"code.coding.all(system.exists())":                       isFalse,
		"code.coding.count() = 2":                                isTrue,
		"code.coding.first().code = '1'":                         isTrue,
		"code.coding.code.empty().not()":                         isTrue,
		"code.coding.where($this.code = '2').system.empty()":     isTrue,
		"extension('https://a.example/x').value = false":         isTrue,
		"extension('https://a.example/y').empty()":               isTrue,
		"extension('https://a.example/x').value":                 isFalse,
		"status in ('a' | 'final')":                              isTrue,
		"status in ('a' | 'b')":                                  isFalse,
		"(status | status | 'x').count() = 2":                    isTrue,
		"status.matches('^[a-z]+$') and status.startsWith('fi')": isTrue,
		"status.length() = 5":                                    isTrue,
		"status.hasValue() and code.hasValue().not()":            isTrue,
		"issued.exists() implies note.exists()":                  isTrue,
		"status.exists() implies note.exists()":                  isFalse,
		"true xor true":                                          isFalse,
		"true xor false":                                         isTrue,
		"false and issued":                                       isFalse,
		"true or issued":                                         isTrue,
		"issued or false":                                        unknown,
		"true or true and false":                                 isTrue,
		"(true or true) and false":                               isFalse,
		"component.code = component.code":                        isTrue,
		"component.code = code":                                  isFalse,
		"component.value.exists()":                               isTrue,
		"component.where(value.exists()).code.text = 'b'":        isTrue,
	} {
		e, ok := parseExpression(text)
		require.True(t, ok, text)
		require.Equal(t, want, truth(e(r4.Tables, focus)), text)
	}
}

func TestWhatIsNotEvaluatedIsRefused(t *testing.T) {
	for _, text := range []string{
		"", "status =", "(status", "status)", "status.", ".status", "a b", "status is code", "value as Quantity", "resolve()", "%resource.id",
		"iif(true, 1, 2)", "status.matches('(')", "status.matches(code.text)", "1.5 = 1.5", "@2020 = @2020", "value + 1", "code.coding[0]", "'a",
		"select(code)", "trace('x')", strings.Repeat("(", 100) + "true" + strings.Repeat(")", 100), strings.Repeat("true and ", 1000) + "true",
	} {
		_, ok := parseExpression(text)
		require.False(t, ok, text)
	}
}
