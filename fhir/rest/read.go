package rest

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/onward-health/onward/fhir"
)

// read answers GET and HEAD [base]/Type/id (R4 http.html#read).
func (h *Handler) read(w http.ResponseWriter, r *http.Request, at place) error {
	return h.answerRead(w, r, at, func() (*Version, error) {
		return h.backend.Read(r.Context(), at.typ, at.id)
	})
}

// versionRead answers GET and HEAD [base]/Type/id/_history/vid.
func (h *Handler) versionRead(w http.ResponseWriter, r *http.Request, at place) error {
	version, ok := parseVersion(at.version)
	if !ok { // a FHIR id, yet none that we ever gave to a version
		return fhir.NewOutcome(fhir.KindNotFound, "", "there is no such version")
	}
	return h.answerRead(w, r, at, func() (*Version, error) {
		return h.backend.VersionRead(r.Context(), at.typ, at.id, version)
	})
}

func (h *Handler) answerRead(w http.ResponseWriter, r *http.Request, at place, find func() (*Version, error)) error {
	p := replyOf(w, r)
	if err := p.faultFor(at.typ); err != nil {
		return err
	}
	if err := refuseConditions(r.Header, "If-None-Match", "If-Modified-Since"); err != nil {
		return err
	}
	if _, err := general(r); err != nil {
		return err
	}
	v, err := find()
	if err != nil {
		return err
	}
	if v.Deleted {
		return fhir.NewOutcome(fhir.KindGone, "", "the resource was deleted")
	}
	same, err := notModified(r.Header, v)
	if err != nil {
		return err
	}
	if same {
		versionHeaders(w, v)
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	c, err := p.version(v, w.Header())
	if err != nil {
		return err
	}
	versionHeaders(w, v)
	p.send(w, http.StatusOK, c)
	return nil
}

// versionHeaders tells which version is answered with.
func versionHeaders(w http.ResponseWriter, v *Version) {
	setHeader(w, "Etag", formatETag(v.Version))
	setHeader(w, "Last-Modified", v.LastUpdated.UTC().Format(http.TimeFormat))
	if t := trackerOf(w); t != nil {
		if c, ok := t.ResponseWriter.(*capture); ok { // an entry of a batch
			c.changed = v.LastUpdated
		}
	}
}

// general reads the query of an interaction that isn't a search. _format and
// _pretty were dealt with before. Any other parameter is refused unless the interaction takes it or the client asked
// for lenient handling; _summary and _elements too, as a search refuses them.
func general(r *http.Request, takes ...string) (url.Values, error) {
	query, err := parseQuery(r.URL.RawQuery)
	if err != nil || query == nil {
		return nil, err
	}
	lenient := parsePrefer(r.Header.Values("Prefer")).handling == "lenient"
	for name, values := range query {
		switch {
		case slices.Contains(takes, name):
			if len(values) > 1 {
				return nil, fhir.NewOutcome(fhir.KindInvalid, "", "the parameter "+name+" is given more than once")
			}
		case name == "_format", name == "_pretty", lenient:
		case name == "_summary" && len(values) == 1 && values[0] == "false":
		default:
			return nil, fhir.NewOutcome(fhir.KindNotSupported, "", "the URL holds a parameter that this interaction does not take")
		}
	}
	return query, nil
}
