package rest_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir/rest"
)

// Ensure that each write, by id and by criteria, answers with what Prefer asks
// for (R4 http.html#ops).
func TestEveryWriteHonoursPreferReturn(t *testing.T) {
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
	}{
		{"create", "POST", "/Patient", newPatient, nil, 201},
		{"conditional create that creates", "POST", "/Patient", newPatient, []string{"If-None-Exist: _id=none"}, 201},
		{"conditional create that finds", "POST", "/Patient", newPatient, []string{"If-None-Exist: _id=p"}, 200},
		{"update", "PUT", "/Patient/p", `{"resourceType":"Patient","id":"p"}`, nil, 200},
		{"update that creates", "PUT", "/Patient/q", `{"resourceType":"Patient","id":"q"}`, []string{"If-None-Match: *"}, 201},
		{"conditional update", "PUT", "/Patient?_id=p", newPatient, nil, 200},
		{"conditional update that creates", "PUT", "/Patient?_id=none", newPatient, nil, 201},
		{"patch", "PATCH", "/Patient/p", `{"active":true}`, []string{asMergePatch}, 200},
		{"conditional patch", "PATCH", "/Patient?_id=p", `{"active":true}`, []string{asMergePatch}, 200},
		{"delete", "DELETE", "/Patient/p", "", nil, 204},
		{"delete of nothing", "DELETE", "/Patient/none", "", nil, 204},
		{"conditional delete", "DELETE", "/Patient?_id=p", "", nil, 204},
		{"conditional delete of nothing", "DELETE", "/Patient?_id=none", "", nil, 204},
	} {
		t.Run(c.name, func(t *testing.T) {
			ask := func(prefer string) answer {
				s := newScene(t)
				s.patient("p", "male")
				headers := append([]string{}, c.headers...)
				if prefer != "" {
					headers = append(headers, "Prefer: return="+prefer)
				}
				if c.method == "POST" || c.method == "PUT" {
					return s.send(c.method, c.path, c.body, headers...)
				}
				return s.do(c.method, c.path, c.body, headers...)
			}
			a := ask("minimal")
			require.Equal(t, []any{c.status, ""}, []any{a.status, a.body})
			outcome := ask("OperationOutcome")
			require.Equal(t, "OperationOutcome", outcome.resource(t).Type())
			require.Equal(t, "information", outcome.resource(t).Get("issue", "severity").Text())
			for _, prefer := range []string{"", "representation", "nonsense"} {
				a := ask(prefer)
				require.Equal(t, c.status, a.status)
				if c.method == "DELETE" {
					require.Empty(t, a.body)
					continue
				}
				require.Equal(t, "Patient", a.resource(t).Type())
			}
			if c.method == "DELETE" {
				require.Equal(t, 200, outcome.status)
				return
			}
			require.Equal(t, c.status, outcome.status)
			require.Equal(t, a.header.Get("ETag"), outcome.header.Get("ETag"))
			require.NotEmpty(t, a.header.Get("ETag"))
		})
	}
}

func TestMetadataTakesModeAndNothingElse(t *testing.T) {
	s := newScene(t, func(o *rest.Options) {
		o.Metadata = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", rest.ContentType)
			_, _ = w.Write([]byte(`{"resourceType":"CapabilityStatement"}`))
		})
	})
	for query, want := range map[string]int{"": 200, "?mode=full": 200, "?mode=normative": 200, "?mode=terminology": 501, "?mode=x": 400, "?x=1": 400, "?mode=full&mode=full": 400} {
		require.Equal(t, want, s.do("GET", "/metadata"+query, "").status, query)
	}
}
