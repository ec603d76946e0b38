package sandbox

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// Systems of error codes. The second is printed by a few of the proxy's own
// errors.
const (
	systemErrors    = "https://fhir.nhs.uk/Codesystem/http-error-codes"
	systemOperation = "http://hl7.org/fhir/ValueSet/operation-outcome"
	profileOutcome  = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-OperationOutcome"
)

// Names of the standard's headers.
const (
	headerRequestID    = "X-Request-Id"
	headerCorrelation  = "X-Correlation-Id"
	headerTarget       = "NHSD-Target-Identifier"
	headerOrganisation = "NHSD-End-User-Organisation"
)

// ownerOnly refuses a change of another's record.
func ownerOnly() error {
	return fhir.NewOutcome(fhir.KindForbidden, "", "only the owner may change or delete this record")
}

// fault is an error of the proxy's own, as the national one words it: status,
// details.coding and issue.code.
type fault struct {
	status            int
	code, issue, text string
	system            string // "": systemErrors
	retry             time.Duration
}

func (f *fault) Error() string { return f.code + ": " + f.text }

// The proxy's errors (BaRS API, error repository of the live proxy).
var (
	faultTooMany      = &fault{status: 429, code: "PROXY_TOO_MANY_REQUESTS", issue: "429", text: "the limit of requests is reached; try again later", system: systemOperation}
	faultTokenInvalid = &fault{status: 401, code: "SEND_UNAUTHORIZED", issue: "security", text: "the access token is invalid or has expired"}
	faultTokenAbsent  = &fault{status: 401, code: "SEND_UNAUTHORIZED", issue: "unknown", text: "the header Authorization holds no bearer token"}
	faultTokenProduct = &fault{status: 403, code: "SEND_FORBIDDEN", issue: "forbidden", text: "the application of this access token has no access to this API"}
	faultTransaction  = &fault{status: 400, code: "BAD_REQUEST", issue: "invalid", text: "the headers X-Request-Id and X-Correlation-Id must both be there"}
	faultVersion      = &fault{status: 406, code: "SEND_NOT_ACCEPTABLE", issue: "processing", text: "DocumentReference needs a version of at least 1.1.0 in Accept"}
	faultTarget64     = &fault{status: 400, code: "PROXY_BAD_REQUEST", issue: "400", text: "the header NHSD-Target-Identifier must be the Base64 of a JSON object", system: systemOperation}
	faultTargetShape  = &fault{status: 400, code: "PROXY_BAD_REQUEST", issue: "structure", text: "the header NHSD-Target-Identifier must hold a system and a value", system: systemOperation}
	faultTarget       = &fault{status: 404, code: "PROXY_NOT_FOUND", issue: "not-found", text: "the target identifier is not in the endpoint catalogue"}
	faultTargets      = &fault{status: 404, code: "PROXY_NOT_FOUND", issue: "multiple-matches", text: "the target identifier has several endpoints in the catalogue"}
	faultReceiver403  = &fault{status: 403, code: "REC_FORBIDDEN", issue: "forbidden", text: "the receiver refused the connection"}
	faultReceiver503  = &fault{status: 503, code: "REC_SERVICE_UNAVAILABLE", issue: "transient", text: "the receiver can't be reached or is unavailable"}
	faultReceiver500  = &fault{status: 500, code: "REC_SERVER_ERROR", issue: "exception", text: "the receiver failed without saying why"}
	faultReceiverFull = &fault{status: 500, code: "REC_SERVER_ERROR", issue: "no-store", text: "the receiver could not store the request"}
	faultReceiver504  = &fault{status: 408, code: "REC_TIMEOUT", issue: "timeout", text: "the receiver did not answer in time"}
	faultTooLarge     = &fault{status: 413, code: "BAD_REQUEST", issue: "too-long", text: "the body is larger than this proxy takes"}
	faultStatusKey    = &fault{status: 401, code: "UNAUTHORIZED", issue: "security", text: "the header apikey is missing or not known"}
)

// refuse answers with an error: the proxy's own, or one of registry and catalogue
// with the code for who is at fault.
func (s *Sandbox) refuse(w http.ResponseWriter, err error) {
	var f *fault
	if errors.As(err, &f) {
		if f.retry > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retry.Seconds()))))
		}
		s.writeOutcome(w, f.status, "application/json", []*fhir.Object{f.object()})
		return
	}
	o := fhir.AsOutcome(asOutcome(err))
	row := o.Kind.Row()
	if row.BaRSStatus >= 500 {
		s.o.Log.Error("sandbox of the national BaRS services", "error", o.Cause)
	}
	var issues []*fhir.Object
	for _, issue := range o.Issues {
		own := o.KindOf(issue).Row()
		item := fhir.Obj("severity", "error", "code", own.BaRSIssue,
			"details", details(systemErrors, sendCode(own)), "diagnostics", issue.Diagnostics)
		if issue.Expression != "" {
			item.Set("expression", []string{issue.Expression})
		}
		issues = append(issues, item)
	}
	if o.Kind == fhir.KindMethod {
		w.Header().Set("Allow", strings.Join(o.Allow, ", "))
	}
	s.writeOutcome(w, row.BaRSStatus, "application/fhir+json", issues)
}

// asOutcome gives the store's own errors their kind.
func asOutcome(err error) error {
	var conflict *store.ConflictError
	switch {
	case errors.As(err, &conflict) && conflict.Kind == store.Exists:
		return fhir.NewOutcome(fhir.KindDuplicate, "", "such a record is there already")
	case errors.As(err, &conflict):
		return fhir.NewOutcome(fhir.KindConflict, "", "the record was changed meanwhile")
	case errors.Is(err, store.ErrUnavailable):
		return fhir.NewOutcome(fhir.KindUnavailable, "", "the store can't serve now").Because(err)
	}
	return err
}

// sendCode words a kind as an error of the caller's that the national service
// raises; where the code system has no SEND code, the one without prefix.
func sendCode(row fhir.KindRow) string {
	switch row.BaRSStatus {
	case 400, 401, 403, 405, 406, 422:
		return "SEND_" + row.Word
	}
	return row.Word
}

func (f *fault) object() *fhir.Object {
	system := f.system
	if system == "" {
		system = systemErrors
	}
	return fhir.Obj("severity", "error", "code", f.issue, "details", details(system, f.code), "diagnostics", f.text)
}

func details(system, code string) *fhir.Object {
	return fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", system, "code", code)})
}

func (s *Sandbox) writeOutcome(w http.ResponseWriter, status int, contentType string, issues []*fhir.Object) {
	o := fhir.NewObject("OperationOutcome").Set("id", s.o.NewID()).
		Set("meta", fhir.Obj("profile", []string{profileOutcome})).Set("issue", issues)
	write(w, status, contentType, o.JSON())
}

func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller that has gone can't be told
}

// echo returns the transaction ids verbatim, where they can be a header.
func echo(h http.Header, r *http.Request) {
	for _, name := range []string{headerRequestID, headerCorrelation} {
		if v := r.Header.Get(name); v != "" && len(v) <= 256 {
			h.Set(name, v)
		}
	}
}
