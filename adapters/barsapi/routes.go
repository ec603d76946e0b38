package barsapi

import (
	"net/http"
	"slices"
	"strings"
)

// work answers a request whose headers were checked.
type work func(http.ResponseWriter, *http.Request, *headers) error

// route is a path of the standard.
type route struct {
	// pattern is the path's shape, with names in braces.
	pattern string
	// verbs are those of Allow, in the order of the published ones.
	verbs []string
	work  map[string]work
	need  need
}

// methods are what OPTIONS tells: HEAD goes with GET, OPTIONS with everything.
func (r *route) methods() []string {
	all := slices.Clone(r.verbs)
	if r.work[http.MethodGet] != nil {
		all = append(all, http.MethodHead)
	}
	return append(all, http.MethodOptions)
}

func only(pattern, verb string, n need, do work) *route {
	return &route{pattern, []string{verb}, map[string]work{verb: do}, n}
}

// routeOf finds the route of a path below the base (BaRS API, paths); nil where
// the standard has none. Paths are case-sensitive.
func (s *server) routeOf(path string) *route {
	full := need{target: true, who: true, known: true}
	switch path {
	case "/metadata":
		return only(path, http.MethodGet, need{known: true}, s.metadata)
	case "/$process-message": // the room looks the target up beside the message's own
		return only(path, http.MethodPost, need{target: true, who: true}, s.processMessage)
	case "/Slot":
		return only(path, http.MethodGet, full, s.slots)
	case "/MessageDefinition":
		return only(path, http.MethodGet, need{target: true, known: true}, func(w http.ResponseWriter, r *http.Request, _ *headers) error {
			return s.definitions(w, r, "", true)
		})
	}
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	switch typ := parts[0]; {
	case typ == "MessageDefinition" && len(parts) == 2 && parts[1] != "":
		return only("/MessageDefinition/{id}", http.MethodGet, need{target: true, known: true}, func(w http.ResponseWriter, r *http.Request, _ *headers) error {
			return s.definitions(w, r, parts[1], true)
		})
	case typ != "Appointment" && typ != "ServiceRequest":
		return nil
	case len(parts) == 1:
		return &route{path, []string{http.MethodGet, http.MethodPost}, map[string]work{
			http.MethodGet: func(w http.ResponseWriter, r *http.Request, h *headers) error {
				return s.findByPatient(w, r, h, typ)
			},
			http.MethodPost: s.writing(typ, ""),
		}, full}
	case len(parts) == 2 && parts[1] != "":
		id := parts[1]
		return &route{"/" + typ + "/{id}", []string{http.MethodGet, http.MethodPatch, http.MethodPut, http.MethodDelete}, map[string]work{
			http.MethodGet: func(w http.ResponseWriter, r *http.Request, h *headers) error {
				return s.read(w, r, h, typ, id)
			},
			http.MethodPatch:  s.writing(typ, id),
			http.MethodPut:    s.writing(typ, id),
			http.MethodDelete: s.writing(typ, id),
		}, full}
	case len(parts) == 4 && parts[1] != "" && parts[2] == "_history":
		return only("/"+typ+"/{id}/_history/{version}", http.MethodGet, full, func(w http.ResponseWriter, r *http.Request, h *headers) error {
			return s.readVersion(w, r, h, typ, parts[1], parts[3])
		})
	}
	return nil
}
