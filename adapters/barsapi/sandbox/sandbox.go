package sandbox

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// Where the stand-ins are mounted.
const (
	ProxyPath = "/sandbox/bars/FHIR/R4"
	OAuthPath = "/sandbox/oauth2"
	TokenPath = OAuthPath + "/token"
)

// Store is the part of the store that the stand-ins use.
type Store interface {
	AuxGet(ctx context.Context, kind string, keys []string) ([]store.Aux, error)
	AuxScan(ctx context.Context, kind, prefix, after string, limit int) ([]store.Aux, error)
	Commit(ctx context.Context, b *store.Batch) (*store.Result, error)
}

// Options configure the stand-ins.
type Options struct {
	Store Store
	Root  string // the program's own address, without path and closing slash
	// Version is the program's, for /_ping.
	Version string
	// Applications may ask for tokens. While there are none the proxy needs no
	// token, as the national sandbox needs none.
	Applications []*Application
	// Routes are targets that are known besides those of the catalogue: target
	// identifier to base URL of a receiver. The catalogue goes first.
	Routes map[nhs.ServiceID]string
	// Allowed says why an address may not be in the catalogue; nil: any may.
	Allowed func(address string) error
	// Client calls receivers; it follows no redirects. Default http.DefaultTransport
	// without redirects.
	Client *http.Client
	// Quota and Spike are how many requests an application may make in a minute
	// and all of them together in a second; default 300 and 60, below zero no limit.
	Quota, Spike int
	// Timeout is how long a receiver may take; default 32 s (BaRS Core,
	// non-functional requirements).
	Timeout time.Duration
	// MaxBody bounds a request body in bytes; default 5 MiB.
	MaxBody  int64
	Now      func() time.Time // default time.Now
	NewID    func() string    // default random UUIDs
	NewToken func() string    // default unguessable texts
	Log      *slog.Logger     // default slog.Default
}

// Sandbox is the stand-ins.
type Sandbox struct {
	o      Options
	tokens *tokens
	limit  *limiter
}

// New makes the stand-ins.
func New(o Options) *Sandbox {
	if o.Quota == 0 {
		o.Quota = 300
	}
	if o.Spike == 0 {
		o.Spike = 60
	}
	if o.Timeout == 0 {
		o.Timeout = 32 * time.Second
	}
	if o.MaxBody == 0 {
		o.MaxBody = 5 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = uuid.NewString
	}
	if o.NewToken == nil {
		o.NewToken = rand.Text
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Client == nil {
		o.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Sandbox{o: o, tokens: newTokens(o.Now), limit: newLimiter(o.Quota, o.Spike, o.Now)}
}

// Client is what calls receivers.
func (s *Sandbox) Client() *http.Client { return s.o.Client }

// Handler serves every path of the stand-ins, below /sandbox/bars and
// /sandbox/oauth2.
func (s *Sandbox) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(TokenPath, s.token)
	mux.HandleFunc(OAuthPath+"/", s.noSuchOAuth)
	mux.HandleFunc(ProxyPath+"/_ping", s.ping)
	mux.HandleFunc(ProxyPath+"/_status", s.status)
	mux.HandleFunc(ProxyPath+"/", s.proxy)
	mux.HandleFunc("GET /sandbox/bars/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "sandbox stand-in of the BaRS proxy, its registry and its endpoint catalogue: invented data, not for real patients\n")
	})
	return mux
}

// national are the types that the national services serve themselves.
var national = map[string]bool{"DocumentReference": true, "Organization": true, "HealthcareService": true, "Endpoint": true}

// Serves says whether a path below the FHIR base is the registry's or the
// catalogue's.
func (s *Sandbox) Serves(path string) bool {
	typ, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return national[typ]
}

// National serves registry and catalogue alone, without tokens and limits, for
// requests that came to the receiver's own base in place of the proxy's (design
// D9). base is what links begin with, path what goes before the type in a
// request's path.
func (s *Sandbox) National(base, path string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		echo(w.Header(), r)
		suffix := strings.TrimPrefix(r.URL.Path, path)
		if err := s.nationalChecks(r, suffix); err != nil {
			s.refuse(w, err)
			return
		}
		s.serveNational(w, r, base, suffix)
	})
}

// nationalChecks are the proxy's checks that don't need a token: transaction ids,
// then the version of DocumentReference.
func (s *Sandbox) nationalChecks(r *http.Request, suffix string) error {
	if r.Header.Get(headerRequestID) == "" || r.Header.Get(headerCorrelation) == "" {
		return faultTransaction
	}
	if typ, _, _ := strings.Cut(strings.TrimPrefix(suffix, "/"), "/"); typ == "DocumentReference" && acceptVersion(r.Header) < version(1, 1, 0) {
		return faultVersion
	}
	return nil
}

// serveNational answers from the registry or the catalogue.
func (s *Sandbox) serveNational(w http.ResponseWriter, r *http.Request, base, suffix string) {
	c := &call{s: s, w: w, r: r, base: base}
	typ, rest, _ := strings.Cut(strings.TrimPrefix(suffix, "/"), "/")
	err := c.takesJSON()
	switch {
	case err != nil:
	case typ == "DocumentReference":
		err = c.registry(rest)
	default:
		err = c.catalogue(typ, rest)
	}
	if err != nil {
		s.refuse(w, err)
	}
}
