package rest

import (
	"context"
	"net/http"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
)

// search answers GET [base]/Type?… (R4 http.html#search).
func (h *Handler) search(w http.ResponseWriter, r *http.Request, at place) error {
	if err := refuseConditions(r.Header, "If-None-Match", "If-Modified-Since"); err != nil {
		return err
	}
	return h.answerSearch(w, r, at.typ, r.URL.RawQuery)
}

// searchForm answers POST [base]/Type/_search, whose parameters stand in the
// body, in the URL or in both.
func (h *Handler) searchForm(w http.ResponseWriter, r *http.Request, at place) error {
	if err := refuseConditions(r.Header); err != nil {
		return err
	}
	if err := checkFormBody(r.Header); err != nil {
		return err
	}
	body, err := readBody(w, r, min(h.o.MaxBody, search.MaxQueryBytes))
	if err != nil {
		return err
	}
	raw := joinQueries(r.URL.RawQuery, string(body))
	query, err := parseQuery(raw)
	if err != nil {
		return err
	}
	if err := trackerOf(w).ask(r, query); err != nil {
		return err
	}
	return h.answerSearch(w, r, at.typ, raw)
}

func (h *Handler) answerSearch(w http.ResponseWriter, r *http.Request, typ, rawQuery string) error {
	o := h.o.Search
	o.Own = nil // nothing would look at them
	o.ReverseChains, o.Includes, o.Subsets = true, true, true
	if handling := parsePrefer(r.Header.Values("Prefer")).handling; handling != "" {
		o.Lenient = handling == "lenient"
	}
	parsed, err := search.Parse(typ, rawQuery, o)
	if err != nil {
		return err
	}
	if parsed.CountOnly {
		parsed.Query.Count = 1 // a page of none can't be asked for
	}
	count := parsed.CountOnly || parsed.Total == "accurate" || parsed.Total == "estimate"
	page, err := h.backend.Search(r.Context(), parsed.Query, count)
	if err != nil {
		return err
	}
	b := bundle{
		kind: "searchset", total: page.Total, versions: page.Versions, frame: matched,
		self: link(h.url(typ), parsed.Applied, parsed.Query.Cursor),
	}
	if !parsed.CountOnly {
		if err := h.bring(r.Context(), &b, parsed.Includes); err != nil {
			return err
		}
		if b.versions, err = shaped(b.versions, parsed.Shape); err != nil {
			return err
		}
	}
	switch {
	case parsed.CountOnly:
		b.versions = nil
	case page.Next != "":
		b.next = link(h.url(typ), parsed.Applied, page.Next)
	}
	if parsed.Total == "none" && !parsed.CountOnly {
		b.total = -1
	}
	return h.writeBundle(w, r, b)
}

// bring adds what the includes ask for behind the matches.
func (h *Handler) bring(ctx context.Context, b *bundle, includes []search.Include) error {
	if len(includes) == 0 || len(b.versions) == 0 {
		return nil
	}
	brought, err := h.backend.Included(ctx, b.versions, includes)
	if err != nil {
		return err
	}
	matches := map[place]bool{}
	for _, v := range b.versions {
		matches[place{typ: v.Type, id: v.ID}] = true
	}
	b.versions = append(slices.Clone(b.versions), brought...)
	b.frame = func(v *Version) []byte {
		if matches[place{typ: v.Type, id: v.ID}] {
			return matched(v)
		}
		return []byte(`"search":{"mode":"include"}`)
	}
	return nil
}

// shaped cuts the resources down to what "_summary" or "_elements" asks for.
func shaped(versions []*Version, shape search.Shape) ([]*Version, error) {
	if shape.Whole() {
		return versions, nil
	}
	out := make([]*Version, len(versions))
	for i, v := range versions {
		r, err := fhir.Parse(v.Body)
		if err != nil {
			return nil, err
		}
		if r, err = shape.Of(r); err != nil {
			return nil, err
		}
		cut := *v
		cut.Body = r.JSON()
		out[i] = &cut
	}
	return out, nil
}

func joinQueries(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "&" + b
}
