package rest

import (
	"bufio"
	"net/http"
	"strconv"

	"github.com/onward-health/onward/fhir"
)

// bundle is a page on its way out. Entries are written one after another from
// the stored bytes; the Bundle as a whole is never built.
type bundle struct {
	kind       string // "searchset" or "history"
	total      int    // -1: not told
	self, next string // absolute; next "" on the last page
	versions   []*Version
	// frame writes the members of an entry that stand behind its resource.
	frame func(v *Version) []byte
}

func (h *Handler) writeBundle(w http.ResponseWriter, r *http.Request, b bundle) {
	w.Header().Set("Content-Type", ContentType)
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	out := bufio.NewWriterSize(w, 32<<10)
	open := h.bundleHead(b).JSON()
	_, _ = out.Write(open[:len(open)-1])
	for i, v := range b.versions {
		if i == 0 {
			_, _ = out.WriteString(`,"entry":[`)
		} else {
			_ = out.WriteByte(',')
		}
		h.writeEntry(out, v, b.frame(v))
	}
	if len(b.versions) > 0 {
		_ = out.WriteByte(']')
	}
	_ = out.WriteByte('}')
	_ = out.Flush() // an error means that the client has gone
}

func (h *Handler) bundleHead(b bundle) *fhir.Object {
	links := []*fhir.Object{fhir.Obj("relation", "self", "url", b.self)}
	if b.next != "" {
		links = append(links, fhir.Obj("relation", "next", "url", b.next))
	}
	head := fhir.NewObject("Bundle").
		Set("id", h.o.NewID()).
		Set("meta", fhir.Obj("lastUpdated", fhir.FormatInstant(h.o.Clock()))).
		Set("type", b.kind)
	if b.total >= 0 {
		head.Set("total", b.total)
	}
	return head.Set("link", links)
}

func (h *Handler) writeEntry(out *bufio.Writer, v *Version, frame []byte) {
	_, _ = out.WriteString(`{"fullUrl":`)
	_, _ = out.Write(fhir.Quote(h.o.BaseURL + "/" + v.Type + "/" + v.ID))
	if !v.Deleted {
		_, _ = out.WriteString(`,"resource":`)
		_, _ = out.Write(fhir.Stamp(v.Body, v.Version, v.LastUpdated))
	}
	_ = out.WriteByte(',')
	_, _ = out.Write(frame)
	_ = out.WriteByte('}')
}

// matched is the frame of a search match.
func matched(*Version) []byte { return []byte(`"search":{"mode":"match"}`) }

// changed is the frame of a version in a history: what was asked and answered
// when it was made.
func changed(v *Version) []byte {
	method, url, status := v.Method, v.Type+"/"+v.ID, "200 OK"
	switch {
	case v.Deleted:
		method, status = http.MethodDelete, "204 No Content"
	case method == http.MethodPost:
		url, status = v.Type, "201 Created"
	case v.Version == 1:
		status = "201 Created"
	}
	if method == "" { // Bundle.entry.request.method is required
		method = http.MethodPut
	}
	members := fhir.Obj(
		"request", fhir.Obj("method", method, "url", url),
		"response", fhir.Obj(
			"status", status,
			"location", v.Type+"/"+v.ID+"/_history/"+strconv.FormatInt(v.Version, 10),
			"etag", formatETag(v.Version),
			"lastModified", fhir.FormatInstant(v.LastUpdated),
		),
	).JSON()
	return members[1 : len(members)-1]
}
