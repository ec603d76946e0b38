package barsapi

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
)

// read answers GET /Appointment/{id} and /ServiceRequest/{id}. An id that we
// hold is answered whatever its form; an unknown one that isn't a UUID is a
// wrong value (design D2).
func (s *server) read(w http.ResponseWriter, r *http.Request, h *headers, typ, id string) error {
	rec, err := s.desk.RecordAt(r.Context(), h.target, typ, id)
	if err != nil {
		if fhir.AsOutcome(err).Kind == fhir.KindNotFound && !fhir.ValidUUID(id) {
			if _, err := s.desk.Service(r.Context(), h.target); err != nil {
				return err
			}
			return fhir.NewOutcome(fhir.KindValue, "", "the id must be a UUID")
		}
		return err
	}
	res, err := stampedResource(rec)
	if err != nil {
		return err
	}
	return s.write(w, r, http.StatusOK, res)
}

// findByPatient answers GET /Appointment and /ServiceRequest: all of a patient's
// at the target service. The standard writes the chains with a colon.
func (s *server) findByPatient(w http.ResponseWriter, r *http.Request, h *headers, typ string) error {
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fhir.NewOutcome(fhir.KindInvalid, "", "the query text is malformed")
	}
	query, applied, err := patientQuery(typ, params)
	if err != nil {
		return err
	}
	parsed, err := search.Parse(typ, query, s.o.Search)
	if err != nil {
		return err
	}
	found, err := s.desk.SearchAt(r.Context(), h.target, parsed.Query)
	if err != nil {
		return err
	}
	entries := []*fhir.Object{}
	for _, rec := range found {
		res, err := stampedResource(rec)
		if err != nil {
			return err
		}
		entries = append(entries, fhir.Obj("fullUrl", s.o.BaseURL+"/"+rec.Ref().String(), "resource", res, "search", fhir.Obj("mode", "match")))
	}
	return s.write(w, r, http.StatusOK, s.searchset(len(entries), s.selfLink("/"+typ, applied), entries))
}

// patientQuery turns the standard's parameters into those of FHIR: an NHS
// number alone, or name with birth date and postcode, or an identifier of the
// referral.
func patientQuery(typ string, params url.Values) (query string, applied [][2]string, err error) {
	out := url.Values{}
	take := func(name, as string, change func(string) string) bool {
		value := first(params, name, strings.Replace(name, ":", ".", 1))
		if value == "" {
			return false
		}
		applied = append(applied, [2]string{name, value})
		out.Add(as, change(value))
		return true
	}
	same := func(v string) string { return v }
	number := params.Get("patient:identifier")
	if number == "" {
		number = params.Get("patient.identifier")
	}
	if system, value, found := strings.Cut(number, "|"); number != "" && (!found || system == "" || value == "") {
		return "", nil, fhir.NewOutcome(fhir.KindValue, "", "the parameter patient:identifier must be system|value")
	}
	byNumber := take("patient:identifier", "patient.identifier", same)
	byName := take("patient:name", "patient.name", same)
	byBirth := take("patient:birthdate", "patient.birthdate", func(v string) string { return strings.TrimPrefix(v, "eq") })
	byPostcode := take("patient:address-postalcode", "patient.address-postalcode", same)
	byReferral := false
	if typ == "ServiceRequest" {
		byReferral = take("ServiceRequest.identifier", "identifier", same)
	}
	if !byNumber && !byReferral && !(byName && byBirth && byPostcode) {
		return "", nil, fhir.NewOutcome(fhir.KindRequired, "",
			"a search needs patient:identifier, or patient:name with patient:birthdate and patient:address-postalcode")
	}
	return out.Encode(), applied, nil
}
