package bars_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
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
	sent, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase, changes{"HealthcareService.identifier[0].value": hospital}))
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
	// What staff have added comes back as it was read.
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
