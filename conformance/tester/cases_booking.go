package tester

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

func bookingCases() []Case {
	needs := []string{needBooking}
	return []Case{
		{"booking/new", "A new booking is answered 200 with a message Bundle that holds the Appointment with the receiver's id, status booked and created (BaRS Core, booking)", needs, newBooking},
		{"booking/answer", "The answer to a booking is the message itself, MessageHeader first, each stored resource with the receiver's id, the Slot busy (BaRS Core, synchronous response)", needs, bookingAnswer},
		{"booking/slot-taken", "The Slot of a booking is busy and no longer among the free ones (BaRS Core, GET Slots)", needs, slotTaken},
		{"booking/read", "GET /Appointment/{id} answers the booking (BaRS Core, find resource)", append(needs, "Appointment read"), readBooking},
		{"booking/find", "GET /Appointment by the patient's NHS number finds the booking (BaRS Core, find resource)", append(needs, "Appointment search-type"), findBooking},
		{"booking/xml", "A receiver that claims XML answers a read in XML (BaRS Core, principles)", append(needs, "Appointment read", needXML), readXML},
		{"booking/timing", "The answer to a booking came within the 5 s of a receiver (BaRS Core, non-functional requirements)", needs, bookingTime},
		{"booking/busy-slot", "A booking of a Slot that is busy is 409 conflict (BaRS Core, failure scenarios)", needs, busySlot},
		{"booking/two-at-once", "Of two simultaneous bookings of one Slot exactly one succeeds, the other is 409 conflict (BaRS Core, failure scenarios)", needs, twoAtOnce},
		{"booking/cancel", "A cancelled booking is answered 200, reads as cancelled and its Slot is free again (BaRS Core, cancel)", append(needs, "Appointment read"), cancelBooking},
		{"booking/rebook", "After a cancellation the same Slot can be booked again (BaRS Core, rebook)", needs, rebook},
	}
}

func newBooking(s *session) error {
	if _, err := s.booked(); err != nil {
		return err
	}
	for e := range s.shared.bookingAnswer.resource.Get("entry").Items() {
		r := e.Get("resource")
		if r.Get("resourceType").Text() != "Appointment" {
			continue
		}
		if r.Get("status").Text() != "booked" {
			return errors.New("the Appointment's status isn't booked")
		}
		if r.Get("created").Text() == "" {
			return errors.New("the Appointment has no created")
		}
	}
	return nil
}

func bookingAnswer(s *session) error {
	if _, err := s.booked(); err != nil {
		return err
	}
	if err := s.echoed(s.shared.bookingAnswer, s.shared.bookingRequest, "Appointment", "Patient"); err != nil {
		return err
	}
	for e := range s.shared.bookingAnswer.resource.Get("entry").Items() {
		if r := e.Get("resource"); r.Get("resourceType").Text() == "Slot" && r.Get("status").Text() != "busy" {
			return errors.New("the Slot in the answer isn't busy")
		}
	}
	return nil
}

// echoed checks the synchronous answer to a message: the message with all its
// resources, each of the stored types with an id.
func (s *session) echoed(a *answer, r *request, stored ...string) error {
	if a.resource.Get("type").Text() != "message" {
		return errors.New("the Bundle's type isn't message")
	}
	sent := message{}
	if err := json.Unmarshal(r.body, &sent); err != nil {
		return errors.New("what was sent isn't JSON")
	}
	count := map[string]int{}
	first := ""
	for e := range a.resource.Get("entry").Items() {
		res := e.Get("resource")
		typ := res.Get("resourceType").Text()
		if first == "" {
			first = typ
		}
		count[typ]++
		if slices.Contains(stored, typ) && res.Get("id").Text() == "" {
			return fmt.Errorf("the %s in the answer has no id", typ)
		}
	}
	if first != "MessageHeader" {
		return errors.New("the first entry isn't the MessageHeader")
	}
	for _, e := range sent.entries() {
		typ := text(resourceOf(e), "resourceType")
		if count[typ]--; count[typ] < 0 {
			return fmt.Errorf("a %s that was sent isn't in the answer", typ)
		}
	}
	return nil
}

func slotTaken(s *session) error {
	c, err := s.booked()
	if err != nil {
		return err
	}
	free, err := s.around("free", c.slot)
	if err != nil {
		return err
	}
	if holds(free, "Slot", c.slot.id) {
		return errors.New("the booked Slot is still offered as free")
	}
	busy, err := s.around("busy", c.slot)
	if err != nil {
		return err
	}
	if !holds(busy, "Slot", c.slot.id) {
		return errors.New("the booked Slot is not among the busy ones")
	}
	return nil
}

// read reads a record and checks its id and status.
func (s *session) read(c *creation, status ...string) error {
	a, err := s.succeeds(s.get("/" + c.typ + "/" + c.id))
	if err != nil {
		return err
	}
	if a.resource == nil || a.resource.Type() != c.typ || a.resource.ID() != c.id {
		return fmt.Errorf("the answer isn't the %s asked for", c.typ)
	}
	found := a.resource.Get("status").Text()
	for _, one := range status {
		if found == one {
			return nil
		}
	}
	return fmt.Errorf("its status is %s, wanted %s", clip(found), strings.Join(status, " or "))
}

func readBooking(s *session) error {
	c, err := s.booked()
	if err != nil {
		return err
	}
	return s.read(c, "booked")
}

// find searches by the test patient's NHS number.
func (s *session) find(c *creation) error {
	a, err := s.succeeds(s.get("/" + c.typ + "?patient:identifier=" + url.QueryEscape("https://fhir.nhs.uk/Id/nhs-number|9000000009")))
	if err != nil {
		return err
	}
	if a.resource == nil || a.resource.Get("type").Text() != "searchset" {
		return errors.New("the answer isn't a searchset")
	}
	if !holds(a, c.typ, c.id) {
		return errors.New("the record isn't among what is found")
	}
	return nil
}

func findBooking(s *session) error {
	c, err := s.booked()
	if err != nil {
		return err
	}
	return s.find(c)
}

func readXML(s *session) error {
	c, err := s.booked()
	if err != nil {
		return err
	}
	r := s.get("/Appointment/" + c.id)
	r.header.Set("Accept", "application/fhir+xml; version=1.5.0")
	a, err := s.succeeds(r)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(a.header.Get("Content-Type"), "application/fhir+xml") || !strings.Contains(string(a.body), "http://hl7.org/fhir") {
		return errors.New("the answer isn't FHIR XML")
	}
	return nil
}

func bookingTime(s *session) error {
	if _, err := s.booked(); err != nil {
		return err
	}
	if took := s.shared.bookingAnswer.took; took > 5*time.Second {
		return fmt.Errorf("it took %v", took)
	}
	return nil
}

func busySlot(s *session) error {
	c, err := s.booked()
	if err != nil {
		return err
	}
	m, err := s.bookingOf(c.slot)
	if err != nil {
		return err
	}
	return s.refusedWrite(s.post(m), conflict, "Appointment", s.claims.of(bookingApplications), c.slot)
}

// refusedWrite sends a write that must be refused; where it succeeds against
// the rule, what it made is remembered, to be cancelled.
func (s *session) refusedWrite(r *request, w want, typ, use string, at slot) error {
	a, err := s.do(r)
	if err != nil {
		return err
	}
	if a.status == http.StatusOK {
		_, _ = s.note(a, r, typ, use, at) // that it was refused wrongly is the finding
	}
	return a.refused(w)
}

func twoAtOnce(s *session) error {
	at, err := s.freeSlot()
	if err != nil {
		return err
	}
	var requests [2]*request
	for i := range requests {
		m, err := s.bookingOf(at)
		if err != nil {
			return err
		}
		requests[i] = s.post(m)
	}
	answers, err := s.together(requests[:])
	if err != nil {
		return err
	}
	return s.oneWins(requests[:], answers, at, conflict)
}

// together sends requests at the same time.
func (s *session) together(requests []*request) ([]*answer, error) {
	answers, faults := make([]*answer, len(requests)), make([]error, len(requests))
	done := make(chan struct{})
	for i, r := range requests {
		go func() {
			answers[i], faults[i] = s.do(r)
			done <- struct{}{}
		}()
	}
	for range requests {
		<-done
	}
	return answers, errors.Join(faults...)
}

// oneWins checks that one answer is a success and the others are refusals.
func (s *session) oneWins(requests []*request, answers []*answer, at slot, allowed ...want) error {
	won := 0
	var fault error
	for i, a := range answers {
		if a.status == http.StatusOK {
			won++
			if _, err := s.note(a, requests[i], "Appointment", s.claims.of(bookingApplications), at); err != nil {
				fault = err
			}
			continue
		}
		var err error
		for _, w := range allowed {
			if err = a.refused(w); err == nil {
				break
			}
		}
		if err != nil {
			fault = err
		}
	}
	if won != 1 {
		return fmt.Errorf("%d of %d succeeded, wanted 1", won, len(answers))
	}
	return fault
}

func cancelBooking(s *session) error {
	c, _, _, err := s.book()
	if err != nil {
		return err
	}
	if err := s.cancel(c); err != nil {
		return err
	}
	if err := s.read(c, "cancelled"); err != nil {
		return err
	}
	return s.freed(c)
}

// freed demands that the slot of a cancelled booking is offered again.
func (s *session) freed(c *creation) error {
	free, err := s.around("free", c.slot)
	if err != nil {
		return err
	}
	if !holds(free, "Slot", c.slot.id) {
		return errors.New("the Slot of the cancelled booking isn't free again")
	}
	return nil
}

func rebook(s *session) error {
	c, _, _, err := s.book()
	if err != nil {
		return err
	}
	if err := s.cancel(c); err != nil {
		return err
	}
	s.slots = append([]slot{c.slot}, s.slots...)
	again, _, _, err := s.book()
	if err == nil && again.id == c.id {
		return errors.New("the new booking has the id of the cancelled one")
	}
	return err
}
