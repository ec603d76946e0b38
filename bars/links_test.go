package bars_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

func supporting(ref string) changes {
	return changes{"ServiceRequest.supportingInfo": []any{map[string]any{"reference": ref}}}
}

func basedOn(ref string) changes {
	return changes{"Appointment.basedOn": []any{map[string]any{"reference": ref}}}
}

// The states of the national conformance tool: no booking, booked, referral
// created.
func TestALinkIsJudgedByWhatTheServiceHolds(t *testing.T) {
	s := open(t)
	unknown := supporting("Appointment/" + uuid.NewString())
	at := first + ".supportingInfo[0]"
	_, err := s.send(referral(t, unknown))
	refused(t, err, fhir.KindInvariant, at)

	appointment := "Appointment/" + focus(s.accepted(booking(t, 0)))
	_, err = s.send(referral(t, unknown))
	refused(t, err, fhir.KindConflict, at)
	_, err = s.send(referral(t, supporting(appointment), changes{"Patient.birthDate": "1981-01-01"}))
	refused(t, err, fhir.KindConflict, at)

	same := changes{journey: "EpisodeOfCare/" + uuid.NewString()}
	sr := focus(s.accepted(referral(t, same, supporting(appointment))))
	_, err = s.send(referral(t, same, supporting(appointment)))
	refused(t, err, fhir.KindConflict, first)
	s.accepted(referralCancel(t, sr))
	s.accepted(referral(t, same, supporting(appointment)))
}

func TestABookingOfAnotherServiceIsNoLink(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	_, err := s.sendTo(hospital, referral(t, toService(hospital), supporting("Appointment/"+id)))
	refused(t, err, fhir.KindConflict, first+".supportingInfo[0]")
}

func TestACancelledBookingIsNoLink(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	s.accepted(bookingCancel(t, id, 0))
	_, err := s.send(referral(t, supporting("Appointment/"+id)))
	refused(t, err, fhir.KindConflict, first+".supportingInfo[0]")
}

func TestARebookingDoesNotHangOnTheOldReferral(t *testing.T) {
	s := open(t)
	sr := focus(s.accepted(referral(t)))
	at := first + ".basedOn[0]"
	_, err := s.send(booking(t, 0, basedOn("ServiceRequest/"+uuid.NewString())))
	refused(t, err, fhir.KindInvariant, at)
	id := focus(s.accepted(booking(t, 0, basedOn("ServiceRequest/"+sr))))
	s.accepted(bookingCancel(t, id, 0))
	_, err = s.send(booking(t, 1, basedOn("ServiceRequest/"+sr)))
	refused(t, err, fhir.KindConflict, at)
	s.accepted(booking(t, 1))

	revoked := focus(s.accepted(referral(t)))
	s.accepted(referralCancel(t, revoked))
	_, err = s.send(booking(t, 2, basedOn("ServiceRequest/"+revoked)))
	refused(t, err, fhir.KindConflict, at)
	s.invariant()
}

func TestAServiceThatRequiresABookingTakesNoReferralWithoutOne(t *testing.T) {
	s := open(t)
	here := s.get("HealthcareService", clinic)
	changed, err := here.Edit().Set(here.Root(), "characteristic",
		[]byte(`[{"coding":[{"system":"`+bars.SystemServiceAttributes+`","code":"requirebooking"}]}]`)).Done()
	require.NoError(t, err)
	_, err = s.put(string(changed.JSON()), 0)
	require.NoError(t, err)
	_, err = s.send(referral(t))
	refused(t, err, fhir.KindInvariant, first+".supportingInfo")
	id := focus(s.accepted(booking(t, 0)))
	patient := s.get("Appointment", id).Get("participant", "actor", "reference").Text()
	posted := `{"resourceType":"ServiceRequest","status":"active","intent":"plan","subject":{"reference":"` + patient + `"}`
	_, err = s.manage("POST", "ServiceRequest", "", posted+`}`)
	refused(t, err, fhir.KindInvariant, "ServiceRequest.supportingInfo")
	_, err = s.manage("POST", "ServiceRequest", "", posted+`,"supportingInfo":[{"reference":"Appointment/`+id+`"}]}`)
	require.NoError(t, err)
	s.accepted(referral(t, supporting("Appointment/"+id)))
	s.accepted(bookingCancel(t, id, 0))
	_, err = s.manage("POST", "ServiceRequest", "", posted+`,"supportingInfo":[{"reference":"Appointment/`+id+`"}]}`)
	refused(t, err, fhir.KindInvariant, "ServiceRequest.supportingInfo")
}

func TestOnlyOneReferralOfAJourneyIsActiveAtAService(t *testing.T) {
	s := open(t)
	same := changes{journey: "EpisodeOfCare/" + uuid.NewString()}
	id := focus(s.accepted(referral(t, same)))
	_, err := s.send(referral(t, same))
	refused(t, err, fhir.KindConflict, first)
	_, err = s.sendTo(hospital, referral(t, same, toService(hospital)))
	require.NoError(t, err, "another service is an onward referral")
	_, err = s.sendTo(hospital, referral(t, same, toService(hospital), validation))
	require.NoError(t, err, "a validation is another thing")
	s.accepted(referralCancel(t, id))
	s.accepted(referral(t, same))
}

func TestOfSeveralDestinationsOursIsTaken(t *testing.T) {
	s := open(t)
	elsewhere := map[string]any{"endpoint": nhs.SystemDoS + "|9999999", "receiver": map[string]any{"reference": "urn:uuid:00000005-0000-4000-8000-000000000005"}}
	ours := map[string]any{"endpoint": nhs.SystemDoS + "|" + clinic, "receiver": map[string]any{"reference": "urn:uuid:00000004-0000-4000-8000-000000000004"}}
	s.accepted(referral(t, changes{"MessageHeader.destination": []any{elsewhere, ours}}))
	_, err := s.send(referral(t, changes{"MessageHeader.destination": []any{elsewhere, elsewhere}}))
	refused(t, err, fhir.KindNotFound, header+".destination[0].endpoint")
	wrong := map[string]any{"endpoint": nhs.SystemDoS + "|" + clinic, "receiver": map[string]any{"reference": "urn:uuid:00000005-0000-4000-8000-000000000005"}}
	_, err = s.send(referral(t, changes{"MessageHeader.destination": []any{elsewhere, wrong}}))
	refused(t, err, fhir.KindInvariant, header+".destination[1].receiver")
}

func TestEachApplicationHasItsVersions(t *testing.T) {
	s := open(t)
	for version, useCase := range map[string]string{"2.0.0": "a1t2", "1.0.0-beta": "a1t2", "1.2.0": "a1t2"} {
		s.accepted(referral(t, changes{"Bundle.meta.versionId": version, srUseCase: useCase}))
	}
	for version, useCase := range map[string]string{"3.0.0": "a1t2", "2.0.0": "a5t1", "0.9.0": "a1t2"} {
		_, err := s.sendTo(hospital, referral(t, toService(hospital), changes{"Bundle.meta.versionId": version, srUseCase: useCase}))
		refused(t, err, fhir.KindUnsupportedUse, "Bundle.meta.versionId")
	}
}

func TestAServiceMayBeLenientAlone(t *testing.T) {
	s := open(t, func(o *bars.Options) { o.Modes = map[string]bars.Mode{hospital: bars.Lenient} })
	nameless := changes{"MessageHeader.source.name": nil}
	_, err := s.send(referral(t, nameless))
	refused(t, err, fhir.KindInvariant, header+".source.name")
	result, err := s.sendTo(hospital, referral(t, nameless, toService(hospital)))
	require.NoError(t, err)
	require.NotEmpty(t, result.Warnings)
}

func TestOfReferralsAtOnceOneBeginsTheJourney(t *testing.T) {
	s := open(t)
	same := changes{journey: "EpisodeOfCare/" + uuid.NewString()}
	requests := make([]bars.MessageRequest, 6)
	for i := range requests {
		requests[i] = request(t, referral(t, same))
	}
	results := make(chan error, len(requests))
	for _, r := range requests {
		go func() {
			_, err := s.desk.Message(s.ctx, r)
			results <- err
		}()
	}
	taken := 0
	for range requests {
		err := <-results
		if err == nil {
			taken++
			continue
		}
		refused(t, err, fhir.KindConflict, first)
	}
	require.Equal(t, 1, taken)
	require.Len(t, s.all("ServiceRequest"), 1)
}

// Ensure that a copy of the referral in a booking's bundle means the record that
// we hold, and is judged like the bare link.
func TestACopyOfTheLinkedRecordIsNotANewOne(t *testing.T) {
	s := open(t, lenient)
	sr := focus(s.accepted(referral(t)))
	with := func(n int, reference, fullURL string, c ...changes) []byte {
		var doc, read map[string]any
		require.NoError(t, json.Unmarshal(booking(t, n, append(c, basedOn(reference))...), &doc))
		require.NoError(t, json.Unmarshal(s.get("ServiceRequest", sr).JSON(), &read))
		doc["entry"] = append(doc["entry"].([]any), map[string]any{"fullUrl": fullURL, "resource": read})
		return apply(t, doc)
	}
	urn := "urn:uuid:00000021-0000-4000-8000-000000000021"
	for n, reference := range []string{"ServiceRequest/" + sr, urn} {
		_, err := s.send(with(n, reference, urn, changes{"Patient.birthDate": "1981-01-01"}))
		refused(t, err, fhir.KindConflict, first+".basedOn[0]")
	}
	id := focus(s.accepted(with(0, "ServiceRequest/"+sr, urn)))
	require.Equal(t, "ServiceRequest/"+sr, s.get("Appointment", id).Get("basedOn", "reference").Text())
	_, err := s.send(with(1, urn, urn))
	refused(t, err, fhir.KindConflict, first+".basedOn[0]") // it has its booking
	require.Len(t, s.all("ServiceRequest"), 1)
	s.invariant()
}

// Whoever sent a referral is told of its booking, so nobody can hang a booking on
// what others sent.
func TestWhatOthersSentIsNoLink(t *testing.T) {
	s := open(t)
	others := func(body []byte) string {
		r := request(t, body)
		r.Caller.Organisation, r.Key.Sender = "C3003", "C3003"
		result, err := s.desk.Message(s.ctx, r)
		require.NoError(t, err)
		return result.Focus.String()
	}
	referred, booked := others(referral(t)), others(booking(t, 0))
	_, err := s.send(booking(t, 1, basedOn(referred)))
	refused(t, err, fhir.KindAccess, first+".basedOn[0]")
	_, err = s.send(referral(t, supporting(booked)))
	refused(t, err, fhir.KindAccess, first+".supportingInfo[0]")
	_, err = s.send(referral(t, supporting("Appointment/"+uuid.NewString())))
	refused(t, err, fhir.KindInvariant, first+".supportingInfo[0]") // that others have booked isn't told

	text := s.posted(1)
	for _, link := range []string{referred, base + "/" + referred} {
		_, err = s.manage("POST", "Appointment", "", strings.Replace(text, `"status"`, `"basedOn":[{"reference":"`+link+`"}],"status"`, 1))
		refused(t, err, fhir.KindAccess, "Appointment.basedOn")
	}
	own := "ServiceRequest/" + focus(s.accepted(referral(t)))
	_, err = s.manage("POST", "Appointment", "", strings.Replace(text, `"status"`, `"basedOn":[{"reference":"`+own+`"}],"status"`, 1))
	require.NoError(t, err)
}
