package bars_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

const (
	setURI = "urn:uuid:0d000000-0000-4000-8000-000000000001"
)

func documentURI(version int) string {
	return fmt.Sprintf("urn:uuid:0d000000-0000-4000-8000-00000000010%d", version)
}

func document(version int, content string) *bars.Document {
	return &bars.Document{ID: documentURI(version), Set: setURI, Version: version, Content: []byte(content)}
}

// reportOf is the referral of a document's version, with its DocumentReference
// attached.
func reportOf(t testing.TB, doc *bars.Document, c ...changes) bars.MessageRequest {
	r := request(t, referral(t, c...))
	r.Document = doc
	r.Attached = []bars.Entry{{FullURL: "urn:uuid:" + uuid.NewString(), Resource: parse(t, fmt.Sprintf(
		`{"resourceType":"DocumentReference","masterIdentifier":{"value":%q},"status":"current","content":[{"attachment":{"title":"a"}}]}`, doc.ID))}}
	return r
}

func (s *scene) report(doc *bars.Document, c ...changes) (*bars.MessageResult, error) {
	s.t.Helper()
	return s.desk.Message(s.ctx, reportOf(s.t, doc, c...))
}

func (s *scene) nullify(names ...string) (*bars.MessageResult, error) {
	r := request(s.t, referral(s.t))
	return s.desk.Nullify(s.ctx, bars.NullifyRequest{Caller: r.Caller, Key: r.Key, Target: r.Target, Body: []byte(uuid.NewString()), Names: names})
}

func (s *scene) statuses(typ string) []string {
	var out []string
	for _, rec := range s.all(typ) {
		out = append(out, parse(s.t, string(rec.Body)).Get("status").Text())
	}
	return out
}

func patientOf(t testing.TB) string {
	return entryURL(parse(t, string(referral(t))), "Patient")
}

func entryURL(bundle *fhir.Resource, typ string) string {
	for e := range bundle.Get("entry").Items() {
		if e.Dig("resource", "resourceType").Text() == typ {
			return e.Get("fullUrl").Text()
		}
	}
	return ""
}

// flagged adds a Flag about the patient.
func flagged(t testing.TB, text string) changes {
	return changes{"+": []string{fmt.Sprintf(`{"resourceType":"Flag","meta":{"lastUpdated":"2026-11-20T09:00:00+00:00","profile":["https://fhir.hl7.org.uk/StructureDefinition/UKCore-Flag"]},
		"status":"active","category":[{"coding":[{"system":"https://fhir.nhs.uk/CodeSystem/flag-categories-bars","code":"SG"}]}],
		"code":{"coding":[{"system":"https://fhir.nhs.uk/CodeSystem/safeguarding-codes-bars","code":"U"}],"text":%q},"subject":{"reference":%q}}`, text, patientOf(t))}}
}

func TestALaterVersionOfADocumentUpdatesTheReferralThatItMade(t *testing.T) {
	s := open(t)
	first, err := s.report(document(1, "a"), flagged(t, "one"))
	require.NoError(t, err)
	before := s.get("ServiceRequest", focus(first))
	second, err := s.report(document(2, "b"), flagged(t, "two"), changes{"ServiceRequest.priority": "urgent", "Patient.gender": "other"})
	require.NoError(t, err)
	require.Equal(t, first.Focus, second.Focus, "one referral")
	require.Len(t, s.all("ServiceRequest"), 1)
	after := s.get("ServiceRequest", focus(first))
	require.Equal(t, "urgent", after.Get("priority").Text())
	for _, path := range []string{"subject", "encounter"} {
		require.Equal(t, before.Get(path, "reference").Text(), after.Get(path, "reference").Text())
	}
	require.Equal(t, "other", parse(t, string(s.all("Patient")[0].Body)).Get("gender").Text())
	require.Len(t, s.all("Patient"), 1)
	require.Len(t, s.all("CarePlan"), 1)
	require.Len(t, s.all("Encounter"), 2, "the sender's and the planned one")
	require.Len(t, s.all("Condition"), 1)

	flags := s.all("Flag")
	require.Len(t, flags, 1, "what only the earlier version said is gone")
	require.Equal(t, "two", parse(t, string(flags[0].Body)).Get("code", "text").Text())
	old, err := s.store.GetVersion(s.ctx, first.Focus, 1)
	require.NoError(t, err)
	require.Equal(t, before.JSON(), parse(t, string(old.Body)).JSON(), "the history keeps every version")

	documents := map[string]*fhir.Resource{}
	for _, rec := range s.all("DocumentReference") {
		r := parse(t, string(rec.Body))
		documents[r.Get("masterIdentifier", "value").Text()] = r
	}
	require.Equal(t, "superseded", documents[documentURI(1)].Get("status").Text())
	require.Equal(t, "current", documents[documentURI(2)].Get("status").Text())
	require.Equal(t, "DocumentReference/"+documents[documentURI(1)].ID(), documents[documentURI(2)].Get("relatesTo").At(0).Dig("target", "reference").Text())

	third, err := s.report(document(3, "c"))
	require.NoError(t, err)
	require.Equal(t, first.Focus, third.Focus)
	require.Empty(t, s.all("Flag"))
}

func TestAVersionThatWasTakenIsTakenAgainWithoutEffect(t *testing.T) {
	s := open(t)
	_, err := s.report(document(1, "a"))
	require.NoError(t, err)
	_, err = s.report(document(3, "c"))
	require.NoError(t, err)
	n := s.size()
	for _, doc := range []*bars.Document{document(1, "a"), document(3, "c")} {
		result, err := s.report(doc)
		require.NoError(t, err)
		require.True(t, result.Known)
	}
	for _, doc := range []*bars.Document{document(1, "other"), document(3, "other"), document(2, "late")} {
		_, err := s.report(doc)
		refused(t, err, fhir.KindInvariant)
	}
	require.Equal(t, n, s.size())
	require.EqualValues(t, 2, s.all("ServiceRequest")[0].Version)
}

func TestADocumentMayNameTheOneThatItReplaces(t *testing.T) {
	s := open(t)
	first, err := s.report(document(1, "a"))
	require.NoError(t, err)
	next := &bars.Document{ID: "urn:uuid:0d000000-0000-4000-8000-000000000900", Set: "urn:uuid:0d000000-0000-4000-8000-000000000901", Version: 1,
		Replaces: []string{documentURI(1)}, Content: []byte("b")}
	second, err := s.report(next)
	require.NoError(t, err)
	require.Equal(t, first.Focus, second.Focus)
	_, err = s.report(document(2, "c"))
	refused(t, err, fhir.KindConflict) // the set goes on under its new name
	// Its next version says once more what it replaced, and so does what replaces that.
	again := *next
	again.ID, again.Version, again.Content = documentURI(3), 2, []byte("d")
	third, err := s.report(&again)
	require.NoError(t, err)
	require.Equal(t, first.Focus, third.Focus)
	another := again
	another.ID, another.Set, another.Version = documentURI(4), documentURI(5), 1
	another.Replaces = []string{documentURI(1), next.Set}
	third, err = s.report(&another)
	require.NoError(t, err)
	require.Equal(t, first.Focus, third.Focus)
	_, err = s.nullify(documentURI(1))
	refused(t, err, fhir.KindConflict)
	unknown := *next
	unknown.ID, unknown.Set, unknown.Replaces = documentURI(7), documentURI(8), []string{documentURI(9)}
	other, err := s.report(&unknown)
	require.NoError(t, err, "what it replaces went elsewhere, so it is the first here")
	require.NotEqual(t, first.Focus, other.Focus)
	_, err = s.nullify(another.Set, documentURI(1), next.Set)
	require.NoError(t, err, "what it replaced ends with it")
	require.ElementsMatch(t, []string{"entered-in-error", "active"}, s.statuses("ServiceRequest"))
}

func TestAnUpdateMustNotMoveAReferralToAnotherPersonOrOverwriteTheService(t *testing.T) {
	s := open(t)
	first, err := s.report(document(1, "a"))
	require.NoError(t, err)
	_, err = s.report(document(2, "b"), changes{"Patient.identifier[0].value": "9990057699"})
	refused(t, err, fhir.KindInvariant)

	s.changeStatus(first.Focus, "on-hold")
	_, err = s.report(document(2, "b"))
	refused(t, err, fhir.KindConflict)
	s.changeStatus(first.Focus, "active")
	_, err = s.report(document(2, "b"))
	refused(t, err, fhir.KindConflict) // changed here since
}

func (s *scene) changeStatus(ref store.Ref, status string) {
	s.t.Helper()
	rec, err := s.store.Get(s.ctx, ref)
	require.NoError(s.t, err)
	r := parse(s.t, string(rec.Body))
	r, err = r.Edit().Set(r.Root(), "status", fhir.Quote(status)).Done()
	require.NoError(s.t, err)
	rec.Body = r.JSON()
	_, err = s.store.Commit(s.ctx, &store.Batch{Ops: []store.Op{store.Put{Record: rec}}})
	require.NoError(s.t, err)
}

func TestAnotherSendersDocumentIsNeverTouched(t *testing.T) {
	s := open(t)
	_, err := s.report(document(1, "a"))
	require.NoError(t, err)
	other := reportOf(t, document(2, "b"))
	other.Caller.Organisation = "C3003"
	_, err = s.desk.Message(s.ctx, other)
	require.NoError(t, err)
	require.Equal(t, []string{"active", "active"}, s.statuses("ServiceRequest"))
	r := request(t, referral(t))
	_, err = s.desk.Nullify(s.ctx, bars.NullifyRequest{Caller: bars.Caller{Organisation: "E5005"}, Key: r.Key, Target: r.Target, Names: []string{setURI}})
	refused(t, err, fhir.KindNotFound)
}

func TestOneReferralComesOfVersionsThatArriveTogether(t *testing.T) {
	s := open(t)
	var done sync.WaitGroup
	for range 4 {
		done.Go(func() {
			_, err := s.desk.Message(s.ctx, reportOf(t, document(1, "a")))
			if err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	require.Len(t, s.all("ServiceRequest"), 1)
	require.Len(t, s.all("DocumentReference"), 1)
}

func TestANullifiedDocumentWasEnteredInErrorWithAllThatItSaid(t *testing.T) {
	s := open(t)
	first, err := s.report(document(1, "a"), flagged(t, "one"))
	require.NoError(t, err)
	_, err = s.report(document(2, "b"), flagged(t, "two"))
	require.NoError(t, err)
	result, err := s.nullify(setURI)
	require.NoError(t, err)
	require.Equal(t, first.Focus, result.Focus)
	for _, typ := range []string{"ServiceRequest", "CarePlan", "Encounter", "Flag", "Consent", "DocumentReference"} {
		for _, status := range s.statuses(typ) {
			require.Equal(t, "entered-in-error", status, typ)
		}
	}
	require.Equal(t, "entered-in-error", fhir.CodeOf(parse(t, string(s.all("Condition")[0].Body)).Get("verificationStatus"), "http://terminology.hl7.org/CodeSystem/condition-ver-status"))
	again, err := s.nullify(documentURI(2))
	require.NoError(t, err)
	require.True(t, again.Known, "nullified twice is nullified")
	_, err = s.report(document(3, "c"))
	refused(t, err, fhir.KindConflict)
	_, err = s.nullify("urn:uuid:0d000000-0000-4000-8000-000000000777")
	refused(t, err, fhir.KindNotFound)
}

func TestWhatTheServiceChangedItselfStaysAsItIs(t *testing.T) {
	s := open(t)
	_, err := s.report(document(1, "a"), flagged(t, "one"))
	require.NoError(t, err)
	s.changeStatus(s.all("Flag")[0].Ref(), "inactive")
	_, err = s.report(document(2, "b"))
	require.NoError(t, err)
	require.Equal(t, []string{"inactive"}, s.statuses("Flag"), "not deleted by the update")
	_, err = s.nullify(setURI)
	require.NoError(t, err)
	require.Equal(t, []string{"inactive"}, s.statuses("Flag"), "nor marked by the nullification")
}

func TestAReferralThatWasActedOnIsNotNullified(t *testing.T) {
	s := open(t)
	first, err := s.report(document(1, "a"))
	require.NoError(t, err)
	s.changeStatus(first.Focus, "completed")
	_, err = s.nullify(setURI)
	refused(t, err, fhir.KindConflict)
	require.Equal(t, []string{"current"}, s.statuses("DocumentReference"))
}

func TestACopyForInformationNeverStandsInTheWayOfTheReferral(t *testing.T) {
	s := open(t)
	attach := func(doc *bars.Document) (*bars.MessageResult, error) {
		r := reportOf(t, doc)
		return s.desk.Attach(s.ctx, bars.AttachRequest{Caller: r.Caller, Key: r.Key, Target: nhs.ServiceID{System: nhs.SystemDoS, Value: clinic},
			Body: []byte(uuid.NewString()), Entries: r.Attached, Document: doc})
	}
	_, err := attach(document(1, "a"))
	require.NoError(t, err)
	again, err := attach(document(1, "a"))
	require.NoError(t, err)
	require.True(t, again.Known)
	_, err = attach(document(2, "b"))
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"superseded", "current"}, s.statuses("DocumentReference"))
	result, err := s.report(document(1, "a"))
	require.NoError(t, err)
	require.False(t, result.Known)
	require.Len(t, s.all("ServiceRequest"), 1)
	_, err = s.nullify(setURI)
	require.NoError(t, err)
	require.Equal(t, []string{"entered-in-error", "entered-in-error", "entered-in-error"}, s.statuses("DocumentReference"), "the copies are withdrawn with it")
	_, err = attach(document(3, "c"))
	refused(t, err, fhir.KindConflict) // a withdrawn document takes no more versions
}

func TestVersionNumbersArePositive(t *testing.T) {
	for text, want := range map[string]int{"": 1, "1": 1, "12": 12} {
		n, ok := bars.DocumentVersion(text)
		require.True(t, ok, text)
		require.Equal(t, want, n)
	}
	for _, text := range []string{"0", "-1", "1.5", "v2", "99999999999999999999"} {
		_, ok := bars.DocumentVersion(text)
		require.False(t, ok, text)
	}
}
