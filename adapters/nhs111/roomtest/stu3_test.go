package roomtest

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/adapters/nhs111"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

func TestAKeptMessageIsReadBackAsSTU3ByItsMessageID(t *testing.T) {
	for name, interaction := range map[string]string{
		"referral": "primaryOutofHourRecipientNHS111CDADocument-v2-0", "copy": "copyRecipientNHS111CDADocument-v2-0",
	} {
		t.Run(name, func(t *testing.T) {
			_, desk := openRoom(t)
			h := nhs111.New(desk, nhs111.Options{Clock: now, NewID: uuid.NewString, Reports: desk.Records(), Version: "9"})
			w := post(h, "text/xml", compose(t, edit{"primaryOutofHourRecipientNHS111CDADocument-v2-0", interaction}))
			require.Equal(t, http.StatusOK, w.Code, w.Body.String())

			w = get(h, http.MethodGet, "/nhs111/report/"+messageID, "application/fhir+json; fhirVersion=3.0")
			require.Equal(t, http.StatusOK, w.Code, w.Body.String())
			require.Contains(t, w.Header().Get("Content-Type"), "fhirVersion=3.0")
			bundle, err := fhir.Parse(w.Body.Bytes())
			require.NoError(t, err)
			header := bundle.Get("entry").At(0).Get("resource")
			require.Equal(t, messageID, header.Get("id").Text())
			event := map[string]string{"referral": "referral-1", "copy": "discharge-details-1"}
			require.Equal(t, event[name], header.Dig("event", "code").Text())
			require.Contains(t, w.Body.String(), `"ReferralRequest"`)
		})
	}
}

func TestReadingBackAnswersEachRefusalByItsReason(t *testing.T) {
	_, desk := openRoom(t)
	entitled := true
	h := nhs111.New(desk, nhs111.Options{Clock: now, NewID: uuid.NewString, Reports: desk.Records(),
		Entitled: func(_ *http.Request, organisation nhs.ODSCode) bool { return entitled && organisation == "A1001" }})
	require.Equal(t, http.StatusOK, post(h, "text/xml", compose(t)).Code)
	const stu3 = "application/fhir+json;fhirVersion=3.0"
	require.Equal(t, http.StatusOK, get(h, http.MethodGet, "/nhs111/report/"+messageID, stu3).Code)
	require.Equal(t, http.StatusNotFound, get(h, http.MethodGet, "/nhs111/report/8A1F0C52-9999-4E6B-9C55-0A1B2C3D4E5F", stu3).Code)
	require.Equal(t, http.StatusNotFound, get(h, http.MethodGet, "/nhs111/report/x", stu3).Code)
	require.Equal(t, http.StatusNotAcceptable, get(h, http.MethodGet, "/nhs111/report/"+messageID, "text/xml").Code)
	entitled = false
	w := get(h, http.MethodGet, "/nhs111/report/"+messageID, stu3)
	require.Equal(t, http.StatusNotFound, w.Code)
	require.NotContains(t, w.Body.String(), "Patient")
}

func TestTheFirstVersionThatIsAcceptedDecidesOnTheForm(t *testing.T) {
	_, desk := openRoom(t)
	h := reading(desk, nil)
	require.Equal(t, http.StatusOK, post(h, "text/xml", compose(t)).Code)
	for accept, version := range map[string]string{
		"application/fhir+json; fhirVersion=3.0, application/fhir+json; fhirVersion=4.0;q=0.5": "3.0",
		"application/fhir+json; fhirVersion=4.0, application/fhir+json; fhirVersion=3.0":       "4.0",
		"text/html, application/json; fhirVersion=3.0.2":                                       "3.0",
		"application/fhir+json; fhirVersion=3.0;q=0, */*":                                      "4.0",
	} {
		w := get(h, http.MethodGet, "/nhs111/report/"+messageID, accept)
		require.Equal(t, http.StatusOK, w.Code, accept)
		require.Contains(t, w.Header().Get("Content-Type"), "fhirVersion="+version, accept)
	}
	require.Equal(t, http.StatusOK, post(h, "text/xml", composeFrom(t, "ambulance.xml")).Code)
	w := get(h, http.MethodGet, "/nhs111/report/9B1F0C52-1111-4E6B-9C55-0A1B2C3D4E5F", "application/fhir+json; fhirVersion=3.0")
	require.Equal(t, http.StatusNotAcceptable, w.Code, "the reference adaptor has no form of it")
}
