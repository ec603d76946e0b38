package dos

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

func itoa(n int) string { return strconv.Itoa(n) }

func atoi(s string) (int, error) { return strconv.Atoi(s) }

const systemSpine = "https://fhir.hl7.org.uk/CodeSystem/UKCore-SpineErrorOrWarningCode"

var odsForm = regexp.MustCompile(`^[A-Za-z0-9]{5,12}$`)

// fhirQuery makes the checks that both searches of the FHIR service share and
// returns the ODS code.
func fhirQuery(r *http.Request, parameter string, fixed map[string]string) (ods, wrong string) {
	var missing []string
	if r.Header.Get("version") == "" {
		missing = append(missing, "'version'")
	}
	if r.Header.Get("X-Request-Id") == "" {
		missing = append(missing, "'x-request-id'")
	}
	if len(missing) > 0 {
		return "", "Missing required header(s): " + strings.Join(missing, ", ")
	}
	if r.Header.Get("version") != "1" {
		return "", "Invalid version found in supplied headers: version must be '1'"
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return "", "Invalid query"
	}
	names := []string{parameter}
	for name := range fixed {
		names = append(names, name)
	}
	for _, name := range names {
		if query.Get(name) == "" {
			missing = append(missing, "'"+name+"'")
		}
	}
	if len(missing) > 0 {
		return "", "Missing required query parameter(s): " + strings.Join(missing, ", ")
	}
	for name := range query {
		if !slices.Contains(names, name) {
			return "", "Unexpected query parameter(s). Only '" + strings.Join(names, "' and '") + "' are allowed."
		}
	}
	for name, value := range fixed {
		if query.Get(name) != value {
			return "", "Invalid value of '" + name + "'"
		}
	}
	system, code, _ := strings.Cut(query.Get(parameter), "|")
	if system != nhs.SystemODS {
		return "", "Invalid identifier system - expected '" + nhs.SystemODS + "'"
	}
	if !odsForm.MatchString(code) {
		return "", "Invalid identifier value: ODS code must follow format " + odsForm.String()
	}
	return code, ""
}

func (s *Sandbox) organization(w http.ResponseWriter, r *http.Request) {
	ods, services, ok := s.asked(w, r, "identifier", map[string]string{"_revinclude": "Endpoint:organization"})
	if !ok {
		return
	}
	var entries []*fhir.Object
	if len(services) > 0 {
		id := s.id("Organization", ods)
		entries = append(entries, s.entry("match", fhir.NewObject("Organization").Set("id", id).
			Set("identifier", []*fhir.Object{fhir.Obj("use", "official", "system", nhs.SystemODS, "value", ods)}).
			Set("active", true).Set("name", services[0].Name)))
		for _, service := range services {
			for _, e := range service.Endpoints {
				o := EndpointResource(e, "Organization/"+id)
				o.Set("id", s.id("Endpoint", service.ID+"/"+itoa(e.Order)))
				entries = append(entries, s.entry("include", o))
			}
		}
	}
	s.searchset(w, r, min(1, len(services)), entries)
}

func (s *Sandbox) healthcareService(w http.ResponseWriter, r *http.Request) {
	_, services, ok := s.asked(w, r, "organization.identifier", nil)
	if !ok {
		return
	}
	var entries []*fhir.Object
	for _, service := range services {
		o := HealthcareService(&service, true).Set("id", s.id("HealthcareService", service.ID))
		entries = append(entries, s.entry("match", o))
	}
	s.searchset(w, r, len(services), entries)
}

// asked lists the services of the organisation that a query names. Where it has
// already answered why not, ok is false.
func (s *Sandbox) asked(w http.ResponseWriter, r *http.Request, parameter string, fixed map[string]string) (ods string, list []Service, ok bool) {
	ods, wrong := fhirQuery(r, parameter, fixed)
	if wrong != "" {
		s.writeFHIR(w, r, http.StatusBadRequest, invalidSearch(wrong))
		return "", nil, false
	}
	d, err := s.directory(r.Context(), "")
	if err != nil {
		s.o.Log.Error("sandbox directory: the services can't be read")
		s.writeFHIR(w, r, http.StatusInternalServerError, invalidSearch("Internal error"))
		return "", nil, false
	}
	for _, x := range d.Services {
		if strings.EqualFold(organisation(x.ODS), ods) {
			list = append(list, x.Service)
		}
	}
	return ods, list, true
}

// id is fixed, so that the same thing has the same id in every answer.
func (s *Sandbox) id(typ, name string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(s.o.Root+s.o.Path+"/"+typ+"/"+name)).String()
}

func (s *Sandbox) entry(mode string, o *fhir.Object) *fhir.Object {
	r := o.Resource()
	return fhir.Obj("fullUrl", s.o.Root+s.o.Path+"/FHIR/R4/"+r.Type()+"/"+r.ID(), "resource", o, "search", fhir.Obj("mode", mode))
}

func (s *Sandbox) searchset(w http.ResponseWriter, r *http.Request, total int, entries []*fhir.Object) {
	bundle := fhir.NewObject("Bundle").Set("id", s.o.NewID()).Set("type", "searchset").Set("total", total).
		Set("link", []*fhir.Object{fhir.Obj("relation", "self", "url", s.o.Root+s.o.Path+r.URL.RequestURI())})
	s.writeFHIR(w, r, http.StatusOK, bundle.Set("entry", entries).Resource())
}

func invalidSearch(text string) *fhir.Resource {
	return fhir.NewObject("OperationOutcome").Set("issue", []*fhir.Object{fhir.Obj(
		"severity", "error", "code", "value",
		"details", fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", systemSpine, "version", "1.0.0", "code", "INVALID_SEARCH_DATA", "display", "Invalid search data")}),
		"diagnostics", text)}).Resource()
}

func (s *Sandbox) writeFHIR(w http.ResponseWriter, r *http.Request, status int, res *fhir.Resource) {
	for _, name := range []string{"X-Request-Id", "X-Correlation-Id"} {
		if id := r.Header.Get(name); fhir.ValidUUID(id) {
			w.Header().Set(name, id)
		}
	}
	w.Header().Set("Content-Type", "application/fhir+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(res.JSON())
}
