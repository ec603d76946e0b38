package bars_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

func TestACancellationFreesTheSlotAndKeepsEveryVersion(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	booked := s.get("Appointment", id)
	result := s.accepted(bookingCancel(t, id, 0, changes{"Appointment.cancelationReason": map[string]any{"text": "better"}, "Appointment.description": "changed",
		"Appointment.reasonCode": []any{map[string]any{"text": "no pain"}}}))
	require.Equal(t, store.Ref{Type: "Appointment", ID: id}, result.Focus)
	require.Equal(t, "cancelled", entryOf(result.Bundle, "Appointment").Get("status").Text())
	require.Equal(t, id, entryOf(result.Bundle, "Appointment").Get("id").Text())
	require.Empty(t, s.claimOf(slotID(clinic, 0)))
	require.Equal(t, "free", s.status("Slot", slotID(clinic, 0)))
	s.invariant()

	now := s.get("Appointment", id)
	require.Equal(t, "better", now.Get("cancelationReason", "text").Text())
	require.Equal(t, "no pain", now.Get("reasonCode", "text").Text())
	require.Equal(t, booked.Get("description").Text(), now.Get("description").Text(), "only status and reason change")
	require.Equal(t, booked.Get("participant").Raw(), now.Get("participant").Raw())
	old, err := s.store.GetVersion(s.ctx, store.Ref{Type: "Appointment", ID: id}, 1)
	require.NoError(t, err)
	require.Equal(t, booked.JSON(), old.Body)
	for version, status := range map[int64]string{1: "free", 2: "busy", 3: "free"} {
		slot, err := s.store.GetVersion(s.ctx, store.Ref{Type: "Slot", ID: slotID(clinic, 0)}, version)
		require.NoError(t, err)
		require.Equal(t, status, parse(t, string(slot.Body)).Get("status").Text())
	}
	s.accepted(booking(t, 0))
	s.invariant()
}

func TestCancellationsThatNameNoCurrentBookingAreRefused(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	elsewhere, err := s.sendTo(hospital, apply(t, payload(t, "book", "@SLOT@", slotID(hospital, 0), "@START@", slotStart(0), "@END@", slotEnd(0)), toService(hospital)))
	require.NoError(t, err)
	for _, row := range []refusal{
		{"unknown id", changes{"Appointment.id": uuid.NewString()}, fhir.KindNotFound, []string{first + ".id"}},
		{"another service's booking", changes{"Appointment.id": focus(elsewhere)}, fhir.KindNotFound, []string{first + ".id"}},
		{"not an id", changes{"Appointment.id": "../" + id}, fhir.KindValue, []string{first + ".id"}},
		{"no id", changes{"Appointment.id": nil}, fhir.KindInvariant, []string{first + ".id"}},
		{"another NHS number", changes{"Patient.identifier[0].value": "9000000017"}, fhir.KindInvariant, []string{"Bundle.entry[2].resource"}},
		{"another birth date", changes{"Patient.birthDate": "1981-02-28"}, fhir.KindInvariant, []string{"Bundle.entry[2].resource"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := s.send(bookingCancel(t, id, 0, row.change))
			refused(t, err, row.kind, row.at...)
			require.Equal(t, "booked", s.status("Appointment", id))
			require.Equal(t, "booked", s.status("Appointment", focus(elsewhere)))
			s.invariant()
		})
	}
}

func TestABookingThatEndedIsNotCancelledAgain(t *testing.T) {
	for _, status := range []string{"cancelled", "noshow", "entered-in-error", "fulfilled"} {
		s := open(t)
		id := focus(s.accepted(booking(t, 0)))
		_, err := s.put(appointmentText(id, status, 0), 0)
		require.NoError(t, err)
		_, err = s.send(bookingCancel(t, id, 0))
		refused(t, err, fhir.KindConflict, first)
		require.Equal(t, status, s.status("Appointment", id))
		s.invariant()
	}
}

func TestACancellationMayNameItsFocusByRelativeReference(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	s.accepted(bookingCancel(t, id, 0, changes{"MessageHeader.focus[0].reference": "Appointment/" + id}))
	require.Equal(t, "cancelled", s.status("Appointment", id))
}

func TestLenientModeGuessesABookingOnlyWhereOneFits(t *testing.T) {
	noID := changes{"Appointment.id": nil}
	s := open(t, lenient)
	id := focus(s.accepted(booking(t, 0)))
	other := focus(s.accepted(booking(t, 1)))
	for name, c := range map[string]changes{
		"another time":    {"Appointment.start": slotStart(2)},
		"another patient": {"Patient.identifier[0].value": "9000000017"},
		"no NHS number":   {"Patient.identifier": nil},
		"no start":        {"Appointment.start": nil},
	} {
		_, err := s.send(bookingCancel(t, id, 0, noID, c))
		require.Error(t, err, name)
		refused(t, err, fhir.KindInvariant, first+".id")
	}
	foreign := request(t, bookingCancel(t, id, 0, noID))
	foreign.Caller.Organisation, foreign.Key.Sender = "C3003", "C3003"
	_, err := s.desk.Message(s.ctx, foreign)
	refused(t, err, fhir.KindInvariant, first+".id") // it may not see that booking
	result := s.accepted(bookingCancel(t, id, 0, noID))
	require.Equal(t, id, focus(result))
	require.Equal(t, "cancelled", s.status("Appointment", id))
	require.Equal(t, "booked", s.status("Appointment", other))
	_, err = s.send(bookingCancel(t, id, 0, noID))
	refused(t, err, fhir.KindInvariant, first+".id") // it is no longer booked
	s.invariant()

	// Two of the same patient and time with the same service: neither is meant
	// for certain.
	second := slotResource(t, clinic, 1, "free")
	_, err = s.put(strings.ReplaceAll(string(second.JSON()), slotID(clinic, 1), slotID(clinic, 9)), 0)
	require.NoError(t, err)
	s.accepted(booking(t, 1, changes{"Slot.id": slotID(clinic, 9)}))
	_, err = s.send(bookingCancel(t, other, 1, noID))
	refused(t, err, fhir.KindInvariant, first+".id")
	s.invariant()
}

func TestASlotThatItsPublisherClosedMeanwhileStaysClosed(t *testing.T) {
	for status, after := range map[string]string{"busy-unavailable": "busy-unavailable", "entered-in-error": "entered-in-error", "busy-tentative": "free", "busy": "free"} {
		s := open(t)
		id := focus(s.accepted(booking(t, 0)))
		s.putSlot(0, status)
		require.Equal(t, "Appointment/"+id, s.claimOf(slotID(clinic, 0)))
		s.accepted(bookingCancel(t, id, 0))
		require.Equal(t, after, s.status("Slot", slotID(clinic, 0)))
		s.invariant()
	}
}

func TestAReferralIsRevokedOnceAndByItsOwnService(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(referral(t)))
	elsewhere, err := s.sendTo(hospital, referral(t, toService(hospital)))
	require.NoError(t, err)
	for _, row := range []refusal{
		{"unknown id", changes{"ServiceRequest.id": uuid.NewString()}, fhir.KindNotFound, []string{first + ".id"}},
		{"another service's referral", changes{"ServiceRequest.id": focus(elsewhere)}, fhir.KindNotFound, []string{first + ".id"}},
		{"no id", changes{"ServiceRequest.id": nil}, fhir.KindInvariant, []string{first + ".id"}},
		{"another NHS number", changes{"Patient.identifier[0].value": "9000000017"}, fhir.KindInvariant, []string{"Bundle.entry[2].resource"}},
		{"another birth date", changes{"Patient.birthDate": "1981-02-28"}, fhir.KindInvariant, []string{"Bundle.entry[2].resource"}},
	} {
		_, err := s.send(referralCancel(t, id, row.change))
		refused(t, err, row.kind, row.at...)
		require.Equal(t, "active", s.status("ServiceRequest", id), row.name)
	}
	before := s.get("ServiceRequest", id)
	result := s.accepted(referralCancel(t, id))
	require.Equal(t, "revoked", entryOf(result.Bundle, "ServiceRequest").Get("status").Text())
	now := s.get("ServiceRequest", id)
	require.Equal(t, "Patient recovered", now.Get("reasonCode", "text").Text())
	require.Equal(t, before.Get("basedOn").Raw(), now.Get("basedOn").Raw(), "nothing else changes")
	_, err = s.send(referralCancel(t, id))
	refused(t, err, fhir.KindConflict, first)
	require.Equal(t, "active", s.status("ServiceRequest", focus(elsewhere)))
}

func TestLenientModeDoesNotGuessReferrals(t *testing.T) {
	s := open(t, lenient)
	id := focus(s.accepted(referral(t)))
	_, err := s.send(referralCancel(t, id, changes{"ServiceRequest.id": nil}))
	refused(t, err, fhir.KindInvariant, first+".id")
}

// A cancellation that doesn't say who the patient is can't contradict us.
func TestACancellationNeedNotRepeatTheDemographics(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	s.accepted(bookingCancel(t, id, 0, changes{"Patient.identifier": nil, "Patient.birthDate": nil}))
	require.Equal(t, "cancelled", s.status("Appointment", id))
}
