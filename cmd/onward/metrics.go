package main

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/internal/httpx"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/internal/telemetry"
	"github.com/onward-health/onward/store"
)

const metricsPath = "/metrics"

// metrics are the program's own; docs/operations.md explains each.
type metrics struct {
	registry *telemetry.Registry
	http     *telemetry.HTTP
	kept     *telemetry.Store // once store was asked for

	tried     *prometheus.CounterVec
	triedTook *prometheus.HistogramVec
	repeats   *prometheus.CounterVec
	feed      prometheus.Gauge

	breaches      *prometheus.GaugeVec
	checkEnded    *prometheus.GaugeVec // without a value until then
	checkTook     *prometheus.GaugeVec
	repairs       prometheus.Counter
	checkFailures prometheus.Counter
}

// attemptBuckets are in seconds: others answer in milliseconds or time out after
// half a minute.
var attemptBuckets = []float64{.025, .1, .25, .5, 1, 2.5, 5, 10, 20, 30}

func newMetrics() *metrics {
	r := telemetry.NewRegistry(version)
	return &metrics{
		registry:  r,
		http:      r.HTTP("requests", "bodies"),
		tried:     r.Counter("outbox_attempts_total", "Attempts at messages to others, by kind and outcome; dead: none follows.", "kind", "outcome"),
		triedTook: r.Histogram("outbox_attempt_duration_seconds", "Time of attempts at messages to others.", attemptBuckets, "kind"),
		repeats:   r.Counter("idempotency_repeats_total", "Requests that an idempotency key kept from having a second effect, by door and how.", "door", "outcome"),
		feed:      r.Gauge("feed_caught_up_timestamp_seconds", "When every change so far had last been handed to the Subscriptions, or another process had that work; at first when this one began.").WithLabelValues(),

		breaches:      r.Gauge("check_breaches", "Breaches of an invariant that the last check found, by rule; repaired: set right by it.", "rule", "repaired"),
		checkEnded:    r.Gauge("check_finished_timestamp_seconds", "When the check of the invariants was last finished."),
		checkTook:     r.Gauge("check_duration_seconds", "How long the last finished check took."),
		repairs:       r.Counter("check_repairs_total", "Breaches that checks have repaired.").WithLabelValues(),
		checkFailures: r.Counter("check_failures_total", "Checks that could not be finished.").WithLabelValues(),
	}
}

// store counts what a store is asked for, and adds what it says of itself and of
// the outbox in it.
func (m *metrics) store(db store.Store, log *slog.Logger) store.Store {
	m.registry.Polled(time.Now, func(ctx context.Context) []telemetry.Value { return storeValues(ctx, db) },
		telemetry.Declared{Name: "store_up", Help: "Whether the store answered (1) or said that it can't serve (0)."},
		telemetry.Declared{Name: "store_clock_ahead_seconds", Help: "By how much this machine's clock is ahead of the database's, at least."},
		telemetry.Declared{Name: "store_backlog_batches", Help: "Batches that wait for the store's writer."},
		telemetry.Declared{Name: "store_info", Help: "The engine and how it syncs; always 1.", Labels: []string{"engine", "sync"}})
	m.registry.Polled(time.Now, func(ctx context.Context) []telemetry.Value { return outboxValues(ctx, db) },
		telemetry.Declared{Name: "outbox_waiting_messages", Help: "Messages to others that wait, counted up to 1,000 or for 3 s."},
		telemetry.Declared{Name: "outbox_dead_messages", Help: "Dead letters, counted up to 1,000 or for 3 s."},
		telemetry.Declared{Name: "outbox_oldest_seconds", Help: "Age of the oldest message that waits, of those counted; 0: none."})
	m.kept = m.registry.Store(db, time.Now, log)
	return m.kept
}

// degraded adds, for /readyz, that the store is read but can't be written.
func (m *metrics) degraded(besides map[string]any) map[string]any {
	trouble, is := m.kept.Unwritable()
	if !is {
		return besides
	}
	bad := map[string]any{"writes": trouble}
	maps.Copy(bad, besides)
	return bad
}

func storeValues(ctx context.Context, db store.Store) []telemetry.Value {
	health, err := db.Health(ctx)
	up := 1.0
	if err != nil {
		up = 0
	}
	values := []telemetry.Value{{Name: "store_up", Is: up}, {Name: "store_backlog_batches", Is: float64(health.Backlog)},
		{Name: "store_clock_ahead_seconds", Is: health.Ahead.Seconds()}}
	if health.Engine != "" {
		values = append(values, telemetry.Value{Name: "store_info", Is: 1, Labels: []string{health.Engine, health.Sync}})
	}
	return values
}

// outboxValues is what is known of the outbox when ctx ends: messages can be
// large, and what was counted by then is the least that there is.
func outboxValues(ctx context.Context, db store.Store) []telemetry.Value {
	state, err := outbox.Stats(ctx, db, time.Now())
	late := err != nil && ctx.Err() != nil
	var values []telemetry.Value
	if err == nil || late && state.Dead > 0 {
		values = append(values, telemetry.Value{Name: "outbox_dead_messages", Is: float64(state.Dead)})
	}
	if err == nil || late && state.Waiting > 0 {
		values = append(values, telemetry.Value{Name: "outbox_waiting_messages", Is: float64(state.Waiting)},
			telemetry.Value{Name: "outbox_oldest_seconds", Is: state.Oldest.Seconds()})
	}
	return values
}

// attempts counts attempts at messages of these kinds.
func (m *metrics) attempts(kinds map[string]outbox.Route) func(kind string, v outbox.Verdict, took time.Duration) {
	for kind := range kinds {
		for _, v := range []outbox.Verdict{outbox.Again, outbox.Delivered, outbox.Dead, outbox.Discarded} {
			m.tried.WithLabelValues(kind, v.String())
		}
	}
	return func(kind string, v outbox.Verdict, took time.Duration) {
		m.tried.WithLabelValues(kind, v.String()).Inc()
		m.triedTook.WithLabelValues(kind).Observe(took.Seconds())
	}
}

func (m *metrics) repeated(door string, how bars.Repeat) {
	m.repeats.WithLabelValues(door, string(how)).Inc()
}

func (m *metrics) caughtUp(at time.Time) { m.feed.Set(seconds(at)) }

// checked shows what the last check found; a check that failed leaves that.
func (m *metrics) checked(report *bars.Report, took time.Duration, err error) {
	if err != nil {
		m.checkFailures.Inc()
		return
	}
	for rule, n := range report.Tally {
		m.breaches.WithLabelValues(string(rule), "true").Set(float64(n.Repaired))
		m.breaches.WithLabelValues(string(rule), "false").Set(float64(n.Found - n.Repaired))
	}
	m.repairs.Add(float64(report.Repaired))
	m.checkTook.WithLabelValues().Set(took.Seconds())
	m.checkEnded.WithLabelValues().Set(seconds(time.Now()))
}

func seconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

// beside answers /metrics before anything that a full server is held up by.
func (a *app) beside(next http.Handler) http.Handler {
	page := httpx.Guard(a.refuse, a.metrics.registry.Page(a.log, a.refuse))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == metricsPath {
			page.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// full refuses a request because the server is full of what is counted.
func (a *app) full(of string) httpx.Refuse {
	return func(w http.ResponseWriter, r *http.Request, status int, reason string) {
		a.metrics.http.Full(of)
		a.refuse(w, r, status, reason)
	}
}
