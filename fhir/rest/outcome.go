package rest

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
)

// Style is how a door words an error. The zero value is plain FHIR R4.
type Style struct {
	// Row gives the HTTP status and issue.code of a kind. Nil: KindRow.Status
	// and KindRow.Issue.
	Row func(fhir.KindRow) (status int, issue string)
	// Details gives issue.details, a CodeableConcept. Nil: none.
	Details func(fhir.KindRow) *fhir.Object
	// Head adds members in front of issue, such as id and meta. May be nil.
	Head func(*fhir.Object)
}

// Plain is the style of plain FHIR R4.
var Plain = Style{}

// WriteOutcome answers with an OperationOutcome that has one issue of severity
// error for each issue of o, with the status of o's kind, Retry-After in whole
// seconds and, for KindMethod, Allow. An empty Allow says that the path takes no
// method at all (RFC 9110, 10.2.1).
//
// It is JSON, unless w is a Handler's own writer (as Options.Render gets it),
// which knows what the request asked for. Elsewhere use WriteOutcomeTo.
func WriteOutcome(w http.ResponseWriter, o *fhir.Outcome, s Style) { WriteOutcomeTo(w, nil, o, s) }

// WriteOutcomeTo is WriteOutcome in the format that the request asks for; JSON
// where no format fits.
func WriteOutcomeTo(w http.ResponseWriter, r *http.Request, o *fhir.Outcome, s Style) {
	status, _ := s.row(o.Kind.Row())
	if o.RetryAfter > 0 {
		seconds := (o.RetryAfter + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	if o.Kind == fhir.KindMethod || len(o.Allow) > 0 {
		w.Header().Set("Allow", strings.Join(o.Allow, ", "))
	}
	p, text := replyOf(w, r), OutcomeResource(o, s).JSON()
	c, err := p.render(text)
	if err != nil { // a path may hold what XML can't; the error matters more than its format
		c = p.renderJSON(text)
	}
	p.send(w, status, c)
}

// OutcomeResource is the OperationOutcome that WriteOutcome sends.
func OutcomeResource(o *fhir.Outcome, s Style) *fhir.Object {
	issues := o.Issues
	if len(issues) == 0 { // OperationOutcome.issue is 1..*
		issues = []fhir.Issue{{}}
	}
	list := make([]*fhir.Object, 0, len(issues))
	for _, issue := range issues {
		row := o.KindOf(issue).Row()
		_, code := s.row(row)
		item := fhir.Obj("severity", "error", "code", code)
		if s.Details != nil {
			item.Set("details", s.Details(row))
		}
		item.Set("diagnostics", issue.Diagnostics)
		if issue.Expression != "" {
			item.Set("expression", []string{issue.Expression})
		}
		list = append(list, item)
	}
	out := fhir.NewObject("OperationOutcome")
	if s.Head != nil {
		s.Head(out)
	}
	return out.Set("issue", list)
}

func (s Style) row(row fhir.KindRow) (status int, issue string) {
	if s.Row != nil {
		return s.Row(row)
	}
	return row.Status, row.Issue
}

// success is the OperationOutcome that "Prefer: return=OperationOutcome" asks
// for.
func success(diagnostics string) []byte {
	issue := fhir.Obj("severity", "information", "code", "informational", "diagnostics", diagnostics)
	return fhir.NewObject("OperationOutcome").Set("issue", []*fhir.Object{issue}).JSON()
}
