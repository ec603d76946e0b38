package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// authority makes certificates of an authority of the test's own.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	n    int64
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a := &authority{t: t, key: key}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return a
}

// issue makes a certificate for client and server use, as PEM.
func (a *authority) issue(name string) (cert, key []byte) {
	a.n++
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1 + a.n), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, private.Public(), a.key)
	require.NoError(a.t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(a.t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// client makes an HTTP client that shows a certificate of this authority; "": none.
func (a *authority) client(name string, trusts *authority) *http.Client {
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AddCert(trusts.cert)
	if name != "" {
		cert, key := a.issue(name)
		pair, err := tls.X509KeyPair(cert, key)
		require.NoError(a.t, err)
		config.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: config}
	a.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// startSecured runs onward over TLS with this authority's certificates and waits
// until it is ready.
func (a *authority) startSecured(args ...string) (url string) {
	t := a.t
	t.Helper()
	folder := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		return path
	}
	cert, key := a.issue("server")
	address := freeAddress(t)
	binary, err := builtOnce()
	require.NoError(t, err)
	cmd := exec.Command(binary, append([]string{"serve", "--listen", address, "--store", "sqlite::memory:",
		"--tls-cert", file("cert.pem", cert), "--tls-key", file("key.pem", key),
		"--tls-client-ca", file("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))}, args...)...)
	cmd.Dir = folder
	out := &output{}
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	url = "https://" + address
	anonymous := a.client("", a)
	require.Eventually(t, func() bool {
		res, err := anonymous.Get(url + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	}, 30*time.Second, 20*time.Millisecond)
	return url
}

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
