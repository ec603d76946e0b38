package tester

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/onward-health/onward/conformance/scripts"
	"github.com/onward-health/onward/conformance/testscript"
)

// ErrNotReachable says that nothing answers at the base URL.
var ErrNotReachable = errors.New("the receiver is not reachable")

// errSkip ends a case that can't be decided.
type errSkip struct{ why string }

func (e errSkip) Error() string { return e.why }

// Case is one requirement with what tries it.
type Case struct {
	ID          string
	Requirement string
	needs       []string
	run         func(*session) error
}

// Run tests a receiver. The error is ErrNotReachable, or one of the context.
func Run(ctx context.Context, o Options) (*Report, error) {
	s, report := begin(ctx, o)
	report.Service = s.System + "|" + s.Service
	if err := s.readClaims(); err != nil {
		return nil, err
	}
	report.Software = s.claims.software
	s.recorder.take()
	all, err := scripts.BaRS()
	if err != nil {
		return nil, err
	}
	for _, script := range all {
		s.script(report, script, s.needsOf(script.ID))
	}
	for _, c := range Cases() {
		s.try(report, c)
	}
	report.Remains = s.tidy()
	s.recorder.take()
	return report, ctx.Err()
}

// RunFHIR runs the TestScripts of plain FHIR's REST API on a server.
func RunFHIR(ctx context.Context, o Options) (*Report, error) {
	s, report := begin(ctx, o)
	a, err := s.do(&request{method: http.MethodGet, path: "/metadata", header: http.Header{"Accept": {"application/fhir+json"}}})
	if err != nil {
		return nil, errors.Join(ErrNotReachable, err)
	}
	if a.resource != nil {
		report.Software = a.resource.Get("software", "name").Text()
	}
	s.recorder.take()
	all, err := scripts.All()
	if err != nil {
		return nil, err
	}
	for _, script := range all {
		s.script(report, script, "")
	}
	report.Remains = []Remainder{{"the scripts' own test records", "most are deleted by their teardown; names and identifiers say that they are tests"}}
	return report, ctx.Err()
}

func begin(ctx context.Context, o Options) (*session, *Report) {
	o = o.withDefaults()
	o.Base = strings.TrimRight(o.Base, "/")
	c := &recorder{next: o.Transport, token: o.Token, now: o.Now, pause: o.Pause}
	s := &session{Options: o, ctx: ctx, recorder: c, shared: &shared{}, client: &http.Client{Transport: c,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	return s, &Report{Target: o.Base, Started: o.Now(), Results: []Result{}, Remains: []Remainder{}}
}

// wanted says whether a case belongs to this run.
func (s *session) wanted(id string) bool {
	if len(s.Only) == 0 {
		return true
	}
	for _, prefix := range s.Only {
		if strings.HasPrefix(id, prefix) {
			return true
		}
	}
	return false
}

// try runs one case.
func (s *session) try(report *Report, c Case) {
	if !s.wanted(c.ID) || s.ctx.Err() != nil {
		return
	}
	result := Result{ID: c.ID, Requirement: c.Requirement, Verdict: Passed}
	for _, need := range c.needs {
		if why := s.lacks(need); why != "" {
			result.Verdict, result.Why = Skipped, why
			report.add(result)
			return
		}
	}
	began := s.Now()
	err := c.run(s)
	result.Took, result.Exchanges = s.Now().Sub(began), s.recorder.take()
	var skip errSkip
	switch {
	case errors.As(err, &skip):
		result.Verdict, result.Why = Skipped, skip.why
	case err != nil:
		result.Verdict, result.Why = Failed, err.Error()
	}
	report.add(result)
}

// needsOf is what a script's tests need.
func (s *session) needsOf(script string) string {
	switch script {
	case "slots":
		return needSlots
	case "appointments":
		return "Appointment read"
	case "referrals":
		return "ServiceRequest read"
	case "registry":
		return "DocumentReference search-type"
	case "catalogue":
		return "Endpoint search-type"
	}
	return ""
}

// script runs a TestScript and reports each of its tests with its exchanges.
func (s *session) script(report *Report, script *testscript.Script, need string) {
	if s.ctx.Err() != nil {
		return
	}
	if !s.wantsScript(script) {
		return
	}
	if need != "" {
		if why := s.lacks(need); why != "" {
			for _, t := range script.Tests {
				report.add(Result{ID: script.ID + "/" + t.Name, Requirement: t.Description, Verdict: Skipped, Why: why})
			}
			return
		}
	}
	tomorrow := s.Now().UTC().Add(24 * time.Hour)
	stamp := func(at time.Time) string { return at.Format("2006-01-02T15:04:05") + "%2B00:00" }
	run := testscript.New(testscript.Options{Base: s.Base, Transport: s.recorder, Timeout: (maxWaits + 1) * longestWait, Variables: map[string]string{
		"run": s.NewID(), "service": s.Service, "system": s.System,
		"target": targetHeader(s.System, s.Service), "nowhere": targetHeader(s.System, "0000000000"),
		"organisation": organisationHeader(s.Organisation), "software": softwareHeader,
		"request": s.NewID(), "correlation": s.NewID(), "unknown": s.NewID(),
		"from": stamp(tomorrow), "to": stamp(tomorrow.Add(24 * time.Hour)), "far": stamp(tomorrow.AddDate(5, 0, 0)),
	}})
	found := run.Run(s.ctx, script)
	said := s.recorder.take()
	for _, t := range found.Tests {
		result := Result{ID: script.ID + "/" + t.Name, Requirement: t.Requirement, Verdict: Passed}
		for _, step := range t.Steps {
			if strings.HasPrefix(step.What, "operation ") && step.Request != "" && len(said) > 0 {
				result.Exchanges, said = append(result.Exchanges, said[0]), said[1:]
			}
		}
		if fault := t.Fault(); fault != nil {
			result.Verdict, result.Why = Failed, fault.What+": "+fault.Message
		}
		report.add(result)
	}
}

// wantsScript says whether a script belongs to this run: it is run whole where any
// of its tests does.
func (s *session) wantsScript(script *testscript.Script) bool {
	if s.wanted(script.ID + "/") {
		return true
	}
	for _, t := range script.Tests {
		if s.wanted(script.ID + "/" + t.Name) {
			return true
		}
	}
	return false
}
