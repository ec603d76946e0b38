package rest_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
)

// direct calls the handler without a network, for bodies that no client sends.
func direct(h http.Handler, method, path string, body io.Reader, headers ...string) answer {
	r := httptest.NewRequest(method, path, body)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

func TestAKnownPathRefusesOtherMethodsAndListsItsOwn(t *testing.T) {
	s := newScene(t, func(o *rest.Options) { o.Metadata = http.NotFoundHandler() })
	s.patient("a", "male")
	for _, c := range []struct{ path, allow, methods string }{
		{"", "GET, HEAD, POST", "PUT DELETE PATCH"},
		{"/", "GET, HEAD, POST", "PUT DELETE PATCH"},
		{"/metadata", "GET, HEAD", "POST PUT DELETE PATCH"},
		{"/_history", "GET, HEAD", "POST PUT DELETE PATCH"},
		{"/_search", "POST", "GET PUT DELETE PATCH"},
		{"/Patient", "GET, HEAD, POST", "PUT DELETE PATCH FOO"},
		{"/Patient/_search", "POST", "GET HEAD PUT DELETE PATCH"},
		{"/Patient/_history", "GET, HEAD", "POST PUT DELETE PATCH"},
		{"/Patient/a", "GET, HEAD, PUT, PATCH, DELETE", "POST"},
		{"/Patient/a/_history", "GET, HEAD", "POST PUT DELETE PATCH"},
		{"/Patient/a/Observation", "GET, HEAD", "POST PUT DELETE PATCH"},
		{"/Patient/a/*", "GET, HEAD", "POST PUT DELETE PATCH"},
		{"/Patient/a/Observation/_search", "POST", "GET PUT DELETE PATCH"},
		{"/Patient/a/$everything", "GET, HEAD, POST", "PUT DELETE PATCH"},
		{"/Patient/$validate", "POST", "GET HEAD PUT DELETE PATCH"},
		{"/Patient/a/$validate", "POST", "GET HEAD PUT DELETE PATCH"},
		{"/Patient/a/_history/1", "GET, HEAD", "POST PUT DELETE PATCH"},
	} {
		allow := strings.TrimPrefix(c.allow+", OPTIONS", ", ")
		for _, method := range strings.Fields(c.methods) {
			a := s.do(method, c.path, "")
			require.Equal(t, 405, a.status, method+" "+c.path)
			require.Equal(t, []string{allow}, a.header.Values("Allow"), method+" "+c.path)
			if method != "HEAD" {
				a.refused(t, 405, "not-supported")
			}
		}
		a := s.do("OPTIONS", c.path, "", "Origin: https://other.example", "Accept: text/html")
		require.Equal(t, []any{204, "", allow}, []any{a.status, a.body, a.header.Get("Allow")}, c.path)
		require.Equal(t, strings.Contains(allow, "PATCH"), a.header.Get("Accept-Patch") != "", c.path)
		require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
	}
	require.Equal(t, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", s.do("OPTIONS", "/Patient?_id=a", "").header.Get("Allow"), "criteria make more possible")
	for _, path := range []string{"/Encounter", "/nothing/here/at/all", "/Patient/_nothing"} {
		require.Equal(t, 404, s.do("OPTIONS", path, "").status, path)
	}
}

func TestWhatFHIRDefinesAndWeDoNotOfferIsRefusedWith501(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	patient := `{"resourceType":"Patient","id":"a"}`
	for _, c := range []struct{ method, path, header string }{
		{"GET", "/Patient/$everything", ""},
		{"POST", "/Patient/$everything", ""},
		{"GET", "/Observation/o/$everything", ""},
		{"GET", "/?_type=Patient", `If-Match: W/"1"`},
		{"PATCH", "/Patient/a", `If-None-Match: *`},
		{"POST", "/Patient", `If-Match: W/"1"`},
		{"POST", "/Patient", `If-None-Match: *`},
		{"PUT", "/Patient/a", `If-None-Match: W/"1"`},
		{"PUT", "/Patient?_id=a", `If-None-Match: *`},
		{"PUT", "/Patient/a", "If-Unmodified-Since: Sun, 01 Mar 2026 09:30:00 GMT"},
		{"PUT", "/Patient/a", "If-Modified-Since: Sun, 01 Mar 2026 09:30:00 GMT"},
		{"PUT", "/Patient/a", "If-None-Exist: identifier=x"},
		{"DELETE", "/Patient/a", `If-None-Match: W/"1"`},
		{"DELETE", "/Patient/a", "If-Unmodified-Since: Sun, 01 Mar 2026 09:30:00 GMT"},
		{"GET", "/Patient/a", `If-Match: W/"1"`},
		{"GET", "/Patient", `If-Match: W/"1"`},
		{"GET", "/Patient/a/_history", `If-Unmodified-Since: Sun, 01 Mar 2026 09:30:00 GMT`},
		{"POST", "/Patient/_search", "If-None-Exist: identifier=x"},
	} {
		body := patient
		if c.method == "GET" {
			body = ""
		}
		var headers []string
		if c.header != "" {
			headers = []string{c.header}
		}
		a := s.send(c.method, c.path, body, headers...)
		require.Equal(t, 501, a.status, fmt.Sprint(c, a.body))
		a.refused(t, 501, "not-supported")
	}
	require.Len(t, s.backend.records, 1)
	require.Len(t, s.backend.records["Patient/a"], 1)
}

func TestUnknownPathsAndTypesAre404(t *testing.T) {
	s := newScene(t)
	for _, path := range []string{
		"/Foo", "/Foo/1", "/Foo/_search", "/Foo/1/_history", "/Encounter/1", "/patient/1", "/metadata", "/Patient/", "/Patient/a/", "/Patient//a", "/Patient/a/_history/1/", "/Patient/a/_history/1/x/y",
		"/Patient/a/b", "/Patient/a/_history/1/x", "/Patient/a/$everything", "/Patient/a/$nothing", "/Patient/a/Encounter", "/Observation/o/Patient", "/Observation/o/*", "/Patient/a/Binary", "/Patient/a/**", "/$process-message", "//Patient/a",
		"/Patient/../Patient/a", "/Patient/_reserved", "/%50atient%2Fa", "/Foo%",
	} {
		req, err := http.NewRequest("GET", s.url, nil)
		require.NoError(t, err)
		req.URL.Opaque = "//" + req.URL.Host + "/FHIR/R4" + path
		res, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		res.Body.Close()
		if path == "/Foo%" { // net/http itself refuses this request line
			require.Equal(t, 400, res.StatusCode)
			continue
		}
		answer{res.StatusCode, res.Header, string(text)}.refused(t, 404, "not-found")
	}
}

func TestAnIDInThePathMustBeAFHIRID(t *testing.T) {
	s := newScene(t)
	s.patient("a-1", "male")
	require.Equal(t, 200, s.do("GET", "/Patient/a%2D1", "").status, "an escape is only a spelling")
	for _, id := range []string{"a_b", "a%20b", "a%2Fb", "%C3%A9", strings.Repeat("a", 65), "a:b", "%00"} {
		for _, path := range []string{"/Patient/" + id, "/Patient/" + id + "/_history", "/Patient/" + id + "/_history/1"} {
			text := s.do("GET", path, "").refused(t, 400, "value")
			require.NotContains(t, text, id)
		}
		s.send("PUT", "/Patient/"+id, `{"resourceType":"Patient"}`).refused(t, 400, "value")
		s.do("DELETE", "/Patient/"+id, "").refused(t, 400, "value")
	}
}

func TestAQueryBeyondAllMeasureIsRefused(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	for _, path := range []string{"/Patient/a", "/Patient", "/Patient/a/_history"} {
		require.Equal(t, 200, s.do("GET", path+"?_pretty=true", "").status)
		s.do("GET", path+"?_pretty=true&"+strings.Repeat("&", 33<<10), "").refused(t, 422, "too-costly")
	}
}

func TestMetadataIsAnsweredByItsHandler(t *testing.T) {
	const statement = `{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1"}`
	answers := func(status int, typ, body string) func(*rest.Options) {
		return func(o *rest.Options) {
			o.Metadata = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", typ)
				if status != 200 {
					w.WriteHeader(status)
				}
				if r.Method != http.MethodHead {
					_, _ = io.WriteString(w, body)
				}
			})
		}
	}
	s := newScene(t, answers(200, rest.ContentType, statement))
	require.Equal(t, statement, s.do("GET", "/metadata", "").body)
	a := s.do("GET", "/metadata?_format=xml", "")
	require.Equal(t, "xml", a.format(t))
	require.Contains(t, a.body, `<CapabilityStatement xmlns="http://hl7.org/fhir"><fhirVersion value="4.0.1"/></CapabilityStatement>`)
	head := s.do("HEAD", "/metadata?_format=xml", "")
	require.Equal(t, a.header.Get("Content-Length"), head.header.Get("Content-Length"))
	require.Equal(t, 406, s.do("GET", "/metadata?_format=ttl", "").status)

	a = newScene(t, answers(503, "text/plain", "no statement")).do("GET", "/metadata?_format=xml", "")
	require.Equal(t, []any{503, "text/plain", "no statement"}, []any{a.status, a.header.Get("Content-Type"), a.body}, "what isn't FHIR is passed on")
	a = newScene(t, answers(503, rest.ContentType, `{"resourceType":"OperationOutcome"}`)).do("GET", "/metadata?_format=xml", "")
	require.Equal(t, []any{503, "xml"}, []any{a.status, a.format(t)}, "an error of its own")
	s.do("GET", "/metadata?a=%zz", "").refused(t, 400, "invalid")
	broken := newScene(t, answers(200, rest.ContentType, `{"resourceType":"CapabilityStatement","x":1}`)).do("GET", "/metadata?_format=xml", "")
	require.Equal(t, 406, broken.status)
	newScene(t).do("GET", "/metadata", "").refused(t, 404, "not-found")
}

func TestABodyThatIsNotTheResourceIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		body       string
		post, put  string // issue codes; "" is taken
		expression string
	}{
		"empty":                     {"", "structure", "structure", ""},
		"not JSON":                  {`{"resourceType":"Patient",}`, "structure", "structure", ""},
		"an array":                  {`[]`, "structure", "structure", ""},
		"text after the end":        {`{"resourceType":"Patient","id":"a"}x`, "structure", "structure", ""},
		"a member twice":            {`{"resourceType":"Patient","id":"a","id":"a"}`, "structure", "structure", ""},
		"no resourceType":           {`{"id":"a"}`, "structure", "structure", "resourceType"},
		"resourceType not a string": {`{"resourceType":["Patient"],"id":"a"}`, "structure", "structure", "resourceType"},
		"another resourceType":      {`{"resourceType":"Observation","id":"a"}`, "invalid", "invalid", "resourceType"},
		"another id":                {`{"resourceType":"Patient","id":"b"}`, "", "invalid", "Patient.id"},
		"no id":                     {`{"resourceType":"Patient"}`, "", "invalid", "Patient.id"},
		"id not a string":           {`{"resourceType":"Patient","id":1}`, "", "invalid", "Patient.id"},
		"too deep":                  {`{"resourceType":"Patient","id":"a","x":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`, "too-costly", "too-costly", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			for _, try := range []struct{ method, path, code string }{{"POST", "/Patient", c.post}, {"PUT", "/Patient/a", c.put}} {
				a := s.send(try.method, try.path, c.body)
				if try.code == "" {
					require.Equal(t, 201, a.status, a.body)
					continue
				}
				a.refused(t, 400, try.code)
				require.Equal(t, c.expression, a.resource(t).Get("issue").At(0).Get("expression").At(0).Text())
			}
			require.Empty(t, s.backend.records["Patient/a"])
		})
	}
}

// endless is a body that never ends; it counts what was read of it.
type endless struct{ read int64 }

func (e *endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	e.read += int64(len(b))
	return len(b), nil
}

func TestABodyOverTheLimitIsNotReadFurther(t *testing.T) {
	const limit = 100 << 10
	backend := newMemory(time.Now)
	h := rest.New(backend, rest.Options{BaseURL: base, Types: []string{"Patient"}, MaxBody: limit})
	for name, c := range map[string]struct{ length, most int64 }{
		"announced":                       {limit + 1, 0},
		"in chunks":                       {-1, limit + 4096},
		"with a Content-Length that lies": {10, limit + 4096},
	} {
		t.Run(name, func(t *testing.T) {
			body := &endless{}
			r := httptest.NewRequest("POST", "/Patient", body)
			r.Header.Set("Content-Type", asJSON)
			r.ContentLength = c.length
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			answer{w.Code, w.Header(), w.Body.String()}.refused(t, 413, "too-long")
			require.Equal(t, "close", w.Header().Get("Connection"))
			require.LessOrEqual(t, body.read, c.most)
		})
	}
	require.Empty(t, backend.records)
}

func TestABodyUpToTheLimitIsTaken(t *testing.T) {
	text := `{"resourceType":"Patient"}`
	s := newScene(t, func(o *rest.Options) { o.MaxBody = int64(len(text)) })
	require.Equal(t, 201, s.send("POST", "/Patient", text).status)
	s.send("POST", "/Patient", text+" ").refused(t, 413, "too-long")

	chunked := func(body string) int {
		req, err := http.NewRequest("POST", s.url+"/Patient", io.MultiReader(strings.NewReader(body)))
		require.NoError(t, err)
		req.Header.Set("Content-Type", asJSON)
		res, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		defer res.Body.Close()
		return res.StatusCode
	}
	require.Equal(t, 201, chunked(text))
	require.Equal(t, 413, chunked(text+" "))

	big := newScene(t)
	filler := strings.Repeat("x", 4<<20)
	a := big.send("POST", "/Patient", `{"resourceType":"Patient","x":"`+filler+`"}`)
	require.Equal(t, 201, a.status)
	require.Equal(t, `{"resourceType":"Patient","id":"new-1","meta":`+stampText+`,"x":"`+filler+`"}`, big.do("GET", "/Patient/new-1", "").body)
	big.send("POST", "/Patient", `{"resourceType":"Patient","x":"`+filler+filler+`"}`).refused(t, 413, "too-long")
}

func TestABodyThatBreaksOffIsRefused(t *testing.T) {
	h := rest.New(newMemory(time.Now), rest.Options{BaseURL: base, Types: []string{"Patient"}})
	for _, cause := range []error{io.ErrUnexpectedEOF, errors.New("secret")} {
		body := io.MultiReader(strings.NewReader(`{"resourceType":"Patient"}`), failing{cause})
		a := direct(h, "POST", "/Patient", body, "Content-Type: "+asJSON)
		require.NotContains(t, a.refused(t, 400, "invalid"), "secret")
	}
	direct(h, "POST", "/Patient", failing{os.ErrDeadlineExceeded}, "Content-Type: "+asJSON).refused(t, 408, "timeout")
}

func TestWritesTakeNoUnknownParameters(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	body := `{"resourceType":"Patient","id":"a"}`
	s.send("POST", "/Patient?identifier=x", body).refused(t, 400, "not-supported")
	s.send("PUT", "/Patient/a?identifier=x", body).refused(t, 400, "not-supported")
	s.do("DELETE", "/Patient/a?_cascade=delete", "").refused(t, 400, "not-supported")
	require.Len(t, s.backend.records["Patient/a"], 1)
	require.Equal(t, 200, s.send("PUT", "/Patient/a?_format=json&_pretty=false", body).status)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestTheHostHeaderNeverReachesAnAnswer(t *testing.T) {
	s := newScene(t)
	h := rest.New(s.backend, rest.Options{BaseURL: base + "/", Types: []string{"Patient"}})
	for _, try := range []struct{ method, path, body string }{
		{"POST", "/Patient", `{"resourceType":"Patient"}`}, {"GET", "/Patient", ""}, {"GET", "/Patient/new-1/_history", ""},
	} {
		r := httptest.NewRequest(try.method, "https://evil.example"+try.path, strings.NewReader(try.body))
		r.Header.Set("Content-Type", asJSON)
		r.Header.Set("X-Forwarded-Host", "evil.example")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Less(t, w.Code, 300)
		all := fmt.Sprint(w.Header(), w.Body)
		require.NotContains(t, all, "evil")
		require.Contains(t, all, base+"/Patient")
	}
}

func TestABaseURLThatIsNotAbsoluteIsAFaultOfTheWiring(t *testing.T) {
	for _, url := range []string{"", "/FHIR/R4", "onward.example/FHIR", "://"} {
		require.Panics(t, func() { rest.New(newMemory(time.Now), rest.Options{BaseURL: url}) }, url)
	}
}

func TestBackendErrorsAreRenderedByTheirKind(t *testing.T) {
	s := newScene(t)
	for _, kind := range fhir.Kinds() {
		s.backend.fail = fmt.Errorf("wrapped: %w", fhir.NewOutcome(kind, "Patient.name", "the rule").Because(errors.New("secret")))
		a := s.do("GET", "/Patient/a", "")
		a.refused(t, kind.Row().Status, kind.Row().Issue)
		require.NotContains(t, a.body, "secret")
	}
	s.backend.fail = errors.New("secret")
	for _, a := range []answer{
		s.do("GET", "/Patient/a", ""), s.do("GET", "/Patient", ""), s.do("GET", "/Patient/a/_history", ""), s.do("DELETE", "/Patient/a", ""),
		s.send("POST", "/Patient", `{"resourceType":"Patient"}`), s.send("PUT", "/Patient/a", `{"resourceType":"Patient","id":"a"}`),
	} {
		require.NotContains(t, a.refused(t, 500, "exception"), "secret")
	}
}
