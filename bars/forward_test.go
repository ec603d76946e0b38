package bars_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
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

// Ensure that a referral which another system still works on doesn't vanish here.
func TestAReferralThatWasSentOnIsNotDeletedWhileItIsActive(t *testing.T) {
	s := open(t, forwarding(hospital))
	first, err := s.sendTo(hospital, referral(t, toService(hospital), cadCase))
	require.NoError(t, err)
	refused(t, s.remove("ServiceRequest", focus(first)), fhir.KindConflict)
	require.NoError(t, s.edited("ServiceRequest", focus(first), map[string]string{"status": `"revoked"`}))
	require.NoError(t, s.remove("ServiceRequest", focus(first)))
}

// withdrawn lists the messages of withdrawals that a scene queued.
func (s *scene) withdrawn() []*fhir.Resource {
	var out []*fhir.Resource
	for key, value := range s.sent() {
		if strings.Contains(key, "withdrawn/") {
			out = append(out, parse(s.t, value))
		}
	}
	return out
}

func TestAReportsNextVersionAndItsNullificationAreSentOn(t *testing.T) {
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
	for range 2 { // nullified twice is nullified
		_, err = s.nullify(setURI)
		require.NoError(t, err)
		require.Equal(t, []string{"entered-in-error"}, s.statuses("ServiceRequest"))
		require.Len(t, s.withdrawn(), 1)
	}
	for set := range sets {
		require.NotEmpty(t, s.sent()[strings.TrimSpace(set)+"withdrawn/3"], "the next version of the same set")
	}
	told := s.withdrawn()[0].Get("entry")
	require.Equal(t, "entered-in-error", told.At(1).Dig("resource", "status").Text())
	named := map[string]string{}
	for item := range told.Items() {
		named[item.Get("fullUrl").Text()] = item.Dig("resource", "resourceType").Text()
	}
	require.Equal(t, "Patient", named[told.At(1).Dig("resource", "subject", "reference").Text()])
	require.Equal(t, "Organization", named[told.At(0).Dig("resource", "sender", "reference").Text()])
	require.Equal(t, "Organization", named[told.At(0).Dig("resource", "destination").At(0).Dig("receiver", "reference").Text()])
}

func TestWhoeverAReferralWasSentOnToIsToldThatItIsWithdrawn(t *testing.T) {
	revoked := func(s *scene, id string) string {
		held := s.get("ServiceRequest", id)
		next, err := held.Edit().SetText(held.Root(), "status", "revoked").Done()
		require.NoError(s.t, err)
		return string(next.JSON())
	}
	for name, withdraw := range map[string]func(s *scene, id string) error{
		"a message": func(s *scene, id string) error { _, err := s.send(referralCancel(t, id)); return err },
		"DELETE": func(s *scene, id string) error {
			_, err := s.manage(http.MethodDelete, "ServiceRequest", id, "")
			return err
		},
		"PUT": func(s *scene, id string) error {
			_, err := s.manage(http.MethodPut, "ServiceRequest", id, revoked(s, id))
			return err
		},
		"plain FHIR": func(s *scene, id string) error {
			_, err := s.put(revoked(s, id), 0)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, forwarding(clinic))
			id := focus(s.accepted(referral(t)))
			require.NoError(t, withdraw(s, id))
			require.Equal(t, "revoked", s.status("ServiceRequest", id))
			require.Len(t, s.withdrawn(), 1)
			require.Equal(t, "revoked", s.withdrawn()[0].Get("entry").At(1).Dig("resource", "status").Text())
			require.Len(t, s.sent(), 2)
			require.Len(t, s.all("Communication"), 2, "and a record of both")
			require.Empty(t, s.broken())
		})
	}
}

func TestAReferralThatWasSentOnCannotBeTakenBackUnseen(t *testing.T) {
	s := open(t, forwarding(hospital)) // its receiver takes no withdrawals
	first, err := s.sendTo(hospital, referral(t, toService(hospital)))
	require.NoError(t, err)
	_, err = s.sendTo(hospital, referralCancel(t, focus(first), toService(hospital)))
	require.Equal(t, fhir.KindProcessing, fhir.AsOutcome(err).Kind)
	require.Equal(t, "active", s.status("ServiceRequest", focus(first)))
	kept := s.get("ServiceRequest", focus(first))
	telephoned, err := kept.Edit().SetText(kept.Root(), "status", "revoked").Done()
	require.NoError(t, err)
	_, err = s.put(string(telephoned.JSON()), 0)
	require.NoError(t, err, "staff who telephoned write it down")
	require.Empty(t, s.withdrawn())

	s = open(t, forwarding(clinic))
	id := focus(s.accepted(referral(t)))
	held := s.get("ServiceRequest", id)
	paused, err := held.Edit().SetText(held.Root(), "status", "on-hold").Done()
	require.NoError(t, err)
	_, err = s.manage(http.MethodPut, "ServiceRequest", id, string(paused.JSON()))
	require.Equal(t, fhir.KindProcessing, fhir.AsOutcome(err).Kind, "%v", err)
	require.Equal(t, "active", s.status("ServiceRequest", id))
	_, err = s.manage(http.MethodPost, "ServiceRequest", "", string(held.JSON()))
	require.Equal(t, fhir.KindProcessing, fhir.AsOutcome(err).Kind, "a message is needed: %v", err)
	require.Empty(t, s.withdrawn())
}

func TestAQueuedReferralIsWithdrawnByTheIDUnderWhichItIsKept(t *testing.T) {
	s := open(t, forwarding())
	from := changes{"MessageHeader.source.endpoint": nhs.SystemDoS + "|" + hospital}
	queue := func(body []byte, values ...string) (*bars.MessageResult, error) {
		return s.desk.Queue(s.ctx, bars.QueueRequest{Key: bars.Key{Door: "send", Values: values}, Body: body, Bundle: parse(t, string(body)),
			Way: bars.Way{Reach: bars.ReachSOAP, Address: "https://soap.example"}})
	}
	sent, err := queue(referral(t, from), "a")
	require.NoError(t, err)
	_, err = queue(referralCancel(t, uuid.NewString(), from, changes{"Bundle.id": "other"}), "b")
	refused(t, err, fhir.KindNotFound)
	cancel := referralCancel(t, focus(sent), from, changes{"Bundle.id": "cancel"})
	ended, err := queue(cancel, "c")
	require.NoError(t, err)
	require.Contains(t, ended.Forwarded, "withdrawn/2")
	require.Equal(t, "ServiceRequest.reasonCode", ended.Warnings[len(ended.Warnings)-1].Expression)
	require.Equal(t, "revoked", s.status("ServiceRequest", focus(sent)))
	again, err := queue(cancel, "c")
	require.NoError(t, err)
	require.NotNil(t, again.Replay)
	_, err = queue(referralCancel(t, focus(sent), from, changes{"Bundle.id": "twice"}), "d")
	refused(t, err, fhir.KindConflict)
	require.Len(t, s.withdrawn(), 1)
	_, err = queue(booking(t, 0, from), "e")
	refused(t, err, fhir.KindProcessing)
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
