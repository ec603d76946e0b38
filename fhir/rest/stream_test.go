package rest_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir/rest"
)

// gone is the answer's way to a client of HTTP/2 that leaves in the middle: there
// a Write returns while what it was given is still being read.
type gone struct {
	*httptest.ResponseRecorder
	given [][]byte
}

func (g *gone) Write(b []byte) (int, error) {
	g.given = append(g.given, b)
	return 0, errors.New("the stream is closed")
}

// Ensure that nothing of one answer can get into another one that is still on its
// way when its client leaves.
func TestWhatAFailedWriteWasGivenIsNotUsedAgain(t *testing.T) {
	for name, more := range map[string]int{"a short page": 0, "a long page": 40 << 10} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.patient("first", "female")
			body := `{"resourceType":"Patient","id":"second","gender":"male","name":[{"family":"` + strings.Repeat("x", more) + `y"}]}`
			require.Equal(t, 201, s.send("PUT", "/Patient/second", body).status)
			h := rest.New(s.backend, rest.Options{BaseURL: base})
			ask := func(w http.ResponseWriter, id string) {
				h.ServeHTTP(w, httptest.NewRequest("GET", "/Patient?_id="+id, nil))
			}
			left := &gone{ResponseRecorder: httptest.NewRecorder()}
			ask(left, "second")
			require.NotEmpty(t, left.given)
			before := string(left.given[0])
			for range 8 {
				ask(httptest.NewRecorder(), "first")
			}
			require.Equal(t, before, string(left.given[0]))
		})
	}
}
