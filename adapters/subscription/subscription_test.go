package subscription

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/egress"
	"github.com/onward-health/onward/store"
)

func TestAMatchingVersionIsToldToEachSubscriber(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write("", s.subscription("a", ""), s.subscription("b", ""), strings.Replace(s.subscription("c", ""), "=requested", "=draft", 1))
		s.write("", task("one"))
		s.step(s.fanout("f"))
		s.deliver(s.worker(s.policy))
		require.ElementsMatch(t, []string{"/a/Task/one", "/b/Task/one"}, s.told())
		require.Empty(t, s.letters(false))
	})
}

func TestAfterItsLastAttemptTheSubscriptionIsInErrorAndStops(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write("", s.subscription("a", ""))
		s.write("", task("one"))
		f, w := s.fanout("f"), s.worker(s.policy)
		s.step(f)
		s.answer(503)
		for n := 1; n <= Policy().MaxAttempts; n++ {
			require.Equal(t, "active", s.read("a").Get("status").Text(), "before attempt %d", n)
			require.NoError(t, w.Step(t.Context()))
			require.Len(t, s.told(), 1, "attempt %d", n)
			s.clock.Move(20 * time.Minute)
		}
		require.Equal(t, "error", s.read("a").Get("status").Text())
		require.Equal(t, "Notifications stopped: the endpoint answered with status 503", s.read("a").Get("error").Text())
		require.Len(t, s.letters(true), 1)

		s.answer(200)
		s.write("", task("two"))
		s.step(f)
		s.deliver(w)
		require.Empty(t, s.told())

		s.write("", s.subscription("a", "")) // requested again
		s.write("", task("three"))
		s.step(f)
		s.deliver(w)
		require.Equal(t, []string{"/a/Task/three"}, s.told())
	})
}

// Ensure that an endpoint which is away for a moment isn't given up because this
// server was, for more than a day.
func TestAnEndpointIsNotBlamedForTheTimeThatTheFeedStoodStill(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write("", s.subscription("a", ""))
		s.write("", task("one"))
		s.clock.Move(25 * time.Hour)
		s.step(s.fanout("f"))
		s.answer(503)
		w := s.worker(s.policy)
		s.deliver(w)
		require.Len(t, s.told(), 1)
		require.Equal(t, "active", s.read("a").Get("status").Text())
		s.answer(200)
		s.clock.Move(time.Minute)
		s.deliver(w)
		require.Equal(t, []string{"/a/Task/one"}, s.told())
	})
}

func TestWhatWaitsForASubscriptionInErrorBecomesADeadLetterAndForOneThatIsOffIsForgotten(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write("", s.subscription("a", ""), s.subscription("b", ""))
		s.write("", task("one"))
		s.step(s.fanout("f"))
		require.Len(t, s.letters(false), 2)
		require.NoError(t, s.desk.StopSubscription(t.Context(), "a", 1, "error", "x"))
		s.write("", strings.Replace(s.subscription("b", ""), `"status":"requested"`, `"status":"off"`, 1))
		s.deliver(s.worker(s.policy))
		require.Empty(t, s.told())
		require.Empty(t, s.letters(false))
		dead := s.letters(true)
		require.Len(t, dead, 1)
		require.Equal(t, "a", dead[0].Recipient)
	})
}

func TestASubscriptionEndsWhenItsTimeHasCome(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		end := fhir.FormatInstant(s.clock.Now().Add(time.Hour))
		s.write("", s.subscription("a", fmt.Sprintf(`,"end":%q`, end)))
		f := s.fanout("f")
		s.step(f)
		require.Equal(t, "active", s.read("a").Get("status").Text())
		s.clock.Move(time.Hour)
		s.write("", task("one"))
		s.step(f)
		require.Empty(t, s.letters(false), "too late")
		require.Equal(t, "off", s.read("a").Get("status").Text())
	})
}

func TestASubscriberIsToldOnlyOfWhatItsOrganisationMaySee(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write("A1001", s.subscription("a", ""))
		s.write("A1001", task("seen"))
		s.write("B2002", task("unseen"))
		s.step(s.fanout("f"))
		s.deliver(s.worker(s.policy))
		require.Equal(t, []string{"/a/Task/seen"}, s.told())
	})
}

func TestAnEndpointThatResolvesToAPrivateAddressPutsTheSubscriptionInError(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write("", s.subscription("a", ""))
		s.write("", task("one"))
		s.step(s.fanout("f"))
		s.deliver(s.worker(&egress.Policy{}))
		require.Empty(t, s.told())
		require.Equal(t, "error", s.read("a").Get("status").Text())
		require.Contains(t, s.read("a").Get("error").Text(), "may not be called")
	})
}

// Ensure that an endpoint over http, say, that an operator allowed once isn't called
// when that was taken back.
func TestAnEndpointThatIsNoLongerAllowedIsNotCalled(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write("", s.subscription("a", ""))
		s.write("", task("one"))
		s.step(s.fanout("f"))
		s.refuse = errors.New("it must begin with https")
		s.deliver(s.worker(s.policy))
		require.Empty(t, s.told())
		require.Equal(t, "error", s.read("a").Get("status").Text())
		require.Contains(t, s.read("a").Get("error").Text(), "may not be called")
	})
}

func TestAFailureOfAnOlderVersionDoesNotStopTheNewOne(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write("", s.subscription("a", ""))
		s.write("", s.subscription("a", ""))
		require.NoError(t, s.desk.StopSubscription(t.Context(), "a", 1, "error", "late"))
		require.Equal(t, "active", s.read("a").Get("status").Text())
	})
}

func TestOneOfSeveralProcessesFansOutAndAnotherTakesOver(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write("", s.subscription("a", ""))
		first, second := s.fanout("first"), s.fanout("second")
		s.write("", task("one"))
		s.step(first)
		s.step(second)
		require.Len(t, s.letters(false), 1)
		s.write("", task("two"))
		s.step(second)
		require.Len(t, s.letters(false), 1, "the first has the lease")
		s.clock.Move(time.Minute) // the first sleeps
		s.step(second)
		require.Len(t, s.letters(false), 2, "the second goes on where the first was")
		w := s.worker(s.policy)
		s.deliver(w)
		require.ElementsMatch(t, []string{"/a/Task/one", "/a/Task/two"}, s.told())

		s.write("", task("three"))
		s.step(first) // wakes, and finds its lease lost
		require.Empty(t, s.letters(false))
		s.step(second)
		s.deliver(w)
		require.Equal(t, []string{"/a/Task/three"}, s.told())
	})
}

func TestAProcessThatStopsHandsOverAtOnce(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write("", s.subscription("a", ""))
		s.write("", task("one"))
		f := s.fanout("first")
		wrote := make(chan struct{}, 10)
		f.Wake = func() { wrote <- struct{}{} }
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { f.Run(ctx); close(ended) }()
		<-wrote
		s.write("", task("two"))
		<-wrote
		stop()
		<-ended
		s.write("", task("three"))
		s.step(s.fanout("second"))
		require.Len(t, s.letters(false), 3)
	})
}

func TestACrashBeforeTheCommitLosesNothingAndOneAfterItRepeatsNothing(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write("", s.subscription("a", ""))
		s.write("", task("one"))
		dying := &lossy{Store: s.store, left: 1} // the lease is taken, then nothing
		_, err := s.fanoutOn(dying, "process").Step(t.Context(), 0)
		require.ErrorIs(t, err, store.ErrUnavailable)
		require.Empty(t, s.letters(false))
		s.step(s.fanout("process")) // started again, it has its lease at once
		require.Len(t, s.letters(false), 1)
		s.deliver(s.worker(s.policy))
		require.Len(t, s.told(), 1)
		s.step(s.fanout("process"))
		require.Empty(t, s.letters(false), "the position was kept with the message")
	})
}

func TestMoreNotificationsThanOneCommitTakes(t *testing.T) {
	s := onSQLite(t)
	const subscribers = 400
	var texts []string
	for n := range subscribers {
		texts = append(texts, s.subscription(fmt.Sprintf("s%d", n), ""))
	}
	s.write("", texts...)
	f := s.fanout("f")
	s.step(f) // the Subscriptions' own changes
	s.write("", task("one"), task("two"), task("three"))
	dying := &lossy{Store: s.store, left: 1} // after the first part of the notifications
	f.Store = dying
	_, err := f.Step(t.Context(), 0)
	require.ErrorIs(t, err, store.ErrUnavailable)
	f = s.fanout("f")
	s.step(f)
	n := 0
	for after := ""; ; {
		docs, err := s.store.AuxScan(t.Context(), "outbox", "", after, 1000)
		require.NoError(t, err)
		if len(docs) == 0 {
			break
		}
		n, after = n+len(docs), docs[len(docs)-1].Key
	}
	require.Equal(t, 3*subscribers, n, "each once, though the first part was made twice")
}

// Ensure that an endpoint is told while many others don't answer.
func TestManyEndpointsThatDoNotAnswerHoldUpNoOther(t *testing.T) {
	s := onSQLite(t)
	told := make(chan struct{})
	var once sync.Once
	s.hook = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/vivid/") {
			once.Do(func() { close(told) })
			return
		}
		select {
		case <-told:
			w.WriteHeader(http.StatusServiceUnavailable)
		case <-t.Context().Done():
		}
	}))
	t.Cleanup(s.hook.Close)
	var texts []string
	for n := range Together - 1 {
		texts = append(texts, s.subscription(fmt.Sprintf("hang%d", n), ""))
	}
	s.write("", append(texts, s.subscription("vivid", ""))...)
	f := s.fanout("f")
	s.step(f)
	s.write("", task("one"))
	s.step(f)
	w := s.worker(s.policy)
	require.NoError(t, w.Step(t.Context()))
	waiting := s.letters(false)
	require.Len(t, waiting, Together-1, "the others wait")
	for _, m := range waiting {
		require.Contains(t, m.Reason, "503", "it was answered once the one had been told")
	}
}

func TestAPositionOfAnotherStoreStartsTheFeedAnew(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *scene) {
		s.write("", s.subscription("a", ""))
		s.write("", task("one"))
		_, err := s.store.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.AuxPut{Kind: positionKind, Key: positionKey, Value: []byte("elsewhere")}}})
		require.NoError(t, err)
		f := s.fanout("f")
		s.step(f)
		require.Len(t, s.letters(false), 1)
	})
}

func TestANotificationIsSignedAsStandardWebhooksHasIt(t *testing.T) {
	// The signature was computed with openssl dgst -sha256 -hmac.
	secret := []byte("abcdefghijklmnopqrstuvwx")
	require.Equal(t, "v1,LP8gQOd2Bw/qMCqTP2xzUPesfohP856Qd6Yv7wU0CU0=", sign(secret, "msg_1", "1700000000", []byte(`{"a":1}`)))
}

func TestANotificationKeepsTheEndpointsQueryAndPath(t *testing.T) {
	rec := &store.Record{Type: "Task", ID: "x", Version: 3, LastUpdated: time.Unix(0, 0).UTC(), Body: []byte(`{"resourceType":"Task","id":"x"}`)}
	for _, c := range []struct{ endpoint, payload, method, url string }{
		{"https://r.example/in?key=1", "", http.MethodPost, "https://r.example/in?key=1"},
		{"https://r.example/in/?key=1", "application/fhir+json", http.MethodPut, "https://r.example/in/Task/x?key=1"},
		{"https://r.example", "application/fhir+xml", http.MethodPut, "https://r.example/Task/x"},
	} {
		req, err := notification(&bars.Channel{Endpoint: c.endpoint, Payload: c.payload, Header: http.Header{}}, rec, "id", time.Unix(5, 0))
		require.NoError(t, err)
		require.Equal(t, c.method, req.Method)
		require.Equal(t, c.url, req.URL.String())
		require.Equal(t, "5", req.Header.Get("Webhook-Timestamp"))
	}
}

func TestTheFanOutSaysWhenItHasCaughtUp(t *testing.T) {
	s := onSQLite(t)
	var at []time.Time
	watched := func(f *Fanout) *Fanout {
		f.CaughtUp = func(now time.Time) { at = append(at, now) }
		return f
	}
	caughtUp := func(f *Fanout) bool {
		at = nil
		_, _ = f.Step(t.Context(), 0)
		return len(at) == 1 && at[0].Equal(s.clock.Now())
	}
	s.write("", s.subscription("a", ""))
	for n := range pageSize/50 + 1 {
		var texts []string
		for m := range 50 {
			texts = append(texts, task(fmt.Sprint(n, "-", m)))
		}
		s.write("", texts...)
	}
	f := watched(s.fanout("f"))
	require.False(t, caughtUp(f), "a full page, and more behind it")
	require.True(t, caughtUp(f), "the last page")
	require.True(t, caughtUp(f), "nothing new")
	require.True(t, caughtUp(watched(s.fanout("another"))), "the work is another process's")

	s.write("", task("more"))
	require.False(t, caughtUp(watched(s.fanoutOn(&lossy{Store: s.store}, "f"))), "what isn't kept isn't dealt with")
	require.NoError(t, s.store.Close())
	require.False(t, caughtUp(f))
}
