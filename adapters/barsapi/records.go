package barsapi

import (
	"net/http"
	"strconv"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// read answers GET /Appointment/{id} and /ServiceRequest/{id}. An id that we
// hold is answered whatever its form; an unknown one that isn't a UUID is a
// wrong value (design D2).
func (s *server) read(w http.ResponseWriter, r *http.Request, h *headers, typ, id string) error {
	rec, err := s.desk.RecordAt(r.Context(), h.caller, h.target, typ, id)
	if err != nil {
		return unknownID(err, id)
	}
	return s.writeRecord(w, r, rec)
}

// readVersion answers GET of one version of such a record.
func (s *server) readVersion(w http.ResponseWriter, r *http.Request, h *headers, typ, id, version string) error {
	n, err := strconv.ParseInt(version, 10, 64)
	if err != nil || n < 1 {
		return fhir.NewOutcome(fhir.KindNotFound, "", "there is no such version")
	}
	rec, err := s.desk.VersionAt(r.Context(), h.caller, h.target, typ, id, n)
	if err != nil {
		return unknownID(err, id)
	}
	return s.writeRecord(w, r, rec)
}

func (s *server) writeRecord(w http.ResponseWriter, r *http.Request, rec *store.Record) error {
	res, err := stampedResource(rec)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", `W/"`+strconv.FormatInt(rec.Version, 10)+`"`)
	return s.write(w, r, http.StatusOK, res, resourceVersion)
}

// findByPatient answers GET /Appointment and /ServiceRequest: all of a patient's
// at the target service that the organisation may see, or a page of them where
// _count asks for pages.
func (s *server) findByPatient(w http.ResponseWriter, r *http.Request, h *headers, typ string) error {
	q, err := readPatientQuery(typ, r.URL.RawQuery, s.desk.ModeOf(h.target))
	if err != nil {
		return err
	}
	parsed, err := search.Parse(typ, q.text, s.o.Search)
	if err != nil {
		return err
	}
	found, err := s.desk.SearchAt(r.Context(), h.caller, h.target, parsed.Query)
	if err != nil {
		return err
	}
	entries := []*fhir.Object{}
	for _, rec := range found.Records {
		res, err := stampedResource(rec)
		if err != nil {
			return err
		}
		entries = append(entries, fhir.Obj("fullUrl", s.o.BaseURL+"/"+rec.Ref().String(), "resource", res, "search", fhir.Obj("mode", "match")))
	}
	self, next := q.applied, ""
	if q.cursor != "" {
		self = append(self, [2]string{"_cursor", q.cursor})
	}
	if found.Next != "" {
		next = s.selfLink("/"+typ, append(q.applied[:len(q.applied):len(q.applied)], [2]string{"_cursor", found.Next}))
	}
	return s.write(w, r, http.StatusOK, s.page(found.Total, s.selfLink("/"+typ, self), next, entries), resourceVersion)
}
