package fhir_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

const bundle = `{"resourceType":"Bundle","id":"b1","total":2,"entry":[` +
	`{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"p1","active":true,"name":[{"family":"Mole","given":["A",null,"B"]}]}},` +
	`{"fullUrl":"urn:uuid:2","resource":{"resourceType":"Slot","id":"s1","overbooked":false,"comment":null}}]}`

func TestGetAndDigFollowNamesAndTakeTheFirstOfAnArray(t *testing.T) {
	r := mustParse(t, bundle)
	require.Equal(t, "Bundle", r.Type())
	require.Equal(t, "b1", r.ID())
	require.Equal(t, "urn:uuid:1", r.Get("entry", "fullUrl").Text())
	require.Equal(t, "Mole", r.Get("entry", "resource", "name", "family").Text())
	require.Equal(t, "Mole", r.Get("entry").At(0).Dig("resource", "name", "family").Text())
	require.Equal(t, "s1", r.Get("entry").At(1).Dig("resource", "id").Text())
	require.Equal(t, fhir.ArrayKind, r.Get("entry").Kind(), "the last name isn't entered")
	require.Equal(t, r.Root(), r.Get())
}

func TestAValueThatIsMissingAnswersEmpty(t *testing.T) {
	r := mustParse(t, bundle)
	for name, v := range map[string]fhir.Value{
		"zero":                  {},
		"unknown member":        r.Get("nothing"),
		"below unknown":         r.Get("nothing", "at", "all"),
		"below a string":        r.Get("id", "x"),
		"a member of an array":  r.Get("entry").Get("fullUrl"),
		"behind the last":       r.Get("entry").At(2),
		"a negative element":    r.Get("entry").At(-1),
		"an element of object":  r.Root().At(0),
		"part of a name":        r.Get("entr"),
		"an empty name":         r.Get(""),
		"a name of other depth": r.Get("fullUrl"),
	} {
		t.Run(name, func(t *testing.T) {
			require.False(t, v.Exists())
			require.Equal(t, fhir.Missing, v.Kind())
			require.Nil(t, v.Raw())
			require.Empty(t, v.Text())
			require.Nil(t, v.TextBytes())
			require.False(t, v.Bool())
			_, ok := v.Int()
			require.False(t, ok)
			require.Zero(t, v.Len())
			require.Nil(t, v.Resource())
			require.Empty(t, v.Path())
			for range v.Items() {
				t.Fatal("a missing value has no items")
			}
			for range v.Members() {
				t.Fatal("a missing value has no members")
			}
		})
	}
}

func TestEachJSONTypeHasItsKindAndAnswers(t *testing.T) {
	r := mustParse(t, `{"o":{"x":1},"a":[1,[2],{}],"s":"12","n":12,"t":true,"f":false,"z":null}`)
	kinds := map[string]fhir.ValueKind{
		"o": fhir.ObjectKind, "a": fhir.ArrayKind, "s": fhir.StringKind, "n": fhir.NumberKind,
		"t": fhir.BoolKind, "f": fhir.BoolKind, "z": fhir.NullKind,
	}
	for name, v := range r.Root().Members() {
		require.Equal(t, kinds[name], v.Kind(), name)
		require.True(t, v.Exists(), name)
		require.Equal(t, name == "t", v.Bool(), name)
		require.Equal(t, name == "s", v.Text() != "", name)
	}
	require.Equal(t, 7, r.Root().Len())
	require.Equal(t, 3, r.Get("a").Len(), "what stands in the elements doesn't count")
	require.Zero(t, r.Get("s").Len())
	require.Equal(t, "[2]", string(r.Get("a").At(1).Raw()))
}

func TestIntTakesWholeNumbersOnly(t *testing.T) {
	r := mustParse(t, `{"a":12,"b":-9223372036854775808,"c":9223372036854775808,"d":1.0,"e":1e2,"f":"12","g":-0}`)
	for name, want := range map[string]int64{"a": 12, "b": -1 << 63, "g": 0} {
		n, ok := r.Get(name).Int()
		require.True(t, ok, name)
		require.Equal(t, want, n, name)
	}
	for _, name := range []string{"c", "d", "e", "f"} {
		_, ok := r.Get(name).Int()
		require.False(t, ok, name)
	}
}

func TestItemsAndMembersKeepTheirOrderAndStopWhenAsked(t *testing.T) {
	r := mustParse(t, `{"z":[1,{"deep":[9]},3],"a":2,"m":3}`)
	var names, items []string
	for name := range r.Root().Members() {
		names = append(names, name)
	}
	for item := range r.Get("z").Items() {
		items = append(items, string(item.Raw()))
	}
	require.Equal(t, []string{"z", "a", "m"}, names)
	require.Equal(t, []string{"1", `{"deep":[9]}`, "3"}, items)

	count := 0
	for range r.Get("z").Items() {
		count++
		break
	}
	for range r.Root().Members() {
		count++
		break
	}
	require.Equal(t, 2, count)
}

func TestTextDecodesEscapes(t *testing.T) {
	for raw, want := range map[string]string{
		`""`:                             "",
		`"plain"`:                        "plain",
		`"\"\\\/"`:                       `"\/`,
		`"\b\f\n\r\t"`:                   "\b\f\n\r\t",
		`"\u0041\u00e9\u20AC\u20ac"`:     "Aé€€",
		`"\ud83d\ude00"`:                 "😀",
		`"a\uD83D\uDE00b\uD83D\uDE01"`:   "a😀b😁",
		`"\udbff\udfff"`:                 "\U0010FFFF",
		`"\u0000"`:                       "\x00",
		`"\\u0041"`:                      `\u0041`,
		`"\\\\"`:                         `\\`,
		`"\ufffd"`:                       "\uFFFD",
		`"é` + "\U0001F600" + `\u0020x"`: "é😀 x",
	} {
		require.Equal(t, want, mustParse(t, `{"s":`+raw+`}`).Get("s").Text(), raw)
		require.Equal(t, want, string(mustParse(t, `{"s":`+raw+`}`).Get("s").TextBytes()), raw)
	}
}

func TestPathNamesThePlaceFromTheResourcesOwnType(t *testing.T) {
	r := mustParse(t, bundle)
	second := r.Get("entry").At(1).Get("resource")
	require.Equal(t, "Bundle", r.Root().Path())
	require.Equal(t, "Bundle.entry[1].resource.comment", second.Get("comment").Path())
	require.Equal(t, "Bundle.entry[0].resource.name[0].given[2]", r.Get("entry", "resource", "name", "given").At(2).Path())
	require.Equal(t, "Slot.comment", second.Resource().Get("comment").Path())
	require.Equal(t, "$this.a[0][1]", mustParse(t, `{"a":[[1,2]]}`).Get("a").At(0).At(1).Path())
}

func TestASubResourceIsAResourceOfItsOwn(t *testing.T) {
	r := mustParse(t, bundle)
	patient := r.Get("entry", "resource").Resource()
	require.Equal(t, "Patient", patient.Type())
	require.Equal(t, "p1", patient.ID())
	require.Equal(t, `{"resourceType":"Patient","id":"p1","active":true,"name":[{"family":"Mole","given":["A",null,"B"]}]}`, string(patient.JSON()))
	require.Equal(t, string(r.Get("entry", "resource").Raw()), string(patient.JSON()))
	require.Equal(t, 4, patient.Root().Len())
	require.False(t, patient.Get("entry").Exists(), "it doesn't see what stands around it")
	require.Nil(t, r.Get("id").Resource(), "only objects are resources")
	require.Nil(t, r.Get("entry").Resource())

	slot := r.Get("entry").At(1).Get("resource").Resource()
	edited, err := slot.Edit().SetText(slot.Root(), "status", "free").Remove(slot.Root(), "comment").Done()
	require.NoError(t, err)
	require.Equal(t, `{"resourceType":"Slot","id":"s1","overbooked":false,"status":"free"}`, string(edited.JSON()))
	require.Equal(t, bundle, string(r.JSON()), "an edit leaves the original alone")
}

func TestLookUpsAllocateNothing(t *testing.T) {
	r := mustParse(t, bundle)
	path := []string{"entry", "resource", "name", "family"}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if !r.Get(path...).Exists() || r.Get("entry").Len() != 2 {
			t.Fatal("the look-up failed")
		}
	}))
}

func TestWalkVisitsEverythingInDocumentOrder(t *testing.T) {
	r := mustParse(t, `{"a":{"b":[1,{"c":2}]},"d":null}`)
	var got []string
	fhir.Walk(r.Root(), func(name string, v fhir.Value) { got = append(got, name+"="+string(v.Raw())) })
	require.Equal(t, []string{
		`={"a":{"b":[1,{"c":2}]},"d":null}`, `a={"b":[1,{"c":2}]}`, `b=[1,{"c":2}]`, `=1`, `={"c":2}`, `c=2`, `d=null`,
	}, got)

	got = nil
	fhir.Walk(r.Get("a", "b").At(1), func(name string, _ fhir.Value) { got = append(got, name) })
	require.Equal(t, []string{"", "c"}, got, "only what is below")
	fhir.Walk(r.Get("nothing"), func(string, fhir.Value) { t.Fatal("nothing to visit") })
}
