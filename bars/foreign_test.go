package bars_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// other is the journey of another patient, sent by another organisation: the
// records that its message made.
func (s *scene) other(service string, c ...changes) map[string]string {
	s.t.Helper()
	req := request(s.t, referral(s.t, append([]changes{toService(service), {"Patient.identifier[0].value": "9000000017", "Patient.birthDate": "1955-05-05"}}, c...)...))
	req.Target.Value, req.Caller.Organisation = service, "C3003"
	req.Bundle = parse(s.t, strings.ReplaceAll(string(req.Bundle.JSON()), "A1001", "C3003"))
	result, err := s.desk.Message(s.ctx, req)
	require.NoError(s.t, err)
	made := map[string]string{}
	for e := range result.Bundle.Get("entry").Items() {
		r := e.Get("resource")
		if typ := r.Get("resourceType").Text(); made[typ] == "" {
			made[typ] = typ + "/" + r.Get("id").Text()
		}
		if r.Get("status").Text() == "planned" {
			made["planned"] = "Encounter/" + r.Get("id").Text()
		}
	}
	return made
}

// Ensure that no message hangs what it says on another journey's records, whatever
// it does and wherever it names them (design D12).
func TestAMessageNamesNoRecordOfAnotherJourney(t *testing.T) {
	s := open(t)
	theirs := s.other(hospital, cadCase)
	sent, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase))
	require.NoError(t, err)
	const stamp = ".meta.lastUpdated"
	for path, record := range map[string]string{
		"ServiceRequest.encounter.reference":          theirs["planned"],
		"ServiceRequest.reasonReference[0].reference": theirs["Condition"],
		"CarePlan.encounter.reference":                theirs["Encounter"],
		"CarePlan.subject.reference":                  theirs["Patient"],
		"CarePlan.basedOn[0].reference":               base + "/" + theirs["CarePlan"],
		"Condition.encounter.reference":               theirs["planned"],
		"Condition.subject.reference":                 theirs["Patient"],
		"Encounter.subject.reference":                 theirs["Patient"],
		"Encounter.partOf.reference":                  theirs["planned"] + "/_history/1",
		"Consent.patient.reference":                   theirs["Patient"],
	} {
		t.Run(path, func(t *testing.T) {
			c := changes{path: record, "Encounter" + stamp: laterStamp, "CarePlan" + stamp: laterStamp, "Condition" + stamp: laterStamp, "ServiceRequest" + stamp: laterStamp}
			_, rest, _ := strings.Cut(path, ".")
			for name, body := range map[string][]byte{"update": cadUpdate(t, focus(sent), c), "new": referral(t, toService(hospital), cadCase, c)} {
				_, err := s.sendTo(hospital, body)
				require.Error(t, err, name)
				var at []string
				for _, issue := range fhir.AsOutcome(err).Issues {
					_, place, _ := strings.Cut(issue.Expression, ".resource.")
					at = append(at, place)
				}
				require.Contains(t, at, rest, "%s: %v", name, err)
			}
		})
	}
	for _, typ := range []string{"Encounter", "CarePlan", "Condition", "ServiceRequest", "Patient"} {
		for _, rec := range s.all(typ) {
			require.EqualValues(t, 1, rec.Version)
		}
	}
}

func TestAReferenceToAnotherJourneyIsRefusedByItsPath(t *testing.T) {
	s := open(t)
	theirs := s.other(hospital, cadCase)
	sent, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase))
	require.NoError(t, err)
	for _, mode := range []string{"update", "new"} {
		c := changes{"ServiceRequest.encounter.reference": theirs["planned"], "CarePlan.encounter.reference": theirs["Encounter"]}
		body := referral(t, toService(hospital), cadCase, c)
		if mode == "update" {
			body = cadUpdate(t, focus(sent), c)
		}
		_, err := s.sendTo(hospital, body)
		require.Error(t, err)
		var paths []string
		for _, issue := range fhir.AsOutcome(err).Issues {
			paths = append(paths, issue.Expression)
		}
		require.Contains(t, paths, "Bundle.entry[1].resource.encounter.reference", "%s: %v", mode, err)
		require.Contains(t, err.Error(), "another journey")
	}
}

// Ensure that an update names what the standard lets it name: our planned
// Encounter, what it was told of its own records, and what is nobody's here.
func TestAnUpdateNamesRecordsOfItsOwnJourney(t *testing.T) {
	s := open(t)
	sent, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase))
	require.NoError(t, err)
	planned := ""
	for _, rec := range s.all("Encounter") {
		if s.status("Encounter", rec.ID) == "planned" {
			planned = "Encounter/" + rec.ID
		}
	}
	for _, ref := range []string{planned, "Encounter/" + entryOf(sent.Bundle, "Encounter").Get("id").Text(), "Encounter/" + uuid.NewString()} {
		_, err = s.sendTo(hospital, cadUpdate(t, focus(sent), changes{"Condition.encounter.reference": ref, "Condition.meta.lastUpdated": laterStamp}))
		require.NoError(t, err)
	}
	// What staff have added comes back, to the service that it was sent to, whoever
	// is to perform it.
	_, err = s.post(`{"resourceType":"Observation","status":"final","code":{"text":"a"},"subject":{"reference":"Patient/` + entryOf(sent.Bundle, "Patient").Get("id").Text() + `"}}`)
	require.NoError(t, err)
	seen := "Observation/" + s.all("Observation")[0].ID
	named := changes{"ServiceRequest.supportingInfo[0].reference": seen}
	_, err = s.sendTo(hospital, cadUpdate(t, focus(sent), named))
	refused(t, err, fhir.KindInvariant, first+".supportingInfo[0].reference")
	here := s.get("ServiceRequest", focus(sent))
	changed, err := here.Edit().Set(here.Root(), "supportingInfo", []byte(`[{"reference":"`+seen+`"}]`)).Done()
	require.NoError(t, err)
	_, err = s.put(string(changed.JSON()), 0)
	require.NoError(t, err)
	_, err = s.sendTo(hospital, cadUpdate(t, focus(sent), named, changes{"ServiceRequest.meta.versionId": "2"}))
	require.NoError(t, err)
}

// Ensure that an update is linked by the rules that a new referral is linked by.
func TestAnUpdateIsLinkedByTheSameRules(t *testing.T) {
	s := open(t)
	const at = first + ".supportingInfo[0]"
	sent, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase))
	require.NoError(t, err)
	link := func(id string) error {
		_, err := s.sendTo(hospital, cadUpdate(t, focus(sent), supporting("Appointment/"+id)))
		return err
	}
	refused(t, link(uuid.NewString()), fhir.KindInvariant, at)
	elsewhere := focus(s.accepted(booking(t, 0)))
	refused(t, link(elsewhere), fhir.KindConflict, at)
}

// Ensure that the journey stays the one that it was.
func TestAnUpdateMovesNoReferralToAnotherJourney(t *testing.T) {
	s := open(t)
	its := changes{journey: "EpisodeOfCare/" + uuid.NewString()}
	sent, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase, its))
	require.NoError(t, err)
	_, err = s.sendTo(hospital, cadUpdate(t, focus(sent), changes{journey: "EpisodeOfCare/" + uuid.NewString()}))
	require.Error(t, err)
	require.Contains(t, err.Error(), "another journey")
	_, err = s.sendTo(hospital, cadUpdate(t, focus(sent), its))
	require.NoError(t, err)
}

// Ensure that an update under a fullUrl, or an id, that once meant a record of our
// directory doesn't write that record.
func TestAnUpdateWritesNoRecordOfTheDirectory(t *testing.T) {
	for name, c := range map[string]changes{
		"by fullUrl":            {"Organization.identifier[0].value": "Z9999"},
		"by fullUrl, unnamed":   {"Organization.identifier": nil},
		"by id":                 {"Organization.identifier[0].value": "Z9999", "Organization.id": "A1001"},
		"a service by fullUrl":  {"HealthcareService.identifier[0].value": "77"},
		"a service, unnamed":    {"HealthcareService.identifier": nil},
		"a service, another id": {"HealthcareService.identifier[0].value": "77", "HealthcareService.id": hospital},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, lenient)
			known := changes{"HealthcareService.identifier[0].value": hospital, journey: "EpisodeOfCare/1"}
			sent, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase, known))
			require.NoError(t, err)
			later := changes{"Organization.name": "Taken over", "Organization.meta.lastUpdated": laterStamp,
				"HealthcareService.name": "Taken over", "HealthcareService.meta.lastUpdated": laterStamp}
			if _, is := c["HealthcareService.identifier"]; !is {
				later = with(later, changes{"HealthcareService.identifier[0].value": hospital})
			}
			_, err = s.sendTo(hospital, cadUpdate(t, focus(sent), changes{journey: "EpisodeOfCare/1"}, later, c))
			require.NoError(t, err)
			for _, ref := range [][2]string{{"Organization", "A1001"}, {"Organization", "B2002"}, {"HealthcareService", hospital}} {
				require.NotEqual(t, "Taken over", s.get(ref[0], ref[1]).Get("name").Text())
			}
		})
	}
}

// Ensure that plain FHIR can't make a referral name what is another patient's, or
// what another sender said of the same.
func TestAPlainWriteOfAReferralNamesNoOtherPatientsRecord(t *testing.T) {
	s := open(t)
	theirs := s.other(clinic)
	same := s.other(clinic, changes{"Patient.identifier[0].value": "9000000009", "Patient.birthDate": "1980-02-29"})
	id := focus(s.accepted(referral(t)))
	rec, err := s.store.Get(s.ctx, store.Ref{Type: "ServiceRequest", ID: id})
	require.NoError(t, err)
	r := parse(t, string(rec.Body))
	for _, c := range []struct {
		member, value, at string
	}{
		{"encounter", `{"reference":"` + theirs["planned"] + `"}`, "ServiceRequest.encounter.reference"},
		{"encounter", `{"reference":"` + base + "/" + theirs["Encounter"] + `"}`, "ServiceRequest.encounter.reference"},
		{"encounter", `{"reference":"` + same["planned"] + `"}`, "ServiceRequest.encounter.reference"},
		{"subject", `{"reference":"` + theirs["Patient"] + `"}`, "ServiceRequest.subject.reference"},
		{"supportingInfo", `[{"reference":"` + theirs["CarePlan"] + `"}]`, "ServiceRequest.supportingInfo[0].reference"},
		{"basedOn", `[{"reference":"` + theirs["ServiceRequest"] + `"}]`, "ServiceRequest.basedOn[0].reference"},
		{"reasonReference", `[{"reference":"` + theirs["Condition"] + `"}]`, "ServiceRequest.reasonReference[0].reference"},
	} {
		changed, err := r.Edit().Set(r.Root(), c.member, []byte(c.value)).Done()
		require.NoError(t, err)
		_, err = s.put(string(changed.JSON()), 0)
		refused(t, err, fhir.KindProcessing, c.at)
		_, err = s.change(rest.Change{Method: "PATCH", Type: "ServiceRequest", ID: id, Patch: func(*fhir.Resource) (*fhir.Resource, error) { return changed, nil }})
		refused(t, err, fhir.KindProcessing, c.at)
	}
	for member, value := range map[string]string{
		"basedOn": `[{"reference":"` + same["ServiceRequest"] + `"}]`, "subject": `{"reference":"` + same["Patient"] + `"}`,
		"supportingInfo": `[{"reference":"Observation/none"}]`, "performer": `[{"reference":"HealthcareService/` + clinic + `"}]`,
	} {
		r := s.get("ServiceRequest", id)
		changed, err := r.Edit().Set(r.Root(), member, []byte(value)).Done()
		require.NoError(t, err)
		_, err = s.put(string(changed.JSON()), 0)
		require.NoError(t, err, member)
	}
}

// Ensure that a referral or booking that is posted names only what is its patient's
// and its sender's.
func TestAPostNamesNoOtherPatientsRecord(t *testing.T) {
	s := open(t)
	theirs := s.other(clinic)
	id := focus(s.accepted(referral(t)))
	sr := s.get("ServiceRequest", id)
	patient := sr.Get("subject", "reference").Text()
	posted := `{"resourceType":"ServiceRequest","status":"active","intent":"plan","subject":{"reference":"` + patient + `"}`
	for _, c := range [][2]string{
		{`"encounter":{"reference":"` + theirs["planned"] + `"}`, "ServiceRequest.encounter.reference"},
		{`"reasonReference":[{"reference":"` + theirs["Condition"] + `"}]`, "ServiceRequest.reasonReference[0].reference"},
		{`"requester":{"reference":"` + theirs["Patient"] + `"}`, "ServiceRequest.requester.reference"},
	} {
		_, err := s.manage("POST", "ServiceRequest", "", posted+","+c[0]+"}")
		refused(t, err, fhir.KindInvariant, c[1])
	}
	_, err := s.manage("POST", "ServiceRequest", "", posted+`,"encounter":{"reference":"`+sr.Get("encounter", "reference").Text()+`"},"performer":[{"reference":"HealthcareService/`+clinic+`"}]}`)
	require.NoError(t, err)
	// The same sender's other patient.
	other := s.accepted(referral(t, changes{"Patient.identifier[0].value": "9000000017", "Patient.birthDate": "1955-05-05"}))
	_, err = s.manage("POST", "ServiceRequest", "", posted+`,"basedOn":[{"reference":"ServiceRequest/`+focus(other)+`"}]}`)
	refused(t, err, fhir.KindInvariant, "ServiceRequest.basedOn[0].reference")
}

// Ensure that a validation isn't answered with another patient's outcome.
func TestAValidationIsNotFinishedWithAnotherPatientsPlan(t *testing.T) {
	p := openPair(t)
	p.ask(validation)
	_, err := p.responder.put(`{"resourceType":"Patient","id":"another","identifier":[{"system":"`+nhs.SystemNHSNumber+`","value":"9000000017"}]}`, 0)
	require.NoError(t, err)
	write := func(patient string) {
		_, err := p.responder.post(`{"resourceType":"CarePlan","status":"completed","intent":"plan","subject":{"reference":"` + patient + `"},"description":"Seen",
			"encounter":{"reference":"Encounter/` + p.planned().ID() + `"},"period":{"start":"2026-11-20T09:00:00Z"},
			"activity":[{"outcomeCodeableConcept":[{"coding":[{"system":"https://fhir.nhs.uk/CodeSystem/pathways-dx-codes","code":"Dx02"}]}]}]}`)
		require.NoError(t, err)
	}
	write("Patient/another")
	refused(t, p.move("finished"), fhir.KindProcessing, "Encounter.status")
	require.Empty(t, p.post.posted)
}

// Ensure that our planned Encounter stays ours where it comes back as the referral's
// own.
func TestOurEncounterIsNotWrittenAsTheSendersOwn(t *testing.T) {
	s := open(t)
	sent, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase))
	require.NoError(t, err)
	before := s.encounters()
	for _, rec := range s.all("Encounter") {
		if s.status("Encounter", rec.ID) != "planned" {
			continue
		}
		_, err = s.sendTo(hospital, cadUpdate(t, focus(sent), changes{"Encounter.id": rec.ID, "Encounter.status": "in-progress", "Encounter.meta.lastUpdated": laterStamp}))
		require.NoError(t, err)
	}
	require.Equal(t, before, s.encounters())
}
