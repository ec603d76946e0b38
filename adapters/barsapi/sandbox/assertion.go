package sandbox

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/onward-health/onward/fhir"
)

const (
	maxAssertion = 16 << 10
	maxAhead     = 310 * time.Second // five minutes, and the platform's tolerance
	skew         = 10 * time.Second
	keysTime     = 55 * time.Second // for a published key set to come
	keysKept     = time.Hour        // how long it is believed
)

// Application is a registered client of the API.
type Application struct {
	ClientID string
	Name     string
	// Products are the APIs that it may call; "booking-and-referral" is ours.
	Products []string
	Keys     jwk.Set // public keys
	// Published is where the application publishes its keys, "" where Keys holds
	// them.
	Published string
	Revoked   bool

	mu    sync.Mutex
	kept  jwk.Set // what was published
	until time.Time
}

// registration is an application as its file holds it.
type registration struct {
	ClientID string          `json:"client_id"`
	Name     string          `json:"name,omitempty"`
	Products []string        `json:"products,omitempty"`
	JWKS     json.RawMessage `json:"jwks,omitempty"`
	JWKSURI  string          `json:"jwks_uri,omitempty"`
	Status   string          `json:"status,omitempty"`
}

// ParseApplication reads a registration: a JSON object with client_id, jwks (a
// JSON Web Key Set of public RSA keys with a kid) or jwks_uri (where they are
// published) and, where wanted, name, products, which are booking-and-referral
// unless said, and status, approved or revoked.
func ParseApplication(text []byte) (*Application, error) {
	var r registration
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return nil, errors.New("it must be a JSON object with client_id, name, products, status and jwks or jwks_uri")
	}
	if r.ClientID == "" || len(r.ClientID) > 200 {
		return nil, errors.New("client_id must be there")
	}
	a := &Application{ClientID: r.ClientID, Name: r.Name, Products: r.Products, Keys: jwk.NewSet()}
	if a.Products == nil {
		a.Products = []string{product}
	}
	if r.Status != "" && r.Status != "approved" && r.Status != "revoked" {
		return nil, errors.New("status must be approved or revoked")
	}
	a.Revoked = r.Status == "revoked"
	switch u, err := url.Parse(r.JWKSURI); {
	case r.JWKSURI == "" && len(r.JWKS) == 0:
		return a, nil // asks in vain until a key is registered
	case r.JWKSURI == "":
	case len(r.JWKS) > 0 || err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return nil, errors.New("jwks_uri must be an absolute http or https URL, and there be no jwks beside it")
	default:
		a.Published = r.JWKSURI
		return a, nil
	}
	var err error
	a.Keys, err = parseKeys(r.JWKS)
	return a, err
}

func parseKeys(text []byte) (jwk.Set, error) {
	keys, err := jwk.Parse(text)
	if err != nil {
		return nil, errors.New("jwks must be a JSON Web Key Set")
	}
	for i := range keys.Len() {
		key, _ := keys.Key(i)
		if _, ok := key.(jwk.RSAPublicKey); !ok || key.KeyID() == "" {
			return nil, errors.New("jwks must hold public RSA keys, each with a kid, and no private one")
		}
	}
	return keys, nil
}

// faultJWKS: the keys that an application publishes can't be had.
var faultJWKS = &tokenFault{http.StatusForbidden, "public_key error", "The JWKS endpoint, for your client_assertion can't be reached"}

// keys are the application's public keys; those that it publishes are believed for
// an hour.
func (a *Application) keys(ctx context.Context, now time.Time) (jwk.Set, error) {
	if a.Published == "" {
		return a.Keys, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept != nil && now.Before(a.until) {
		return a.kept, nil
	}
	ctx, cancel := context.WithTimeout(ctx, keysTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.Published, nil)
	if err != nil {
		return nil, faultJWKS
	}
	r.Header.Set("User-Agent", "APIM")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, faultJWKS
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxForm))
	if err != nil || answer.StatusCode != http.StatusOK {
		return nil, faultJWKS
	}
	found, err := parseKeys(text)
	if err != nil {
		return nil, faultJWKS
	}
	a.kept, a.until = found, now.Add(keysKept)
	return found, nil
}

// assertion is a client assertion whose claims are right; verify says whether it
// is the client's.
type assertion struct {
	text        string
	kid         string
	client, jti string
	audience    string
	expires     time.Time
}

// invalidAssertion words an error as the platform does.
func invalidAssertion(status int, what, why string) *tokenFault {
	description := what + " in client_assertion JWT"
	if why != "" {
		description += " - " + why
	}
	return invalidRequest(status, description)
}

// readAssertion decodes an assertion and checks it in the platform's order: alg,
// expired, kid, typ, exp, iss and sub, jti.
func readAssertion(text string, now time.Time) (*assertion, error) {
	malformed := invalidRequest(http.StatusBadRequest, "Malformed JWT in client_assertion")
	parts := strings.Split(text, ".")
	if len(text) > maxAssertion || len(parts) != 3 {
		return nil, malformed
	}
	header, claims := decodePart(parts[0]), decodePart(parts[1])
	if header == nil || claims == nil {
		return nil, malformed
	}
	bad := func(what, why string) (*assertion, error) {
		return nil, invalidAssertion(http.StatusBadRequest, what, why)
	}
	a := &assertion{text: text, kid: header.Get("kid").Text(), audience: claims.Get("aud").Text(), jti: claims.Get("jti").Text()}
	exp := claims.Get("exp")
	seconds, whole := exp.Int()
	a.expires = time.Unix(seconds, 0)
	issuer, subject := claims.Get("iss").Text(), claims.Get("sub").Text()
	a.client = issuer
	switch {
	case header.Get("alg").Text() != "RS512":
		return bad("Invalid 'alg' header", "unsupported JWT algorithm - must be 'RS512'")
	case whole && now.After(a.expires.Add(skew)):
		return bad("Invalid 'exp' claim", "JWT has expired")
	case a.kid == "":
		return bad("Missing 'kid' header", "")
	case !strings.EqualFold(header.Get("typ").Text(), "JWT"):
		return bad("Invalid 'typ' header", "must be 'JWT'")
	case !exp.Exists():
		return bad("Missing 'exp' claim", "")
	case !whole:
		return bad("Invalid 'exp' claim", "must be an integer")
	case issuer == "" || issuer != subject:
		return bad("Missing or non-matching 'iss'/'sub' claims", "")
	case !claims.Get("jti").Exists():
		return bad("Missing 'jti' claim", "")
	case a.jti == "":
		return bad("Invalid 'jti' claim", "must be a unique string value such as a GUID")
	}
	return a, nil
}

func decodePart(text string) *fhir.Resource {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	object, err := fhir.Parse(raw)
	if err != nil {
		return nil
	}
	return object
}

func (a *assertion) tooFar(now time.Time) bool { return a.expires.Sub(now) > maxAhead }

// verify checks key, signature and audience.
func (a *assertion) verify(keys jwk.Set, audience string) error {
	if keys.Len() == 0 {
		return &tokenFault{http.StatusForbidden, "public_key error",
			"You need to register a public key to use this authentication method - please contact support to configure"}
	}
	key, found := keys.LookupKeyID(a.kid)
	if !found {
		return invalidAssertion(http.StatusUnauthorized, "Invalid 'kid' header", "no matching public key")
	}
	if _, err := jws.Verify([]byte(a.text), jws.WithKey(jwa.RS512, key)); err != nil {
		return &tokenFault{http.StatusUnauthorized, "public_key error", "JWT signature verification failed"}
	}
	if a.audience != audience {
		return invalidAssertion(http.StatusUnauthorized, "Missing or invalid 'aud' claim", "")
	}
	return nil
}
