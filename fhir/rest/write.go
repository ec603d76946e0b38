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
	if err := checkAnswer(w, r, res); err != nil {
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
	if err := checkAnswer(w, r, res); err != nil {
		return err
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

// checkAnswer refuses a write whose answer could not be written in the format
// asked for, before anything happens: afterwards a 406 would hide a success.
func checkAnswer(w http.ResponseWriter, r *http.Request, res *fhir.Resource) error {
	p := replyOf(w, r)
	if p.format != inXML || parsePrefer(r.Header.Values("Prefer")).result != "representation" {
		return nil
	}
	_, err := p.renderResource(res)
	return err
}

// answerWrite sends what Prefer asks for; without it the whole resource.
func (h *Handler) answerWrite(w http.ResponseWriter, r *http.Request, v *Version, created bool) {
	p := replyOf(w, r)
	status, word := http.StatusOK, "the resource was updated"
	if created {
		status, word = http.StatusCreated, "the resource was created"
		w.Header().Set("Location", h.url(v.Type, v.ID, "_history", strconv.FormatInt(v.Version, 10)))
	}
	versionHeaders(w.Header(), v)
	result := parsePrefer(r.Header.Values("Prefer")).result
	if result == "minimal" {
		w.WriteHeader(status)
		return
	}
	c, err := p.render(success(word))
	if result == "representation" {
		c, err = p.render(fhir.Stamp(v.Body, v.Version, v.LastUpdated))
	}
	if err != nil {
		// checkAnswer let it pass, so the Backend made it what XML can't hold. The
		// write stands: answer as to return=minimal.
		w.WriteHeader(status)
		return
	}
	p.send(w, status, c)
}
