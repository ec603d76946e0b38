package rest

import (
	"context"
	"net/http"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
)

// search answers GET [base]/Type?…, [base]?… and [base]/Type/id/Type?… (R4
// http.html#search).
func (h *Handler) search(w http.ResponseWriter, r *http.Request, at place) error {
	if err := refuseConditions(r.Header, "If-None-Match", "If-Modified-Since"); err != nil {
		return err
	}
	return h.answerSearch(w, r, at, r.URL.RawQuery)
}

// searchForm answers POST [base]/Type/_search and the like, whose parameters stand in the
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
	return h.answerSearch(w, r, at, raw)
}

func (h *Handler) answerSearch(w http.ResponseWriter, r *http.Request, at place, rawQuery string) error {
	in, err := h.scope(at)
	if err != nil {
		return err
	}
	o := h.o.Search
	o.Own = nil // nothing would look at them
	if h.o.Explain {
		o.Own = []string{explainParam}
	}
	o.ReverseChains, o.Includes, o.Subsets = true, true, true
	if handling := parsePrefer(r.Header.Values("Prefer")).handling; handling != "" {
		o.Lenient = handling == "lenient"
	}
	parsed, err := in.parse(rawQuery, o)
	if err != nil {
		return err
	}
	if explained, err := wantsPlan(parsed.Own); err != nil {
		return err
	} else if explained {
		return h.explain(w, r, parsed)
	}
	page, err := h.find(r.Context(), parsed)
	if err != nil {
		return err
	}
	b := bundle{
		kind: "searchset", total: page.Total, versions: page.Versions, frame: matched,
		self: link(in.path, parsed.Applied, parsed.Query.Cursor),
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
		b.next = link(in.path, parsed.Applied, page.Next)
	}
	if parsed.Total == "none" && !parsed.CountOnly {
		b.total = -1
	}
	return h.writeBundle(w, r, b)
}

// find carries out a search. A number that was asked for and can't be told is an
// error where nothing else was asked for.
func (h *Handler) find(ctx context.Context, p *search.Parsed) (*Page, error) {
	count := p.CountOnly || p.Total == "accurate" || p.Total == "estimate"
	var page *Page
	var err error
	if p.Queries != nil {
		page, err = h.several(ctx, p, count)
	} else {
		if p.CountOnly {
			p.Query.Count = 1 // a page of none can't be asked for
		}
		page, err = h.backend.Search(ctx, p.Query, count)
	}
	if err != nil {
		return nil, err
	}
	if p.CountOnly && page.Total < 0 {
		return nil, fhir.NewOutcome(fhir.KindTooCostly, "", "there are more matches than can be counted; narrow the search")
	}
	return page, nil
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
	b.frame = func(v *Version) string {
		if matches[place{typ: v.Type, id: v.ID}] {
			return matched(v)
		}
		return included
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
