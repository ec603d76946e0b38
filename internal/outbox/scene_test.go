package outbox_test

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/storetest"
	"github.com/onward-health/onward/store/storetest/engines"
)

// scene is an empty store with a clock that the test moves.
type scene struct {
	t     *testing.T
	store store.Store
	clock *storetest.Clock
}

// onEachEngine runs a test on every engine.
func onEachEngine(t *testing.T, test func(t *testing.T, s *scene)) {
	engines.Each(t, func(t *testing.T, db store.Store, clock *storetest.Clock) { test(t, &scene{t, db, clock}) })
}

// receiver is a Sender that notes what it is given and answers as it is told.
type receiver struct {
	mu     sync.Mutex
	got    []outbox.Message
	answer func(m outbox.Message) outbox.Result // nil: delivered
}

func (r *receiver) Send(_ context.Context, m outbox.Message) outbox.Result {
	r.mu.Lock()
	r.got = append(r.got, m)
	answer := r.answer
	r.mu.Unlock()
	if answer == nil {
		return outbox.Result{Verdict: outbox.Delivered}
	}
	return answer(m)
}

// ids lists the ids of what came in, and forgets it.
func (r *receiver) ids() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []string{}
	for _, m := range r.got {
		list = append(list, m.ID)
	}
	r.got = nil
	return list
}

func (r *receiver) say(answer func(m outbox.Message) outbox.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func again(outbox.Message) outbox.Result { return outbox.Result{Reason: "status 503"} }

// worker makes a worker whose jitter is the least.
func (s *scene) worker(owner string, r outbox.Sender, change ...func(*outbox.Options)) *outbox.Worker {
	return s.workerOn(s.store, owner, r, change...)
}

func (s *scene) workerOn(db store.Store, owner string, r outbox.Sender, change ...func(*outbox.Options)) *outbox.Worker {
	o := outbox.Options{
		Owner: owner, Now: s.clock.Now, Random: func() float64 { return 0 }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Routes: map[string]outbox.Route{"test": {Sender: r, Policy: outbox.Policy{MaxAttempts: 3}}},
	}
	for _, c := range change {
		c(&o)
	}
	return outbox.NewWorker(db, o)
}

func (s *scene) message(id, recipient, focus string, order int64) outbox.Message {
	return outbox.Message{ID: id, Kind: "test", Recipient: recipient, Focus: store.Ref{Type: "Task", ID: focus}, Order: order,
		Created: s.clock.Now(), Body: []byte("body of " + id)}
}

// write commits messages.
func (s *scene) write(messages ...outbox.Message) {
	s.t.Helper()
	var b store.Batch
	for _, m := range messages {
		op, err := outbox.Put(m)
		require.NoError(s.t, err)
		b.Ops = append(b.Ops, op)
	}
	_, err := s.store.Commit(s.t.Context(), &b)
	require.NoError(s.t, err)
}

// steps lets a worker turn until it finds nothing more to do now.
func (s *scene) steps(w *outbox.Worker, n int) {
	s.t.Helper()
	for range n {
		require.NoError(s.t, w.Step(s.t.Context()))
	}
}

func (s *scene) list(dead bool) []string {
	s.t.Helper()
	messages, err := outbox.List(s.t.Context(), s.store, dead)
	require.NoError(s.t, err)
	ids := []string{}
	for _, m := range messages {
		ids = append(ids, m.ID)
	}
	return ids
}
