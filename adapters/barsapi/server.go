package barsapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/search"
)

// Options configure the door.
type Options struct {
	// BaseURL is the absolute FHIR base, without closing slash.
	BaseURL string
	// BasePath is the path part of it, "/FHIR/R4".
	BasePath string
	// MaxBody bounds a request body in bytes; default 5 MiB.
	MaxBody int64
	// Always holds every request to BaRS, whatever its headers.
	Always bool
	// ServiceUnavailable words a 503 REC_SERVICE_UNAVAILABLE, as published examples
	// do, and not REC_UNAVAILABLE, which the published code system has.
	ServiceUnavailable bool
	// NeedCertificate refuses requests in the standard's dialect over connections
	// without a verified client certificate (403), except for the health checks.
	NeedCertificate bool
	// FHIR serves what speaks plain FHIR.
	FHIR http.Handler
	// National serves the registry of pointers and the endpoint catalogue, which
	// are national services, for requests in the standard's dialect (design D9).
	// Nil: there is none here.
	National http.Handler
	// Statement serves GET /metadata.
	Statement func() *fhir.Resource
	// Version is the product's, for GET /_ping.
	Version string
	// Healthy says why the server can't serve, for GET /_status; nil: it can.
	Healthy func(context.Context) error
	// Client sends messages to others; nil: nothing is sent, and the operations for
	// it aren't there.
	Client *Client
	// Search are the options under which query texts are read.
	Search search.Options
	Now    func() time.Time // default time.Now
	NewID  func() string    // default random UUIDs
	Log    *slog.Logger     // default slog.Default
}

type server struct {
	desk *bars.Desk
	o    Options
}

// Door is the door as an http.Handler.
type Door struct{ s *server }

// New opens the door. It serves everything below BasePath.
func New(d *bars.Desk, o Options) *Door {
	if o.MaxBody == 0 {
		o.MaxBody = 5 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = uuid.NewString
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Door{&server{desk: d, o: o}}
}

// speaks says whether this request is held to BaRS.
func (s *server) speaks(r *http.Request) bool { return s.o.Always || speaksBaRS(r) }

// Render renders an error of the REST API, which only plain FHIR reaches.
func (d *Door) Render(w http.ResponseWriter, r *http.Request, o *fhir.Outcome) {
	d.s.refusePlain(w, r, o)
}

// Refuse renders an error of what stands before the door, in the dialect that the
// request speaks.
func (d *Door) Refuse(w http.ResponseWriter, r *http.Request, o *fhir.Outcome) { d.s.render(w, r, o) }

func (s *server) render(w http.ResponseWriter, r *http.Request, o *fhir.Outcome) {
	if s.speaks(r) {
		s.refuse(w, r, o)
		return
	}
	s.refusePlain(w, r, o)
}

// SetFHIR sets the handler of plain FHIR after construction, because that
// handler needs Render.
func (d *Door) SetFHIR(h http.Handler) { d.s.o.FHIR = h }

// ServeHTTP routes a request by its dialect, then by its path. Both transaction
// ids go back with every answer, whoever makes it.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := d.s
	t := &tracker{ResponseWriter: w}
	echo(w.Header(), r)
	defer s.recovered(t, r)
	path := strings.TrimPrefix(r.URL.Path, s.o.BasePath)
	speaks := s.speaks(r)
	switch {
	case path == "/_ping" || path == "/_status":
		s.health(t, r, path)
	case speaks && s.o.NeedCertificate && (r.TLS == nil || len(r.TLS.VerifiedChains) == 0):
		s.refuse(t, r, fhir.NewOutcome(fhir.KindForbidden, "", "mutual authentication failed"))
	case speaks && s.o.National != nil && isNational(path):
		s.o.National.ServeHTTP(t, r)
	case speaks:
		s.serve(t, r, path)
	case path == "/MessageDefinition" || strings.HasPrefix(path, "/MessageDefinition/"):
		s.plainDefinition(t, r, strings.TrimPrefix(strings.TrimPrefix(path, "/MessageDefinition"), "/"))
	default:
		if do := s.operation(path); do != nil {
			s.operate(t, r, do)
			return
		}
		s.o.FHIR.ServeHTTP(t, r)
	}
}

// Pattern is the dialect that a request speaks, "bars" or "fhir", and the shape
// of its path below BasePath, for logs and metrics: neither holds anything of the
// request. plain gives the shape of a path of the REST API; "" is a path that
// isn't here.
func (d *Door) Pattern(r *http.Request, plain func(path string) string) (dialect, pattern string) {
	s := d.s
	path := strings.TrimPrefix(r.URL.Path, s.o.BasePath)
	speaks := s.speaks(r)
	switch {
	case path == "/_ping" || path == "/_status":
		return "bars", path
	case speaks && s.o.National != nil && isNational(path):
		return "bars", "/{national}"
	case speaks:
		if at := s.routeOf(path); at != nil {
			return "bars", at.pattern
		}
		return "bars", ""
	case path == "/MessageDefinition":
		return "fhir", path
	case strings.HasPrefix(path, "/MessageDefinition/"):
		return "fhir", "/MessageDefinition/{id}"
	}
	if s.operation(path) != nil {
		return "fhir", operationPattern(path)
	}
	switch written, below := strings.CutPrefix(r.URL.EscapedPath(), s.o.BasePath); {
	case !below:
		return "fhir", ""
	case written == "":
		return "fhir", plain("/")
	default:
		return "fhir", plain(written)
	}
}

// isNational says whether a path is one of a national service (BaRS Core 1.5,
// DocumentReference and EndpointCatalogue patterns).
func isNational(path string) bool {
	typ, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return typ == "DocumentReference" || typ == "Organization" || typ == "HealthcareService" || typ == "Endpoint"
}

// serve answers a request in the standard's dialect: it makes the checks that
// every path shares, then the path's own work.
func (s *server) serve(w http.ResponseWriter, r *http.Request, path string) {
	at := s.routeOf(path)
	if at == nil {
		s.refuse(w, r, fhir.NewOutcome(fhir.KindNotFound, "", "the standard has no such path"))
		return
	}
	if r.Method == http.MethodOptions {
		answerOptions(w, r, at.methods())
		return
	}
	do := at.work[r.Method]
	if r.Method == http.MethodHead {
		do = at.work[http.MethodGet]
	}
	if do == nil {
		o := fhir.NewOutcome(fhir.KindMethod, "", "this path takes "+strings.Join(at.verbs, ", ")+" only")
		o.Allow = at.verbs
		s.refuse(w, r, o)
		return
	}
	h, err := s.check(r, at.need)
	if err == nil {
		err = do(w, r, h)
	}
	if err != nil {
		s.refuse(w, r, err)
	}
}

// check reads the headers, and refuses what can't be answered in the way that
// they ask for and a service that isn't here.
func (s *server) check(r *http.Request, n need) (*headers, error) {
	h, err := readHeaders(r, n, s.desk.ModeOf)
	if err != nil {
		return nil, err
	}
	if err := checkAccept(r); err != nil {
		return nil, err
	}
	if err := checkContentVersion(r.Header); err != nil {
		return nil, err
	}
	if err := s.admit(r, h, n); err != nil {
		return nil, err
	}
	if h.target.Value != "" && n.known {
		_, err = s.desk.Service(r.Context(), h.target)
	}
	return h, err
}

// admit refuses whom the service's lists leave out. What a path says of systems,
// not of patients, the standard refuses as "security".
func (s *server) admit(r *http.Request, h *headers, n need) error {
	err := s.desk.Admit(r.Context(), h.target, h.caller, n.who)
	if o := fhir.AsOutcome(err); err != nil && o.Kind == fhir.KindAccess && !n.who {
		return &fhir.Outcome{Kind: fhir.KindUnauthorized, Issues: o.Issues}
	}
	return err
}

// answerOptions tells what a path takes, which asks for none of the standard's
// headers.
func answerOptions(w http.ResponseWriter, r *http.Request, allow []string) {
	echo(w.Header(), r)
	w.Header().Set("Allow", strings.Join(allow, ", "))
	w.WriteHeader(http.StatusNoContent)
}

// recovered turns a panic into a 500 that shows nothing of it. Where the answer
// has begun, the connection is cut, for half an answer must not look whole.
func (s *server) recovered(t *tracker, r *http.Request) {
	value := recover()
	if value == nil {
		return
	}
	if value == http.ErrAbortHandler {
		panic(value)
	}
	s.o.Log.Error("panic in a handler", "door", "bars", "value", fmt.Sprintf("%T", value), "stack", string(debug.Stack()))
	if t.begun {
		panic(http.ErrAbortHandler)
	}
	t.Header().Del("Content-Length")
	s.render(t, r, fhir.AsOutcome(fmt.Errorf("panic of %T", value)))
}

// tracker notes whether an answer has begun.
type tracker struct {
	http.ResponseWriter
	begun bool
}

func (t *tracker) WriteHeader(status int) {
	t.begun = true
	t.ResponseWriter.WriteHeader(status)
}

func (t *tracker) Write(b []byte) (int, error) {
	t.begun = true
	return t.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (t *tracker) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (s *server) metadata(w http.ResponseWriter, r *http.Request, _ *headers) error {
	return s.write(w, r, http.StatusOK, s.o.Statement(), "")
}

// processMessage takes a message and answers with it (BaRS Core, composite
// messages).
func (s *server) processMessage(w http.ResponseWriter, r *http.Request, h *headers) error {
	if r.ContentLength == 0 {
		return fhir.NewOutcome(fhir.KindRequired, "", "the body is empty")
	}
	bundle, body, err := s.readResource(w, r, h)
	if err != nil {
		return err
	}
	result, err := s.desk.Message(r.Context(), bars.MessageRequest{
		Caller: h.caller,
		Key:    h.key(),
		Target: h.target,
		Bundle: bundle,
		Body:   body,
	})
	if err != nil {
		return err
	}
	if result.Replay != nil {
		return fhir.NewOutcome(fhir.KindDuplicate, "", "a message with these transaction ids has been processed already")
	}
	s.warn(h, result.Warnings)
	if s.write(w, r, http.StatusOK, result.Bundle, "") != nil {
		// It has been done, so a refusal would be a lie: what XML can't hold is
		// answered in JSON.
		s.writeJSON(w, http.StatusOK, result.Bundle)
	}
	return nil
}

// readResource reads a body. Lenient mode takes the elements of XML in any order,
// as published messages have them.
func (s *server) readResource(w http.ResponseWriter, r *http.Request, h *headers) (*fhir.Resource, []byte, error) {
	if s.desk.ModeOf(h.target) != bars.Lenient {
		return rest.ReadResource(w, r, s.o.MaxBody)
	}
	res, raw, misplaced, err := rest.ReadResourceInAnyOrder(w, r, s.o.MaxBody)
	warnings := make([]fhir.Issue, len(misplaced))
	for i, at := range misplaced {
		warnings[i] = fhir.Issue{Expression: at, Diagnostics: "the element is not in the order of the definition"}
	}
	s.warn(h, warnings)
	return res, raw, err
}

// warn notes what lenient mode let pass.
func (s *server) warn(h *headers, warnings []fhir.Issue) {
	for _, warning := range warnings {
		s.o.Log.Warn("a rule was broken and let pass", "door", "bars", "request", h.requestID, "expression", warning.Expression, "rule", warning.Diagnostics)
	}
}
