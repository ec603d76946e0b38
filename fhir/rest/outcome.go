package rest

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
)

// ContentType is the media type of every JSON answer.
const ContentType = "application/fhir+json; charset=utf-8"

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
// error for each issue of o, with the status of its kind, Retry-After in whole
// seconds and, for KindMethod, Allow. An empty Allow says that the path takes no
// method at all (RFC 9110, 10.2.1).
func WriteOutcome(w http.ResponseWriter, o *fhir.Outcome, s Style) {
	status, _ := s.row(o.Kind.Row())
	if o.RetryAfter > 0 {
		seconds := (o.RetryAfter + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	if o.Kind == fhir.KindMethod || len(o.Allow) > 0 {
		w.Header().Set("Allow", strings.Join(o.Allow, ", "))
	}
	writeJSON(w, status, OutcomeResource(o, s).JSON())
}

// OutcomeResource is the OperationOutcome that WriteOutcome sends.
func OutcomeResource(o *fhir.Outcome, s Style) *fhir.Object {
	row := o.Kind.Row()
	_, code := s.row(row)
	issues := o.Issues
	if len(issues) == 0 { // OperationOutcome.issue is 1..*
		issues = []fhir.Issue{{}}
	}
	list := make([]*fhir.Object, 0, len(issues))
	for _, issue := range issues {
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

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", ContentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error means that the client has gone; net/http drops a HEAD's body
}
