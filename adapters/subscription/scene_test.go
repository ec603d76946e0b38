package subscription

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/internal/egress"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/storetest"
	"github.com/onward-health/onward/store/storetest/engines"
)

// scene is a desk on an empty store, a receiver and a clock that the test moves.
type scene struct {
	t      *testing.T
	store  store.Store
	desk   *bars.Desk
	clock  *storetest.Clock
	hook   *httptest.Server
	policy *egress.Policy

	refuse error // of every endpoint

	mu     sync.Mutex
	status int
	paths  []string
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// onEachEngine runs a test on every engine.
func onEachEngine(t *testing.T, test func(t *testing.T, s *scene)) {
	engines.Each(t, func(t *testing.T, db store.Store, clock *storetest.Clock) { test(t, newScene(t, db, clock)) })
}

func onSQLite(t *testing.T) *scene {
	db, clock := engines.SQLite(t)
	return newScene(t, db, clock)
}

func newScene(t *testing.T, db store.Store, clock *storetest.Clock) *scene {
	s := &scene{t: t, store: db, clock: clock, status: 200}
	s.hook = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.paths = append(s.paths, r.URL.Path)
		w.WriteHeader(s.status)
	}))
	t.Cleanup(s.hook.Close)
	var err error
	s.policy, err = egress.Parse([]string{"127.0.0.1"})
	require.NoError(t, err)
	s.desk = s.deskOn(db)
	return s
}

func (s *scene) deskOn(db store.Store) *bars.Desk {
	return bars.NewDesk(db, bars.Options{Base: "https://onward.example/FHIR/R4", Now: s.clock.Now, Log: quiet,
		Endpoint: func(string) error { return s.refuse }})
}

// told lists the paths that the receiver was called at, and forgets them.
func (s *scene) told() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.paths
	s.paths = nil
	return list
}

func (s *scene) answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// write writes resources by plain FHIR, for an organisation.
func (s *scene) write(org nhs.ODSCode, texts ...string) {
	s.t.Helper()
	ctx := bars.WithCaller(s.t.Context(), bars.Caller{Door: "fhir", Organisation: org})
	var changes []rest.Change
	for _, text := range texts {
		r, err := fhir.Parse([]byte(text))
		require.NoError(s.t, err, text)
		changes = append(changes, rest.Change{Method: http.MethodPut, Type: r.Type(), ID: r.ID(), Resource: r})
	}
	_, err := s.desk.Records().Commit(ctx, changes)
	require.NoError(s.t, err)
}

func (s *scene) subscription(id, more string) string {
	return fmt.Sprintf(`{"resourceType":"Subscription","id":%q,"status":"requested","reason":"test","criteria":"Task?status=requested",
		"channel":{"type":"rest-hook","endpoint":"%s/%s","payload":"application/fhir+json"}%s}`, id, s.hook.URL, id, more)
}

func task(id string) string {
	return fmt.Sprintf(`{"resourceType":"Task","id":%q,"status":"requested","intent":"order"}`, id)
}

// read returns a stored Subscription.
func (s *scene) read(id string) *fhir.Resource {
	s.t.Helper()
	rec, err := s.store.Get(s.t.Context(), store.Ref{Type: "Subscription", ID: id})
	require.NoError(s.t, err)
	r, err := fhir.Parse(rec.Body)
	require.NoError(s.t, err)
	return r
}

func (s *scene) fanout(owner string) *Fanout { return s.fanoutOn(s.store, owner) }

func (s *scene) fanoutOn(db store.Store, owner string) *Fanout {
	return &Fanout{Store: db, Desk: s.desk, Owner: owner, Wake: func() {}, Now: s.clock.Now, After: time.After, Log: quiet}
}

// step lets a fan-out do what there is to do.
func (s *scene) step(f *Fanout) {
	s.t.Helper()
	for range 3 { // a lease that was lost, a page, and what follows the last page
		_, err := f.Step(s.t.Context(), 0)
		require.NoError(s.t, err)
	}
}

func (s *scene) worker(policy *egress.Policy) *outbox.Worker {
	client := &Client{Desk: s.desk, HTTP: policy.Client(10 * time.Second), Now: s.clock.Now, Log: quiet}
	return outbox.NewWorker(s.store, outbox.Options{Owner: "worker", Now: s.clock.Now, Random: func() float64 { return 0 }, Log: quiet, Together: Together,
		Routes: map[string]outbox.Route{Kind: {Sender: client, Policy: Policy()}}})
}

// deliver lets a worker send what is due.
func (s *scene) deliver(w *outbox.Worker) {
	s.t.Helper()
	for range 3 {
		require.NoError(s.t, w.Step(s.t.Context()))
	}
}

func (s *scene) letters(dead bool) []*outbox.Message {
	s.t.Helper()
	list, err := outbox.List(s.t.Context(), s.store, dead)
	require.NoError(s.t, err)
	return list
}

// lossy is a store whose commits stop, as if the process had been killed.
type lossy struct {
	store.Store
	left int // commits that succeed
}

func (l *lossy) Commit(ctx context.Context, b *store.Batch) (*store.Result, error) {
	if l.left == 0 {
		return nil, store.ErrUnavailable
	}
	l.left--
	return l.Store.Commit(ctx, b)
}

// slow is a store whose clock goes on with each commit and each read of a version,
// and that notes them.
type slow struct {
	store.Store
	clock *storetest.Clock
	takes time.Duration
	done  []string
}

func (s *slow) Commit(ctx context.Context, b *store.Batch) (*store.Result, error) {
	s.clock.Move(s.takes)
	s.done = append(s.done, fmt.Sprint("commit ", len(b.Ops)))
	return s.Store.Commit(ctx, b)
}

func (s *slow) GetVersion(ctx context.Context, ref store.Ref, version int64) (*store.Record, error) {
	s.clock.Move(s.takes)
	s.done = append(s.done, "read "+ref.String())
	return s.Store.GetVersion(ctx, ref, version)
}
