package tester

import (
	"errors"
	"fmt"
)

func referralCases() []Case {
	needs := []string{needReferral}
	return []Case{
		{"referral/new", "A new referral is answered 200 with a message Bundle that holds the ServiceRequest with the receiver's id (BaRS Core, bundle processing)", needs, newReferral},
		{"referral/answer", "The answer to a referral is the message itself, each stored resource with the receiver's id (BaRS Core, synchronous response)", needs, referralAnswer},
		{"referral/case", "The receiver's own case in the answer is a second Encounter, planned, with an id and a reference for people; a receiver should give one (BaRS Core, synchronous response)", needs, receiversCase},
		{"referral/one-active", "A journey has one active referral at a service: a second is 409 conflict until the first is revoked (BaRS Core, re-refer)", needs, secondInJourney},
		{"referral/read", "GET /ServiceRequest/{id} answers the referral, active (BaRS Core, find resource)", append(needs, "ServiceRequest read"), readReferral},
		{"referral/find", "GET /ServiceRequest by the patient's NHS number finds the referral (BaRS Core, find resource)", append(needs, "ServiceRequest search-type"), findReferral},
	}
}

func newReferral(s *session) error {
	_, err := s.referred()
	return err
}

func referralAnswer(s *session) error {
	if _, err := s.referred(); err != nil {
		return err
	}
	return s.echoed(s.shared.referralAnswer, s.shared.referralRequest, "ServiceRequest", "Patient", "Encounter", "CarePlan")
}

func receiversCase(s *session) error {
	if _, err := s.referred(); err != nil {
		return err
	}
	encounters, planned := 0, false
	for e := range s.shared.referralAnswer.resource.Get("entry").Items() {
		r := e.Get("resource")
		if r.Get("resourceType").Text() != "Encounter" {
			continue
		}
		encounters++
		planned = planned || r.Get("status").Text() == "planned" && r.Get("id").Text() != "" && r.Get("identifier").At(0).Get("value").Text() != ""
	}
	if encounters < 2 {
		return errSkip{"the receiver gives no case of its own, which it needn't"}
	}
	if !planned {
		return errors.New("the second Encounter must be planned and have id and identifier")
	}
	return nil
}

func readReferral(s *session) error {
	c, err := s.referred()
	if err != nil {
		return err
	}
	return s.read(c, "active", "completed")
}

func findReferral(s *session) error {
	c, err := s.referred()
	if err != nil {
		return err
	}
	return s.find(c)
}

// applicationCases sends one conformant referral of each application.
func applicationCases() []Case {
	var out []Case
	for _, n := range []string{"1", "2", "3", "4", "5", "6", "8"} {
		ending := " is taken, reads as it was sent and can be cancelled"
		if n == "8" {
			ending = " is taken with its broker and shortlist, and reads as it was sent"
		}
		out = append(out, Case{"application/a" + n,
			"A conformant referral of application " + n + ending + " (BaRS application " + n + ")",
			[]string{"application " + n, "ServiceRequest read"}, func(s *session) error {
				c, _, _, err := s.refer(s.claims.of(n))
				if err != nil {
					return err
				}
				if err := s.read(c, "active", "completed"); err != nil || n == "8" {
					return err
				}
				if err := s.cancel(c); err != nil {
					return fmt.Errorf("its cancellation: %w", err)
				}
				return s.read(c, "revoked", "entered-in-error")
			}})
	}
	for _, n := range []string{"3", "4", "6"} {
		out = append(out, Case{"application/a" + n + "-update",
			"An update of a referral of application " + n + " is taken, and the referral stays active under its id (BaRS application " + n + ")",
			[]string{"application " + n, "ServiceRequest read"}, func(s *session) error { return s.update(n) }})
	}
	return out
}

// update refers and updates the referral, in the same journey.
func (s *session) update(application string) error {
	use := s.claims.of(application)
	m, err := s.referralOf(use)
	if err != nil {
		return err
	}
	c, r, a, err := s.send(m, use)
	if err != nil {
		return err
	}
	encounter := ""
	for e := range a.resource.Get("entry").Items() {
		if found := e.Get("resource"); encounter == "" && found.Get("resourceType").Text() == "Encounter" {
			encounter = found.Get("id").Text()
		}
	}
	name := "a" + application + "-referral-update"
	if application == "4" {
		name = "a4-validation-update"
	}
	later, err := s.message(name, use, "@REFERRAL@", c.id, "@ENCOUNTER@", encounter)
	if err != nil {
		return err
	}
	later.first("Encounter")["episodeOfCare"] = m.first("Encounter")["episodeOfCare"]
	again := s.post(later)
	again.header.Set("X-Correlation-Id", r.header.Get("X-Correlation-Id"))
	if _, err := s.succeeds(again); err != nil {
		return fmt.Errorf("the update: %w", err)
	}
	return s.read(c, "active")
}

// secondInJourney refers again while the journey's referral is active.
func secondInJourney(s *session) error {
	use := s.claims.of(referralApplications)
	m, err := s.referralOf(use)
	if err != nil {
		return err
	}
	c, _, _, err := s.send(m, use)
	if err != nil {
		return err
	}
	m["id"] = s.NewID()
	if err := s.refusedWrite(s.post(m), conflict, "ServiceRequest", use, slot{}); err != nil {
		return err
	}
	if err := s.cancel(c); err != nil {
		return err
	}
	m["id"] = s.NewID()
	_, _, _, err = s.send(m, use)
	return err
}

func cancelCases() []Case {
	referral, booking := []string{needReferral, "ServiceRequest read"}, []string{needBooking}
	return []Case{
		{"cancel/referral", "A cancelled referral is answered 200 and reads as revoked (BaRS Core, cancel)", referral, func(s *session) error {
			c, err := s.referred()
			if err != nil {
				return err
			}
			if err := s.cancel(c); err != nil {
				return err
			}
			return s.read(c, "revoked", "entered-in-error")
		}},
		{"cancel/referral-again", "The cancellation of a referral that is revoked is refused, 409 conflict (BaRS Core, state of a ServiceRequest)", referral, func(s *session) error {
			c, err := s.referred()
			if err != nil {
				return err
			}
			return s.cancelAgain(c)
		}},
		{"cancel/referral-unknown", "The cancellation of a referral that isn't there is 404 (BaRS Core, failure scenarios)", referral, func(s *session) error {
			return s.cancelUnknown(&creation{typ: "ServiceRequest", id: s.NewID(), use: s.claims.of(referralApplications), correlation: s.NewID()})
		}},
		{"cancel/booking-again", "The cancellation of a booking that is cancelled is refused, 409 conflict (BaRS Core, state of an Appointment)", booking, func(s *session) error {
			c, _, _, err := s.book()
			if err != nil {
				return err
			}
			if err := s.cancel(c); err != nil {
				return err
			}
			return s.cancelAgain(c)
		}},
		{"cancel/booking-unknown", "The cancellation of a booking that isn't there is 404 (BaRS Core, failure scenarios)", booking, func(s *session) error {
			at, err := s.freeSlot()
			if err != nil {
				return err
			}
			s.slots = append(s.slots, at)
			return s.cancelUnknown(&creation{typ: "Appointment", id: s.NewID(), slot: at, use: s.claims.of(bookingApplications), correlation: s.NewID()})
		}},
	}
}

func (s *session) cancelAgain(c *creation) error {
	if !c.over {
		return errSkip{"it could not be cancelled the first time"}
	}
	m, err := s.cancellationOf(c)
	if err != nil {
		return err
	}
	return s.refused(s.post(m), conflict)
}

func (s *session) cancelUnknown(c *creation) error {
	m, err := s.cancellationOf(c)
	if err != nil {
		return err
	}
	return s.refused(s.post(m), unknown)
}
