package bars_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// sent lists what the forwarder of a scene queued, by message and version.
func (s *scene) sent() map[string]string {
	s.t.Helper()
	found, err := s.store.AuxScan(s.ctx, "sent", "", "", 100)
	require.NoError(s.t, err)
	out := map[string]string{}
	for _, doc := range found {
		out[doc.Key] = string(doc.Value)
	}
	return out
}

func forwarding(routes ...string) func(*bars.Options) {
	return func(o *bars.Options) {
		r := soapRoutes{}
		for _, id := range routes {
			r[id] = true
		}
		o.Forwarder = r
	}
}

func TestAReferralIsSentOnInTheCommitThatStoresIt(t *testing.T) {
	s := open(t, forwarding(hospital))
	first, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase))
	require.NoError(t, err)
	set := "set of " + first.Bundle.ID() + " "
	require.Equal(t, map[string]string{first.Bundle.ID() + "/1": set}, s.sent())
	note := parse(t, string(s.all("Communication")[0].Body))
	require.Equal(t, "in-progress", note.Get("status").Text())
	require.Equal(t, "ServiceRequest/"+focus(first), note.Get("basedOn").At(0).Get("reference").Text())
	require.Equal(t, "Flag: in words", note.Get("note").At(0).Get("text").Text())

	// News is the next version of the same set.
	taken, err := s.sendTo(hospital, cadUpdate(t, focus(first), changes{"Encounter.status": "in-progress", "Encounter.meta.lastUpdated": laterStamp}))
	require.NoError(t, err)
	require.Equal(t, set, s.sent()[taken.Bundle.ID()+"/2"])

	// A booking and another service's referral go nowhere.
	s.accepted(referral(t))
	require.Len(t, s.sent(), 2)
	require.Len(t, s.all("Communication"), 2)

	// What became of it is written into its Communication, once.
	ref := s.all("Communication")[0].Ref()
	require.NoError(t, s.desk.NoteDelivery(s.ctx, ref.String(), false, "HTTP 500"))
	require.Equal(t, "stopped", s.status(ref.Type, ref.ID))
	for range 2 {
		require.NoError(t, s.desk.NoteDelivery(s.ctx, ref.String(), true, ""))
	}
	rec, err := s.store.Get(s.ctx, ref)
	require.NoError(t, err)
	require.Equal(t, int64(3), rec.Version)
	require.False(t, parse(t, string(rec.Body)).Get("statusReason").Exists())
	require.NoError(t, s.desk.NoteDelivery(s.ctx, "Communication/gone", true, ""))
}

func TestAReportsNextVersionIsSentOnAndItsNullificationRefused(t *testing.T) {
	s := open(t, forwarding(clinic))
	_, err := s.report(document(1, "one"))
	require.NoError(t, err)
	_, err = s.report(document(1, "one"))
	require.NoError(t, err)
	require.Len(t, s.sent(), 1, "the same version again")
	_, err = s.report(document(2, "two"))
	require.NoError(t, err)
	sets := map[string]bool{}
	for _, set := range s.sent() {
		sets[set] = true
	}
	require.Len(t, s.sent(), 2)
	require.Len(t, sets, 1)
	_, err = s.nullify(setURI)
	require.Equal(t, fhir.KindProcessing, fhir.AsOutcome(err).Kind)
	require.Equal(t, []string{"active"}, s.statuses("ServiceRequest"))
}

func TestAReferralThatWasSentOnCannotBeTakenBackUnseen(t *testing.T) {
	s := open(t, forwarding(clinic))
	first := s.accepted(referral(t))
	_, err := s.send(referralCancel(t, focus(first)))
	require.Equal(t, fhir.KindProcessing, fhir.AsOutcome(err).Kind)
	_, err = s.manage(http.MethodDelete, "ServiceRequest", focus(first), "")
	require.Equal(t, fhir.KindProcessing, fhir.AsOutcome(err).Kind)
	held := s.get("ServiceRequest", focus(first))
	paused, err := held.Edit().SetText(held.Root(), "status", "on-hold").Done()
	require.NoError(t, err)
	_, err = s.manage(http.MethodPut, "ServiceRequest", focus(first), string(paused.JSON()))
	require.Equal(t, fhir.KindProcessing, fhir.AsOutcome(err).Kind, "%v", err)
	require.Equal(t, "active", s.status("ServiceRequest", focus(first)))
	_, err = s.manage(http.MethodPost, "ServiceRequest", "", string(held.JSON()))
	require.Equal(t, fhir.KindProcessing, fhir.AsOutcome(err).Kind, "a message is needed: %v", err)
}

func TestAReferralIsQueuedOnceUnderWhateverIdsItComes(t *testing.T) {
	s := open(t, forwarding())
	body := referral(t, changes{"MessageHeader.source.endpoint": nhs.SystemDoS + "|" + hospital})
	queue := func(values ...string) (*bars.MessageResult, error) {
		return s.desk.Queue(s.ctx, bars.QueueRequest{Key: bars.Key{Door: "send", Values: values}, Body: body, Bundle: parse(t, string(body)),
			Way: bars.Way{Reach: bars.ReachSOAP, Address: "https://soap.example"}})
	}
	first, err := queue("a", "bundle")
	require.NoError(t, err)
	require.NotEmpty(t, first.Forwarded)
	require.Equal(t, "Flag", first.Warnings[len(first.Warnings)-1].Expression)
	again, err := queue("b", "bundle")
	require.NoError(t, err)
	require.NotNil(t, again.Replay)
	done, err := s.desk.Done(s.ctx, bars.Key{Door: "send", Values: []string{"c", "bundle"}}, body)
	require.NoError(t, err)
	require.True(t, done)
	require.Len(t, s.sent(), 1)
	for _, value := range s.sent() {
		require.Contains(t, value, "https://soap.example")
	}
	require.Len(t, s.all("ServiceRequest"), 1)

	without := open(t)
	_, err = without.desk.Queue(without.ctx, bars.QueueRequest{Key: bars.Key{Door: "send", Values: []string{"a"}}, Body: body, Bundle: parse(t, string(body))})
	require.Equal(t, fhir.KindProcessing, fhir.AsOutcome(err).Kind)
}
