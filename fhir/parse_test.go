package fhir_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

func mustParse(tb testing.TB, text string) *fhir.Resource {
	tb.Helper()
	r, err := fhir.Parse([]byte(text))
	require.NoError(tb, err)
	return r
}

// kindOf returns the kind of an error that must be an Outcome.
func kindOf(tb testing.TB, err error) fhir.Kind {
	tb.Helper()
	var o *fhir.Outcome
	require.ErrorAs(tb, err, &o)
	return o.Kind
}

func compact(tb testing.TB, text []byte) string {
	tb.Helper()
	var b bytes.Buffer
	require.NoError(tb, json.Compact(&b, text))
	return b.String()
}

func TestParseKeepsTheCompactedTextByteForByte(t *testing.T) {
	for name, text := range map[string]string{
		"white space of every kind":       "\r\n\t {\t\"a\" :\n[ 1 ,\r2 ] , \"b\" : { } , \"c\" : [ ] }\n",
		"order of members":                `{"z":1,"a":2,"m":{"y":1,"b":2}}`,
		"spelling of numbers":             `{"n":[0,-0,1.00,1.10e+01,1E5,-2.50e-07,12345678901234567890.123456789012345678900]}`,
		"escapes as they are written":     `{"s":"\u00e9 \/ \" \\ \b\f\n\r\t \ud83d\uDE00 <&>"}`,
		"letters beyond ASCII":            `{"größe":"😀 Ελλάδα  \u2028"}`,
		"white space inside strings":      `{"s":"  two  blanks  "}`,
		"null in an array":                `{"given":["A",null,"B"],"_given":[null,{"id":"x"},null]}`,
		"empty name, string and brackets": `{"":"","o":{},"a":[[],{}]}`,
		"literals":                        `{"t":true,"f":false,"n":null}`,
		"the replacement character":       "{\"s\":\"\uFFFD\"}",
		"the highest code point":          "{\"s\":\"\U0010FFFF\"}",
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, compact(t, []byte(text)), string(mustParse(t, text).JSON()))
		})
	}
}

func TestParseIgnoresOneByteOrderMark(t *testing.T) {
	const mark = "\xEF\xBB\xBF"
	require.Equal(t, `{"a":1}`, string(mustParse(t, mark+` {"a":1}`).JSON()))

	_, err := fhir.Parse([]byte(mark + mark + `{"a":1}`))
	require.Equal(t, fhir.KindStructure, kindOf(t, err))
}

func TestParseRefusesWhatIsNotOneStrictObject(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                       ``,
		"only white space":              " \n",
		"an array":                      `[1]`,
		"a string":                      `"x"`,
		"an unclosed object":            `{"a":1`,
		"an unclosed array":             `{"a":[1`,
		"an unclosed string":            `{"a":"x`,
		"an unclosed name":              `{"a`,
		"a bracket of the other kind":   `{"a":[1}}`,
		"a second object":               `{"a":1}{"b":2}`,
		"text behind":                   `{"a":1} x`,
		"a zero byte behind":            "{\"a\":1}\x00",
		"a trailing comma in an object": `{"a":1,}`,
		"a trailing comma in an array":  `{"a":[1,]}`,
		"two commas":                    `{"a":1,,"b":2}`,
		"a missing colon":               `{"a" 1}`,
		"a missing value":               `{"a":}`,
		"a missing comma":               `{"a":1 "b":2}`,
		"a name without quotes":         `{a:1}`,
		"a name in single quotes":       `{'a':1}`,
		"a comment":                     `{"a":1/*x*/}`,
		"a duplicate name":              `{"a":1,"b":2,"a":3}`,
		"a duplicate name below":        `{"x":[{"a":1,"a":1}]}`,
		"a duplicate behind a subtree":  `{"a":{"b":[1,2]},"c":3,"a":4}`,
		"a duplicate empty name":        `{"":1,"":2}`,
		"an escape in a name":           `{"\u0061":1}`,
		"a lone high surrogate":         `{"a":"\ud83d"}`,
		"a lone low surrogate":          `{"a":"\ude00"}`,
		"surrogates the wrong way":      `{"a":"\ude00\ud83d"}`,
		"a high surrogate twice":        `{"a":"\ud83d\ud83d"}`,
		"a surrogate and a letter":      `{"a":"\ud83dx"}`,
		"a surrogate cut short":         `{"a":"\ud83d\ude0"}`,
		"a surrogate and an escape":     `{"a":"\ud83d\n00000"}`,
		"a short escape":                `{"a":"\u12"}`,
		"an escape that isn't hex":      `{"a":"\u12g4"}`,
		"an unknown escape":             `{"a":"\x41"}`,
		"a backslash at the end":        `{"a":"\`,
		"a control character":           "{\"a\":\"x\x01\"}",
		"a line break in a string":      "{\"a\":\"x\ny\"}",
		"a tab in a name":               "{\"a\t\":1}",
		"a form feed as white space":    "{\f\"a\":1}",
		"a no-break space":              "{\u00a0\"a\":1}",
		"bad UTF-8":                     "{\"a\":\"\xff\"}",
		"overlong UTF-8":                "{\"a\":\"\xc0\xaf\"}",
		"a surrogate in UTF-8":          "{\"a\":\"\xed\xa0\x80\"}",
		"UTF-8 cut short":               "{\"a\":\"\xe2\x82\"}",
		"bad UTF-8 in a name":           "{\"\xff\":1}",
		"UTF-16":                        "\xff\xfe{\x00}\x00",
		"a leading zero":                `{"a":01}`,
		"a plus sign":                   `{"a":+1}`,
		"a lone minus":                  `{"a":-}`,
		"no digit before the point":     `{"a":.5}`,
		"no digit behind the point":     `{"a":1.}`,
		"no digit in the exponent":      `{"a":1e+}`,
		"a hexadecimal number":          `{"a":0x10}`,
		"not a number":                  `{"a":NaN}`,
		"infinity":                      `{"a":Infinity}`,
		"a literal in capitals":         `{"a":True}`,
		"half a literal":                `{"a":tru`,
		"a literal with a tail":         `{"a":nullx}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fhir.Parse([]byte(text))
			require.Equal(t, fhir.KindStructure, kindOf(t, err))
		})
	}
}

func TestParseRefusesEveryControlCharacterInAString(t *testing.T) {
	for c := range byte(0x20) {
		_, err := fhir.Parse([]byte(`{"a":"x` + string(rune(c)) + `y"}`))
		require.Equal(t, fhir.KindStructure, kindOf(t, err), "U+%04X", c)
	}
	require.Equal(t, " \x7f", mustParse(t, "{\"a\":\" \x7f\"}").Get("a").Text())
}

func TestParseTakesDepth64AndRefusesDepth65(t *testing.T) {
	nested := map[string]func(depth int) string{
		"objects": func(depth int) string {
			return strings.Repeat(`{"a":`, depth-1) + "{}" + strings.Repeat("}", depth-1)
		},
		"arrays": func(depth int) string {
			return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + "}"
		},
	}
	for name, build := range nested {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, build(fhir.MaxDepth), string(mustParse(t, build(64)).JSON()))

			_, err := fhir.Parse([]byte(build(65)))
			require.Equal(t, fhir.KindTooComplex, kindOf(t, err))

			_, err = fhir.Parse([]byte(build(1_000_000)))
			require.Equal(t, fhir.KindTooComplex, kindOf(t, err))
		})
	}
}

func members(count int) string {
	var b strings.Builder
	for i := range count {
		b.WriteString(`,"m` + strconv.Itoa(i) + `":1`)
	}
	return "{" + b.String()[1:] + "}"
}

func TestParseRefusesAnObjectOfMoreThan512Members(t *testing.T) {
	require.Equal(t, 512, mustParse(t, members(512)).Root().Len())

	_, err := fhir.Parse([]byte(members(513)))
	require.Equal(t, fhir.KindTooComplex, kindOf(t, err))
	require.NotContains(t, err.Error(), "twice")
}

func TestParseFindsADuplicateAmongManyMembers(t *testing.T) {
	for _, count := range []int{31, 32, 33, 34, 300, 511} {
		for _, first := range []int{0, count / 2, count - 1} {
			text := strings.TrimSuffix(members(count), "}") + `,"m` + strconv.Itoa(first) + `":[{"x":1}]}`
			_, err := fhir.Parse([]byte(text))
			require.Equal(t, fhir.KindStructure, kindOf(t, err), "member %d of %d", first, count)
		}
	}
}

func TestParseOfHostileCountsEndsSoon(t *testing.T) {
	full := members(512)
	for name, text := range map[string]string{
		"one object of 400,000 members": members(400_000),
		"many full objects":             `{"a":[` + strings.Repeat(full+",", 900) + `1]}`,
		"more values than the limit":    `{"a":[` + strings.Repeat("1,", fhir.MaxNodes) + `1]}`,
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := fhir.Parse([]byte(text))
			if name != "many full objects" {
				require.Equal(t, fhir.KindTooComplex, kindOf(t, err))
			} else {
				require.NoError(t, err)
			}
			t.Logf("%d bytes in %v", len(text), time.Since(start))
			require.Less(t, time.Since(start), 20*time.Second) // wide: also under the race detector on a busy machine
		})
	}
}

func TestParseNamesThePlaceAndNeverQuotesTheInput(t *testing.T) {
	_, err := fhir.Parse([]byte("{\"family\":\"Secretname\",\n  \"given\": Secretname}"))
	require.ErrorContains(t, err, "line 2, column 12")
	require.NotContains(t, err.Error(), "Secretname")

	for _, text := range []string{
		`{"Secretname":1,"Secretname":2}`, `{"a":"Secretname`, `{"a":1}Secretname`, `{"a":"Secretname\q"}`, "{\"a\":\"Secretname\x02\"}",
	} {
		_, err := fhir.Parse([]byte(text))
		require.Error(t, err)
		require.NotContains(t, err.Error(), "Secretname")
	}
}

func TestParseDoesNotKeepItsInput(t *testing.T) {
	text := []byte(`{"a":"before"}`)
	r, err := fhir.Parse(text)
	require.NoError(t, err)
	copy(text, bytes.Repeat([]byte("x"), len(text)))
	require.Equal(t, `{"a":"before"}`, string(r.JSON()))
}

func TestAnAdoptedTextIsReadAsAParsedOne(t *testing.T) {
	for _, text := range []string{
		`{"a":"before"}`, ` {"a":"before"}`, "{ \"a\" : [ 1.50 , true , null , \"\\u00e9 \" ] , \"b\" : { \"c\" : \"d\" } } ",
		"{\"a\":\"x\", \"b\":\"y\",\"c\":{\"d\":[\"e\", \"f\"]}}",
	} {
		want, err := fhir.Parse([]byte(text))
		require.NoError(t, err)
		got, err := fhir.Adopt([]byte(text))
		require.NoError(t, err)
		require.Equal(t, string(want.JSON()), string(got.JSON()))
		require.Equal(t, want.Get("a").Text(), got.Get("a").Text())
	}
	for _, wrong := range []string{``, `[]`, `{"a":1}x`, `{"a":"b`} {
		_, err := fhir.Adopt([]byte(wrong))
		require.Error(t, err, wrong)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		serviceRequest,
		`{"resourceType":"Patient","given":["A",null],"n":-1.50e+3,"s":"\ud83d\ude00\u00e9\/"}`,
		"\xEF\xBB\xBF { \"a\" : [ { } , [ ] , true , false , null ] } ",
		`{"a":{"b":{"c":[[[1]]]}},"a":2}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", `{"a":01}`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := fhir.Parse(text)
		if err != nil {
			var o *fhir.Outcome
			require.True(t, errors.As(err, &o))
			require.Contains(t, []fhir.Kind{fhir.KindStructure, fhir.KindTooComplex}, o.Kind)
			return
		}
		bare := bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF"))
		require.True(t, json.Valid(bare), "Parse takes only what is JSON")
		require.Equal(t, compact(t, bare), string(r.JSON()))

		adopted, err := fhir.Adopt(bytes.Clone(bare))
		require.NoError(t, err)
		require.Equal(t, string(r.JSON()), string(adopted.JSON()))

		again, err := fhir.Parse(r.JSON())
		require.NoError(t, err)
		require.Equal(t, string(r.JSON()), string(again.JSON()))

		seen := 0
		fhir.Walk(r.Root(), func(_ string, v fhir.Value) {
			if seen++; seen > 100 {
				return
			}
			require.NotEmpty(t, v.Path())
			if v.Kind() != fhir.StringKind {
				return
			}
			var decoded string
			require.NoError(t, json.Unmarshal(v.Raw(), &decoded))
			require.Equal(t, decoded, v.Text())
			requoted := mustParse(t, `{"s":`+string(fhir.Quote(decoded))+`}`)
			require.Equal(t, decoded, requoted.Get("s").Text())
		})
	})
}
