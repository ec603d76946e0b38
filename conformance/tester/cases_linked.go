package tester

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/onward-health/onward/fhir"
)

// linkCases refer and book for the same patient (BaRS Core, linking).
func linkCases() []Case {
	both := []string{needBooking, needReferral, "application 1"}
	return []Case{
		{"link/booking-first", "A referral names the booking that was made before it in supportingInfo and is taken (BaRS Core, linking)", both, func(s *session) error {
			c, _, _, err := s.book()
			if err != nil {
				return err
			}
			m, err := s.referralOf(s.claims.of("1"))
			if err != nil {
				return err
			}
			m.first("ServiceRequest")["supportingInfo"] = []any{map[string]any{"reference": "Appointment/" + c.id}}
			_, _, _, err = s.send(m, s.claims.of("1"))
			return err
		}},
		{"link/referral-first", "A booking names the referral that was made before it in basedOn and is taken (BaRS Core, linking)", both, func(s *session) error {
			c, _, _, err := s.refer(s.claims.of("1"))
			if err != nil {
				return err
			}
			m, at, err := s.newBooking()
			if err != nil {
				return err
			}
			m.first("Appointment")["basedOn"] = []any{map[string]any{"reference": "ServiceRequest/" + c.id}}
			r := s.post(m)
			a, err := s.succeeds(r)
			if a != nil && a.status == http.StatusOK {
				_, noted := s.note(a, r, "Appointment", s.claims.of(bookingApplications), at)
				err = errors.Join(err, noted)
			}
			return err
		}},
	}
}

// zone is another offset than UTC.
var zone = time.FixedZone("", 3600)

// sendingFreedoms are what a sender may do and a receiver must take.
var sendingFreedoms = []fault{
	{"no-nhs-number", "A patient without an NHS number is taken (BaRS Core, patient)", without("Patient", "identifier"), want{}},
	{"not-traced", "An NHS number that is present but not traced is taken (BaRS Core, patient)", func(_ *session, m message) {
		dig(m.first("Patient"), "identifier", 0, "extension", 0, "valueCodeableConcept", "coding", 0)["code"] = "number-present-but-not-traced"
	}, want{}},
	{"times", "Instants with seven fractional digits and another offset than UTC are taken (BaRS Core, dates and times)", func(s *session, m message) {
		now := s.Now().In(zone).Format("2006-01-02T15:04:05.0000000-07:00")
		m["timestamp"] = now
		dig(map[string]any(m), "meta")["lastUpdated"] = now
		for _, e := range m.entries() {
			dig(resourceOf(e), "meta")["lastUpdated"] = now
		}
	}, want{}},
	{"use-case-in-capitals", "A use case in capitals is taken, as the guide prints it (BaRS Core, use cases)", func(s *session, m message) {
		for i := range 2 {
			if coding := dig(m.first("ServiceRequest"), "category", 0, "coding", i); useCase.MatchString(`"` + text(coding, "code") + `"`) {
				coding["code"] = "A" + text(coding, "code")[1:2] + "T" + text(coding, "code")[3:]
			}
		}
	}, want{}},
}

func freedomCases() []Case {
	var out []Case
	for _, f := range sendingFreedoms {
		out = append(out, Case{"freedom/" + f.id, f.rule, []string{"application 1"}, func(s *session) error {
			m, err := s.referralOf(s.claims.of("1"))
			if err != nil {
				return err
			}
			f.spoil(s, m)
			_, _, _, err = s.send(m, s.claims.of("1"))
			return err
		}})
	}
	return out
}

// rescheduleCases move a booking by REST (BaRS Core 1.3 and later, appointment
// management).
func rescheduleCases() []Case {
	needs := []string{needBooking, "Appointment read", "Appointment patch"}
	return []Case{
		{"rest/patch-moves", "PATCH /Appointment/{id} with another free Slot moves the booking, the old Slot is free and the new one busy (BaRS Core, appointment management)", needs, patchMoves},
		{"rest/patch-other", "PATCH /Appointment/{id} of anything but the Slot is 400 (BaRS Core, appointment management)", needs, func(s *session) error {
			c, err := s.booked()
			if err != nil {
				return err
			}
			part := fhir.NewObject("Appointment").Set("id", c.id).Set("description", "changed")
			return s.refused(s.with(http.MethodPatch, "/Appointment/"+c.id, part.JSON()), contentIssues)
		}},
	}
}

func patchMoves(s *session) error {
	c, _, _, err := s.book()
	if err != nil {
		return err
	}
	to, err := s.freeSlot()
	if err != nil {
		return err
	}
	part := fhir.NewObject("Appointment").Set("id", c.id).Set("slot", []*fhir.Object{fhir.Obj("reference", "Slot/"+to.id)})
	a, err := s.succeeds(s.with(http.MethodPatch, "/Appointment/"+c.id, part.JSON()))
	if err != nil {
		return err
	}
	from := c.slot
	c.slot = to
	if a.resource == nil || a.resource.Type() != "Appointment" {
		return errors.New("the answer isn't the Appointment")
	}
	for _, one := range []struct {
		at     slot
		status string
	}{{from, "free"}, {to, "busy"}} {
		found, err := s.around(one.status, one.at)
		if err != nil {
			return err
		}
		if !holds(found, "Slot", one.at.id) {
			return fmt.Errorf("after the move a Slot isn't %s", one.status)
		}
	}
	return nil
}

// responseCases send responses to what never was asked.
func responseCases() []Case {
	needs := []string{"application 4", "definition " + defInterim}
	send := func(spoil func(s *session, m message), w want) func(*session) error {
		return func(s *session) error {
			m, err := s.message("a4-response-interim", s.claims.of("4"), "@REFERRAL@", s.NewID(), "@ENCOUNTER@", s.NewID(), "@CASE@", s.NewID())
			if err != nil {
				return err
			}
			// The tested service is who asked.
			to, header := dig(m.header(), "destination", 0), m.header()
			to["endpoint"] = s.System + "|" + s.Service
			to["receiver"], header["sender"] = header["sender"], to["receiver"]
			spoil(s, m)
			return s.refused(s.post(m), w)
		}
	}
	return []Case{
		{"response/none", "A response without MessageHeader.response is 400 (BaRS Core, bundle processing)", needs,
			send(func(_ *session, m message) { delete(m.header(), "response") }, contentIssues)},
		{"response/unknown", "A response to a request that isn't known is 404 (BaRS Core, bundle processing)", needs,
			send(func(s *session, m message) { dig(m.header(), "response")["identifier"] = s.NewID() }, unknown)},
	}
}

// validationCases are faults and the update of a validation request.
func validationCases() []Case {
	needs := []string{"application 4", "ServiceRequest read"}
	return []Case{
		{"validation/careplan-completed", "A validation request with a completed CarePlan is 400 invariant (BaRS Core, bundle processing; BaRS application 4)", needs, func(s *session) error {
			m, err := s.referralOf(s.claims.of("4"))
			if err != nil {
				return err
			}
			m.first("CarePlan")["status"] = "completed"
			return s.refusedWrite(s.post(m), bad("invariant"), "ServiceRequest", s.claims.of("4"), slot{})
		}},
		{"validation/encounter-finished", "A validation request whose Encounter is finished is 400 invariant (BaRS Core, bundle processing; BaRS application 4)", needs, func(s *session) error {
			m, err := s.referralOf(s.claims.of("4"))
			if err != nil {
				return err
			}
			m.first("Encounter")["status"] = "finished"
			return s.refusedWrite(s.post(m), bad("invariant"), "ServiceRequest", s.claims.of("4"), slot{})
		}},
	}
}

// cancelFaults are cancellations that name the wrong patient.
func cancelFaults() []Case {
	return []Case{{"cancel/other-patient", "The cancellation of a referral that names another patient is refused, 400 or 409 (BaRS Core, cancel)", []string{needReferral}, func(s *session) error {
		c, _, _, err := s.refer(s.claims.of(referralApplications))
		if err != nil {
			return err
		}
		m, err := s.cancellationOf(c)
		if err != nil {
			return err
		}
		patient := m.first("Patient")
		patient["birthDate"], patient["name"] = "1999-09-09", []any{map[string]any{"family": "Other", "given": []any{"Person"}}}
		delete(patient, "identifier")
		return s.refused(s.post(m), orElse(contentIssues, conflict))
	}}}
}
