package nhs111

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// Desk is the part of the room that this door calls.
type Desk interface {
	Message(ctx context.Context, req bars.MessageRequest) (*bars.MessageResult, error)
	Attach(ctx context.Context, req bars.AttachRequest) (*bars.MessageResult, error)
	Nullify(ctx context.Context, req bars.NullifyRequest) (*bars.MessageResult, error)
	// Tell queues what a sender asked to be told of a message that was refused.
	Tell(ctx context.Context, messages []store.Op) error
	Service(ctx context.Context, target nhs.ServiceID) (*bars.Service, error)
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
	// Skew is how far a sender's clock may be off; default 5 minutes.
	Skew time.Duration
	// BaseURL is the door's own absolute address, such as
	// https://onward.example/nhs111; its description gives it to clients.
	BaseURL string
	// Reports reads what was taken before; nil: reports can't be read back and
	// repeat caller queries aren't offered.
	Reports Reports
	// Signers are the authorities whose certificates may sign messages; nil: a
	// signature isn't verified, and is refused where it must be understood.
	Signers *x509.CertPool
	// Organisation is who we are where a message names us by a DoS id only.
	Organisation nhs.ODSCode
	// Acks queues the acknowledgements that a sender asks for; nil: none are sent.
	Acks *Acks
	// NeedCertificate refuses connections without a verified client certificate
	// (HTTP 403), except for the description.
	NeedCertificate bool
	// Entitled says whether the connection may speak for an organisation; nil
	// leaves it to what stands in front of the door.
	Entitled func(r *http.Request, organisation nhs.ODSCode) bool
	Clock    bars.Clock    // default time.Now
	NewID    func() string // makes UUIDs; required
	Log      *slog.Logger  // default discards
	// Version is this software's, for the STU3 form.
	Version string
}

const (
	defaultMaxBody    = 5 << 20
	defaultRetryAfter = 5 * time.Second
)

// New makes the handler of everything below /nhs111/, and of /report. POST
// /nhs111/report takes the NHS 111 services by SOAP 1.1 and POST /nhs111/itk
// ITK's generic service by SOAP 1.1 and 1.2: 200 with a SimpleMessageResponse once
// the room has stored the message, else a SOAP fault with ITK ToolkitErrorInfo.
// GET /nhs111/report/{MessageID} reads a message back as FHIR R4, and
// GET /nhs111/?wsdl describes the services.
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

// Pattern is the shape of a path of the door, for logs and metrics; "" is a path
// that takes messages without being one of the published ones.
func Pattern(path string) string {
	switch {
	case path == reportPath, path == itkPath:
		return path
	case strings.HasPrefix(path, reportPath+"/"):
		return reportPath + "/{MessageID}"
	}
	return ""
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
	reading := r.Method == http.MethodGet || r.Method == http.MethodHead
	if reading && described(r) {
		d.describe(w, r)
		return
	}
	if d.NeedCertificate && (r.TLS == nil || len(r.TLS.VerifiedChains) == 0) {
		http.Error(w, "Mutual authentication failed", http.StatusForbidden)
		return
	}
	if id, ok := strings.CutPrefix(r.URL.Path, reportPath+"/"); ok {
		d.readReport(w, r, id)
		return
	}
	x := &exchange{door: d, generic: r.URL.Path == itkPath}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		d.answerFault(w, x, &fault{Code: faultClient, Number: codeInvalid, Text: textMethod,
			Diag: "Messages are sent by POST", status: http.StatusMethodNotAllowed})
		return
	}
	if err := d.receive(w, r, x); err != nil && !carriedOut(err) {
		f := d.toFault(err)
		d.tellRefusal(r, x, f)
		d.answerFault(w, x, f)
		return
	}
	d.answerSuccess(w, x)
}

// Paths of the door, on every address that it is mounted under.
const (
	reportPath = "/nhs111/report"
	itkPath    = "/nhs111/itk"
)

// deliver maps a message that passed the checks and hands it to the room.
func (d *door) deliver(r *http.Request, x *exchange, rules checkRules, body []byte, contentType string) error {
	e, text := x.envelope, x.text
	organisation, f := d.sender(r, e)
	if f != nil {
		return f
	}
	documents, f := e.documents(text)
	if f != nil {
		return f
	}
	x.arrived = true
	target, _ := e.target(rules)
	// What makes the message is its DistributionEnvelope: a sender that tries
	// again stamps the SOAP headers anew.
	content := e.distribution.Bytes(text)
	caller := bars.Caller{Door: "nhs111", Organisation: organisation,
		RequestID: orElse(r.Header.Get("X-Request-Id"), e.MessageID), Correlation: orElse(r.Header.Get("X-Correlation-Id"), e.TrackingID)}
	acks, err := d.Acks.of(x, d)
	if err != nil {
		return err
	}
	key := bars.Key{Door: "nhs111", Sender: string(organisation), Target: target.Value, Values: e.keys()}
	message := source{Envelope: e, Documents: documents, Message: body, MediaType: contentType,
		Target: target, Now: d.Clock(), NewID: d.NewID}
	if e.kind() == nullification {
		return d.nullify(r.Context(), message, bars.NullifyRequest{Caller: caller, Key: key, Target: target,
			Body: content, Also: acks, Recall: true})
	}
	service, err := d.desk.Service(r.Context(), target)
	if err != nil {
		return err
	}
	message.UseCase, message.Provider = e.useCase(d.UseCase, service.UseCases), service.Provider
	mapped, err := mapReport(message)
	if err != nil {
		return schemaFault(err)
	}
	for _, warning := range mapped.Warnings {
		d.Log.Warn("nhs111: "+warning, "messageId", e.MessageID)
	}
	if mapped.Bundle == nil {
		result, err := d.desk.Attach(r.Context(), bars.AttachRequest{Caller: caller, Key: key, Target: target,
			Body: content, Entries: mapped.Attached, Document: mapped.Document, Also: acks, Recall: true, Translated: true})
		d.warn(e, result)
		return err
	}
	mode := bars.Strict
	if d.Mode == Compat {
		mode = bars.Lenient
	}
	result, err := d.desk.Message(r.Context(), bars.MessageRequest{Caller: caller, Key: key, Target: target,
		Bundle: mapped.Bundle, Body: content, Attached: mapped.Attached, Document: mapped.Document, Mode: mode,
		Also: acks, Recall: true, Translated: true})
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

// sender is the organisation of the auditIdentity, for which the connection must
// be entitled to speak.
func (d *door) sender(r *http.Request, e *envelope) (nhs.ODSCode, *fault) {
	organisation, _ := nhs.ParseODSCode(e.AuditODS)
	if d.Entitled != nil && !d.Entitled(r, organisation) {
		return "", &fault{Code: faultClient, Number: codeAccess, Text: textNotAuthorised,
			Diag: "This connection may not speak for the auditIdentity"}
	}
	return organisation, nil
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
