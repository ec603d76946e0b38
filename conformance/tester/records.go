package tester

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Applications by what they send; those of referrals whose messages the tester
// has and can cancel.
const (
	bookingApplications  = "127"
	referralApplications = "12356"
)

// slot is one that the receiver offers.
type slot struct{ id, start, end string }

// creation is a record that the run made.
type creation struct {
	typ, id     string
	slot        slot
	use         string // use case
	correlation string
	over        bool
	state       string // how it ended, where no cancellation did it
	byREST      bool   // it was made by REST, so it is cancelled by it
}

// shared is what several cases look at, made by the first that needs it.
type shared struct {
	booking, referral *creation
	bookingRequest    *request
	bookingAnswer     *answer
	referralRequest   *request
	referralAnswer    *answer
	seen              []slot // all slots that were offered
	pointer           *pointer
	endpoint          *listed
}

// days is how many days ahead free slots are looked for.
const days = 14

// freeSlot finds a free slot that no case has had.
func (s *session) freeSlot() (slot, error) {
	if len(s.slots) > 0 {
		found := s.slots[0]
		s.slots = s.slots[1:]
		return found, nil
	}
	if s.shared.seen != nil {
		return slot{}, errors.New("the service has too few free slots within 14 days")
	}
	for day := range days {
		from := s.Now().Add(time.Duration(day) * 24 * time.Hour)
		a, err := s.succeeds(s.get(s.slotPath("free", from, from.Add(24*time.Hour))))
		if err != nil {
			return slot{}, fmt.Errorf("looking for a free slot: %w", err)
		}
		for e := range a.resource.Get("entry").Items() {
			r := e.Get("resource")
			if r.Get("resourceType").Text() == "Slot" {
				s.slots = append(s.slots, slot{r.Get("id").Text(), r.Get("start").Text(), r.Get("end").Text()})
			}
		}
		if len(s.slots) >= 18 {
			break
		}
	}
	s.shared.seen = append([]slot{}, s.slots...)
	if len(s.slots) == 0 {
		return slot{}, errors.New("the service has no free slot within 14 days")
	}
	return s.freeSlot()
}

// slotPath is a whole search for slots (BaRS Core, GET Slots).
func (s *session) slotPath(status string, from, to time.Time) string {
	stamp := func(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05+00:00") }
	q := url.Values{"status": {status}, "start": {"ge" + stamp(from), "le" + stamp(to)},
		"Schedule.actor:HealthcareService": {s.Service}, "_include": {"Slot:schedule", "Schedule:actor:HealthcareService"}}
	return "/Slot?" + q.Encode()
}

// around searches near one slot.
func (s *session) around(status string, at slot) (*answer, error) {
	start, err := time.Parse(time.RFC3339, at.start)
	if err != nil {
		return nil, errors.New("the slot's start is not a FHIR instant")
	}
	return s.succeeds(s.get(s.slotPath(status, start.Add(-time.Minute), start.Add(time.Minute))))
}

func holds(a *answer, typ, id string) bool {
	for e := range a.resource.Get("entry").Items() {
		if r := e.Get("resource"); r.Get("resourceType").Text() == typ && r.Get("id").Text() == id {
			return true
		}
	}
	return false
}

// bookingOf makes the message that books a slot, for the first use case that
// books.
func (s *session) bookingOf(at slot) (message, error) {
	use := s.claims.of(bookingApplications)
	return s.message("a"+use[1:2]+"-booking", use, "@SLOT@", at.id, "@START@", at.start, "@END@", at.end)
}

func (s *session) cancellationOf(c *creation) (message, error) {
	if c.typ == "Appointment" {
		return s.message("a"+c.use[1:2]+"-booking-cancel", c.use, "@APPOINTMENT@", c.id, "@START@", c.slot.start, "@END@", c.slot.end, "@SLOT@", c.slot.id)
	}
	return s.message("a"+c.use[1:2]+"-cancel", c.use, "@REFERRAL@", c.id)
}

// note remembers what an answer says was made.
func (s *session) note(a *answer, r *request, typ, use string, at slot) (*creation, error) {
	if a.resource == nil || a.resource.Type() != "Bundle" {
		return nil, errors.New("the answer to the message is no Bundle")
	}
	for e := range a.resource.Get("entry").Items() {
		res := e.Get("resource")
		if res.Get("resourceType").Text() == typ {
			if res.Get("id").Text() == "" {
				return nil, fmt.Errorf("the %s in the answer has no id", typ)
			}
			c := &creation{typ: typ, id: res.Get("id").Text(), slot: at, use: use, correlation: r.header.Get("X-Correlation-Id")}
			s.made = append(s.made, c)
			return c, nil
		}
	}
	return nil, fmt.Errorf("the answer holds no %s", typ)
}

// newBooking makes the message that books a new slot.
func (s *session) newBooking() (message, slot, error) {
	at, err := s.freeSlot()
	if err != nil {
		return nil, slot{}, err
	}
	m, err := s.bookingOf(at)
	return m, at, err
}

// book books a new slot.
func (s *session) book() (*creation, *request, *answer, error) {
	m, at, err := s.newBooking()
	if err != nil {
		return nil, nil, nil, err
	}
	r := s.post(m)
	a, err := s.succeeds(r)
	if a != nil && a.status == 200 { // what was made is cancelled, whatever else is wrong
		c, noted := s.note(a, r, "Appointment", s.claims.of(bookingApplications), at)
		return c, r, a, errors.Join(err, noted)
	}
	return nil, r, a, err
}

// referralOf makes the message that refers for a use case.
func (s *session) referralOf(use string) (message, error) {
	if use[1:2] == "4" {
		return s.message("a4-validation", use)
	}
	return s.message("a"+use[1:2]+"-referral", use)
}

// refer makes a referral for a use case.
func (s *session) refer(use string) (*creation, *request, *answer, error) {
	m, err := s.referralOf(use)
	if err != nil {
		return nil, nil, nil, err
	}
	return s.send(m, use)
}

// send sends a new referral.
func (s *session) send(m message, use string) (*creation, *request, *answer, error) {
	r := s.post(m)
	a, err := s.succeeds(r)
	if a != nil && a.status == 200 {
		c, noted := s.note(a, r, "ServiceRequest", use, slot{})
		return c, r, a, errors.Join(err, noted)
	}
	return nil, r, a, err
}

// booked is the booking that several cases look at.
func (s *session) booked() (*creation, error) {
	if s.shared.booking == nil {
		c, r, a, err := s.book()
		if err != nil {
			return nil, err
		}
		s.shared.booking, s.shared.bookingRequest, s.shared.bookingAnswer = c, r, a
	}
	return s.shared.booking, nil
}

// referred is the referral that several cases look at.
func (s *session) referred() (*creation, error) {
	if s.shared.referral == nil {
		c, r, a, err := s.refer(s.claims.of(referralApplications))
		if err != nil {
			return nil, err
		}
		s.shared.referral, s.shared.referralRequest, s.shared.referralAnswer = c, r, a
	}
	return s.shared.referral, nil
}

// cancel cancels a record by message, with the correlation id of its first
// request.
func (s *session) cancel(c *creation) error {
	if national[c.typ] || c.byREST || c.use != "" && c.use[1:2] == "8" {
		return s.remove(c)
	}
	m, err := s.cancellationOf(c)
	if err != nil {
		return err
	}
	r := s.post(m)
	r.header.Set("X-Correlation-Id", c.correlation)
	a, err := s.succeeds(r)
	if a != nil && a.status == 200 {
		c.over = true
	}
	return err
}

// remove cancels a record by REST, or deletes one of registry or catalogue. What
// application 8 refers has no message that cancels it.
func (s *session) remove(c *creation) error {
	r := s.with(http.MethodDelete, c.path(), nil)
	if national[c.typ] {
		r = s.national(http.MethodDelete, c.path(), nil)
	} else if !s.claims.interaction[c.typ+" delete"] {
		return errors.New("there is no message that cancels it, and the receiver doesn't claim DELETE")
	}
	a, err := s.do(r)
	if err != nil {
		return err
	}
	if a.status/100 != 2 && a.status != http.StatusNotFound {
		return fmt.Errorf("DELETE is answered %d", a.status)
	}
	c.over = true
	if national[c.typ] {
		c.state = "deleted"
	}
	return a.fault
}

// tidy cancels what the cases left and lists everything that was made.
func (s *session) tidy() []Remainder {
	out := []Remainder{}
	for _, c := range s.made {
		if !c.over {
			if err := s.cancel(c); !c.over {
				c.state = "STILL THERE, cancel it by hand: " + err.Error()
			}
		}
		if c.state == "" {
			c.state = "cancelled; the receiver may keep it readable"
		}
		out = append(out, Remainder{c.typ + "/" + c.id, c.state})
	}
	return out
}
