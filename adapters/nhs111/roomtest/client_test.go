package roomtest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/adapters/nhs111"
	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
)

func TestAReferralSentBySOAPIsStoredOnceByTheReceiver(t *testing.T) {
	db, desk := openRoom(t)
	receiver := httptest.NewServer(door(desk))
	defer receiver.Close()
	raw, err := os.ReadFile("../testdata/referral.json")
	require.NoError(t, err)
	message, err := fhir.Parse(raw)
	require.NoError(t, err)
	client := &nhs111.Client{Sender: "A1001", Clock: now}
	out, err := client.Compose(message, nhs111.Revision{Number: 1})
	require.NoError(t, err)
	for range 2 { // the first answer may have been lost
		require.NoError(t, client.Send(context.Background(), receiver.URL+"/nhs111/report", out))
	}
	require.Len(t, stored(t, db, "ServiceRequest"), 1)
	patient := stored(t, db, "Patient")[0]
	require.Equal(t, "Sample", patient.Get("name").At(0).Get("family").Text())
}

func TestTheOutboxSendsAReferralUntilItIsTakenAndKeepsARefusedOne(t *testing.T) {
	ctx := context.Background()
	_, desk := openRoom(t)
	inner, refusals := door(desk), 1
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refusals > 0 {
			refusals--
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	defer receiver.Close()
	raw, err := os.ReadFile("../testdata/referral.json")
	require.NoError(t, err)
	message, err := fhir.Parse(raw)
	require.NoError(t, err)
	clock := now()
	client := &nhs111.Client{Sender: "A1001", Clock: func() time.Time { return clock }}
	sender := &nhs111.Sender{Client: client, Routes: nhs111.Routes{nhs.ParseServiceID("2000072489"): receiver.URL + "/nhs111/report"}}
	db, err := sqlite.Open(ctx, ":memory:", sqlite.Options{Now: now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	worker := outbox.NewWorker(db, outbox.Options{Owner: "test", Now: func() time.Time { return clock },
		Routes: map[string]outbox.Route{nhs111.OutboxKind: {Sender: sender}}})
	out, err := client.Compose(message, nhs111.Revision{Number: 1})
	require.NoError(t, err)
	for _, recipient := range []string{nhs.ParseServiceID("2000072489").String(), nhs.ParseServiceID("1").String()} {
		queued, err := out.Queued(recipient, store.Ref{Type: "ServiceRequest", ID: "s1"}, 1, clock)
		require.NoError(t, err)
		op, err := outbox.Put(queued)
		require.NoError(t, err)
		_, err = db.Commit(ctx, &store.Batch{Ops: []store.Op{op}})
		require.NoError(t, err)
	}
	require.NoError(t, worker.Step(ctx))
	state, err := outbox.Stats(ctx, db, clock)
	require.NoError(t, err)
	require.Equal(t, 2, state.Waiting, "the receiver was busy, and the other has no address yet")
	require.Empty(t, recordsOf(t, desk), "nothing was taken yet")

	clock = clock.Add(59 * time.Second)
	require.NoError(t, worker.Step(ctx))
	require.Empty(t, recordsOf(t, desk), "Retry-After is kept")
	clock = clock.Add(time.Second)
	require.NoError(t, worker.Step(ctx))
	state, err = outbox.Stats(ctx, db, clock)
	require.NoError(t, err)
	require.Equal(t, 1, state.Waiting, "an operator can still add a route")
	require.Len(t, recordsOf(t, desk), 1)
}

// recordsOf are the referrals that a room has.
func recordsOf(t *testing.T, desk *bars.Desk) []*rest.Version {
	t.Helper()
	page, err := desk.Records().Search(context.Background(), &search.Query{Type: "ServiceRequest"}, false)
	require.NoError(t, err)
	return page.Versions
}
