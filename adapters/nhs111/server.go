package nhs111

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

// Desk is the part of the room that this door calls.
type Desk interface {
	Message(ctx context.Context, req bars.MessageRequest) (*bars.MessageResult, error)
	Attach(ctx context.Context, req bars.AttachRequest) (*bars.MessageResult, error)
	Nullify(ctx context.Context, req bars.NullifyRequest) (*bars.MessageResult, error)
	// Offers lists the use cases that a service takes; empty: any.
	Offers(ctx context.Context, target nhs.ServiceID) ([]string, error)
}

// Options set up the door. The zero value of each has a default, except NewID.
type Options struct {
	Mode Mode
	// UseCase of a referral that isn't for an emergency department, a code of
	// usecases-categories-bars; default a1t2 (111 to UTC).
	UseCase string
	// MaxBody in bytes; default 5 MiB.
	MaxBody int64
	// SOAPChecks turns on the reference adaptor's optional checks; SendTo is the
	// address that wsa:To must then equal.
	SOAPChecks bool
	SendTo     string
	// ODSCodes and DoSIDs are the addresses that this door takes messages for;
	// with both empty the room decides.
	ODSCodes, DoSIDs []string
	// Entitled says whether the connection may speak for an organisation; nil
	// leaves it to what stands in front of the door.
	Entitled func(r *http.Request, organisation nhs.ODSCode) bool
	Clock    bars.Clock    // default time.Now
	NewID    func() string // makes UUIDs; required
	Log      *slog.Logger  // default discards
}

const (
	defaultMaxBody    = 5 << 20
	defaultRetryAfter = 5 * time.Second
)

// New makes the handler of POST /nhs111/report. It answers text/xml: 200 with a
// SimpleMessageResponse once the room has stored the message, else a SOAP fault
// with ITK ToolkitErrorInfo.
func New(d Desk, o Options) http.Handler {
	if o.NewID == nil {
		panic("nhs111: Options.NewID is missing")
	}
	if o.UseCase == "" {
		o.UseCase = useCaseUTC
	}
	if o.MaxBody <= 0 {
		o.MaxBody = defaultMaxBody
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &door{d, o}
}

type door struct {
	desk Desk
	Options
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, name := range []string{"X-Request-Id", "X-Correlation-Id"} {
		if v := r.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	e, err := d.receive(w, r)
	relatesTo, service := "", ""
	if e != nil {
		relatesTo, service = e.MessageID, e.Service
	}
	if err != nil && !carriedOut(err) {
		d.answerFault(w, d.toFault(err), relatesTo)
		return
	}
	d.answer(w, http.StatusOK, successEnvelope(d.uuid(), service, relatesTo))
}

// receive carries one request through. The envelope is given back as soon as it
// is known, so that a fault can relate to its message.
func (d *door) receive(w http.ResponseWriter, r *http.Request) (*envelope, error) {
	mediaType, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "text/xml" && mediaType != "application/xml" {
		return nil, &fault{Code: faultClient, Number: codeInvalid, Text: textMediaType,
			Diag: "The body must be text/xml or application/xml", status: http.StatusUnsupportedMediaType}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, d.MaxBody))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, &fault{Code: faultClient, Number: codeInvalid, Text: textTooLarge,
				Diag: "The body is larger than " + strconv.FormatInt(d.MaxBody, 10) + " bytes", status: http.StatusRequestEntityTooLarge}
		}
		return nil, refuse(textNotXML, "The body ended early")
	}
	text, err := xmltree.ToUTF8(body, parameters["charset"])
	if err != nil {
		return nil, refuse(textNotXML, err.Error())
	}
	rules := d.rules()
	root, err := xmltree.Read(text, xmltree.Rules{Instructions: d.Mode == Compat})
	if err != nil {
		return nil, refuse(textNotXML, err.Error())
	}
	e, f := readEnvelope(root)
	if f != nil {
		return e, f
	}
	if f := e.check(rules); f != nil {
		return e, f
	}
	return e, d.deliver(r, e, rules, body, text, r.Header.Get("Content-Type"))
}

func (d *door) rules() checkRules {
	return checkRules{Mode: d.Mode, SOAPChecks: d.SOAPChecks, SendTo: d.SendTo,
		ODSCodes: d.ODSCodes, DoSIDs: d.DoSIDs, Now: d.Clock()}
}

// deliver maps a message that passed the checks and hands it to the room.
func (d *door) deliver(r *http.Request, e *envelope, rules checkRules, body, text []byte, contentType string) error {
	organisation, _ := nhs.ParseODSCode(e.AuditODS)
	if d.Entitled != nil && !d.Entitled(r, organisation) {
		return &fault{Code: faultClient, Number: codeAccess, Text: textNotAuthorised,
			Diag: "This connection may not speak for the auditIdentity"}
	}
	documents, f := e.documents(text)
	if f != nil {
		return f
	}
	target, _ := e.target(rules)
	// What makes the message is its DistributionEnvelope: a sender that tries
	// again stamps the SOAP headers anew.
	content := e.distribution.Bytes(text)
	caller := bars.Caller{Door: "nhs111", Organisation: organisation,
		RequestID: orElse(r.Header.Get("X-Request-Id"), e.MessageID), Correlation: orElse(r.Header.Get("X-Correlation-Id"), e.TrackingID)}
	key := bars.Key{Door: "nhs111", Sender: string(organisation), Target: target.Value, Values: e.keys()}
	message := source{Envelope: e, Documents: documents, Message: body, MediaType: contentType,
		Target: target, Now: d.Clock(), NewID: d.NewID}
	if e.kind() == nullification {
		return d.nullify(r.Context(), message, bars.NullifyRequest{Caller: caller, Key: key, Target: target, Body: content})
	}
	offered, err := d.desk.Offers(r.Context(), target)
	if err != nil {
		return err
	}
	message.UseCase = e.useCase(d.UseCase, offered)
	mapped, err := mapReport(message)
	if err != nil {
		return schemaFault(err)
	}
	for _, warning := range mapped.Warnings {
		d.Log.Warn("nhs111: "+warning, "messageId", e.MessageID)
	}
	if mapped.Bundle == nil {
		result, err := d.desk.Attach(r.Context(), bars.AttachRequest{Caller: caller, Key: key, Target: target,
			Body: content, Entries: mapped.Attached, Document: mapped.Document, Translated: true})
		d.warn(e, result)
		return err
	}
	mode := bars.Strict
	if d.Mode == Compat {
		mode = bars.Lenient
	}
	result, err := d.desk.Message(r.Context(), bars.MessageRequest{Caller: caller, Key: key, Target: target,
		Bundle: mapped.Bundle, Body: content, Attached: mapped.Attached, Document: mapped.Document, Mode: mode, Translated: true})
	d.warn(e, result)
	return err
}

// nullify withdraws what earlier documents made.
func (d *door) nullify(ctx context.Context, message source, req bars.NullifyRequest) error {
	names, entries, wrong := readNullification(message)
	if wrong != nil {
		return schemaFault(wrong)
	}
	req.Names, req.Entries = names, entries
	_, err := d.desk.Nullify(ctx, req)
	return err
}

// warn logs what the room let pass, which is for us to mend: the sender didn't
// write it.
func (d *door) warn(e *envelope, result *bars.MessageResult) {
	if result == nil {
		return
	}
	for _, w := range result.Warnings {
		d.Log.Warn("nhs111: a rule was broken and let pass", "messageId", e.MessageID, "expression", w.Expression, "rule", w.Diagnostics)
	}
}

// keys are what makes the message happen once: MessageID and trackingid, which
// some senders make the same.
func (e *envelope) keys() []string {
	var out []string
	for _, id := range []string{e.MessageID, e.TrackingID} {
		if id = strings.ToUpper(id); id != "" && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}

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
		return temporary(defaultRetryAfter)
	}
	o := fhir.AsOutcome(err)
	switch o.Kind {
	case fhir.KindUnavailable, fhir.KindTimeout, fhir.KindTooEarly, fhir.KindThrottled:
		return temporary(o.RetryAfter)
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

func temporary(after time.Duration) *fault {
	if after <= 0 {
		after = defaultRetryAfter
	}
	return &fault{Code: faultServer, Number: codeTemporary, Text: "The service can't take messages now",
		Diag: "Nothing may have been stored; send the same message again", retryAfter: int((after + time.Second - 1) / time.Second)}
}

func (d *door) answerFault(w http.ResponseWriter, f *fault, relatesTo string) {
	if f.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.retryAfter))
	}
	status := f.status
	if status == 0 {
		status = http.StatusInternalServerError
	}
	d.answer(w, status, f.envelope(d.uuid(), d.uuid(), relatesTo))
}

func (d *door) answer(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the sender has gone; it will ask again by MessageID
}

func (d *door) uuid() string { return strings.ToUpper(d.NewID()) }
