package rest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/search"
)

const (
	base     = "https://onward.example/FHIR/R4"
	bundleID = "0e0e0e0e-0000-4000-8000-00000000b0b0"
	asJSON   = "application/fhir+json"
)

var start = time.Date(2026, 3, 1, 9, 30, 0, 250_000_000, time.UTC)

// scene is a server over a memory Backend, mounted as cmd mounts it.
type scene struct {
	t       *testing.T
	backend *memory
	now     time.Time
	url     string
}

func newScene(t *testing.T, set ...func(*rest.Options)) *scene {
	t.Helper()
	s := &scene{t: t, now: start}
	s.backend = newMemory(func() time.Time { return s.now })
	o := rest.Options{
		BaseURL: base,
		Types:   []string{"Patient", "Observation", "Binary"},
		Clock:   func() time.Time { return s.now },
		NewID:   func() string { return bundleID },
		Search:  search.Options{Base: base},
	}
	for _, f := range set {
		f(&o)
	}
	server := httptest.NewServer(http.StripPrefix("/FHIR/R4", rest.New(s.backend, o)))
	t.Cleanup(server.Close)
	s.url = server.URL + "/FHIR/R4"
	return s
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// transport follows no redirect and asks for no compression unless the test does.
var transport = &http.Transport{DisableCompression: true}

// do sends a request; headers are "Name: value" lines.
func (s *scene) do(method, path, body string, headers ...string) answer {
	s.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, s.url+path, in)
	require.NoError(s.t, err)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
	}
	res, err := transport.RoundTrip(req)
	require.NoError(s.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	return answer{res.StatusCode, res.Header, string(text)}
}

func (s *scene) send(method, path, body string, headers ...string) answer {
	s.t.Helper()
	return s.do(method, path, body, append([]string{"Content-Type: " + asJSON}, headers...)...)
}

func (s *scene) tick() { s.now = s.now.Add(time.Minute) }

// patient stores a Patient under an id and moves the clock on.
func (s *scene) patient(id, gender string) {
	s.t.Helper()
	a := s.send("PUT", "/Patient/"+id, `{"resourceType":"Patient","id":"`+id+`","gender":"`+gender+`"}`)
	require.Less(s.t, a.status, 300, a.body)
	s.tick()
}

// refused checks that the answer is an OperationOutcome with this status and
// code and returns its diagnostics.
func (a answer) refused(t *testing.T, status int, code string) string {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	require.Equal(t, rest.ContentType, a.header.Get("Content-Type"))
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	r := a.resource(t)
	require.Equal(t, "OperationOutcome", r.Type())
	require.Equal(t, "error", r.Get("issue", "severity").Text())
	require.Equal(t, code, r.Get("issue", "code").Text(), a.body)
	require.NotEmpty(t, r.Get("issue", "diagnostics").Text())
	return r.Get("issue", "diagnostics").Text()
}

func (a answer) resource(t *testing.T) *fhir.Resource {
	t.Helper()
	r, err := fhir.Parse([]byte(a.body))
	require.NoError(t, err, a.body)
	return r
}

// links returns a Bundle's links by relation.
func (a answer) links(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for l := range a.resource(t).Get("link").Items() {
		all[l.Get("relation").Text()] = l.Get("url").Text()
	}
	return all
}
