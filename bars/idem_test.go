package bars_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

func TestTheSameRequestAgainIsAReplay(t *testing.T) {
	s := open(t)
	r := request(t, booking(t, 0))
	once, err := s.desk.Message(s.ctx, r)
	require.NoError(t, err)
	before := s.size()
	again, err := s.desk.Message(s.ctx, r)
	require.NoError(t, err)
	require.NotNil(t, again.Replay)
	require.Nil(t, again.Bundle)
	require.ElementsMatch(t, once.Stored, again.Stored)
	require.Equal(t, before, s.size())

	// It stays a replay after the state has moved on.
	s.accepted(bookingCancel(t, focus(once), 0))
	again, err = s.desk.Message(s.ctx, r)
	require.NoError(t, err)
	require.NotNil(t, again.Replay)
	require.Equal(t, "cancelled", s.status("Appointment", focus(once)))
	s.invariant()
}

func TestTheSameKeyWithAnotherBodyIsInvalid(t *testing.T) {
	s := open(t)
	r := request(t, booking(t, 0))
	_, err := s.desk.Message(s.ctx, r)
	require.NoError(t, err)
	other := request(t, booking(t, 1))
	other.Key = r.Key
	_, err = s.desk.Message(s.ctx, other)
	refused(t, err, fhir.KindInvalid)
	require.Equal(t, "free", s.status("Slot", slotID(clinic, 1)))

	// The hash is over the bytes as received.
	spaced := request(t, append(booking(t, 0), '\n'))
	spaced.Key = r.Key
	_, err = s.desk.Message(s.ctx, spaced)
	refused(t, err, fhir.KindInvalid)
}

func TestAKeyHoldsWithinDoorSenderAndTarget(t *testing.T) {
	s := open(t)
	first := request(t, referral(t))
	first.Key = bars.Key{Door: "bars", Sender: "A1001", Target: "t|1", Values: []string{"k"}}
	_, err := s.desk.Message(s.ctx, first)
	require.NoError(t, err)
	for name, key := range map[string]bars.Key{
		"another door":                    {Door: "nhs111", Sender: "A1001", Target: "t|1", Values: []string{"k"}},
		"another sender":                  {Door: "bars", Sender: "C3003", Target: "t|1", Values: []string{"k"}},
		"another target":                  {Door: "bars", Sender: "A1001", Target: "t|2", Values: []string{"k"}},
		"another value":                   {Door: "bars", Sender: "A1001", Target: "t|1", Values: []string{"K"}},
		"parts that run into one another": {Door: "bars", Sender: "A1001|t", Target: "1", Values: []string{"k"}},
	} {
		r := request(t, referral(t))
		r.Key = key
		result, err := s.desk.Message(s.ctx, r)
		require.NoError(t, err, name)
		require.Nil(t, result.Replay, name)
	}
	require.Len(t, s.all("ServiceRequest"), 6)
}

// SOAP has two keys for one message; either makes it a duplicate.
func TestEachOfSeveralKeysMakesAReplay(t *testing.T) {
	s := open(t)
	body := referral(t)
	r := request(t, body)
	r.Key.Values = []string{"message", "tracking"}
	_, err := s.desk.Message(s.ctx, r)
	require.NoError(t, err)
	for _, values := range [][]string{{"message"}, {"tracking"}, {"new", "tracking"}} {
		r.Key.Values = values
		result, err := s.desk.Message(s.ctx, r)
		require.NoError(t, err)
		require.NotNil(t, result.Replay)
	}
	require.Len(t, s.all("ServiceRequest"), 1)
}

func TestAWriteNeedsAKey(t *testing.T) {
	s := open(t)
	r := request(t, referral(t))
	r.Key.Values = nil
	_, err := s.desk.Message(s.ctx, r)
	refused(t, err, fhir.KindRequired)
}

func TestTheSameKeyAtOnceHasOneEffect(t *testing.T) {
	s := open(t)
	r := request(t, referral(t))
	const callers = 16
	results, errs := make([]*bars.MessageResult, callers), make([]error, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() { results[i], errs[i] = s.desk.Message(s.ctx, r) })
	}
	all.Wait()
	done := 0
	for i, err := range errs {
		switch {
		case err != nil:
			refused(t, err, fhir.KindTooEarly)
			require.Positive(t, fhir.AsOutcome(err).RetryAfter)
		case results[i].Replay == nil:
			done++
		}
	}
	require.Equal(t, 1, done)
	require.Len(t, s.all("ServiceRequest"), 1)
	require.Len(t, s.all("Patient"), 1)
}

// While a request is being carried out, its key is too early, also for a
// request that shares only one of its keys.
func TestTheSameKeyWhileItsRequestRunsIsTooEarly(t *testing.T) {
	var during func()
	s := open(t, func(o *bars.Options) {
		o.Now = func() time.Time {
			if f := during; f != nil {
				during = nil
				f()
			}
			return sceneNow
		}
	})
	r := request(t, referral(t))
	r.Key.Values = []string{"a", "b"}
	inner := request(t, referral(t))
	inner.Key.Values = []string{"b"}
	var nested error
	during = func() { _, nested = s.desk.Message(s.ctx, inner) }
	_, err := s.desk.Message(s.ctx, r)
	require.NoError(t, err)
	require.Nil(t, during, "the request met the other one while it ran")
	refused(t, nested, fhir.KindTooEarly)
	require.Len(t, s.all("ServiceRequest"), 1)
}

func TestAFailedRequestMayBeTriedAgainWithItsKey(t *testing.T) {
	s := open(t)
	s.putSlot(0, "busy")
	r := request(t, booking(t, 0))
	_, err := s.desk.Message(s.ctx, r)
	refused(t, err, fhir.KindConflict)
	s.putSlot(0, "free")
	result, err := s.desk.Message(s.ctx, r)
	require.NoError(t, err)
	require.Nil(t, result.Replay)
	require.Empty(t, s.failures(), "a failure that its caller heard isn't kept")
}

func TestABudgetThatRanOutIsATimeoutAndNothingHappened(t *testing.T) {
	s := open(t, func(o *bars.Options) { o.Budget = time.Nanosecond })
	before := s.size()
	_, err := s.send(booking(t, 0))
	refused(t, err, fhir.KindTimeout)
	require.Equal(t, before, s.size())
	require.Empty(t, s.failures(), "a timeout asks for a retry and isn't kept")
	s.invariant()
}

// leavingStore is the real store; its caller leaves right after the last record
// that a message looks up: the referral that it refers to, or the Slot.
type leavingStore struct {
	store.Store
	leave context.CancelFunc
}

func (l *leavingStore) GetMany(ctx context.Context, refs []store.Ref) ([]*store.Record, error) {
	found, err := l.Store.GetMany(ctx, refs)
	if l.leave != nil && (refs[0] == (store.Ref{Type: "ServiceRequest", ID: "none"}) || refs[0].Type == "Schedule") {
		l.leave()
	}
	return found, err
}

// leaving is a scene whose next request loses its caller while it is carried
// out.
func leaving(t *testing.T) (s *scene, send func(bars.MessageRequest) error) {
	s = open(t)
	wrapped := &leavingStore{Store: s.store}
	desk := bars.NewDesk(wrapped, bars.Options{Base: base, Now: func() time.Time { return sceneNow }, Budget: time.Minute})
	return s, func(r bars.MessageRequest) error {
		ctx, cancel := context.WithCancel(s.ctx)
		defer cancel()
		wrapped.leave = cancel
		_, err := desk.Message(ctx, r)
		return err
	}
}

func (s *scene) failures() []store.Aux {
	s.t.Helper()
	found, err := s.store.AuxScan(s.ctx, "idem-failed", "", "", 0)
	require.NoError(s.t, err)
	return found
}

var dangling = changes{
	"ServiceRequest.requester.reference": "urn:uuid:00000000-0000-4000-8000-000000000000",
	"ServiceRequest.supportingInfo":      []any{map[string]any{"reference": "ServiceRequest/none"}},
}

func TestAFailureThatNobodyHeardIsToldOnce(t *testing.T) {
	s, sendAndLeave := leaving(t)
	r := request(t, referral(t, dangling))
	refused(t, sendAndLeave(r), fhir.KindInvariant)
	require.Len(t, s.failures(), 1)

	// Another body under the key isn't told; it is a request of its own.
	other := request(t, referral(t, changes{"ServiceRequest.status": "draft"}))
	other.Key = r.Key
	_, err := s.desk.Message(s.ctx, other)
	refused(t, err, fhir.KindWorkflow)
	require.Len(t, s.failures(), 1)

	_, err = s.desk.Message(s.ctx, r)
	refused(t, err, fhir.KindInvariant, first+".requester.reference", first+".supportingInfo[0]")
	require.Empty(t, s.failures(), "told, then forgotten")
	_, err = s.desk.Message(s.ctx, r)
	refused(t, err, fhir.KindInvariant)
	require.Empty(t, s.failures())
}

func TestACallerWhoLeftBeforeTheCommitChangedNothing(t *testing.T) {
	s, sendAndLeave := leaving(t)
	r := request(t, booking(t, 0))
	refused(t, sendAndLeave(r), fhir.KindTimeout)
	require.Empty(t, s.failures(), "408 is never kept")
	require.Empty(t, s.all("Appointment"))
	s.invariant()
	result, err := s.desk.Message(s.ctx, r)
	require.NoError(t, err)
	require.Nil(t, result.Replay)
}

// unknownStore carries a batch out and then doesn't know it, once.
type unknownStore struct {
	store.Store
	told bool
}

func (u *unknownStore) Commit(ctx context.Context, b *store.Batch) (*store.Result, error) {
	done, err := u.Store.Commit(ctx, b)
	if err == nil && !u.told {
		u.told = true
		return nil, store.ErrUnknown
	}
	return done, err
}

func TestAnUnknownResultIsATimeoutAndTheRetrySaysWhatHappened(t *testing.T) {
	s := open(t)
	desk := bars.NewDesk(&unknownStore{Store: s.store}, bars.Options{Base: base, Now: func() time.Time { return sceneNow }, Budget: time.Minute})
	r := request(t, booking(t, 0))
	_, err := desk.Message(s.ctx, r)
	refused(t, err, fhir.KindTimeout)
	result, err := desk.Message(s.ctx, r)
	require.NoError(t, err)
	require.NotNil(t, result.Replay)
	require.Len(t, s.all("Appointment"), 1)
	s.invariant()
}
