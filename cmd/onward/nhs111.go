package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/google/uuid"

	"github.com/onward-health/onward/adapters/nhs111"
	"github.com/onward-health/onward/nhs"
)

// nhs111Path is where the SOAP door stands.
const nhs111Path = "/nhs111"

// nhs111Options turn the flags into the SOAP door's settings.
func (c *serveCommand) nhs111Options(root string) (nhs111.Options, error) {
	o := nhs111.Options{
		MaxBody: c.soapBody(), NewID: uuid.NewString, BaseURL: root + nhs111Path, Version: version,
		ODSCodes: c.NHS111ODS, DoSIDs: c.NHS111DoS, SOAPChecks: c.NHS111SOAPChecks, SendTo: c.NHS111SendTo,
	}
	if c.NHS111Mode == "compat" {
		o.Mode = nhs111.Compat
	}
	for code, endpoint := range c.NHS111Endpoints {
		if _, ok := nhs.ParseODSCode(code); !ok || !absoluteURL(endpoint) {
			return o, errors.New("--nhs111-endpoint must be ODS=URL with an absolute http or https URL")
		}
	}
	o.Acks = &nhs111.Acks{Address: c.endpointOf}
	if o.SendTo == "" {
		o.SendTo = o.BaseURL + "/report"
	}
	if c.NHS111Signers != "" {
		pool, err := readPool(c.NHS111Signers)
		if err != nil {
			return o, fmt.Errorf("--nhs111-signers: %w", err)
		}
		o.Signers = pool
	}
	if c.TLSClientCA == "" {
		if len(c.NHS111Clients) > 0 {
			return o, errors.New("--nhs111-client needs --tls-client-ca: without it no connection has a name")
		}
		return o, nil
	}
	entitled, err := entitlements(c.NHS111Clients)
	if err != nil {
		return o, err
	}
	o.NeedCertificate, o.Entitled = true, entitled
	return o, nil
}

// endpointOf is where messages to an organisation are posted.
func (c *serveCommand) endpointOf(organisation nhs.ODSCode) (string, bool) {
	for code, endpoint := range c.NHS111Endpoints {
		if strings.EqualFold(code, string(organisation)) {
			return endpoint, true
		}
	}
	return "", false
}

// ackSender posts to the endpoints that the operator configured, wherever they
// are.
func (c *serveCommand) ackSender() *nhs111.AckSender {
	return &nhs111.AckSender{Address: c.endpointOf, HTTP: &http.Client{Transport: directly(&tls.Config{MinVersion: tls.VersionTLS12}),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func absoluteURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.Fragment == ""
}

// entitlements reads which organisations the holder of a client certificate may
// speak for: common name to ODS codes joined by "+". Who isn't listed may speak
// for nobody.
func entitlements(clients map[string]string) (func(*http.Request, nhs.ODSCode) bool, error) {
	may := map[string]map[nhs.ODSCode]bool{}
	for name, codes := range clients {
		name = strings.ToLower(name)
		may[name] = map[nhs.ODSCode]bool{}
		for _, text := range strings.Split(codes, "+") {
			code, ok := nhs.ParseODSCode(text)
			if !ok {
				return nil, errors.New("--nhs111-client must be NAME=ODS, or NAME=ODS+ODS for several organisations")
			}
			may[name][code] = true
		}
	}
	return func(r *http.Request, organisation nhs.ODSCode) bool {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			return false
		}
		return may[strings.ToLower(r.TLS.VerifiedChains[0][0].Subject.CommonName)][organisation]
	}, nil
}

// tlsConfig reads the server's own certificate and, with --tls-client-ca, asks
// clients for theirs. A door that needs one says so itself: the description of
// the services and the health checks don't. nil: no TLS in this process.
func (c *serveCommand) tlsConfig() (*tls.Config, error) {
	if c.TLSCert == "" && c.TLSKey == "" {
		if c.TLSClientCA != "" {
			return nil, errors.New("--tls-client-ca needs --tls-cert and --tls-key")
		}
		if c.BarsReceive.Certificate {
			return nil, errors.New("--bars-certificate needs --tls-client-ca: without it no connection has a certificate")
		}
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if c.TLSClientCA != "" {
		if config.ClientCAs, err = readPool(c.TLSClientCA); err != nil {
			return nil, fmt.Errorf("--tls-client-ca: %w", err)
		}
		config.ClientAuth = tls.VerifyClientCertIfGiven
	} else if c.BarsReceive.Certificate {
		return nil, errors.New("--bars-certificate needs --tls-client-ca: without it no connection has a certificate")
	}
	return config, nil
}

func readPool(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("the file holds no PEM certificate")
	}
	return pool, nil
}
