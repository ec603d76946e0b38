package rest

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
)

// everythingAsked is what a $everything asks for.
type everythingAsked struct {
	types   []string // "_type"; none: all
	since   time.Time
	care    []string // "start" and "end", as values of a date parameter
	count   int
	cursor  string
	applied []string
}

// shows says whether a record of the compartment, or one that is referred to, is
// asked for.
func (a *everythingAsked) shows(v *Version) bool {
	return a.wants(v.Type) && !v.LastUpdated.Before(a.since)
}

// wants says whether records of a type are asked for.
func (a *everythingAsked) wants(typ string) bool {
	return len(a.types) == 0 || slices.Contains(a.types, typ)
}

// readEverything reads the parameters, in the URL or of a POST in Parameters.
func (h *Handler) readEverything(w http.ResponseWriter, r *http.Request) (*everythingAsked, error) {
	query, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	if r.Method == http.MethodPost && r.ContentLength != 0 {
		if query == nil {
			query = url.Values{}
		}
		body, err := h.resource(w, r, "Parameters")
		if err != nil {
			return nil, err
		}
		if err := addParameters(query, body); err != nil {
			return nil, err
		}
	}
	lenient := parsePrefer(r.Header.Values("Prefer")).handling == "lenient"
	ask := &everythingAsked{count: search.DefaultCount}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		values := query[name]
		if len(values) > 1 && name != "_type" {
			return nil, fhir.NewOutcome(fhir.KindInvalid, "", "a parameter that may be given once only is given more than once")
		}
		known, err := ask.take(name, values, h)
		if err != nil {
			return nil, err
		}
		switch {
		case known && name != "_cursor":
			for _, value := range values {
				ask.applied = append(ask.applied, name+"="+url.QueryEscape(value))
			}
		case !known && !lenient:
			return nil, fhir.NewOutcome(fhir.KindNotSupported, "", "the operation $everything takes the parameters _count, _since, _type, end and start only")
		}
	}
	return ask, nil
}

// take reads one parameter and says whether it is known.
func (a *everythingAsked) take(name string, values []string, h *Handler) (bool, error) {
	var err error
	switch value := values[0]; name {
	case "_count":
		a.count, err = parseCount(value, 1)
		if err == nil {
			values[0] = strconv.Itoa(a.count)
		}
	case "_cursor":
		a.cursor = value
	case "_since":
		a.since, err = parseSince(value)
	case "_type":
		a.types = strings.Split(strings.Join(values, ","), ",")
		for _, typ := range a.types {
			if !h.types[typ] {
				return true, fhir.NewOutcome(fhir.KindValue, "", "_type must be a comma list of resource types that this server has")
			}
		}
	case "start", "end":
		if _, _, fault := fhir.ParseDateTime(value); fault != nil || len(value) > len("2006-01-02") {
			return true, fhir.NewOutcome(fhir.KindValue, "", name+" must be a date, without a time")
		}
		a.care = append(a.care, map[string]string{"start": "ge", "end": "le"}[name]+value)
	case "_format", "_pretty": // dealt with before
	default:
		return false, nil
	}
	return true, err
}

// addParameters adds what a Parameters resource holds.
func addParameters(query url.Values, body *fhir.Resource) error {
	for p := range body.Get("parameter").Items() {
		value := ""
		for name, v := range p.Members() {
			switch {
			case name == "name":
			case strings.HasPrefix(name, "value") && value == "" && (v.Kind() == fhir.StringKind || v.Kind() == fhir.NumberKind):
				if value = v.Text(); v.Kind() == fhir.NumberKind {
					value = string(v.Raw())
				}
			default:
				return fhir.NewOutcome(fhir.KindNotSupported, p.Path(), "this operation takes parameters with a single primitive value")
			}
		}
		if name := p.Get("name").Text(); name == "" || value == "" {
			return fhir.NewOutcome(fhir.KindInvalid, p.Path(), "the parameter must have a name and a value")
		}
		if name := p.Get("name").Text(); name == "_format" || name == "_pretty" {
			return fhir.NewOutcome(fhir.KindNotSupported, p.Path(), "the parameters _format and _pretty belong into the URL")
		}
		query.Add(p.Get("name").Text(), value)
	}
	return nil
}
