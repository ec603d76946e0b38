package validate

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestHostileResourcesAreCheckedInReasonableTime has the shapes that would make
// a careless check compare everything with everything, in about 1 MB each.
func TestHostileResourcesAreCheckedInReasonableTime(t *testing.T) {
	many := func(text string, bytes int) string {
		return strings.TrimSuffix(strings.Repeat(text+",", bytes/len(text)), ",")
	}
	const size = 1 << 20
	coding := `{"system":"http://a.example","code":"a"}`
	cases := map[string]string{
		"null in arrays":            patient(`"name":[{"given":[` + many("null", size/2) + `],"_given":[` + many("null", size/2) + `]}]`),
		"extensions in arrays":      patient(`"name":[{"_given":[` + many(`{"id":"a"}`, size) + `]}]`),
		"components' codes":         `{"resourceType":"Observation","status":"final","valueInteger":1,"code":{"coding":[` + many(coding, size/2) + `]},"component":[{"code":{"coding":[` + many(`{"code":"b"}`, size/2) + `]}}]}`,
		"entries":                   `{"resourceType":"Bundle","type":"collection","entry":[` + many(`{"fullUrl":"urn:uuid:a","resource":{"resourceType":"Patient"}}`, size) + `]}`,
		"questions":                 `{"resourceType":"Questionnaire","status":"active","item":[` + many(`{"linkId":"a","type":"string"}`, size) + `]}`,
		"fragments":                 request(`,"supportingInfo":[` + many(`{"reference":"#"}`, size/2) + `],"contained":[` + many(`{"resourceType":"Basic","code":{"text":"a"}}`, size/2) + `]`),
		"clinical status codings":   `{"resourceType":"Condition","subject":{"reference":"Patient/1"},"clinicalStatus":{"coding":[` + many(coding, size) + `]}}`,
		"an open narrative":         patient(`"text":{"status":"generated","div":"<div xmlns='http://www.w3.org/1999/xhtml'>` + strings.Repeat("<b>&amp;", size/8) + `"}`),
		"one attribute":             patient(`"text":{"status":"generated","div":"<div xmlns='http://www.w3.org/1999/xhtml'><a href='` + strings.Repeat("a", size) + `'>b</a></div>"}`),
		"escapes":                   patient(`"name":[{"text":"` + strings.Repeat(`\\`, size/2) + `"}]`),
		"digits of a second":        patient(`"deceasedDateTime":"2026-01-01T10:00:00.` + strings.Repeat("9", size) + `Z"`),
		"digits of a number":        `{"resourceType":"Observation","status":"final","code":{"text":"a"},"valueRange":{"low":{"value":` + strings.Repeat("9", size/2) + `},"high":{"value":1e999999999}}}`,
		"members of unknown name":   patient(strings.TrimSuffix(strings.Repeat(`"name":[{"family":"A"}],`, 1), ",") + `,"contact":[` + many(`{"a":1,"b":2,"c":3}`, size) + `]`),
		"slashes in a reference":    request(`,"encounter":{"reference":"` + strings.Repeat("/", size) + `"}`),
		"depth of items":            `{"resourceType":"Questionnaire","status":"active","item":[` + strings.Repeat(`{"linkId":"a","type":"group","item":[`, 25) + `{"linkId":"b","type":"string"}` + strings.Repeat("]}", 25) + `]}`,
		"empty objects in an array": patient(`"name":[` + many(`{}`, size/4) + `]`),
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			r := parse(t, text)
			start := time.Now()
			require.LessOrEqual(t, len(Resource(r, Options{}).Issues), DefaultMaxIssues)
			require.Less(t, time.Since(start), 2*time.Second)
		})
	}
}
