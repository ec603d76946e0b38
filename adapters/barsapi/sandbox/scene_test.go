package sandbox

import (
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store/sqlite"
)

const root = "http://onward.test"

// scene is the stand-ins over a store in memory, with a clock that stands.
type scene struct {
	t  *testing.T
	s  *Sandbox
	at *clock
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newScene(t *testing.T, change ...func(*Options)) *scene {
	t.Helper()
	db, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	at := &clock{now: time.Now().Truncate(time.Minute)} // the store has its own clock for what expires
	o := Options{Store: db, Root: root, Quota: -1, Spike: -1, Now: at.Now, Log: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	return &scene{t: t, s: New(o), at: at}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a *answer) json(t *testing.T) *fhir.Resource {
	t.Helper()
	res, err := fhir.Parse(a.body)
	require.NoError(t, err, "%d %s", a.status, a.body)
	return res
}

// code is the outcome's first code, issue its type.
func (a *answer) code(t *testing.T) (code, issue string) {
	o := a.json(t)
	require.Equal(t, "OperationOutcome", o.Type(), "%s", a.body)
	return o.Get("issue", "details", "coding", "code").Text(), o.Get("issue", "code").Text()
}

func base64JSON(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func targetHeader(system, value string) string {
	return base64JSON(`{"system":"` + system + `","value":"` + value + `"}`)
}

func organisationHeader(ods string) string {
	return base64JSON(`{"resourceType":"Organization","identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"` + ods + `"}],"name":"Sandbox"}`)
}

// headers are those of a request that lacks nothing.
func headers() http.Header {
	return http.Header{
		"X-Request-Id":               {uuid.NewString()},
		"X-Correlation-Id":           {uuid.NewString()},
		"Nhsd-Target-Identifier":     {targetHeader(nhs.SystemDoS, "2000099999")},
		"Nhsd-End-User-Organisation": {organisationHeader("A1001")},
		"Accept":                     {"application/fhir+json; version=1.5.0"},
	}
}

// with is headers with some set ("Name: value") and some gone ("Name:").
func with(changes ...string) http.Header {
	h := headers()
	for _, change := range changes {
		name, value, _ := strings.Cut(change, ":")
		if h.Del(name); strings.TrimSpace(value) != "" {
			h.Set(name, strings.TrimSpace(value))
		}
	}
	return h
}

// do sends a request to the proxy.
func (sc *scene) do(method, path string, h http.Header, body string) *answer {
	sc.t.Helper()
	return sc.to(ProxyPath+path, method, h, body)
}

func (sc *scene) to(path, method string, h http.Header, body string) *answer {
	sc.t.Helper()
	return ask(sc.t, sc.s.Handler(), method, path, h, body)
}

func ask(t *testing.T, handler http.Handler, method, path string, h http.Header, body string) *answer {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for name, values := range h {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	if body != "" && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/fhir+json;version=1.1.0")
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return &answer{w.Code, w.Header(), w.Body.Bytes()}
}

// receiver is a receiver that remembers the last request and answers as told.
type receiver struct {
	url  string
	mu   sync.Mutex
	last *http.Request
	body string
}

func newReceiver(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	rec := &receiver{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		rec.mu.Lock()
		rec.last, rec.body = r, string(body)
		rec.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	rec.url = server.URL
	return rec
}

func (rec *receiver) seen() (*http.Request, string) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return rec.last, rec.body
}

// routed lets a target lead to a base URL.
func routed(base string) func(*Options) {
	return func(o *Options) {
		o.Routes = map[nhs.ServiceID]string{{System: nhs.SystemDoS, Value: "2000099999"}: base}
	}
}

func ok(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/fhir+json")
	_, _ = io.WriteString(w, `{"resourceType":"Bundle","type":"message"}`)
}
