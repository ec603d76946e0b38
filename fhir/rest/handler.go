package rest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
	"github.com/onward-health/onward/fhir/r4"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/fhir/validate"
	"github.com/onward-health/onward/fhir/validate/profile"
)

// DefaultMaxBody is the default of Options.MaxBody in bytes (design D28).
const DefaultMaxBody = 5 << 20

// Options configure a Handler. Only BaseURL has no default.
type Options struct {
	// BaseURL begins every link: absolute, without a closing slash. The Host
	// header is never used for links, because the client chooses it.
	BaseURL string
	// Types are the resource types served. Default: search.Types().
	Types []string
	// MaxBody bounds a request body in bytes, as sent and as decompressed.
	// Default: DefaultMaxBody.
	MaxBody int64
	// Search is passed to search.Parse; Base and Now default to BaseURL and
	// Clock. "Prefer: handling=" of a request overrides Lenient.
	Search search.Options
	// Tables are the definitions that XML is read and written by. Default:
	// r4.Tables.
	Tables *def.Tables
	// Profiles are those that $validate knows. Default: none.
	Profiles *profile.Set
	// Clock stamps bundles. Default: time.Now.
	Clock func() time.Time
	// Explain takes "_explain=true" in a search and shows how it would be carried
	// out instead of its matches. Values are masked, but what is stored and how
	// much of it shows through: for operators only. The Backend must be an
	// Explainer. Without it the parameter is refused.
	Explain bool
	// Render writes an error. Default: WriteOutcomeTo in the Plain style. It is
	// also the place to log Outcome.Cause, which a client never sees.
	Render func(w http.ResponseWriter, r *http.Request, o *fhir.Outcome)
	// NewID names bundles. Default: a random UUID.
	NewID func() string
	// Metadata answers GET /metadata with FHIR JSON, which is converted where the
	// request asks for XML. Nil: 404.
	Metadata http.Handler
	// OnPanic is told of a panic in a handler, for the log. The request was
	// answered with a 500 that shows nothing of it. May be nil.
	OnPanic func(r *http.Request, value any, stack []byte)
}

// Handler serves the FHIR R4 RESTful API. It takes paths relative to the base:
// mount it with http.StripPrefix.
type Handler struct {
	backend   Backend
	o         Options
	types     map[string]bool
	routes    [maxParts + 1][]*route // by the number of parts
	validator *validate.Validator
}

// New makes a Handler. It panics when the BaseURL isn't an absolute URL, which
// is a fault of the program's wiring.
func New(b Backend, o Options) *Handler {
	o.BaseURL = strings.TrimRight(o.BaseURL, "/")
	if u, err := url.Parse(o.BaseURL); err != nil || u.Scheme == "" || u.Host == "" {
		panic("rest: Options.BaseURL must be an absolute URL")
	}
	if o.Types == nil {
		o.Types = search.Types()
	}
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.Tables == nil {
		o.Tables = r4.Tables
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Search.Now == nil {
		o.Search.Now = o.Clock
	}
	if o.Search.Base == "" {
		o.Search.Base = o.BaseURL
	}
	if o.NewID == nil {
		o.NewID = uuid.NewString
	}
	if o.Render == nil {
		o.Render = func(w http.ResponseWriter, r *http.Request, out *fhir.Outcome) {
			WriteOutcomeTo(w, r, out, Plain)
		}
	}
	h := &Handler{backend: b, o: o, types: make(map[string]bool, len(o.Types)), validator: validate.New(o.Tables)}
	for _, typ := range o.Types {
		h.types[typ] = true
	}
	h.addRoutes()
	return h
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := &tracker{ResponseWriter: w, reply: reply{tables: h.o.Tables}}
	query, _ := parseQuery(r.URL.RawQuery) // a malformed one is refused where it is used
	_ = t.ask(r, query)                    // and so are bad wishes
	head := t.Header()
	vary(t)
	setHeader(t, "Cache-Control", "no-store") // patient data
	setHeader(t, "X-Content-Type-Options", "nosniff")
	echo(head, r.Header, "X-Request-Id")
	echo(head, r.Header, "X-Correlation-Id")
	defer h.recovered(t, r)
	if r.URL.Path == "" { // the base itself, behind http.StripPrefix
		r = r.WithContext(r.Context())
		u := *r.URL
		u.Path, u.RawPath = "/", ""
		r.URL = &u
	}
	if err := h.dispatch(t, r); err != nil {
		h.fail(t, r, err)
	}
}

// maxEcho bounds an id that is sent back, in bytes.
const maxEcho = 256

// echo sends an id of the client's back as it came. One with other than
// printable ASCII stays away, so that it can't put anything into our answer.
func echo(to, from http.Header, name string) {
	if id := from.Get(name); printable(id) {
		to.Set(name, id)
	}
}

// printable says whether a text of others may stand in a header of ours.
func printable(text string) bool {
	for _, c := range []byte(text) {
		if c < 0x20 || c > 0x7E {
			return false
		}
	}
	return text != "" && len(text) <= maxEcho
}

// recovered turns a panic into a 500 without its text. Where the answer has
// begun, the connection is cut, for half a bundle must not look whole.
func (h *Handler) recovered(t *tracker, r *http.Request) {
	value := recover()
	if value == nil {
		return
	}
	if err, ok := value.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(value)
	}
	if h.o.OnPanic != nil {
		h.o.OnPanic(r, value, debug.Stack())
	}
	if t.begun {
		panic(http.ErrAbortHandler)
	}
	for _, name := range []string{"ETag", "Last-Modified", "Location", "Content-Length"} {
		t.Header().Del(name)
	}
	h.fail(t, r, fmt.Errorf("panic: %v", value))
}

// fail renders an error; one that isn't an Outcome is a 500 without its text.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	h.o.Render(w, r, fhir.AsOutcome(err))
}

// tracker notes how an answer is to be written and whether it has begun.
type tracker struct {
	http.ResponseWriter
	reply
	begun bool
	// values are those of the first headers that setHeader sets.
	values [8]string
	set    int
}

// setHeader is Header.Set for a name in the spelling of http.Header. The values
// of the usual headers stand in the tracker, so that not each needs a slice of
// its own.
func setHeader(w http.ResponseWriter, name, value string) {
	t := trackerOf(w)
	if t == nil || t.set == len(t.values) {
		w.Header().Set(name, value)
		return
	}
	t.values[t.set] = value
	t.set++
	w.Header()[name] = t.values[t.set-1 : t.set : t.set]
}

// ask notes what the request and its parameters say about the answer. The error
// is what is wrong with that; what is written nevertheless is JSON.
func (t *tracker) ask(r *http.Request, query url.Values) error {
	t.wish = readWish(r, query)
	if _, entry := t.ResponseWriter.(*capture); entry { // part of a Bundle, which has one format
		t.format, t.formats, t.pretty = inJSON, nil, false
	}
	return t.fault()
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

// url joins segments to the base.
func (h *Handler) url(segments ...string) string {
	return strings.Join(slices.Insert(segments, 0, h.o.BaseURL), "/")
}
