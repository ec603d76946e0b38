package rest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
)

// place is what the path names.
//
// inner is the type looked for in a compartment, or "*".
type place struct{ typ, id, version, inner string }

// interaction answers a request to a place; its error is rendered for it.
type interaction func(w http.ResponseWriter, r *http.Request, at place) error

// verbs is what a path takes, by HTTP method.
type verbs struct {
	do map[string]interaction
	// refused are methods that FHIR defines for the path and that aren't
	// offered, with the reason.
	refused map[string]string
	// conditional are methods that FHIR defines only with criteria in the query.
	conditional map[string]interaction
	// negotiates is the method whose interaction finds the format itself: that
	// of a form, whose body may hold _format, and of a read, whose record may be
	// a Binary.
	negotiates string
}

func (h *Handler) addRoutes() {
	h.route("/", verbs{
		do: map[string]interaction{http.MethodGet: h.search, http.MethodPost: h.bundle},
	})
	h.route("/metadata", verbs{do: map[string]interaction{http.MethodGet: h.metadata}})
	h.route("/_history", verbs{do: map[string]interaction{http.MethodGet: h.history}})
	h.searchRoutes()
	h.route("/{type}", verbs{
		do: map[string]interaction{http.MethodGet: h.search, http.MethodPost: h.writing(h.create)},
		conditional: map[string]interaction{
			http.MethodPut: h.writing(h.updateWhere), http.MethodPatch: h.writing(h.patchWhere), http.MethodDelete: h.writing(h.deleteWhere),
		},
	})
	h.route("/{type}/_search", verbs{
		do: map[string]interaction{http.MethodPost: h.searchForm}, negotiates: http.MethodPost,
	})
	h.route("/{type}/$validate", verbs{do: map[string]interaction{http.MethodPost: h.validate}})
	h.route("/{type}/{id}/$validate", verbs{do: map[string]interaction{http.MethodPost: h.validate}})
	h.route("/{type}/_history", verbs{do: map[string]interaction{http.MethodGet: h.history}})
	h.route("/{type}/{id}", verbs{
		do: map[string]interaction{
			http.MethodGet: h.read, http.MethodPut: h.writing(h.update), http.MethodPatch: h.writing(h.patch), http.MethodDelete: h.writing(h.delete),
		},
		negotiates: http.MethodGet,
	})
	h.route("/{type}/{id}/_history", verbs{do: map[string]interaction{http.MethodGet: h.history}})
	h.route("/{type}/{id}/_history/{version}", verbs{
		do: map[string]interaction{http.MethodGet: h.versionRead}, negotiates: http.MethodGet,
	})
	h.compartmentRoutes()
}

// dispatch answers a request. Its path is taken as it is written: a cleaned one
// would be answered with a redirect, and a decoded one could hide a slash in an
// id.
func (h *Handler) dispatch(w http.ResponseWriter, r *http.Request) error {
	to, at, found := h.routeOf(r.URL.EscapedPath())
	if !found {
		return unknownPath()
	}
	at, err := h.place(at, to.names)
	if err != nil {
		return err
	}
	v := &to.verbs
	if r.Method == http.MethodOptions {
		return h.options(w, r, v)
	}
	do, err := v.choose(r)
	if err != nil {
		return err
	}
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	if methodOf(r) != v.negotiates {
		if err := replyOf(w, r).fault(); err != nil {
			return err
		}
	}
	return do(w, r, at)
}

// methodOf is the request's method; HEAD goes with GET.
func methodOf(r *http.Request) string {
	if r.Method == http.MethodHead {
		return http.MethodGet
	}
	return r.Method
}

// place decodes what a path names and checks it. has are the names that it
// holds; a held one may be empty in the url of a Bundle's entry.
func (h *Handler) place(as place, has names) (at place, err error) {
	at.typ, err = url.PathUnescape(as.typ)
	if err == nil {
		at.id, err = url.PathUnescape(as.id)
	}
	if err == nil {
		at.version, err = url.PathUnescape(as.version)
	}
	if err == nil {
		at.inner, err = url.PathUnescape(as.inner)
	}
	if err != nil {
		return at, fhir.NewOutcome(fhir.KindInvalid, "", "the path is malformed")
	}
	if has&typeName != 0 && !h.types[at.typ] {
		return at, fhir.NewOutcome(fhir.KindNotFound, "", "this server has no resource type of the name in the path")
	}
	if at.inner != "" && (at.inner[0] == '_' || at.inner[0] == '$') {
		return at, unknownPath()
	}
	if at.inner != "" && at.inner != "*" && !h.types[at.inner] {
		return at, fhir.NewOutcome(fhir.KindNotFound, "", "this server has no resource type of the name in the path")
	}
	if at.id != "" && (at.id[0] == '_' || at.id[0] == '$') {
		return at, unknownPath() // an operation or a reserved name, never an id
	}
	if has&idName != 0 && !fhir.ValidID(at.id) {
		return at, fhir.NewOutcome(fhir.KindValue, "", "the id in the path is not a FHIR id: 1 to 64 letters, digits, \"-\" and \".\"")
	}
	if has&versionName != 0 && !fhir.ValidID(at.version) {
		return at, fhir.NewOutcome(fhir.KindValue, "", "the version in the path is not a FHIR id: 1 to 64 letters, digits, \"-\" and \".\"")
	}
	return at, nil
}

// choose finds the interaction for the request's method.
func (v *verbs) choose(r *http.Request) (interaction, error) {
	method := methodOf(r)
	if do := v.do[method]; do != nil {
		return do, nil
	}
	if why := v.refused[method]; why != "" {
		return nil, fhir.NewOutcome(fhir.KindNotImplemented, "", why)
	}
	if do := v.conditional[method]; do != nil && r.URL.RawQuery != "" {
		return do, nil
	}
	o := fhir.NewOutcome(fhir.KindMethod, "", "this path does not take the request's method; the Allow header lists those that it takes")
	o.Allow = v.allow(r)
	return nil, o
}

// allow lists the methods that the request's URL takes, those that need criteria
// only where it has some.
func (v *verbs) allow(r *http.Request) (list []string) {
	for _, name := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if v.do[name] == nil && (v.conditional[name] == nil || r.URL.RawQuery == "") {
			continue
		}
		list = append(list, name)
		if name == http.MethodGet {
			list = append(list, http.MethodHead)
		}
	}
	return append(list, http.MethodOptions)
}

// options answers OPTIONS (RFC 9110, 9.3.7). It tells what a path takes and is no
// answer to another site's page: no header of CORS is sent.
func (h *Handler) options(w http.ResponseWriter, r *http.Request, v *verbs) error {
	allow := v.allow(r)
	w.Header().Set("Allow", strings.Join(allow, ", "))
	if slices.Contains(allow, http.MethodPatch) {
		w.Header().Set("Accept-Patch", strings.Join(PatchTypes, ", "))
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// parseQuery decodes a query or form. Unlike url.ParseQuery it takes a semicolon
// for a character as any other, as RFC 3986 does: "_format=…;fhirVersion=4.0".
// It is nil where there are no parameters.
func parseQuery(raw string) (url.Values, error) {
	if len(raw) > search.MaxQueryBytes {
		return nil, fhir.NewOutcome(fhir.KindTooCostly, "", "the parameters are longer than "+strconv.Itoa(search.MaxQueryBytes)+" bytes")
	}
	var query url.Values
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil { // not passed on: it quotes the input
			return nil, fhir.NewOutcome(fhir.KindInvalid, "", "the parameters are not validly percent-encoded")
		}
		if query == nil {
			query = url.Values{}
		}
		query.Add(name, value)
	}
	return query, nil
}

func unknownPath() *fhir.Outcome {
	return fhir.NewOutcome(fhir.KindNotFound, "", "this server has no such path")
}
