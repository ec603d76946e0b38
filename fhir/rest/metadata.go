package rest

import (
	"bytes"
	"net/http"
	"time"

	"github.com/onward-health/onward/fhir"
)

// metadata answers GET [base]/metadata (R4 http.html#capabilities). mode is full
// or normative, which is the same statement; what is asked of a terminology
// server isn't here.
func (h *Handler) metadata(w http.ResponseWriter, r *http.Request, _ place) error {
	if h.o.Metadata == nil {
		return unknownPath()
	}
	query, err := general(r, "mode")
	if err != nil {
		return err
	}
	switch query.Get("mode") {
	case "", "full", "normative":
	case "terminology":
		return fhir.NewOutcome(fhir.KindNotImplemented, "", "this server has no TerminologyCapabilities")
	default:
		return fhir.NewOutcome(fhir.KindValue, "", "mode must be full, normative or terminology")
	}
	p := replyOf(w, r)
	get := r.Clone(r.Context()) // the length of a HEAD's answer is that of the body, too
	get.Method = http.MethodGet
	c := &capture{header: w.Header(), status: http.StatusOK}
	h.o.Metadata.ServeHTTP(c, get)

	m, ok := parseMedia(w.Header().Get("Content-Type"))
	if !ok || !m.isJSON() {
		w.WriteHeader(c.status)
		_, _ = w.Write(c.body.Bytes()) // not FHIR, so sent as it is
		return nil
	}
	out, err := p.render(c.body.Bytes())
	if err != nil {
		return err
	}
	p.send(w, c.status, out)
	return nil
}

// capture is a writer that keeps the body.
type capture struct {
	header http.Header
	status int
	body   bytes.Buffer
	most   int  // bytes to keep; 0: all
	over   bool // there were more
	// changed is when the record that is answered with was changed; a header
	// tells that to the second only.
	changed time.Time
}

func (c *capture) Header() http.Header    { return c.header }
func (c *capture) WriteHeader(status int) { c.status = status }

func (c *capture) Write(b []byte) (int, error) {
	if c.over = c.over || c.most > 0 && c.body.Len()+len(b) > c.most; c.over {
		return len(b), nil
	}
	return c.body.Write(b)
}
