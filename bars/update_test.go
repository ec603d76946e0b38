package bars_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// cadUpdate is an update of a case: what it changes is later than the request.
func cadUpdate(t testing.TB, id string, c ...changes) []byte {
	return referral(t, append([]changes{toService(hospital), cadCase, {reason: "update", "ServiceRequest.id": id,
		"Bundle.meta.lastUpdated": "2026-11-20T09:05:00Z"}}, c...)...)
}

const laterStamp = "2026-11-20T09:05:00.0000001+00:00"

func TestAnUpdateReplacesWhatIsLaterAndLeavesTheRest(t *testing.T) {
	s := open(t)
	first, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase))
	require.NoError(t, err)
	encounter := entryOf(first.Bundle, "Encounter").Get("id").Text()
	patient := entryOf(first.Bundle, "Patient").Get("id").Text()

	result, err := s.sendTo(hospital, cadUpdate(t, focus(first), changes{
		"Encounter.status": "in-progress", "Encounter.meta.lastUpdated": laterStamp,
		"Patient.gender": "unknown", // not said to be later, so not taken
		"+": []string{`{"resourceType":"Flag","status":"active","subject":{"reference":"urn:uuid:00000003-0000-4000-8000-000000000003"},
			"encounter":{"reference":"urn:uuid:00000010-0000-4000-8000-000000000010"},
			"category":[{"coding":[{"system":"https://fhir.nhs.uk/CodeSystem/flag-categories-bars","code":"CW"}]}],"code":{"coding":[{"system":"https://other.example","code":"dog"}]}}`}}))
	require.NoError(t, err)
	require.Equal(t, focus(first), focus(result))
	require.Equal(t, "in-progress", s.status("Encounter", encounter))
	require.NotEqual(t, "unknown", s.get("Patient", patient).Get("gender").Text())
	require.Len(t, s.all("Encounter"), 2, "nothing is stored a second time")
	require.Len(t, s.all("Patient"), 1)
	require.Len(t, s.all("Organization"), 3)
	require.Equal(t, "Patient/"+patient, parse(t, string(s.all("Flag")[0].Body)).Get("subject", "reference").Text())
	old, err := s.store.GetVersion(s.ctx, store.Ref{Type: "Encounter", ID: encounter}, 1)
	require.NoError(t, err)
	require.Contains(t, string(old.Body), `"finished"`, "the version before is kept")
	require.Equal(t, encounter, entryOf(result.Bundle, "Encounter").Get("id").Text(), "the answer gives our ids again")

	// The same news again, and older news, change nothing.
	for _, stamp := range []string{laterStamp, "2026-11-20T09:04:00Z"} {
		_, err = s.sendTo(hospital, cadUpdate(t, focus(first), changes{"Encounter.status": "triaged", "Encounter.meta.lastUpdated": stamp}))
		require.NoError(t, err)
		require.Equal(t, "in-progress", s.status("Encounter", encounter))
	}
}

// A sender's clock may be behind ours. What it reads here carries our time, and
// sending that back says nothing of its own.
func TestALaterUpdateIsTakenAfterAWriteByREST(t *testing.T) {
	const stamp = "ServiceRequest.meta.lastUpdated"
	s := open(t)
	sent, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase, changes{stamp: "2026-11-20T08:50:00Z"}))
	require.NoError(t, err)
	write := asked(t, "PATCH", "ServiceRequest", focus(sent), `{"status":"on-hold"}`)
	write.Target.Value = hospital
	_, err = s.desk.Record(s.ctx, write)
	require.NoError(t, err)
	require.Equal(t, "on-hold", s.status("ServiceRequest", focus(sent)))

	_, err = s.sendTo(hospital, cadUpdate(t, focus(sent), changes{stamp: "2026-11-20T08:49:59Z"}))
	require.NoError(t, err)
	require.Equal(t, "on-hold", s.status("ServiceRequest", focus(sent)), "older news")
	_, err = s.sendTo(hospital, cadUpdate(t, focus(sent), changes{stamp: "2026-11-20T08:55:00Z"}))
	require.NoError(t, err)
	require.Equal(t, "active", s.status("ServiceRequest", focus(sent)))
}

func TestAnUpdateFindsItsRecordsByIdOrByFullUrl(t *testing.T) {
	const renamed = "urn:uuid:0e000000-0000-4000-8000-000000000001"
	for name, c := range map[string]changes{
		"by fullUrl": {},
		"by id": {"Encounter@.fullUrl": renamed, "ServiceRequest.encounter.reference": renamed,
			"CarePlan.encounter.reference": renamed, "Condition.encounter.reference": renamed},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			sent, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase))
			require.NoError(t, err)
			id := entryOf(sent.Bundle, "Encounter").Get("id").Text()
			if name == "by id" {
				c = with(c, changes{"Encounter.id": id})
			}
			_, err = s.sendTo(hospital, cadUpdate(t, focus(sent), c, changes{"Encounter.status": "triaged", "Encounter.meta.lastUpdated": laterStamp}))
			require.NoError(t, err)
			require.Equal(t, "triaged", s.status("Encounter", id))
			require.Len(t, s.all("Encounter"), 2)
		})
	}
}

func TestOurOwnEncounterMayComeBackButIsOurs(t *testing.T) {
	s := open(t)
	sent, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase))
	require.NoError(t, err)
	var planned fhir.Value
	for e := range sent.Bundle.Get("entry").Items() {
		if e.Dig("resource", "status").Text() == "planned" {
			planned = e.Get("resource")
		}
	}
	echo := func(id, status string) changes {
		return changes{"+": []string{`{"resourceType":"Encounter","id":"` + id + `","status":"` + status + `","class":{"code":"EMER"}}`}}
	}
	id := planned.Get("id").Text()
	_, err = s.sendTo(hospital, cadUpdate(t, focus(sent), echo(id, "in-progress")))
	require.NoError(t, err)
	require.Equal(t, "planned", s.status("Encounter", id), "only we move it")
	require.Len(t, s.all("Encounter"), 2)

	_, err = s.sendTo(hospital, cadUpdate(t, focus(sent), echo(id, "finished")))
	refused(t, err, fhir.KindInvariant, "Bundle.entry[12].resource.status")
	_, err = s.sendTo(hospital, cadUpdate(t, focus(sent), echo(uuid.NewString(), "planned")))
	refused(t, err, fhir.KindInvariant, "Bundle.entry[12].resource")
	_, err = s.sendTo(hospital, referral(t, toService(hospital), cadCase, echo(uuid.NewString(), "planned")))
	refused(t, err, fhir.KindInvariant)
}

// Ensure that a case whose patient is hardly known at first can be completed, and
// that the wrong case can't be named unnoticed.
func TestAnUpdateMayCorrectABirthDateByID(t *testing.T) {
	s := open(t)
	sent, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase, changes{"Patient.birthDate": "1981"}))
	require.NoError(t, err)
	id := entryOf(sent.Bundle, "Patient").Get("id").Text()
	update := func(stamp, born string, c ...changes) error {
		_, err := s.sendTo(hospital, cadUpdate(t, focus(sent), append(c, changes{"Patient.birthDate": born, "Patient.meta.lastUpdated": stamp})...))
		return err
	}
	require.NoError(t, update("2026-11-20T09:05:00Z", "1981-02-28"), "completed")
	refused(t, update("2026-11-20T09:06:00Z", "1980-02-28"), fhir.KindInvariant)
	byID := changes{"Patient.id": id}
	require.NoError(t, update("2026-11-20T09:06:00Z", "1980-02-28", byID), "corrected")
	refused(t, update("2026-11-20T09:07:00Z", "1980-02-28", byID, changes{"Patient.identifier[0].value": "9000000017"}), fhir.KindInvariant)
	require.Equal(t, "1980-02-28", s.get("Patient", id).Get("birthDate").Text())
	require.Len(t, s.all("Patient"), 1)
}

func TestAnUpdateThatIsNotSafeIsRefused(t *testing.T) {
	s := open(t)
	sent, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase, changes{"HealthcareService.identifier[0].value": hospital}))
	require.NoError(t, err)
	id := focus(sent)
	_, err = s.sendTo(hospital, cadUpdate(t, id, changes{"Patient.birthDate": "1981-01-01"}))
	refused(t, err, fhir.KindInvariant)

	here := s.get("ServiceRequest", id)
	changed, err := here.Edit().SetText(here.Root(), "priority", "urgent").Done()
	require.NoError(t, err)
	_, err = s.put(string(changed.JSON()), 0)
	require.NoError(t, err)
	_, err = s.sendTo(hospital, cadUpdate(t, id))
	refused(t, err, fhir.KindConflict, "Bundle.entry[1].resource")
	_, err = s.sendTo(hospital, referralCancel(t, id, toService(hospital), changes{srUseCase: "a6t1"}))
	refused(t, err, fhir.KindConflict, "Bundle.entry[1].resource")
	_, err = s.sendTo(hospital, cadUpdate(t, id, changes{"ServiceRequest.meta.versionId": "2"}))
	require.NoError(t, err, "who names the version has seen the change")

	_, err = s.sendTo(hospital, referralCancel(t, id, toService(hospital), changes{srUseCase: "a6t1"}))
	require.NoError(t, err)
	_, err = s.sendTo(hospital, cadUpdate(t, id))
	refused(t, err, fhir.KindConflict, "Bundle.entry[1].resource")
}

func TestUpdatesOfEachApplicationThatHasThemAreTaken(t *testing.T) {
	for name, row := range map[string]changes{
		"application 3":          {srUseCase: "a3t1"},
		"application 4":          validation,
		"application 4, on hold": with(validation, changes{}),
		"application 6":          cadCase,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			row = with(row, changes{journey: "EpisodeOfCare/" + uuid.NewString()})
			sent, err := s.sendTo(hospital, referral(t, toService(hospital), row))
			require.NoError(t, err)
			update := changes{reason: "update", "ServiceRequest.id": focus(sent), "ServiceRequest.meta.lastUpdated": laterStamp}
			if name == "application 4, on hold" {
				update[srStatus] = "on-hold"
			}
			_, err = s.sendTo(hospital, referral(t, toService(hospital), row, update))
			require.NoError(t, err)
			rec, err := s.store.Get(s.ctx, sent.Focus)
			require.NoError(t, err)
			require.EqualValues(t, 2, rec.Version)
		})
	}
}

func TestARevokedReferralClosesItsPlannedEncounter(t *testing.T) {
	for name, revoke := range map[string]func(s *scene, id string) error{
		"message": func(s *scene, id string) error { _, err := s.send(referralCancel(t, id)); return err },
		"DELETE":  func(s *scene, id string) error { _, err := s.manage("DELETE", "ServiceRequest", id, ""); return err },
		"PATCH": func(s *scene, id string) error {
			_, err := s.manage("PATCH", "ServiceRequest", id, `{"status":"entered-in-error"}`)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			id := focus(s.accepted(referral(t)))
			_, err := s.manage("PATCH", "ServiceRequest", id, `{"status":"on-hold"}`)
			require.NoError(t, err)
			require.Equal(t, map[string]int{"finished": 1, "planned": 1}, s.encounters(), "one on hold may still come")
			require.NoError(t, revoke(s, id))
			require.Equal(t, map[string]int{"finished": 1, "cancelled": 1}, s.encounters())
		})
	}
}
