package sandbox

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// Bounds and times of the token endpoint (NHS API platform, application-restricted
// access with signed JWT).
const (
	maxForm     = 64 << 10
	maxTokens   = 10_000
	tokenLife   = 599 * time.Second // as printed: "599"
	jtiKept     = 30 * 24 * time.Hour
	kindJTI     = "sandbox-jti"
	assertionIs = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	product     = "booking-and-referral"
)

// tokenFault is an error of the token endpoint in the platform's own words.
type tokenFault struct {
	status      int
	code        string
	description string
}

func (f *tokenFault) Error() string { return f.code + ": " + f.description }

func invalidRequest(status int, description string) *tokenFault {
	return &tokenFault{status, "invalid_request", description}
}

// tokens are the access tokens that are good now. They die with the process: a
// client asks for a new one when it gets 401.
type tokens struct {
	now func() time.Time
	mu  sync.Mutex
	m   map[[sha256.Size]byte]grant
}

type grant struct {
	application string
	until       time.Time
}

func newTokens(now func() time.Time) *tokens {
	return &tokens{now: now, m: map[[sha256.Size]byte]grant{}}
}

// add remembers a token; false where there are too many.
func (t *tokens) add(token, application string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.m) >= maxTokens {
		for key, g := range t.m {
			if !t.now().Before(g.until) {
				delete(t.m, key)
			}
		}
	}
	if len(t.m) >= maxTokens {
		return false
	}
	t.m[sha256.Sum256([]byte(token))] = grant{application, t.now().Add(tokenLife)}
	return true
}

// application says whose a token is; "" where it isn't good.
func (t *tokens) application(token string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	g, found := t.m[sha256.Sum256([]byte(token))]
	if !found || !t.now().Before(g.until) {
		return ""
	}
	return g.application
}

// authorise judges the bearer token. application is "" where it isn't known. While
// no application is registered none is needed, but one that is shown must be good.
func (s *Sandbox) authorise(r *http.Request) (application string, err error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		if len(s.o.Applications) == 0 {
			return "", nil
		}
		return "", faultTokenAbsent
	}
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(token) == "" {
		return "", faultTokenAbsent
	}
	application = s.tokens.application(strings.TrimSpace(token))
	a := s.application(application)
	switch {
	case a == nil:
		return "", faultTokenInvalid
	case !slices.Contains(a.Products, product):
		return application, faultTokenProduct
	}
	return application, nil
}

// application finds a registered application by its id.
func (s *Sandbox) application(id string) *Application {
	for _, a := range s.o.Applications {
		if id != "" && subtle.ConstantTimeCompare([]byte(a.ClientID), []byte(id)) == 1 {
			return a
		}
	}
	return nil
}

// token serves POST /oauth2/token.
func (s *Sandbox) token(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		s.refuseToken(w, invalidRequest(http.StatusMethodNotAllowed, "the method must be POST"))
		return
	}
	if s.limit.take("") > 0 {
		s.refuseToken(w, &tokenFault{http.StatusTooManyRequests, "too_many_requests", "the limit of requests is reached; try again later"})
		return
	}
	application, err := s.client(w, r)
	if err != nil {
		s.refuseToken(w, err)
		return
	}
	token := s.o.NewToken()
	if !s.tokens.add(token, application) {
		s.refuseToken(w, &tokenFault{http.StatusTooManyRequests, "too_many_requests", "too many tokens are in use"})
		return
	}
	write(w, http.StatusOK, "application/json", fhir.Obj(
		"access_token", token,
		"expires_in", strconv.Itoa(int(tokenLife.Seconds())),
		"token_type", "Bearer",
		"issued_at", strconv.FormatInt(s.o.Now().UnixMilli(), 10),
	).JSON())
}

func (s *Sandbox) refuseToken(w http.ResponseWriter, err error) {
	var f *tokenFault
	id := s.o.NewID()
	if !errors.As(err, &f) {
		s.o.Log.Error("sandbox token endpoint", "message", id, "error", err)
		f = &tokenFault{http.StatusInternalServerError, "unknown_error", "An unknown error occurred processing this request."}
	}
	write(w, f.status, "application/json", fhir.Obj("error", f.code, "error_description", f.description, "message_id", id).JSON())
}

// noSuchOAuth answers every other path of the token service.
func (s *Sandbox) noSuchOAuth(w http.ResponseWriter, _ *http.Request) {
	s.refuseToken(w, invalidRequest(http.StatusNotFound, "Not Found"))
}

// client reads the form and gives the application that asks.
func (s *Sandbox) client(w http.ResponseWriter, r *http.Request) (string, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return "", invalidRequest(http.StatusUnsupportedMediaType, "Content-Type header must be application/x-www-form-urlencoded")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return "", invalidRequest(http.StatusBadRequest, "the form can't be read")
	}
	switch r.PostForm.Get("grant_type") {
	case "client_credentials":
	case "":
		return "", invalidRequest(http.StatusBadRequest, "grant_type is missing")
	case "authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange":
		return "", &tokenFault{http.StatusUnauthorized, "unauthorized_client",
			"you have tried to request authorization but your application is not configured to use this authorization grant type"}
	default:
		return "", &tokenFault{http.StatusBadRequest, "unsupported_grant_type", "grant_type is invalid"}
	}
	if r.PostForm.Get("client_assertion_type") != assertionIs {
		return "", invalidRequest(http.StatusBadRequest, "Missing or invalid client_assertion_type - must be '"+assertionIs+"'")
	}
	text := r.PostForm.Get("client_assertion")
	if text == "" {
		return "", invalidRequest(http.StatusBadRequest, "Missing client_assertion")
	}
	a, err := readAssertion(text, s.o.Now())
	if err != nil {
		return "", err
	}
	key := jtiKey(a)
	used, err := s.o.Store.AuxGet(r.Context(), kindJTI, []string{key})
	if err != nil {
		return "", err
	}
	if len(used) > 0 {
		return "", faultJTI
	}
	if a.tooFar(s.o.Now()) {
		return "", invalidAssertion(http.StatusBadRequest, "Invalid 'exp' claim", "more than 5 minutes in future")
	}
	application := s.application(a.client)
	if application == nil {
		return "", invalidAssertion(http.StatusUnauthorized, "Invalid 'iss'/'sub' claims", "")
	}
	if application.Revoked {
		return "", &tokenFault{http.StatusUnauthorized, "access_denied", "The developer app associated with the API key is not approved or revoked"}
	}
	keys, err := application.keys(r.Context(), s.o.Now())
	if err != nil {
		return "", err
	}
	if err := a.verify(keys, s.o.Root+TokenPath); err != nil {
		return "", err
	}
	// Remembered last, so that only who has the key can use an id up.
	_, err = s.o.Store.Commit(r.Context(), &store.Batch{Ops: []store.Op{store.AuxPut{
		Kind: kindJTI, Key: key, Value: []byte(`{}`), Expires: s.o.Now().Add(jtiKept), If: store.Condition{Absent: true}}}})
	var conflict *store.ConflictError
	if errors.As(err, &conflict) {
		return "", faultJTI
	}
	return application.ClientID, err
}

var faultJTI = invalidAssertion(http.StatusBadRequest, "Non-unique 'jti' claim", "")

// jtiKey is an assertion's id as a key: neither it nor the client's id is known to
// be short or plain yet.
func jtiKey(a *assertion) string {
	sum := sha256.Sum256([]byte(a.client + "\x00" + a.jti))
	return hex.EncodeToString(sum[:])
}
