package barsapi

import (
	"net/http"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
)

// deletedWord is the http-error-code that a DELETE is answered with.
const deletedWord = "OK"

// writing takes the writes of Appointment and ServiceRequest (BaRS Core,
// Appointment Management Foundation). A POST is answered 200, as the standard has
// it, and DELETE with an OperationOutcome.
func (s *server) writing(typ, id string) work {
	return func(w http.ResponseWriter, r *http.Request, h *headers) error {
		req := bars.RecordRequest{Caller: h.caller, Key: h.key(), Target: h.target, Method: r.Method, Type: typ, ID: id}
		if err := s.readWrite(w, r, h, &req); err != nil {
			return err
		}
		result, err := s.desk.Record(r.Context(), req)
		if err != nil {
			return unknownID(err, id)
		}
		if result.Replay != nil {
			return fhir.NewOutcome(fhir.KindDuplicate, "", "a request with these transaction ids has been processed already")
		}
		s.warn(h, result.Warnings)
		answer, version := result.Resource, resourceVersion
		if r.Method == http.MethodDelete {
			answer, version = s.deleted(typ), ""
		}
		if s.write(w, r, http.StatusOK, answer, version) != nil {
			s.writeJSON(w, http.StatusOK, answer) // it has been done, so a refusal would be a lie
		}
		return nil
	}
}

// readWrite reads the body and the condition of a write.
func (s *server) readWrite(w http.ResponseWriter, r *http.Request, h *headers, req *bars.RecordRequest) (err error) {
	if req.IfMatch, err = rest.ReadIfMatch(r.Header); err != nil {
		return err
	}
	if r.Method == http.MethodDelete {
		return nil
	}
	if r.ContentLength == 0 {
		return fhir.NewOutcome(fhir.KindRequired, "", "the body is empty")
	}
	if r.Method == http.MethodPatch {
		req.Patch, req.Body, err = rest.ReadPatch(w, r, s.o.MaxBody)
		return err
	}
	req.Resource, req.Body, err = s.readResource(w, r, h)
	return err
}

// deleted says that a record was cancelled; it stays readable.
func (s *server) deleted(typ string) *fhir.Resource {
	return fhir.NewObject("OperationOutcome").
		Set("id", s.o.NewID()).
		Set("meta", fhir.Obj("profile", []string{profileOutcome})).
		Set("issue", []*fhir.Object{fhir.Obj(
			"severity", "information",
			"code", "informational",
			"details", fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", systemErrors, "code", deletedWord, "display", "200 - "+deletedWord)}),
			"diagnostics", "the "+typ+" was cancelled",
		)}).
		Resource()
}

// unknownID says of an id that we don't hold and that is no UUID, as all that we
// allocate are, that its form is wrong (design D2).
func unknownID(err error, id string) error {
	if o := fhir.AsOutcome(err); o.Kind == fhir.KindNotFound && id != "" && !fhir.ValidUUID(id) {
		return fhir.NewOutcome(fhir.KindValue, "", "the id must be a UUID")
	}
	return err
}
