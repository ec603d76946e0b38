package rest

import (
	"net/http"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
)

// scope is what a search looks through: one type, or several, and of these all
// records or those of a compartment.
type scope struct {
	path  string   // of the links
	typ   string   // "" where there are several
	types []string // of those several, the ones that _type may name
	owner place    // the compartment's resource; no type: none
}

// searchRoutes adds the searches across types, those of compartments and
// $everything. They must stand before the paths that take any id.
func (h *Handler) searchRoutes() {
	h.route("/_search", verbs{do: map[string]interaction{http.MethodPost: h.searchForm}, negotiates: http.MethodPost})
	h.route("/{type}/$everything", verbs{
		do: map[string]interaction{http.MethodGet: h.everyoneRefused, http.MethodPost: h.everyoneRefused},
	})
	h.route("/{type}/{id}/$everything", verbs{
		do: map[string]interaction{http.MethodGet: h.everything, http.MethodPost: h.everything},
	})
}

// compartmentRoutes adds the searches of compartments. They must stand behind
// the paths with a fixed third part.
func (h *Handler) compartmentRoutes() {
	h.route("/{type}/{id}/{inner}", verbs{do: map[string]interaction{http.MethodGet: h.search}})
	h.route("/{type}/{id}/{inner}/_search", verbs{
		do: map[string]interaction{http.MethodPost: h.searchForm}, negotiates: http.MethodPost,
	})
}

// scope reads what the path asks to search.
func (h *Handler) scope(at place) (scope, error) {
	switch {
	case at.typ == "":
		return scope{path: h.o.BaseURL, types: h.o.Types}, nil
	case at.inner == "":
		return scope{path: h.url(at.typ), typ: at.typ}, nil
	}
	s := scope{path: h.url(at.typ, at.id, at.inner), owner: place{typ: at.typ, id: at.id}}
	members := search.CompartmentTypes(at.typ)
	if members == nil {
		return s, fhir.NewOutcome(fhir.KindNotFound, "", "R4 has no compartment of the type in the path")
	}
	if at.inner != "*" {
		if s.typ = at.inner; !slices.Contains(members, s.typ) {
			return s, fhir.NewOutcome(fhir.KindNotFound, "", "the type asked for is never in a compartment of this type")
		}
		return s, nil
	}
	for _, typ := range members {
		if h.types[typ] {
			s.types = append(s.types, typ)
		}
	}
	return s, nil
}

// parse compiles the query text for the scope.
func (s scope) parse(rawQuery string, o search.Options) (*search.Parsed, error) {
	if s.typ == "" {
		p, err := search.ParseTypes(s.types, rawQuery, o)
		if err != nil {
			return nil, err
		}
		for _, q := range p.Queries {
			s.narrow(q)
		}
		return p, nil
	}
	p, err := search.Parse(s.typ, rawQuery, o)
	if err != nil {
		return nil, err
	}
	s.narrow(p.Query)
	return p, nil
}

// narrow leaves what is in the compartment.
func (s scope) narrow(q *search.Query) {
	if s.owner.typ != "" {
		q.Where = search.Both(search.InCompartment(s.owner.typ, s.owner.id, q.Type), q.Where)
	}
}
