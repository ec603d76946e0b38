package bars_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// postbox is an outbox that the test reads.
type postbox struct{ posted []bars.Outgoing }

func (p *postbox) Put(o bars.Outgoing, created time.Time) (store.Op, error) {
	p.posted = append(p.posted, o)
	return store.AuxPut{Kind: "posted", Key: o.ID, Value: o.Bundle.JSON()}, nil
}

// pair is two systems: the requester, whose service hospital asks, and the
// responder, whose service hospital is asked. Both have the same directory but
// for who provides what: the payloads' sender is A1001.
type pair struct {
	t         testing.TB
	requester *scene
	responder *scene
	post      *postbox
}

func openPair(t testing.TB) *pair {
	p := &pair{t: t, post: &postbox{}}
	clock := sceneNow // answers are later than what they answer
	p.responder = open(t, func(o *bars.Options) {
		o.Outbox = p.post
		o.Now = func() time.Time { clock = clock.Add(time.Second); return clock }
	})
	p.requester = open(t)
	owner := p.requester.get("HealthcareService", bare)
	owned, err := owner.Edit().Set(owner.Root(), "providedBy", []byte(`{"reference":"Organization/A1001"}`)).Done()
	require.NoError(t, err)
	_, err = p.requester.put(string(owned.JSON()), 0)
	require.NoError(t, err)
	return p
}

// ask sends a request from bare to hospital and keeps it at the requester's; the
// ids are those of the ServiceRequests.
func (p *pair) ask(c ...changes) (theirs, ours string) {
	p.t.Helper()
	body := referral(p.t, append([]changes{toService(hospital), {"MessageHeader.source.endpoint": nhs.SystemDoS + "|" + bare,
		"Bundle.id": uuid.NewString()}}, c...)...)
	taken, err := p.responder.sendTo(hospital, body)
	require.NoError(p.t, err)
	kept, err := p.requester.desk.Sent(p.requester.ctx, bars.SentRequest{
		Caller: bars.Caller{Door: "send", Organisation: "A1001"}, Key: bars.Key{Door: "send", Values: []string{uuid.NewString()}},
		Body: body, Bundle: parse(p.t, string(body)), Answer: taken.Bundle})
	require.NoError(p.t, err)
	return focus(taken), focus(kept)
}

// respond makes the responder answer and hands back the message.
func (p *pair) respond(r bars.RespondRequest) (bars.Outgoing, error) {
	p.t.Helper()
	r.Caller = bars.Caller{Door: "console", Organisation: "B2002"}
	r.Key = bars.Key{Door: "console", Values: []string{uuid.NewString()}}
	_, err := p.responder.desk.Respond(p.responder.ctx, r)
	if err != nil {
		return bars.Outgoing{}, err
	}
	return p.post.posted[len(p.post.posted)-1], nil
}

// deliver sends an answer to the requester, changed.
func (p *pair) deliver(o bars.Outgoing, c ...changes) (*bars.MessageResult, error) {
	p.t.Helper()
	var doc map[string]any
	require.NoError(p.t, json.Unmarshal(o.Bundle.JSON(), &doc))
	r := request(p.t, apply(p.t, doc, c...))
	r.Caller.Organisation, r.Key.Sender, r.Target = "B2002", "B2002", o.Target
	return p.requester.desk.Message(p.requester.ctx, r)
}

// answered does both and expects no warning.
func (p *pair) answered(r bars.RespondRequest) {
	p.t.Helper()
	o, err := p.respond(r)
	require.NoError(p.t, err)
	result, err := p.deliver(o)
	require.NoError(p.t, err)
	require.Empty(p.t, result.Warnings)
}

// encounters maps the status of each Encounter of a scene to how many have it.
func (s *scene) encounters() map[string]int {
	out := map[string]int{}
	for _, rec := range s.all("Encounter") {
		out[parse(s.t, string(rec.Body)).Get("status").Text()]++
	}
	return out
}

func outcomePlan(t testing.TB, patient, encounter string) bars.Entry {
	return bars.Entry{FullURL: "urn:uuid:" + uuid.NewString(), Resource: parse(t,
		`{"resourceType":"CarePlan","status":"completed","intent":"plan","subject":{"reference":"`+patient+`"},"encounter":{"reference":"`+encounter+`"},"description":"Seen by a clinician",
		"period":{"start":"2026-11-20T09:00:00Z"},"activity":[{"outcomeCodeableConcept":[{"coding":[{"system":"https://fhir.nhs.uk/CodeSystem/pathways-dx-codes","code":"Dx02"}]}]}]}`)}
}

var rejection = fhir.Obj("text", "No crew")

func TestAValidationIsAskedForBegunAndFinished(t *testing.T) {
	p := openPair(t)
	theirs, ours := p.ask(validation)
	require.Equal(t, map[string]int{"triaged": 1, "planned": 1}, p.requester.encounters())

	p.answered(bars.RespondRequest{Referral: theirs, Answer: bars.AnswerInterim})
	for name, s := range map[string]*scene{"responder": p.responder, "requester": p.requester} {
		require.Equal(t, map[string]int{"triaged": 1, "in-progress": 1}, s.encounters(), name)
	}
	interim := p.post.posted[0]
	require.Equal(t, "a4t1|validation|servicerequest-response|new", interim.UseContext)
	require.Equal(t, nhs.ServiceID{System: nhs.SystemDoS, Value: bare}, interim.Target)

	asked := p.responder.get("ServiceRequest", theirs)
	plan := outcomePlan(t, asked.Get("subject", "reference").Text(), asked.Get("encounter", "reference").Text())
	p.answered(bars.RespondRequest{Referral: theirs, Answer: bars.AnswerFull, Entries: []bars.Entry{plan}})
	for name, s := range map[string]*scene{"responder": p.responder, "requester": p.requester} {
		require.Equal(t, map[string]int{"triaged": 1, "finished": 1}, s.encounters(), name)
		require.Len(t, s.all("CarePlan"), 2, name)
	}
	full := p.post.posted[1]
	require.Equal(t, "a4t1|validation|servicerequest-response|update", full.UseContext)
	require.Greater(t, full.Order, interim.Order)
	require.Equal(t, "completed", p.responder.status("ServiceRequest", theirs))
	require.Equal(t, "active", p.requester.status("ServiceRequest", ours))
	require.Len(t, p.requester.all("Patient"), 1, "an answer makes no second patient")

	_, err := p.respond(bars.RespondRequest{Referral: theirs, Answer: bars.AnswerInterim})
	refused(t, err, fhir.KindConflict, "ServiceRequest.status")
	_, err = p.deliver(interim, changes{"Bundle.id": uuid.NewString(), "Encounter.meta.lastUpdated": "2026-11-20T10:00:00Z"})
	refused(t, err, fhir.KindConflict)
}

func TestEachAnswerOfTheStandardTakesEffectOnBothSides(t *testing.T) {
	for name, row := range map[string]struct {
		ask     changes
		answer  bars.RespondRequest
		theirs  string // status of the responder's ServiceRequest
		ours    string
		outcome string // of the responder's Encounter, on both sides
	}{
		"validation, full at once": {validation, bars.RespondRequest{Answer: bars.AnswerFull}, "completed", "active", "finished"},
		"validation, rejected":     {validation, bars.RespondRequest{Answer: bars.AnswerRejected, Reason: rejection}, "revoked", "active", "cancelled"},
		"CAD, in progress":         {cadCase, bars.RespondRequest{Answer: bars.AnswerStatus, Status: "in-progress"}, "active", "active", "in-progress"},
		"CAD, arrived":             {cadCase, bars.RespondRequest{Answer: bars.AnswerStatus, Status: "arrived"}, "active", "active", "arrived"},
		"CAD, finished":            {with(cadCase, changes{"Encounter.status": "triaged"}), bars.RespondRequest{Answer: bars.AnswerStatus, Status: "finished"}, "completed", "active", "finished"},
		"CAD, rejected":            {cadCase, bars.RespondRequest{Answer: bars.AnswerRejected, Reason: rejection}, "revoked", "active", "cancelled"},
		"safeguarding DNA":         {nil, bars.RespondRequest{Answer: bars.AnswerNotAttended}, "revoked", "revoked", "cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			p := openPair(t)
			theirs, ours := p.ask(row.ask)
			row.answer.Referral = theirs
			p.answered(row.answer)
			require.Equal(t, row.theirs, p.responder.status("ServiceRequest", theirs))
			require.Equal(t, row.ours, p.requester.status("ServiceRequest", ours))
			require.NotZero(t, p.responder.encounters()[row.outcome])
			require.NotZero(t, p.requester.encounters()[row.outcome])
			require.Zero(t, p.requester.encounters()["planned"])
		})
	}
}

func TestAnswersThatTheStandardDoesNotKnowAreNotMade(t *testing.T) {
	p := openPair(t)
	validated, _ := p.ask(validation)
	cad, _ := p.ask(cadCase)
	plain, _ := p.ask()
	for name, row := range map[string]struct {
		referral string
		answer   bars.RespondRequest
		kind     fhir.Kind
	}{
		"interim to a referral":    {plain, bars.RespondRequest{Answer: bars.AnswerInterim}, fhir.KindWorkflow},
		"full to a CAD case":       {cad, bars.RespondRequest{Answer: bars.AnswerFull}, fhir.KindWorkflow},
		"status to a validation":   {validated, bars.RespondRequest{Answer: bars.AnswerStatus, Status: "arrived"}, fhir.KindWorkflow},
		"status unknown":           {cad, bars.RespondRequest{Answer: bars.AnswerStatus, Status: "onleave"}, fhir.KindValue},
		"rejection without reason": {cad, bars.RespondRequest{Answer: bars.AnswerRejected}, fhir.KindRequired},
		"DNA to a validation":      {validated, bars.RespondRequest{Answer: bars.AnswerNotAttended}, fhir.KindWorkflow},
		"unknown referral":         {uuid.NewString(), bars.RespondRequest{Answer: bars.AnswerInterim}, fhir.KindNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			row.answer.Referral = row.referral
			_, err := p.respond(row.answer)
			refused(t, err, row.kind)
		})
	}
	require.Empty(t, p.post.posted)
	_, err := p.requester.desk.Respond(p.requester.ctx, bars.RespondRequest{Referral: plain, Answer: bars.AnswerNotAttended,
		Key: bars.Key{Door: "console", Values: []string{"1"}}})
	refused(t, err, fhir.KindNotImplemented)
}

func TestResponsesAreHeldToTheirRequest(t *testing.T) {
	p := openPair(t)
	theirs, _ := p.ask(validation)
	interim, err := p.respond(bars.RespondRequest{Referral: theirs, Answer: bars.AnswerInterim})
	require.NoError(t, err)
	for name, row := range map[string]struct {
		change changes
		kind   fhir.Kind
	}{
		"no response":                     {changes{"MessageHeader.response": nil}, fhir.KindInvariant},
		"unknown identifier":              {changes{"MessageHeader.response.identifier": "unknown"}, fhir.KindNotFound},
		"a code that isn't ok":            {changes{"MessageHeader.response.code": "fatal-error"}, fhir.KindInvariant},
		"the wrong sender":                {changes{"MessageHeader.sender.reference": "urn:uuid:00000005-0000-4000-8000-000000000005"}, fhir.KindInvariant},
		"reason update":                   {changes{reason: "update"}, fhir.KindWorkflow},
		"reason delete":                   {changes{reason: "delete"}, fhir.KindWorkflow},
		"ServiceRequest on hold":          {changes{srStatus: "on-hold"}, fhir.KindWorkflow},
		"ServiceRequest revoked":          {changes{srStatus: "revoked"}, fhir.KindWorkflow},
		"category referral":               {changes{srCategory: "referral"}, fhir.KindWorkflow},
		"another use case":                {changes{srUseCase: "a1t1"}, fhir.KindWorkflow},
		"the full answer's definition":    {changes{definition: definitions + "bars-message-servicerequest-response-validation-full"}, fhir.KindInvariant},
		"another patient":                 {changes{"Patient.birthDate": "1981-01-01"}, fhir.KindInvariant},
		"a resource that has no place":    {changes{"+": []string{minimal("Observation")}}, fhir.KindInvariant},
		"the Encounter of who asked only": {changes{"-Encounter": nil}, fhir.KindInvariant},
	} {
		t.Run(name, func(t *testing.T) {
			before := p.requester.size()
			_, err := p.deliver(interim, changes{"Bundle.id": uuid.NewString()}, row.change)
			refused(t, err, row.kind)
			require.Equal(t, before, p.requester.size())
			require.Equal(t, 1, p.requester.encounters()["planned"])
		})
	}
	_, err = p.deliver(interim)
	require.NoError(t, err)
	_, err = p.deliver(interim, changes{"Bundle.id": uuid.NewString()})
	require.NoError(t, err, "what is no later is let pass and changes nothing")
	require.Equal(t, map[string]int{"triaged": 1, "in-progress": 1}, p.requester.encounters())
}

// Lenient mode overlooks what a response says of its sender, not that a third
// organisation sends it.
func TestNobodyElseAnswersARequest(t *testing.T) {
	s := open(t, lenient)
	id := focus(s.accepted(referral(t, changes{"Bundle.id": "asked"})))
	answer := func(organisation nhs.ODSCode) error {
		r := request(t, referral(t, changes{srStatus: "revoked", event: "servicerequest-response", "MessageHeader.response": map[string]any{"identifier": "asked", "code": "ok"},
			definition: definitions + "bars-message-servicerequest-response-referral", "-CarePlan": nil, "ServiceRequest.basedOn": nil}))
		r.Caller.Organisation, r.Key.Sender = organisation, string(organisation)
		_, err := s.desk.Message(s.ctx, r)
		return err
	}
	refused(t, answer("C3003"), fhir.KindAccess, header+".response")
	require.Equal(t, "active", s.status("ServiceRequest", id))
	require.NoError(t, answer("A1001"))
	require.Equal(t, "revoked", s.status("ServiceRequest", id))
}

// The focus may be the ServiceRequest instead of the Encounter, and a rejection
// has two spellings.
func TestTheSpellingsOfTheStandardAreBothTaken(t *testing.T) {
	for name, row := range map[string]struct {
		ask    changes
		answer bars.RespondRequest
		change changes
	}{
		"focus ServiceRequest": {validation, bars.RespondRequest{Answer: bars.AnswerInterim}, changes{"MessageHeader.focus[0].reference": "urn:uuid:00000009-0000-4000-8000-000000000009"}},
		"rejected: referral revoked, Encounter triaged": {validation, bars.RespondRequest{Answer: bars.AnswerRejected, Reason: rejection},
			changes{srStatus: "revoked", "Encounter.status": "triaged"}},
		"rejected CAD: referral revoked": {cadCase, bars.RespondRequest{Answer: bars.AnswerRejected, Reason: rejection}, changes{srStatus: "revoked"}},
		"full: referral completed":       {validation, bars.RespondRequest{Answer: bars.AnswerFull}, changes{srStatus: "completed"}},
		"the short response's alias":     {cadCase, bars.RespondRequest{Answer: bars.AnswerStatus, Status: "arrived"}, changes{definition: definitions + "bars-message-servicerequest-request-response-short"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := openPair(t)
			theirs, _ := p.ask(row.ask)
			row.answer.Referral = theirs
			o, err := p.respond(row.answer)
			require.NoError(t, err)
			_, err = p.deliver(o, row.change)
			require.NoError(t, err)
			require.Zero(t, p.requester.encounters()["planned"], "%v", p.requester.encounters())
		})
	}
}
