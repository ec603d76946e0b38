package tester

import (
	"errors"
	"net/http"

	"github.com/onward-health/onward/fhir"
)

// restCases change a booking by REST (BaRS Core, appointment management).
func restCases() []Case {
	needs := func(code string) []string { return []string{needBooking, "Appointment read", "Appointment " + code} }
	return []Case{
		{"rest/put-cancels", "PUT /Appointment/{id} with the status cancelled cancels the booking and frees its Slot (BaRS Core, appointment management)", needs("update"), putCancels},
		{"rest/put-other", "PUT /Appointment/{id} that changes anything but status and reasonCode is 400 (BaRS Core, appointment management)", needs("update"), putOther},
		{"rest/put-unknown", "PUT /Appointment/{id} of an id that isn't there is 404 (BaRS Core, failure scenarios)", needs("update"), putUnknown},
		{"rest/delete-cancels", "DELETE /Appointment/{id} cancels the booking and answers an OperationOutcome (BaRS Core, appointment management)", needs("delete"), deleteCancels},
	}
}

// readBack reads a booking as it stands, to be changed.
func (s *session) readBack(c *creation) (*fhir.Resource, error) {
	a, err := s.succeeds(s.get("/Appointment/" + c.id))
	if err != nil {
		return nil, err
	}
	if a.resource == nil || a.resource.Type() != "Appointment" {
		return nil, errors.New("the answer isn't the Appointment asked for")
	}
	return a.resource, nil
}

func putCancels(s *session) error {
	c, _, _, err := s.book()
	if err != nil {
		return err
	}
	stored, err := s.readBack(c)
	if err != nil {
		return err
	}
	changed, err := stored.Edit().SetText(stored.Root(), "status", "cancelled").Done()
	if err != nil {
		return err
	}
	a, err := s.succeeds(s.with(http.MethodPut, "/Appointment/"+c.id, changed.JSON()))
	if err != nil {
		return err
	}
	c.over = true
	if a.resource == nil || a.resource.Get("status").Text() != "cancelled" {
		return errors.New("the answer isn't the cancelled Appointment")
	}
	return s.freed(c)
}

func putOther(s *session) error {
	c, err := s.booked()
	if err != nil {
		return err
	}
	stored, err := s.readBack(c)
	if err != nil {
		return err
	}
	changed, err := stored.Edit().SetText(stored.Root(), "description", "changed").Done()
	if err != nil {
		return err
	}
	return s.refused(s.with(http.MethodPut, "/Appointment/"+c.id, changed.JSON()), contentIssues)
}

func putUnknown(s *session) error {
	c, err := s.booked()
	if err != nil {
		return err
	}
	stored, err := s.readBack(c)
	if err != nil {
		return err
	}
	id := s.NewID()
	changed, err := stored.Edit().SetText(stored.Root(), "id", id).SetText(stored.Root(), "status", "cancelled").Done()
	if err != nil {
		return err
	}
	return s.refused(s.with(http.MethodPut, "/Appointment/"+id, changed.JSON()), unknown)
}

func deleteCancels(s *session) error {
	c, _, _, err := s.book()
	if err != nil {
		return err
	}
	a, err := s.succeeds(s.with(http.MethodDelete, "/Appointment/"+c.id, nil))
	if err != nil {
		return err
	}
	c.over = true
	if a.resource == nil || a.resource.Type() != "OperationOutcome" {
		return errors.New("the answer isn't an OperationOutcome")
	}
	return s.freed(c)
}
