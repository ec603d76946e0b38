package barsapi

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

func newKey(t testing.TB) (*rsa.PrivateKey, []byte) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestATokenIsAskedForWithASignedAssertionAndKeptUntilShortlyBeforeItsEnd(t *testing.T) {
	key, text := newKey(t)
	p := newPeer(t, says(200, `{"access_token":"abc","expires_in":"599","token_type":"Bearer"}`))
	source, err := NewAssertions(AssertionOptions{URL: p.server.URL + "/oauth2/token", ClientID: "client", KeyID: "k1", Key: text,
		Now: func() time.Time { return p.now }, NewID: func() string { return requestID }})
	require.NoError(t, err)
	for _, step := range []struct {
		later time.Duration
		asked int
	}{{0, 1}, {478 * time.Second, 1}, {2 * time.Second, 2}} {
		p.now = p.now.Add(step.later)
		token, err := source.Token(context.Background())
		require.NoError(t, err)
		require.Equal(t, "abc", token)
		require.Len(t, p.got, step.asked)
	}
	source.Forget()
	_, err = source.Token(context.Background())
	require.NoError(t, err)
	require.Len(t, p.got, 3)

	form, err := url.ParseQuery(p.bodies[0])
	require.NoError(t, err)
	require.Equal(t, "client_credentials", form.Get("grant_type"))
	require.Equal(t, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", form.Get("client_assertion_type"))
	parts := strings.Split(form.Get("client_assertion"), ".")
	require.Len(t, parts, 3)
	decode := func(part string) []byte {
		raw, err := base64.RawURLEncoding.DecodeString(part)
		require.NoError(t, err)
		return raw
	}
	require.JSONEq(t, `{"alg":"RS512","typ":"JWT","kid":"k1"}`, string(decode(parts[0])))
	claims, err := fhir.Parse(decode(parts[1]))
	require.NoError(t, err)
	require.Equal(t, "client", claims.Get("iss").Text())
	require.Equal(t, "client", claims.Get("sub").Text())
	require.Equal(t, p.server.URL+"/oauth2/token", claims.Get("aud").Text())
	require.Equal(t, requestID, claims.Get("jti").Text())
	until, _ := claims.Get("exp").Int()
	require.Equal(t, time.Date(2026, 11, 20, 9, 5, 0, 0, time.UTC).Unix(), until)
	sum := sha512.Sum512([]byte(parts[0] + "." + parts[1]))
	require.NoError(t, rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA512, sum[:], decode(parts[2])))
}

func TestATokenServiceThatFailsGivesNoToken(t *testing.T) {
	_, text := newKey(t)
	for name, answer := range map[string]func(http.ResponseWriter){
		"refused":        says(403, `{"error":"public_key error"}`),
		"not there":      says(503, ``),
		"a redirect":     says(302, "", "Location", "https://elsewhere.example/"),
		"no JSON":        says(200, `<html>`),
		"no token":       says(200, `{"expires_in":"599"}`),
		"no life":        says(200, `{"access_token":"abc"}`),
		"a broken token": says(200, `{"access_token":"abc\r\nX: y","expires_in":599}`),
	} {
		p := newPeer(t, answer)
		source, err := NewAssertions(AssertionOptions{URL: p.server.URL, ClientID: "client", KeyID: "k1", Key: text})
		require.NoError(t, err)
		_, err = source.Token(context.Background())
		require.Error(t, err, name)
	}
	for _, o := range []AssertionOptions{{URL: "https://token.example"}, {URL: "token", Key: text}} {
		_, err := NewAssertions(o)
		require.Error(t, err)
	}
}

// A refusal that our set-up earns isn't repeated for a minute; one that passes is,
// each time with another assertion.
func TestATokenServiceThatRefusesUsIsLeftAlone(t *testing.T) {
	_, text := newKey(t)
	for name, row := range map[string]struct {
		status, asked int
		after         time.Duration
	}{
		"wrong assertion": {400, 1, time.Minute}, "unknown client": {401, 1, time.Minute}, "no key registered": {403, 1, time.Minute},
		"too many": {429, 3, 0}, "failing": {500, 3, 0}, "away": {503, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, says(row.status, `{"error":"of Sandy Sample"}`))
			ids := 0
			source, err := NewAssertions(AssertionOptions{URL: p.server.URL, ClientID: "client", KeyID: "k1", Key: text,
				Now: func() time.Time { return p.now }, NewID: func() string { ids++; return fmt.Sprint(ids) }})
			require.NoError(t, err)
			c := p.client(func(o *ClientOptions) { o.Token, o.Attempts = source, 1 })
			for range 3 {
				_, err := p.process(c)
				var fault *Fault
				require.ErrorAs(t, err, &fault)
				require.True(t, fault.Again)
				require.Equal(t, row.after, fault.After)
				require.ErrorContains(t, err, fmt.Sprint(row.status))
				require.NotContains(t, err.Error(), "Sample")
			}
			require.Len(t, p.got, row.asked)
			require.Equal(t, row.asked, ids)
			p.now = p.now.Add(61 * time.Second)
			_, err = p.process(c)
			require.Error(t, err)
			require.Len(t, p.got, row.asked+1)
		})
	}
}

// transport answers requests without a network.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// Who asks for a token waits for who asked before: behind a token service that hangs,
// messages would keep their places one after another.
func TestATokenServiceThatHangsIsNotAskedByEveryMessage(t *testing.T) {
	_, text := newKey(t)
	asked, now := 0, time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	source, err := NewAssertions(AssertionOptions{URL: "https://token.example", ClientID: "client", KeyID: "k1", Key: text,
		Now: func() time.Time { return now }, HTTP: &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			asked++
			now = now.Add(tokenTime)
			return nil, context.DeadlineExceeded
		})}})
	require.NoError(t, err)
	for range 3 {
		_, err = source.Token(t.Context())
		require.EqualError(t, err, "the token service doesn't answer")
	}
	require.Equal(t, 1, asked)
	now = now.Add(tokenRest)
	_, err = source.Token(t.Context())
	require.Error(t, err)
	require.Equal(t, 2, asked)

	now = now.Add(tokenRest)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = source.Token(gone)
	require.Error(t, err)
	_, err = source.Token(t.Context())
	require.Error(t, err)
	require.Equal(t, 4, asked, "who gave up says nothing of the service")
}
