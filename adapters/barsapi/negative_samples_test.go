package barsapi

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir/fhirtest"
)

// Published examples, with the faults that they have, sent to every path that
// takes a body: each gets an answer of the standard, and none a fault of ours.
func TestNegative16PublishedExamplesNeverCrash(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(fhirtest.Published(t, "samples", "bars", "api-json"), "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, mode := range []bars.Mode{bars.Strict, bars.Lenient} {
		s := openOn(t, bars.Options{Mode: mode})
		id, referral := s.book(), s.refer()
		calls := [][2]string{{"POST", "/Appointment"}, {"PUT", "/Appointment/" + id}, {"PATCH", "/Appointment/" + id},
			{"POST", "/ServiceRequest"}, {"PUT", "/ServiceRequest/" + referral}, {"PATCH", "/ServiceRequest/" + referral}, {"POST", messagePath}}
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, call := range calls {
				h := speaking()
				// Both as published and under the id that we hold.
				for _, body := range []string{string(text), withID(text, call[1][strings.LastIndex(call[1], "/")+1:])} {
					w := s.do(call[0], call[1], h, body)
					require.Contains(t, []int{400, 404, 409, 413, 422, 200}, w.Code, "%s %s %s: %s", filepath.Base(file), call[0], call[1], w.Body)
					if w.Code != 200 {
						o := resource(t, w)
						require.Equal(t, 1, o.Get("issue", "details", "coding").Len())
					}
					s.echoed(w, h)
				}
			}
		}
	}
}

func withID(text []byte, id string) string {
	var doc map[string]any
	if json.Unmarshal(text, &doc) != nil {
		return string(text)
	}
	doc["id"] = id
	delete(doc, "meta")
	out, err := json.Marshal(doc)
	if err != nil {
		return string(text)
	}
	return string(out)
}
