package barsapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
)

const messagePath = "/$process-message"

func TestAMessageIsAnsweredWithItsIds(t *testing.T) {
	s := open(t)
	h := speaking()
	w := s.do("POST", messagePath, h, tour(t, "book"))
	require.Equal(t, 200, w.Code, "%s", w.Body)
	s.echoed(w, h)
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	bundle := resource(t, w)
	require.Equal(t, "message", bundle.Get("type").Text())
	id := bundle.Get("entry").At(1).Dig("resource", "id").Text()
	require.True(t, fhir.ValidUUID(id))

	again := s.do("POST", messagePath, h, tour(t, "book"))
	s.refused(again, h, 409, "duplicate", "REC_CONFLICT")
	s.refused(s.do("POST", messagePath, h, tour(t, "book")+" "), h, 400, "invalid", "REC_BAD_REQUEST")
	other := speaking()
	s.refused(s.do("POST", messagePath, other, tour(t, "book")), other, 409, "conflict", "REC_CONFLICT")

	h = speaking()
	w = s.do("GET", "/Appointment/"+id, h, "")
	require.Equal(t, 200, w.Code)
	s.echoed(w, h)
	require.Equal(t, "1", resource(t, w).Get("meta", "versionId").Text())
	require.Equal(t, 200, s.do("GET", "/Appointment/"+strings.ToLower(id), speaking(), "").Code)
	head := s.do("HEAD", "/Appointment/"+id, speaking(), "")
	require.Equal(t, []any{200, 0}, []any{head.Code, head.Body.Len()})

	h = changed("NHSD-Target-Identifier", targetOf(elsewhere))
	s.refused(s.do("GET", "/Appointment/"+id, h, ""), h, 401, "forbidden", "REC_UNAUTHORIZED")
}

// Upper and lower case of an id are one id.
func TestTransactionIdsAreComparedWithoutCase(t *testing.T) {
	s := open(t)
	h := speaking()
	require.Equal(t, 200, s.do("POST", messagePath, h, tour(t, "refer")).Code)
	h.Set("X-Request-Id", strings.ToUpper(h.Get("X-Request-Id")))
	s.refused(s.do("POST", messagePath, h, tour(t, "refer")), h, 409, "duplicate", "REC_CONFLICT")
}

func TestRecordsThatCanNotBeRead(t *testing.T) {
	s := open(t)
	for _, typ := range []string{"Appointment", "ServiceRequest"} {
		h := speaking()
		s.refused(s.do("GET", "/"+typ+"/"+uuid.NewString(), h, ""), h, 404, "not-found", "REC_NOT_FOUND")
		s.refused(s.do("GET", "/"+typ+"/S3CRET", h, ""), h, 400, "value", "REC_BAD_REQUEST")
		h = changed("NHSD-Target-Identifier", targetOf("2000099999"))
		s.refused(s.do("GET", "/"+typ+"/S3CRET", h, ""), h, 404, "not-found", "REC_NOT_FOUND")
		for _, verb := range []string{"DELETE", "PUT", "PATCH"} {
			h = speaking()
			id := uuid.NewString()
			s.refused(s.do(verb, "/"+typ+"/"+id, h, `{"resourceType":"`+typ+`","id":"`+id+`"}`), h, 404, "not-found", "REC_NOT_FOUND")
			s.refused(s.do(verb, "/"+typ+"/S3CRET", h, `{"resourceType":"`+typ+`","id":"S3CRET"}`), h, 400, "value", "REC_BAD_REQUEST")
		}
	}
}

func TestMessagesThatAreRefused(t *testing.T) {
	s := open(t)
	refer := tour(t, "refer")
	for _, row := range []struct {
		name, body  string
		status      int
		issue, word string
	}{
		{"no body", "", 400, "required", "REC_BAD_REQUEST"},
		{"no JSON", "S3CRET", 400, "structure", "REC_BAD_REQUEST"},
		{"cut off", refer[:2000], 400, "structure", "REC_BAD_REQUEST"},
		{"an array", "[" + refer + "]", 400, "structure", "REC_BAD_REQUEST"},
		{"two members of one name", strings.Replace(refer, `"type": "message"`, `"type": "message", "type": "S3CRET"`, 1), 400, "structure", "REC_BAD_REQUEST"},
		{"no Bundle", `{"resourceType":"Patient","name":"S3CRET"}`, 400, "invariant", "REC_BAD_REQUEST"},
		{"too deep", strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), 400, "too-costly", "REC_BAD_REQUEST"},
		{"too large", `{"a":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "too-long", "REC_BAD_REQUEST"},
		{"an unknown version", strings.Replace(refer, `"1.0.0"`, `"7.0.0"`, 1), 422, "not-supported", "REC_UNPROCESSABLE_ENTITY"},
		{"a use case that isn't offered", strings.Replace(refer, `"a1t2"`, `"a5t1"`, 1), 422, "not-supported", "REC_UNPROCESSABLE_ENTITY"},
		{"unknown workflow", strings.Replace(refer, `"active"`, `"draft"`, 1), 400, "invariant", "REC_BAD_REQUEST"},
		{"an unknown service", strings.Replace(refer, "dos-service-id|2000072489", "dos-service-id|2000099999", 1), 404, "not-found", "REC_NOT_FOUND"},
		{"an update that this application has not", strings.Replace(refer, `"code": "new"`, `"code": "update"`, 1), 400, "invariant", "REC_BAD_REQUEST"},
		{"not ours to answer", strings.NewReplacer("servicerequest-request\"", "servicerequest-response\"", `"definition"`, `"response": {"identifier": "S3CRET", "code": "ok"}, "definition"`).Replace(refer),
			404, "not-found", "REC_NOT_FOUND"},
		{"a wrong check digit", strings.Replace(refer, "9000000009", "9000000008", 1), 400, "invariant", "REC_BAD_REQUEST"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := speaking()
			s.refused(s.do("POST", messagePath, h, row.body), h, row.status, row.issue, row.word)
		})
	}
}

// A body without a length is bounded all the same.
func TestABodyWithoutLengthIsBounded(t *testing.T) {
	s := open(t)
	r := httptest.NewRequest("POST", "/FHIR/R4"+messagePath, strings.NewReader(`{"a":"`+strings.Repeat("x", 64<<10)+`"}`))
	r.Header = speaking()
	r.ContentLength = -1
	w := httptest.NewRecorder()
	s.door.ServeHTTP(w, r)
	s.refused(w, r.Header, 413, "too-long", "REC_BAD_REQUEST")
}

func TestContentTypesThatAreTaken(t *testing.T) {
	for text, ok := range map[string]bool{
		"application/fhir+json":                         true,
		"application/fhir+json;version=1.0.0":           true,
		"application/fhir+json; version=1.1.0":          true,
		"APPLICATION/FHIR+JSON; charset=UTF-8":          true,
		"application/json":                              true,
		"application/fhir+json; charset=us-ascii":       true,
		"application/fhir+json; charset=iso-8859-1":     false,
		"application/fhir+xml":                          true,
		"text/plain":                                    false,
		"":                                              false,
		"application/x-www-form-urlencoded":             false,
		"application/fhir+json; charset=utf-8; charset": false,
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(`{"resourceType":"Bundle"}`))
		r.Header.Set("Content-Type", text)
		_, _, err := rest.ReadResource(httptest.NewRecorder(), r, 1<<20)
		refused := err != nil && fhir.AsOutcome(err).Kind == fhir.KindMediaType
		require.Equal(t, ok, !refused, text)
	}
	s := open(t)
	h := changed("Content-Type", "text/plain")
	s.refused(s.do("POST", messagePath, h, tour(t, "refer")), h, 415, "not-supported", "REC_UNSUPPORTED_MEDIA_TYPE")
}

func TestAcceptThatCanBeServed(t *testing.T) {
	for _, row := range []struct {
		values []string
		ok     bool
	}{
		{nil, true},
		{[]string{""}, true},
		{[]string{"*/*"}, true},
		{[]string{"application/*"}, true},
		{[]string{"application/json"}, true},
		{[]string{"application/fhir+json"}, true},
		{[]string{"application/fhir+json;"}, true},
		{[]string{"application/fhir+json;version=1.0.0"}, true},
		{[]string{"application/fhir+json; version=1.5.0"}, true},
		{[]string{"APPLICATION/FHIR+JSON; VERSION=1.9"}, true},
		{[]string{"application/fhir+xml"}, true},
		{[]string{"application/fhir+xml, application/fhir+json"}, true},
		{[]string{"application/fhir+xml", "application/fhir+json;q=0.1"}, true},
		{[]string{"application/fhir+json; version=2.0.0, application/fhir+json; version=1.0.0"}, true},
		{[]string{"application/fhir+json; version=2.0.0"}, false},
		{[]string{"application/fhir+json; version=10.0.0"}, false},
		{[]string{"application/fhir+json; version=2.0.0, text/html"}, false},
		{[]string{"application/fhir+json; version=2.0.0, */*; q=0.1"}, true},
		{[]string{"application/fhir+json;q=0"}, false},
		{[]string{"application/fhir+json;q=0.000, text/html"}, false},
		{[]string{"application/fhir+xml; version=3.0.0"}, false},
		{[]string{"text/html"}, false},
		{[]string{"nonsense"}, false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Accept"] = row.values
		err := checkAccept(r)
		require.Equal(t, row.ok, err == nil, "%v", row.values)
		if !row.ok {
			require.Equal(t, fhir.KindNotAcceptable, fhir.AsOutcome(err).Kind)
		}
	}
	s := open(t)
	for _, path := range []string{"/metadata", slotPath, "/MessageDefinition?context=a1t2", "/Appointment/" + uuid.NewString()} {
		h := changed("Accept", "application/fhir+json; version=2.0.0")
		s.refused(s.do("GET", path, h, ""), h, 406, "processing", "REC_NOT_ACCEPTABLE")
	}
}

// Every path answers a wrong verb with 405 and exactly the published Allow (BaRS
// API, paths), OPTIONS with all that it takes, and no path is open to a verb that
// Allow leaves out.
func TestWrongVerbsAreAnsweredWithThoseThatFit(t *testing.T) {
	s := open(t)
	const one = "GET, PATCH, PUT, DELETE"
	for path, allow := range map[string]string{
		messagePath: "POST", "/Slot": "GET", "/metadata": "GET", "/MessageDefinition": "GET", "/MessageDefinition/x": "GET",
		"/Appointment": "GET, POST", "/ServiceRequest": "GET, POST", "/Appointment/x": one, "/ServiceRequest/x": one,
		"/Appointment/x/_history/1": "GET", "/_ping": "GET, HEAD", "/_status": "GET, HEAD",
	} {
		w := s.do("OPTIONS", path, speaking(), "")
		require.Equal(t, []any{204, ""}, []any{w.Code, w.Body.String()}, path)
		options := strings.Split(w.Header().Get("Allow"), ", ")
		require.Contains(t, options, "OPTIONS")
		require.Equal(t, strings.Contains(allow, "GET"), strings.Contains(w.Header().Get("Allow"), "HEAD"), path)
		for _, verb := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "S3CRET"} {
			h := speaking()
			w := s.do(verb, path, h, "")
			if strings.Contains(allow, verb) || verb == "HEAD" && strings.Contains(allow, "GET") {
				require.NotEqual(t, 405, w.Code, "%s %s", verb, path)
				require.Contains(t, options, verb)
				continue
			}
			require.NotContains(t, options, verb)
			require.Equal(t, allow, w.Header().Get("Allow"), "%s %s", verb, path)
			if verb == "HEAD" { // an answer to it has no body
				require.Equal(t, 405, w.Code)
				continue
			}
			s.refused(w, h, 405, "not-supported", "REC_METHOD_NOT_ALLOWED")
		}
	}
	w := s.do("POST", "/MessageDefinition", http.Header{}, "")
	require.Equal(t, []any{405, "GET, HEAD, OPTIONS"}, []any{w.Code, w.Header().Get("Allow")})
	require.Equal(t, 204, s.do("OPTIONS", "/MessageDefinition/x", http.Header{}, "").Code)
	require.False(t, resource(t, w).Get("issue", "details").Exists(), "plain FHIR has no words of the standard")
}

func TestMetadataNeedsNoTarget(t *testing.T) {
	s := open(t)
	h := changed("NHSD-Target-Identifier", "")
	w := s.do("GET", "/metadata", h, "")
	require.Equal(t, "1.5.0", resource(t, w).Get("version").Text())
	s.echoed(w, h)
	h = changed("X-Correlation-Id", "")
	s.refused(s.do("GET", "/metadata", h, ""), h, 400, "required", "REC_BAD_REQUEST")
}

func TestErrorsOfTheRESTAPIAreRenderedInPlainFHIR(t *testing.T) {
	s := open(t)
	r := httptest.NewRequest("GET", "/FHIR/R4/Patient/1", nil)
	r.Header = http.Header{"X-Request-Id": {"r"}}
	w := httptest.NewRecorder()
	s.door.Render(w, r, fhir.NewOutcome(fhir.KindGone, "", "the record was deleted"))
	require.Equal(t, 410, w.Code)
	require.Equal(t, "r", w.Header().Get("X-Request-Id"))
	require.False(t, resource(t, w).Get("issue", "details").Exists())
}

func TestAPatientsRecordsAreFoundAtTheService(t *testing.T) {
	s := open(t)
	require.Equal(t, 200, s.do("POST", messagePath, speaking(), tour(t, "book")).Code)
	require.Equal(t, 200, s.do("POST", messagePath, speaking(), tour(t, "refer")).Code)
	const number = "patient:identifier=https://fhir.nhs.uk/Id/nhs-number%7C9000000009"
	const person = "patient:name=Sample&patient:birthdate=1980-02-29&patient:address-postalcode=ZZ99%203VZ"
	for query, total := range map[string]string{
		number: "1",
		strings.Replace(number, "https", "http", 1):            "1",
		strings.Replace(number, "patient:", "patient.", 1):     "1",
		strings.Replace(number, "9000000009", "9000000017", 1): "0",
		person: "1",
		strings.Replace(person, "1980", "eq1980", 1):     "1",
		strings.Replace(person, "Sample", "Somebody", 1): "0",
	} {
		for _, typ := range []string{"Appointment", "ServiceRequest"} {
			h := speaking()
			w := s.do("GET", "/"+typ+"?"+query, h, "")
			require.Equal(t, 200, w.Code, "%s %s", query, w.Body)
			s.echoed(w, h)
			r := resource(t, w)
			require.Equal(t, total, string(r.Get("total").Raw()), "%s %s", typ, query)
			for e := range r.Get("entry").Items() {
				require.Equal(t, baseURL+"/"+typ+"/"+e.Dig("resource", "id").Text(), e.Get("fullUrl").Text())
				require.Equal(t, "match", e.Dig("search", "mode").Text())
			}
			there := resource(t, s.do("GET", "/"+typ+"?"+query, changed("NHSD-Target-Identifier", targetOf(elsewhere)), ""))
			require.Equal(t, "0", string(there.Get("total").Raw()))
		}
	}
	for query, issue := range map[string]string{
		"":                    "required",
		"patient:name=Sample": "required",
		"patient:name=Sample&patient:birthdate=1980-02-29":        "required",
		"patient:identifier=9000000009":                           "value",
		"patient:identifier=%7C9000000009":                        "value",
		"patient:identifier=https://fhir.nhs.uk/Id/nhs-number%7C": "value",
		strings.Replace(person, "1980-02-29", "29/02/1980", 1):    "value",
		"patient:identifier=%zz":                                  "invalid",
	} {
		h := speaking()
		s.refused(s.do("GET", "/Appointment?"+query, h, ""), h, 400, issue, "REC_BAD_REQUEST")
	}
}
