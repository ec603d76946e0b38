package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// KeyPair is what a new application needs: its private key, the public one as a
// JSON Web Key Set, and the registration that the sandbox reads.
type KeyPair struct {
	PrivatePEM, JWKS, Registration []byte
}

// NewKeyPair makes an RSA key pair of bits bits for an application.
func NewKeyPair(clientID, kid string, bits int) (*KeyPair, error) {
	if clientID == "" || kid == "" || bits < 2048 || bits > 8192 {
		return nil, errors.New("client id and key id must be there, and the key be of 2048 to 8192 bits")
	}
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	public, err := jwk.FromRaw(private.Public())
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]any{jwk.KeyIDKey: kid, jwk.AlgorithmKey: jwa.RS512, jwk.KeyUsageKey: "sig"} {
		if err := public.Set(name, value); err != nil {
			return nil, err
		}
	}
	set := jwk.NewSet()
	if err := set.AddKey(public); err != nil {
		return nil, err
	}
	jwks, err := json.MarshalIndent(set, "", "  ")
	if err != nil {
		return nil, err
	}
	entry, err := json.MarshalIndent(registration{ClientID: clientID, Products: []string{product}, JWKS: jwks}, "", "  ")
	if err != nil {
		return nil, err
	}
	return &KeyPair{
		PrivatePEM:   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		JWKS:         append(jwks, '\n'),
		Registration: append(entry, '\n'),
	}, nil
}

// Assertion are the claims of a client assertion.
type Assertion struct {
	ClientID, KeyID string
	Audience        string // the exact address of the token endpoint
	ID              string // jti
	Expires         time.Time
}

// SignAssertion writes a client assertion: a JWT signed by RS512 with a private
// key in PEM.
func SignAssertion(privatePEM []byte, a Assertion) (string, error) {
	block, _ := pem.Decode(privatePEM)
	if block == nil {
		return "", errors.New("the private key must be in PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return "", errors.New("the private key must be PKCS #8")
	}
	if _, ok := key.(*rsa.PrivateKey); !ok {
		return "", errors.New("the private key must be an RSA key")
	}
	claims, err := json.Marshal(map[string]any{"iss": a.ClientID, "sub": a.ClientID, "aud": a.Audience, "jti": a.ID, "exp": a.Expires.Unix()})
	if err != nil {
		return "", err
	}
	headers := jws.NewHeaders()
	for name, value := range map[string]any{jws.TypeKey: "JWT", jws.KeyIDKey: a.KeyID} {
		if err := headers.Set(name, value); err != nil {
			return "", err
		}
	}
	signed, err := jws.Sign(claims, jws.WithKey(jwa.RS512, key, jws.WithProtectedHeaders(headers)))
	return string(signed), err
}
