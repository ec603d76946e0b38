package bars_test

import (
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

func TestABookingClaimsItsSlotAndIsAnsweredWithIds(t *testing.T) {
	s := open(t)
	organisations, services, patients := len(s.all("Organization")), len(s.all("HealthcareService")), len(s.all("Patient"))
	body := booking(t, 0)
	result := s.accepted(body)
	id := focus(result)
	require.Equal(t, store.Ref{Type: "Appointment", ID: id}, result.Stored[0].Ref, "the focus comes first")
	require.Equal(t, "Appointment/"+id, s.claimOf(slotID(clinic, 0)))
	require.Equal(t, "busy", s.status("Slot", slotID(clinic, 0)))
	s.invariant()

	stored := s.get("Appointment", id)
	require.True(t, fhir.ValidUUID(id))
	require.Equal(t, "2026-11-20T09:00:00.000Z", stored.Get("created").Text())
	require.Equal(t, "Slot/"+slotID(clinic, 0), stored.Get("slot", "reference").Text())
	require.Equal(t, "Patient/"+s.all("Patient")[0].ID, stored.Get("participant", "actor", "reference").Text())
	require.Equal(t, base+"/Id/booking-reference", stored.Get("identifier", "system").Text())
	require.Len(t, stored.Get("identifier", "value").Text(), 10)
	require.False(t, stored.Get("meta", "lastUpdated").Exists(), "what the sender stamped isn't ours")
	require.Len(t, s.all("Patient"), patients+1)
	require.Len(t, s.all("Organization"), organisations, "organisations of ours are linked")
	require.Len(t, s.all("HealthcareService"), services)

	// The answer is the message as sent, with what the receiver added.
	answer, sent := result.Bundle, parse(t, string(body))
	require.Equal(t, sent.ID(), answer.ID())
	require.Equal(t, sent.Get("entry").Len(), answer.Get("entry").Len())
	require.Equal(t, id, entryOf(answer, "Appointment").Get("id").Text())
	require.Equal(t, stored.Get("created").Text(), entryOf(answer, "Appointment").Get("created").Text())
	require.Equal(t, stored.Get("identifier").Raw(), entryOf(answer, "Appointment").Get("identifier").Raw())
	require.Equal(t, "busy", entryOf(answer, "Slot").Get("status").Text())
	for i := range sent.Get("entry").Len() {
		before, after := sent.Get("entry").At(i), answer.Get("entry").At(i)
		require.Equal(t, before.Get("fullUrl").Text(), after.Get("fullUrl").Text())
		if i > 0 {
			require.NotEmpty(t, after.Dig("resource", "id").Text())
		}
	}
	for _, path := range [][]string{{"slot", "reference"}, {"participant", "actor", "reference"}} {
		require.Equal(t, entryOf(sent, "Appointment").Dig(path...).Text(), entryOf(answer, "Appointment").Dig(path...).Text(),
			"references in the answer are the sender's own")
	}
	require.Equal(t, entryOf(sent, "Slot").Dig("schedule", "reference").Text(), entryOf(answer, "Slot").Dig("schedule", "reference").Text())
	require.Equal(t, clinic, entryOf(answer, "HealthcareService").Get("id").Text())
}

func TestTheSendersOwnIdentifiersOfABookingAreKept(t *testing.T) {
	s := open(t)
	own := map[string]any{"system": "https://sender.example/Id/booking", "value": "77"}
	result := s.accepted(booking(t, 0, changes{"Appointment.identifier": []any{own}}))
	require.Equal(t, 2, s.get("Appointment", focus(result)).Get("identifier").Len())
	require.Equal(t, "77", entryOf(result.Bundle, "Appointment").Dig("identifier", "value").Text())
	_, err := s.send(booking(t, 1, changes{"Appointment.identifier": own}))
	refused(t, err, fhir.KindStructure, first+".identifier")
	s.invariant()
}

func TestBookingsThatNameNoSlotOfOursAreRefused(t *testing.T) {
	s := open(t)
	const slot, schedule = "Bundle.entry[3].resource", "Bundle.entry[4].resource"
	elsewhere := changes{"Slot.id": slotID(hospital, 0)}
	for _, row := range []refusal{
		{"no slot", changes{"Appointment.slot": nil}, fhir.KindInvariant, []string{first + ".slot"}},
		{"slot an object", changes{"Appointment.slot": map[string]any{"reference": "urn:uuid:00000006-0000-4000-8000-000000000006"}}, fhir.KindStructure, []string{first + ".slot"}},
		{"slot not in the bundle", changes{"Appointment.slot[0].reference": "Slot/" + slotID(clinic, 1)}, fhir.KindInvariant, []string{first + ".slot[0]", first + ".slot"}},
		{"slot no Slot", changes{"Appointment.slot[0].reference": "urn:uuid:00000007-0000-4000-8000-000000000007"}, fhir.KindInvariant, []string{first + ".slot[0].reference"}},
		{"slot unknown", changes{"Slot.id": uuid.NewString()}, fhir.KindNotFound, []string{slot}},
		{"no id and no schedule identifier", changes{"Slot.id": nil}, fhir.KindNotFound, []string{slot}},
		{"slot of another service", elsewhere, fhir.KindInvariant, []string{slot}},
		{"altered start", changes{"Slot.start": slotStart(1)}, fhir.KindInvariant, []string{slot + ".start"}},
		{"altered end", changes{"Slot.end": slotEnd(1)}, fhir.KindInvariant, []string{slot + ".end"}},
		{"invented comment", changes{"Slot.comment": "bring a friend"}, fhir.KindInvariant, []string{slot + ".comment"}},
		{"no Schedule", changes{"Slot.schedule": nil}, fhir.KindInvariant, []string{slot + ".schedule"}},
		{"Schedule is no Schedule", changes{"Slot.schedule.reference": "urn:uuid:00000003-0000-4000-8000-000000000003"}, fhir.KindInvariant, []string{slot + ".schedule.reference"}},
		{"altered Schedule", changes{"Schedule.active": false}, fhir.KindInvariant, []string{schedule + ".active"}},
		{"another Schedule's id", changes{"Schedule.id": scheduleID(hospital)}, fhir.KindInvariant, []string{schedule + ".id"}},
		{"another Schedule's identifier", changes{"Schedule.identifier": []any{map[string]any{"system": "https://diary.example/Id", "value": "other"}}},
			fhir.KindInvariant, []string{schedule + ".identifier"}},

		{"no start", changes{"Appointment.start": nil}, fhir.KindInvariant, []string{first, first}}, // app-2 and app-3
		{"no end", changes{"Appointment.end": nil}, fhir.KindInvariant, []string{first, first}},
		{"a date alone", changes{"Appointment.start": "2026-11-21"}, fhir.KindValue, []string{first + ".start"}},
		{"end before start", changes{"Appointment.start": slotEnd(0), "Appointment.end": slotStart(0)}, fhir.KindInvariant, []string{first + ".end"}},
		{"before the slot", changes{"Appointment.start": "2026-11-21T08:59:59Z"}, fhir.KindInvariant, []string{first + ".start"}},
		{"after the slot", changes{"Appointment.end": slotEnd(1)}, fhir.KindInvariant, []string{first + ".start"}},
		{"several faults at once", changes{"Appointment.basedOn": []any{map[string]any{"reference": "urn:uuid:00000000-0000-4000-8000-000000000000"}}, "Slot.comment": "x"},
			fhir.KindInvariant, []string{first + ".basedOn[0].reference", slot + ".comment"}},
		{"based on an unknown referral", changes{"Appointment.basedOn": []any{map[string]any{"reference": "ServiceRequest/none"}}}, fhir.KindInvariant, []string{first + ".basedOn[0]"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.refuses(t, row, booking(t, 0, row.change))
			s.invariant()
		})
	}
}

func TestTimesOutsideTheSlotAreAWarningInLenientMode(t *testing.T) {
	s := open(t, lenient)
	result := s.accepted(booking(t, 0, changes{"Appointment.end": slotEnd(1)}))
	require.Len(t, result.Warnings, 1)
	require.Equal(t, first+".start", result.Warnings[0].Expression)
}

func TestASlotIsFoundByItsIdItsFullUrlOrItsTime(t *testing.T) {
	own := []any{map[string]any{"system": "https://diary.example/Id", "value": "diary-" + clinic}}
	byURL := changes{"Slot.id": nil, "Slot@.fullUrl": "urn:uuid:" + slotID(clinic, 1), "Appointment.slot[0].reference": "urn:uuid:" + slotID(clinic, 1)}
	byTime := changes{"Slot.id": nil, "Schedule.identifier": own}
	for name, c := range map[string]changes{"id": {}, "fullUrl": byURL, "time": byTime, "time in another offset": with(byTime, changes{
		"Slot.start": "2026-11-21T10:20:00+01:00", "Slot.end": "2026-11-21T10:40:00+01:00"})} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			result := s.accepted(booking(t, 1, c))
			require.Equal(t, "Appointment/"+focus(result), s.claimOf(slotID(clinic, 1)))
			require.Equal(t, slotID(clinic, 1), entryOf(result.Bundle, "Slot").Get("id").Text())
			require.Equal(t, scheduleID(clinic), entryOf(result.Bundle, "Schedule").Get("id").Text())
			require.Equal(t, "Slot/"+slotID(clinic, 1), s.get("Appointment", focus(result)).Get("slot", "reference").Text())
			require.Len(t, s.all("Schedule"), 3, "a Schedule of ours is linked")
			s.invariant()
		})
	}
	s := open(t)
	_, err := s.send(booking(t, 1, byTime, changes{"Schedule.identifier": []any{map[string]any{"system": "https://diary.example/Id"}}}))
	refused(t, err, fhir.KindNotFound, "Bundle.entry[3].resource") // a system alone names no diary
	_, err = s.send(booking(t, 1, byTime, changes{"Slot.end": slotEnd(2)}))
	refused(t, err, fhir.KindNotFound, "Bundle.entry[3].resource")
	_, err = s.send(booking(t, 1, byTime, changes{"Schedule.identifier": []any{map[string]any{"system": "https://diary.example/Id", "value": "diary-" + hospital}}}))
	refused(t, err, fhir.KindNotFound, "Bundle.entry[3].resource") // another service's diary
}

func TestAServiceWithoutProviderTakesBookings(t *testing.T) {
	s := open(t)
	body := apply(t, payload(t, "book", "@SLOT@", slotID(bare, 0), "@START@", slotStart(0), "@END@", slotEnd(0)), toService(bare))
	result, err := s.sendTo(bare, body)
	require.NoError(t, err)
	require.Equal(t, "Appointment/"+focus(result), s.claimOf(slotID(bare, 0)))
}

func TestASlotIsBookedOnce(t *testing.T) {
	s := open(t)
	s.accepted(booking(t, 0))
	before := s.size()
	_, err := s.send(booking(t, 0))
	refused(t, err, fhir.KindConflict, first+".slot")
	require.Equal(t, before, s.size())
	s.invariant()
}

func TestOfTwoBookingsAtOnceOneWins(t *testing.T) {
	s := open(t)
	const callers = 16
	errs := make([]error, callers)
	var all sync.WaitGroup
	for i := range callers {
		r := request(t, booking(t, 0))
		all.Go(func() { _, errs[i] = s.desk.Message(s.ctx, r) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		refused(t, err, fhir.KindConflict)
	}
	require.Equal(t, 1, won)
	require.Len(t, s.all("Appointment"), 1)
	require.Len(t, s.all("Patient"), 1, "the losers wrote nothing")
	s.invariant()
}

func TestASlotThatItsPublisherClosedIsNotBooked(t *testing.T) {
	for _, status := range []string{"busy", "busy-unavailable", "busy-tentative", "entered-in-error"} {
		s := open(t)
		s.putSlot(0, status)
		_, err := s.send(booking(t, 0))
		refused(t, err, fhir.KindConflict, first+".slot")
		s.invariant()
	}
}

// A slot that somebody holds while choosing isn't free for others, though its
// record says so.
func TestAHeldSlotIsNotBooked(t *testing.T) {
	s := open(t)
	s.hold(slotID(clinic, 0))
	_, err := s.send(booking(t, 0))
	refused(t, err, fhir.KindConflict)
	require.Equal(t, "free", s.status("Slot", slotID(clinic, 0)))
}

func TestABookingAndAReferralOfOneJourneyAreLinked(t *testing.T) {
	s := open(t)
	sr := focus(s.accepted(referral(t)))
	link := []any{map[string]any{"reference": "ServiceRequest/" + sr}}
	appointment := focus(s.accepted(booking(t, 0, changes{"Appointment.basedOn": link})))
	require.Equal(t, "ServiceRequest/"+sr, s.get("Appointment", appointment).Get("basedOn", "reference").Text())
	link = []any{map[string]any{"reference": "Appointment/" + appointment}}
	again := focus(s.accepted(referral(t, changes{"ServiceRequest.supportingInfo": link})))
	require.Equal(t, "Appointment/"+appointment, s.get("ServiceRequest", again).Get("supportingInfo", "reference").Text())
}

func TestAnAcceptedMessageLeavesItsRecord(t *testing.T) {
	s := open(t)
	result := s.accepted(booking(t, 0))
	found, err := s.store.AuxScan(s.ctx, "message", "0a000000-0000-4000-8000-000000000001|A1001|", "", 10)
	require.NoError(t, err)
	require.Len(t, found, 1)
	note := parse(t, string(found[0].Value))
	require.Equal(t, "Appointment/"+focus(result), note.Get("focus").Text())
	require.Equal(t, definitions+"bars-message-booking-request", note.Get("definition").Text())
	require.Equal(t, "booking-request", note.Get("event").Text())
	require.Equal(t, "new", note.Get("reason").Text())
	require.Equal(t, "a1t2", note.Get("useCase").Text())
	require.Equal(t, nhs.SystemDoS+"|"+hospital, note.Get("source").Text())
	require.Equal(t, "2026-11-20T09:00:00.0000000+00:00", note.Get("lastUpdated").Text())
	require.Equal(t, "MessageHeader", note.Get("header", "resourceType").Text())
	require.Equal(t, "Sandbox supplier", note.Get("header", "source", "name").Text())

	_, err = s.send(booking(t, 0, changes{"Bundle.id": "0a000000-0000-4000-8000-000000000099"}))
	require.Error(t, err)
	notes, err := s.store.AuxScan(s.ctx, "message", "", "", 0)
	require.NoError(t, err)
	require.Len(t, notes, 1, "a refused message leaves none")
}

// Every version says who made it; the sender's stamp stands beside it.
func TestEveryVersionSaysWhoMadeIt(t *testing.T) {
	s := open(t)
	r := request(t, booking(t, 0))
	r.Caller = bars.Caller{Door: "bars", Organisation: "A1001", Software: "S-1", RequestID: "r", Correlation: "c"}
	result, err := s.desk.Message(s.ctx, r)
	require.NoError(t, err)
	for _, v := range result.Stored {
		rec, err := s.store.GetVersion(s.ctx, v.Ref, v.Version)
		require.NoError(t, err)
		by := parse(t, string(rec.By))
		require.Equal(t, "bars", by.Get("door").Text(), v.Ref.String())
		require.Equal(t, "A1001", by.Get("org").Text())
		require.Equal(t, "r", by.Get("request").Text())
		if v.Ref.Type == "Appointment" {
			require.Equal(t, "2026-11-20T09:00:00.0000000+00:00", parse(t, string(rec.Peer)).Get("lastUpdated").Text())
		}
	}
}
