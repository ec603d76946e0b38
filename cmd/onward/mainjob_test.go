package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/fhir"
)

const slotQuery = "/FHIR/R4/Slot?status=free&start=ge2000-01-01T00:00:00Z&start=le2000-01-02T00:00:00Z" +
	"&Schedule.actor:HealthcareService=" + sandbox.UrgentTreatment +
	"&_include=Slot:schedule&_include=Schedule:actor:HealthcareService"

// Ensure that a booking makes the slot busy for everybody and a cancellation
// frees it, and that both are found by any FHIR client.
func TestABookingIsMadeSeenAndCancelled(t *testing.T) {
	s := start(t)
	slot := s.freeSlots(1)[0]
	headers := speaking(sandbox.UrgentTreatment)
	booked := s.do("POST", messagePath, headers, bookingFor(t, slot))
	require.Equal(t, 200, booked.status, "%s", booked.body)
	require.Equal(t, headers.Get("X-Request-Id"), booked.header.Get("X-Request-Id"))
	require.Equal(t, headers.Get("X-Correlation-Id"), booked.header.Get("X-Correlation-Id"))

	bundle := booked.resource(t)
	appointment := entryOf(bundle, "Appointment")
	id := appointment.Get("id").Text()
	require.True(t, fhir.ValidUUID(id))
	require.NotEmpty(t, appointment.Get("created").Text())
	require.Equal(t, "busy", entryOf(bundle, "Slot").Get("status").Text())
	for e := range bundle.Get("entry").Items() {
		if typ := e.Dig("resource", "resourceType").Text(); typ != "MessageHeader" {
			require.NotEmpty(t, e.Dig("resource", "id").Text(), "%s has no id", typ)
		}
	}

	require.Equal(t, "busy", s.status("Slot/"+slot.id))
	require.Equal(t, "booked", s.status("Appointment/"+id))
	found := s.do("GET", "/FHIR/R4/Appointment?patient.identifier=https://fhir.nhs.uk/Id/nhs-number%7C9000000009&status=booked", nil, nil)
	require.Equal(t, id, found.resource(t).Get("entry", "resource", "id").Text(), "%s", found.body)
	viaBaRS := s.do("GET", "/FHIR/R4/Appointment?patient:identifier=https://fhir.nhs.uk/Id/nhs-number%7C9000000009", speaking(sandbox.UrgentTreatment), nil)
	require.Equal(t, id, viaBaRS.resource(t).Get("entry", "resource", "id").Text(), "%s", viaBaRS.body)
	require.Equal(t, 200, s.do("GET", "/FHIR/R4/Appointment/"+id, speaking(sandbox.UrgentTreatment), nil).status)

	cancel := s.do("POST", messagePath, speaking(sandbox.UrgentTreatment), cancellationFor(t, id, slot))
	require.Equal(t, 200, cancel.status, "%s", cancel.body)
	require.Equal(t, "cancelled", entryOf(cancel.resource(t), "Appointment").Get("status").Text())
	require.Equal(t, "free", s.status("Slot/"+slot.id))
	require.Equal(t, "cancelled", s.status("Appointment/"+id))

	again := s.do("POST", messagePath, speaking(sandbox.UrgentTreatment), cancellationFor(t, id, slot))
	require.Equal(t, 409, again.status, "%s", again.body)
	rebooked := s.do("POST", messagePath, speaking(sandbox.UrgentTreatment), bookingFor(t, slot))
	require.Equal(t, 200, rebooked.status, "%s", rebooked.body)

	history := s.do("GET", "/FHIR/R4/Appointment/"+id+"/_history", nil, nil)
	require.Equal(t, 2, history.resource(t).Get("entry").Len(), "both versions are kept")
}

// Ensure that a slot that is taken is refused with the standard's code.
func TestASlotThatIsTakenIsRefused(t *testing.T) {
	s := start(t)
	slot := s.freeSlots(1)[0]
	require.Equal(t, 200, s.do("POST", messagePath, speaking(sandbox.UrgentTreatment), bookingFor(t, slot)).status)
	a := s.do("POST", messagePath, speaking(sandbox.UrgentTreatment), bookingFor(t, slot))
	require.Equal(t, 409, a.status)
	code, word, _ := a.issue(t)
	require.Equal(t, "conflict", code)
	require.Equal(t, "REC_CONFLICT", word)
}

// Ensure that a referral is stored whole, answered with a planned Encounter and
// revoked by a later message.
func TestAReferralIsTakenAndRevoked(t *testing.T) {
	s := start(t)
	a := s.do("POST", messagePath, speaking(sandbox.UrgentTreatment), tourFile(t, "refer.json"))
	require.Equal(t, 200, a.status, "%s", a.body)
	bundle := a.resource(t)
	id := entryOf(bundle, "ServiceRequest").Get("id").Text()
	planned := 0
	for e := range bundle.Get("entry").Items() {
		r := e.Get("resource")
		if r.Get("resourceType").Text() == "Encounter" && r.Get("status").Text() == "planned" {
			planned++
			require.NotEmpty(t, r.Dig("identifier", "value").Text())
			require.NotEmpty(t, r.Get("id").Text())
		}
	}
	require.Equal(t, 1, planned)

	stored := s.do("GET", "/FHIR/R4/ServiceRequest/"+id, nil, nil).resource(t)
	patient := stored.Get("subject", "reference").Text()
	require.Equal(t, 200, s.do("GET", "/FHIR/R4/"+patient, nil, nil).status)
	require.Equal(t, "HealthcareService/"+sandbox.UrgentTreatment, stored.Get("performer", "reference").Text(), "our service is linked, not copied")

	cancel := s.do("POST", messagePath, speaking(sandbox.UrgentTreatment), tourFile(t, "cancel-referral.json", "@REFERRAL@", id))
	require.Equal(t, 200, cancel.status, "%s", cancel.body)
	require.Equal(t, "revoked", s.status("ServiceRequest/"+id))
}

// Ensure that the same transaction ids never have two effects.
func TestARetryIsADuplicateAndAnotherBodyIsRefused(t *testing.T) {
	s := start(t)
	slots := s.freeSlots(2)
	headers := speaking(sandbox.UrgentTreatment)
	require.Equal(t, 200, s.do("POST", messagePath, headers, bookingFor(t, slots[0])).status)

	retry := s.do("POST", messagePath, headers, bookingFor(t, slots[0]))
	require.Equal(t, 409, retry.status)
	code, word, _ := retry.issue(t)
	require.Equal(t, "duplicate", code)
	require.Equal(t, "REC_CONFLICT", word)

	other := s.do("POST", messagePath, headers, bookingFor(t, slots[1]))
	require.Equal(t, 400, other.status)
	code, _, _ = other.issue(t)
	require.Equal(t, "invalid", code)
	require.Equal(t, "free", s.status("Slot/"+slots[1].id))
}

// Ensure that slots come with what the sender asked for, and that none is said
// in words.
func TestSlotsAreOfferedToBaRS(t *testing.T) {
	s := start(t)
	none := s.do("GET", slotQuery, speaking(sandbox.UrgentTreatment), nil)
	require.Equal(t, 200, none.status, "%s", none.body)
	r := none.resource(t)
	require.Equal(t, "0", string(r.Get("total").Raw()))
	require.Equal(t, "outcome", r.Get("entry", "search", "mode").Text())

	first := s.freeSlots(1)[0]
	query := "/FHIR/R4/Slot?status=free&start=ge" + first.start + "&start=le" + first.start +
		"&Schedule.actor:HealthcareService=" + sandbox.UrgentTreatment +
		"&_include=Slot:schedule&_include=Schedule:actor:HealthcareService&_include=Slot:nonsense"
	a := s.do("GET", query, speaking(sandbox.UrgentTreatment), nil)
	require.Equal(t, 200, a.status, "%s", a.body)
	r = a.resource(t)
	require.Equal(t, "2", string(r.Get("total").Raw()), "one slot in each of the two diaries")
	require.NotContains(t, r.Get("link", "url").Text(), "nonsense")
	names := map[string]bool{}
	for e := range r.Get("entry").Items() {
		names[e.Get("fullUrl").Text()] = true
	}
	for e := range r.Get("entry").Items() {
		if schedule := e.Dig("resource", "schedule", "reference"); schedule.Exists() {
			require.True(t, names[schedule.Text()], "the Slot refers to an entry of the bundle")
		}
	}

	for name, query := range map[string]string{
		"no includes": "status=free&start=ge2026-01-01T00:00:00Z&start=le2026-01-02T00:00:00Z&Schedule.actor:HealthcareService=2000072489",
		"one bound":   "status=free&start=ge2026-01-01T00:00:00Z&Schedule.actor:HealthcareService=2000072489&_include=Slot:schedule&_include=Schedule:actor:HealthcareService",
	} {
		a := s.do("GET", "/FHIR/R4/Slot?"+query, speaking(sandbox.UrgentTreatment), nil)
		code, word, _ := a.issue(t)
		require.Equal(t, []any{400, "required", "REC_BAD_REQUEST"}, []any{a.status, code, word}, name)
	}
	wide := s.do("GET", "/FHIR/R4/Slot?status=free&start=ge2026-01-01T00:00:00Z&start=le2026-12-31T00:00:00Z&Schedule.actor:HealthcareService=2000072489&_include=Slot:schedule&_include=Schedule:actor:HealthcareService", speaking(sandbox.UrgentTreatment), nil)
	code, word, _ := wide.issue(t)
	require.Equal(t, []any{422, "too-costly", "REC_UNPROCESSABLE_ENTITY"}, []any{wide.status, code, word})
}

// Ensure that the statement lists what the receiver takes and that the message
// definitions are filtered by service and use case.
func TestCapabilitiesAndDefinitionsAreServed(t *testing.T) {
	s := start(t)
	statement := s.do("GET", "/FHIR/R4/metadata", nil, nil).resource(t)
	require.Equal(t, "1.5.0", statement.Get("version").Text())
	require.Equal(t, "4.0.1", statement.Get("fhirVersion").Text())
	require.Equal(t, 18, statement.Get("messaging", "supportedMessage").Len(), "nine, received and sent")
	inBaRS := s.do("GET", "/FHIR/R4/metadata", speaking(sandbox.UrgentTreatment), nil)
	require.Contains(t, string(inBaRS.body), "Schedule.actor:HealthcareService")
	require.NotContains(t, string(statement.JSON()), "Schedule.actor:HealthcareService", "plain FHIR has no such parameter")

	contexts := "?context=https://fhir.nhs.uk/Id/dos-service-id%7C2000072489&context=https://fhir.nhs.uk/CodeSystem/usecases-categories-bars%7Ca7t1"
	a := s.do("GET", "/FHIR/R4/MessageDefinition"+contexts, speaking(sandbox.UrgentTreatment), nil)
	require.Equal(t, 200, a.status, "%s", a.body)
	require.Equal(t, "2", string(a.resource(t).Get("total").Raw()), "application 7 only books")
	missing := s.do("GET", "/FHIR/R4/MessageDefinition", speaking(sandbox.UrgentTreatment), nil)
	code, _, _ := missing.issue(t)
	require.Equal(t, []any{400, "required"}, []any{missing.status, code})
	unknown := s.do("GET", "/FHIR/R4/MessageDefinition?context=4711", speaking(sandbox.UrgentTreatment), nil)
	require.Equal(t, 404, unknown.status)
	require.Equal(t, 200, s.do("GET", "/FHIR/R4/MessageDefinition", nil, nil).status, "plain FHIR needs no context")
	require.Equal(t, http.StatusOK, s.do("GET", "/FHIR/R4/MessageDefinition/bars-message-booking-request", nil, nil).status)
}

// Ensure that a sender can put the Slot, the Schedule and the service into its
// message exactly as GET /Slot gave them.
func TestASenderBooksWithWhatItWasOffered(t *testing.T) {
	s := start(t)
	first := s.freeSlots(1)[0]
	query := "/FHIR/R4/Slot?status=free,busy&start=ge" + first.start + "&start=le" + first.start +
		"&Schedule.actor:HealthcareService=" + sandbox.UrgentTreatment + "&_include=Slot:schedule" +
		"&_include=Schedule:actor:HealthcareService&_include=Schedule:actor:Practitioner&_include=HealthcareService:providedBy"
	offered := s.do("GET", query, speaking(sandbox.UrgentTreatment), nil).resource(t)
	slot := entryOf(offered, "Slot")
	byName := map[string]fhir.Value{}
	for e := range offered.Get("entry").Items() {
		byName[e.Get("fullUrl").Text()] = e
	}
	booking, err := fhir.Parse(bookingFor(t, freeSlot{slot.Get("id").Text(), slot.Get("start").Text(), slot.Get("end").Text()}))
	require.NoError(t, err)
	edit := booking.Edit()
	for e := range booking.Get("entry").Items() {
		switch r := e.Get("resource"); r.Get("resourceType").Text() {
		case "Slot":
			edit.Replace(r, slot.Raw())
		case "Schedule":
			schedule := byName[slot.Dig("schedule", "reference").Text()]
			require.True(t, schedule.Exists())
			edit.Set(e, "fullUrl", schedule.Get("fullUrl").Raw()).Replace(r, schedule.Get("resource").Raw())
		case "HealthcareService":
			service := entryOf(offered, "HealthcareService")
			edit.Replace(r, service.Raw())
			for name, entry := range byName {
				if entry.Dig("resource", "resourceType").Text() == "HealthcareService" {
					edit.SetText(e, "fullUrl", name)
				}
			}
		}
	}
	for name, entry := range byName {
		if entry.Dig("resource", "resourceType").Text() == "Practitioner" {
			edit.Append(booking.Get("entry"), fhir.Obj("fullUrl", name, "resource", entry.Get("resource")).JSON())
		}
	}
	message, err := edit.Done()
	require.NoError(t, err)
	a := s.do("POST", messagePath, speaking(sandbox.UrgentTreatment), message.JSON())
	require.Equal(t, 200, a.status, "%s", a.body)
	require.Equal(t, "busy", s.status("Slot/"+slot.Get("id").Text()))
}
