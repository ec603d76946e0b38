package bars_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

func TestAReferralHoldsWhatItsDefinitionAsksFor(t *testing.T) {
	s := open(t)
	counted := []string{"Bundle.entry"}
	second := func(typ string) changes { return changes{"+": []string{minimal(typ)}} }
	for _, row := range []refusal{
		{"no Encounter", changes{"-Encounter": nil}, fhir.KindInvariant, counted},
		{"no CarePlan", changes{"-CarePlan": nil}, fhir.KindInvariant, counted},
		{"no Practitioner", changes{"-Practitioner": nil}, fhir.KindInvariant, counted},
		{"no PractitionerRole", changes{"-PractitionerRole": nil}, fhir.KindInvariant, counted},
		{"no HealthcareService", changes{"-HealthcareService": nil}, fhir.KindInvariant, counted},
		{"no Consent", changes{"-Consent": nil}, fhir.KindInvariant, counted},
		{"no Patient", changes{"-Patient": nil}, fhir.KindInvariant, counted},
		{"two Patients", second("Patient"), fhir.KindInvariant, counted},
		{"two ServiceRequests", second("ServiceRequest"), fhir.KindInvariant, counted},
		{"two MessageHeaders", second("MessageHeader"), fhir.KindInvariant, counted},
		{"two Devices", changes{"+": []string{minimal("Device"), minimal("Device")}}, fhir.KindInvariant, counted},
		{"an Invoice", second("Invoice"), fhir.KindInvariant, []string{"Bundle.entry[12].resource"}},
		{"an Appointment", second("Appointment"), fhir.KindInvariant, []string{"Bundle.entry[12].resource"}},
		{"a resource without type", changes{"+": []string{`{"id":"1"}`}}, fhir.KindStructure, []string{"Bundle.entry[12].resource.resourceType"}},
		{"the subject is no Patient of the bundle", changes{"ServiceRequest.subject.reference": "Patient/1"}, fhir.KindInvariant, []string{first + ".subject"}},
		{"no subject", changes{"ServiceRequest.subject": nil}, fhir.KindInvariant, []string{first + ".subject"}},
		{"a wrong check digit", changes{"Patient.identifier[0].value": "9000000008"}, fhir.KindInvariant, []string{"Bundle.entry[4].resource.identifier"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.refuses(t, row, referral(t, row.change))
		})
	}
}

func TestAMessageHoldsBothOrganisations(t *testing.T) {
	doc := payload(t, "refer")
	list := doc["entry"].([]any)
	doc["entry"] = list[:len(list)-1] // the sender's; the receiver's stays
	const receiver = "urn:uuid:00000004-0000-4000-8000-000000000004"
	_, err := open(t).send(apply(t, doc, changes{"MessageHeader.sender.reference": receiver, "PractitionerRole.organization.reference": receiver}))
	refused(t, err, fhir.KindInvariant, "Bundle.entry")
}

func TestABookingHoldsWhatItsDefinitionAsksFor(t *testing.T) {
	s := open(t)
	counted := []string{"Bundle.entry"}
	for _, row := range []refusal{
		{"no Slot", changes{"-Slot": nil}, fhir.KindInvariant, counted},
		{"no Schedule", changes{"-Schedule": nil}, fhir.KindInvariant, counted},
		{"no HealthcareService", changes{"-HealthcareService": nil}, fhir.KindInvariant, counted},
		{"no Patient", changes{"-Patient": nil}, fhir.KindInvariant, counted},
		{"two Slots", changes{"+": []string{minimal("Slot")}}, fhir.KindInvariant, counted},
		{"two Locations", changes{"+": []string{minimal("Location"), minimal("Location")}}, fhir.KindInvariant, counted},
		{"clinical data", changes{"+": []string{minimal("Observation")}}, fhir.KindInvariant, []string{"Bundle.entry[8].resource"}},
		{"an Invoice", changes{"+": []string{minimal("Invoice")}}, fhir.KindInvariant, []string{"Bundle.entry[8].resource"}},
		{"nobody takes part", changes{"Appointment.participant": nil}, fhir.KindInvariant, []string{first + ".participant"}},
		{"somebody else takes part", changes{"Appointment.participant[0].actor.reference": "Patient/1"}, fhir.KindInvariant, []string{first + ".participant"}},
		{"a wrong check digit", changes{"Patient.identifier[0].value": "9000000008"}, fhir.KindInvariant, []string{"Bundle.entry[2].resource.identifier"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.refuses(t, row, booking(t, 0, row.change))
			s.invariant()
		})
	}
}

func TestACancellationHoldsWhatItsDefinitionAsksFor(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	_, err := s.send(bookingCancel(t, id, 0, changes{"-Patient": nil}))
	refused(t, err, fhir.KindInvariant, "Bundle.entry")
	_, err = s.send(bookingCancel(t, id, 0, changes{"+": []string{minimal("Slot")}}))
	refused(t, err, fhir.KindInvariant, "Bundle.entry[5].resource")
	_, err = s.send(bookingCancel(t, id, 0, changes{definition: definitions + "bars-message-booking-request"}))
	refused(t, err, fhir.KindInvariant, header+".definition")
	require.Equal(t, "booked", s.status("Appointment", id))
}

func TestAPatientWithoutNHSNumberIsWelcome(t *testing.T) {
	s := open(t)
	s.accepted(referral(t, changes{"Patient.identifier": nil}))
	s.accepted(booking(t, 0, changes{"Patient.identifier": nil}))
}

func TestAWrongCheckDigitIsAWarningInLenientMode(t *testing.T) {
	result := open(t, lenient).accepted(referral(t, changes{"Patient.identifier[0].value": "9000000008"}))
	require.Len(t, result.Warnings, 1)
	require.Equal(t, "Bundle.entry[4].resource.identifier", result.Warnings[0].Expression)
}
