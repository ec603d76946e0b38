package testscript

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
)

// Bounds of what a server under test can make the runner do.
const (
	maxAnswer  = 8 << 20 // bytes of one answer
	askFor     = 15 * time.Second
	maxMessage = 300 // bytes of an answer's value in a message
)

// Options configure a Runner. Only Base has no default.
type Options struct {
	// Base is the server's FHIR base URL, without a closing slash.
	Base string
	// Variables override the defaultValue of variables by name, such as one that
	// makes a run's identifiers its own.
	Variables map[string]string
	// Transport sends the requests. Default: http.DefaultTransport.
	Transport http.RoundTripper
	// Timeout bounds one request, with what Transport waits for. Default: 15 s.
	Timeout time.Duration
}

// Runner runs scripts against one server, one at a time.
type Runner struct {
	o      Options
	client *http.Client
}

// New makes a Runner.
func New(o Options) *Runner {
	o.Base = strings.TrimRight(o.Base, "/")
	return &Runner{o: o, client: &http.Client{
		Timeout:   cmp.Or(o.Timeout, askFor),
		Transport: o.Transport,
		// An answer is judged as it came: a redirect is one too.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Run carries out a script: autocreate and setup, then every test even when
// another failed, then teardown and autodelete. Where setup fails no test runs
// and each counts as failed. ctx ends it early.
func (r *Runner) Run(ctx context.Context, s *Script) *Report {
	run := &run{Runner: r, script: s, ctx: ctx, answers: map[string]*answer{}, created: map[string]*answer{}}
	report := &Report{Script: s.ID, Title: s.Title}
	setup := run.all("setup", "", append(run.autocreate(), s.setup...))
	if !setup.Passed() {
		report.Tests = append(report.Tests, setup)
	}
	for _, t := range s.Tests {
		if !setup.Passed() {
			report.Tests = append(report.Tests, TestResult{Name: t.Name, Requirement: t.Description, Steps: []Step{{
				Verdict: Failed, What: "setup", Message: "not run, because the setup failed",
			}}})
			continue
		}
		report.Tests = append(report.Tests, run.all(t.Name, t.Description, t.actions))
	}
	if end := run.teardown(); !end.Passed() {
		report.Tests = append(report.Tests, end)
	}
	return report
}

// run is the state of one script's run.
type run struct {
	*Runner
	script  *Script
	ctx     context.Context
	answers map[string]*answer // by responseId
	created map[string]*answer // what the server answered to a fixture's create or update
	last    *answer
}

// answer is what came back for a request.
type answer struct {
	request  string // method and URL
	status   int
	header   http.Header
	body     []byte
	resource *fhir.Resource // nil where the body isn't one
}

func (r *run) autocreate() []action {
	var list []action
	for _, f := range r.script.fixtures {
		if f.autocreate {
			o := &operation{code: "create", method: http.MethodPost, sourceID: f.id, label: "autocreate " + f.id, encode: true}
			list = append(list, action{operation: o}, action{assert: &assertion{operator: "in", responseCode: "200,201", description: "the fixture " + f.id + " is created"}})
		}
	}
	return list
}

// teardown carries out all of its operations, whatever fails, and judges none
// of their answers.
func (r *run) teardown() TestResult {
	result := TestResult{Name: "teardown"}
	list := r.script.teardown
	for i := len(r.script.fixtures) - 1; i >= 0; i-- {
		if f := r.script.fixtures[i]; f.autodelete && r.created[f.id] != nil {
			list = append(list, action{operation: &operation{code: "delete", method: http.MethodDelete, targetID: f.id, label: "autodelete " + f.id, encode: true}})
		}
	}
	for _, a := range list {
		result.Steps = append(result.Steps, r.operate(a.operation))
	}
	return result
}

// all carries actions out until one fails.
func (r *run) all(name, requirement string, list []action) TestResult {
	result := TestResult{Name: name, Requirement: requirement}
	for _, a := range list {
		var s Step
		if a.operation != nil {
			s = r.operate(a.operation)
		} else {
			s = r.judge(a.assert)
		}
		result.Steps = append(result.Steps, s)
		if s.Verdict == Failed {
			break
		}
	}
	return result
}

// operate sends an operation's request and keeps the answer.
func (r *run) operate(o *operation) Step {
	s := Step{What: "operation " + o.label, Verdict: Passed}
	if o.label == "" {
		s.What = "operation " + o.code
	}
	req, err := r.request(o)
	if err != nil {
		s.Verdict, s.Message = Failed, err.Error()
		return s
	}
	s.Request = req.Method + " " + req.URL.String()
	a, err := r.send(req)
	if err != nil {
		r.last = nil
		s.Verdict, s.Message = Failed, err.Error()
		return s
	}
	s.Status, r.last = a.status, a
	if o.responseID != "" {
		r.answers[o.responseID] = a
	}
	if id := keeps(o); id != "" && a.status/100 == 2 {
		r.created[id] = a
	}
	return s
}

// keeps names the fixture whose record the answer describes.
func keeps(o *operation) string {
	if o.code == "create" || o.code == "update" || o.code == "updateCreate" {
		return o.sourceID
	}
	return ""
}

func (r *run) send(req *http.Request) (*answer, error) {
	res, err := r.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no answer: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("the answer broke off: %w", err)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	}
	a := &answer{request: req.Method + " " + req.URL.String(), status: res.StatusCode, header: res.Header, body: body}
	if found, err := fhir.Parse(body); err == nil {
		a.resource = found
	}
	return a, nil
}
