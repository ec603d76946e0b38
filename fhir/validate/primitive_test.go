package validate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

var long64 = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqr"[:64]

// primitiveCases are JSON values by type; refused ones are of class Value.
var primitiveCases = []struct {
	typ    string
	passes []string
	fails  []string
}{
	{"boolean", []string{`true`, `false`}, nil},
	{"integer", []string{`0`, `-1`, `2147483647`, `-2147483648`}, []string{`2147483648`, `-2147483649`, `1.0`, `1e3`, `-0`, `99999999999999999999999`}},
	{"positiveInt", []string{`1`, `2147483647`}, []string{`0`, `-1`, `2147483648`, `1.5`}},
	{"unsignedInt", []string{`0`, `2147483647`}, []string{`-1`, `2147483648`, `0.0`}},
	{"decimal", []string{`0`, `-1.50`, `1e-7`, `1E+400`, `0.00`, `123456789012345678901234567890.5`}, nil},
	{"string", []string{`"a"`, `" a "`, `" "`, `"a\tb\r\nc"`, `"\u0009\u000A\u000d"`, `"\\u0007"`, `"\u00e9\ud83d\ude00"`, `"` + strings.Repeat("a", maxString) + `"`, `"` + strings.Repeat("é", maxString) + `"`},
		[]string{`""`, `"\u0000"`, `"a\b"`, `"\f"`, `"\u001f"`, `"\u000B"`, `"\u0008"`, `"\\\b"`, `"` + strings.Repeat("a", maxString+1) + `"`}},
	{"markdown", []string{`"# a\n\n* b"`}, []string{`""`, `"\u0001"`}},
	{"uri", []string{`"http://a.example/x?y=z#1"`, `"urn:oid:1.2"`, `"a"`, `"http:\/\/a.example"`, `"\u0068ttp://a.example"`, `"http://é.example"`}, []string{`""`, `" http://a.example"`, `"http://a example"`, `"a\n"`, `"a\u0020b"`}},
	{"url", []string{`"https://a.example"`}, []string{`""`, `"a b"`}},
	{"canonical", []string{`"http://a.example/x|1.0"`, `"#a"`}, []string{`""`, `"http://a.example/x |1"`}},
	{"uuid", []string{`"urn:uuid:5f2d3c1e-8a4b-4c6d-9e0f-112233445566"`}, []string{`""`, `"5f2d3c1e-8a4b-4c6d-9e0f-112233445566"`, `"urn:uuid:5F2D3C1E-8a4b-4c6d-9e0f-112233445566"`, `"urn:uuid:5f2d3c1e-8a4b-4c6d-9e0f-11223344556"`, `"urn:uuid:5f2d3c1e08a4b-4c6d-9e0f-112233445566"`}},
	{"oid", []string{`"urn:oid:1.2.3"`, `"urn:oid:2.16.840"`, `"urn:oid:0.0"`}, []string{`""`, `"1.2.3"`, `"urn:oid:3.1"`, `"urn:oid:1"`, `"urn:oid:1."`, `"urn:oid:1..2"`, `"urn:oid:1.02"`, `"urn:oid:1.a"`, `"urn:oid:12.3"`}},
	{"id", []string{`"a"`, `"A-1.b"`, `"` + long64 + `"`}, []string{`""`, `"a_b"`, `"a b"`, `"é"`, `"` + long64 + `x"`}},
	{"code", []string{`"a"`, `"a b"`, `"a.b-c"`, `"é"`}, []string{`""`, `" a"`, `"a "`, `"a  b"`, `"a\tb"`, `"a\nb"`}},
	{"date", []string{`"2026"`, `"2026-02"`, `"2024-02-29"`, `"0001-01-01"`, `"2000-02-29"`, `"20\u00326"`}, []string{`""`, `"1970-13-40"`, `"2025-02-29"`, `"1900-02-29"`, `"2026-04-31"`, `"2026-00"`, `"2026-1-1"`, `"0000"`, `"26"`, `"2026-01-01T10:00:00Z"`, `"2026-01-00"`, `"2026/01/01"`, `"20260101"`, `"2026-"`, `"2026-01-"`, `" 2026"`}},
	{"dateTime", []string{`"2026"`, `"2026-02"`, `"2026-02-03"`, `"2026-02-03T10:00:00Z"`, `"2026-02-03T23:59:60.1234567890123+14:00"`, `"2026-02-03T00:00:00-00:00"`, `"2026-02-03T00:00:00-05:30"`},
		[]string{`""`, `"2026-02-03T10:00:00"`, `"2026-02-03T10:00Z"`, `"2026-02-03T24:00:00Z"`, `"2026-02-03T10:60:00Z"`, `"2026-02-03T10:00:61Z"`, `"2026-02-03T10:00:00.Z"`, `"2026-02-03T10:00:00+14:01"`, `"2026-02-03T10:00:00+1:00"`, `"2026-02-03T10:00:00+01:60"`, `"2026-02-03T10:00:00z"`, `"2026-02-03 10:00:00Z"`, `"2026-02-03T"`, `"2026-02-30T10:00:00Z"`, `"2026-02-03T10:00:00Z "`, `"2026-02-03T10:00:00ZZ"`}},
	{"instant", []string{`"2026-02-03T10:00:00Z"`, `"2026-02-03T10:00:00.123+01:00"`}, []string{`""`, `"2026-02-03"`, `"2026"`, `"2026-02-03T10:00:00"`}},
	{"time", []string{`"10:00:00"`, `"23:59:60.5"`}, []string{`""`, `"10:00"`, `"24:00:00"`, `"10:00:00Z"`, `"1:00:00"`, `"10:00:00."`}},
	{"base64Binary", []string{`"YQ=="`, `"YWI="`, `"YWJj"`, `"YWJj YWJj\nYWJj"`, `"\/+\u002B\/"`}, []string{`""`, `"YQ"`, `"YQ==YQ=="`, `"Y==="`, `"===="`, `"Y Q=="`, `"YQ=a"`, `"YW!j"`, `"YW-_"`, `" "`, `"YWJjY"`}},
}

func TestPrimitivesAreOfTheirTypesForm(t *testing.T) {
	covered := map[string]bool{}
	for _, c := range primitiveCases {
		covered[c.typ] = true
		choice := strings.ToUpper(c.typ[:1]) + c.typ[1:]
		extension := func(value string) string {
			return `{"resourceType":"Patient","extension":[{"url":"http://a.example/x","value` + choice + `":` + value + `}]`
		}
		t.Run(c.typ, func(t *testing.T) {
			for _, value := range c.passes {
				// A fragment needs something that it names.
				list := issues(t, extension(value)+`,"contained":[{"resourceType":"Basic","id":"a","code":{"text":"a"},"subject":{"reference":"#"}}]}`)
				require.Empty(t, list, value[:min(len(value), 60)])
			}
			for _, value := range c.fails {
				require.Equal(t, []string{"value Patient.extension[0].value" + choice}, issues(t, extension(value)+"}"), value[:min(len(value), 60)])
			}
			for _, value := range []string{`{"a":1}`, `["a"]`, `null`} {
				require.Equal(t, []string{"structure Patient.extension[0].value" + choice}, issues(t, extension(value)+"}"), value)
			}
		})
	}
	for i := range tables.Types {
		if typ := &tables.Types[i]; typ.Kind.Primitive() {
			require.True(t, covered[typ.Name], typ.Name)
		}
	}
}

// TestWhatIsADateTimeHereIsOneToTheRestOfTheProgram keeps this package's reader
// of dates and that of package fhir together.
func TestWhatIsADateTimeHereIsOneToTheRestOfTheProgram(t *testing.T) {
	for _, c := range primitiveCases {
		if c.typ != "dateTime" && c.typ != "date" && c.typ != "instant" {
			continue
		}
		for _, value := range c.passes {
			text := parse(t, `{"a":`+value+`}`).Root().Get("a").Text()
			lo, hi, err := fhir.ParseDateTime(text)
			if strings.Count(text, "")-1 > len("2026-02-03T23:59:60.123456789+14:00") {
				continue // package fhir takes nine digits of a second
			}
			require.NoError(t, err, text)
			m, ok := parseMoment([]byte(text))
			require.True(t, ok)
			require.Equal(t, lo, m.first(), text)
			if m.precision != secondPrecision {
				require.Equal(t, hi, m.last(), text)
			}
		}
	}
}

func TestDecimalsCompareExactly(t *testing.T) {
	ordered := []string{"-1e400", "-10", "-9.99", "-1", "-1e-3", "0", "1e-400", "0.001", "0.01", "1", "1.0000000000000000000001", "9", "10", "1e2", "1e999999999999999999999"}
	for i, a := range ordered {
		for j, b := range ordered {
			d := compareDecimals([]byte(a), []byte(b))
			require.Equal(t, i < j, d < 0, a+" and "+b)
			require.Equal(t, i > j, d > 0, a+" and "+b)
		}
	}
	for _, same := range [][2]string{{"1", "1.00"}, {"1e2", "100"}, {"0", "-0.0e5"}, {"0.10", "1E-1"}, {"12.5e+1", "125"}} {
		require.Zero(t, compareDecimals([]byte(same[0]), []byte(same[1])), same)
	}
}
