package rest

import (
	"net/http"
	"strconv"

	"github.com/onward-health/onward/fhir"
)

// reader reads a write out of a request.
type reader func(w http.ResponseWriter, r *http.Request, at place) (Change, error)

// changes are the writes of a place, by method: of a record, of a type by
// criteria, or of a type.
func (h *Handler) changes(hasID, hasCriteria bool) map[string]reader {
	switch {
	case hasID:
		return map[string]reader{http.MethodPut: h.update, http.MethodPatch: h.patch, http.MethodDelete: h.delete}
	case hasCriteria:
		return map[string]reader{
			http.MethodPost: h.create, // where they are refused
			http.MethodPut:  h.updateWhere, http.MethodPatch: h.patchWhere, http.MethodDelete: h.deleteWhere,
		}
	}
	return map[string]reader{http.MethodPost: h.create}
}

// writing carries out what is read.
func (h *Handler) writing(read reader) interaction {
	return func(w http.ResponseWriter, r *http.Request, at place) error {
		c, err := read(w, r, at)
		if err != nil {
			return err
		}
		done, err := h.backend.Commit(r.Context(), []Change{c})
		if err != nil {
			return err
		}
		h.answerWrite(w, r, done[0])
		return nil
	}
}

// create reads POST [base]/Type (R4 http.html#create and #ccreate).
func (h *Handler) create(w http.ResponseWriter, r *http.Request, at place) (c Change, err error) {
	c = Change{Method: http.MethodPost, Type: at.typ}
	if err := refuseConditions(r.Header, "If-None-Exist"); err != nil {
		return c, err
	}
	if c.Where, err = h.ifNoneExist(r.Header, at.typ); err != nil {
		return c, err
	}
	if _, err := general(r); err != nil {
		return c, err
	}
	if c.Resource, err = h.resource(w, r, at.typ); err != nil {
		return c, err
	}
	return c, checkAnswer(w, r, c.Resource)
}

// update reads PUT [base]/Type/id (R4 http.html#update).
func (h *Handler) update(w http.ResponseWriter, r *http.Request, at place) (Change, error) {
	c, err := readUpdate(r, at)
	if err != nil {
		return c, err
	}
	if _, err := general(r); err != nil {
		return c, err
	}
	if c.Resource, err = h.resource(w, r, c.Type); err != nil {
		return c, err
	}
	if c.Resource.ID() != c.ID {
		return c, fhir.NewOutcome(fhir.KindInvalid, c.Type+".id", "the resource's id must be there and equal the id in the path")
	}
	return c, checkAnswer(w, r, c.Resource)
}

// updateWhere reads PUT [base]/Type?criteria (R4 http.html#cond-update).
func (h *Handler) updateWhere(w http.ResponseWriter, r *http.Request, at place) (Change, error) {
	c, err := readUpdate(r, at)
	if err != nil {
		return c, err
	}
	if c.IfNew {
		return c, fhir.NewOutcome(fhir.KindNotImplemented, "", "the header If-None-Match is not offered for a conditional update")
	}
	if c.Where, err = h.criteria(at.typ, r.URL.RawQuery); err != nil {
		return c, err
	}
	if c.Resource, err = h.resource(w, r, c.Type); err != nil {
		return c, err
	}
	return c, checkAnswer(w, r, c.Resource)
}

// readUpdate reads the headers of an update.
func readUpdate(r *http.Request, at place) (c Change, err error) {
	c = Change{Method: http.MethodPut, Type: at.typ, ID: at.id}
	if err := refuseConditions(r.Header, "If-Match", "If-None-Match"); err != nil {
		return c, err
	}
	if err := c.readIfMatch(r.Header.Values("If-Match")); err != nil {
		return c, err
	}
	c.IfNew, err = ifNew(r.Header)
	return c, err
}

// delete reads DELETE [base]/Type/id (R4 http.html#delete).
func (h *Handler) delete(_ http.ResponseWriter, r *http.Request, at place) (Change, error) {
	c, err := readVersioned(r, http.MethodDelete, at)
	if err != nil {
		return c, err
	}
	_, err = general(r)
	return c, err
}

// deleteWhere reads DELETE [base]/Type?criteria (R4 http.html#cdelete) for one
// match at most. No match is a success: repeated, a delete does no harm.
func (h *Handler) deleteWhere(_ http.ResponseWriter, r *http.Request, at place) (Change, error) {
	c, err := readVersioned(r, http.MethodDelete, at)
	if err != nil {
		return c, err
	}
	c.Where, err = h.criteria(at.typ, r.URL.RawQuery)
	return c, err
}

// readVersioned reads the headers of a delete or a patch.
func readVersioned(r *http.Request, method string, at place) (c Change, err error) {
	c = Change{Method: method, Type: at.typ, ID: at.id}
	if err := refuseConditions(r.Header, "If-Match"); err != nil {
		return c, err
	}
	return c, c.readIfMatch(r.Header.Values("If-Match"))
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

// answerDelete sends no body but where Prefer asks for an OperationOutcome, for
// there is no resource left to send (R4 http.html#delete).
func (h *Handler) answerDelete(w http.ResponseWriter, r *http.Request, v *Version) {
	p := replyOf(w, r)
	c, err := p.render(deleted(v))
	if err != nil || !wantsOutcome(r.Header.Values("Prefer")) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	p.send(w, http.StatusOK, c)
}

func wantsOutcome(prefer []string) bool { return parsePrefer(prefer).result == "OperationOutcome" }

// deleted is the OperationOutcome of a delete.
func deleted(v *Version) []byte {
	if v == nil {
		return success("there was nothing to delete")
	}
	return success("the resource is deleted")
}

// answerWrite sends what Prefer asks for; without it the whole resource.
func (h *Handler) answerWrite(w http.ResponseWriter, r *http.Request, done Changed) {
	p, v := replyOf(w, r), done.Version
	if v == nil || v.Deleted {
		if v != nil {
			versionHeaders(w, v)
		}
		h.answerDelete(w, r, v)
		return
	}
	status, word := http.StatusOK, "the resource was updated"
	switch {
	case done.Created:
		status, word = http.StatusCreated, "the resource was created"
	case done.Found:
		word = "the condition found a resource, so nothing was created"
	}
	if done.Created || done.Found {
		w.Header().Set("Location", h.url(v.Type, v.ID, "_history", strconv.FormatInt(v.Version, 10)))
	}
	versionHeaders(w, v)
	result := parsePrefer(r.Header.Values("Prefer")).result
	if result == "minimal" {
		w.WriteHeader(status)
		return
	}
	var c content
	var err error
	if result == "representation" {
		c, err = p.render(fhir.Stamp(v.Body, v.Version, v.LastUpdated))
	} else {
		c, err = p.render(success(word))
	}
	if err != nil {
		// checkAnswer let it pass, so the Backend made it what XML can't hold. The
		// write stands: answer as to return=minimal.
		w.WriteHeader(status)
		return
	}
	p.send(w, status, c)
}
