package httpx

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// Refuse answers a request that never reaches its door, in that door's words:
// 403 or 503.
type Refuse func(w http.ResponseWriter, r *http.Request, status int, reason string)

// Plainly refuses in plain text.
func Plainly(w http.ResponseWriter, _ *http.Request, status int, reason string) {
	http.Error(w, reason, status)
}

// Limit bounds the requests under way; one more is told to come back.
func Limit(max int, refuse Refuse, next http.Handler) http.Handler {
	places := make(chan struct{}, max)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			refuse(w, r, http.StatusServiceUnavailable, "too many requests at once")
		}
	})
}

// LimitBodies bounds the bytes of request bodies under way, because each is held
// in memory while it is worked on, with several times its size for its parsed
// form. A request waits for its share, at most wait; then it is told to come
// back. A body of unknown or compressed length counts as the largest that a door
// takes.
func LimitBodies(total, largest int64, wait time.Duration, refuse Refuse, next http.Handler) http.Handler {
	share := semaphore.NewWeighted(total)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := r.ContentLength
		if n < 0 || n > largest || r.Header.Get("Content-Encoding") != "" {
			n = largest
		}
		if n == 0 {
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), wait)
		defer cancel()
		if err := share.Acquire(ctx, min(n, total)); err != nil {
			w.Header().Set("Retry-After", "1")
			refuse(w, r, http.StatusServiceUnavailable, "too many large requests at once")
			return
		}
		defer share.Release(min(n, total))
		next.ServeHTTP(w, r)
	})
}

// Meter counts requests. Ended follows each Began; its status is 0 where the
// answer was cut off.
type Meter interface {
	Began()
	Ended(door, route, method string, status int, took time.Duration)
}

// Log writes one line a request and tells the meter of it: door, pattern of the
// route, status, duration and, in the line, the two transaction ids. Never a query,
// a body or a path, for those hold NHS numbers and tokens (design D21). route names
// the door and pattern of a request in words of the program's own.
func Log(log *slog.Logger, route func(*http.Request) (door, pattern string), meter Meter, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		start, whole := time.Now(), false
		meter.Began()
		defer func() {
			took := time.Since(start)
			if !whole {
				seen.status = 0
			}
			door, pattern := route(r)
			meter.Ended(door, pattern, r.Method, seen.status, took)
			if log.Enabled(r.Context(), slog.LevelDebug) {
				log.Debug("request", "method", r.Method, "door", door, "route", pattern, "status", seen.status, "ms", took.Milliseconds(),
					"request", clip(r.Header.Get("X-Request-Id")), "correlation", clip(r.Header.Get("X-Correlation-Id")))
			}
		}()
		next.ServeHTTP(seen, r)
		whole = true
	})
}

// clip keeps only what a transaction id can be, so that nothing else gets into
// the log.
func clip(id string) string {
	if len(id) != 36 {
		return ""
	}
	for _, c := range id {
		if c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return ""
		}
	}
	return id
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Health serves /healthz (the process runs) and /readyz (it can serve).
type Health struct {
	// Check says why the server can't serve, nil when it can. Its text goes to
	// the operator's page.
	Check func(ctx context.Context) (state any, err error)
	// Outbox says what waits to be sent, for the operator's page; nil: nothing is
	// sent. Its error doesn't make the server unready.
	Outbox func(ctx context.Context) (any, error)
	// Degraded says what works badly while the server can serve, by name; nil or
	// empty: nothing. Its values go to the operator's page.
	Degraded func() map[string]any
	stopping atomic.Bool
}

// Stop makes /readyz say that the server is going away.
func (h *Health) Stop() { h.stopping.Store(true) }

// Live answers /healthz.
func (h *Health) Live(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"status": "ok"})
}

// Ready answers /readyz.
func (h *Health) Ready(w http.ResponseWriter, r *http.Request) {
	if h.stopping.Load() {
		answer(w, http.StatusServiceUnavailable, map[string]any{"status": "stopping"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	state, err := h.Check(ctx)
	if err != nil {
		answer(w, http.StatusServiceUnavailable, map[string]any{"status": "unavailable", "why": err.Error()})
		return
	}
	page := map[string]any{"status": "ok", "store": state}
	if h.Outbox != nil {
		if waiting, err := h.Outbox(ctx); err == nil {
			page["outbox"] = waiting
		}
	}
	if h.Degraded != nil {
		if bad := h.Degraded(); len(bad) > 0 {
			page["status"] = "degraded"
			maps.Copy(page, bad)
		}
	}
	answer(w, http.StatusOK, page)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller may have gone
}
