package barsapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/egress"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/internal/wait"
	"github.com/onward-health/onward/nhs"
)

// Bounds of the client.
const (
	maxAnswer = 6 << 20
	// attemptTime is longer than the national proxy's own wait for a receiver
	// (32 s), so that its answer is heard.
	attemptTime = 35 * time.Second
	maxAttempts = 5
	maxWait     = 30 * time.Second // the longest pause inside one call
)

// Media types of requests: Core's version in Accept, the API's in Content-Type.
const (
	acceptCore  = "application/fhir+json; version=1.5.0"
	contentType = "application/fhir+json; version=1.1.0"
)

// Router says below which FHIR base a service is reached: the national proxy or
// the receiver itself.
type Router interface {
	Route(ctx context.Context, target nhs.ServiceID) (Route, error)
	// Clear forgets what was learned of others.
	Clear()
}

// Route is the way to a service. Only the proxy is given the token: a receiver
// could use it in our name.
type Route struct {
	Base  string // without the closing slash
	Proxy bool
	// Listed says that others wrote the address: it is called by ClientOptions.Listed.
	Listed bool
}

// TokenSource gives the bearer token for the proxy.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
	// Forget drops a token that was refused.
	Forget()
}

// ClientOptions configure a Client. Router is needed; the zero value of every
// other field has the stated default.
type ClientOptions struct {
	Router Router
	// HTTP makes the connections; default TLS 1.2 or later, the machine's proxy
	// settings. Redirects are never followed, whatever it says.
	HTTP *http.Client
	// Direct makes the connections to receivers, under our certificate where they
	// want one; default HTTP, which then is the proxy's.
	Direct *http.Client
	// Listed makes the connections to addresses that others wrote; default Direct.
	Listed *http.Client
	// Token authorises requests to a proxy; default none.
	Token TokenSource
	// Software is the product as NHSD-Requesting-Software says it.
	Software Software
	// Attempts bounds those of one call; default 5.
	Attempts int
	// Keep is how long a CapabilityStatement and MessageDefinitions are believed;
	// default 12 h, at most 24 h (BaRS Core 1.5, content negotiation).
	Keep   time.Duration
	Now    func() time.Time                           // default time.Now
	NewID  func() string                              // default random UUIDs
	Pause  func(context.Context, time.Duration) error // default a timer
	Random func() float64                             // for the pauses
}

// Client calls other systems of the standard, directly or through the proxy. Its
// methods may be called from many goroutines. Errors are *Fault values, except
// those of the Router and of the context.
type Client struct {
	o ClientOptions

	mu    sync.Mutex
	known map[string]remembered
}

// NewClient makes a client.
func NewClient(o ClientOptions) *Client {
	if o.HTTP == nil {
		o.HTTP = &http.Client{Transport: connecting()}
	}
	if o.Direct == nil {
		o.Direct = o.HTTP
	}
	if o.Listed == nil {
		o.Listed = o.Direct
	}
	o.HTTP, o.Direct, o.Listed = staying(o.HTTP), staying(o.Direct), staying(o.Listed)
	if o.Attempts <= 0 {
		o.Attempts = maxAttempts
	}
	if o.Keep <= 0 {
		o.Keep = 12 * time.Hour
	}
	o.Keep = min(o.Keep, 24*time.Hour)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = uuid.NewString
	}
	if o.Pause == nil {
		o.Pause = wait.For
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	return &Client{o: o, known: map[string]remembered{}}
}

// connecting makes connections where the caller says nothing of how.
func connecting() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10, MaxIdleConnsPerHost: 4,
		IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true, HTTP2: egress.Pings()}
}

// staying follows no redirects: one would carry the patient and the token to
// another host.
func staying(client *http.Client) *http.Client {
	stays := *client
	stays.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &stays
}

// Reply is what a receiver answered with success.
type Reply struct {
	Status   int
	Resource *fhir.Resource // nil where there was none
	// Duplicate says that the receiver had carried the message out before: it is
	// delivered, but the answer to it is lost (BaRS Core 1.5, transactional
	// integrity).
	Duplicate bool
	Attempts  int
}

// call is one request of the standard.
type call struct {
	method, path string
	query        url.Values
	headers      Headers
	body         []byte
	accept       string // "": acceptCore
	message      bool   // a $process-message
}

// do makes a call, again under the same ids and with the same body where the
// sender rules say so.
func (c *Client) do(ctx context.Context, k call) (*Reply, error) {
	route := Route{Base: k.headers.Base}
	if route.Base == "" {
		var err error
		if route, err = c.o.Router.Route(ctx, k.headers.Target); err != nil {
			return nil, err
		}
	}
	for n := 1; ; n++ {
		reply, fault := c.attempt(ctx, route, k)
		if fault == nil {
			reply.Attempts = n
			return reply, nil
		}
		fault.Attempts = n
		if !fault.Again || n == c.o.Attempts || ctx.Err() != nil || fault.After > maxWait {
			return nil, fault
		}
		wait := min(time.Second<<min(n-1, 5), maxWait)
		wait = max(wait/2+time.Duration(c.o.Random()*float64(wait/2)), fault.After)
		if c.o.Pause(ctx, wait) != nil {
			return nil, fault
		}
	}
}

// attempt makes one request; one whose token was refused is made again with
// another.
func (c *Client) attempt(ctx context.Context, route Route, k call) (*Reply, *Fault) {
	reply, fault := c.request(ctx, route, k)
	if fault != nil && fault.token && c.o.Token != nil && route.Proxy {
		c.o.Token.Forget()
		return c.request(ctx, route, k)
	}
	return reply, fault
}

func (c *Client) request(ctx context.Context, route Route, k call) (*Reply, *Fault) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	address := route.Base + k.path
	if len(k.query) > 0 {
		address += "?" + k.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, k.method, address, bytes.NewReader(k.body))
	if err != nil {
		return nil, &Fault{Reason: "the address can't be called"}
	}
	k.headers.write(req.Header, c.o.Software)
	req.Header.Set("Accept", cmp.Or(k.accept, acceptCore))
	if k.body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	if c.o.Token != nil && route.Proxy {
		token, err := c.o.Token.Token(ctx)
		if err != nil {
			fault := &Fault{Again: true, Reason: "no access token can be had"}
			if closed := (*tokenFault)(nil); errors.As(err, &closed) {
				fault.Reason, fault.After = fault.Reason+": "+closed.Error(), closed.after
			}
			return nil, fault
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := c.o.Direct
	switch {
	case route.Proxy:
		client = c.o.HTTP
	case route.Listed:
		client = c.o.Listed
	}
	res, err := client.Do(req)
	if err != nil { // whether it arrived isn't known; the ids make a repetition safe
		return nil, &Fault{Again: true, Reason: unreachable(err)}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, &Fault{Status: res.StatusCode, Again: true, Reason: "the answer broke off"}
	case len(text) > maxAnswer:
		return nil, &Fault{Status: res.StatusCode, Again: slices.Contains(again, res.StatusCode), Reason: "the answer is larger than 6 MiB"}
	}
	return c.judge(k, res, text)
}

func unreachable(err error) string {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return "no answer in time"
	}
	return "the receiver can't be reached"
}

// judge reads an answer.
func (c *Client) judge(k call, res *http.Response, text []byte) (*Reply, *Fault) {
	var resource *fhir.Resource
	if len(bytes.TrimSpace(text)) > 0 {
		resource, _ = fhir.Parse(text)
	}
	echoed := equalFold(res.Header.Get(headerRequestID), k.headers.RequestID) &&
		equalFold(res.Header.Get(headerCorrelation), k.headers.Correlation)
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		if k.message && (resource == nil || resource.Type() != "Bundle") {
			return nil, &Fault{Status: res.StatusCode, Again: true, Reason: "the answer is no message"}
		}
		if k.message {
			if fault := refusedInside(res.StatusCode, resource); fault != nil {
				return nil, fault
			}
		}
		if resource == nil && k.method == http.MethodGet {
			return nil, &Fault{Status: res.StatusCode, Again: true, Reason: "the answer is no FHIR resource"}
		}
		return &Reply{Status: res.StatusCode, Resource: resource}, nil
	}
	fault := readFault(res.StatusCode, resource, echoed)
	fault.After = outbox.RetryAfter(res.Header, c.o.Now())
	// Reserved for what the receiver has had; anything like it proves nothing.
	if k.body != nil && echoed && res.StatusCode == http.StatusConflict && fault.Word == "REC_CONFLICT" && fault.Issue == "duplicate" {
		return &Reply{Status: res.StatusCode, Duplicate: true}, nil
	}
	return nil, fault
}

// Metadata reads a system's CapabilityStatement. It may be remembered.
func (c *Client) Metadata(ctx context.Context, h Headers) (*fhir.Resource, error) {
	return c.remember(ctx, call{method: http.MethodGet, path: "/metadata", headers: h.ids(c.o.NewID)})
}

// Process posts a message. Its headers stay as they are on every attempt, which
// is how the receiver tells a repetition; ids that are missing are made.
func (c *Client) Process(ctx context.Context, h Headers, bundle *fhir.Resource) (*Reply, error) {
	return c.do(ctx, call{method: http.MethodPost, path: "/$process-message", headers: h.ids(c.o.NewID), body: bundle.JSON(), message: true})
}

// Slots searches slots. They are never remembered.
func (c *Client) Slots(ctx context.Context, h Headers, query url.Values) (*fhir.Resource, error) {
	reply, err := c.do(ctx, call{method: http.MethodGet, path: "/Slot", query: query, headers: h.ids(c.o.NewID)})
	if err != nil {
		return nil, err
	}
	return reply.Resource, nil
}

// Read reads an Appointment or a ServiceRequest.
func (c *Client) Read(ctx context.Context, h Headers, typ, id string) (*fhir.Resource, error) {
	reply, err := c.do(ctx, call{method: http.MethodGet, path: "/" + typ + "/" + url.PathEscape(id), headers: h.ids(c.o.NewID)})
	if err != nil {
		return nil, err
	}
	return reply.Resource, nil
}

// Update puts an Appointment or a ServiceRequest as it was read, with another
// status.
func (c *Client) Update(ctx context.Context, h Headers, r *fhir.Resource) (*Reply, error) {
	return c.write(ctx, http.MethodPut, h, r.Type(), r.ID(), r)
}

// Patch merges a part of an Appointment or a ServiceRequest into it.
func (c *Client) Patch(ctx context.Context, h Headers, typ, id string, part *fhir.Resource) (*Reply, error) {
	return c.write(ctx, http.MethodPatch, h, typ, id, part)
}

func (c *Client) write(ctx context.Context, method string, h Headers, typ, id string, r *fhir.Resource) (*Reply, error) {
	return c.do(ctx, call{method: method, path: "/" + typ + "/" + url.PathEscape(id), headers: h.ids(c.o.NewID), body: r.JSON()})
}
