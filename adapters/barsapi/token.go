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
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/onward-health/onward/internal/outbox"
)

// Bounds of the token service.
const (
	assertionLife = 5 * time.Minute // the most that the standard allows
	tokenTime     = 10 * time.Second
	maxToken      = 64 << 10
	tokenMargin   = 30 * time.Second // a token is renewed before it runs out
	tokenClosed   = time.Minute      // after a fault that repeating doesn't mend
	tokenRest     = 10 * time.Second // after it didn't answer in time
	tokenSkew     = 5 * time.Second  // of the two clocks, before it is logged
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
	Log             *slog.Logger // default slog.Default
}

// Assertions is a TokenSource that asks a token service. It keeps a token until
// shortly before it runs out.
type Assertions struct {
	o   AssertionOptions
	key *rsa.PrivateKey

	mu    sync.Mutex
	token string
	until time.Time
	// While the token service says that we are set up wrongly it isn't asked again.
	closed      *tokenFault
	closedUntil time.Time
	// Nor while it didn't answer in time: each who asks waits for the one before.
	silentUntil time.Time
}

// errSilent: the token service didn't answer in time.
var errSilent = errors.New("the token service doesn't answer")

// tokenFault is a refusal by the token service. It holds nothing that it wrote.
type tokenFault struct {
	status int
	final  bool          // our set-up is wrong
	after  time.Duration // how long it isn't asked again
}

func (f *tokenFault) Error() string {
	if f.final {
		return "the token service answered " + strconv.Itoa(f.status) + ": check client id, key id, key and address"
	}
	return "the token service answered " + strconv.Itoa(f.status)
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
	client := http.Client{Transport: connecting()}
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
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Assertions{o: o, key: key}, nil
}

// Forget drops the token.
func (a *Assertions) Forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token = ""
}

// Refused says which status the token service refused our set-up with, and until
// when it isn't asked again; the status is 0 where it may be asked.
func (a *Assertions) Refused() (status int, until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed == nil || !a.o.Now().Before(a.closedUntil) {
		return 0, time.Time{}
	}
	return a.closed.status, a.closedUntil
}

// Token returns a token that is still good.
func (a *Assertions) Token(ctx context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token != "" && a.o.Now().Before(a.until) {
		return a.token, nil
	}
	if rest := a.closedUntil.Sub(a.o.Now()); rest > 0 {
		return "", &tokenFault{a.closed.status, true, rest}
	}
	if a.o.Now().Before(a.silentUntil) {
		return "", errSilent
	}
	token, life, err := a.ask(ctx)
	if fault := (*tokenFault)(nil); errors.As(err, &fault) && fault.final {
		a.closed, a.closedUntil = fault, a.o.Now().Add(tokenClosed)
		a.o.Log.Error("the token service refuses us; nothing is sent through the proxy", "status", fault.status, "kid", a.o.KeyID)
	}
	if errors.Is(err, errSilent) && ctx.Err() == nil {
		a.silentUntil = a.o.Now().Add(tokenRest)
	}
	if err != nil {
		return "", err
	}
	a.token, a.until = token, a.o.Now().Add(max(min(life*8/10, life-tokenMargin), life/2))
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
	if errors.Is(err, context.DeadlineExceeded) {
		return "", 0, errSilent
	}
	if err != nil {
		return "", 0, errors.New("the token service can't be reached")
	}
	defer res.Body.Close()
	if theirs, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		if skew := a.o.Now().Sub(theirs); skew.Abs() > tokenSkew {
			a.o.Log.Warn("our clock differs from the token service's, which may refuse us for it: set it by NTP", "seconds", int(skew.Seconds()))
		}
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxToken))
	if errors.Is(err, context.DeadlineExceeded) {
		return "", 0, errSilent
	}
	if err != nil {
		return "", 0, errors.New("the token service's answer broke off")
	}
	if res.StatusCode != http.StatusOK {
		return "", 0, refusal(res, a.o.Now())
	}
	return readToken(text)
}

// refusal judges what isn't a token: 400 to 499 says that our set-up is wrong,
// but for those that pass (NHS API platform, application-restricted access).
func refusal(res *http.Response, now time.Time) *tokenFault {
	f := &tokenFault{status: res.StatusCode, after: outbox.RetryAfter(res.Header, now)}
	switch res.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
	default:
		if f.final = res.StatusCode < 500; f.final {
			f.after = tokenClosed
		}
	}
	return f
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
