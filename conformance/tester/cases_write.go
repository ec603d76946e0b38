package tester

import (
	"errors"
	"net/http"

	"github.com/onward-health/onward/fhir"
)

// writeCases make bookings and referrals by REST, and end referrals by it (BaRS
// Core, appointment management; BaRS API, paths).
func writeCases() []Case {
	booking := []string{needBooking, "Appointment read", "Appointment create", "Appointment delete"}
	referral := func(code string) []string {
		return []string{needReferral, "ServiceRequest read", "ServiceRequest " + code}
	}
	return []Case{
		{"rest/post-books", "POST /Appointment books a free Slot: 200 with the Appointment under the receiver's id, the Slot busy (BaRS Core, appointment management)", booking, postBooks},
		{"rest/post-busy", "POST /Appointment of a Slot that is busy is 409 conflict (BaRS Core, appointment management)", booking, postBusy},
		{"rest/post-cancelled", "POST /Appointment of a booking that is cancelled is 400 (BaRS Core, appointment management)", booking, postCancelled},
		{"rest/post-refers", "POST /ServiceRequest refers: 200 with the ServiceRequest under the receiver's id, active (BaRS API, paths)", append(referral("create"), "ServiceRequest delete"), postRefers},
		{"rest/post-revoked", "POST /ServiceRequest of a referral that is revoked is 400 (BaRS API, paths)", append(referral("create"), "ServiceRequest delete"), postRevoked},
		{"rest/put-revokes", "PUT /ServiceRequest/{id} with the status revoked revokes the referral (BaRS API, paths)", referral("update"), putRevokes},
		{"rest/put-referral-other", "PUT /ServiceRequest/{id} that changes what was asked for is 400 (BaRS API, paths)", referral("update"), putReferralOther},
		{"rest/delete-revokes", "DELETE /ServiceRequest/{id} revokes the referral and answers an OperationOutcome (BaRS API, paths)", referral("delete"), deleteRevokes},
	}
}

// stored reads a record as it stands.
func (s *session) stored(c *creation) (*fhir.Resource, error) {
	a, err := s.succeeds(s.get(c.path()))
	if err != nil {
		return nil, err
	}
	if a.resource == nil || a.resource.Type() != c.typ {
		return nil, errors.New("the answer isn't the record asked for")
	}
	return a.resource, nil
}

// anew is a record as a sender posts it: without what the receiver gives.
func anew(r *fhir.Resource, changes ...string) ([]byte, error) {
	edit := r.Edit()
	for _, name := range []string{"id", "created", "identifier", "contained"} {
		if r.Get(name).Exists() {
			edit.Remove(r.Root(), name)
		}
	}
	for i := 0; i+1 < len(changes); i += 2 {
		edit.SetText(r.Root(), changes[i], changes[i+1])
	}
	out, err := edit.Done()
	if err != nil {
		return nil, err
	}
	return out.JSON(), nil
}

// booking is a booking of another Slot, made of one that stands.
func (s *session) anotherBooking(at slot, changes ...string) ([]byte, error) {
	c, err := s.booked()
	if err != nil {
		return nil, err
	}
	r, err := s.stored(c)
	if err != nil {
		return nil, err
	}
	body, err := anew(r, append([]string{"status", "booked", "start", at.start, "end", at.end}, changes...)...)
	if err != nil {
		return nil, err
	}
	made, err := fhir.Parse(body)
	if err != nil {
		return nil, err
	}
	made, err = made.Edit().Set(made.Root(), "slot", []byte(`[{"reference":"Slot/`+at.id+`"}]`)).Done()
	if err != nil {
		return nil, err
	}
	return made.JSON(), nil
}

// posted remembers what a POST made, to be cancelled, and checks the answer.
func (s *session) posted(a *answer, r *request, typ, use, status string, at slot) (*creation, error) {
	if a.status != http.StatusOK && a.status != http.StatusCreated {
		return nil, errors.New("it isn't taken")
	}
	if a.resource == nil || a.resource.Type() != typ || a.resource.ID() == "" {
		return nil, errors.New("the answer isn't the " + typ + " with its id")
	}
	c := &creation{typ: typ, id: a.resource.ID(), slot: at, use: use, correlation: r.header.Get("X-Correlation-Id"), byREST: true}
	s.made = append(s.made, c)
	if a.status != http.StatusOK {
		return c, errors.New("answered 201, wanted 200")
	}
	if found := a.resource.Get("status").Text(); found != status {
		return c, errors.New("its status is " + clip(found) + ", wanted " + status)
	}
	return c, a.fault
}

func postBooks(s *session) error {
	at, err := s.freeSlot()
	if err != nil {
		return err
	}
	body, err := s.anotherBooking(at)
	if err != nil {
		return err
	}
	r := s.with(http.MethodPost, "/Appointment", body)
	a, err := s.do(r)
	if err != nil {
		return err
	}
	c, err := s.posted(a, r, "Appointment", s.claims.of(bookingApplications), "booked", at)
	if err != nil {
		return err
	}
	if a.resource.Get("created").Text() == "" {
		return errors.New("the receiver doesn't say when it was created")
	}
	if err := s.read(c, "booked"); err != nil {
		return err
	}
	free, err := s.around("free", at)
	if err != nil {
		return err
	}
	if holds(free, "Slot", at.id) {
		return errors.New("the Slot is still free")
	}
	return nil
}

// refusedPost posts what must be refused.
func (s *session) refusedPost(typ, use string, body []byte, at slot, w want) error {
	r := s.with(http.MethodPost, "/"+typ, body)
	a, err := s.do(r)
	if err != nil {
		return err
	}
	if a.status/100 == 2 {
		_, _ = s.posted(a, r, typ, use, "", at) // that it was taken is the finding
	}
	return a.refused(w)
}

func postBusy(s *session) error {
	c, err := s.booked()
	if err != nil {
		return err
	}
	body, err := s.anotherBooking(c.slot)
	if err != nil {
		return err
	}
	return s.refusedPost("Appointment", c.use, body, c.slot, conflict)
}

func postCancelled(s *session) error {
	at, err := s.freeSlot()
	if err != nil {
		return err
	}
	s.slots = append(s.slots, at) // it stays free
	body, err := s.anotherBooking(at, "status", "cancelled")
	if err != nil {
		return err
	}
	return s.refusedPost("Appointment", s.claims.of(bookingApplications), body, at, contentIssues)
}

// anotherReferral is one made of a referral that stands.
func (s *session) anotherReferral(status string) ([]byte, error) {
	c, err := s.referred()
	if err != nil {
		return nil, err
	}
	r, err := s.stored(c)
	if err != nil {
		return nil, err
	}
	return anew(r, "status", status)
}

func postRefers(s *session) error {
	body, err := s.anotherReferral("active")
	if err != nil {
		return err
	}
	r := s.with(http.MethodPost, "/ServiceRequest", body)
	a, err := s.do(r)
	if err != nil {
		return err
	}
	c, err := s.posted(a, r, "ServiceRequest", s.claims.of(referralApplications), "active", slot{})
	if err != nil {
		return err
	}
	return s.read(c, "active")
}

func postRevoked(s *session) error {
	body, err := s.anotherReferral("revoked")
	if err != nil {
		return err
	}
	return s.refusedPost("ServiceRequest", s.claims.of(referralApplications), body, slot{}, contentIssues)
}

func putRevokes(s *session) error {
	c, _, _, err := s.refer(s.claims.of(referralApplications))
	if err != nil {
		return err
	}
	r, err := s.stored(c)
	if err != nil {
		return err
	}
	changed, err := r.Edit().SetText(r.Root(), "status", "revoked").Done()
	if err != nil {
		return err
	}
	a, err := s.succeeds(s.with(http.MethodPut, c.path(), changed.JSON()))
	if err != nil {
		return err
	}
	c.over = true
	if a.resource == nil || a.resource.Type() != "ServiceRequest" {
		return errors.New("the answer isn't the ServiceRequest")
	}
	return s.read(c, "revoked")
}

func putReferralOther(s *session) error {
	c, err := s.referred()
	if err != nil {
		return err
	}
	r, err := s.stored(c)
	if err != nil {
		return err
	}
	changed, err := r.Edit().SetText(r.Root(), "patientInstruction", "changed").Done()
	if err != nil {
		return err
	}
	return s.refused(s.with(http.MethodPut, c.path(), changed.JSON()), contentIssues)
}

func deleteRevokes(s *session) error {
	c, _, _, err := s.refer(s.claims.of(referralApplications))
	if err != nil {
		return err
	}
	a, err := s.succeeds(s.with(http.MethodDelete, c.path(), nil))
	if err != nil {
		return err
	}
	c.over = true
	if a.resource == nil || a.resource.Type() != "OperationOutcome" {
		return errors.New("the answer isn't an OperationOutcome")
	}
	return s.read(c, "revoked", "entered-in-error")
}
