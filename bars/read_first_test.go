package bars_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

// asRead puts a record into a message as a sender has it who reads it first, with
// changes.
func (s *scene) asRead(message []byte, typ, id string, c changes) []byte {
	s.t.Helper()
	var doc, read map[string]any
	require.NoError(s.t, json.Unmarshal(message, &doc))
	require.NoError(s.t, json.Unmarshal(s.get(typ, id).JSON(), &read))
	for path, value := range c {
		put(s.t, read, strings.Split(path, "."), value)
	}
	for _, e := range doc["entry"].([]any) {
		if entry := e.(map[string]any); entry["resource"].(map[string]any)["resourceType"] == typ {
			entry["resource"] = read
		}
	}
	return apply(s.t, doc)
}

func stamped(typ string) map[string]any {
	return map[string]any{"lastUpdated": laterStamp, "profile": []any{"http://hl7.org/fhir/StructureDefinition/" + typ}}
}

// Ensure that who reads a record before changing it, as the standard demands, may
// send it back as it was given, with its relative references.
func TestARecordComesBackAsItWasRead(t *testing.T) {
	for _, mode := range []string{"strict", "lenient"} {
		t.Run(mode, func(t *testing.T) {
			s := open(t)
			if mode == "lenient" {
				s = open(t, lenient)
			}
			booked := focus(s.accepted(booking(t, 0)))
			s.accepted(s.asRead(bookingCancel(t, booked, 0), "Appointment", booked, changes{"status": "cancelled", "meta": stamped("Appointment")}))
			require.Equal(t, "cancelled", s.status("Appointment", booked))
			require.Equal(t, "free", s.status("Slot", slotID(clinic, 0)))

			sent, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase))
			require.NoError(t, err)
			before := s.get("ServiceRequest", focus(sent))
			_, err = s.sendTo(hospital, s.asRead(cadUpdate(t, focus(sent)), "ServiceRequest", focus(sent),
				changes{"authoredOn": "2026-11-20T09:04:00Z", "meta": stamped("ServiceRequest")}))
			require.NoError(t, err)
			now := s.get("ServiceRequest", focus(sent))
			require.Equal(t, "2026-11-20T09:04:00Z", now.Get("authoredOn").Text())
			for _, link := range []string{"subject", "encounter", "requester", "basedOn"} {
				require.Equal(t, string(before.Get(link).Raw()), string(now.Get(link).Raw()), "links stay")
			}
			s.invariant()
		})
	}
}

// Ensure that a change can't give a record to another patient by a relative
// reference.
func TestARecordDoesNotChangeItsPatient(t *testing.T) {
	s := open(t)
	sent, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase))
	require.NoError(t, err)
	booked := s.accepted(booking(t, 0))
	other := entryOf(booked.Bundle, "Patient").Get("id").Text()
	for _, patient := range []string{"Patient/" + other, "Patient/none"} {
		_, err = s.sendTo(hospital, cadUpdate(t, focus(sent), changes{"ServiceRequest.subject.reference": patient}))
		refused(t, err, fhir.KindInvariant, first)
		_, err = s.send(bookingCancel(t, focus(booked), 0, changes{"Appointment.participant[0].actor.reference": "Patient/" + entryOf(sent.Bundle, "Patient").Get("id").Text()}))
		refused(t, err, fhir.KindInvariant, first)
	}
	require.Equal(t, "Patient/"+entryOf(sent.Bundle, "Patient").Get("id").Text(), s.get("ServiceRequest", focus(sent)).Get("subject", "reference").Text())
	// A new one names the Patient of its bundle.
	_, err = s.sendTo(hospital, referral(t, toService(hospital), cadCase, changes{"ServiceRequest.subject.reference": "Patient/" + other}))
	require.Error(t, err)
}

// Ensure that lenient mode knows the use case of a record that a message changes
// or answers without naming one, and strict mode doesn't do without.
func TestTheUseCaseOfAChangeIsThatOfTheRecord(t *testing.T) {
	unnamed := changes{"ServiceRequest.category[0].coding[1].system": "https://other.example"}
	s := open(t, lenient)
	sent, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase))
	require.NoError(t, err)
	_, err = s.sendTo(hospital, cadUpdate(t, focus(sent), unnamed, changes{"Encounter.status": "triaged", "Encounter.meta.lastUpdated": laterStamp}))
	require.NoError(t, err)
	_, err = s.sendTo(hospital, referralCancel(t, focus(sent), toService(hospital), unnamed))
	require.NoError(t, err)
	require.Equal(t, "revoked", s.status("ServiceRequest", focus(sent)))

	strict := open(t)
	sent, err = strict.sendTo(hospital, referral(t, toService(hospital), cadCase))
	require.NoError(t, err)
	_, err = strict.sendTo(hospital, referralCancel(t, focus(sent), toService(hospital), unnamed))
	refused(t, err, fhir.KindInvariant, first+".category")
}

// Ensure that a Slot tells which of two bookings at one time is cancelled.
func TestTheSlotTellsWhichBookingIsMeant(t *testing.T) {
	s := open(t, lenient)
	one := focus(s.accepted(booking(t, 0)))
	second := slotResource(t, clinic, 0, "free")
	text, err := second.Edit().SetText(second.Root(), "id", slotID(clinic, 9)).Done()
	require.NoError(t, err)
	_, err = s.put(string(text.JSON()), 0)
	require.NoError(t, err)
	two := focus(s.accepted(booking(t, 0, changes{"Slot.id": slotID(clinic, 9)})))
	noID := changes{"Appointment.id": nil}
	_, err = s.send(bookingCancel(t, one, 0, noID))
	refused(t, err, fhir.KindInvariant, first+".id")
	s.accepted(bookingCancel(t, one, 0, noID, changes{"Appointment.slot": []any{reference("Slot/" + slotID(clinic, 9))}}))
	require.Equal(t, "booked", s.status("Appointment", one))
	require.Equal(t, "cancelled", s.status("Appointment", two))
	s.invariant()
}
