package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
)

// Ensure that what is refused is refused with the right status and code, that
// nothing of it is stored, and that the corrected message works under the same
// transaction ids.
func TestBadMessagesAreRefusedAndLeaveNothing(t *testing.T) {
	s := start(t)
	slot := s.freeSlots(1)[0]
	good := bookingFor(t, slot)
	entries := strings.Repeat(`{"fullUrl":"urn:uuid:x","resource":{"resourceType":"Patient"}},`, 501)
	cases := []struct {
		name        string
		change      func(h http.Header, body []byte) []byte
		status      int
		code, word  string
		diagnostics string
	}{
		{"not JSON", func(_ http.Header, b []byte) []byte { return b[:len(b)/2] }, 400, "structure", "REC_BAD_REQUEST", "line"},
		{"empty", func(http.Header, []byte) []byte { return nil }, 400, "required", "REC_BAD_REQUEST", "empty"},
		{"over the limit", func(_ http.Header, b []byte) []byte { return append(b, bytes.Repeat([]byte(" "), 6<<20)...) }, 413, "too-long", "REC_BAD_REQUEST", "5242880"},
		{"nested too deep", func(http.Header, []byte) []byte {
			return []byte(`{"resourceType":"Bundle","x":` + strings.Repeat(`[`, 70) + strings.Repeat(`]`, 70) + `}`)
		}, 400, "too-costly", "REC_BAD_REQUEST", "64"},
		{"too many entries", func(http.Header, []byte) []byte {
			return []byte(`{"resourceType":"Bundle","type":"message","entry":[` + strings.TrimSuffix(entries, ",") + `]}`)
		}, 413, "too-long", "REC_BAD_REQUEST", "500"},
		{"another format", func(h http.Header, b []byte) []byte { h.Set("Content-Type", "text/plain"); return b }, 415, "not-supported", "REC_UNSUPPORTED_MEDIA_TYPE", "Content-Type"},
		{"JSON said to be XML", func(h http.Header, b []byte) []byte { h.Set("Content-Type", "application/fhir+xml"); return b }, 400, "structure", "REC_BAD_REQUEST", "XML"},
		{"wrong charset", func(h http.Header, b []byte) []byte {
			h.Set("Content-Type", "application/fhir+json; charset=iso-8859-1")
			return b
		}, 415, "not-supported", "REC_UNSUPPORTED_MEDIA_TYPE", "charset"},
		{"bad UTF-8", func(_ http.Header, b []byte) []byte { return bytes.Replace(b, []byte("Sandy"), []byte("Sand\xff"), 1) }, 400, "structure", "REC_BAD_REQUEST", "UTF-8"},
		{"no request id", func(h http.Header, b []byte) []byte { h.Del("X-Request-Id"); return b }, 400, "required", "REC_BAD_REQUEST", "X-Request-Id"},
		{"correlation id not a UUID", func(h http.Header, b []byte) []byte { h.Set("X-Correlation-Id", "abc"); return b }, 400, "value", "REC_BAD_REQUEST", "X-Correlation-Id"},
		{"no target", func(h http.Header, b []byte) []byte { h.Del("Nhsd-Target-Identifier"); return b }, 400, "required", "REC_BAD_REQUEST", "NHSD-Target-Identifier"},
		{"target not Base64", func(h http.Header, b []byte) []byte { h.Set("Nhsd-Target-Identifier", "%%%"); return b }, 400, "value", "REC_BAD_REQUEST", "Base64"},
		{"unknown target", func(h http.Header, b []byte) []byte {
			h["Nhsd-Target-Identifier"] = speaking("4711")["Nhsd-Target-Identifier"]
			return b
		}, 404, "not-found", "REC_NOT_FOUND", "service"},
		{"other target than destination", func(h http.Header, b []byte) []byte {
			h["Nhsd-Target-Identifier"] = speaking(sandbox.NoSlots)["Nhsd-Target-Identifier"]
			return b
		}, 400, "invariant", "REC_BAD_REQUEST", "different services"},
		{"later major version asked for", func(h http.Header, b []byte) []byte {
			h.Set("Accept", "application/fhir+json; version=2.0.0")
			return b
		}, 406, "processing", "REC_NOT_ACCEPTABLE", "major"},
		{"searchset", func(_ http.Header, b []byte) []byte {
			return bytes.Replace(b, []byte(`"message"`), []byte(`"searchset"`), 1)
		}, 400, "invariant", "REC_BAD_REQUEST", "message"},
		{"no timestamp", func(_ http.Header, b []byte) []byte {
			return regexp.MustCompile(`"timestamp":\s*"[^"]*",`).ReplaceAll(b, nil)
		}, 400, "invariant", "REC_BAD_REQUEST", "timestamp"},
		{"unknown slot", func(_ http.Header, b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(slot.id), []byte("0a000000-0000-4000-8000-00000000dead"))
		}, 404, "not-found", "REC_NOT_FOUND", "Slot"},
		{"slot altered", func(_ http.Header, b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(slot.end), []byte(strings.Replace(slot.end, ":20:", ":50:", 1)))
		}, 400, "invariant", "REC_BAD_REQUEST", "as it was offered"},
		{"validation number wrong", func(_ http.Header, b []byte) []byte {
			return bytes.ReplaceAll(b, []byte("9000000009"), []byte("9000000008"))
		}, 400, "invariant", "REC_BAD_REQUEST", "check digit"},
	}
	before := s.counts()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			headers := speaking(sandbox.UrgentTreatment)
			body := c.change(headers, bytes.Clone(good))
			a := s.do("POST", messagePath, headers, body)
			code, word, diagnostics := a.issue(t)
			require.Equal(t, []any{c.status, c.code, c.word}, []any{a.status, code, word}, "%s", a.body)
			require.Contains(t, diagnostics, c.diagnostics)
			require.NotContains(t, string(a.body), "900000000", "no patient data in an error")
			require.Equal(t, headers.Get("X-Request-Id"), a.header.Get("X-Request-Id"))
			require.Equal(t, headers.Get("X-Correlation-Id"), a.header.Get("X-Correlation-Id"))
			require.Equal(t, before, s.counts(), "something was stored")
		})
	}
	headers := speaking(sandbox.UrgentTreatment)
	require.Equal(t, 400, s.do("POST", messagePath, headers, good[:100]).status)
	require.Equal(t, 200, s.do("POST", messagePath, headers, good).status, "a corrected body works under the same ids")
}

// counts are the numbers of records by type.
func (s *server) counts() string {
	s.t.Helper()
	var b strings.Builder
	for _, typ := range []string{"Appointment", "Patient", "ServiceRequest", "Encounter", "Organization", "HealthcareService", "DocumentReference", "Binary"} {
		r := s.do("GET", "/FHIR/R4/"+typ+"?_count=1&_total=accurate", nil, nil).resource(s.t)
		fmt.Fprintf(&b, "%s %s ", typ, r.Get("total").Raw())
	}
	return b.String()
}

// Ensure that attacks on the SOAP door get a fault that says what is wrong, and
// store nothing.
func TestBadReportsAreFaults(t *testing.T) {
	s := start(t)
	good, err := os.ReadFile("../../testdata/tour/report.xml")
	require.NoError(t, err)
	before := s.counts()
	for name, c := range map[string]struct {
		change func(string) string
		status int
		text   string
	}{
		"not XML": {func(string) string { return "hello" }, 500, "This is not a valid XML message"},
		"DTD": {func(x string) string {
			return strings.Replace(x, "<soap:Envelope", "<!DOCTYPE x [<!ENTITY a \"b\">]><soap:Envelope", 1)
		}, 500, "This is not a valid XML message"},
		"no MessageID":      {func(x string) string { return strings.ReplaceAll(x, "wsa:MessageID", "wsa:Other") }, 500, "MessageId missing"},
		"unknown profile":   {func(x string) string { return strings.ReplaceAll(x, "nhs111CDADocument-v2-0\"", "other\"") }, 500, "Invalid manifest profile Id"},
		"unknown service":   {func(x string) string { return strings.ReplaceAll(x, sandbox.UrgentTreatment, "4711") }, 500, "Message rejected"},
		"over the limit":    {func(x string) string { return x + strings.Repeat(" ", 6<<20) }, 413, "faultcode"},
		"nested too deep":   {func(x string) string { return strings.Repeat("<a>", 100_000) }, 500, "This is not a valid XML message"},
		"service != action": {func(x string) string { return strings.Replace(x, "SendNHS111Report-v2-0<", "Other<", 1) }, 500, "Soap Action is not equal to ITK service"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.do("POST", "/nhs111/report", http.Header{"Content-Type": {"text/xml"}}, []byte(c.change(string(good))))
			require.Equal(t, c.status, a.status, "%s", a.body)
			require.Contains(t, string(a.body), c.text)
			require.Equal(t, before, s.counts())
		})
	}
	require.Equal(t, 405, s.do("GET", "/nhs111/report", nil, nil).status)
	require.Equal(t, 415, s.do("POST", "/nhs111/report", plain(), good).status)
	require.Equal(t, 200, s.do("POST", "/nhs111/report", http.Header{"Content-Type": {"text/xml"}}, good).status)
	require.NotEqual(t, before, s.counts())
}

// Ensure that what a client writes comes back as it went in, apart from the
// server's own id and meta: each number's spelling, the order of members, the
// extensions of primitives, what is contained.
func TestPlainFHIRGivesBackWhatItWasGiven(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:", "--no-sandbox")
	body := `{"resourceType":"Patient","meta":{"profile":["http://example.org/p"]},"_birthDate":{"extension":[{"url":"http://example.org/time","valueDateTime":"1970-03-30T12:00:00Z"}]},` +
		`"birthDate":"1970-03-30","name":[{"given":["A",null,"B"],"_given":[null,{"id":"x","extension":[{"url":"http://example.org/absent","valueCode":"masked"}]},null],"family":"<b>&é\u0041"}],` +
		`"contained":[{"resourceType":"Organization","id":"o","name":"Practice"}],"managingOrganization":{"reference":"#o"},` +
		`"extension":[{"url":"http://example.org/unknown","valueDecimal":1.00},{"valueDecimal":1e2,"url":"http://example.org/e"}]}`
	created := s.do("POST", "/FHIR/R4/Patient", plain(), []byte(body))
	require.Equal(t, 201, created.status, "%s", created.body)
	location := created.header.Get("Location")
	id := created.resource(t).ID()
	require.Equal(t, s.url+"/FHIR/R4/Patient/"+id+"/_history/1", location)
	read := s.do("GET", "/FHIR/R4/Patient/"+id, nil, nil)
	require.Equal(t, `W/"1"`, read.header.Get("ETag"))
	require.NotEmpty(t, read.header.Get("Last-Modified"))
	want := strings.Replace(body, `"meta":{`, `"id":"`+id+`","meta":{"versionId":"1","lastUpdated":"`+read.resource(t).Get("meta", "lastUpdated").Text()+`",`, 1)
	require.Equal(t, want, string(read.body))

	h := plain()
	h.Set("If-Match", `W/"1"`)
	updated := s.do("PUT", "/FHIR/R4/Patient/"+id, h, []byte(`{"resourceType":"Patient","id":"`+id+`","active":true}`))
	require.Equal(t, 200, updated.status, "%s", updated.body)
	stale := s.do("PUT", "/FHIR/R4/Patient/"+id, h, []byte(`{"resourceType":"Patient","id":"`+id+`","active":false}`))
	require.Equal(t, 412, stale.status)
	require.Equal(t, string(read.body), string(s.do("GET", "/FHIR/R4/Patient/"+id+"/_history/1", nil, nil).body))
	require.Equal(t, 204, s.do("DELETE", "/FHIR/R4/Patient/"+id, nil, nil).status)
	require.Equal(t, 410, s.do("GET", "/FHIR/R4/Patient/"+id, nil, nil).status)
}

// Ensure that a web page can't drive a server without authentication.
func TestForeignHostsAndOriginsAreRefused(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:", "--no-sandbox")
	req, err := http.NewRequest("GET", s.url+"/FHIR/R4/Patient", nil)
	require.NoError(t, err)
	req.Host = "evil.example"
	res, err := client.Do(req)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	require.Equal(t, 403, res.StatusCode)
	require.Equal(t, 403, s.do("GET", "/FHIR/R4/Patient", http.Header{"Origin": {"https://evil.example"}}, nil).status)
}

// Ensure that SIGTERM finishes the requests under way and leaves a store that
// opens again, and that /readyz says so meanwhile.
func TestATermSignalFinishesWhatIsUnderWay(t *testing.T) {
	s := start(t, "--no-sandbox")
	read, write := io.Pipe()
	result := make(chan *http.Response, 1)
	go func() {
		req, _ := http.NewRequest("POST", s.url+"/FHIR/R4/Patient", read)
		req.Header.Set("Content-Type", "application/fhir+json")
		// The body is sent once the handler has begun to read it.
		req.Header.Set("Expect", "100-continue")
		patient := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
		res, err := patient.Do(req)
		if err != nil {
			close(result)
			return
		}
		result <- res
	}()
	_, err := write.Write([]byte(`{"resourceType":`)) // the request is under way once this is read
	require.NoError(t, err)
	require.NoError(t, s.cmd.Process.Signal(os.Interrupt))
	require.Eventually(t, func() bool { return strings.Contains(s.log(), "finishing the requests") }, 10*time.Second, 10*time.Millisecond)
	_, err = write.Write([]byte(`"Patient"}`))
	require.NoError(t, err)
	require.NoError(t, write.Close())
	res, ok := <-result
	require.True(t, ok, "the request under way was cut")
	res.Body.Close()
	require.Equal(t, 201, res.StatusCode)
	<-s.done
	require.True(t, s.cmd.ProcessState.Success(), s.log())
	s.run()
	require.Equal(t, "1", string(s.do("GET", "/FHIR/R4/Patient", nil, nil).resource(t).Get("total").Raw()))
}

// Ensure that settings that would be unsafe stop the start with a reason.
func TestUnsafeSettingsAreRefused(t *testing.T) {
	for name, args := range map[string][]string{
		"loopback":  {"--listen", "0.0.0.0:0"},
		"--store":   {"--store", "postgres://x"},
		"absolute":  {"--base-url", "localhost"},
		"for loopb": {"--base-url", "https://onward.example"},
	} {
		out := refusedStart(t, args...)
		require.Contains(t, out, name)
	}
}
