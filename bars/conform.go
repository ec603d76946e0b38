package bars

import (
	"regexp"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/validate"
)

// What a client writes is held to the definitions of FHIR R4 before it is
// stored (design D5). What the room itself changes on a stored record, such as
// the status of a Slot, isn't: a fault that an old record has must not keep a
// patient from cancelling.

// conform checks what a client wrote. All that is wrong is said at once.
func conform(r *fhir.Resource) *fhir.Outcome {
	return validate.Resource(r, validate.Options{}).Outcome()
}

// conformAttached checks what comes beside a message, and the profiles that it
// claims.
func (d *Desk) conformAttached(r *fhir.Resource) *fhir.Outcome {
	if o := conform(r); o != nil {
		return o
	}
	return d.brokenProfile(r)
}

// asError keeps an Outcome that is nil from becoming an error that isn't.
func asError(o *fhir.Outcome) error {
	if o == nil {
		return nil
	}
	return o
}

// conformPatched checks the outcome of a patch. A fault that the record had
// before doesn't count: the client needn't know of it, and may be patching
// another away.
func conformPatched(next, before *fhir.Resource) *fhir.Outcome {
	report := validate.Resource(next, validate.Options{})
	if report.OK() {
		return nil
	}
	old := map[validate.Issue]int{}
	for _, issue := range validate.Resource(before, validate.Options{}).Issues {
		old[anywhere(issue)]++
	}
	report.Issues = slices.DeleteFunc(report.Issues, func(issue validate.Issue) bool {
		known := anywhere(issue)
		if old[known] == 0 || decisive(issue.Expression) {
			return false
		}
		old[known]--
		return true
	})
	return report.Outcome()
}

// anywhere is the issue without the numbers in its path, which a patch may have
// moved.
func anywhere(issue validate.Issue) validate.Issue {
	var b strings.Builder
	inside := false
	for _, c := range issue.Expression {
		inside = inside && c != ']' || c == '['
		if !inside {
			b.WriteRune(c)
		}
	}
	issue.Expression = b.String()
	return issue
}

// decisive says whether the rules of claims read the element: they must never
// see one that they could misread.
func decisive(expression string) bool {
	_, rest, _ := strings.Cut(expression, ".")
	name, _, _ := strings.Cut(rest, ".")
	name, _, _ = strings.Cut(name, "[")
	return name == "status" || name == "slot"
}

// conformMessage checks a message, with what is attached to it, and says what
// the mode lets pass. Bytes that aren't FHIR are refused at once; broken rules
// join what the standard's own checks find. In lenient mode broken rules are
// warnings, because published messages have some; and so is all that is wrong
// with what a door translated: a fault of our mapping must not cost a patient
// the referral.
func (m *message) conform(attached []Entry, translated bool) error {
	report := validate.Resource(m.bundle, validate.Options{})
	for _, e := range attached {
		report.Issues = append(report.Issues, validate.Resource(e.Resource, validate.Options{}).Issues...)
	}
	if m.mode == Lenient {
		m.letNoIDsPass(report)
	}
	worst := report.Outcome()
	switch {
	case worst == nil:
	case translated:
		m.warnings = append(m.warnings, worst.Issues...)
	case worst.Kind != fhir.KindInvariant:
		return worst
	case m.mode == Strict:
		m.problems.Issues = append(m.problems.Issues, worst.Issues...)
	default:
		m.warnings = append(m.warnings, worst.Issues...)
	}
	return nil
}

// resourceID is the path of the id that an entry's resource brings.
var resourceID = regexp.MustCompile(`^Bundle\.entry\[\d+\]\.resource\.id$`)

// letNoIDsPass makes warnings of ids that aren't FHIR ids. We name the resources;
// what can't be a name of ours counts as none given (readEntries).
func (m *message) letNoIDsPass(report *validate.Report) {
	report.Issues = slices.DeleteFunc(report.Issues, func(issue validate.Issue) bool {
		id := issue.Class == validate.Value && resourceID.MatchString(issue.Expression)
		if id {
			m.warnings = append(m.warnings, issue.Told())
		}
		return id
	})
}
