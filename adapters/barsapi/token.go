package barsapi

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Bounds of the token service.
const (
	assertionLife = 5 * time.Minute // the most that the standard allows
	tokenTime     = 10 * time.Second
	maxToken      = 64 << 10
	tokenMargin   = 30 * time.Second // a token is renewed before it runs out
)

// AssertionOptions configure the client credentials grant with a signed JWT
// (BaRS Core 1.5, OAuth endpoints).
type AssertionOptions struct {
	URL             string // of the token service; also the audience
	ClientID, KeyID string
	Key             []byte // RSA, PKCS #8 in PEM
	HTTP            *http.Client
	Now             func() time.Time
	NewID           func() string
}

// Assertions is a TokenSource that asks a token service. It keeps a token until
// shortly before it runs out.
type Assertions struct {
	o   AssertionOptions
	key *rsa.PrivateKey

	mu    sync.Mutex
	token string
	until time.Time
}

// NewAssertions reads the key.
func NewAssertions(o AssertionOptions) (*Assertions, error) {
	if _, err := ParseBase(o.URL); err != nil {
		return nil, errors.New("its address must be an absolute http or https URL")
	}
	block, _ := pem.Decode(o.Key)
	if block == nil {
		return nil, errors.New("the key must be in PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, isRSA := parsed.(*rsa.PrivateKey)
	if err != nil || !isRSA || key.N.BitLen() < 2048 {
		return nil, errors.New("the key must be an RSA key of at least 2048 bits, in PKCS #8")
	}
	client := http.Client{}
	if o.HTTP != nil {
		client = *o.HTTP
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	o.HTTP = &client
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = uuid.NewString
	}
	return &Assertions{o: o, key: key}, nil
}

// Forget drops the token.
func (a *Assertions) Forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token = ""
}

// Token returns a token that is still good.
func (a *Assertions) Token(ctx context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token != "" && a.o.Now().Before(a.until) {
		return a.token, nil
	}
	token, life, err := a.ask(ctx)
	if err != nil {
		return "", err
	}
	a.token, a.until = token, a.o.Now().Add(life-min(tokenMargin, life/2))
	return token, nil
}

func (a *Assertions) ask(ctx context.Context) (string, time.Duration, error) {
	assertion, err := a.sign()
	if err != nil {
		return "", 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, tokenTime)
	defer cancel()
	form := url.Values{"grant_type": {"client_credentials"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.o.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := a.o.HTTP.Do(req)
	if err != nil {
		return "", 0, errors.New("the token service can't be reached")
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxToken))
	if err != nil || res.StatusCode != http.StatusOK {
		return "", 0, errors.New("the token service answered " + strconv.Itoa(res.StatusCode))
	}
	return readToken(text)
}

// readToken reads a token and how long it is good. The national service writes
// the seconds as a text.
func readToken(text []byte) (string, time.Duration, error) {
	var said struct {
		Token string          `json:"access_token"`
		Life  json.RawMessage `json:"expires_in"`
	}
	if err := json.Unmarshal(text, &said); err != nil || said.Token == "" || strings.ContainsAny(said.Token, " \r\n\t") {
		return "", 0, errors.New("the token service's answer can't be read")
	}
	seconds, err := strconv.Atoi(strings.Trim(string(said.Life), `"`))
	if err != nil || seconds < 1 {
		return "", 0, errors.New("the token service's answer doesn't say how long the token is good")
	}
	return said.Token, min(time.Duration(seconds)*time.Second, time.Hour), nil
}

// sign writes the client assertion, a JWT by RS512 (RFC 7523).
func (a *Assertions) sign() (string, error) {
	head, err := json.Marshal(map[string]string{"alg": "RS512", "typ": "JWT", "kid": a.o.KeyID})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{"iss": a.o.ClientID, "sub": a.o.ClientID, "aud": a.o.URL,
		"jti": a.o.NewID(), "exp": a.o.Now().Add(assertionLife).Unix()})
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha512.Sum512([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, a.key, crypto.SHA512, sum[:])
	if err != nil {
		return "", err
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
