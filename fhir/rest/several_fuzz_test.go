package rest

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
)

// FuzzACursorAcrossTypesIsAPlaceOrRefused: whatever a client sends as a cursor,
// it is refused or a place in this very list.
func FuzzACursorAcrossTypesIsAPlaceOrRefused(f *testing.F) {
	at := int64(1772357400250)
	for _, m := range []mark{{Type: "Slot"}, {Type: "Patient", Inner: "abc"}, {Type: "Slot", Last: &at, Inner: "x", Bound: &bound{at, true}}, {Type: "Task"}} {
		f.Add(m.text(), true)
		f.Add(m.text(), false)
	}
	f.Add("e30", false)
	f.Add("bnVsbA", true)
	f.Fuzz(func(t *testing.T, cursor string, byTime bool) {
		l := listing{queries: []*search.Query{{Type: "Patient"}, {Type: "Slot"}}, byTime: byTime}
		m, err := l.open(cursor)
		if err != nil {
			refusalQuotesNothing(t, err, cursor, fhir.KindValue)
			return
		}
		if m == nil {
			require.Empty(t, cursor)
			return
		}
		require.GreaterOrEqual(t, l.index(m.Type), 0)
		require.Equal(t, byTime, m.Last != nil)
		again, err := l.open(m.text())
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}

// FuzzParametersOfEverything: any Parameters gives names and values, or is
// refused.
func FuzzParametersOfEverything(f *testing.F) {
	for _, seed := range []string{
		`{"resourceType":"Parameters"}`,
		`{"resourceType":"Parameters","parameter":[{"name":"start","valueDate":"2026"},{"name":"_count","valueInteger":5},{"name":"_type","valueCode":"Slot,Task"}]}`,
		`{"resourceType":"Parameters","parameter":[{"name":"_since","valueInstant":"2026-03-01T09:30:00Z","id":"x"},{"part":[]},1,null]}`,
		`{"resourceType":"Parameters","parameter":{"name":"end","valueDate":"2026-01"}}`,
	} {
		f.Add(seed)
	}
	h := New(nil, Options{BaseURL: "https://onward.example"})
	f.Fuzz(func(t *testing.T, text string) {
		body, err := fhir.Parse([]byte(text))
		if err != nil {
			return
		}
		query := url.Values{}
		if err := addParameters(query, body); err != nil {
			return
		}
		for name, values := range query {
			ask := &everythingAsked{}
			if known, err := ask.take(name, values, h); err == nil && known {
				_, err := ask.queries("p", h.types, h.o.Search)
				require.NoError(t, err, "what was taken can be asked")
			}
		}
	})
}
