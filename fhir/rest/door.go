package rest

import (
	"net/http"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/patch"
)

// What other doors need that answer requests themselves, beside ReadResource and
// WriteResource.

// ReadIfMatch reads the version that If-Match names; 0: none is asked for. Any
// other condition is refused, for one that is passed over would let a write happen
// that the client had forbidden.
func ReadIfMatch(h http.Header) (version int64, err error) {
	if err := refuseConditions(h, "If-Match"); err != nil {
		return 0, err
	}
	var c Change
	err = c.readIfMatch(h.Values("If-Match"))
	return c.IfMatch, err
}

// ReadPatch reads a request's patch, of at most max bytes, in any of PatchTypes.
// A resource under one of FHIR's own types that isn't the Parameters of a FHIRPath
// Patch is taken as a part of the resource, which is merged into it. raw is the
// body as it was written, after decompression.
func ReadPatch(w http.ResponseWriter, r *http.Request, max int64) (apply func(*fhir.Resource) (*fhir.Resource, error), raw []byte, err error) {
	m, err := contentType(r.Header)
	if err != nil {
		return nil, nil, err
	}
	if m.isJSON() || m.isXML() {
		part, raw, err := ReadResource(w, r, max)
		if err != nil {
			return nil, raw, err
		}
		if part.Type() != "Parameters" {
			return merging(part), raw, nil
		}
		p, err := patch.ParseFHIRPath(part, replyOf(w, r).tables)
		if err != nil {
			return nil, raw, err
		}
		return p.Apply, raw, nil
	}
	if m.typ != typeJSONPatch && m.typ != typeMergePatch {
		w.Header().Set("Accept-Patch", strings.Join(PatchTypes, ", ")) // RFC 5789, 2.2
		return nil, nil, mediaType("the Content-Type of a patch must be one of " + strings.Join(PatchTypes, ", "))
	}
	if raw, err = readBody(w, r, max); err != nil {
		return nil, raw, err
	}
	apply, err = parseJSONPatch(m.typ, raw)
	return apply, raw, err
}

// WriteResourceAs is WriteResource with parameters, such as "; version=1.0.0",
// behind the Content-Type of an answer in JSON.
func WriteResourceAs(w http.ResponseWriter, r *http.Request, status int, res *fhir.Resource, parameters string) error {
	p := replyOf(w, r)
	if err := p.fault(); err != nil {
		return err
	}
	c, err := p.renderResource(res)
	if err != nil {
		return err
	}
	if c.typ == ContentType {
		c.typ += parameters
	}
	p.send(w, status, c)
	return nil
}
