package bars_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

func TestAllThatIsWrongWithAWriteIsSaidAtOnceEachWithItsOwnKind(t *testing.T) {
	s := open(t)
	_, err := s.post(`{"resourceType":"Patient","gender":"none","birthDate":"1970-13-40","colour":1,"name":[{"period":{"start":"2026-02-01","end":"2026-01-01"}}]}`)
	refused(t, err, fhir.KindStructure, "Patient.gender", "Patient.birthDate", "Patient.colour", "Patient.name[0].period")
	o := fhir.AsOutcome(err)
	var kinds []fhir.Kind
	for _, issue := range o.Issues {
		kinds = append(kinds, o.KindOf(issue))
	}
	require.Equal(t, []fhir.Kind{fhir.KindInvariant, fhir.KindValue, fhir.KindStructure, fhir.KindInvariant}, kinds)
	require.Empty(t, s.all("Patient"))
}

func TestNoDoorWalksRoundTheDefinitions(t *testing.T) {
	const wrong = `{"resourceType":"Observation","id":"o","code":{"text":"a"},"status":"seen"}`
	s := open(t)
	before := s.size()
	_, err := s.put(wrong, 0)
	refused(t, err, fhir.KindInvariant, "Observation.status")
	_, err = s.send(referral(t, changes{"+": []string{strings.Replace(wrong, `"id":"o",`, "", 1)}}))
	refused(t, err, fhir.KindInvariant, "Bundle.entry[12].resource.status")
	_, err = s.desk.Load(s.ctx, bars.Caller{Door: "setup"}, []*fhir.Resource{parse(t, wrong)})
	refused(t, err, fhir.KindInvariant, "Observation.status")

	r := request(t, referral(t))
	entry := bars.Entry{FullURL: "urn:uuid:00000077-0000-4000-8000-000000000077", Resource: parse(t, wrong)}
	r.Attached = []bars.Entry{entry}
	_, err = s.desk.Message(s.ctx, r)
	refused(t, err, fhir.KindInvariant, "Observation.status")
	_, err = s.desk.Attach(s.ctx, bars.AttachRequest{Caller: r.Caller, Key: r.Key, Target: r.Target, Body: []byte("a"), Entries: []bars.Entry{entry}})
	refused(t, err, fhir.KindInvariant, "Observation.status")
	require.Equal(t, before, s.size())
	require.Empty(t, s.all("Observation"))
}

// The sender of another format can't mend our FHIR, and the patient needs the
// referral.
func TestWhatADoorTranslatedIsKeptWithAWarning(t *testing.T) {
	s := open(t)
	s.faulty = true
	const wrong = `{"resourceType":"Observation","code":{"text":"a","x":[]},"status":"seen","issued":"now"}`
	r := request(t, referral(t, changes{"Patient.gender": "none", "Patient.birthDate": "1980"}))
	r.Attached = []bars.Entry{{FullURL: "urn:uuid:00000077-0000-4000-8000-000000000077", Resource: parse(t, wrong)}}
	r.Translated = true
	result, err := s.desk.Message(s.ctx, r)
	require.NoError(t, err)
	at := []string{"Bundle.entry[4].resource.gender", "Observation.code.x", "Observation.status", "Observation.issued"}
	for i, w := range result.Warnings {
		require.Equal(t, at[i], w.Expression)
	}
	require.Len(t, result.Warnings, len(at))
	require.Equal(t, "active", s.status("ServiceRequest", focus(result)))
	require.Len(t, s.all("Observation"), 1)

	// The rules of referrals are another matter: they hold for every door.
	r = request(t, referral(t, changes{"ServiceRequest.subject": nil}))
	r.Translated = true
	_, err = s.desk.Message(s.ctx, r)
	refused(t, err, fhir.KindInvariant, first+".subject")

	attached, err := s.desk.Attach(s.ctx, bars.AttachRequest{Caller: r.Caller, Key: bars.Key{Door: "nhs111", Values: []string{"1"}}, Target: r.Target,
		Body: []byte("a"), Entries: []bars.Entry{{Resource: parse(t, wrong)}}, Translated: true})
	require.NoError(t, err)
	require.Len(t, attached.Warnings, 3)
	require.Len(t, s.all("Observation"), 2)
}

// Published messages break a rule now and then; none of them is broken FHIR.
func TestLenientModeLetsBrokenRulesPassAndNothingWorse(t *testing.T) {
	withoutSystem := map[string]any{"coding": []any{map[string]any{"code": "active"}}}
	rule := changes{"Condition.clinicalStatus": withoutSystem}
	_, err := open(t).send(referral(t, rule))
	refused(t, err, fhir.KindInvariant, "Bundle.entry[9].resource.clinicalStatus")
	s := open(t, lenient)
	result := s.accepted(referral(t, rule))
	require.Len(t, result.Warnings, 1)
	require.Equal(t, "Bundle.entry[9].resource.clinicalStatus", result.Warnings[0].Expression)
	_, err = s.send(referral(t, rule, changes{"Condition.recordedDate": "yesterday"}))
	refused(t, err, fhir.KindValue, "Bundle.entry[9].resource.clinicalStatus", "Bundle.entry[9].resource.recordedDate")
	_, err = s.send(referral(t, changes{"Condition.colour": "red"}))
	refused(t, err, fhir.KindStructure, "Bundle.entry[9].resource.colour")
}

func TestAReferenceInAMessageIsJudgedByTheEntryThatItNames(t *testing.T) {
	const patient = "urn:uuid:00000003-0000-4000-8000-000000000003"
	_, err := open(t).send(referral(t, changes{"ServiceRequest.encounter.reference": patient}))
	refused(t, err, fhir.KindInvariant, first+".encounter.reference")
}

// spoil gives a stored record faults, as records from before may have.
func (s *scene) spoil(typ, id string, spoilt func(*fhir.Resource) *fhir.Edit) {
	s.t.Helper()
	s.faulty = true
	rec, err := s.store.Get(s.ctx, store.Ref{Type: typ, ID: id})
	require.NoError(s.t, err)
	r, err := spoilt(parse(s.t, string(rec.Body))).Done()
	require.NoError(s.t, err)
	next := *rec
	next.Body = r.JSON()
	_, err = s.store.Commit(s.ctx, &store.Batch{Ops: []store.Op{store.Put{Record: &next, If: store.Condition{Version: rec.Version}}}})
	require.NoError(s.t, err)
}

func unknownMember(r *fhir.Resource) *fhir.Edit {
	return r.Edit().Set(r.Root(), "colour", []byte(`{"a":[]}`))
}

func TestARecordOfOldWithFaultsCanBeReadAndCancelled(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	s.spoil("Appointment", id, func(r *fhir.Resource) *fhir.Edit {
		return unknownMember(r).SetText(r.Root(), "created", "yesterday").Remove(r.Get("participant").At(0), "status")
	})
	s.spoil("Slot", slotID(clinic, 0), unknownMember)
	s.spoil("Slot", slotID(clinic, 1), unknownMember)
	version, err := s.desk.Records().Read(s.ctx, "Appointment", id)
	require.NoError(t, err)
	require.Contains(t, string(version.Body), `"colour":{"a":[]}`)

	s.accepted(bookingCancel(t, id, 0))
	require.Equal(t, "cancelled", s.status("Appointment", id))
	require.Equal(t, "free", s.status("Slot", slotID(clinic, 0)))
	require.True(t, s.get("Appointment", id).Get("colour").Exists(), "nothing is lost")
	_, err = s.put(appointmentText("a", "booked", 1), 0)
	require.NoError(t, err, "a Slot with a fault can be booked")
	require.Equal(t, "busy", s.status("Slot", slotID(clinic, 1)))

	referred := focus(s.accepted(referral(t)))
	s.spoil("ServiceRequest", referred, unknownMember)
	s.accepted(referralCancel(t, referred))
	require.Equal(t, "revoked", s.status("ServiceRequest", referred))
	require.NoError(t, s.remove("ServiceRequest", referred))
	s.invariant()
}

func TestAPatchIsNotChargedWithFaultsOfOld(t *testing.T) {
	s := open(t)
	_, err := s.put(appointmentText("a", "booked", 0), 0)
	require.NoError(t, err)
	s.spoil("Appointment", "a", func(r *fhir.Resource) *fhir.Edit {
		return unknownMember(r).Set(r.Root(), "comment", []byte(`""`)).Set(r.Root(), "identifier", []byte(`[{"use":"official"},{"use":"mine"}]`))
	})
	patch := func(text string) error {
		t.Helper()
		_, err := s.change(s.patched("Appointment", "a", text))
		return err
	}
	require.NoError(t, patch(`[{"op":"replace","path":"/status","value":"arrived"}]`))
	require.NoError(t, patch(`[{"op":"remove","path":"/identifier/0"}]`), "the old fault has another number now")
	refused(t, patch(`[{"op":"add","path":"/identifier/-","value":{"use":"yours"}},{"op":"add","path":"/minutesDuration","value":0}]`),
		fhir.KindValue, "Appointment.identifier[1].use", "Appointment.minutesDuration")
	refused(t, patch(`[{"op":"replace","path":"/status","value":"lost"}]`), fhir.KindInvariant, "Appointment.status")
	require.NoError(t, patch(`[{"op":"remove","path":"/colour"},{"op":"remove","path":"/comment"}]`), "it can be mended bit by bit")

	// Who sends the whole answers for the whole.
	stored := string(s.get("Appointment", "a").JSON())
	_, err = s.put(stored, 0)
	refused(t, err, fhir.KindInvariant, "Appointment.identifier[0].use")
	require.NoError(t, patch(`[{"op":"remove","path":"/identifier"},{"op":"replace","path":"/status","value":"cancelled"}]`))
	require.Equal(t, "free", s.status("Slot", slotID(clinic, 0)))
	s.invariant()
}

// The rules of claims never see a status or slot that they could misread.
func TestAPatchMustLeaveStatusAndSlotsRight(t *testing.T) {
	s := open(t)
	_, err := s.put(appointmentText("a", "waitlist"), 0)
	require.NoError(t, err)
	s.spoil("Appointment", "a", func(r *fhir.Resource) *fhir.Edit {
		return r.Edit().Set(r.Root(), "slot", []byte(`{"reference":"Slot/`+slotID(clinic, 0)+`"}`))
	})
	_, err = s.change(s.patched("Appointment", "a", `[{"op":"replace","path":"/status","value":"booked"}]`))
	refused(t, err, fhir.KindStructure, "Appointment.slot")
	_, err = s.change(s.patched("Appointment", "a", `[{"op":"replace","path":"/status","value":"booked"},{"op":"replace","path":"/slot","value":[{"reference":"Slot/`+slotID(clinic, 0)+`"}]}]`))
	require.NoError(t, err)
	require.Equal(t, "Appointment/a", s.claimOf(slotID(clinic, 0)))
	s.invariant()
}

func TestAPatchWithinATransactionIsNotChargedEither(t *testing.T) {
	s := open(t)
	_, err := s.put(`{"resourceType":"Patient","id":"p","link":[{"type":"seealso","other":{"reference":"`+urnPerson+`"}}]}`, 0)
	require.NoError(t, err)
	s.spoil("Patient", "p", unknownMember)
	change := s.patched("Patient", "p", `[{"op":"add","path":"/active","value":true}]`)
	change.Resolve = true
	_, err = s.change(change)
	require.NoError(t, err)
	require.True(t, s.get("Patient", "p").Get("active").Bool())
}

func TestReferencesOfATransactionAreJudgedByTheEntriesThatTheyName(t *testing.T) {
	s := open(t)
	code := ent("POST Schedule", urnPerson, `{"resourceType":"Schedule","actor":[{"reference":"HealthcareService/`+clinic+`"}]}`)
	s.undone(422, "processing", "Bundle.entry[1].resource.subject.reference", code, ent("POST ServiceRequest", "", referralFor(urnPerson)))

	lost := strings.Replace(referralFor(urnReferral), `"intent":"plan"`, `"intent":"wish"`, 1)
	status, r := s.transact(code, ent("POST ServiceRequest", "", lost))
	require.Equal(t, 422, status)
	var at []string
	for issue := range r.Get("issue").Items() {
		at = append(at, issue.Get("expression").At(0).Text())
	}
	require.Equal(t, []string{"Bundle.entry[1].resource.intent", "Bundle.entry[1].resource.subject.reference"}, at, "both at once")
}

func TestWhatR4AllowsIsKeptAsItWasWritten(t *testing.T) {
	s := open(t)
	const text = `{"birthDate":"1970","_birthDate":{"extension":[{"url":"urn:a:t","valueDateTime":"1970-03-30T12:00:00Z"}]},"resourceType":"Patient","id":"p",` +
		`"extension":[{"url":"urn:a:d","valueDecimal":1.00}],"contained":[{"resourceType":"Organization","id":"o","name":"a"}],"managingOrganization":{"reference":"#o"}}`
	v, err := s.put(text, 0)
	require.NoError(t, err)
	require.Equal(t, text, string(v.Body))
	parsed, err := search.Parse("Patient", "birthdate=1970", bars.SearchOptions(base, nil))
	require.NoError(t, err)
	page, err := s.desk.Records().Search(s.ctx, parsed.Query, false)
	require.NoError(t, err)
	require.Len(t, page.Versions, 1)
}
