package rest

import (
	"net/http"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/patch"
)

// The media types of patches.
const (
	typeJSONPatch  = "application/json-patch+json"
	typeMergePatch = "application/merge-patch+json"
	acceptPatch    = typeJSONPatch + ", " + typeMergePatch
)

// patcher makes the next version of a resource.
type patcher func(*fhir.Resource) (*fhir.Resource, error)

// patch reads PATCH [base]/Type/id (R4 http.html#patch).
func (h *Handler) patch(w http.ResponseWriter, r *http.Request, at place) (Change, error) {
	c, err := readVersioned(r, http.MethodPatch, at)
	if err != nil {
		return c, err
	}
	if _, err := general(r); err != nil {
		return c, err
	}
	c.Patch, err = h.readPatch(w, r)
	return c, err
}

// patchWhere reads PATCH [base]/Type?criteria.
func (h *Handler) patchWhere(w http.ResponseWriter, r *http.Request, at place) (Change, error) {
	c, err := readVersioned(r, http.MethodPatch, at)
	if err != nil {
		return c, err
	}
	if c.Where, err = h.criteria(at.typ, r.URL.RawQuery); err != nil {
		return c, err
	}
	c.Patch, err = h.readPatch(w, r)
	return c, err
}

// readPatch reads a patch by its Content-Type.
func (h *Handler) readPatch(w http.ResponseWriter, r *http.Request) (patcher, error) {
	m, err := contentType(r.Header)
	if err != nil {
		return nil, err
	}
	if m.typ != typeJSONPatch && m.typ != typeMergePatch {
		w.Header().Set("Accept-Patch", acceptPatch) // RFC 5789, 2.2
		return nil, mediaType("the Content-Type of a patch must be " + typeJSONPatch + " or " + typeMergePatch)
	}
	body, err := readBody(w, r, h.o.MaxBody)
	if err != nil {
		return nil, err
	}
	apply, err := parsePatch(m.typ, body)
	if err != nil {
		return nil, err
	}
	return func(current *fhir.Resource) (*fhir.Resource, error) {
		next, err := apply(current)
		if err != nil {
			return nil, err
		}
		return next, checkAnswer(w, r, next)
	}, nil
}

func parsePatch(typ string, body []byte) (patcher, error) {
	if typ == typeMergePatch {
		doc, err := fhir.Parse(body)
		if err != nil {
			return nil, err
		}
		return func(current *fhir.Resource) (*fhir.Resource, error) { return patch.Merge(current, doc) }, nil
	}
	p, err := patch.ParseJSON(body)
	if err != nil {
		return nil, err
	}
	return p.Apply, nil
}
