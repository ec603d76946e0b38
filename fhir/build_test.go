package fhir_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

func TestObjectWritesMembersInOrder(t *testing.T) {
	r := mustParse(t, `{"a":[1.00]}`)
	o := fhir.NewObject("Slot").
		Set("z", "text").
		Set("bool", false).
		Set("int", 0).
		Set("int64", int64(-1<<62)).
		Set("object", fhir.Obj("b", 1, "a", "x")).
		Set("resource", r).
		Set("value", r.Get("a")).
		Set("raw", json.RawMessage(`[null,{"x":[]}]`)).
		Set("strings", []string{"b", "a"}).
		Set("objects", []*fhir.Object{fhir.Obj("a", 1), fhir.Obj("b", 2)}).
		Set("raws", []json.RawMessage{json.RawMessage(`1`), json.RawMessage(`null`)})
	want := `{"resourceType":"Slot","z":"text","bool":false,"int":0,"int64":-4611686018427387904,"object":{"b":1,"a":"x"},` +
		`"resource":{"a":[1.00]},"value":[1.00],"raw":[null,{"x":[]}],"strings":["b","a"],"objects":[{"a":1},{"b":2}],"raws":[1,null]}`
	require.Equal(t, want, string(o.JSON()))
	require.Equal(t, want, string(o.Resource().JSON()))
}

func TestObjectNeverWritesEmpties(t *testing.T) {
	empty := mustParse(t, `{"s":"","o":{},"a":[],"n":null}`)
	for name, value := range map[string]any{
		"nil":                       nil,
		"an empty string":           "",
		"a nil object":              (*fhir.Object)(nil),
		"an empty object":           fhir.Obj(),
		"an object of empties":      fhir.Obj("a", "", "b", fhir.Obj("c", nil)),
		"a nil resource":            (*fhir.Resource)(nil),
		"an empty resource":         mustParse(t, `{}`),
		"a missing value":           fhir.Value{},
		"an empty text value":       empty.Get("s"),
		"an empty object value":     empty.Get("o"),
		"an empty array value":      empty.Get("a"),
		"a null value":              empty.Get("n"),
		"no raw text":               json.RawMessage(nil),
		"blank raw text":            json.RawMessage(" \n"),
		"a raw empty object":        json.RawMessage(" { } "),
		"a raw empty array":         json.RawMessage("[\n]"),
		"a raw empty string":        json.RawMessage(`""`),
		"a raw null":                json.RawMessage(`null `),
		"a nil slice":               []string(nil),
		"no strings":                []string{},
		"empty strings":             []string{"", ""},
		"empty objects":             []*fhir.Object{nil, fhir.Obj(), fhir.Obj("a", "")},
		"raw texts that are empty":  []json.RawMessage{nil, json.RawMessage(`{}`)},
		"a slice of no raw texts":   []json.RawMessage{},
		"an object of empty slices": fhir.Obj("a", []string{""}),
	} {
		t.Run(name, func(t *testing.T) {
			o := fhir.Obj("x", value)
			require.True(t, o.Empty())
			require.Nil(t, o.JSON())
			require.Equal(t, `{"a":1,"b":2}`, string(fhir.Obj("a", 1, "x", value, "b", 2).JSON()))
		})
	}
	require.Equal(t, `{"a":["x","y"]}`, string(fhir.Obj("a", []string{"", "x", "", "y"}).JSON()))
	require.True(t, fhir.NewObject("").Empty())
}

func TestObjectCanGrowAfterItsTextWasTaken(t *testing.T) {
	o := fhir.Obj("a", 1)
	before := o.JSON()
	o.Set("b", 2)
	require.Equal(t, `{"a":1}`, string(before))
	require.Equal(t, `{"a":1,"b":2}`, string(o.JSON()))
}

func TestObjectPanicsOnAProgrammingError(t *testing.T) {
	require.Panics(t, func() { fhir.Obj("a", 1.5) }, "a float would lose its spelling")
	require.Panics(t, func() { fhir.NewObject("X").Set("a", json.RawMessage(`{`)).Resource() })
	require.Panics(t, func() { fhir.NewObject("X").Set("a", 1).Set("a", 2).Resource() })
}

func TestQuoteWritesStringsThatReadBack(t *testing.T) {
	for text, want := range map[string]string{
		"":              `""`,
		`"\`:            `"\"\\"`,
		"\n\r\t":        `"\n\r\t"`,
		"\x00\x1f\b\f":  `"\u0000\u001f\u0008\u000c"`,
		"<b>&amp;</b>/": `"<b>&amp;</b>/"`,
		"é😀\u2028\x7f":  "\"é😀\u2028\x7f\"",
		"a\xffb\xc3":    "\"a\uFFFDb\uFFFD\"",
		"\uFFFD":        "\"\uFFFD\"",
	} {
		require.Equal(t, want, string(fhir.Quote(text)))
		require.Equal(t, strings.ToValidUTF8(text, "\uFFFD"), mustParse(t, `{"s":`+want+`}`).Get("s").Text())
	}
}
