package bars_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// What plain FHIR books belongs to the service of its slot.
func TestABookingByPlainFHIRCanBeReadAndCancelledByItsService(t *testing.T) {
	for _, method := range []string{"PUT", "DELETE", "message"} {
		s := open(t)
		_, err := s.put(appointmentText("plain", "booked", 0), 0)
		require.NoError(t, err)
		here := nhs.ServiceID{System: nhs.SystemDoS, Value: clinic}
		rec, err := s.desk.RecordAt(s.ctx, bars.Caller{Organisation: "B2002"}, here, "Appointment", "plain")
		require.NoError(t, err)
		_, err = s.desk.RecordAt(s.ctx, bars.Caller{Organisation: "A1001"}, here, "Appointment", "plain")
		refused(t, err, fhir.KindAccess)
		text := strings.Replace(string(fhir.Stamp(rec.Body, rec.Version, rec.LastUpdated)), "booked", "cancelled", 1)
		if method == "message" {
			req := request(t, bookingCancel(t, "plain", 0))
			req.Caller.Organisation = "B2002"
			_, err = s.desk.Message(s.ctx, req)
		} else {
			req := asked(t, method, "Appointment", "plain", text)
			req.Caller.Organisation = "B2002"
			_, err = s.desk.Record(s.ctx, req)
		}
		require.NoError(t, err, method)
		require.Equal(t, "cancelled", s.status("Appointment", "plain"))
		require.Equal(t, "free", s.status("Slot", slotID(clinic, 0)))
		s.invariant()
	}
}

func TestTheServiceOfAPlainBookingFollowsItsSlot(t *testing.T) {
	s := open(t)
	_, err := s.put(appointmentText("plain", "booked", 0), 0)
	require.NoError(t, err)
	moved := strings.Replace(appointmentText("plain", "booked", 0), slotID(clinic, 0), slotID(hospital, 0), 1)
	_, err = s.put(moved, 0)
	require.NoError(t, err)
	provider := bars.Caller{Organisation: "B2002"}
	_, err = s.desk.RecordAt(s.ctx, provider, nhs.ServiceID{System: nhs.SystemDoS, Value: clinic}, "Appointment", "plain")
	refused(t, err, fhir.KindAccess)
	_, err = s.desk.RecordAt(s.ctx, provider, nhs.ServiceID{System: nhs.SystemDoS, Value: hospital}, "Appointment", "plain")
	require.NoError(t, err)

	_, err = s.put(strings.Replace(minimal("ServiceRequest"), `"status"`, `"id":"r","performer":[{"reference":"HealthcareService/`+hospital+`"}],"status"`, 1), 0)
	require.NoError(t, err)
	_, err = s.desk.RecordAt(s.ctx, provider, nhs.ServiceID{System: nhs.SystemDoS, Value: hospital}, "ServiceRequest", "r")
	require.NoError(t, err)
	// One that leads to no service can be reached through none.
	_, err = s.put(strings.Replace(minimal("ServiceRequest"), `"status"`, `"id":"none","status"`, 1), 0)
	require.NoError(t, err)
	_, err = s.desk.RecordAt(s.ctx, provider, nhs.ServiceID{System: nhs.SystemDoS, Value: hospital}, "ServiceRequest", "none")
	refused(t, err, fhir.KindAccess)
}

// A slot, its schedule and the booking may come in one transaction, in any order.
func TestABookingBelongsToTheServiceOfASlotOfItsOwnTransaction(t *testing.T) {
	s := open(t)
	s.done(
		ent("PUT Appointment/new", "", strings.Replace(appointmentText("new", "booked", 0), "Slot/"+slotID(clinic, 0), "urn:uuid:00000000-0000-4000-8000-000000000001", 1)),
		ent("POST Slot", "urn:uuid:00000000-0000-4000-8000-000000000001", strings.Replace(minimal("Slot"), "Schedule/1", "urn:uuid:00000000-0000-4000-8000-000000000002", 1)),
		ent("POST Schedule", "urn:uuid:00000000-0000-4000-8000-000000000002", `{"resourceType":"Schedule","actor":[{"reference":"HealthcareService/`+clinic+`"}]}`),
	)
	_, err := s.desk.RecordAt(s.ctx, bars.Caller{Organisation: "B2002"}, nhs.ServiceID{System: nhs.SystemDoS, Value: clinic}, "Appointment", "new")
	require.NoError(t, err)
}
