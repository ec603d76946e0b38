package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
)

// Ensure that a receiver which demands a certificate gets ours on a direct route
// and at an address of the catalogue, that neither it nor our authorities go for the proxy, and that a receiver
// whose own certificate isn't trusted gets no patient.
func TestAMessageIsSentUnderOurCertificate(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	url := ca.startSecured("--bars-certificate")
	cert, key := ca.files("sender.example")
	shown := []string{"--send-cert", cert, "--send-key", key}
	trusted := []string{"--send-ca", ca.file()}
	catalogue := start(t, "--store", "sqlite::memory:")
	record, err := os.ReadFile("../../testdata/sandbox/endpoint.json")
	require.NoError(t, err)
	entered := catalogue.do("POST", "/sandbox/bars/FHIR/R4/Endpoint", speaking("x"),
		[]byte(strings.NewReplacer("@ADDRESS@", url+"/FHIR/R4", "2000076289", sandbox.EmergencyCare).Replace(string(record))))
	require.Equal(t, 201, entered.status, "%s", entered.body)
	deliver := func(args ...string) (string, int) {
		own := regexp.MustCompile(`EpisodeOfCare/[^"]*`).ReplaceAllString(conformant(t, "a4-validation"), "EpisodeOfCare/"+uuid.NewString())
		return sendFile(t, []byte(own), args...)
	}
	for way, to := range map[string][]string{
		"direct":    {"--to", url + "/FHIR/R4"},
		"catalogue": {"--catalogue", catalogue.url + "/sandbox/bars/FHIR/R4", "--allow", "127.0.0.1"},
		"proxy":     {"--proxy", url + "/FHIR/R4"},
	} {
		to = append(to, "--service", sandbox.EmergencyCare)
		out, code := deliver(append(slices.Clone(to), trusted...)...)
		require.NotZero(t, code, "%s: %s", way, out)
		out, code = deliver(slices.Concat(to, []string{"--send-ca", other.file()}, shown)...)
		require.Equal(t, exitLater, code, "%s: %s", way, out)
		out, code = deliver(slices.Concat(to, trusted, shown)...)
		if way == "proxy" {
			require.NotZero(t, code, "%s: %s", way, out)
			continue
		}
		require.Zero(t, code, "%s: %s", way, out)
		require.Contains(t, out, "Delivered", way)
		if way == "direct" {
			require.Contains(t, out, "ServiceRequest/")
		}
	}
	out, code := deliver("--to", url+"/FHIR/R4", "--service", sandbox.EmergencyCare, "--send-cert", ca.file())
	require.Equal(t, exitUsage, code, out)
	require.Contains(t, refusedStart(t, "--bars-send-ca", "/nowhere"), "--bars-send-ca")
}

// Ensure that /readyz says that the token service refuses us.
func TestReadinessSaysThatTheTokenServiceRefusesUs(t *testing.T) {
	dir := keyPair(t)
	var status atomic.Int32
	status.Store(http.StatusUnauthorized)
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
		_, _ = w.Write([]byte(`{"error":"invalid_request","error_description":"secret words"}`))
	}))
	defer tokens.Close()
	s := start(t, "--bars-proxy", tokens.URL, "--bars-token-url", tokens.URL, "--bars-client-id", "app-1", "--bars-key-id", "onward-1", "--bars-key", filepath.Join(dir, "private.pem"))
	s.hostAsking()
	ready := func() (page struct {
		Status string
		Token  struct {
			Status, Until string
			Answered      int
		}
	}) {
		a := s.do("GET", "/readyz", nil, nil)
		require.Equal(t, 200, a.status)
		require.NotContains(t, string(a.body), "secret")
		require.NoError(t, json.Unmarshal(a.body, &page))
		return page
	}
	require.Equal(t, "ok", ready().Status)
	sent := s.do("POST", "/FHIR/R4/$send-message", newIDs(), []byte(strings.ReplaceAll(conformant(t, "a4-validation"), sandbox.EmergencyCare, "2000999999")))
	require.Equal(t, 503, sent.status, "%s", sent.body)
	page := ready()
	require.Equal(t, []any{"degraded", "refused", 401}, []any{page.Status, page.Token.Status, page.Token.Answered})
	require.NotEmpty(t, page.Token.Until)
}

// Ensure that the statement of the standard's dialect says as a client what the
// sender does as it is set up.
func TestTheStatementSaysWhatTheSenderDoes(t *testing.T) {
	dir := keyPair(t)
	for name, row := range map[string]struct {
		args  []string
		types []string
		codes []string
	}{
		"proxy, with the sandbox's registry": {[]string{"--bars-proxy", "http://127.0.0.1:1/FHIR/R4"}, []string{"CapabilityStatement", "MessageDefinition", "DocumentReference"}, nil},
		"catalogue and token, no registry": {[]string{"--bars-catalogue", "http://127.0.0.1:1/FHIR/R4", "--bars-registry", "off", "--bars-token-url", "http://127.0.0.1:1/token",
			"--bars-client-id", "app-1", "--bars-key-id", "onward-1", "--bars-key", filepath.Join(dir, "private.pem")}, []string{"CapabilityStatement", "MessageDefinition", "Endpoint"}, []string{"OAuth"}},
	} {
		client := start(t, append(row.args, "--store", "sqlite::memory:")...).do("GET", "/FHIR/R4/metadata", speaking(sandbox.UrgentTreatment), nil).resource(t).Get("rest").At(1)
		var types, codes []string
		for item := range client.Get("resource").Items() {
			types = append(types, item.Get("type").Text())
		}
		for item := range client.Dig("security", "service").Items() {
			codes = append(codes, item.Get("coding").At(0).Get("code").Text())
		}
		require.Equal(t, row.types, types, name)
		require.Equal(t, row.codes, codes, name)
	}
}
