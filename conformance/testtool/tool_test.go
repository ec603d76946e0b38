package testtool

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/validate"
	"github.com/onward-health/onward/nhs"
)

const (
	known     = "2000011147"
	knownLike = "http://onward.test" + Path
)

func newTool() *Tool {
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	return New(Options{BaseURL: knownLike, Now: func() time.Time { return at }})
}

func encode(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// ask sends a request to a target of a system; changes are headers as
// "Name: value", without a value gone.
func ask(t *testing.T, tool *Tool, method, path, system, value, body string, changes ...string) (*http.Response, *fhir.Resource) {
	t.Helper()
	r := httptest.NewRequest(method, Path+path, strings.NewReader(body))
	r.Header.Set("X-Request-Id", uuid.NewString())
	r.Header.Set("X-Correlation-Id", uuid.NewString())
	r.Header.Set("NHSD-Target-Identifier", encode(`{"system":"`+system+`","value":"`+value+`"}`))
	r.Header.Set("NHSD-End-User-Organisation", encode(`{"resourceType":"Organization","identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"A1001"}],"name":"Sandbox"}`))
	r.Header.Set("Accept", "application/fhir+json; version=1.5.0")
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json; version=1.1.0")
	}
	for _, change := range changes {
		name, v, _ := strings.Cut(change, ":")
		if r.Header.Del(name); strings.TrimSpace(v) != "" {
			r.Header.Set(name, strings.TrimSpace(v))
		}
	}
	w := httptest.NewRecorder()
	tool.ServeHTTP(w, r)
	got := w.Result()
	for _, name := range []string{"X-Request-Id", "X-Correlation-Id"} {
		require.Equal(t, r.Header.Get(name), got.Header.Get(name), "both ids are echoed on every answer")
	}
	text, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	if len(text) == 0 || strings.HasPrefix(got.Header.Get("Content-Type"), "text/") {
		return got, nil
	}
	res, err := fhir.Parse(text)
	require.NoError(t, err, "%s", text)
	return got, res
}

// refused demands an outcome with a status, a code and an issue.
func refused(t *testing.T, got *http.Response, body *fhir.Resource, status int, code, issue string) {
	t.Helper()
	require.Equal(t, status, got.StatusCode)
	require.NotNil(t, body)
	require.Equal(t, "OperationOutcome", body.Type())
	require.Equal(t, code, body.Get("issue", "details", "coding", "code").Text())
	require.Equal(t, issue, body.Get("issue", "code").Text())
	require.Equal(t, "https://fhir.nhs.uk/Codesystem/http-error-codes", body.Get("issue", "details", "coding", "system").Text())
}

// messageOf is a message about a patient with a focus.
func messageOf(event, number, focus string) string {
	patient := `{"resourceType":"Patient"}`
	if number != "" {
		patient = `{"resourceType":"Patient","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"` + number + `"}]}`
	}
	return `{"resourceType":"Bundle","type":"message","entry":[
		{"resource":{"resourceType":"MessageHeader","eventCoding":{"system":"https://fhir.nhs.uk/CodeSystem/message-events-bars","code":"` + event + `"}}},
		{"resource":` + focus + `},{"resource":` + patient + `},{"resource":{"resourceType":"Slot","status":"free"}}]}`
}

func bookingMessage(number, status string) string {
	return messageOf("booking-request", number, `{"resourceType":"Appointment","status":"`+status+`"}`)
}

func referralMessage(number, status, category, link string) string {
	more := ""
	if link != "" {
		more = `,"supportingInfo":[{"reference":"Appointment/` + link + `"}]`
	}
	return messageOf("servicerequest-request", number, `{"resourceType":"ServiceRequest","status":"`+status+`","category":[{"coding":[
		{"system":"https://fhir.nhs.uk/CodeSystem/message-category-servicerequest","code":"`+category+`"}]}]`+more+`}`)
}

func TestTargetsOfTestsAnswerAsTheirNameSays(t *testing.T) {
	tool := newTool()
	seen := map[string]bool{}
	for _, row := range []struct {
		value, code, issue string
		status             int
	}{
		{"NHS0001-400", "REC_BAD_REQUEST", "invalid", 400},
		{"NHS0001-400-1", "REC_BAD_REQUEST", "invariant", 400},
		{"NHS0001-400-2", "REC_BAD_REQUEST", "not-supported", 400},
		{"NHS0001-401", "REC_UNAUTHORIZED", "security", 401},
		{"NHS0001-403", "REC_FORBIDDEN", "forbidden", 403},
		{"NHS0001-406", "REC_NOT_ACCEPTABLE", "processing", 406},
		{"NHS0001-408", "REC_TIMEOUT", "timeout", 408},
		{"NHS0001-409", "REC_CONFLICT", "conflict", 409},
		{"NHS0001-422", "REC_UNPROCESSABLE_ENTITY", "processing", 422},
		{"NHS0001-500", "REC_SERVER_ERROR", "exception", 500},
		{"NHS0001-500-1", "", "", 500},
		{"NHS0001-500-2", "REC_SERVER_ERROR", "no-store", 500},
		{"NHS0001-501", "REC_NOT_IMPLEMENTED", "not-supported", 501},
		{"NHS0001-503", "REC_UNAVAILABLE", "transient", 503},
		{"NHS0001-504", "", "", 504},
	} {
		seen[row.value] = true
		t.Run(row.value, func(t *testing.T) {
			for path, method := range map[string]string{"/Slot": "GET", "/metadata": "GET", "/$process-message": "POST", "/Appointment/" + knownID: "GET"} {
				got, body := ask(t, tool, method, path, System, row.value, "")
				if row.code == "" {
					require.Equal(t, row.status, got.StatusCode)
					require.Nil(t, body)
					continue
				}
				refused(t, got, body, row.status, row.code, row.issue)
			}
		})
	}
	got, _ := ask(t, tool, "GET", "/metadata", System, "NHS0001", "")
	require.Equal(t, 200, got.StatusCode)
	seen["NHS0001"] = true
	require.Len(t, seen, len(Targets()), "every target has its row")
	got, body := ask(t, tool, "GET", "/metadata", System, "NHS0001-418", "")
	refused(t, got, body, 404, "REC_NOT_FOUND", "not-found")
}

func TestNHSNumbersChooseTheAnswerToAMessage(t *testing.T) {
	tool := newTool()
	for _, row := range []struct {
		what, number string
		status       int
		code, issue  string
	}{
		{"booking", "9658499007", 200, "", ""},
		{"booking", "", 200, "", ""},
		{"booking", "9658499015", 404, "REC_NOT_FOUND", "not-found"},
		{"booking", "9658499023", 409, "REC_CONFLICT", "conflict"},
		{"booking", "9658499031", 422, "REC_UNPROCESSABLE_ENTITY", "processing"},
		{"referral", "9658499058", 200, "", ""},
		{"referral", "", 200, "", ""},
		{"referral", "9658499066", 400, "REC_BAD_REQUEST", "invariant"},
		{"referral", "9658499074", 500, "REC_SERVER_ERROR", "exception"},
		{"validation", "9658499082", 200, "", ""},
		{"validation", "9658499090", 200, "", ""},
		{"validation", "9658499015", 404, "REC_NOT_FOUND", "not-found"},
		{"validation", "9658499112", 409, "REC_CONFLICT", "conflict"},
		{"validation", "9658499120", 422, "REC_UNPROCESSABLE_ENTITY", "processing"},
		{"validation", "9658499139", 401, "REC_UNAUTHORIZED", "security"},
		{"validation", "9658499147", 200, "", ""},
		{"validation", "9658499155", 200, "", ""},
		{"validation", "9658499163", 200, "", ""},
		{"validation", "9658499171", 401, "REC_UNAUTHORIZED", "security"},
	} {
		t.Run(row.what+" "+row.number, func(t *testing.T) {
			body := bookingMessage(row.number, "booked")
			if row.what != "booking" {
				body = referralMessage(row.number, "active", row.what, "")
			}
			got, answer := ask(t, tool, "POST", "/$process-message", nhs.SystemDoS, known, body)
			if row.status != 200 {
				refused(t, got, answer, row.status, row.code, row.issue)
				require.NotContains(t, string(answer.JSON()), row.number)
				return
			}
			require.Equal(t, 200, got.StatusCode)
			require.Equal(t, "Bundle message", answer.Type()+" "+answer.Get("type").Text())
			focus := answer.Get("entry").At(1).Get("resource")
			if row.what == "booking" {
				require.Equal(t, "ce1c4ced-2a84-4198-9982-9caf894d0bb7", focus.Get("id").Text())
				require.Equal(t, "busy", answer.Get("entry").At(3).Dig("resource", "status").Text())
				require.True(t, focus.Get("created").Exists())
				return
			}
			require.True(t, fhir.ValidUUID(focus.Get("id").Text()))
			planned := answer.Get("entry").At(4).Get("resource")
			require.Equal(t, "Encounter planned", planned.Get("resourceType").Text()+" "+planned.Get("status").Text())
		})
	}
}

func TestCancellationsAndResponsesComeBackAsTheyAre(t *testing.T) {
	for name, body := range map[string]string{
		"booking":  bookingMessage("9658499007", "cancelled"),
		"referral": referralMessage("9658499058", "revoked", "referral", ""),
		"response": messageOf("servicerequest-response", "", `{"resourceType":"ServiceRequest","status":"active"}`),
	} {
		got, answer := ask(t, newTool(), "POST", "/$process-message", nhs.SystemDoS, known, body)
		require.Equal(t, 200, got.StatusCode, name)
		require.JSONEq(t, body, string(answer.JSON()), name)
	}
}

func TestWhatIsNoMessageIsRefused(t *testing.T) {
	for name, body := range map[string]string{
		"another resource": `{"resourceType":"Patient"}`,
		"another type":     `{"resourceType":"Bundle","type":"batch"}`,
		"no header":        `{"resourceType":"Bundle","type":"message","entry":[{"resource":{"resourceType":"Patient"}}]}`,
		"unknown event":    messageOf("booking-response", "", `{"resourceType":"Appointment"}`),
		"no focus":         messageOf("booking-request", "", `{"resourceType":"Task"}`),
	} {
		got, answer := ask(t, newTool(), "POST", "/$process-message", nhs.SystemDoS, known, body)
		require.Equal(t, 400, got.StatusCode, name)
		require.Equal(t, "invariant", answer.Get("issue", "code").Text(), name)
	}
	got, answer := ask(t, newTool(), "POST", "/$process-message", nhs.SystemDoS, known, "{")
	refused(t, got, answer, 400, "REC_BAD_REQUEST", "structure")
}

func TestIdsChooseTheAnswerToARead(t *testing.T) {
	tool := newTool()
	for _, row := range []struct {
		path        string
		status      int
		code, issue string
	}{
		{"/Appointment/c3f6145e-1a26-4345-b3f2-dccbcba62049", 200, "", ""},
		{"/Appointment/91607239-b002-470a-8709-6b25bd50fdd1", 200, "", ""},
		{"/Appointment/ce1c4ced-2a84-4198-9982-9caf894d0bb7", 200, "", ""},
		{"/Appointment/0d440c22-7f25-4c6c-905d-2213d197d02a", 501, "REC_NOT_IMPLEMENTED", "not-supported"},
		{"/Appointment/00000000-0000-4000-8000-000000000000", 404, "REC_NOT_FOUND", "not-found"},
		{"/Appointment/x", 400, "REC_BAD_REQUEST", "value"},
		{"/ServiceRequest/c3f6145e-1a26-4345-b3f2-dccbcba62049", 200, "", ""},
		{"/ServiceRequest/0b42eac3-0175-43c8-bbab-efaa8ca31ccf", 200, "", ""},
		{"/ServiceRequest/61215702-0049-4d76-9807-2123f0a6ca15", 405, "REC_METHOD_NOT_ALLOWED", "not-supported"},
		{"/ServiceRequest/9d280ad9-6dda-46d2-a75e-f5b47b2f4e87", 429, "REC_TOO_MANY_REQUESTS", "throttled"},
		{"/ServiceRequest/4d65ddaa-4d09-41cd-87c9-aeb9c0c96352", 503, "REC_UNAVAILABLE", "transient"},
		{"/ServiceRequest/c337e8d8-fd5b-4a13-a8e4-0f6f4ac1bb1a", 501, "REC_NOT_IMPLEMENTED", "not-supported"},
	} {
		t.Run(row.path, func(t *testing.T) {
			got, body := ask(t, tool, "GET", row.path, nhs.SystemDoS, known, "")
			if row.status != 200 {
				refused(t, got, body, row.status, row.code, row.issue)
				return
			}
			require.Equal(t, 200, got.StatusCode)
			require.Equal(t, row.path, "/"+body.Type()+"/"+body.ID())
			require.True(t, validate.Resource(body, validate.Options{}).OK(), "%s", body.JSON())
		})
	}
}

func TestAPatientsRecordsAreFoundByNHSNumber(t *testing.T) {
	for path, want := range map[string]int{
		"/Appointment?patient:identifier=https://fhir.nhs.uk/Id/nhs-number%7C9658499007":    1,
		"/Appointment?patient:identifier=https://fhir.nhs.uk/Id/nhs-number%7C9658499015":    0,
		"/ServiceRequest?patient:identifier=https://fhir.nhs.uk/Id/nhs-number%7C9658499058": 1,
	} {
		_, body := ask(t, newTool(), "GET", path, nhs.SystemDoS, known, "")
		require.Equal(t, want, body.Get("entry").Len(), path)
	}
	got, body := ask(t, newTool(), "GET", "/Appointment", nhs.SystemDoS, known, "")
	refused(t, got, body, 400, "REC_BAD_REQUEST", "required")
	got, body = ask(t, newTool(), "GET", "/Appointment?patient:identifier=x", nhs.SystemDoS, known, "")
	refused(t, got, body, 400, "REC_BAD_REQUEST", "value")
}

const window = "&start=ge2026-11-21T09:00:00%2B00:00&start=le2026-11-21T12:00:00%2B00:00&_include=Slot:schedule&_include=Schedule:actor:HealthcareService"

func TestServicesChooseTheSlots(t *testing.T) {
	tool := newTool()
	count := func(body *fhir.Resource) map[string]int {
		types := map[string]int{}
		for entry := range body.Get("entry").Items() {
			res := entry.Get("resource").Resource()
			types[res.Type()]++
			require.True(t, validate.Resource(res, validate.Options{}).OK(), "%s", res.JSON())
		}
		return types
	}
	for _, row := range []struct {
		service, status string
		want            map[string]int
	}{
		{"2000072489", "free", map[string]int{"Slot": 2, "Schedule": 1, "HealthcareService": 1, "Practitioner": 1, "Location": 1}},
		{"2000072489", "free,busy", map[string]int{"Slot": 4, "Schedule": 1, "HealthcareService": 1, "Practitioner": 1, "Location": 1}},
		{"2000073917", "free", map[string]int{"OperationOutcome": 1}},
		{"1503499715", "free", map[string]int{"Slot": 2, "Schedule": 1, "HealthcareService": 1}},
	} {
		got, body := ask(t, tool, "GET", "/Slot?status="+row.status+"&Schedule.actor:HealthcareService="+row.service+window, nhs.SystemDoS, row.service, "")
		require.Equal(t, 200, got.StatusCode)
		require.Equal(t, row.want, count(body), "%s %s", row.service, row.status)
		total, _ := body.Get("total").Int()
		require.EqualValues(t, row.want["Slot"], total, "matches only")
	}
	got, body := ask(t, tool, "GET", "/Slot?status=free"+window, nhs.SystemDoS, "2000081230", "")
	refused(t, got, body, 408, "REC_TIMEOUT", "timeout")
	for query, want := range map[string]string{
		"?status=x" + window:                  "400 value",
		"?" + window[1:]:                      "400 required",
		"?status=free&_include=Slot:schedule": "400 required",
		"?status=free&_include=Slot:schedule&start=ge2026-11-21T09:00:00Z":                            "400 required",
		"?status=free&_include=Slot:schedule&start=ge2026-11-21":                                      "400 required",
		"?status=free&_include=Slot:schedule&start=gex&start=le2026-11-21":                            "400 value",
		"?status=free&_include=Slot:schedule&start=ge2026-11-22&start=le2026-11-21":                   "400 value",
		"?status=free&Schedule.actor:HealthcareService=1" + window:                                    "404 not-found",
		"?status=free&_include=Slot:schedule&start=ge2026-11-21T09:00:00Z&end=le2026-11-22T09:00:00Z": "200 ",
	} {
		got, body := ask(t, tool, "GET", "/Slot"+query, nhs.SystemDoS, "2000072489", "")
		require.Equal(t, want, got.Status[:4]+body.Get("issue", "code").Text(), query)
	}
}

func TestTargetsChooseTheStatement(t *testing.T) {
	for value, want := range map[string]string{
		"2000011147": "bars-message-booking-request",
		"2000076289": "bars-message-servicerequest-request-referral",
		"1374839566": "bars-message-servicerequest-response-validation-interim",
		"2000003366": "bars-message-servicerequest-request-validation",
		"2000070513": "bars-message-servicerequest-request-referral",
		"2000159909": "bars-message-servicerequest-request-referral",
		"2000159910": "bars-message-servicerequest-request-referral",
	} {
		got, body := ask(t, newTool(), "GET", "/metadata", nhs.SystemDoS, value, "")
		require.Equal(t, 200, got.StatusCode, value)
		require.Equal(t, "https://fhir.nhs.uk/MessageDefinition/"+want, body.Get("messaging", "supportedMessage", "definition").Text(), value)
		require.Contains(t, body.Get("title").Text(), "Sandbox")
		require.True(t, validate.Resource(body, validate.Options{}).OK(), "%s", body.JSON())
	}
	got, _ := ask(t, newTool(), "GET", "/metadata", "", "", "", "NHSD-Target-Identifier:", "NHSD-End-User-Organisation:")
	require.Equal(t, 200, got.StatusCode, "the statement needs no target")
	got, body := ask(t, newTool(), "GET", "/metadata", nhs.SystemDoS, "1", "")
	refused(t, got, body, 404, "REC_NOT_FOUND", "not-found")
}

func TestContextsChooseTheDefinitions(t *testing.T) {
	dos := "context=https://fhir.nhs.uk/Id/dos-service-id%7C"
	use := "&context=https://fhir.nhs.uk/CodeSystem/usecases-categories-bars%7C"
	find := func(query string) (*http.Response, *fhir.Resource) {
		return ask(t, newTool(), "GET", "/MessageDefinition"+query, nhs.SystemDoS, known, "")
	}
	got, body := find("?" + dos + "2000003366" + use + "a4t1")
	require.Equal(t, 200, got.StatusCode)
	require.Equal(t, "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request-validation", body.Get("entry", "resource", "url").Text())
	require.Equal(t, 2, body.Get("entry", "resource", "useContext").Len())
	for entry := range body.Get("entry").Items() {
		require.True(t, validate.Resource(entry.Get("resource").Resource(), validate.Options{}).OK())
	}
	_, body = find("?" + dos + "2000071898" + use + "a1t1")
	require.Contains(t, string(body.JSON()), "Invoice")
	_, body = find("?" + dos + "2000076289" + use + "a1t1")
	require.NotContains(t, string(body.JSON()), "Invoice")
	for query, want := range map[string]string{
		"?context=FAIL0401":                     "401 security",
		"?" + dos + "FAIL0401" + use + "a1t1":   "401 security",
		"?context=FAIL0404":                     "404 not-found",
		"?" + dos + "1":                         "404 not-found",
		"?" + dos + "2000003366" + use + "a1t1": "404 not-found",
		"":                                      "400 required",
	} {
		got, body := find(query)
		require.Equal(t, want, got.Status[:4]+body.Get("issue", "code").Text(), query)
	}
}

// The national tool's table: a row for each event, a column for each step.
func TestTheScenarioRemembersWhatWasBookedAndReferred(t *testing.T) {
	const number = "9707606312"
	book, cancel := bookingMessage(number, "booked"), bookingMessage(number, "cancelled")
	linked := referralMessage(number, "active", "referral", bookedID)
	mislinked := referralMessage(number, "active", "referral", knownID)
	revoke := referralMessage(number, "revoked", "referral", "")
	steps := map[string][]string{"initial": nil, "booked": {book}, "referral created": {book, linked}}
	for _, row := range []struct {
		name, message string
		want          map[string]int
	}{
		{"make booking", book, map[string]int{"initial": 200, "booked": 409, "referral created": 409}},
		{"cancel booking", cancel, map[string]int{"initial": 400, "booked": 200, "referral created": 200}},
		{"create linked referral", linked, map[string]int{"initial": 400, "booked": 200, "referral created": 409}},
		{"create mis-linked referral", mislinked, map[string]int{"initial": 400, "booked": 409, "referral created": 409}},
		{"create referral without a link", referralMessage(number, "active", "referral", ""), map[string]int{"initial": 400, "booked": 409, "referral created": 409}},
		{"cancel referral", revoke, map[string]int{"initial": 400, "booked": 400, "referral created": 200}},
	} {
		for step, want := range row.want {
			t.Run(row.name+", "+step, func(t *testing.T) {
				tool := newTool()
				send := func(body string) int {
					got, _ := ask(t, tool, "POST", "/$process-message", nhs.SystemDoS, known, body)
					return got.StatusCode
				}
				for _, before := range steps[step] {
					require.Equal(t, 200, send(before))
				}
				require.Equal(t, want, send(row.message))
			})
		}
	}
}

func TestEachOrganisationHasAScenarioOfItsOwnAndItIsForgotten(t *testing.T) {
	at := time.Unix(0, 0)
	s := newScenario(func() time.Time { return at })
	require.NoError(t, s.take("A1001", makeBooking))
	require.Error(t, s.take("A1001", makeBooking))
	require.NoError(t, s.take("B2002", makeBooking))
	at = at.Add(remembered + time.Second)
	require.NoError(t, s.take("A1001", makeBooking))
	require.NoError(t, s.take("A1001", linkedReferral))
	require.NoError(t, s.take("A1001", cancelReferral))
	require.NoError(t, s.take("A1001", linkedReferral), "only the referral was cancelled")
	for i := range maxOrganisations {
		_ = s.take(uuid.NewString()[:8]+string(rune('a'+i%26)), makeBooking)
	}
	require.LessOrEqual(t, len(s.at), maxOrganisations)
}

func TestHeadersAreAskedForAsAReceiverDoes(t *testing.T) {
	for change, want := range map[string]string{
		"X-Request-Id:":                     "400 required",
		"X-Correlation-Id:":                 "400 required",
		"NHSD-Target-Identifier:":           "400 required",
		"NHSD-End-User-Organisation:":       "400 required",
		"X-Request-Id: x":                   "400 value",
		"NHSD-Target-Identifier: %":         "400 value",
		"NHSD-Target-Identifier: e30=":      "400 value",
		"NHSD-End-User-Organisation: e30=":  "400 value",
		"Accept: text/plain":                "406 processing",
		"Authorization: Bearer unnecessary": "200 ",
	} {
		got, body := ask(t, newTool(), "GET", "/Appointment/"+knownID, nhs.SystemDoS, known, "", change)
		require.Equal(t, want, got.Status[:4]+body.Get("issue", "code").Text(), change)
	}
}

func TestVerbsAndPaths(t *testing.T) {
	for path, allow := range map[string]string{"/metadata": "GET", "/Slot": "GET", "/$process-message": "POST", "/Appointment": "GET", "/ServiceRequest/" + knownID: "GET"} {
		got, body := ask(t, newTool(), "PUT", path, nhs.SystemDoS, known, "{}")
		refused(t, got, body, 405, "REC_METHOD_NOT_ALLOWED", "not-supported")
		require.Equal(t, allow, got.Header.Get("Allow"))
	}
	for _, path := range []string{"/slot", "/Patient", "/Appointment/", "/Appointment/a/b"} {
		got, body := ask(t, newTool(), "GET", path, nhs.SystemDoS, known, "")
		refused(t, got, body, 404, "REC_NOT_FOUND", "not-found")
	}
	got, _ := ask(t, newTool(), "GET", "/", nhs.SystemDoS, known, "")
	require.Equal(t, 200, got.StatusCode)
}

func FuzzMessage(f *testing.F) {
	f.Add(bookingMessage("9658499007", "booked"))
	f.Add(referralMessage("", "active", "validation", knownID))
	f.Add(`{"resourceType":"Bundle","type":"message","entry":{}}`)
	tool := newTool()
	f.Fuzz(func(t *testing.T, text string) {
		bundle, err := fhir.Parse([]byte(text))
		if err != nil {
			return
		}
		m, err := readMessage(bundle)
		if err != nil {
			return
		}
		_ = m.event()
		_, err = tool.echo(m)
		require.NoError(t, err)
	})
}
