package barsapi

import (
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strconv"
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
	// Mode is how strictly headers are asked for; default bars.Strict.
	Mode bars.Mode
	// Always holds every request to BaRS, whatever its headers.
	Always bool
	// FHIR serves what speaks plain FHIR, and what BaRS leaves to FHIR.
	FHIR http.Handler
	// Statement serves GET /metadata.
	Statement func() *fhir.Resource
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

// Render renders an error of the REST API in the dialect of the request.
func (d *Door) Render(w http.ResponseWriter, r *http.Request, o *fhir.Outcome) { d.s.render(w, r, o) }

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

// ServeHTTP routes a request by its dialect, then by its path.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := d.s
	path := strings.TrimPrefix(r.URL.Path, s.o.BasePath)
	if path == "/MessageDefinition" || strings.HasPrefix(path, "/MessageDefinition/") {
		s.messageDefinition(w, r, strings.TrimPrefix(strings.TrimPrefix(path, "/MessageDefinition"), "/"))
		return
	}
	if !s.speaks(r) {
		s.o.FHIR.ServeHTTP(w, r)
		return
	}
	switch {
	case path == "/metadata":
		s.serve(w, r, need{}, "GET", s.metadata)
	case path == "/$process-message":
		s.serve(w, r, need{target: true, who: true}, "POST", s.processMessage)
	case path == "/Slot":
		s.serve(w, r, need{target: true, who: true}, "GET", s.slots)
	case (path == "/Appointment" || path == "/ServiceRequest") && isRead(r):
		s.serve(w, r, need{target: true, who: true}, "GET", func(w http.ResponseWriter, r *http.Request, h *headers) error {
			return s.findByPatient(w, r, h, path[1:])
		})
	case r.Method == http.MethodDelete && isRecordPath(path):
		// In the standard DELETE cancels and the record stays readable; plain
		// FHIR's would hide it (design D11).
		s.refuse(w, r, fhir.NewOutcome(fhir.KindNotImplemented, "", "this receiver takes cancellations by message; DELETE is not offered yet"))
	case isRead(r) && isRecordPath(path):
		s.serve(w, r, need{target: true, who: true}, "GET", func(w http.ResponseWriter, r *http.Request, h *headers) error {
			typ, id, _ := strings.Cut(path[1:], "/")
			return s.read(w, r, h, typ, id)
		})
	default:
		s.passOn(w, r)
	}
}

func isRead(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// isRecordPath says whether a path is an Appointment or ServiceRequest by id.
func isRecordPath(path string) bool {
	typ, id, found := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return found && id != "" && !strings.Contains(id, "/") && (typ == "Appointment" || typ == "ServiceRequest")
}

// passOn checks the headers and leaves the request to the REST API.
func (s *server) passOn(w http.ResponseWriter, r *http.Request) {
	h, err := readHeaders(r, need{}, s.o.Mode)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	echo(w.Header(), r)
	s.o.FHIR.ServeHTTP(w, r.WithContext(bars.WithCaller(r.Context(), h.caller)))
}

// serve makes the checks that every path shares, then the path's own work.
func (s *server) serve(w http.ResponseWriter, r *http.Request, n need, verb string, work func(http.ResponseWriter, *http.Request, *headers) error) {
	if allow := methodsWith(verb); r.Method == http.MethodOptions {
		answerOptions(w, r, allow)
		return
	} else if !slices.Contains(allow, r.Method) {
		o := fhir.NewOutcome(fhir.KindMethod, "", "this path takes "+verb+" only")
		o.Allow = allow
		s.refuse(w, r, o)
		return
	}
	h, err := readHeaders(r, n, s.o.Mode)
	if err == nil {
		err = checkAccept(r)
	}
	if err == nil {
		err = work(w, r.WithContext(bars.WithCaller(r.Context(), h.caller)), h)
	}
	if err != nil {
		s.refuse(w, r, err)
	}
}

// methodsWith are the methods of a path that takes one verb: HEAD goes with GET,
// OPTIONS with everything.
func methodsWith(verb string) []string {
	if verb == http.MethodGet {
		return []string{http.MethodGet, http.MethodHead, http.MethodOptions}
	}
	return []string{verb, http.MethodOptions}
}

// answerOptions tells what a path takes, which asks for none of the standard's
// headers.
func answerOptions(w http.ResponseWriter, r *http.Request, allow []string) {
	echo(w.Header(), r)
	w.Header().Set("Allow", strings.Join(allow, ", "))
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) metadata(w http.ResponseWriter, r *http.Request, _ *headers) error {
	return s.write(w, r, http.StatusOK, s.o.Statement())
}

// processMessage takes a message and answers with it (BaRS Core, composite
// messages).
func (s *server) processMessage(w http.ResponseWriter, r *http.Request, h *headers) error {
	if r.ContentLength == 0 {
		return fhir.NewOutcome(fhir.KindRequired, "", "the body is empty")
	}
	bundle, body, err := rest.ReadResource(w, r, s.o.MaxBody)
	if err != nil {
		return err
	}
	result, err := s.desk.Message(r.Context(), bars.MessageRequest{
		Caller: h.caller,
		Key: bars.Key{Door: "bars", Sender: string(h.caller.Organisation), Target: h.target.String(),
			Values: []string{strings.ToLower(h.requestID + " " + h.correlation)}},
		Target: h.target,
		Bundle: bundle,
		Body:   body,
		Mode:   s.o.Mode,
	})
	if err != nil {
		return err
	}
	if result.Replay != nil {
		return fhir.NewOutcome(fhir.KindDuplicate, "", "a message with these transaction ids has been processed already")
	}
	for _, warning := range result.Warnings {
		s.o.Log.Warn("a rule was broken and let pass", "door", "bars", "request", h.requestID, "expression", warning.Expression, "rule", warning.Diagnostics)
	}
	if s.write(w, r, http.StatusOK, result.Bundle) != nil {
		// It has been done, so a refusal would be a lie: what XML can't hold is
		// answered in JSON.
		s.writeJSON(w, http.StatusOK, result.Bundle)
	}
	return nil
}

// coreMajor is the major version of BaRS Core that we speak.
const coreMajor = 1

// checkAccept looks for a media range that we can serve: FHIR JSON or XML with a
// Core version whose major is not above ours. No Accept at all means anything.
func checkAccept(r *http.Request) error {
	if err := rest.CheckAccept(r); err != nil {
		return err
	}
	values := r.Header.Values("Accept")
	if strings.TrimSpace(strings.Join(values, "")) == "" {
		return nil
	}
	for _, part := range strings.Split(strings.Join(values, ","), ",") {
		_, params, err := mime.ParseMediaType(strings.TrimRight(strings.TrimSpace(part), "; "))
		if err != nil {
			continue
		}
		if q, err := strconv.ParseFloat(params["q"], 64); err == nil && q == 0 {
			continue // named as not acceptable
		}
		major, _, _ := strings.Cut(params["version"], ".")
		if n, err := strconv.Atoi(major); err != nil || n <= coreMajor {
			return nil
		}
	}
	return fhir.NewOutcome(fhir.KindNotAcceptable, "", "Accept asks for a later major version than this receiver's")
}
