package nhs111

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
)

// schemaFault words what the mapping found wrong with a document as the
// reference words schema faults (row 23).
func schemaFault(err error) error {
	o := fhir.AsOutcome(err)
	if o.Kind != fhir.KindInvariant {
		return err
	}
	return refuse(textSchema, issueLines(o))
}

func issueLines(o *fhir.Outcome) string {
	var lines []string
	for _, issue := range o.Issues {
		line := issue.Diagnostics
		if issue.Expression != "" {
			line = issue.Expression + ": " + line
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// carriedOut says whether the room refused because it has done this very
// request before: to a SOAP sender that is the same success again.
func carriedOut(err error) bool {
	var o *fhir.Outcome
	return errors.As(err, &o) && o.Kind == fhir.KindDuplicate
}

// toFault words an error of this door or of the room in ITK's codes.
func (d *door) toFault(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return d.temporary(defaultRetryAfter)
	}
	o := fhir.AsOutcome(err)
	switch o.Kind {
	case fhir.KindUnavailable, fhir.KindTimeout, fhir.KindTooEarly, fhir.KindThrottled:
		return d.temporary(o.RetryAfter)
	case fhir.KindAccess, fhir.KindUnauthorized, fhir.KindForbidden:
		return &fault{Code: faultClient, Number: codeAccess, Text: textNotAuthorised, Diag: issueLines(o)}
	case fhir.KindException, fhir.KindNoStore:
		d.Log.Error("nhs111: a message failed", "cause", o.Cause)
		code := faultServer
		if d.Mode == Compat {
			code = faultClient // as the reference has it
		}
		return &fault{Code: code, Number: codeInternal, Text: textInternal, Diag: diagInternal}
	}
	return refuse("Message rejected", issueLines(o))
}

func (d *door) temporary(after time.Duration) *fault {
	if after <= 0 {
		after = defaultRetryAfter
	}
	f := &fault{Code: faultServer, Number: codeTemporary, Text: "The service can't take messages now",
		Diag: "Nothing may have been stored; send the same message again"}
	if d.Mode == Compat { // the reference knows one internal error
		f = &fault{Code: faultClient, Number: codeInternal, Text: textInternal, Diag: diagInternal}
	}
	f.retryAfter = int((after + time.Second - 1) / time.Second)
	return f
}

func (d *door) answerFault(w http.ResponseWriter, x *exchange, f *fault) {
	if f.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.retryAfter))
	}
	d.answer(w, x.soap, x.soap.status(f), x.soap.fault(f, d.uuid(), d.uuid(), x.relatesTo()))
}

// answerSuccess says that the message was stored, or answers what it asked.
func (d *door) answerSuccess(w http.ResponseWriter, x *exchange) {
	e := x.envelope
	switch {
	case x.reply == nil && e.Action == sendReceiveAction:
		x.reply = d.infrastructureAck(e)
	case x.reply == nil && e.Action == sendAction && (x.generic || d.Mode == Strict):
		w.WriteHeader(http.StatusAccepted) // one way: there is no answer to give
		return
	}
	if x.reply == nil {
		d.answer(w, x.soap, http.StatusOK, x.soap.success(d.uuid(), e.Service, e.MessageID))
		return
	}
	h := headers{MessageID: d.uuid(), Action: responseAction(e.Action), RelatesTo: e.MessageID}
	d.answer(w, x.soap, http.StatusOK, x.soap.write(h, x.reply.xml()))
}

func (d *door) answer(w http.ResponseWriter, v soapVersion, status int, body []byte) {
	w.Header().Set("Content-Type", v.mediaType()+"; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the sender has gone; it will ask again by MessageID
}

func (d *door) uuid() string { return strings.ToUpper(d.NewID()) }
