package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/fhirxml"
)

// The media types of the answers.
const (
	ContentType    = "application/fhir+json; charset=utf-8"
	ContentTypeXML = "application/fhir+xml; charset=utf-8"
)

// CheckAccept says whether the request takes FHIR R4 JSON or XML, by _format
// and Accept, and whether its _pretty is one. A door calls it before it does
// anything: WriteResource refuses the same, but then the work has been done.
func CheckAccept(r *http.Request) error { return replyOf(nil, r).fault() }

// WriteResource answers with a resource, JSON or XML, indented or not,
// compressed or not, as the request asks. An error (KindNotAcceptable: no
// format fits, or the resource holds what XML can't, with its path; KindValue:
// _pretty isn't true or false) means that nothing was written, so that the
// caller can answer with WriteOutcomeTo.
func WriteResource(w http.ResponseWriter, r *http.Request, status int, res *fhir.Resource) error {
	return WriteResourceAs(w, r, status, res, "")
}

// content is a body as it is sent, before any compression.
type content struct {
	typ  string // of Content-Type
	body []byte
}

// render writes a resource, which is compact JSON, in the format asked for.
func (p reply) render(text []byte) (content, error) {
	if p.format != inXML {
		return p.renderJSON(text), nil
	}
	res, err := fhir.Parse(text)
	if err != nil {
		return content{}, noXML(err)
	}
	return p.renderXML(res)
}

func (p reply) renderResource(res *fhir.Resource) (content, error) {
	if p.format != inXML {
		return p.renderJSON(res.JSON()), nil
	}
	return p.renderXML(res)
}

// renderJSON never decodes the text: indenting it touches only the white space
// between tokens, so members keep their order and numbers their spelling.
func (p reply) renderJSON(text []byte) content {
	if !p.pretty {
		return content{ContentType, text}
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return content{ContentType, text} // not JSON; what is stored is what is shown
	}
	return content{ContentType, out.Bytes()}
}

func (p reply) renderXML(res *fhir.Resource) (content, error) {
	text, err := fhirxml.FromJSON(res, p.tables)
	if err != nil {
		return content{}, noXML(err)
	}
	if p.pretty {
		text = indentXML(text)
	}
	return content{ContentTypeXML, text}, nil
}

// noXML refuses to show as XML what XML can't hold, such as members that R4
// doesn't know: the store keeps them, and leaving them out would show the record
// as other than it is.
func noXML(err error) *fhir.Outcome {
	cause := fhir.AsOutcome(err)
	o := &fhir.Outcome{Kind: fhir.KindNotAcceptable, Cause: err}
	for _, issue := range cause.Issues {
		o.Add(issue.Expression, "the resource can be had as application/fhir+json only, because XML can't hold all of it: "+issue.Diagnostics)
	}
	return o
}

// send writes the answer with its length, compressed where the request takes
// that and it pays. A HEAD gets the same headers.
func (p reply) send(w http.ResponseWriter, status int, c content) {
	_ = p.trySend(w, status, c) // an error means that the client has gone
}

func (p reply) trySend(w http.ResponseWriter, status int, c content) error {
	head := w.Header()
	setHeader(w, "Content-Type", c.typ)
	vary(w)
	if p.gzip && len(c.body) > minGzip {
		c.body = zipped(c.body)
		head.Set("Content-Encoding", "gzip")
	}
	setHeader(w, "Content-Length", strconv.Itoa(len(c.body)))
	w.WriteHeader(status)
	if p.head {
		return nil
	}
	_, err := w.Write(c.body)
	return err
}

// varies are the headers of a request that decide how its answer is written.
const varies = "Accept, Accept-Encoding"

func vary(w http.ResponseWriter) {
	h := w.Header()
	switch h.Get("Vary") {
	case "":
		setHeader(w, "Vary", varies)
		return
	case varies:
		if len(h["Vary"]) > 1 {
			h.Set("Vary", varies)
		}
		return
	}
	all := splitList(strings.Join(h.Values("Vary"), ","))
	for _, name := range []string{"Accept", "Accept-Encoding"} {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	h.Set("Vary", strings.Join(all, ", "))
}
