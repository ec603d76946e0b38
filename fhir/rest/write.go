package rest

import (
	"net/http"
	"strconv"

	"github.com/onward-health/onward/fhir"
)

// create answers POST [base]/Type (R4 http.html#create).
func (h *Handler) create(w http.ResponseWriter, r *http.Request, at place) error {
	if err := refuseConditions(r.Header); err != nil {
		return err
	}
	if _, err := general(r); err != nil {
		return err
	}
	res, err := h.resource(w, r, at.typ)
	if err != nil {
		return err
	}
	v, err := h.backend.Create(r.Context(), res)
	if err != nil {
		return err
	}
	h.answerWrite(w, r, v, true)
	return nil
}

// update answers PUT [base]/Type/id (R4 http.html#update).
func (h *Handler) update(w http.ResponseWriter, r *http.Request, at place) error {
	if err := refuseConditions(r.Header, "If-Match"); err != nil {
		return err
	}
	ifMatch, err := parseIfMatch(r.Header.Values("If-Match"))
	if err != nil {
		return err
	}
	if _, err := general(r); err != nil {
		return err
	}
	res, err := h.resource(w, r, at.typ)
	if err != nil {
		return err
	}
	if res.ID() != at.id {
		return fhir.NewOutcome(fhir.KindInvalid, at.typ+".id", "the resource's id must be there and equal the id in the path")
	}
	v, created, err := h.backend.Update(r.Context(), at.id, res, ifMatch)
	if err != nil {
		return err
	}
	h.answerWrite(w, r, v, created)
	return nil
}

// delete answers DELETE [base]/Type/id (R4 http.html#delete).
func (h *Handler) delete(w http.ResponseWriter, r *http.Request, at place) error {
	if err := refuseConditions(r.Header, "If-Match"); err != nil {
		return err
	}
	ifMatch, err := parseIfMatch(r.Header.Values("If-Match"))
	if err != nil {
		return err
	}
	if _, err := general(r); err != nil {
		return err
	}
	if err := h.backend.Delete(r.Context(), at.typ, at.id, ifMatch); err != nil {
		return err
	}
	// The delete is done whatever comes of this read, which only finds the
	// tombstone's version. A record that came back since has another one.
	if v, err := h.backend.Read(r.Context(), at.typ, at.id); err == nil && v.Deleted {
		w.Header().Set("ETag", formatETag(v.Version))
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// answerWrite sends what Prefer asks for; without it the whole resource.
func (h *Handler) answerWrite(w http.ResponseWriter, r *http.Request, v *Version, created bool) {
	versionHeaders(w.Header(), v)
	status, word := http.StatusOK, "the resource was updated"
	if created {
		status, word = http.StatusCreated, "the resource was created"
		w.Header().Set("Location", h.url(v.Type, v.ID, "_history", strconv.FormatInt(v.Version, 10)))
	}
	switch parsePrefer(r.Header.Values("Prefer")).result {
	case "minimal":
		w.WriteHeader(status)
	case "OperationOutcome":
		writeJSON(w, status, success(word))
	default:
		writeJSON(w, status, fhir.Stamp(v.Body, v.Version, v.LastUpdated))
	}
}
