package bars_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

func TestASlotThatIsNotFreeIsBlockedByItsPublisher(t *testing.T) {
	for _, status := range []string{"busy", "busy-unavailable", "busy-tentative", "entered-in-error"} {
		s := open(t)
		s.putSlot(0, status)
		require.Equal(t, "Slot/"+slotID(clinic, 0), s.claimOf(slotID(clinic, 0)))
		_, err := s.put(appointmentText("a", "booked", 0), 0)
		refused(t, err, fhir.KindConflict, "Appointment.slot")
		s.invariant()
		s.putSlot(0, "free")
		require.Empty(t, s.claimOf(slotID(clinic, 0)))
		_, err = s.put(appointmentText("a", "booked", 0), 0)
		require.NoError(t, err)
		s.invariant()
	}
	s := open(t)
	made, err := s.post(strings.Replace(string(slotResource(t, clinic, 8, "busy").JSON()), slotID(clinic, 8), "x", 1))
	require.NoError(t, err)
	require.Equal(t, "Slot/"+made.ID, s.claimOf(made.ID), "so does one that is created closed")
}

func TestASlotThatAnAppointmentHasCanNotBeFreedMovedOrDeleted(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	slot := func(change ...string) string {
		return strings.NewReplacer(change...).Replace(string(slotResource(t, clinic, 0, "busy").JSON()))
	}
	for _, row := range []struct{ name, text, at string }{
		{"freed", string(slotResource(t, clinic, 0, "free").JSON()), "Slot.status"},
		{"another start", slot(slotStart(0), "2026-11-21T08:00:00Z"), "Slot"},
		{"another end", slot(slotEnd(0), "2026-11-21T11:00:00Z"), "Slot"},
		{"another schedule", slot(scheduleID(clinic), scheduleID(hospital)), "Slot"},
	} {
		_, err := s.put(row.text, 0)
		refused(t, err, fhir.KindConflict, row.at)
	}
	refused(t, s.remove("Slot", slotID(clinic, 0)), fhir.KindConflict, "Slot")
	_, err := s.put(slot(`"status"`, `"comment":"room 2","status"`, slotStart(0), "2026-11-21T10:00:00+01:00"), 0)
	require.NoError(t, err, "what doesn't move it may change")
	require.Equal(t, "Appointment/"+id, s.claimOf(slotID(clinic, 0)))
	require.Equal(t, "booked", s.status("Appointment", id))
	s.invariant()
}

func TestAHeldSlotMayBeEditedByItsPublisher(t *testing.T) {
	s := open(t)
	s.hold(slotID(clinic, 0))
	s.putSlot(0, "free")
	require.Equal(t, "hold/1", s.claimOf(slotID(clinic, 0)))
	require.NoError(t, s.remove("Slot", slotID(clinic, 0)))
}

func TestAClosedSlotCanBeDeleted(t *testing.T) {
	s := open(t)
	s.putSlot(0, "busy")
	require.NoError(t, s.remove("Slot", slotID(clinic, 0)))
	require.Empty(t, s.claimOf(slotID(clinic, 0)))
	s.putSlot(0, "free")
	s.accepted(booking(t, 0))
	s.invariant()
}

func TestAnAppointmentsStatusClaimsAndReleasesItsSlots(t *testing.T) {
	s := open(t)
	occupying := []string{"proposed", "pending", "booked", "arrived", "checked-in", "fulfilled"}
	ended := map[string]bool{"fulfilled": true, "cancelled": true, "noshow": true, "entered-in-error": true}
	all := append([]string{"waitlist", "cancelled", "noshow", "entered-in-error"}, occupying...)
	for _, from := range all {
		for _, to := range all {
			t.Run(from+" to "+to, func(t *testing.T) {
				_, err := s.put(appointmentText("a", from, 0, 1), 0)
				require.NoError(t, err)
				s.invariant()
				_, err = s.put(appointmentText("a", to, 0, 1), 0)
				if ended[from] && from != to {
					refused(t, err, fhir.KindConflict, "Appointment.status")
					require.Equal(t, from, s.status("Appointment", "a"))
				} else {
					require.NoError(t, err)
					require.Equal(t, to, s.status("Appointment", "a"))
				}
				s.invariant()
				require.NoError(t, s.remove("Appointment", "a"))
			})
		}
	}
}

func TestAnAppointmentMovesToOtherSlotsInOneStep(t *testing.T) {
	s := open(t)
	_, err := s.put(appointmentText("a", "booked", 0, 1), 0)
	require.NoError(t, err)
	_, err = s.put(appointmentText("b", "booked", 3), 0)
	require.NoError(t, err)
	_, err = s.put(appointmentText("a", "booked", 1, 3), 0)
	refused(t, err, fhir.KindConflict, "Appointment.slot")
	require.Equal(t, "Appointment/a", s.claimOf(slotID(clinic, 0)), "it never loses what it has for what it can't get")
	_, err = s.put(appointmentText("a", "arrived", 1, 2), 0)
	require.NoError(t, err)
	require.Equal(t, []string{"free", "busy", "busy", "busy"}, []string{
		s.status("Slot", slotID(clinic, 0)), s.status("Slot", slotID(clinic, 1)), s.status("Slot", slotID(clinic, 2)), s.status("Slot", slotID(clinic, 3))})
	s.invariant()
}

// A plain client keeps the diary itself: each of its steps is taken, and the
// slot is the Appointment's from the first.
func TestAPlainClientBooksAndCancelsByHand(t *testing.T) {
	s := open(t)
	step := func(what, appointment, slot string) {
		t.Helper()
		if appointment != "" {
			_, err := s.put(appointmentText("a", appointment, 0), 0)
			require.NoError(t, err, what)
		}
		if slot != "" {
			s.putSlot(0, slot)
		}
		s.invariant()
	}
	step("propose", "proposed", "")
	require.Equal(t, "Appointment/a", s.claimOf(slotID(clinic, 0)))
	_, err := s.put(appointmentText("b", "booked", 0), 0)
	refused(t, err, fhir.KindConflict, "Appointment.slot")
	step("keep the slot", "", "busy-tentative")
	require.Equal(t, "busy-tentative", s.status("Slot", slotID(clinic, 0)))
	step("busy", "", "busy")
	step("book", "booked", "")
	step("cancel", "cancelled", "")
	require.Equal(t, "free", s.status("Slot", slotID(clinic, 0)))
	step("free", "", "free")
	_, err = s.put(appointmentText("b", "booked", 0), 0)
	require.NoError(t, err)
	s.invariant()
}

// However it is written, a Slot of ours is claimed.
func TestEverySpellingOfASlotIsClaimed(t *testing.T) {
	for name, reference := range map[string]string{
		"relative":         "Slot/" + slotID(clinic, 0),
		"absolute":         base + "/Slot/" + slotID(clinic, 0),
		"with its version": "Slot/" + slotID(clinic, 0) + "/_history/1",
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			_, err := s.put(strings.Replace(appointmentText("a", "booked", 0), "Slot/"+slotID(clinic, 0), reference, 1), 0)
			require.NoError(t, err)
			require.Equal(t, "Appointment/a", s.claimOf(slotID(clinic, 0)))
			_, err = s.send(booking(t, 0))
			refused(t, err, fhir.KindConflict)
			require.NoError(t, s.remove("Appointment", "a"))
			s.invariant()
		})
	}
	s := open(t)
	_, err := s.put(strings.Replace(appointmentText("a", "booked", 0), "Slot/", "https://other.example/Slot/", 1), 0)
	require.NoError(t, err, "a Slot elsewhere is no concern of ours")
	require.Empty(t, s.claimOf(slotID(clinic, 0)))
	_, err = s.put(appointmentText("b", "booked", 1, 1, 1), 0)
	require.NoError(t, err, "the same one three times is one")
}

func TestAppointmentsThatBreakARuleAreRefused(t *testing.T) {
	valid := appointmentText("a", "booked", 0)
	const taking = `{"actor":{"reference":"Patient/1"},"status":"accepted"}`
	without := func(members ...string) string {
		text := valid
		for _, m := range members {
			text = strings.Replace(text, m, "", 1)
		}
		return text
	}
	s := open(t)
	start, end := fmt.Sprintf(`"start":%q,`, slotStart(0)), fmt.Sprintf(`"end":%q,`, slotEnd(0))
	for _, row := range []struct {
		name, text string
		kind       fhir.Kind
		at         []string
	}{
		{"no status", without(`"status":"booked",`), fhir.KindInvariant, []string{"Appointment.status"}},
		{"unknown status", strings.Replace(valid, "booked", "confirmed", 1), fhir.KindInvariant, []string{"Appointment.status"}},
		{"nobody takes part", strings.Replace(valid, `[`+taking+`]`, "[]", 1), fhir.KindStructure, []string{"Appointment.participant"}},
		{"participant an object", strings.Replace(valid, `[`+taking+`]`, taking, 1), fhir.KindStructure, []string{"Appointment.participant"}},
		{"app-2: start alone", without(end), fhir.KindInvariant, []string{"Appointment", "Appointment"}},
		{"app-2: end alone", without(start), fhir.KindInvariant, []string{"Appointment", "Appointment"}},
		{"app-3: booked without times", without(start, end), fhir.KindInvariant, []string{"Appointment"}},
		{"end before start", strings.NewReplacer(slotStart(0), slotEnd(0), slotEnd(0), slotStart(0)).Replace(valid), fhir.KindInvariant, []string{"Appointment.end"}},
		{"start a date", strings.Replace(valid, slotStart(0), "2026-11-21", 1), fhir.KindValue, []string{"Appointment.start"}},
		{"slot an object", strings.NewReplacer(`"slot":[`, `"slot":`, `"}],`, `"},`).Replace(valid), fhir.KindStructure, []string{"Appointment.slot"}},
		{"slot a number", strings.Replace(valid, fmt.Sprintf(`{"reference":"Slot/%s"}`, slotID(clinic, 0)), `{"reference":1}`, 1), fhir.KindStructure, []string{"Appointment.slot[0].reference"}},
		{"slot a text", strings.Replace(valid, fmt.Sprintf(`{"reference":"Slot/%s"}`, slotID(clinic, 0)), `"x"`, 1), fhir.KindStructure, []string{"Appointment.slot[0]"}},
		{"slot unknown", strings.Replace(valid, slotID(clinic, 0), "none", 1), fhir.KindProcessing, []string{"Appointment.slot"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			require.NotEqual(t, valid, row.text, "the change was made")
			_, err := s.put(row.text, 0)
			refused(t, err, row.kind, row.at...)
			_, err = s.post(row.text)
			refused(t, err, row.kind, row.at...)
			require.Empty(t, s.all("Appointment"))
			s.invariant()
		})
	}
	for _, status := range []string{"proposed", "cancelled", "waitlist"} {
		_, err := s.put(strings.Replace(without(start, end), "booked", status, 1), 0)
		require.NoError(t, err, "app-3 lets a %s one lack its times", status)
		require.NoError(t, s.remove("Appointment", "a"))
	}
	require.Equal(t, 422, fhir.KindProcessing.Row().Status)
	// One that occupies nothing may name a Slot that isn't here.
	_, err := s.put(strings.Replace(appointmentText("w", "waitlist", 0), slotID(clinic, 0), "none", 1), 0)
	require.NoError(t, err)
}

func TestSlotsSchedulesAndReferralsThatBreakARuleAreRefused(t *testing.T) {
	s := open(t)
	slot := string(slotResource(t, clinic, 0, "free").JSON())
	sr := `{"resourceType":"ServiceRequest","id":"r","status":"active","intent":"order","subject":{"reference":"Patient/1"}}`
	const rule, value, structure = fhir.KindInvariant, fhir.KindValue, fhir.KindStructure
	for _, row := range []struct {
		name, text string
		kind       fhir.Kind
		at         []string
	}{
		{"slot status", strings.Replace(slot, `"free"`, `"open"`, 1), rule, []string{"Slot.status"}},
		{"slot without schedule", strings.Replace(slot, `"schedule"`, `"x"`, 1), structure, []string{"Slot.x", "Slot.schedule"}},
		{"slot start a date", strings.Replace(slot, slotStart(0), "2026-11-21", 1), value, []string{"Slot.start"}},
		{"slot end before start", strings.NewReplacer(slotStart(0), slotEnd(0), slotEnd(0), slotStart(0)).Replace(slot), rule, []string{"Slot.end"}},
		{"schedule for nobody", `{"resourceType":"Schedule","id":"s"}`, rule, []string{"Schedule.actor"}},
		{"schedule actor an object", `{"resourceType":"Schedule","id":"s","actor":{"reference":"HealthcareService/1"}}`, structure, []string{"Schedule.actor"}},
		{"referral status", strings.Replace(sr, "active", "open", 1), rule, []string{"ServiceRequest.status"}},
		{"referral intent", strings.Replace(sr, "order", "wish", 1), rule, []string{"ServiceRequest.intent"}},
		{"referral without subject", strings.Replace(sr, "subject", "x", 1), structure, []string{"ServiceRequest.x", "ServiceRequest.subject"}},
	} {
		_, err := s.put(row.text, 0)
		require.Error(t, err, row.name)
		refused(t, err, row.kind, row.at...)
	}
}

func TestAReferralThatEndedStaysEnded(t *testing.T) {
	text := func(status string) string {
		return `{"resourceType":"ServiceRequest","id":"r","status":"` + status + `","intent":"order","subject":{"reference":"Patient/1"}}`
	}
	for _, end := range []string{"revoked", "completed", "entered-in-error"} {
		s := open(t)
		for _, status := range []string{"draft", "active", "on-hold", "active", end, end} {
			_, err := s.put(text(status), 0)
			require.NoError(t, err)
		}
		_, err := s.put(text("active"), 0)
		refused(t, err, fhir.KindConflict, "ServiceRequest.status")
		require.Equal(t, end, s.status("ServiceRequest", "r"))
	}
}

func TestAStaleIfMatchIsAVersionConflict(t *testing.T) {
	s := open(t)
	_, err := s.put(appointmentText("a", "booked", 0), 7)
	refused(t, err, fhir.KindVersion)
	v, err := s.put(appointmentText("a", "booked", 0), 0)
	require.NoError(t, err)
	require.EqualValues(t, 1, v.Version)
	v, err = s.put(appointmentText("a", "arrived", 0), 1)
	require.NoError(t, err)
	require.EqualValues(t, 2, v.Version)
	_, err = s.put(appointmentText("a", "cancelled", 0), 1)
	refused(t, err, fhir.KindVersion)
	require.Equal(t, 412, fhir.KindVersion.Row().Status)
	_, err = s.change(rest.Change{Method: "DELETE", Type: "Appointment", ID: "a", IfMatch: 1})
	refused(t, err, fhir.KindVersion)
	_, err = s.change(rest.Change{Method: "DELETE", Type: "Appointment", ID: "a", IfMatch: 2})
	require.NoError(t, err)
	s.invariant()
}

func TestDeletingAnAppointmentFreesItsSlot(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	require.NoError(t, s.remove("Appointment", id))
	require.Equal(t, "free", s.status("Slot", slotID(clinic, 0)))
	s.invariant()
	require.NoError(t, s.remove("Appointment", id), "deleting what is deleted is a success")
	require.NoError(t, s.remove("Appointment", "none"), "and so is deleting what never was")

	page, err := s.desk.Records().History(s.ctx, rest.HistoryQuery{Type: "Appointment", ID: id, Count: 10})
	require.NoError(t, err)
	require.Len(t, page.Versions, 2)
	require.True(t, page.Versions[0].Deleted)
	old, err := s.desk.Records().VersionRead(s.ctx, "Appointment", id, 1)
	require.NoError(t, err)
	require.Contains(t, string(old.Body), `"status":"booked"`)

	done, err := s.commit(rest.Change{Method: "PUT", Type: "Appointment", ID: id, Resource: parse(t, appointmentText(id, "booked", 0))})
	require.NoError(t, err)
	require.True(t, done[0].Created)
	s.invariant()
}

func TestAChainedSearchFindsThroughAReference(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	s.accepted(booking(t, 1, changes{"Patient.identifier[0].value": "9000000017"}))
	find := func(typ, query string) []string {
		parsed, err := search.Parse(typ, query, bars.SearchOptions(base, time.Now))
		require.NoError(t, err)
		page, err := s.desk.Records().Search(s.ctx, parsed.Query, true)
		require.NoError(t, err)
		out := []string{}
		for _, v := range page.Versions {
			out = append(out, v.ID)
		}
		require.Equal(t, len(out), page.Total)
		return out
	}
	require.Equal(t, []string{id}, find("Appointment", "patient.identifier=https://fhir.nhs.uk/Id/nhs-number|9000000009"))
	require.Empty(t, find("Appointment", "patient.identifier=https://fhir.nhs.uk/Id/nhs-number|9000000025"))
	require.Len(t, find("Slot", "schedule.actor=HealthcareService/"+clinic+"&status=free"), slotsPerDiary-2)
	require.Empty(t, find("Appointment", "patient.identifier=https://fhir.nhs.uk/Id/nhs-number|9000000009&patient.identifier=https://fhir.nhs.uk/Id/nhs-number|9000000017"))
}

// A plain client's change of a record that a message made stays the service's.
func TestAPlainChangeKeepsWhoseARecordIs(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	stored := s.get("Appointment", id)
	changed, err := stored.Edit().SetText(stored.Root(), "status", "arrived").Done()
	require.NoError(t, err)
	v, err := s.put(string(changed.JSON()), 0)
	require.NoError(t, err)
	require.EqualValues(t, 2, v.Version)
	s.accepted(bookingCancel(t, id, 0, changes{"Appointment.meta.versionId": "2"}))
	rec, err := s.store.GetVersion(s.ctx, store.Ref{Type: "Appointment", ID: id}, 2)
	require.NoError(t, err)
	require.Equal(t, "fhir", parse(t, string(rec.By)).Get("door").Text())
	s.invariant()
}
