package fhir

import (
	"errors"
	"strings"
	"time"
)

// Kind says what went wrong. It is the key of the one error table.
type Kind uint8

// The kinds. Add new ones at the end.
const (
	KindException      Kind = iota // a fault of ours
	KindRequired                   // a header, parameter or element is missing
	KindInvalid                    // malformed, beyond a single value
	KindStructure                  // bytes that aren't FHIR: syntax, JSON type
	KindValue                      // a primitive, header or parameter has a wrong value
	KindInvariant                  // a rule of content is broken: cardinality, binding, invariant, profile
	KindWorkflow                   // the workflow variables combine to nothing that the standard knows
	KindNotSupported               // an optional feature that isn't offered
	KindUnsupportedUse             // a version or a use case that the service doesn't offer
	KindTooCostly                  // too much was asked for
	KindProcessing                 // well-formed but can't be carried out
	KindUnauthorized               // who asks isn't known
	KindAccess                     // who asks may not see or do this
	KindForbidden                  // the connection itself isn't allowed
	KindNotFound                   // no such record, service or path
	KindGone                       // the record was deleted
	KindMethod                     // the path doesn't take this verb
	KindNotAcceptable              // no common media type or version
	KindTimeout                    // not done within our time; nothing happened
	KindConflict                   // the state of things forbids it
	KindDuplicate                  // this very request was carried out before
	KindVersion                    // the record changed since it was read
	KindTooLarge                   // more bytes than the limit
	KindTooComplex                 // deeper or more numerous than the limit
	KindMediaType                  // a body format that isn't taken
	KindTooEarly                   // the same request is still running
	KindThrottled                  // too many requests
	KindNoStore                    // the store refused for good
	KindNotImplemented             // known, not built
	KindUnavailable                // try again later
	numKinds
)

// KindRow is one line of the error table: what plain FHIR answers and, where
// the Booking and Referral Standard differs, what BaRS answers. Word is the
// neutral part of the error word; a door puts its own prefix in front.
type KindRow struct {
	Name       string
	Status     int
	Issue      string
	BaRSStatus int
	BaRSIssue  string
	Word       string
}

// table is the one error table: kind, HTTP status, issue.code, BaRS word.
var table = [numKinds]KindRow{
	KindException:      {"exception", 500, "exception", 500, "exception", "SERVER_ERROR"},
	KindRequired:       {"required", 400, "required", 400, "required", "BAD_REQUEST"},
	KindInvalid:        {"invalid", 400, "invalid", 400, "invalid", "BAD_REQUEST"},
	KindStructure:      {"structure", 400, "structure", 400, "structure", "BAD_REQUEST"},
	KindValue:          {"value", 400, "value", 400, "value", "BAD_REQUEST"},
	KindInvariant:      {"invariant", 422, "processing", 400, "invariant", "BAD_REQUEST"},
	KindWorkflow:       {"workflow", 422, "business-rule", 400, "invariant", "BAD_REQUEST"},
	KindNotSupported:   {"not-supported", 400, "not-supported", 400, "not-supported", "BAD_REQUEST"},
	KindUnsupportedUse: {"unsupported-use", 422, "not-supported", 422, "not-supported", "UNPROCESSABLE_ENTITY"},
	KindTooCostly:      {"too-costly", 422, "too-costly", 422, "too-costly", "UNPROCESSABLE_ENTITY"},
	KindProcessing:     {"processing", 422, "processing", 422, "processing", "UNPROCESSABLE_ENTITY"},
	KindUnauthorized:   {"unauthorized", 401, "login", 401, "security", "UNAUTHORIZED"},
	KindAccess:         {"access", 403, "forbidden", 401, "forbidden", "UNAUTHORIZED"},
	KindForbidden:      {"forbidden", 403, "forbidden", 403, "forbidden", "FORBIDDEN"},
	KindNotFound:       {"not-found", 404, "not-found", 404, "not-found", "NOT_FOUND"},
	KindGone:           {"gone", 410, "deleted", 404, "not-found", "NOT_FOUND"},
	KindMethod:         {"method", 405, "not-supported", 405, "not-supported", "METHOD_NOT_ALLOWED"},
	KindNotAcceptable:  {"not-acceptable", 406, "not-supported", 406, "processing", "NOT_ACCEPTABLE"},
	KindTimeout:        {"timeout", 408, "timeout", 408, "timeout", "TIMEOUT"},
	KindConflict:       {"conflict", 409, "conflict", 409, "conflict", "CONFLICT"},
	KindDuplicate:      {"duplicate", 409, "duplicate", 409, "duplicate", "CONFLICT"},
	KindVersion:        {"version", 412, "conflict", 409, "conflict", "CONFLICT"},
	KindTooLarge:       {"too-large", 413, "too-long", 413, "too-long", "BAD_REQUEST"},
	KindTooComplex:     {"too-complex", 400, "too-costly", 400, "too-costly", "BAD_REQUEST"},
	KindMediaType:      {"media-type", 415, "not-supported", 415, "not-supported", "UNSUPPORTED_MEDIA_TYPE"},
	KindTooEarly:       {"too-early", 425, "duplicate", 425, "duplicate", "TOO_EARLY"},
	KindThrottled:      {"throttled", 429, "throttled", 429, "throttled", "TOO_MANY_REQUESTS"},
	KindNoStore:        {"no-store", 500, "no-store", 500, "no-store", "SERVER_ERROR"},
	KindNotImplemented: {"not-implemented", 501, "not-supported", 501, "not-supported", "NOT_IMPLEMENTED"},
	KindUnavailable:    {"unavailable", 503, "transient", 503, "transient", "UNAVAILABLE"},
}

// Row returns the kind's line of the error table.
func (k Kind) Row() KindRow { return table[k] }

// Kinds returns every kind, for tests and documentation.
func Kinds() []Kind {
	all := make([]Kind, numKinds)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// Issue is one thing that is wrong.
type Issue struct {
	Expression  string // FHIRPath of the element, or "" ; parameters and headers are named in Diagnostics
	Diagnostics string // the rule in a sentence; never patient data, never the offending value
	// Kind is the issue's own, for its code alone: the outcome's kind decides the
	// status. The zero value is the outcome's.
	Kind Kind `json:",omitempty"`
}

// Outcome is the one error type: why a request was refused. Each door renders
// it in its own dialect.
type Outcome struct {
	Kind   Kind
	Issues []Issue
	// RetryAfter, when not zero, is when trying again makes sense.
	RetryAfter time.Duration
	// Allow lists the verbs that a KindMethod path takes.
	Allow []string
	// Cause is for the log only and is never shown to a caller.
	Cause error
}

// NewOutcome makes an Outcome with one issue.
func NewOutcome(kind Kind, expression, diagnostics string) *Outcome {
	return &Outcome{Kind: kind, Issues: []Issue{{Expression: expression, Diagnostics: diagnostics}}}
}

// Add appends an issue and returns the outcome.
func (o *Outcome) Add(expression, diagnostics string) *Outcome {
	o.Issues = append(o.Issues, Issue{Expression: expression, Diagnostics: diagnostics})
	return o
}

// KindOf returns the kind of one of the outcome's issues.
func (o *Outcome) KindOf(issue Issue) Kind {
	if issue.Kind != 0 {
		return issue.Kind
	}
	return o.Kind
}

// Because notes the cause for the log.
func (o *Outcome) Because(err error) *Outcome {
	o.Cause = err
	return o
}

// OrNil returns the outcome as an error if it holds an issue, else nil.
func (o *Outcome) OrNil() error {
	if o == nil || len(o.Issues) == 0 {
		return nil
	}
	return o
}

// Error lists the issues in one line.
func (o *Outcome) Error() string {
	var b strings.Builder
	b.WriteString(o.Kind.Row().Name)
	for _, issue := range o.Issues {
		b.WriteString(": ")
		if issue.Expression != "" {
			b.WriteString(issue.Expression + ": ")
		}
		b.WriteString(issue.Diagnostics)
	}
	return b.String()
}

// Unwrap gives the cause.
func (o *Outcome) Unwrap() error { return o.Cause }

// AsOutcome returns the Outcome in err's chain; any other error becomes a
// KindException that keeps err as its hidden cause.
func AsOutcome(err error) *Outcome {
	var o *Outcome
	if errors.As(err, &o) {
		return o
	}
	return NewOutcome(KindException, "", "an unexpected fault; the operator's log has the details under the request's ids").Because(err)
}

// After says when trying again makes sense and returns the outcome.
func (o *Outcome) After(wait time.Duration) *Outcome {
	o.RetryAfter = wait
	return o
}
