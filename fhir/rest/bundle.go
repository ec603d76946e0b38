package rest

import (
	"bytes"
	"io"
	"net/http"
	"strconv"

	"github.com/onward-health/onward/fhir"
)

// bundle is a page on its way out. In plain JSON its entries are written one
// after another from the stored bytes, and the page as a whole is never built.
type bundle struct {
	kind       string // "searchset" or "history"
	total      int    // -1: not told
	self, next string // absolute; next "" on the last page
	versions   []*Version
	// frame writes the members of an entry that stand behind its resource.
	frame func(v *Version) string
}

// maxWhole bounds the stored bytes of a page that is put together in memory,
// which takes several times as many.
const maxWhole = 32 << 20

// writeBundle sends a page. XML is converted from the whole page, not entry by
// entry: one that XML can't hold must be refused with its place in the Bundle
// before the answer begins, for half a page must not look whole.
func (h *Handler) writeBundle(w http.ResponseWriter, r *http.Request, b bundle) error {
	p := replyOf(w, r)
	if p.format == inJSON && !p.pretty {
		s := newStream(p, w, ContentType)
		h.printBundle(s, b)
		s.finish()
		return nil
	}
	size := 0
	for _, v := range b.versions {
		size += len(v.Body)
	}
	if size > maxWhole {
		return fhir.NewOutcome(fhir.KindTooCostly, "", "the page is too large to be converted; ask for fewer with _count, or for JSON that isn't indented")
	}
	var page bytes.Buffer
	h.printBundle(&page, b)
	c, err := p.render(page.Bytes())
	if err != nil {
		return err
	}
	p.send(w, http.StatusOK, c)
	return nil
}

// printBundle writes the page as compact JSON. Errors of out are its own affair.
func (h *Handler) printBundle(out io.Writer, b bundle) {
	open := h.bundleHead(b).JSON()
	_, _ = out.Write(open[:len(open)-1])
	var entry []byte // one after another
	for i, v := range b.versions {
		before := ","
		if i == 0 {
			before = `,"entry":[`
		}
		entry = h.appendEntry(append(entry[:0], before...), v, b.frame(v))
		_, _ = out.Write(entry)
	}
	if len(b.versions) > 0 {
		_, _ = io.WriteString(out, "]")
	}
	_, _ = io.WriteString(out, "}")
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

func (h *Handler) appendEntry(out []byte, v *Version, frame string) []byte {
	out = append(out, `{"fullUrl":`...)
	out = fhir.AppendQuoted(out, h.o.BaseURL+"/"+v.Type+"/"+v.ID)
	if !v.Deleted {
		out = append(out, `,"resource":`...)
		out = appendStamped(out, v)
	}
	out = append(out, ',')
	out = append(out, frame...)
	return append(out, '}')
}

// included is the frame of what an include brought.
const included = `"search":{"mode":"include"}`

// matched is the frame of a search match.
func matched(*Version) string { return `"search":{"mode":"match"}` }

// changed is the frame of a version in a history: what was asked and answered
// when it was made.
func changed(v *Version) string {
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
	return string(members[1 : len(members)-1])
}
