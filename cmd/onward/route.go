package main

import (
	"net/http"
	"strings"

	"github.com/onward-health/onward/adapters/nhs111"
)

// noRoute is the pattern of every path that isn't here.
const noRoute = "unknown"

// routeOf names door and route of requests for log and metrics, in words of the
// program's own: the routes of the FHIR door are those below fhirPath.
func (a *app) routeOf(mux *http.ServeMux) func(*http.Request) (door, route string) {
	return func(r *http.Request) (door, route string) {
		path := r.URL.Path
		switch door = doorOf(path); {
		case path == fhirPath || strings.HasPrefix(path, fhirPath+"/"):
			door, route = a.fhir.Pattern(r, a.api.Pattern)
		case path == metricsPath:
			route = metricsPath
		default:
			_, route = mux.Handler(r)
			if _, bare, found := strings.Cut(route, " "); found {
				route = bare
			}
			if door == "nhs111" && nhs111.Pattern(path) != "" {
				route = nhs111.Pattern(path)
			}
		}
		if route == "" {
			route = noRoute
		}
		return door, route
	}
}
