package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	barssandbox "github.com/onward-health/onward/adapters/barsapi/sandbox"
	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/conformance/tester"
)

// ofTheNation says whether a case is one of registry or catalogue, which a receiver
// doesn't have.
func ofTheNation(id string) bool {
	return strings.HasPrefix(id, "registry/") || strings.HasPrefix(id, "catalogue/")
}

// Ensure that our own receiver passes every case, with nothing skipped where the
// service offers every application.
func TestOurReceiverPassesItsOwnTester(t *testing.T) {
	s := start(t)
	for service, skipped := range map[string]int{sandbox.EmergencyCare: 0, sandbox.UrgentTreatment: 18} {
		report, err := tester.Run(context.Background(), tester.Options{Base: s.url + "/FHIR/R4", Service: service})
		require.NoError(t, err)
		left := 0
		for _, r := range report.Results {
			require.NotEqual(t, tester.Failed, r.Verdict, "%s: %s", r.ID, r.Why)
			require.True(t, r.Verdict == tester.Skipped || !ofTheNation(r.ID), r.ID)
			if r.Verdict == tester.Skipped && !ofTheNation(r.ID) {
				left++
			}
		}
		require.Equal(t, skipped, left)
		require.Greater(t, report.Passed, 140)
		require.NotEmpty(t, report.Remains)
		for _, left := range report.Remains {
			cancelled, ended := strings.HasPrefix(left.State, "cancelled"), strings.HasPrefix(left.State, "ended by a response")
			require.True(t, cancelled || ended, "%s: %s", left.Record, left.State)
			require.Contains(t, []string{"cancelled", "revoked", "completed", "noshow"}, s.status(left.Record))
		}
	}
}

// Ensure that the stand-ins of registry and catalogue pass every case of theirs and
// that nothing stays there.
func TestOurStandInsPassTheTester(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:")
	report, err := tester.Run(context.Background(), tester.Options{Base: s.url + barssandbox.ProxyPath, Service: sandbox.UrgentTreatment, Only: []string{"registry/", "catalogue/"}})
	require.NoError(t, err)
	for _, r := range report.Results {
		require.Equal(t, tester.Passed, r.Verdict, "%s: %s", r.ID, r.Why)
	}
	require.Greater(t, report.Passed, 35)
	for _, left := range report.Remains {
		require.Equal(t, "deleted", left.State, left.Record)
	}
}

// breaking is a receiver with one rule broken: it may change a request before
// our receiver sees it, and the answer before the tester does.
type breaking struct {
	name    string
	request func(r *http.Request)
	answer  func(r *http.Request, a *answer)
	catches string // a case that must see it
}

// bookings keeps the last successful answer, for the receivers that book twice.
type bookings struct {
	mu   sync.Mutex
	last []byte
}

func (b *bookings) twice(when func(*http.Request, *answer) bool) func(*http.Request, *answer) {
	return func(r *http.Request, a *answer) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch {
		case !strings.HasSuffix(r.URL.Path, "$process-message"):
		case a.status == 200:
			b.last = a.body
		case when(r, a) && b.last != nil:
			a.status, a.body = 200, b.last
		}
	}
}

func replacing(from, to string) func(*http.Request, *answer) {
	return func(_ *http.Request, a *answer) { a.body = bytes.ReplaceAll(a.body, []byte(from), []byte(to)) }
}

func answering(from, to int) func(*http.Request, *answer) {
	return func(_ *http.Request, a *answer) {
		if a.status == from {
			a.status = to
		}
	}
}

// mend changes the body of a request, so that our receiver takes what it should
// refuse, or the other way round.
func mend(from, to string) func(*http.Request) {
	return func(r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		body = bytes.ReplaceAll(body, []byte(from), []byte(to))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
}

func breakings() []breaking {
	fresh := func(r *http.Request) { r.Header.Set("X-Request-Id", uuid.NewString()) }
	fill := func(name string) func(*http.Request) {
		return func(r *http.Request) {
			if r.Header.Get(name) == "" {
				r.Header.Set(name, uuid.NewString())
			}
		}
	}
	busy, double := &bookings{}, &bookings{}
	return []breaking{
		{"drops X-Request-Id", nil, func(_ *http.Request, a *answer) { a.header.Del("X-Request-Id") }, "statement/statement"},
		{"drops X-Correlation-Id from errors", nil, func(_ *http.Request, a *answer) {
			if a.status >= 400 {
				a.header.Del("X-Correlation-Id")
			}
		}, "headers/no-request-id"},
		{"answers 412 for 409", nil, answering(409, 412), "booking/busy-slot"},
		{"answers 400 for 422", nil, answering(422, 400), "message/version"},
		{"answers 200 with a failure", nil, answering(404, 200), "cancel/booking-unknown"},
		{"takes a Slot that is busy", nil, busy.twice(func(_ *http.Request, a *answer) bool {
			return a.status == 409 && bytes.Contains(a.body, []byte(`"conflict"`))
		}), "booking/busy-slot"},
		{"books a Slot twice at the same time", nil, double.twice(func(_ *http.Request, a *answer) bool { return a.status == 409 }), "booking/two-at-once"},
		{"forgets which messages it has had", fresh, nil, "once/retry-referral"},
		{"says conflict for duplicate", nil, replacing(`"code":"duplicate"`, `"code":"conflict"`), "once/retry"},
		{"says SEND for REC", nil, replacing("REC_", "SEND_"), "headers/no-target"},
		{"has two codings of http-error-codes", nil, func(_ *http.Request, a *answer) {
			a.body = bytes.ReplaceAll(a.body, []byte(`"coding":[{"system":"https://fhir.nhs.uk/Codesystem/http-error-codes"`),
				[]byte(`"coding":[{"system":"https://fhir.nhs.uk/Codesystem/http-error-codes","code":"X"},{"system":"https://fhir.nhs.uk/Codesystem/http-error-codes"`))
		}, "message/type"},
		{"takes a definition that isn't known", mend("MessageDefinition/none", "MessageDefinition/bars-message-servicerequest-request-referral"), nil, "message/definition-unknown"},
		{"lets PUT change the description", mend(`"description":"changed"`, `"description":"Sprained ankle"`), nil, "rest/put-other"},
		{"takes every version", mend(`"versionId":"9.9.9"`, `"versionId":"1.1.0"`), nil, "message/version"},
		{"takes a new referral that is revoked", mend(`"status":"revoked"`, `"status":"active"`), nil, "referral/new-revoked"},
		{"shows another organisation's booking", func(r *http.Request) {
			r.Header.Set("NHSD-End-User-Organisation", speaking("1").Get("Nhsd-End-User-Organisation"))
		}, nil, "access/booking"},
		{"says application/json", nil, func(_ *http.Request, a *answer) { a.header.Set("Content-Type", "application/json") }, "statement/statement"},
		{"gives no ids in the answer to a message", nil, func(r *http.Request, a *answer) {
			if r.Method == http.MethodPost && a.status == 200 {
				a.body = bytes.ReplaceAll(a.body, []byte(`"resourceType":"Appointment","id":`), []byte(`"resourceType":"Appointment","language":`))
			}
		}, "booking/new"},
		{"forgets Allow", nil, func(_ *http.Request, a *answer) { a.header.Del("Allow") }, "headers/verb-slot"},
		{"keeps the Slot busy after a cancellation", mend(`"status":"cancelled"`, `"status":"booked"`), nil, "booking/cancel"},
		{"offers booked Slots as free", func(r *http.Request) {
			r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "status=free", "status=free,busy", 1)
		}, nil, "booking/slot-taken"},
		{"does without X-Correlation-Id", fill("X-Correlation-Id"), nil, "headers/no-correlation-id"},
		{"quotes the patient in diagnostics", nil, replacing(`"diagnostics":"`, `"diagnostics":"Sandy Sample 9000000009 `), "referral/no-contact"},
		{"moves no booking", func(r *http.Request) {
			if r.Method == http.MethodPatch {
				r.Method, r.Body = http.MethodGet, http.NoBody
			}
		}, nil, "rest/patch-moves"},
		{"lets PATCH change anything", nil, func(r *http.Request, a *answer) {
			if r.Method == http.MethodPatch && a.status == 400 {
				a.status = 200
			}
		}, "rest/patch-other"},
		{"refuses a number that isn't traced", mend("number-present-but-not-traced", "number-perhaps"), nil, "freedom/not-traced"},
		{"takes a response to a booking", mend(`"booking-response"`, `"servicerequest-request"`), nil, "message/booking-response"},
		{"takes what is for another organisation", mend(`"ZZ999"`, `"B2002"`), nil, "message/receiver-other"},
		{"links no booking", mend(`"reference":"Appointment/`, `"reference":"Appointment/x`), nil, "link/booking-first"},
		{"takes any organisation's header", func(r *http.Request) {
			r.Header.Set("NHSD-End-User-Organisation", speaking("1").Get("Nhsd-End-User-Organisation"))
		}, nil, "headers/organisation-no-base64"},
		{"cancels for another patient", nil, answering(400, 200), "cancel/other-patient"},
		{"takes a period of any width", nil, func(r *http.Request, a *answer) {
			if a.status == 422 && strings.HasSuffix(r.URL.Path, "/Slot") {
				a.status, a.body = 200, []byte(`{"resourceType":"Bundle","type":"searchset","total":0}`)
			}
		}, "slots/slots-too-wide"},
	}
}

// front is our receiver behind a handler that breaks one rule.
func front(t *testing.T, s *server, b breaking) *httptest.Server {
	t.Helper()
	f := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, correlation := r.Header.Get("X-Request-Id"), r.Header.Get("X-Correlation-Id")
		if b.request != nil {
			b.request(r)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Header.Del("Accept-Encoding")
		a, err := s.try(r.Method, r.URL.RequestURI(), r.Header, body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		// What a changed request's answer echoes is put back.
		for name, value := range map[string]string{"X-Request-Id": request, "X-Correlation-Id": correlation} {
			if a.header.Del(name); value != "" {
				a.header.Set(name, value)
			}
		}
		if b.answer != nil {
			b.answer(r, a)
		}
		a.header.Del("Content-Length")
		for name, values := range a.header {
			w.Header()[name] = values
		}
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body)
	}))
	t.Cleanup(f.Close)
	return f
}

// Ensure that the tester sees each broken rule, and none where nothing is
// broken.
func TestTheTesterCatchesEachBrokenRule(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:")
	servers := map[string]*server{fhirPath: s, barssandbox.ProxyPath: unlimited(t)}
	run := func(t *testing.T, b aimed, only ...string) map[string]tester.Result {
		report, err := tester.Run(context.Background(), tester.Options{Base: front(t, servers[b.at], b.breaking).URL + b.at, Service: b.service, Only: only})
		require.NoError(t, err)
		failed := map[string]tester.Result{}
		for _, r := range report.Results {
			if r.Verdict == tester.Failed {
				failed[r.ID] = r
			}
		}
		return failed
	}
	for _, at := range []string{fhirPath, barssandbox.ProxyPath} {
		groups := map[string][]string{barssandbox.ProxyPath: {"registry/", "catalogue/"}}
		require.Empty(t, run(t, aimed{breaking{name: "nothing"}, at, sandbox.UrgentTreatment}, groups[at]...))
	}
	var all []aimed
	for _, b := range breakings() {
		all = append(all, aimed{b, fhirPath, sandbox.UrgentTreatment})
	}
	all = append(all, moreBreakings()...)
	caught := 0
	for _, b := range all {
		group, _, _ := strings.Cut(b.catches, "/")
		only := group + "/"
		if b.at != fhirPath || strings.HasPrefix(b.catches, "application/") || strings.HasPrefix(b.catches, "response/") {
			only = b.catches
		}
		failed := run(t, b, only)
		if !assertCaught(t, b.breaking, failed) {
			continue
		}
		caught++
		t.Logf("%-45s caught by %-28s and %2d others of its group: %s", b.name, b.catches, len(failed)-1, failed[b.catches].Why)
	}
	require.Equal(t, len(all), caught)
}

func assertCaught(t *testing.T, b breaking, failed map[string]tester.Result) bool {
	if _, found := failed[b.catches]; found {
		return true
	}
	t.Errorf("a receiver that %s isn't caught by %s but by %d others", b.name, b.catches, len(failed))
	return false
}

// conformExit runs the command and returns its exit code and what it printed.
func conformExit(t *testing.T, env []string, args ...string) (int, string) {
	t.Helper()
	binary, err := builtOnce()
	require.NoError(t, err)
	cmd := exec.Command(binary, append([]string{"conform"}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		require.NoError(t, err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestTheCommandReportsInFourFormsAndExitsAsItFound(t *testing.T) {
	s := start(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	code, out := conformExit(t, []string{"ONWARD_CONFORM_TOKEN=s3cr3t-token"}, s.url+"/FHIR/R4", "--json", at("r.json"), "--junit", at("r.xml"), "--html", at("r.html"))
	require.Equal(t, 0, code, out)
	require.Contains(t, out, "pass  booking/new\n")
	require.Contains(t, out, "0 failed")

	var report tester.Report
	text, err := os.ReadFile(at("r.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &report))
	require.NotZero(t, report.Passed)
	for _, r := range report.Results {
		require.NotEmpty(t, r.Requirement, r.ID)
		if r.Verdict == tester.Passed && !strings.HasPrefix(r.ID, "booking/") && !strings.HasPrefix(r.ID, "referral/") {
			require.NotEmpty(t, r.Exchanges, r.ID)
		}
	}

	junit, err := os.ReadFile(at("r.xml"))
	require.NoError(t, err)
	var suite struct {
		Tests int `xml:"tests,attr"`
		Cases []struct {
			Name string `xml:"name,attr"`
		} `xml:"testcase"`
	}
	require.NoError(t, xml.Unmarshal(junit, &suite))
	require.Equal(t, len(report.Results), suite.Tests)
	require.Len(t, suite.Cases, suite.Tests)

	page, err := os.ReadFile(at("r.html"))
	require.NoError(t, err)
	require.Contains(t, string(page), `<html lang="en-GB">`)
	require.NotContains(t, string(page), "<script")
	for _, r := range report.Results {
		require.Contains(t, string(page), `id="`+r.ID+`"`)
	}
	for _, text := range []string{string(text), string(junit), string(page), out} {
		require.NotContains(t, text, "s3cr3t-token")
	}

	code, out = conformExit(t, nil, s.url+"/FHIR/R4", "--slots", "no", "--only", "booking/,slots/")
	require.Equal(t, 2, code, out) // every case was skipped
	require.Contains(t, out, "told not to use slots")
	code, out = conformExit(t, nil, "--fhir", s.url+"/FHIR/R4", "--only", "read/,vread/")
	require.Equal(t, 0, code, out)
	require.Contains(t, out, "pass  vread/")

	broken := front(t, s, breaking{name: "answers 412 for 409", answer: answering(409, 412)})
	code, out = conformExit(t, nil, broken.URL+"/FHIR/R4", "--only", "cancel/")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "FAIL  cancel/booking-again")
	code, out = conformExit(t, nil, "not-a-url")
	require.Equal(t, 2, code, out)
	code, out = conformExit(t, nil, "http://"+freeAddress(t))
	require.Equal(t, 3, code, out)
}

// Ensure that a run says what it could not cancel.
func TestTheTesterListsWhatRemains(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:")
	refusing := front(t, s, breaking{request: func(r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if bytes.Contains(body, []byte(`"cancelled"`)) {
			body = []byte("{}")
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}})
	report, err := tester.Run(context.Background(), tester.Options{Base: refusing.URL + "/FHIR/R4", Service: sandbox.UrgentTreatment, Only: []string{"booking/new"}})
	require.NoError(t, err)
	require.Zero(t, report.Failed)
	require.Len(t, report.Remains, 1)
	require.True(t, strings.HasPrefix(report.Remains[0].State, "STILL THERE"), report.Remains[0].State)
	require.Equal(t, "booked", s.status(report.Remains[0].Record))
}
