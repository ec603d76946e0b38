package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestTheSOAPDoorTiesClientCertificatesToOrganisations(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	url := ca.startSecured("--nhs111-mode", "compat", "--nhs111-client", "RX701.oneoneone.example=A1001+X9999", "--nhs111-client", "other.example=C3003")
	anonymous := ca.client("", ca)

	report, err := os.ReadFile("../../testdata/tour/report.xml")
	require.NoError(t, err)
	post := func(client *http.Client) (int, string) {
		res, err := client.Post(url+"/nhs111/report", "text/xml", bytes.NewReader(report))
		if err != nil {
			return 0, err.Error()
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(text)
	}
	status, text := post(anonymous)
	require.Equal(t, http.StatusForbidden, status)
	require.Equal(t, "Mutual authentication failed\n", text)
	status, text = post(other.client("RX701.oneoneone.example", ca))
	require.Zero(t, status, "the handshake fails: %s", text)
	for _, name := range []string{"other.example", "unknown.example"} {
		status, text = post(ca.client(name, ca))
		require.Equal(t, http.StatusInternalServerError, status)
		require.Contains(t, text, ">3000</itk:ErrorCode>")
	}
	sender := ca.client("rx701.OneOneOne.example", ca)
	status, text = post(sender)
	require.Equal(t, http.StatusOK, status, text)

	id := text[strings.Index(text, "OK:")+3:]
	id = id[:strings.IndexByte(id, '<')]
	read := func(client *http.Client) int {
		res, err := client.Get(url + "/nhs111/report/" + id)
		require.NoError(t, err)
		res.Body.Close()
		return res.StatusCode
	}
	require.Equal(t, http.StatusOK, read(sender))
	require.Equal(t, http.StatusNotFound, read(ca.client("other.example", ca)))
	require.Equal(t, http.StatusForbidden, read(anonymous))

	res, err := anonymous.Get(url + "/nhs111/?wsdl")
	require.NoError(t, err)
	defer res.Body.Close()
	wsdl, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Contains(t, string(wsdl), `location="`+url+`/nhs111/report"`)
}

func TestUnsafeSettingsOfTheSOAPDoorAreRefused(t *testing.T) {
	missing := filepath.Join(t.TempDir(), uuid.NewString())
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--tls-cert", missing, "--tls-key", missing}, "--tls-cert and --tls-key"},
		{[]string{"--tls-client-ca", missing}, "needs --tls-cert"},
		{[]string{"--nhs111-client", "a=A1001"}, "needs --tls-client-ca"},
		{[]string{"--nhs111-signers", missing}, "--nhs111-signers"},
		{[]string{"--nhs111-signers", "nhs111_test.go"}, "--nhs111-signers"},
		{[]string{"--nhs111-endpoint", "A1001=ftp://a1001.example/"}, "--nhs111-endpoint"},
	} {
		args := append([]string{"--listen", freeAddress(t), "--store", "sqlite::memory:"}, c.args...)
		require.Contains(t, refusedStart(t, args...), c.says, c.args)
	}
}
