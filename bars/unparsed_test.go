package bars_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// Ensure that reading answers with stored bytes and never parses them: a body
// that no parser takes goes through read, version read, search and history,
// with the two members of meta put in (design D25).
func TestReadingNeverParsesTheBody(t *testing.T) {
	s := open(t)
	s.faulty = true // what is stored here is no FHIR, on purpose
	const front, back = `{"resourceType":"Patient","id":"odd",`, `"name":[{"family":"A","family":01,"given":[tru]}]}`
	_, err := fhir.Parse([]byte(front + back))
	require.Error(t, err)
	good := parse(t, `{"resourceType":"Patient","id":"odd","name":[{"family":"Unparsed"}]}`)
	_, err = s.store.Commit(s.ctx, &store.Batch{Ops: []store.Op{store.Put{Record: &store.Record{
		Type: "Patient", ID: "odd", Method: "PUT", Body: []byte(front + back), Index: search.Extract(good, search.Options{Base: base}),
	}}}})
	require.NoError(t, err)
	handler := rest.New(s.desk.Records(), rest.Options{BaseURL: base, Search: search.Options{Base: base}})
	want := front + `"meta":{"versionId":"1","lastUpdated":"` + fhir.FormatInstant(sceneNow) + `"},` + back
	for _, path := range []string{
		"/Patient/odd", "/Patient/odd/_history/1", "/Patient?family=unparsed", "/Patient?_id=odd&_sort=family",
		"/Patient/odd/_history", "/Patient/_history",
	} {
		t.Run(path, func(t *testing.T) {
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
			require.Equal(t, http.StatusOK, answer.Code, answer.Body)
			require.Equal(t, 1, strings.Count(answer.Body.String(), want), answer.Body)
		})
	}
}
