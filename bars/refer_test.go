package bars_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

func TestAReferralIsStoredWholeAndAnsweredWithAPlannedEncounter(t *testing.T) {
	s := open(t)
	body := referral(t)
	result := s.accepted(body)
	stored := s.get("ServiceRequest", focus(result))
	require.Equal(t, "Patient/"+s.all("Patient")[0].ID, stored.Get("subject", "reference").Text())
	require.Equal(t, "HealthcareService/"+clinic, stored.Get("performer", "reference").Text())
	require.Equal(t, "CarePlan/"+s.all("CarePlan")[0].ID, stored.Get("basedOn", "reference").Text())

	var sent, planned *fhir.Resource
	for _, rec := range s.all("Encounter") {
		if r := parse(t, string(rec.Body)); r.Get("status").Text() == "planned" {
			planned = r
		} else {
			sent = r
		}
	}
	require.NotNil(t, planned)
	require.Equal(t, sent.Get("class").Raw(), planned.Get("class").Raw())
	require.Equal(t, sent.Get("episodeOfCare", "reference").Text(), planned.Get("episodeOfCare", "reference").Text(), "the journey goes on")
	require.Equal(t, "ServiceRequest/"+focus(result), planned.Get("basedOn", "reference").Text())
	require.Equal(t, stored.Get("subject", "reference").Text(), planned.Get("subject", "reference").Text())
	require.Equal(t, "Organization/B2002", planned.Get("serviceProvider", "reference").Text())
	require.Equal(t, base+"/Id/case-reference", planned.Get("identifier", "system").Text())

	request := parse(t, string(body))
	n := request.Get("entry").Len()
	require.Equal(t, n+1, result.Bundle.Get("entry").Len())
	added := result.Bundle.Get("entry").At(n)
	require.Equal(t, planned.ID(), added.Dig("resource", "id").Text())
	require.Equal(t, planned.Get("identifier", "value").Text(), added.Dig("resource", "identifier", "value").Text())
	require.Equal(t, entryOf(request, "ServiceRequest").Dig("subject", "reference").Text(), added.Dig("resource", "subject", "reference").Text(), "bundle-local in the answer")
	require.NotEmpty(t, added.Dig("resource", "meta", "lastUpdated").Text())
	for i := 1; i <= n; i++ {
		require.NotEmpty(t, result.Bundle.Get("entry").At(i).Dig("resource", "id").Text())
	}
	require.Equal(t, "active", entryOf(result.Bundle, "ServiceRequest").Get("status").Text())
	for _, typ := range []string{"Consent", "Condition", "CarePlan", "Practitioner", "PractitionerRole"} {
		require.Len(t, s.all(typ), 1, typ)
	}
	// No stored reference is left bundle-local.
	for _, v := range result.Stored {
		require.NotContains(t, string(s.get(v.Ref.Type, v.Ref.ID).JSON()), "urn:uuid:", v.Ref.String())
	}
}

// A sender may write what it likes into its copies of our directory: they are
// linked, never written.
func TestASenderCannotChangeOurDirectory(t *testing.T) {
	s := open(t)
	before := map[string]string{}
	for _, typ := range []string{"Organization", "HealthcareService"} {
		for _, rec := range s.all(typ) {
			before[rec.Ref().String()] = string(rec.Body)
		}
	}
	s.accepted(referral(t, changes{"Organization.name": "Mine now", "Organization.id": "A1001", "HealthcareService.active": false, "HealthcareService.name": "Closed"}))
	after := map[string]string{}
	for _, typ := range []string{"Organization", "HealthcareService"} {
		for _, rec := range s.all(typ) {
			require.EqualValues(t, 1, rec.Version)
			after[rec.Ref().String()] = string(rec.Body)
		}
	}
	require.Equal(t, before, after)
}

// An Organization that isn't ours is a record of the journey, which no later
// message is linked to.
func TestAnUnknownOrganisationIsARecordOfItsJourney(t *testing.T) {
	s := open(t)
	n := len(s.all("Organization"))
	other := changes{"+": []string{`{"resourceType":"Organization","identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"X9999"}],"name":"Another"}`}}
	s.accepted(referral(t, other))
	s.accepted(referral(t, other))
	require.Len(t, s.all("Organization"), n+2)
}

// An identifier says more than a logical id, which may be the sender's own.
func TestAnIdDoesNotOverruleAnIdentifier(t *testing.T) {
	s := open(t, lenient)
	n := len(s.all("Organization"))
	result := s.accepted(referral(t, changes{"+": []string{
		`{"resourceType":"Organization","id":"C3003","identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"X9999"}]}`}}))
	require.Len(t, s.all("Organization"), n+1)
	require.NotEqual(t, "C3003", result.Bundle.Get("entry").At(12).Dig("resource", "id").Text())
	result = s.accepted(referral(t, changes{"+": []string{`{"resourceType":"Organization","id":"C3003","name":"by id alone"}`}}))
	require.Len(t, s.all("Organization"), n+1)
	require.Equal(t, "C3003", result.Bundle.Get("entry").At(12).Dig("resource", "id").Text())
}

func TestPatientsAreAlwaysNewRecords(t *testing.T) {
	s := open(t, lenient)
	one := s.accepted(referral(t))
	id := entryOf(one.Bundle, "Patient").Get("id").Text()
	s.accepted(referral(t, changes{"Patient.id": id, "Patient.birthDate": "1999-01-01", "Condition.id": "c1"}))
	require.Len(t, s.all("Patient"), 2)
	require.Equal(t, "1980-02-29", s.get("Patient", id).Get("birthDate").Text(), "no sender writes over another's patient")
	_, err := s.store.Get(s.ctx, store.Ref{Type: "Condition", ID: "c1"})
	require.ErrorIs(t, err, store.ErrNotFound, "a message never names the id of a new record")
}

// Ensure that what a sender's template left in place of ids doesn't cost the
// referral in lenient mode, and names nothing.
func TestAnIDThatIsNoneCountsAsNotGiven(t *testing.T) {
	left := changes{"ServiceRequest.id": "__REFERRAL__", "Patient.id": "__PATIENT__", "Organization.id": ""}
	s := open(t, lenient)
	result := s.accepted(referral(t, left))
	require.Equal(t, "Patient/"+entryOf(result.Bundle, "Patient").Get("id").Text(), s.get("ServiceRequest", focus(result)).Get("subject", "reference").Text())
	var told []string
	for _, w := range result.Warnings {
		told = append(told, w.Expression)
	}
	require.Contains(t, told, first+".id")
	_, err := s.send(referralCancel(t, "__REFERRAL__"))
	refused(t, err, fhir.KindInvariant, first+".id")
	s.accepted(booking(t, 0))
	_, err = s.send(bookingCancel(t, "__BOOKING__", 0))
	refused(t, err, fhir.KindInvariant, first+".id") // no guess at what an id was to name

	_, err = open(t).send(referral(t, left))
	refused(t, err, fhir.KindValue, first+".id", "Bundle.entry[4].resource.id", "Bundle.entry[10].resource.id")
}

func TestReferencesToNothingAreRefusedInStrictMode(t *testing.T) {
	dangling := "urn:uuid:00000000-0000-4000-8000-000000000000"
	for _, row := range []refusal{
		{"of the focus", changes{"ServiceRequest.requester.reference": dangling}, fhir.KindInvariant, []string{first + ".requester.reference"}},
		{"of another entry", changes{"Condition.encounter.reference": dangling}, fhir.KindInvariant, []string{"Bundle.entry[9].resource.encounter.reference"}},
		{"to an unknown Appointment", changes{"ServiceRequest.supportingInfo": []any{map[string]any{"reference": "Appointment/none"}}},
			fhir.KindInvariant, []string{first + ".supportingInfo[0]"}},
		{"several, in order", changes{"ServiceRequest.supportingInfo": []any{map[string]any{"reference": "Appointment/none"}, map[string]any{"reference": "ServiceRequest/none"}},
			"ServiceRequest.requester.reference": dangling}, fhir.KindInvariant,
			[]string{first + ".requester.reference", first + ".supportingInfo[0]", first + ".supportingInfo[1]"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := open(t)
			s.refuses(t, row, referral(t, row.change))

			result := open(t, lenient).accepted(referral(t, row.change))
			var warned []string
			for _, w := range result.Warnings {
				warned = append(warned, w.Expression)
			}
			require.ElementsMatch(t, row.at, warned)
		})
	}
}

func TestAnEpisodeOfCareNeedNotBeHere(t *testing.T) {
	open(t).accepted(referral(t, changes{"Encounter.episodeOfCare[0].reference": "EpisodeOfCare/0c000000-0000-4000-8000-000000000001"}))
}

// What is attached may be referred to by the message, and may refer to it.
func TestWhatIsAttachedIsStoredAndLinkedBothWays(t *testing.T) {
	s := open(t)
	const report = "urn:uuid:0d000000-0000-4000-8000-000000000001"
	r := request(t, referral(t, changes{"ServiceRequest.supportingInfo": []any{map[string]any{"reference": report}}}))
	r.Attached = []bars.Entry{{FullURL: report, Resource: parse(t, `{"resourceType":"DocumentReference","status":"current",
		"subject":{"reference":"urn:uuid:00000003-0000-4000-8000-000000000003"},"content":[{"attachment":{"title":"report"}}]}`)}}
	result, err := s.desk.Message(s.ctx, r)
	require.NoError(t, err)
	document := s.all("DocumentReference")
	require.Len(t, document, 1)
	sr := s.get("ServiceRequest", focus(result))
	require.Equal(t, document[0].Ref().String(), sr.Get("supportingInfo", "reference").Text())
	require.Equal(t, sr.Get("subject", "reference").Text(), parse(t, string(document[0].Body)).Get("subject", "reference").Text())
	require.False(t, entryOf(result.Bundle, "DocumentReference").Exists(), "the answer is the message")
}

func TestAttachStoresDocumentsForAServiceHere(t *testing.T) {
	s := open(t)
	r := request(t, referral(t))
	attach := bars.AttachRequest{Caller: r.Caller, Key: r.Key, Target: r.Target, Body: []byte("one"), Entries: []bars.Entry{
		{FullURL: "urn:uuid:1", Resource: parse(t, `{"resourceType":"Patient","gender":"other"}`)},
		{FullURL: "urn:uuid:2", Resource: parse(t, `{"resourceType":"DocumentReference","status":"current","content":[{"attachment":{"title":"a"}}],"subject":{"reference":"urn:uuid:1"}}`)}}}
	result, err := s.desk.Attach(s.ctx, attach)
	require.NoError(t, err)
	require.Len(t, result.Stored, 2)
	require.Equal(t, "Patient/"+s.all("Patient")[0].ID, parse(t, string(s.all("DocumentReference")[0].Body)).Get("subject", "reference").Text())

	again, err := s.desk.Attach(s.ctx, attach)
	require.NoError(t, err)
	require.NotNil(t, again.Replay)
	require.Equal(t, result.Stored, again.Stored)
	require.Len(t, s.all("Patient"), 1)

	attach.Key.Values = []string{"another"}
	attach.Target.Value = "2000099999"
	_, err = s.desk.Attach(s.ctx, attach)
	refused(t, err, fhir.KindNotFound)
}

// What the index can't hold could not be found again.
func TestARecordThatCanNotBeIndexedIsRefused(t *testing.T) {
	s := open(t)
	before := s.size()
	var list []any
	for i := range 12_000 {
		list = append(list, map[string]any{"system": "https://x.example", "value": strconv.Itoa(i)})
	}
	_, err := s.send(referral(t, changes{"Condition.identifier": list}))
	refused(t, err, fhir.KindTooComplex, "Condition")
	require.Equal(t, before, s.size())
}
