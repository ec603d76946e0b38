package tester

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
)

// answerWithin is the standard's time for an answer (BaRS Core, non-functional
// requirements), with a second for the network.
const answerWithin = 6 * time.Second

// session is one run.
type session struct {
	Options
	ctx      context.Context
	recorder *recorder
	client   *http.Client
	claims   claims
	made     []*creation
	slots    []slot // free ones that no case has used yet
	shared   *shared
}

// answer is what came back.
type answer struct {
	status   int
	header   http.Header
	body     []byte
	resource *fhir.Resource // nil where it isn't JSON of one
	took     time.Duration
	fault    error // what every answer must keep and this one doesn't
}

// request is what a case sends.
type request struct {
	method, path string
	header       http.Header
	body         []byte
}

// get makes a GET with all the headers of the standard.
func (s *session) get(path string) *request {
	return &request{method: http.MethodGet, path: path, header: s.headers()}
}

// with makes a request that has a body.
func (s *session) with(method, path string, body []byte) *request {
	r := &request{method: method, path: path, header: s.headers(), body: body}
	r.header.Set("Content-Type", "application/fhir+json; version=1.1.0")
	return r
}

// post sends a message.
func (s *session) post(m message) *request {
	r := s.with(http.MethodPost, "/$process-message", m.json())
	r.header.Set("use-context", m.useContext())
	return r
}

// headers are those of BaRS Core, with new transaction ids.
func (s *session) headers() http.Header {
	h := http.Header{}
	h.Set("Accept", "application/fhir+json; version=1.5.0")
	h.Set("X-Request-Id", s.NewID())
	h.Set("X-Correlation-Id", s.NewID())
	h.Set("NHSD-Target-Identifier", targetHeader(s.System, s.Service))
	h.Set("NHSD-End-User-Organisation", organisationHeader(s.Organisation))
	h.Set("NHSD-Requesting-Software", softwareHeader)
	return h
}

func encode(v any) string {
	text, _ := json.Marshal(v) // maps of strings
	return base64.StdEncoding.EncodeToString(text)
}

func targetHeader(system, value string) string {
	return encode(map[string]string{"system": system, "value": value})
}

func organisationHeader(ods string) string {
	return encode(map[string]any{"resourceType": "Organization", "name": "Test sender",
		"identifier": []any{map[string]string{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": ods}}})
}

var softwareHeader = encode(map[string]any{"resourceType": "Device",
	"identifier": []any{map[string]string{"system": "https://supplier.example/Id/device", "value": "ONWARD-CONFORM"}},
	"deviceName": map[string]string{"name": "onward conform", "type": "manufacturer-name"}, "version": map[string]string{"value": "1"}})

// do sends a request and checks what holds for every answer.
func (s *session) do(r *request) (*answer, error) {
	took := new(time.Duration)
	req, err := http.NewRequestWithContext(context.WithValue(s.ctx, tookKey{}, took), r.method, s.Base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no answer to %s %s", r.method, r.path)
	}
	defer res.Body.Close()
	a := &answer{status: res.StatusCode, header: res.Header, took: *took}
	if a.body, err = io.ReadAll(res.Body); err != nil {
		return nil, fmt.Errorf("the answer to %s %s broke off", r.method, r.path)
	}
	if found, err := fhir.Parse(a.body); err == nil {
		a.resource = found
	}
	a.fault = a.always(r)
	return a, nil
}

// always checks what BaRS Core demands of every answer: both ids verbatim, a
// FHIR media type, an outcome with every error, and an answer in time.
func (a *answer) always(r *request) error {
	for _, name := range []string{"X-Request-Id", "X-Correlation-Id"} {
		if sent := r.header.Get(name); sent != "" && a.header.Get(name) != sent {
			return fmt.Errorf("%s isn't echoed as it was sent (HTTP response headers)", name)
		}
	}
	if a.took > answerWithin {
		return fmt.Errorf("the answer took %v; a receiver has 5 s", a.took.Round(time.Millisecond))
	}
	if typ, _, err := mime.ParseMediaType(a.header.Get("Content-Type")); err != nil || typ != "application/fhir+json" && typ != "application/fhir+xml" {
		return errors.New("the answer's Content-Type is not a FHIR one")
	}
	if a.status/100 == 2 && a.resource != nil && a.resource.Type() == "OperationOutcome" && r.method != http.MethodDelete && !a.informs() {
		return errors.New("a failure is answered with a status of success")
	}
	if a.status >= 400 {
		return a.outcome()
	}
	return nil
}

// informs says whether an outcome says that something was done.
func (a *answer) informs() bool {
	issues := a.resource.Get("issue")
	for issue := range issues.Items() {
		if issue.Get("severity").Text() != "information" {
			return false
		}
	}
	return issues.Len() > 0
}

// outcome checks the form of an error (BaRS Core, error handling).
func (a *answer) outcome() error {
	if a.resource == nil || a.resource.Type() != "OperationOutcome" {
		return errors.New("the error has no OperationOutcome")
	}
	issues := 0
	for issue := range a.resource.Get("issue").Items() {
		issues++
		codes := 0
		for c := range issue.Get("details").Get("coding").Items() {
			if strings.EqualFold(c.Get("system").Text(), "https://fhir.nhs.uk/CodeSystem/http-error-codes") {
				codes++
			}
		}
		if codes != 1 {
			return errors.New("an issue must have exactly one coding of http-error-codes")
		}
		text := issue.Get("diagnostics").Text()
		if text == "" {
			return errors.New("an issue has no diagnostics")
		}
		for _, private := range []string{"9000000009", "Sandy", "ZZ99 3VZ", "1980-02-29", "goroutine ", "at java.", "Traceback"} {
			if strings.Contains(text, private) {
				return errors.New("the diagnostics hold patient data or a stack trace")
			}
		}
	}
	if issues == 0 {
		return errors.New("the OperationOutcome has no issue")
	}
	return nil
}

// succeeds sends a request that must be answered 200.
func (s *session) succeeds(r *request) (*answer, error) {
	a, err := s.do(r)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return a, fmt.Errorf("%s %s is answered %d, wanted 200", r.method, r.path, a.status)
	}
	return a, a.fault
}

// want is how something is refused; issues are the codes that are right. Where
// the standard leaves the answer open, or is another right one; an empty code and
// no issues are any.
type want struct {
	status int
	code   string
	issues []string
	or     *want
}

func bad(issues ...string) want { return want{400, "REC_BAD_REQUEST", issues, nil} }

var (
	conflict    = want{409, "REC_CONFLICT", []string{"conflict"}, nil}
	duplicate   = want{409, "REC_CONFLICT", []string{"duplicate"}, nil}
	unknown     = want{404, "REC_NOT_FOUND", []string{"not-found"}, nil}
	unsupported = want{422, "REC_UNPROCESSABLE_ENTITY", []string{"not-supported"}, nil}
	denied      = want{401, "REC_UNAUTHORIZED", []string{"forbidden", "security"}, nil}
)

// refused sends a request that must be refused.
func (s *session) refused(r *request, w want) error {
	a, err := s.do(r)
	if err != nil {
		return err
	}
	return a.refused(w)
}

func (a *answer) refused(w want) error {
	if a.status != w.status && w.or != nil {
		return a.refused(*w.or)
	}
	if a.status != w.status {
		return fmt.Errorf("answered %d, wanted %d", a.status, w.status)
	}
	if a.fault != nil {
		return a.fault
	}
	for issue := range a.resource.Get("issue").Items() {
		code := issue.Dig("details", "coding").At(0).Get("code").Text()
		if w.code != "" && code != w.code {
			return fmt.Errorf("the outcome's code is %s, wanted %s", clip(code), w.code)
		}
		if found := issue.Get("code").Text(); w.issues != nil && !slices.Contains(w.issues, found) {
			return fmt.Errorf("the issue's code is %s, wanted %s", clip(found), strings.Join(w.issues, " or "))
		}
	}
	return nil
}

// clip is a code of an answer for a report.
func clip(text string) string {
	if text == "" {
		return "missing"
	}
	return text[:min(len(text), 60)]
}
