package bars_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
)

// unkept is a profile that no resource which claims any keeps.
type unkept struct{}

func (unkept) Check(r *fhir.Resource) *fhir.Outcome {
	if !strings.Contains(string(r.JSON()), `"profile":["https://clinic.example/p"]`) {
		return nil
	}
	return fhir.NewOutcome(fhir.KindInvariant, r.Type()+".id", "the profile isn't kept")
}

func enforcing(o *bars.Options) { o.Profiles = unkept{} }

func TestAPlainWriteKeepsTheProfilesThatItClaims(t *testing.T) {
	s := open(t, enforcing)
	api := rest.New(s.desk.Records(), rest.Options{BaseURL: base})
	send := func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/fhir+json")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		return w
	}
	claims := `{"resourceType":"Patient","id":"1","meta":{"profile":["https://clinic.example/p"]}}`
	require.Equal(t, 201, send("PUT", "/Patient/1", `{"resourceType":"Patient","id":"1"}`).Code)
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/Patient", claims},
		{"PUT", "/Patient/1", claims},
		{"POST", "/", `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"PUT","url":"Patient/1"},"resource":` + claims + `}]}`},
	} {
		w := send(c.method, c.path, c.body)
		require.Equal(t, 422, w.Code, w.Body)
		require.Contains(t, w.Body.String(), "the profile isn't kept")
	}
}

func TestAMessageKeepsTheProfilesThatItClaims(t *testing.T) {
	claims := changes{"Patient.meta.profile": []any{"https://clinic.example/p"}}
	strict := open(t, enforcing)
	_, err := strict.send(referral(t, claims))
	refused(t, err, fhir.KindInvariant, "Bundle.id")
	strict.accepted(referral(t))

	lenient := open(t, enforcing, func(o *bars.Options) { o.Mode = bars.Lenient })
	result, err := lenient.send(referral(t, claims))
	require.NoError(t, err)
	require.Contains(t, result.Warnings, fhir.Issue{Expression: "Bundle.id", Diagnostics: "the profile isn't kept"})
}
