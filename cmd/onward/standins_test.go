package main

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

// keyPair writes a key pair with the built binary and gives its folder.
func keyPair(t *testing.T) string {
	t.Helper()
	binary, err := builtOnce()
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "keys")
	generate := func() error {
		return exec.Command(binary, "keys", "generate", "--client-id", "app-1", "--bits", "2048", "--out", dir).Run()
	}
	require.NoError(t, generate())
	info, err := os.Stat(filepath.Join(dir, "private.pem"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	var exit *exec.ExitError
	require.ErrorAs(t, generate(), &exit, "a key is never written over")
	require.Equal(t, exitUsage, exit.ExitCode())
	return dir
}

// accessToken asks a server for a token with an assertion of the built binary.
func accessToken(t *testing.T, s *server, dir string) string {
	t.Helper()
	binary, err := builtOnce()
	require.NoError(t, err)
	endpoint := s.url + "/sandbox/oauth2/token"
	assertion, err := exec.Command(binary, "keys", "assertion", "--client-id", "app-1", "--key", filepath.Join(dir, "private.pem"), "--audience", endpoint).Output()
	require.NoError(t, err)
	got, err := http.PostForm(endpoint, url.Values{"grant_type": {"client_credentials"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {strings.TrimSpace(string(assertion))}})
	require.NoError(t, err)
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	require.Equal(t, 200, got.StatusCode, "%s", body)
	answer, err := fhir.Parse(body)
	require.NoError(t, err)
	return answer.Get("access_token").Text()
}

// Ensure that a sender reaches a receiver in another process through the proxy,
// with a token and by the target that the catalogue or a flag knows.
func TestASenderReachesAReceiverThroughTheProxy(t *testing.T) {
	dir := keyPair(t)
	receiver := start(t, "--store", "sqlite::memory:")
	proxy := start(t, "--store", "sqlite::memory:", "--sandbox-application", filepath.Join(dir, "application.json"),
		"--sandbox-route", "2000072489="+receiver.url+"/FHIR/R4/")
	token := accessToken(t, proxy, dir)
	ask := func(method, path string, h http.Header, authorization string, body []byte) *answer {
		if authorization != "" {
			h.Set("Authorization", authorization)
		}
		return proxy.do(method, "/sandbox/bars/FHIR/R4"+path, h, body)
	}
	metadata := func(h http.Header, authorization string) *answer {
		return ask("GET", "/metadata", h, authorization, nil)
	}
	got := metadata(speaking("2000072489"), "Bearer "+token)
	require.Equal(t, 200, got.status, "%s", got.body)
	require.Equal(t, receiver.url+"/FHIR/R4", got.resource(t).Get("implementation", "url").Text())
	require.Equal(t, 401, metadata(speaking("2000072489"), "").status)
	require.Equal(t, 401, metadata(speaking("2000072489"), "Bearer x").status)
	unknown := metadata(speaking("3000000002"), "Bearer "+token)
	require.Equal(t, 404, unknown.status)
	_, word, _ := unknown.issue(t)
	require.Equal(t, "PROXY_NOT_FOUND", word)
	require.Equal(t, 408, metadata(speakingTo("tests", "NHS0001-504"), "Bearer "+token).status, "the test tool's 504 is the sender's 408")

	// A booking, and the same once more.
	slot := receiver.freeSlots(1)[0]
	h := speaking("2000072489")
	booked := ask("POST", "/$process-message", h, "Bearer "+token, bookingFor(t, slot))
	require.Equal(t, 200, booked.status, "%s", booked.body)
	appointment := entryOf(booked.resource(t), "Appointment").Get("id").Text()
	require.Equal(t, "booked", receiver.status("Appointment/"+appointment))
	again := ask("POST", "/$process-message", h, "Bearer "+token, bookingFor(t, slot))
	require.Equal(t, 409, again.status)
	code, word, _ := again.issue(t)
	require.Equal(t, "duplicate REC_CONFLICT", code+" "+word)
	require.Equal(t, h.Get("X-Request-Id"), again.header.Get("X-Request-Id"))

	// Another service of the receiver by the catalogue, which goes before the
	// proxy's own.
	place := func() string {
		got := metadata(speaking("2000011147"), "Bearer "+token)
		require.Equal(t, 200, got.status, "%s", got.body)
		return got.resource(t).Get("implementation", "url").Text()
	}
	require.Equal(t, proxy.url+"/FHIR/R4", place())
	record := `{"resourceType":"Endpoint","meta":{"lastUpdated":"2026-11-20T10:00:00Z"},"identifier":[
		{"system":"https://fhir.nhs.uk/Id/dos-service-id","value":"2000011147"},{"system":"https://fhir.nhs.uk/Id/product-id","value":"SUPP-APP-1"}],
		"status":"active","name":"Sandbox","connectionType":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/endpoint-connection-type","code":"hl7-fhir-msg"}]},
		"payloadType":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/endpoint-payload-type","code":"bars"}]}],
		"managingOrganization":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"A1001"}},
		"address":"` + receiver.url + `/FHIR/R4","header":"public"}`
	created := ask("POST", "/Endpoint", speaking("x"), "Bearer "+token, []byte(record))
	require.Equal(t, 201, created.status, "%s", created.body)
	require.Equal(t, receiver.url+"/FHIR/R4", place())

	receiver.kill()
	require.Equal(t, 503, metadata(speaking("2000072489"), "Bearer "+token).status)
}

// Ensure that a BaRS request for a pointer or an endpoint reaches the stand-in at
// the receiver's own base, and a plain one our own resources (design D9).
func TestTheDialectDecidesWhoseDocumentReferencesTheseAre(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:")
	h := speaking("2000072489")
	got := s.do("GET", "/FHIR/R4/DocumentReference?subject:identifier=https://fhir.nhs.uk/Id/nhs-number%7C9000000009", h, nil)
	require.Equal(t, 200, got.status, "%s", got.body)
	require.Contains(t, got.header.Get("Content-Type"), "version=1.4.0")
	require.Equal(t, 404, s.do("GET", "/FHIR/R4/HealthcareService/2000072489", h, nil).status, "the catalogue is empty")
	require.Equal(t, 200, s.do("GET", "/FHIR/R4/HealthcareService/2000072489", nil, nil).status)
	require.Equal(t, 200, s.do("GET", "/FHIR/R4/DocumentReference", nil, nil).status)
}

func TestWithoutTheSandboxThereAreNoStandIns(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:", "--no-sandbox")
	for _, path := range []string{"/sandbox/bars/FHIR/R4/_ping", "/sandbox/oauth2/token", "/sandbox/testtool/FHIR/R4/metadata"} {
		require.Equal(t, 404, s.do("GET", path, nil, nil).status, path)
	}
	require.Contains(t, refusedStart(t, "--no-sandbox", "--sandbox-route", "1=http://127.0.0.1:1"), "need the sandbox")
	require.Contains(t, refusedStart(t, "--sandbox-route", "1=ftp://x"), "a route is a target")
	require.Contains(t, refusedStart(t, "--sandbox-application", "/nowhere"), "can't be read")
}
