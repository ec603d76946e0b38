package bars_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// sends sends a message from bare to a service of the responder's and keeps it at
// the requester's.
func (p *pair) sends(service string, body []byte, lost ...bool) (theirs *bars.MessageResult, ours *bars.MessageResult, err error) {
	p.t.Helper()
	theirs, err = p.responder.sendTo(service, body)
	require.NoError(p.t, err)
	answer := theirs.Bundle
	if len(lost) > 0 {
		answer = nil
	}
	ours, err = p.requester.desk.Sent(p.requester.ctx, bars.SentRequest{
		Caller: bars.Caller{Door: "send", Organisation: "A1001", RequestID: "r1"}, Key: bars.Key{Door: "send", Values: []string{uuid.NewString()}},
		Body: body, Bundle: parse(p.t, string(body)), Answer: answer})
	return theirs, ours, err
}

func fromBare(id string) changes {
	return changes{"MessageHeader.source.endpoint": nhs.SystemDoS + "|" + bare, "Bundle.id": id}
}

// broken is what the requester's store has of broken invariants.
func (s *scene) broken() []string {
	_, list := s.verify(false)
	return list
}

// A booking that was sent holds no Slot of ours: the receiver's isn't offered
// here, and the store's claims stay whole.
func TestABookingThatWasSentTakesAndOffersNoSlotHere(t *testing.T) {
	p := openPair(t)
	slots, schedules := len(p.requester.all("Slot")), len(p.requester.all("Schedule"))
	theirs, ours, err := p.sends(clinic, booking(t, 0, fromBare("b1")))
	require.NoError(t, err)
	require.Len(t, p.requester.all("Slot"), slots)
	require.Len(t, p.requester.all("Schedule"), schedules)
	require.Equal(t, "free", p.requester.status("Slot", slotID(clinic, 0)), "the slot is the receiver's")
	require.Empty(t, p.requester.broken())
	kept := p.requester.get("Appointment", focus(ours))
	require.Equal(t, "booked", kept.Get("status").Text())
	require.Equal(t, "Slot", kept.Get("contained").At(0).Get("resourceType").Text())
	require.Equal(t, slotStart(0), kept.Get("contained").At(0).Get("start").Text())

	_, _, err = p.sends(clinic, bookingCancel(t, focus(theirs), 0, fromBare("b2")))
	require.NoError(t, err)
	require.Equal(t, "cancelled", p.responder.status("Appointment", focus(theirs)))
	require.Equal(t, "cancelled", p.requester.status("Appointment", focus(ours)))
	require.Empty(t, p.requester.broken())
}

func TestWhatWasSentIsCancelledAndUpdatedHereToo(t *testing.T) {
	p := openPair(t)
	theirs, ours, err := p.sends(hospital, referral(t, toService(hospital), cadCase, fromBare("c1")))
	require.NoError(t, err)
	encounter := p.requester.get("ServiceRequest", focus(ours)).Get("encounter", "reference").Text()[len("Encounter/"):]
	_, _, err = p.sends(hospital, cadUpdate(t, focus(theirs), fromBare("c2"), changes{
		"Encounter.status": "in-progress", "Encounter.meta.lastUpdated": laterStamp, "Encounter.id": entryOf(theirs.Bundle, "Encounter").Get("id").Text()}))
	require.NoError(t, err)
	require.Equal(t, "in-progress", p.requester.status("Encounter", encounter))
	require.Equal(t, map[string]int{"in-progress": 1, "planned": 1}, p.requester.encounters(), "nothing is stored a second time")
	require.Equal(t, "active", p.requester.status("ServiceRequest", focus(ours)))

	_, _, err = p.sends(hospital, referralCancel(t, focus(theirs), toService(hospital), fromBare("c3"), changes{srUseCase: "a6t1"}))
	require.NoError(t, err)
	require.Equal(t, "revoked", p.responder.status("ServiceRequest", focus(theirs)))
	require.Equal(t, "revoked", p.requester.status("ServiceRequest", focus(ours)))
	require.Equal(t, map[string]int{"in-progress": 1, "cancelled": 1}, p.requester.encounters())
}

// Ensure that the receiver's ids are known however it writes our names.
func TestTheReceiverMayAnswerInCapitals(t *testing.T) {
	p := openPair(t)
	body := referral(t, toService(hospital), cadCase, fromBare("u1"))
	theirs, err := p.responder.sendTo(hospital, body)
	require.NoError(t, err)
	answer := regexp.MustCompile(`"urn:uuid:[^"]*"`).ReplaceAllStringFunc(string(theirs.Bundle.JSON()), strings.ToUpper)
	ours, err := p.requester.desk.Sent(p.requester.ctx, bars.SentRequest{
		Caller: bars.Caller{Door: "send", Organisation: "A1001", RequestID: "r1"}, Key: bars.Key{Door: "send", Values: []string{uuid.NewString()}},
		Body: body, Bundle: parse(t, string(body)), Answer: parse(t, answer)})
	require.NoError(t, err)
	require.Equal(t, map[string]int{"finished": 1, "planned": 1}, p.requester.encounters())
	_, _, err = p.sends(hospital, referralCancel(t, focus(theirs), toService(hospital), fromBare("u2"), changes{srUseCase: "a6t1"}))
	require.NoError(t, err)
	require.Equal(t, "revoked", p.requester.status("ServiceRequest", focus(ours)))
}

func TestAChangeOfWhatIsNotKeptIsNotFound(t *testing.T) {
	p := openPair(t)
	theirs, ours, err := p.sends(hospital, referral(t, toService(hospital), fromBare("d1")), true)
	require.NoError(t, err)
	_, _, err = p.sends(hospital, referralCancel(t, focus(theirs), toService(hospital), fromBare("d2")))
	refused(t, err, fhir.KindNotFound)
	require.Equal(t, "active", p.requester.status("ServiceRequest", focus(ours)), "the ids were lost with the answer")
}

// An answer that overtakes our record of its request must come again: that it
// answers nothing would be believed.
func TestAnAnswerThatOvertakesItsRequestComesAgain(t *testing.T) {
	p := openPair(t)
	body := referral(t, toService(hospital), validation, fromBare("e1"))
	taken, err := p.responder.sendTo(hospital, body)
	require.NoError(t, err)
	answer, err := p.respond(bars.RespondRequest{Referral: focus(taken), Answer: bars.AnswerInterim})
	require.NoError(t, err)
	ctx, desk := p.requester.ctx, p.requester.desk

	require.NoError(t, desk.Sending(ctx, "e1", "r1"))
	_, err = p.deliver(answer)
	refused(t, err, fhir.KindUnavailable)
	require.NoError(t, desk.NotSent(ctx, "e1", "r1"))
	_, err = p.deliver(answer)
	refused(t, err, fhir.KindNotFound)

	require.NoError(t, desk.Sending(ctx, "e1", "r1"))
	_, err = desk.Sent(ctx, bars.SentRequest{Caller: bars.Caller{Door: "send", Organisation: "A1001", RequestID: "r1"},
		Key: bars.Key{Door: "send", Values: []string{"e1"}}, Body: body, Bundle: parse(t, string(body)), Answer: taken.Bundle})
	require.NoError(t, err)
	_, err = p.deliver(answer)
	require.NoError(t, err)
	marks, err := p.requester.store.AuxScan(ctx, "sending", "", "", 10)
	require.NoError(t, err)
	require.Empty(t, marks)
}
