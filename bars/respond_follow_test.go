package bars_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// planned is the responder's own Encounter of a referral.
func (p *pair) planned() *fhir.Resource {
	p.t.Helper()
	for _, rec := range p.responder.all("Encounter") {
		if r := parse(p.t, string(rec.Body)); r.Get("basedOn").Exists() {
			return p.responder.get("Encounter", rec.ID)
		}
	}
	require.FailNow(p.t, "no Encounter of the responder's")
	return nil
}

// move puts the responder's Encounter with another status by plain FHIR.
func (p *pair) move(status string) error {
	p.t.Helper()
	r := p.planned()
	moved, err := r.Edit().SetText(r.Root(), "status", status).Done()
	require.NoError(p.t, err)
	_, err = p.responder.put(string(moved.JSON()), 0)
	return err
}

// Ensure that no Encounter falls silent.
func TestOurEncounterGoesOnNamingItsReferral(t *testing.T) {
	p := openPair(t)
	p.ask(cadCase)
	r := p.planned()
	for _, value := range []string{`[{"reference":"ServiceRequest/other"}]`, `[{"display":"it"}]`} {
		refused(t, p.responder.edited("Encounter", r.ID(), map[string]string{"basedOn": value}), fhir.KindProcessing, "Encounter.basedOn")
	}
	require.NoError(t, p.responder.edited("Encounter", r.ID(), map[string]string{"basedOn": `[{"display":"more"},` + string(r.Get("basedOn").At(0).Raw()) + `]`}))
	refused(t, p.responder.remove("Encounter", r.ID()), fhir.KindProcessing, "Encounter.basedOn")
	require.NoError(t, p.move("arrived"))
	require.NoError(t, p.move("finished"))
	require.Len(t, p.post.posted, 2)
	require.NoError(t, p.responder.remove("Encounter", r.ID()))
}

// queue puts messages where the server's own outbox has them.
type queue struct{}

func (queue) Put(o bars.Outgoing, created time.Time) (store.Op, error) {
	return outbox.Put(outbox.Message{ID: o.ID, Kind: "bars-message", Recipient: o.Target.String(), Focus: o.Focus, Order: o.Order, Created: created, Body: o.Bundle.JSON()})
}

// Ensure that a case can be moved on whatever endpoint its request was taken with:
// the outbox holds names of 256 bytes.
func TestTheLongestSourceThatIsTakenCanBeAnswered(t *testing.T) {
	source := nhs.SystemDoS + "|" + strings.Repeat("9", 255-len(nhs.SystemDoS))
	s := open(t, func(o *bars.Options) { o.Outbox = queue{} })
	sent, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase, changes{"MessageHeader.source.endpoint": source}))
	require.NoError(t, err)
	_, err = s.desk.Respond(s.ctx, bars.RespondRequest{Key: bars.Key{Door: "console", Values: []string{"1"}}, Referral: focus(sent), Answer: bars.AnswerStatus, Status: "arrived"})
	require.NoError(t, err)
	waiting, err := s.store.AuxScan(s.ctx, outbox.Kind, "", "", 0)
	require.NoError(t, err)
	require.Len(t, waiting, 1)
	require.Contains(t, string(waiting[0].Value), source)
}

func TestAChangeOfOurEncounterTellsWhoAskedInTheSameCommit(t *testing.T) {
	for name, row := range map[string]struct {
		kind     changes
		moves    []string
		contexts []string // of what is sent
	}{
		"a CAD case":     {cadCase, []string{"in-progress", "in-progress", "onleave", "arrived", "finished"}, []string{"a6t1", "a6t1", "a6t1"}},
		"a validation":   {validation, []string{"in-progress", "arrived", "in-progress"}, []string{"a4t1"}},
		"other referral": {nil, []string{"in-progress", "finished"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := openPair(t)
			p.ask(row.kind)
			for _, status := range row.moves {
				require.NoError(t, p.move(status), status)
			}
			var got []string
			for i, o := range p.post.posted {
				got = append(got, o.UseContext[:4])
				if i > 0 {
					require.Greater(t, o.Order, p.post.posted[i-1].Order)
				}
				result, err := p.deliver(o)
				require.NoError(t, err)
				require.Empty(t, result.Warnings)
			}
			require.Equal(t, row.contexts, got)
		})
	}
}

func TestAnEndTellsItsOutcomeOnceAndClosesTheReferral(t *testing.T) {
	p := openPair(t)
	theirs, _ := p.ask(validation)
	refused(t, p.move("finished"), fhir.KindProcessing)
	require.Equal(t, "planned", p.planned().Get("status").Text(), "nothing is written without its message")
	require.Empty(t, p.post.posted)

	encounter := p.planned()
	_, err := p.responder.put(`{"resourceType":"CarePlan","id":"outcome","status":"completed","intent":"plan","description":"Seen by a clinician",
		"subject":{"reference":"`+encounter.Get("subject", "reference").Text()+`"},"encounter":{"reference":"Encounter/`+encounter.ID()+`"},
		"period":{"start":"2026-11-20T09:20:00Z"},"activity":[{"outcomeCodeableConcept":[{"coding":[{"system":"https://fhir.nhs.uk/CodeSystem/pathways-dx-codes","code":"Dx02"}]}]}]}`, 0)
	require.NoError(t, err)
	require.NoError(t, p.move("finished"))
	require.Len(t, p.post.posted, 1)
	full := p.post.posted[0]
	require.Equal(t, "a4t1|validation|servicerequest-response|new", full.UseContext, "no interim was sent")
	require.Contains(t, string(entryOf(full.Bundle, "CarePlan").Raw()), "Seen by a clinician")
	require.Equal(t, "completed", p.responder.status("ServiceRequest", theirs))
	result, err := p.deliver(full)
	require.NoError(t, err)
	require.Empty(t, result.Warnings)
	require.Equal(t, map[string]int{"triaged": 1, "finished": 1}, p.requester.encounters())
}

// A receiver passes over what isn't later, so each answer is, even where the clock
// stands still or goes back.
func TestEachAnswerIsLaterThanTheOneBefore(t *testing.T) {
	for name, step := range map[string]time.Duration{"still": 0, "back": -time.Minute} {
		t.Run(name, func(t *testing.T) {
			p := openPair(t)
			clock := sceneNow
			p.responder = open(t, func(o *bars.Options) {
				o.Outbox = p.post
				o.Now = func() time.Time { clock = clock.Add(step); return clock }
			})
			p.ask(cadCase, changes{"Encounter.status": "triaged"})
			for i, status := range []string{"in-progress", "arrived", "finished"} {
				require.NoError(t, p.move(status))
				_, err := p.deliver(p.post.posted[i])
				require.NoError(t, err)
				require.Equal(t, 1, p.requester.encounters()[status], "%v", p.requester.encounters())
			}
		})
	}
}

func TestNobodyIsToldOfAReferralThatWasTakenBack(t *testing.T) {
	p := openPair(t)
	theirs, _ := p.ask(cadCase)
	r := p.responder.get("ServiceRequest", theirs)
	revoked, err := r.Edit().SetText(r.Root(), "status", "revoked").Done()
	require.NoError(t, err)
	_, err = p.responder.put(string(revoked.JSON()), 0)
	require.NoError(t, err)
	require.NoError(t, p.move("cancelled"))
	require.Empty(t, p.post.posted)
}

func TestDescribeReadsWhatASenderMustKnow(t *testing.T) {
	messages := payloadsFilled(t)
	for name, want := range map[string]string{
		"a1-booking":           "a1t2|booked|booking-request|new",
		"a1-booking-cancel":    "a1t2|cancelled|booking-request|update",
		"a4-validation":        "a4t1|validation|servicerequest-request|new",
		"a4-response-full":     "a4t1|validation|servicerequest-response|update",
		"a6-response-rejected": "a6t2|referral|servicerequest-response|new",
	} {
		facts, err := bars.Describe(messages[name])
		require.NoError(t, err, name)
		require.Equal(t, want, facts.UseContext(), name)
	}
	facts, err := bars.Describe(messages["a4-validation"])
	require.NoError(t, err)
	require.Equal(t, "1.1.0", facts.Version)
	require.Equal(t, "2000033311", facts.Source.Value)
	require.Equal(t, "2000011147", facts.Destination.Value)
	require.Equal(t, "Sandbox 111 provider", facts.SenderName)
	require.EqualValues(t, "A1001", facts.Sender)
	for _, name := range []string{"a1-booking", "a4-validation", "a4-response-full"} {
		first := messages[name].Get("entry").At(0).Get("resource")
		broken, err := messages[name].Edit().Remove(first, "eventCoding").Done()
		require.NoError(t, err)
		_, err = bars.Describe(broken)
		require.Error(t, err)
	}
}
