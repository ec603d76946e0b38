package bars_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
)

// flagOf is a Flag of the request's patient.
func flagOf(category, status string) string {
	return `{"resourceType":"Flag","status":"` + status + `","category":[{"coding":[{"system":"https://fhir.nhs.uk/CodeSystem/flag-categories-bars","code":"` + category + `"}]}],
		"code":{"coding":[{"system":"https://fhir.nhs.uk/CodeSystem/safeguarding-codes-bars","code":"U"}]},
		"subject":{"reference":"urn:uuid:00000003-0000-4000-8000-000000000003"}}`
}

var safeguarding = changes{"+": []string{flagOf("SG", "active")}}

// book gives a referral of the responder's a booking by plain FHIR, which names
// the referral or is named by it.
func (p *pair) book(theirs string, named bool) {
	p.t.Helper()
	text := appointmentText("visit", "booked", 0)
	if !named {
		text = strings.Replace(text, `"status"`, `"basedOn":[{"reference":"ServiceRequest/`+theirs+`"}],"status"`, 1)
	}
	_, err := p.responder.put(text, 0)
	require.NoError(p.t, err)
	if named {
		r := p.responder.get("ServiceRequest", theirs)
		linked, err := r.Edit().Set(r.Root(), "supportingInfo", []byte(`[{"reference":"Appointment/visit"}]`)).Done()
		require.NoError(p.t, err)
		_, err = p.responder.put(string(linked.JSON()), 0)
		require.NoError(p.t, err)
	}
}

// attended sets the status of that booking.
func (p *pair) attended(status string) error {
	r := p.responder.get("Appointment", "visit")
	moved, err := r.Edit().SetText(r.Root(), "status", status).Done()
	require.NoError(p.t, err)
	_, err = p.responder.put(string(moved.JSON()), 0)
	return err
}

// concerned writes a concern of the responder's own.
func concerned(p *pair, theirs string) {
	patient := p.responder.get("ServiceRequest", theirs).Get("subject", "reference").Text()
	_, err := p.responder.post(strings.Replace(flagOf("SG", "active"), "urn:uuid:00000003-0000-4000-8000-000000000003", patient, 1))
	require.NoError(p.t, err)
}

func TestAPatientWhoDidNotAttendIsToldOfWhereThereIsASafeguardingConcern(t *testing.T) {
	for name, row := range map[string]struct {
		ask    changes
		named  bool // the referral names the booking
		before func(p *pair, theirs string)
		status string
		told   bool
	}{
		"booking names the referral": {ask: safeguarding, status: "noshow", told: true},
		"referral names the booking": {ask: safeguarding, named: true, status: "noshow", told: true},
		"a Flag of our own":          {status: "noshow", told: true, before: concerned},
		"the case is closed":         {ask: safeguarding, status: "noshow", told: true, before: func(p *pair, _ string) { require.NoError(p.t, p.move("finished")) }},
		"no concern":                 {status: "noshow"},
		"another concern":            {ask: changes{"+": []string{flagOf("RC", "active")}}, status: "noshow"},
		"a concern that is over":     {ask: changes{"+": []string{flagOf("SG", "inactive")}}, status: "noshow"},
		"cancelled":                  {ask: safeguarding, status: "cancelled"},
		"attended":                   {ask: safeguarding, status: "fulfilled"},
		"another application":        {ask: cadCase, status: "noshow", before: concerned},
		"the referral was taken back": {ask: safeguarding, status: "noshow", before: func(p *pair, theirs string) {
			r := p.responder.get("ServiceRequest", theirs)
			revoked, err := r.Edit().SetText(r.Root(), "status", "revoked").Done()
			require.NoError(p.t, err)
			_, err = p.responder.put(string(revoked.JSON()), 0)
			require.NoError(p.t, err)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := openPair(t)
			theirs, ours := p.ask(row.ask)
			p.book(theirs, row.named)
			if row.before != nil {
				row.before(p, theirs)
			}
			require.NoError(t, p.attended(row.status))
			require.Equal(t, row.status, p.responder.status("Appointment", "visit"))
			var sent []bars.Outgoing
			for _, o := range p.post.posted {
				if strings.HasPrefix(o.UseContext, "a1") {
					sent = append(sent, o)
				}
			}
			if !row.told {
				require.Empty(t, sent)
				return
			}
			require.Len(t, sent, 1)
			require.Equal(t, "a1t2|referral|servicerequest-response|new", sent[0].UseContext)
			require.Equal(t, "noshow", entryOf(sent[0].Bundle, "Appointment").Get("status").Text())
			require.True(t, entryOf(sent[0].Bundle, "Flag").Exists())
			require.Equal(t, "revoked", p.responder.status("ServiceRequest", theirs))
			result, err := p.deliver(sent[0])
			require.NoError(t, err)
			require.Empty(t, result.Warnings)
			require.Equal(t, "revoked", p.requester.status("ServiceRequest", ours))

			require.NoError(t, p.attended("noshow"))
			require.Len(t, p.post.posted, 1, "the same status is no news")
		})
	}
}

// What can't be told isn't written, and two bookings of a transaction are told
// together or not at all.
func TestNewsOfNotAttendingStandsOrFallsWithTheBooking(t *testing.T) {
	p := openPair(t)
	theirs, _ := p.ask(safeguarding)
	p.book(theirs, false)
	r := p.responder.get("Appointment", "visit")
	moved, err := r.Edit().SetText(r.Root(), "status", "noshow").Done()
	require.NoError(t, err)
	stale := rest.Change{Method: "PUT", Type: "ServiceRequest", ID: theirs, Resource: p.responder.get("ServiceRequest", theirs), IfMatch: 99}
	_, err = p.responder.commit(rest.Change{Method: "PUT", Type: "Appointment", ID: "visit", Resource: moved}, stale)
	refused(t, err, fhir.KindVersion)
	require.Equal(t, "booked", p.responder.status("Appointment", "visit"))
	require.Equal(t, "active", p.responder.status("ServiceRequest", theirs))
}

// Each side knows the booking by an id of its own.
func TestNewsOfNotAttendingReachesTheBookingThatWasSent(t *testing.T) {
	p := openPair(t)
	theirs, ours, err := p.sends(hospital, referral(t, toService(hospital), safeguarding, fromBare("n1")))
	require.NoError(t, err)
	theirBooking, ourBooking, err := p.sends(hospital, booking(t, 0, toService(hospital), fromBare("n2"), changes{
		"Slot.id": slotID(hospital, 0), "Appointment.basedOn": []any{map[string]any{"reference": "ServiceRequest/" + focus(theirs)}}}))
	require.NoError(t, err)

	answer, err := p.respond(bars.RespondRequest{Referral: focus(theirs), Answer: bars.AnswerNotAttended})
	require.NoError(t, err)
	said := entryOf(answer.Bundle, "Appointment")
	require.Equal(t, focus(theirBooking), said.Get("id").Text())
	patient := said.Get("participant").At(0).Dig("actor", "reference").Text()
	require.Equal(t, entryOf(answer.Bundle, "ServiceRequest").Dig("subject", "reference").Text(), patient, "the message holds one Patient")

	_, err = p.deliver(answer)
	require.NoError(t, err)
	require.Equal(t, "noshow", p.responder.status("Appointment", focus(theirBooking)))
	require.Equal(t, "noshow", p.requester.status("Appointment", focus(ourBooking)))
	require.Len(t, p.requester.all("Appointment"), 1, "it is no new record")
	require.Equal(t, "revoked", p.requester.status("ServiceRequest", focus(ours)))
}

// Who answers a referral may not end bookings of others by their id.
func TestNewsOfNotAttendingLeavesBookingsOfOthersAlone(t *testing.T) {
	p := openPair(t)
	theirs, _ := p.ask(safeguarding)
	p.book(theirs, false)
	answer, err := p.respond(bars.RespondRequest{Referral: theirs, Answer: bars.AnswerNotAttended})
	require.NoError(t, err)
	r := request(t, booking(t, 0, toService(bare), changes{"Slot.id": slotID(bare, 0), "Organization.identifier[0].value": "A1001"}))
	r.Target.Value, r.Caller.Organisation, r.Key.Sender = bare, "C3003", "C3003"
	foreign, err := p.requester.desk.Message(p.requester.ctx, r)
	require.NoError(t, err)

	_, err = p.deliver(answer, changes{"Appointment.id": focus(foreign)})
	require.NoError(t, err)
	require.Equal(t, "booked", p.requester.status("Appointment", focus(foreign)))
	require.Equal(t, "busy", p.requester.status("Slot", slotID(bare, 0)))
}

// Ensure that an answer which says next to nothing of its patient ends no other
// patient's booking.
func TestNewsOfNotAttendingLeavesBookingsOfOtherPatientsAlone(t *testing.T) {
	p := openPair(t)
	theirs, _ := p.ask(safeguarding)
	p.book(theirs, false)
	answer, err := p.respond(bars.RespondRequest{Referral: theirs, Answer: bars.AnswerNotAttended})
	require.NoError(t, err)
	other := focus(p.requester.accepted(booking(t, 0, changes{"Patient.identifier[0].value": "9000000017", "Patient.birthDate": "1955-05-05"})))
	_, err = p.deliver(answer, changes{"Appointment.id": other, "Patient.identifier": nil, "Patient.birthDate": nil})
	require.NoError(t, err)
	require.Equal(t, "booked", p.requester.status("Appointment", other))
}

// The slot of a booking that ended before is its publisher's.
func TestAnAnswerLeavesTheSlotOfAnEndedBookingAlone(t *testing.T) {
	p := openPair(t)
	theirs, _ := p.ask()
	p.book(theirs, false)
	require.NoError(t, p.attended("noshow"))
	_, err := p.responder.put(string(slotResource(t, clinic, 0, "busy").JSON()), 0)
	require.NoError(t, err)

	o, err := p.respond(bars.RespondRequest{Referral: theirs, Answer: bars.AnswerNotAttended})
	require.NoError(t, err)
	require.Equal(t, "noshow", entryOf(o.Bundle, "Appointment").Get("status").Text())
	require.Equal(t, "busy", p.responder.status("Slot", slotID(clinic, 0)))
	p.responder.invariant()
}
