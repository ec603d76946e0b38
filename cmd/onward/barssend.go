package main

import (
	"crypto/tls"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/onward-health/onward/adapters/barsapi"
	"github.com/onward-health/onward/internal/egress"
)

// barsSending holds the flags of the BaRS sender; docs/operations.md explains
// each.
type barsSending struct {
	Proxy     string            `env:"ONWARD_BARS_PROXY" help:"FHIR base of the BaRS proxy that messages to other services go through."`
	Route     map[string]string `env:"ONWARD_BARS_ROUTE" help:"Services that are reached directly: service=URL, separated by semicolons."`
	Catalogue string            `env:"ONWARD_BARS_CATALOGUE" help:"FHIR base of the endpoint catalogue, where receivers are looked up that neither a route nor the proxy leads to."`
	Allow     []string          `env:"ONWARD_BARS_ALLOW" help:"Hosts, addresses and networks that the catalogue may lead to besides public ones over https."`
	TokenURL  string            `env:"ONWARD_BARS_TOKEN_URL" name:"token-url" help:"Address of the proxy's token service; without it no token is sent."`
	ClientID  string            `env:"ONWARD_BARS_CLIENT_ID" name:"client-id" help:"Our API key at the token service."`
	KeyID     string            `env:"ONWARD_BARS_KEY_ID" name:"key-id" help:"The kid of our signing key."`
	Key       string            `env:"ONWARD_BARS_KEY" help:"File with our RSA signing key, PKCS #8 in PEM."`
	SendCert  string            `env:"ONWARD_BARS_SEND_CERT" name:"send-cert" help:"PEM file of the certificate that we show to receivers which are reached without the proxy."`
	SendKey   string            `env:"ONWARD_BARS_SEND_KEY" name:"send-key" help:"PEM file of its key."`
	SendCA    string            `env:"ONWARD_BARS_SEND_CA" name:"send-ca" help:"PEM file of the authorities of these receivers' certificates; default the system's."`

	source *barsapi.Assertions // once it was made
}

// calling are the two clients of the server: patient repeats inside a call, once
// leaves that to the outbox.
type calling struct{ patient, once *barsapi.Client }

func (b *barsSending) client() (calling, error) {
	routes, err := barsapi.ParseRoutes(b.Proxy, b.Route)
	if err != nil {
		return calling{}, usage("--bars-proxy, --bars-route: %w", err)
	}
	tokens, err := b.tokens()
	if err != nil {
		return calling{}, err
	}
	direct, err := clientTLS("--bars-send", b.SendCert, b.SendKey, b.SendCA)
	if err != nil {
		return calling{}, err
	}
	transport := directly(direct)
	transport.ForceAttemptHTTP2 = true
	o := barsapi.ClientOptions{Token: tokens, Software: product(), Direct: &http.Client{Transport: transport}}
	if b.Catalogue != "" {
		reach, err := egress.Parse(b.Allow)
		if err != nil {
			return calling{}, usage("--bars-allow: %w", err)
		}
		asked := o
		asked.Attempts = 2
		if routes.Rest, err = barsapi.NewCatalogue(b.Catalogue, reach.Check, asked); err != nil {
			return calling{}, usage("--bars-catalogue: %w", err)
		}
		o.Listed = reach.Client(0) // each attempt is bounded by the caller
		if guarded, is := o.Listed.Transport.(*http.Transport); is {
			guarded.TLSClientConfig = direct
		}
	}
	o.Router = routes
	few := o
	few.Attempts = 1
	o.Attempts = 3 // somebody waits for the answer
	return calling{barsapi.NewClient(o), barsapi.NewClient(few)}, nil
}

// product is how we name ourselves to others.
func product() barsapi.Software {
	return barsapi.Software{System: "https://github.com/onward-health/onward/Id/software", ID: "onward", Name: "Onward", Version: version}
}

// tokens reads the signing key; nil where no token service is set.
func (b *barsSending) tokens() (barsapi.TokenSource, error) {
	if b.TokenURL == "" {
		return nil, nil
	}
	if b.ClientID == "" || b.KeyID == "" || b.Key == "" {
		return nil, usage("a token service needs client id, key id and key: --bars-client-id, --bars-key-id, --bars-key")
	}
	key, err := os.ReadFile(b.Key)
	if err != nil {
		return nil, usage("the signing key can't be read")
	}
	if b.source != nil {
		return b.source, nil
	}
	source, err := barsapi.NewAssertions(barsapi.AssertionOptions{URL: b.TokenURL, ClientID: b.ClientID, KeyID: b.KeyID, Key: key, NewID: uuid.NewString})
	if err != nil {
		return nil, usage("the token service: %w", err)
	}
	b.source = source
	return source, nil
}

// degraded says for /readyz that the token service refuses us, so that nothing goes
// through the proxy.
func (b *barsSending) degraded() map[string]any {
	if b.source == nil {
		return nil
	}
	status, until := b.source.Refused()
	if status == 0 {
		return nil
	}
	return map[string]any{"token": map[string]any{"status": "refused", "answered": status, "until": until.UTC().Format(time.RFC3339)}}
}

// clientTLS reads how we show who we are to servers that we call, and whom we
// trust there. flag begins the names of the three flags.
func clientTLS(flag, cert, key, ca string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, usage(flag+"-cert and "+flag+"-key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if ca != "" {
		pool, err := readPool(ca)
		if err != nil {
			return nil, usage(flag+"-ca: %w", err)
		}
		config.RootCAs = pool
	}
	return config, nil
}

// directly makes connections with such a configuration.
func directly(config *tls.Config) *http.Transport {
	return &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, TLSHandshakeTimeout: 10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10, MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second, HTTP2: egress.Pings()}
}
