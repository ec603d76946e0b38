package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/patch"
)

// The media types of patches.
const (
	typeJSONPatch  = "application/json-patch+json"
	typeMergePatch = "application/merge-patch+json"
)

// PatchTypes are the media types that a patch may have; those of FHIR itself
// are a FHIRPath Patch.
var PatchTypes = []string{typeJSONPatch, typeMergePatch, "application/fhir+json", "application/fhir+xml"}

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
	if !slices.Contains(PatchTypes, m.typ) {
		w.Header().Set("Accept-Patch", strings.Join(PatchTypes, ", ")) // RFC 5789, 2.2
		return nil, mediaType("the Content-Type of a patch must be one of " + strings.Join(PatchTypes, ", "))
	}
	var apply patcher
	if m.isFHIR() {
		apply, err = h.readFHIRPath(w, r)
	} else {
		apply, err = h.readJSONPatch(w, r, m.typ)
	}
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

// readFHIRPath reads a FHIRPath Patch, a Parameters resource in JSON or XML.
func (h *Handler) readFHIRPath(w http.ResponseWriter, r *http.Request) (patcher, error) {
	doc, _, err := readResource(w, r, h.o.MaxBody, h.o.Tables)
	if err != nil {
		return nil, err
	}
	p, err := patch.ParseFHIRPath(doc, h.o.Tables)
	if err != nil {
		return nil, err
	}
	return p.Apply, nil
}

// readJSONPatch reads a JSON Patch or a JSON Merge Patch.
func (h *Handler) readJSONPatch(w http.ResponseWriter, r *http.Request, typ string) (patcher, error) {
	body, err := readBody(w, r, h.o.MaxBody)
	if err != nil {
		return nil, err
	}
	return parseJSONPatch(typ, body)
}

func parseJSONPatch(typ string, body []byte) (patcher, error) {
	if typ == typeMergePatch {
		doc, err := fhir.Parse(body)
		if err != nil {
			return nil, err
		}
		return merging(doc), nil
	}
	p, err := patch.ParseJSON(body)
	if err != nil {
		return nil, err
	}
	return p.Apply, nil
}

// merging merges a document into a resource.
func merging(doc *fhir.Resource) patcher {
	return func(current *fhir.Resource) (*fhir.Resource, error) { return patch.Merge(current, doc) }
}
