package tester

import (
	"errors"
	"net/http"
)

// tooEarly refuses a retry whose first attempt is still running.
var tooEarly = want{425, "REC_TOO_EARLY", []string{"duplicate"}, nil}

func onceCases() []Case {
	booking, referral := []string{needBooking}, []string{needReferral}
	return []Case{
		{"once/retry", "The same message with the same ids again is 409 duplicate (BaRS Core, transactional integrity)", booking, func(s *session) error {
			c, err := s.booked()
			if err != nil {
				return err
			}
			return s.refusedWrite(s.shared.bookingRequest, duplicate, "Appointment", c.use, c.slot)
		}},
		{"once/retry-referral", "The same referral with the same ids again is 409 duplicate (BaRS Core, transactional integrity)", referral, func(s *session) error {
			use := s.claims.of(referralApplications)
			m, err := s.message("a"+use[1:2]+"-referral", use)
			if err != nil {
				return err
			}
			r := s.post(m)
			a, err := s.succeeds(r)
			if err != nil {
				return err
			}
			if _, err := s.note(a, r, "ServiceRequest", use, slot{}); err != nil {
				return err
			}
			return s.refusedWrite(r, duplicate, "ServiceRequest", use, slot{})
		}},
		{"once/at-once", "Of the same message sent twice at the same time one succeeds; the other is 425 or 409, each with the issue duplicate (BaRS Core, transactional integrity)", booking, func(s *session) error {
			m, at, err := s.newBooking()
			if err != nil {
				return err
			}
			r := s.post(m)
			requests := []*request{r, r}
			answers, err := s.together(requests)
			if err != nil {
				return err
			}
			return s.oneWins(requests, answers, at, duplicate, tooEarly)
		}},
		{"once/after-failure", "A message that was refused may be sent again, put right, under the same ids (BaRS Core, transactional integrity)", referral, func(s *session) error {
			use := s.claims.of(referralApplications)
			m, err := s.message("a"+use[1:2]+"-referral", use)
			if err != nil {
				return err
			}
			r := s.post(m)
			right := r.body
			kind := m["type"]
			m["type"] = "collection"
			r.body = m.json()
			m["type"] = kind
			if err := s.refusedWrite(r, contentIssues, "ServiceRequest", use, slot{}); err != nil {
				return err
			}
			r.body = right
			a, err := s.succeeds(r)
			if a != nil && a.status == http.StatusOK {
				_, noted := s.note(a, r, "ServiceRequest", use, slot{})
				err = errors.Join(err, noted)
			}
			return err
		}},
	}
}

func visibilityCases() []Case {
	stranger := func(typ string, made func(*session) (*creation, error)) func(*session) error {
		return func(s *session) error {
			c, err := made(s)
			if err != nil {
				return err
			}
			r := s.get("/" + typ + "/" + c.id)
			r.header.Set("NHSD-End-User-Organisation", organisationHeader(s.Stranger))
			return s.refused(r, denied)
		}
	}
	return []Case{
		{"access/booking", "Another organisation's booking is 401 (BaRS Core, failure scenarios GET Appointment)", []string{needBooking, "Appointment read"},
			stranger("Appointment", (*session).booked)},
		{"access/referral", "Another organisation's referral is 401 (BaRS Core, failure scenarios GET ServiceRequest)", []string{needReferral, "ServiceRequest read"},
			stranger("ServiceRequest", (*session).referred)},
	}
}
