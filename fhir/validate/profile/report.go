package profile

import (
	"github.com/onward-health/onward/fhir"
)

// Severity is how bad an issue is (R4 ValueSet issue-severity).
type Severity string

// The severities. Only an Error means that the profile is broken.
const (
	Error       Severity = "error"
	Warning     Severity = "warning"
	Information Severity = "information"
)

// Issue is one thing that a profile says of a resource.
type Issue struct {
	Severity   Severity
	Code       string // of R4's ValueSet issue-type
	Expression string // FHIRPath of the element
	Text       string // the rule in a sentence; never a value of the resource
	Profile    string // canonical of the profile that makes the rule; "" for none
	Element    string // id of the ElementDefinition; "" for the profile as a whole
}

// Diagnostics is the sentence with where the rule comes from.
func (i Issue) Diagnostics() string {
	switch {
	case i.Profile == "":
		return i.Text
	case i.Element == "":
		return i.Text + " (profile " + i.Profile + ")"
	}
	return i.Text + " (profile " + i.Profile + ", element " + i.Element + ")"
}

// Report is all that the profiles say of a resource.
type Report struct {
	Issues []Issue
	// Cut says that there was more than MaxIssues.
	Cut bool
}

// MaxIssues is how many issues a report holds at most.
const MaxIssues = 100

// OK says whether no profile is broken.
func (r *Report) OK() bool {
	for _, issue := range r.Issues {
		if issue.Severity == Error {
			return false
		}
	}
	return true
}

// Outcome returns the errors of the report as what to answer with, or nil where
// there are none. Its kind is KindInvariant (design D5).
func (r *Report) Outcome() *fhir.Outcome {
	if r.OK() {
		return nil
	}
	out := &fhir.Outcome{Kind: fhir.KindInvariant}
	for _, issue := range r.Issues {
		if issue.Severity == Error {
			out.Add(issue.Expression, issue.Diagnostics())
		}
	}
	if r.Cut {
		out.Add("", "there are more problems than are listed here")
	}
	return out
}

// say notes an issue. A rule that stands both at an element and at its slice is
// reported once.
func (c *checker) say(severity Severity, code, expression, text string, src source) {
	if c.report.Cut || c.errorsOnly && severity != Error {
		return
	}
	for _, old := range c.report.Issues {
		if old.Expression == expression && old.Text == text && old.Severity == severity {
			return
		}
	}
	if len(c.report.Issues) >= MaxIssues {
		c.report.Cut = true
		return
	}
	c.report.Issues = append(c.report.Issues, Issue{severity, code, expression, text, src.url(), src.element})
}

func (c *checker) broken(code, expression, text string, src source) {
	c.say(Error, code, expression, text, src)
}
