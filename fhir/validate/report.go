package validate

import (
	"strings"

	"github.com/onward-health/onward/fhir"
)

// Class says how far from FHIR an issue is (design D5).
type Class uint8

// The classes, the worst first.
const (
	Structure Class = iota + 1 // not FHIR JSON
	Value                      // a primitive whose text isn't of its type
	Rule                       // well-formed, but a rule of content is broken
)

// Issue is one thing that is wrong.
type Issue struct {
	Class Class
	// Key is the invariant's key in the standard ("per-1"), or "" for checks
	// that have none.
	Key        string
	Expression string // FHIRPath of the element
	Text       string // the rule in a sentence; never a value of the resource
}

// Report is all that is wrong with a resource, in document order.
type Report struct {
	Issues []Issue
	// Cut says that there was more wrong than Options.MaxIssues.
	Cut bool
}

// OK says whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Issues) == 0 }

// Kind is the kind of error that a class is.
func (c Class) Kind() fhir.Kind {
	switch c {
	case Structure:
		return fhir.KindStructure
	case Value:
		return fhir.KindValue
	}
	return fhir.KindInvariant
}

// Outcome returns the report as the error to answer with, or nil where nothing
// is wrong. Its kind is that of the worst class in it; each issue keeps its own.
func (r *Report) Outcome() *fhir.Outcome {
	if r.OK() {
		return nil
	}
	worst := Rule
	for _, issue := range r.Issues {
		worst = min(worst, issue.Class)
	}
	out := &fhir.Outcome{Kind: worst.Kind(), Issues: make([]fhir.Issue, 0, len(r.Issues)+1)}
	for _, issue := range r.Issues {
		out.Issues = append(out.Issues, issue.Told())
	}
	if r.Cut {
		out.Add("", "there are more problems than are listed here")
	}
	return out
}

// Told is the issue as an answer shows it.
func (i Issue) Told() fhir.Issue {
	text := i.Text
	if i.Key != "" {
		text += " (" + i.Key + ")"
	}
	return fhir.Issue{Expression: i.Expression, Diagnostics: text, Kind: i.Class.Kind()}
}

// full says whether the report takes no more.
func (c *checker) full() bool { return c.report.Cut }

// room says whether the report takes one more issue, and notes if it doesn't.
// It is asked before a path is built, which takes a while in a large resource.
func (c *checker) room() bool {
	c.report.Cut = len(c.report.Issues) >= c.max
	return !c.report.Cut
}

func (c *checker) add(issue Issue) { c.report.Issues = append(c.report.Issues, issue) }

func (c *checker) structure(v fhir.Value, text string) {
	if c.room() {
		c.add(Issue{Structure, "", c.path(v), text})
	}
}

func (c *checker) value(v fhir.Value, text string) {
	if c.room() {
		c.add(Issue{Value, "", c.path(v), text})
	}
}

func (c *checker) rule(v fhir.Value, key, text string) {
	if c.room() {
		c.add(Issue{Rule, key, c.path(v), text})
	}
}

// absent reports something about a member that isn't there or whose name the
// definitions don't know.
func (c *checker) absent(class Class, v fhir.Value, name, key, text string) {
	if c.room() {
		c.add(Issue{class, key, c.below(v, name), text})
	}
}

// path names a place. A primitive's extensions are in FHIRPath below the
// element itself, so the underscore of their member goes.
func (c *checker) path(v fhir.Value) string {
	return strings.ReplaceAll(v.Path(), "._", ".")
}

// below is the place of a member of v by its name. A name that isn't of the form of an element's is never repeated: it
// could be anything.
func (c *checker) below(v fhir.Value, name string) string {
	name = strings.TrimSuffix(strings.TrimPrefix(name, "_"), "[x]")
	if len(name) == 0 || len(name) > 64 {
		name = "?"
	}
	for _, b := range []byte(name) {
		if letter := b|0x20 >= 'a' && b|0x20 <= 'z'; !letter && (b < '0' || b > '9') {
			name = "?"
			break
		}
	}
	return c.path(v) + "." + name
}
