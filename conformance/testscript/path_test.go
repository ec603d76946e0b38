package testscript

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

const sample = `{"resourceType":"Bundle","total":2,"link":[{"relation":"self","url":"a"},{"relation":"next","url":"b"}],
"entry":[{"resource":{"resourceType":"Patient","id":"1","active":true,"name":[{"given":["A","B"]},{"given":["C"]}]}},
{"resource":{"resourceType":"Patient","id":"2","gender":null}}]}`

func TestAPathFindsWhatItNames(t *testing.T) {
	r, err := fhir.Parse([]byte(sample))
	require.NoError(t, err)
	for text, want := range map[string][]string{
		"Bundle.total":                              {"2"},
		"total":                                     {"2"},
		"Patient.id":                                {},
		"entry.resource.id":                         {"1", "2"},
		"entry[1].resource.id":                      {"2"},
		"entry[7].resource.id":                      {},
		"entry.resource.name.given":                 {"A", "B", "C"},
		"entry.resource.name.given[1]":              {"B"},
		"entry.resource.name[1].given":              {"C"},
		"entry.resource.name.given.first()":         {"A"},
		"entry.resource.name.given.last()":          {"C"},
		"entry.resource.name.given.count()":         {"3"},
		"entry.resource.active":                     {"true"},
		"entry.resource.gender":                     {},
		"entry.resource.birthDate.exists()":         {"false"},
		"entry.resource.birthDate.empty()":          {"true"},
		"link.where(relation = 'next').url":         {"b"},
		"link.where(relation='self').url":           {"a"},
		"link.where(relation != 'self').url":        {"b"},
		"link.where(nothing != 'self').url":         {},
		"entry.resource.where(active = true).id":    {"1"},
		"entry.where(resource.id = '2').resource":   {`{"resourceType":"Patient","id":"2","gender":null}`},
		"entry.resource.where(Patient.id = '2').id": {"2"},
		"total.count().first()":                     {},
	} {
		p, err := parsePath(text)
		require.NoError(t, err, text)
		require.Equal(t, want, p.find(r).texts(), text)
	}
}

func TestAPathThatIsNotKnownIsRefused(t *testing.T) {
	for _, text := range []string{
		"", ".", "a.", ".a", "a..b", "a[", "a[]", "a[x]", "a[-1]", "a[99999]", "a b", "a | b", "/f:Patient/f:id", "$this",
		"a.where()", "a.where(b)", "a.where(b ~ 'x')", "a.where(b = 'x'", "a.where(b = 'x)", "a.where(b = 'x' and c)", "a.count(1)", "a.ofType(string)",
		"a.matches('x')", "a.first",
	} {
		_, err := parsePath(text)
		if text == "a.first" { // a member of that name
			require.NoError(t, err)
			continue
		}
		require.Error(t, err, text)
	}
}

func FuzzPath(f *testing.F) {
	r, err := fhir.Parse([]byte(sample))
	require.NoError(f, err)
	for _, seed := range []string{"Bundle.entry[1].resource.id", "link.where(relation = 'next').url", "a.where(b.where(c=1)=2).count()"} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		if p, err := parsePath(text); err == nil {
			p.find(r).texts()
		}
	})
}
