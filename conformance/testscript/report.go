package testscript

import (
	"fmt"
	"io"
	"strings"
)

// Verdict is what a step came to.
type Verdict string

// The verdicts. A warning is a failed assert with warningOnly.
const (
	Passed Verdict = "pass"
	Warned Verdict = "warning"
	Failed Verdict = "fail"
)

// Report is what a script's run found.
type Report struct {
	Script, Title string
	Tests         []TestResult
}

// TestResult is one test's. Requirement is what the test proves, in the
// script's words. A setup or teardown that failed is listed as a test too.
type TestResult struct {
	Name, Requirement string
	Steps             []Step
}

// Step is one action's: what it was about, the request that it looked at with
// the status of its answer, and why it failed.
type Step struct {
	Verdict Verdict
	What    string
	Request string
	Status  int
	Message string
}

// Passed says whether every test passed; warnings pass.
func (r *Report) Passed() bool {
	for _, t := range r.Tests {
		if !t.Passed() {
			return false
		}
	}
	return true
}

// Passed says whether no step failed.
func (t TestResult) Passed() bool { return t.Fault() == nil }

// Fault is the step that failed, nil if none did.
func (t TestResult) Fault() *Step {
	for i := range t.Steps {
		if t.Steps[i].Verdict == Failed {
			return &t.Steps[i]
		}
	}
	return nil
}

// String lists requirement, request and answer of what failed in one test.
func (t TestResult) String() string {
	s := t.Fault()
	if s == nil {
		return "pass"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "requirement: %s\n  %s: %s\n", t.Requirement, s.What, s.Message)
	fmt.Fprintf(&b, "  request: %s\n  answer:  %d", s.Request, s.Status)
	return b.String()
}

// Text writes the report as text: a line a test, with what failed and what was
// warned of below it, and the counts.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", r.Script, r.Title)
	passed, failed, warnings := 0, 0, 0
	for _, t := range r.Tests {
		if t.Passed() {
			passed++
			fmt.Fprintf(&b, "  pass %s\n", t.Name)
		} else {
			failed++
			fmt.Fprintf(&b, "  FAIL %s\n    %s\n", t.Name, strings.ReplaceAll(t.String(), "\n", "\n    "))
		}
		for _, s := range t.Steps {
			if s.Verdict == Warned {
				warnings++
				fmt.Fprintf(&b, "    warning: %s: %s (%s, %d)\n", s.What, s.Message, s.Request, s.Status)
			}
		}
	}
	fmt.Fprintf(&b, "  %d passed, %d failed, %d warnings\n", passed, failed, warnings)
	_, err := io.WriteString(w, b.String())
	return err
}
