package fhir_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

func TestParseReferenceTakesTheFormsOfR4(t *testing.T) {
	long := strings.Repeat("a", 64)
	for text, want := range map[string]fhir.Reference{
		"Patient/1":                               {Type: "Patient", ID: "1"},
		"Patient/" + long:                         {Type: "Patient", ID: long},
		"Patient/a.B-9":                           {Type: "Patient", ID: "a.B-9"},
		"Patient/1/_history/2":                    {Type: "Patient", ID: "1", Version: "2"},
		"https://a.example/Patient/1":             {Base: "https://a.example/", Type: "Patient", ID: "1"},
		"http://a.example:8080/FHIR/R4/Slot/s":    {Base: "http://a.example:8080/FHIR/R4/", Type: "Slot", ID: "s"},
		"https://a.example/R4/Slot/s/_history/10": {Base: "https://a.example/R4/", Type: "Slot", ID: "s", Version: "10"},
		"https://a.example/x_y~z/Slot/s":          {Base: "https://a.example/x_y~z/", Type: "Slot", ID: "s"},
		"urn:uuid:0f7f7a43-3d0f-4f0a-9d6c-6f6c1f": {URN: "urn:uuid:0f7f7a43-3d0f-4f0a-9d6c-6f6c1f"},
		"urn:uuid:Patient/1":                      {URN: "urn:uuid:Patient/1"},
		"urn:oid:1.2.3":                           {URN: "urn:oid:1.2.3"},
		"#p1":                                     {Anchor: "p1"},
	} {
		got, ok := fhir.ParseReference(text)
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
}

func TestParseReferenceRefusesEverythingElse(t *testing.T) {
	for _, text := range []string{
		"", "/", "#", "1", "Patient", "Patient/", "/1", "/Patient/1", "Patient//1", "Patient/1/", "Patient/1/2",
		"Patient/" + strings.Repeat("a", 65), "Patient/a b", "Patient/a_b", "Patient/é", "Patient/1?x=1", "Patient/1#x", "Patient?identifier=1",
		"patient/1", "Pat1ent/1", "_Patient/1", "FHIR/R4/Patient/1",
		"Patient/1/_history/", "Patient/1/_history/a/b", "Patient/_history/1", "Patient/1/_history",
		"urn:", "urn:uuid:", "urn:oid:", "urn:x:1", "URN:UUID:1",
		"http://Patient/1", "http:///Patient/1", "https:///R4/Patient/1", "ftp://a.example/Patient/1", "//a.example/Patient/1", "a.example/Patient/1",
		"http://a.example/R4?x=/Patient/1", "http://a.example/#/Patient/1", "http://a example/Patient/1", "http://a.example/\n/Patient/1",
		"https://a.example/ValueSet", "http://snomed.info/sct", "javascript:Patient/1",
	} {
		got, ok := fhir.ParseReference(text)
		require.False(t, ok, text)
		if text != "#" {
			require.Equal(t, fhir.Reference{}, got, text)
		}
	}
}

func FuzzParseReference(f *testing.F) {
	for _, seed := range []string{"Patient/1", "https://a.example/R4/Slot/s/_history/10", "urn:uuid:1", "#a", "#", "Patient/1/_history/", "http://Patient/1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ref, ok := fhir.ParseReference(text)
		if !ok {
			return
		}
		switch { // put together again it is the text: nothing got lost
		case ref.URN != "":
			require.Equal(t, text, ref.URN)
		case ref.Anchor != "":
			require.Equal(t, text, "#"+ref.Anchor)
		default:
			again := ref.Base + ref.Type + "/" + ref.ID
			if ref.Version != "" {
				again += "/_history/" + ref.Version
			}
			require.Equal(t, text, again)
			require.True(t, fhir.ValidID(ref.ID))
			require.True(t, ref.Version == "" || fhir.ValidID(ref.Version))
		}
	})
}

func TestValidID(t *testing.T) {
	for text, want := range map[string]bool{
		"1": true, "a.B-9": true, strings.Repeat("x", 64): true,
		"": false, strings.Repeat("x", 65): false, "a_b": false, "a/b": false, "a b": false, "é": false, "a\n": false,
	} {
		require.Equal(t, want, fhir.ValidID(text), text)
	}
}

func TestValidUUID(t *testing.T) {
	for text, want := range map[string]bool{
		"0f7f7a43-3d0f-4f0a-9d6c-6f6c1f8c1b02": true, "0F7F7A43-3D0F-4F0A-9D6C-6F6C1F8C1B02": true, "00000000-0000-0000-0000-000000000000": true,
		"": false, "0f7f7a433d0f4f0a9d6c6f6c1f8c1b02": false, "0f7f7a43-3d0f-4f0a-9d6c-6f6c1f8c1b0": false, "0f7f7a43-3d0f-4f0a-9d6c-6f6c1f8c1b022": false,
		"0f7f7a43x3d0f-4f0a-9d6c-6f6c1f8c1b02": false, "0g7f7a43-3d0f-4f0a-9d6c-6f6c1f8c1b02": false, "{f7f7a43-3d0f-4f0a-9d6c-6f6c1f8c1b0}": false,
		"0f7f7a43-3d0f-4f0a-9d6c-6f6c1f8c1b-2": false,
	} {
		require.Equal(t, want, fhir.ValidUUID(text), text)
	}
}

func TestCodingsRangesOverConceptsListsAndSingleCodings(t *testing.T) {
	r := mustParse(t, `{
		"concept":{"text":"x","coding":[{"system":"s","code":"1","display":"d"},{"display":"only"},{"code":"2"}]},
		"list":[{"coding":[{"system":"s","code":"1"}]},{"text":"none"},{"coding":[{"system":"t","code":"3"}]}],
		"coding":{"system":"s","code":"1"}, "text":"s"}`)
	all := func(name string) (out []fhir.Coding) {
		for c := range fhir.Codings(r.Get(name)) {
			out = append(out, c)
		}
		return out
	}
	require.Equal(t, []fhir.Coding{{"s", "1"}, {"", "2"}}, all("concept"))
	require.Equal(t, []fhir.Coding{{"s", "1"}, {"t", "3"}}, all("list"))
	require.Equal(t, []fhir.Coding{{"s", "1"}}, all("coding"))
	require.Empty(t, all("text"))
	require.Empty(t, all("nothing"))

	require.Equal(t, "3", fhir.CodeOf(r.Get("list"), "t"))
	require.Equal(t, "2", fhir.CodeOf(r.Get("concept"), ""))
	require.Empty(t, fhir.CodeOf(r.Get("list"), "u"))
	for range fhir.Codings(r.Get("list")) {
		break // stopping early must not panic
	}
}

func TestIdentifiersRangesOverAListOrASingleOne(t *testing.T) {
	r := mustParse(t, `{"many":[{"system":"s","value":"1"},{"value":"2"}],"one":{"system":"t","value":"3"}}`)
	all := func(name string) (out []fhir.Identifier) {
		for id := range fhir.Identifiers(r.Get(name)) {
			out = append(out, id)
		}
		return out
	}
	require.Equal(t, []fhir.Identifier{{"s", "1"}, {"", "2"}}, all("many"))
	require.Equal(t, []fhir.Identifier{{"t", "3"}}, all("one"))
	require.Empty(t, all("nothing"))
	for range fhir.Identifiers(r.Get("many")) {
		break
	}
}
