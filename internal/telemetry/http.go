package telemetry

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Other is the label of every method and status that isn't one of the usual.
const Other = "other"

// Aborted is the status of an answer that was cut off.
const Aborted = 0

// methods are the values of the label method, beside Other.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

// statuses are the codes that have a label of their own, from 100 on.
const lastStatus = 599

// requestBuckets are in seconds: a read takes 0.1 ms, a message may take 5 s.
var requestBuckets = []float64{.00025, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// HTTP counts requests.
type HTTP struct {
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	under    prometheus.Gauge
	refused  *prometheus.CounterVec
	codes    [lastStatus + 1]string
}

// HTTP adds the metrics of HTTP. full are the reasons that Full is told.
func (r *Registry) HTTP(full ...string) *HTTP {
	h := &HTTP{
		requests: r.Counter("http_requests_total", "Requests answered, by door, route pattern, method and status; aborted: the answer was cut off.", "door", "route", "method", "status"),
		took:     r.Histogram("http_request_duration_seconds", "Time from a request's header to the end of its answer.", requestBuckets, "door", "route"),
		under:    r.Gauge("http_requests_in_flight", "Requests under way.").WithLabelValues(),
		refused:  r.Counter("http_requests_refused_total", "Requests refused with 503 because the server was full: of requests, or of large bodies.", "full"),
	}
	for _, reason := range full {
		h.refused.WithLabelValues(reason)
	}
	h.codes[Aborted] = "aborted"
	for code := 100; code <= lastStatus; code++ {
		h.codes[code] = strconv.Itoa(code)
	}
	return h
}

// Began notes a request. Each needs one Ended.
func (h *HTTP) Began() { h.under.Inc() }

// Ended notes the answer: by the door and the pattern of its route, which the
// caller chose from a few, never by the path. status is Aborted for an answer that
// was cut off.
func (h *HTTP) Ended(door, route, method string, status int, took time.Duration) {
	h.under.Dec()
	if !slices.Contains(methods, method) {
		method = Other
	}
	code := Other
	if status >= 0 && status <= lastStatus && h.codes[status] != "" {
		code = h.codes[status]
	}
	h.requests.WithLabelValues(door, route, method, code).Inc()
	h.took.WithLabelValues(door, route).Observe(took.Seconds())
}

// Full notes a request that was refused because the server was full of what
// reason says.
func (h *HTTP) Full(reason string) { h.refused.WithLabelValues(reason).Inc() }
