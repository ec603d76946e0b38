package barsapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// plainDefinition serves /MessageDefinition to plain FHIR, which needs neither
// the standard's headers nor a context.
func (s *server) plainDefinition(w http.ResponseWriter, r *http.Request, id string) {
	allow := []string{http.MethodGet, http.MethodHead, http.MethodOptions}
	switch {
	case id != "" && !fhir.ValidID(id): // a path below, which isn't offered
		s.refusePlain(w, r, fhir.NewOutcome(fhir.KindNotFound, "", "this server has no such path"))
	case r.Method == http.MethodOptions:
		answerOptions(w, r, allow)
	case !slices.Contains(allow, r.Method):
		o := fhir.NewOutcome(fhir.KindMethod, "", "this path takes GET only")
		o.Allow = allow
		s.refusePlain(w, r, o)
	default:
		if err := s.definitions(w, r, id, false); err != nil {
			s.refusePlain(w, r, err)
		}
	}
}

func (s *server) definitions(w http.ResponseWriter, r *http.Request, id string, needContext bool) error {
	version := ""
	if needContext {
		version = resourceVersion
	}
	if id != "" {
		for _, d := range bars.Definitions() {
			if d.Name == id {
				return s.write(w, r, http.StatusOK, d.Resource(nhs.ServiceID{}, nil), version)
			}
		}
		return fhir.NewOutcome(fhir.KindNotFound, "", "no such MessageDefinition")
	}
	service, useCases, err := readContexts(r.URL.RawQuery)
	if err != nil {
		return err
	}
	if service.Value == "" && len(useCases) == 0 && needContext {
		return fhir.NewOutcome(fhir.KindRequired, "", "the parameter context is missing")
	}
	offered := bars.UseCases()
	if service.Value != "" {
		found, err := s.desk.Service(r.Context(), service)
		if err != nil {
			return err
		}
		offered = found.UseCases
	}
	if len(useCases) > 0 {
		offered = slices.DeleteFunc(slices.Clone(offered), func(code string) bool { return !slices.Contains(useCases, code) })
	}
	entries := []*fhir.Object{}
	for _, d := range bars.Definitions() {
		served := slices.DeleteFunc(slices.Clone(offered), func(code string) bool { return !d.ServesUseCase(code) })
		if len(served) == 0 {
			continue
		}
		entries = append(entries, fhir.Obj(
			"fullUrl", s.o.BaseURL+"/MessageDefinition/"+d.Name,
			"resource", d.Resource(service, served),
			"search", fhir.Obj("mode", "match")))
	}
	if len(entries) == 0 && needContext {
		return fhir.NewOutcome(fhir.KindNotFound, "", "no MessageDefinition fits this context")
	}
	var applied [][2]string
	if service.Value != "" {
		applied = append(applied, [2]string{"context", service.String()})
	}
	for _, code := range useCases {
		applied = append(applied, [2]string{"context", bars.SystemUseCases + "|" + code})
	}
	return s.write(w, r, http.StatusOK, s.searchset(len(entries), s.selfLink("/MessageDefinition", applied), entries), version)
}

// readContexts reads the context parameters: a service id and use cases. The
// published example encodes even the & between two of them, so a value that
// still holds "&context=" is cut there.
func readContexts(rawQuery string) (service nhs.ServiceID, useCases []string, err error) {
	params, err := url.ParseQuery(rawQuery)
	if err != nil {
		return service, nil, fhir.NewOutcome(fhir.KindInvalid, "", "the query text is malformed")
	}
	for _, value := range params["context"] {
		if again, err := url.QueryUnescape(value); err == nil && !strings.Contains(value, "|") && strings.Contains(again, "|") {
			value = again // encoded twice
		}
		for _, part := range strings.Split(value, "&context=") {
			system, code, found := strings.Cut(part, "|")
			isUseCase := found && strings.EqualFold(system, bars.SystemUseCases) || !found && slices.Contains(bars.UseCases(), strings.ToLower(part))
			switch {
			case part == "" || found && (system == "" || code == ""):
				return service, nil, fhir.NewOutcome(fhir.KindInvalid, "", "the parameter context must be system|value or a value")
			case isUseCase && found:
				useCases = append(useCases, strings.ToLower(code))
			case isUseCase:
				useCases = append(useCases, strings.ToLower(part))
			case service.Value != "":
				return service, nil, fhir.NewOutcome(fhir.KindValue, "", "the parameter context may name one service only")
			default:
				service = nhs.ParseServiceID(part)
			}
		}
	}
	return service, useCases, nil
}
