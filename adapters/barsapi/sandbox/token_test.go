package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/stretchr/testify/require"
)

var onePair = sync.OnceValues(func() (*KeyPair, error) { return NewKeyPair("client-1", "key-1", 2048) })

// client is a registered application with its key.
type client struct {
	t   *testing.T
	id  string
	key *rsa.PrivateKey
}

// registered is a scene with one application.
func registered(t *testing.T, change ...func(*Options)) (*scene, *client) {
	t.Helper()
	pair, err := onePair()
	require.NoError(t, err)
	application, err := ParseApplication(pair.Registration)
	require.NoError(t, err)
	block, _ := pem.Decode(pair.PrivatePEM)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	change = append(change, func(o *Options) { o.Applications = append(o.Applications, application) })
	return newScene(t, change...), &client{t, "client-1", key.(*rsa.PrivateKey)}
}

// sign makes an assertion with some headers and claims changed; nil takes one out.
func (c *client) sign(sc *scene, alg jwa.SignatureAlgorithm, header, claims map[string]any) string {
	h := map[string]any{"typ": "JWT", "kid": "key-1"}
	p := map[string]any{"iss": c.id, "sub": c.id, "aud": root + TokenPath, "jti": uuid.NewString(), "exp": sc.at.Now().Add(4 * time.Minute).Unix()}
	set := func(into, changes map[string]any) {
		maps.Copy(into, changes)
		maps.DeleteFunc(into, func(_ string, v any) bool { return v == nil })
	}
	set(h, header)
	set(p, claims)
	payload, err := json.Marshal(p)
	require.NoError(c.t, err)
	protected := jws.NewHeaders()
	for name, value := range h {
		require.NoError(c.t, protected.Set(name, value))
	}
	var key any = c.key
	if alg == jwa.HS512 {
		key = []byte("a secret of no worth")
	}
	text, err := jws.Sign(payload, jws.WithKey(alg, key, jws.WithProtectedHeaders(protected)))
	require.NoError(c.t, err)
	return string(text)
}

func form(assertion string) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {assertionIs}, "client_assertion": {assertion}}
}

func (sc *scene) ask(values url.Values) *answer {
	return sc.to(TokenPath, "POST", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, values.Encode())
}

func (c *client) token(sc *scene) string {
	got := sc.ask(form(c.sign(sc, jwa.RS512, nil, nil)))
	require.Equal(c.t, 200, got.status, "%s", got.body)
	return got.json(c.t).Get("access_token").Text()
}

func TestASignedAssertionGetsATokenThatOpensTheProxy(t *testing.T) {
	rec := newReceiver(t, ok)
	sc, c := registered(t, routed(rec.url))
	got := sc.ask(form(c.sign(sc, jwa.RS512, nil, nil)))
	require.Equal(t, 200, got.status, "%s", got.body)
	body := got.json(t)
	require.Equal(t, "599", body.Get("expires_in").Text())
	require.Equal(t, "Bearer", body.Get("token_type").Text())
	require.NotEmpty(t, body.Get("issued_at").Text())
	ask := func(authorization string) (int, string) {
		got := sc.do("GET", "/Slot", with("Authorization:"+authorization), "")
		if got.status == 200 {
			return 200, ""
		}
		_, issue := got.code(t)
		return got.status, issue
	}
	require.Equal(t, []any{401, "unknown"}, pair(ask("")))
	require.Equal(t, []any{401, "unknown"}, pair(ask("Basic x")))
	require.Equal(t, []any{401, "security"}, pair(ask("Bearer x")))
	require.Equal(t, []any{200, ""}, pair(ask("Bearer "+body.Get("access_token").Text())))
	sc.at.add(10 * time.Minute)
	require.Equal(t, []any{401, "security"}, pair(ask("Bearer "+body.Get("access_token").Text())), "expired")
}

func pair(a, b any) []any { return []any{a, b} }

func TestAnApplicationOfAnotherProductIsForbidden(t *testing.T) {
	sc, c := registered(t)
	sc.s.o.Applications[0].Products = []string{"other"}
	got := sc.do("GET", "/Slot", with("Authorization: Bearer "+c.token(sc)), "")
	require.Equal(t, 403, got.status)
	code, issue := got.code(t)
	require.Equal(t, "SEND_FORBIDDEN forbidden", code+" "+issue)
}

// The table of the NHS API platform's token endpoint.
func TestTheTokenEndpointRefusesAsThePlatformDoes(t *testing.T) {
	sc, c := registered(t)
	ahead := func(d time.Duration) int64 { return sc.at.Now().Add(d).Unix() }
	none := strings.Join([]string{
		base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT","kid":"key-1"}`)),
		base64.RawURLEncoding.EncodeToString([]byte(`{}`)), ""}, ".")
	claims := func(name string, value any) string {
		return c.sign(sc, jwa.RS512, nil, map[string]any{name: value})
	}
	header := func(name string, value any) string {
		return c.sign(sc, jwa.RS512, map[string]any{name: value}, nil)
	}
	forged := header("kid", "key-1")
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	stranger := (&client{t, c.id, other}).sign(sc, jwa.RS512, nil, nil)
	for name, row := range map[string]struct {
		assertion   string
		status      int
		description string
	}{
		"alg none":              {none, 400, "Invalid 'alg' header in client_assertion JWT - unsupported JWT algorithm - must be 'RS512'"},
		"alg HS512":             {c.sign(sc, jwa.HS512, nil, nil), 400, "Invalid 'alg' header in client_assertion JWT - unsupported JWT algorithm - must be 'RS512'"},
		"alg RS256":             {c.sign(sc, jwa.RS256, nil, nil), 400, "Invalid 'alg' header in client_assertion JWT - unsupported JWT algorithm - must be 'RS512'"},
		"alg PS512":             {c.sign(sc, jwa.PS512, nil, nil), 400, "Invalid 'alg' header in client_assertion JWT - unsupported JWT algorithm - must be 'RS512'"},
		"no kid":                {header("kid", nil), 400, "Missing 'kid' header in client_assertion JWT"},
		"kid unknown":           {header("kid", "x"), 401, "Invalid 'kid' header in client_assertion JWT - no matching public key"},
		"no typ":                {header("typ", nil), 400, "Invalid 'typ' header in client_assertion JWT - must be 'JWT'"},
		"typ wrong":             {header("typ", "JWS"), 400, "Invalid 'typ' header in client_assertion JWT - must be 'JWT'"},
		"no exp":                {claims("exp", nil), 400, "Missing 'exp' claim in client_assertion JWT"},
		"exp a text":            {claims("exp", "soon"), 400, "Invalid 'exp' claim in client_assertion JWT - must be an integer"},
		"exp over":              {claims("exp", ahead(-11*time.Second)), 400, "Invalid 'exp' claim in client_assertion JWT - JWT has expired"},
		"exp too far":           {claims("exp", ahead(311*time.Second)), 400, "Invalid 'exp' claim in client_assertion JWT - more than 5 minutes in future"},
		"no iss":                {claims("iss", nil), 400, "Missing or non-matching 'iss'/'sub' claims in client_assertion JWT"},
		"iss is not sub":        {claims("sub", "x"), 400, "Missing or non-matching 'iss'/'sub' claims in client_assertion JWT"},
		"unknown client":        {c.sign(sc, jwa.RS512, nil, map[string]any{"iss": "x", "sub": "x"}), 401, "Invalid 'iss'/'sub' claims in client_assertion JWT"},
		"no jti":                {claims("jti", nil), 400, "Missing 'jti' claim in client_assertion JWT"},
		"jti a number":          {claims("jti", 1), 400, "Invalid 'jti' claim in client_assertion JWT - must be a unique string value such as a GUID"},
		"no aud":                {claims("aud", nil), 401, "Missing or invalid 'aud' claim in client_assertion JWT"},
		"aud of another server": {claims("aud", "https://api.service.nhs.uk/oauth2/token"), 401, "Missing or invalid 'aud' claim in client_assertion JWT"},
		"not a JWT":             {"x", 400, "Malformed JWT in client_assertion"},
		"two parts":             {"e30.e30", 400, "Malformed JWT in client_assertion"},
		"none at all":           {"", 400, "Missing client_assertion"},
		"signature broken":      {forged[:len(forged)-8] + "AAAAAAAA", 401, "JWT signature verification failed"},
		"signed by another key": {stranger, 401, "JWT signature verification failed"},
	} {
		t.Run(name, func(t *testing.T) {
			got := sc.ask(form(row.assertion))
			body := got.json(t)
			require.Equal(t, row.description, body.Get("error_description").Text())
			require.Equal(t, row.status, got.status)
			require.NotEmpty(t, body.Get("message_id").Text())
			want := "invalid_request"
			if strings.Contains(row.description, "signature") {
				want = "public_key error"
			}
			require.Equal(t, want, body.Get("error").Text())
		})
	}
	require.Equal(t, 200, sc.ask(form(claims("exp", ahead(309*time.Second)))).status, "the platform tolerates ten seconds")
}

func TestAnAssertionIsGoodOnce(t *testing.T) {
	sc, c := registered(t)
	once := c.sign(sc, jwa.RS512, nil, nil)
	require.Equal(t, 200, sc.ask(form(once)).status)
	got := sc.ask(form(once))
	require.Equal(t, 400, got.status)
	require.Equal(t, "Non-unique 'jti' claim in client_assertion JWT", got.json(t).Get("error_description").Text())
}

func TestOnlyWhoHasTheKeyCanUseAnIdUp(t *testing.T) {
	sc, c := registered(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	jti := map[string]any{"jti": "one"}
	require.Equal(t, 401, sc.ask(form((&client{t, c.id, other}).sign(sc, jwa.RS512, nil, jti))).status)
	require.Equal(t, 200, sc.ask(form(c.sign(sc, jwa.RS512, nil, jti))).status)
}

func TestTheFormOfATokenRequestIsChecked(t *testing.T) {
	sc, c := registered(t)
	change := func(name, value string) url.Values {
		values := form(c.sign(sc, jwa.RS512, nil, nil))
		values.Set(name, value)
		return values
	}
	for _, row := range []struct {
		values      url.Values
		kind        string
		description string
	}{
		{change("grant_type", ""), "invalid_request", "grant_type is missing"},
		{change("grant_type", "authorization_code"), "unauthorized_client", "you have tried to request authorization but your application is not configured to use this authorization grant type"},
		{change("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), "unauthorized_client", "you have tried to request authorization but your application is not configured to use this authorization grant type"},
		{change("grant_type", "password"), "unsupported_grant_type", "grant_type is invalid"},
		{change("client_assertion_type", "x"), "invalid_request", "Missing or invalid client_assertion_type - must be '" + assertionIs + "'"},
	} {
		got := sc.ask(row.values)
		require.Equal(t, map[bool]int{true: 401, false: 400}[row.kind == "unauthorized_client"], got.status)
		require.Equal(t, row.kind, got.json(t).Get("error").Text())
		require.Equal(t, row.description, got.json(t).Get("error_description").Text())
	}
	require.Equal(t, 415, sc.to(TokenPath, "POST", http.Header{"Content-Type": {"application/json"}}, "{}").status)
	got := sc.to(TokenPath, "GET", nil, "")
	require.Equal(t, 405, got.status)
	require.Equal(t, "POST", got.header.Get("Allow"))
}

func TestAnApplicationWithoutAKeyIsTold(t *testing.T) {
	sc, c := registered(t)
	keyless, err := ParseApplication([]byte(`{"client_id":"client-2"}`))
	require.NoError(t, err)
	sc.s.o.Applications = append(sc.s.o.Applications, keyless)
	got := sc.ask(form(c.sign(sc, jwa.RS512, nil, map[string]any{"iss": "client-2", "sub": "client-2"})))
	require.Equal(t, 403, got.status)
	require.Equal(t, "public_key error", got.json(t).Get("error").Text())
}

func TestARegistrationHoldsPublicKeysOnly(t *testing.T) {
	pair, err := onePair()
	require.NoError(t, err)
	require.NotContains(t, string(pair.Registration), `"d"`)
	require.NotContains(t, string(pair.JWKS), `"d"`)
	for name, text := range map[string]string{
		"no JSON":       "x",
		"no id":         `{"jwks":{"keys":[]}}`,
		"unknown":       `{"client_id":"a","secret":"b"}`,
		"no set":        `{"client_id":"a","jwks":{"keys":1}}`,
		"secret key":    `{"client_id":"a","jwks":{"keys":[{"kty":"oct","k":"AAAA","kid":"1"}]}}`,
		"without a kid": `{"client_id":"a","jwks":{"keys":[{"kty":"RSA","n":"` + strings.Repeat("A", 342) + `","e":"AQAB"}]}}`,
	} {
		_, err := ParseApplication([]byte(text))
		require.Error(t, err, name)
	}
}

func TestAnAssertionThatWeSignIsTaken(t *testing.T) {
	sc, c := registered(t)
	pair, err := onePair()
	require.NoError(t, err)
	text, err := SignAssertion(pair.PrivatePEM, Assertion{ClientID: c.id, KeyID: "key-1", Audience: root + TokenPath, ID: "1", Expires: sc.at.Now().Add(time.Minute)})
	require.NoError(t, err)
	require.Equal(t, 200, sc.ask(form(text)).status)
}

func TestExpiredTokensMakePlace(t *testing.T) {
	at := &clock{now: time.Unix(1_700_000_000, 0)}
	all := newTokens(at.Now)
	for range maxTokens {
		require.True(t, all.add(uuid.NewString(), "a"))
	}
	require.False(t, all.add("one more", "a"))
	at.add(tokenLife)
	require.True(t, all.add("one more", "a"))
	require.Equal(t, "a", all.application("one more"))
}

func FuzzAssertion(f *testing.F) {
	for _, seed := range []string{"", "a.b.c", "e30.e30.", "eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ.eyJpc3MiOiJhIiwic3ViIjoiYSIsImp0aSI6IjEiLCJleHAiOjF9.AA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := readAssertion(text, time.Unix(0, 0))
		if err == nil {
			require.NotEmpty(t, a.client)
			require.NotEmpty(t, a.jti)
			require.NotEmpty(t, a.kid)
		}
	})
}

func TestOfManyUsesAtOnceOneSucceeds(t *testing.T) {
	sc, c := registered(t)
	for range 5 {
		once := c.sign(sc, jwa.RS512, nil, nil)
		var wg sync.WaitGroup
		var good atomic.Int32
		for range 8 {
			wg.Go(func() {
				if sc.ask(form(once)).status == http.StatusOK {
					good.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, good.Load())
	}
}

// Ensure that an application's own key set is fetched, believed for an hour, and
// that it is told where its keys can't be had.
func TestKeysAreFetchedWhereTheyArePublished(t *testing.T) {
	sc, c := registered(t)
	pair, err := onePair()
	require.NoError(t, err)
	asked, body := 0, string(pair.JWKS)
	publisher := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		require.Equal(t, "APIM", r.UserAgent())
		if body == "" {
			w.WriteHeader(500)
		}
		_, _ = w.Write([]byte(body))
	}))
	application, err := ParseApplication([]byte(`{"client_id":"client-1","jwks_uri":"` + publisher.URL + `/jwks"}`))
	require.NoError(t, err)
	sc.s.o.Applications = []*Application{application}
	reached := func() string {
		got := sc.ask(form(c.sign(sc, jwa.RS512, nil, nil)))
		if got.status == 200 {
			return ""
		}
		require.Equal(t, 403, got.status)
		require.Equal(t, "public_key error", got.json(t).Get("error").Text())
		return got.json(t).Get("error_description").Text()
	}
	require.Empty(t, reached())
	body = ""
	sc.at.add(59 * time.Minute)
	require.Empty(t, reached())
	require.Equal(t, 1, asked)
	sc.at.add(time.Minute)
	unreached := "The JWKS endpoint, for your client_assertion can't be reached"
	require.Equal(t, unreached, reached())
	body = "{"
	require.Equal(t, unreached, reached())
	publisher.Close()
	require.Equal(t, unreached, reached())
	for _, wrong := range []string{`"jwks_uri":"keys.json"`, `"jwks_uri":"file:///keys.json"`, `"jwks_uri":"https://a.example","jwks":{"keys":[]}`, `"status":"perhaps"`} {
		_, err := ParseApplication([]byte(`{"client_id":"client-1",` + wrong + `}`))
		require.Error(t, err, wrong)
	}
}

func TestARevokedApplicationAndOtherPathsAreRefused(t *testing.T) {
	sc, c := registered(t)
	sc.s.o.Applications[0].Revoked = true
	t.Cleanup(func() { sc.s.o.Applications[0].Revoked = false })
	got := sc.ask(form(c.sign(sc, jwa.RS512, nil, nil)))
	require.Equal(t, 401, got.status)
	require.Equal(t, "access_denied", got.json(t).Get("error").Text())
	require.Equal(t, "The developer app associated with the API key is not approved or revoked", got.json(t).Get("error_description").Text())
	got = sc.to(OAuthPath+"/tokens", "POST", nil, "")
	require.Equal(t, 404, got.status)
	require.Equal(t, "invalid_request", got.json(t).Get("error").Text())
	require.Equal(t, "Not Found", got.json(t).Get("error_description").Text())
	revoked, err := ParseApplication([]byte(`{"client_id":"x","status":"revoked"}`))
	require.NoError(t, err)
	require.True(t, revoked.Revoked)
}
