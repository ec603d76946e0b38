package testtool

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/nhs"
)

// Path is where the tool is mounted: a receiver's base.
const Path = "/sandbox/testtool/FHIR/R4"

const maxHeader = 16 << 10

// Options configure the tool.
type Options struct {
	BaseURL string // the absolute address of Path
	MaxBody int64  // bytes of a request; default 5 MiB
	Now     func() time.Time
	NewID   func() string
	// Send delivers the responses that some NHS numbers ask for; nil: none is sent.
	Send func(ctx context.Context, r *Response) error
	Log  *slog.Logger
}

// Tool is the stand-in.
type Tool struct {
	o        Options
	scenario *scenario
	waiting  chan *Response
}

// New makes the tool.
func New(o Options) *Tool {
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
	return &Tool{o: o, scenario: newScenario(o.Now), waiting: make(chan *Response, maxWaiting)}
}

// request is one request with its headers read.
type request struct {
	*http.Request
	target       nhs.ServiceID
	organisation string
}

// route is one path of the tool.
type route struct {
	verbs   []string
	target  bool // the target header must be there
	handler func(w http.ResponseWriter, r *request) error
}

// ServeHTTP answers one request.
func (t *Tool) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, name := range []string{"X-Request-Id", "X-Correlation-Id"} {
		if v := r.Header.Get(name); v != "" && len(v) <= 256 {
			w.Header().Set(name, v)
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	path := strings.TrimPrefix(r.URL.Path, Path)
	if path == "" || path == "/" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "sandbox stand-in of the BaRS test tool: sentinel values choose the answer; invented data, not for real patients\n")
		return
	}
	if err := t.answer(w, r, path); err != nil {
		t.refuse(w, r, err)
	}
}

// errEmpty is an answer without a body.
type errEmpty int

func (e errEmpty) Error() string { return "status " + strconv.Itoa(int(e)) }

func (t *Tool) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var empty errEmpty
	if errors.As(err, &empty) {
		w.WriteHeader(int(empty))
		return
	}
	o := fhir.AsOutcome(err)
	if o.Kind == fhir.KindException && o.Cause != nil {
		t.o.Log.Error("sandbox test tool", "error", o.Cause)
	}
	rest.WriteOutcomeTo(w, r, o, rest.Style{
		Row: func(row fhir.KindRow) (int, string) { return row.BaRSStatus, row.BaRSIssue },
		Details: func(row fhir.KindRow) *fhir.Object {
			code := "REC_" + row.Word
			return fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", "https://fhir.nhs.uk/Codesystem/http-error-codes",
				"code", code, "display", strconv.Itoa(row.BaRSStatus)+" - "+code)})
		},
		Head: func(o *fhir.Object) { o.Set("id", t.o.NewID()) },
	})
}

func (t *Tool) answer(w http.ResponseWriter, r *http.Request, path string) error {
	way, found := t.route(path)
	if !found {
		return fhir.NewOutcome(fhir.KindNotFound, "", "no such path")
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if !slices.Contains(way.verbs, method) {
		o := fhir.NewOutcome(fhir.KindMethod, "", "this path takes "+strings.Join(way.verbs, ", ")+" only")
		o.Allow = way.verbs
		return o
	}
	q, err := readHeaders(r, way.target)
	if err != nil {
		return err
	}
	if q.target.System == System {
		chosen, known := targets[q.target.Value]
		switch {
		case !known:
			return fhir.NewOutcome(fhir.KindNotFound, "", "the test tool knows no such target")
		case chosen.raw != 0:
			return errEmpty(chosen.raw)
		case chosen.set:
			return chosen.err()
		}
	}
	if err := rest.CheckAccept(r); err != nil {
		return err
	}
	return way.handler(w, q)
}

// route finds a path's handler. Paths are case sensitive, as in the national tool.
func (t *Tool) route(path string) (route, bool) {
	get := []string{http.MethodGet}
	switch path {
	case "/metadata":
		return route{get, false, t.metadata}, true
	case "/MessageDefinition":
		return route{get, true, t.definitions}, true
	case "/$process-message":
		return route{[]string{http.MethodPost}, true, t.process}, true
	case "/Slot":
		return route{get, true, t.slots}, true
	}
	typ, id, single := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if records[typ] == nil || strings.Contains(id, "/") || (single && id == "") {
		return route{}, false
	}
	if !single {
		return route{get, true, func(w http.ResponseWriter, r *request) error { return t.find(w, r, typ) }}, true
	}
	return route{get, true, func(w http.ResponseWriter, r *request) error { return t.read(w, r, typ, id) }}, true
}

// readHeaders checks the headers as a receiver in strict mode does.
func readHeaders(r *http.Request, target bool) (*request, error) {
	missing := &fhir.Outcome{Kind: fhir.KindRequired}
	wrong := &fhir.Outcome{Kind: fhir.KindValue}
	for _, name := range []string{"X-Request-Id", "X-Correlation-Id"} {
		switch v := r.Header.Get(name); {
		case v == "":
			missing.Add("", "the header "+name+" is missing")
		case !fhir.ValidUUID(v):
			wrong.Add("", "the header "+name+" must be a UUID")
		}
	}
	q := &request{Request: r}
	if text := r.Header.Get("NHSD-Target-Identifier"); text == "" && target {
		missing.Add("", "the header NHSD-Target-Identifier is missing")
	} else if text != "" {
		object := decode(text)
		if object == nil || object.Get("system").Text() == "" || object.Get("value").Text() == "" {
			wrong.Add("", "the header NHSD-Target-Identifier must be the Base64 of an object with system and value")
		} else {
			q.target = nhs.ServiceID{System: nhs.Canonical(object.Get("system").Text()), Value: object.Get("value").Text()}
		}
	}
	if text := r.Header.Get("NHSD-End-User-Organisation"); text == "" && target {
		missing.Add("", "the header NHSD-End-User-Organisation is missing")
	} else if text != "" {
		object := decode(text)
		if object == nil || nhs.ODSOf(object) == "" {
			wrong.Add("", "the header NHSD-End-User-Organisation must be the Base64 of an Organization with its ODS code")
		} else {
			q.organisation = string(nhs.ODSOf(object))
		}
	}
	if err := missing.OrNil(); err != nil {
		return nil, err
	}
	return q, wrong.OrNil()
}

func decode(text string) *fhir.Resource {
	if len(text) > maxHeader {
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	object, err := fhir.Parse(raw)
	if err != nil {
		return nil
	}
	return object
}

func (t *Tool) write(w http.ResponseWriter, r *request, res *fhir.Resource) error {
	return rest.WriteResource(w, r.Request, http.StatusOK, res)
}

func (t *Tool) searchset(entries []*fhir.Object, total int, path string, r *request) *fhir.Resource {
	self := t.o.BaseURL + path
	if query := r.URL.Query().Encode(); query != "" {
		self += "?" + query
	}
	return fhir.NewObject("Bundle").Set("id", t.o.NewID()).Set("type", "searchset").
		Set("timestamp", fhir.FormatInstant(t.o.Now())).Set("total", total).
		Set("link", []*fhir.Object{fhir.Obj("relation", "self", "url", self)}).
		Set("entry", entries).Resource()
}
