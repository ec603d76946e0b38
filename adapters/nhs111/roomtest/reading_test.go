package roomtest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/adapters/nhs111"
	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/nhs"
)

const messageID = "8A1F0C52-1111-4E6B-9C55-0A1B2C3D4E5F"

func reading(desk *bars.Desk, change func(*nhs111.Options)) http.Handler {
	o := nhs111.Options{Clock: now, NewID: uuid.NewString, Reports: desk.Records()}
	if change != nil {
		change(&o)
	}
	return nhs111.New(desk, o)
}

func get(h http.Handler, method, path, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAReportIsReadBackAsTheMessageThatItWasMappedTo(t *testing.T) {
	_, desk := openRoom(t)
	h := reading(desk, nil)
	require.Equal(t, http.StatusNotFound, get(h, http.MethodGet, "/nhs111/report/"+messageID, "").Code)
	require.Equal(t, http.StatusOK, post(h, "text/xml", compose(t)).Code)
	var first string
	for _, path := range []string{messageID, strings.ToLower(messageID), "8A1F0C52-2222-4E6B-9C55-0A1B2C3D4E5F", messageID} {
		w := get(h, http.MethodGet, "/nhs111/report/"+path, "application/fhir+json; fhirVersion=4.0")
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		require.Equal(t, "application/fhir+json; fhirVersion=4.0; charset=utf-8", w.Header().Get("Content-Type"))
		bundle, err := fhir.Parse(w.Body.Bytes())
		require.NoError(t, err)
		require.Equal(t, "message", bundle.Get("type").Text())
		require.Equal(t, strings.ToLower(messageID), bundle.ID())
		require.Equal(t, "MessageHeader", bundle.Get("entry").At(0).Dig("resource", "resourceType").Text())
		if path == messageID && first == "" {
			first = w.Body.String()
		} else if path == messageID {
			require.Equal(t, first, w.Body.String(), "asked again it is the same")
		}
	}
	for accept, status := range map[string]int{"": 200, "*/*": 200, "application/json": 200, "text/html, application/fhir+json;q=0.5": 200,
		"application/fhir+json; fhirVersion=5.0": 406, "application/fhir+xml": 406, "application/fhir+json;q=0": 406} {
		require.Equal(t, status, get(h, http.MethodGet, "/nhs111/report/"+messageID, accept).Code, accept)
	}
	w := get(h, http.MethodDelete, "/nhs111/report/"+messageID, "")
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
}

func TestACopyIsReadBackAsACollection(t *testing.T) {
	_, desk := openRoom(t)
	h := reading(desk, nil)
	body := compose(t, edit{"primaryOutofHourRecipientNHS111CDADocument-v2-0", "copyRecipientNHS111CDADocument-v2-0"})
	require.Equal(t, http.StatusOK, post(h, "text/xml", body).Code)
	w := get(h, http.MethodGet, "/nhs111/report/"+messageID, "")
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Contains(t, w.Body.String(), `"type":"collection"`)
	require.NotContains(t, w.Body.String(), `"ServiceRequest"`)
}

// readBack reads a message and its parts.
func readBack(t *testing.T, h http.Handler, id string) *fhir.Resource {
	t.Helper()
	w := get(h, http.MethodGet, "/nhs111/report/"+id, "")
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	bundle, err := fhir.Parse(w.Body.Bytes())
	require.NoError(t, err)
	return bundle
}

func TestEachVersionOfAReportIsReadBackAsItCame(t *testing.T) {
	_, desk := openRoom(t, "a1t10")
	h := reading(desk, nil)
	require.Equal(t, http.StatusOK, post(h, "text/xml", compose(t)).Code)
	w := post(h, "text/xml", compose(t, again("8A1F0C60", edit{versionTwo, `<versionNumber value="3"/>`},
		edit{"8A1F0C52-4444", "8A1F0C60-4444"}, edit{"within 6 hours", "within 2 hours"})...))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	for id, until := range map[string]string{messageID: "2026-03-02T16:22:00Z", "8A1F0C60-1111-4E6B-9C55-0A1B2C3D4E5F": "2026-03-02T12:22:00Z"} {
		bundle := readBack(t, h, id)
		require.Equal(t, strings.ToLower(id), bundle.ID())
		for e := range bundle.Get("entry").Items() {
			if r := e.Get("resource"); r.Get("resourceType").Text() == "ServiceRequest" {
				require.Equal(t, until, r.Dig("occurrencePeriod", "end").Text())
				require.Equal(t, "a1t10", fhir.CodeOf(r.Get("category"), bars.SystemUseCases), "as the service had it")
			}
		}
	}
}

func TestAmbulanceRequestsAndNullificationsAreReadBack(t *testing.T) {
	_, desk := openRoom(t)
	h := reading(desk, nil)
	w := post(h, "text/xml", composeFrom(t, "ambulance.xml"))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(t, "message", readBack(t, h, "9B1F0C52-1111-4E6B-9C55-0A1B2C3D4E5F").Get("type").Text())
	require.Equal(t, http.StatusOK, post(h, "text/xml", compose(t)).Code)
	w = post(h, "text/xml", compose(t, nullifying("8A1F0C62")...))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	withdrawal := readBack(t, h, "8A1F0C62-1111-4E6B-9C55-0A1B2C3D4E5F")
	require.Equal(t, "collection", withdrawal.Get("type").Text())
	require.Equal(t, "Nullification of a report", withdrawal.Get("entry").At(1).Dig("resource", "description").Text())
	require.Equal(t, "message", readBack(t, h, messageID).Get("type").Text(), "what was withdrawn can still be read")
}

func TestAConnectionReadsOnlyItsOrganisationsReports(t *testing.T) {
	_, desk := openRoom(t)
	speaker := nhs.ODSCode("A1001")
	h := reading(desk, func(o *nhs111.Options) {
		o.Entitled = func(_ *http.Request, code nhs.ODSCode) bool { return code == speaker }
	})
	require.Equal(t, http.StatusOK, post(h, "text/xml", compose(t)).Code)
	require.Equal(t, http.StatusOK, get(h, http.MethodGet, "/nhs111/report/"+messageID, "").Code)
	speaker = "C3003"
	require.Equal(t, http.StatusNotFound, get(h, http.MethodGet, "/nhs111/report/"+messageID, "").Code)
}

// asking is a repeat caller query in the composed report's envelope.
func asking(t *testing.T, query string) []byte {
	text := string(compose(t, edit{"SendNHS111Report-v2-0", "NHS111RepeatCallerSyncQueryResp-v1-0"},
		edit{"primaryOutofHourRecipientNHS111CDADocument-v2-0", "nhs111RepeatCallerSyncQueryResp-v1-0"},
		edit{"urn:nhs-en:profile:nhs111CDADocument-v2-0", "urn:nhs-en:profile:IntegratedUrgentCareRepeatCallerQuery-v2-1"}))
	start, end := strings.Index(text, "<ClinicalDocument "), strings.Index(text, "</ClinicalDocument>")
	return []byte(text[:start] + `<RepeatCallerQuery xmlns="urn:hl7-org:v3"><id root="8A1F0C52-9999-4E6B-9C55-0A1B2C3D4E5F"/>` +
		`<pertinentInformation><COCD_TP146050GB01.PermissionToView><value code="01"/></COCD_TP146050GB01.PermissionToView></pertinentInformation>` +
		`<query>` + query + `</query></RepeatCallerQuery>` + text[end+len("</ClinicalDocument>"):])
}

func TestARepeatCallerIsFoundByWhatTheReportSaid(t *testing.T) {
	_, desk := openRoom(t)
	h := reading(desk, nil)
	number := func(n string) string {
		return `<person.id><value root="2.16.840.1.113883.2.1.4.1" extension="` + n + `"/></person.id>`
	}
	described := `<person.birthTime><value value="19810629"/></person.birthTime><person.familyName><value>O'Sample</value></person.familyName><person.postalCode><value>ZZ993VZ</value></person.postalCode>`
	ask := func(query string) string {
		w := post(h, "text/xml", asking(t, query))
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		return w.Body.String()
	}
	require.Contains(t, ask(number("9990057699")), `<value code="NRC"`)
	require.Equal(t, http.StatusOK, post(h, "text/xml", compose(t)).Code)
	for _, query := range []string{number("9990057699"), described} {
		answer := ask(query)
		require.Contains(t, answer, `<value code="RC"`)
		require.Contains(t, answer, "<title>Made-up 111 Report</title>", "the report itself")
	}
	require.Contains(t, ask(number("9476719931")), `<value code="NRC"`)
	require.Contains(t, ask(strings.Replace(described, "19810629", "19810630", 1)), `<value code="NRC"`)
}

func TestAcknowledgementsStandInTheOutboxOnceThoughTheMessageCameTwice(t *testing.T) {
	db, desk := openRoom(t)
	h := reading(desk, func(o *nhs111.Options) {
		o.Acks = &nhs111.Acks{Address: func(nhs.ODSCode) (string, bool) { return "https://a1001.test/", true }}
	})
	body := compose(t, edit{`ackrequested" value="false"`, `ackrequested" value="true"/><itk:spec key="urn:nhs-itk:ns:201005:infackrequested" value="true"`})
	for range 2 {
		require.Equal(t, http.StatusOK, post(h, "text/xml", body).Code)
	}
	list, err := outbox.List(context.Background(), db, false)
	require.NoError(t, err)
	require.Len(t, list, 2)
	for i, m := range list {
		require.Equal(t, nhs111.AckKind, m.Kind)
		require.Equal(t, int64(i+1), m.Order)
	}
}

func TestAVersionThatWasTakenBeforeIsAcknowledgedOnceMoreUnderItsNewIDs(t *testing.T) {
	db, desk := openRoom(t)
	h := reading(desk, func(o *nhs111.Options) {
		o.Acks = &nhs111.Acks{Address: func(nhs.ODSCode) (string, bool) { return "https://a1001.test/", true }}
	})
	asks := edit{`ackrequested" value="false"`, `ackrequested" value="true"`}
	messages := [][]byte{compose(t, asks), compose(t, again("8A1F0C65", asks)...), compose(t, again("8A1F0C65", asks)...),
		compose(t, nullifying("8A1F0C66", asks)...), compose(t, nullifying("8A1F0C67", asks)...)}
	for _, m := range messages {
		w := post(h, "text/xml", m)
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	}
	list, err := outbox.List(context.Background(), db, false)
	require.NoError(t, err)
	require.Len(t, list, 4, "each but the one that came twice")
}
