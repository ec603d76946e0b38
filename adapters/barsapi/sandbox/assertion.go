package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
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
)

// Application is a registered client of the API.
type Application struct {
	ClientID string
	Name     string
	// Products are the APIs that it may call; "booking-and-referral" is ours.
	Products []string
	Keys     jwk.Set // public keys
}

// registration is an application as its file holds it.
type registration struct {
	ClientID string          `json:"client_id"`
	Name     string          `json:"name,omitempty"`
	Products []string        `json:"products,omitempty"`
	JWKS     json.RawMessage `json:"jwks"`
}

// ParseApplication reads a registration: a JSON object with client_id, jwks (a
// JSON Web Key Set of public RSA keys with a kid) and, where wanted, name and
// products, which are booking-and-referral unless said.
func ParseApplication(text []byte) (*Application, error) {
	var r registration
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return nil, errors.New("it must be a JSON object with client_id, name, products and jwks")
	}
	if r.ClientID == "" || len(r.ClientID) > 200 {
		return nil, errors.New("client_id must be there")
	}
	a := &Application{ClientID: r.ClientID, Name: r.Name, Products: r.Products, Keys: jwk.NewSet()}
	if a.Products == nil {
		a.Products = []string{product}
	}
	if len(r.JWKS) == 0 {
		return a, nil // asks in vain until a key is registered
	}
	keys, err := jwk.Parse(r.JWKS)
	if err != nil {
		return nil, errors.New("jwks must be a JSON Web Key Set")
	}
	for i := range keys.Len() {
		key, _ := keys.Key(i)
		if _, ok := key.(jwk.RSAPublicKey); !ok || key.KeyID() == "" {
			return nil, errors.New("jwks must hold public RSA keys, each with a kid, and no private one")
		}
	}
	a.Keys = keys
	return a, nil
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
func (a *assertion) verify(application *Application, audience string) error {
	if application.Keys.Len() == 0 {
		return &tokenFault{http.StatusForbidden, "public_key error",
			"You need to register a public key to use this authentication method - please contact support to configure"}
	}
	key, found := application.Keys.LookupKeyID(a.kid)
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
