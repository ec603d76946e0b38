package barsapi

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
)

// The standard counts versions on four axes (BaRS Core, versioning): its Core, by
// Accept and CapabilityStatement.version; the API's, by Content-Type; the
// Application's, by MessageDefinition.version and Bundle.meta.versionId, which the
// room judges; and FHIR's, by the media type's fhirVersion, which the REST API
// judges. On each only another major version is refused.

// coreMajor and apiMajor are the major versions that we speak.
const (
	coreMajor = 1
	apiMajor  = 1
)

// Versions of the API's resources, as answers in JSON name them.
const resourceVersion = "; version=1.0.0"

// checkAccept looks for a media range that we can serve: FHIR JSON or XML with a
// Core version whose major is not above ours. No Accept at all means anything.
func checkAccept(r *http.Request) error {
	if err := rest.CheckAccept(r); err != nil {
		return err
	}
	values := r.Header.Values("Accept")
	if strings.TrimSpace(strings.Join(values, "")) == "" {
		return nil
	}
	for _, part := range strings.Split(strings.Join(values, ","), ",") {
		typ, params, err := mime.ParseMediaType(strings.TrimRight(strings.TrimSpace(part), "; "))
		if err != nil || !ours(typ) {
			continue
		}
		if q, err := strconv.ParseFloat(params["q"], 64); err == nil && q == 0 {
			continue // named as not acceptable
		}
		if majorOf(params) <= coreMajor {
			return nil
		}
	}
	return fhir.NewOutcome(fhir.KindNotAcceptable, "", "Accept asks for a later major version than this receiver's")
}

// ours says whether a media range covers what we answer in. Another's version, as
// that of text/html, says nothing of the standard's.
func ours(typ string) bool {
	main, sub, _ := strings.Cut(typ, "/")
	switch sub {
	case "*", "json", "xml":
		return main == "application" || main == "text" || main == "*"
	case "fhir+json", "fhir+xml":
		return main == "application"
	}
	return false
}

// checkContentVersion refuses a body of a later major version of the API.
func checkContentVersion(h http.Header) error {
	_, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err == nil && majorOf(params) > apiMajor {
		return fhir.NewOutcome(fhir.KindMediaType, "", "Content-Type names a later major version than this receiver's")
	}
	return nil // what else is wrong with it is judged where a body is read
}

// majorOf reads the major part of the parameter version; one that is missing or
// no version counts as 1, as at the national proxy.
func majorOf(params map[string]string) int {
	major, _, _ := strings.Cut(params["version"], ".")
	n, err := strconv.Atoi(strings.TrimSpace(major))
	if err != nil {
		return 1
	}
	return n
}
