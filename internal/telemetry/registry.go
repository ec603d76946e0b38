package telemetry

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// prefix begins the name of every metric of ours.
const prefix = "onward_"

// Registry holds the metrics of one process. There is no global one.
type Registry struct{ all *prometheus.Registry }

// NewRegistry makes a registry with the metrics of Go's runtime and of the
// process, and with the version of the program.
func NewRegistry(version string) *Registry {
	r := &Registry{prometheus.NewRegistry()}
	r.all.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.Gauge("build_info", "The program that runs; always 1.", "version", "go").WithLabelValues(version, runtime.Version()).Set(1)
	return r
}

// Counter adds a counter. name comes without the common prefix. A name that is
// there already, or that can't be one, is a fault of the program and panics.
func (r *Registry) Counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
	r.all.MustRegister(c)
	return c
}

// Gauge adds a gauge, as Counter does.
func (r *Registry) Gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + name, Help: help}, labels)
	r.all.MustRegister(g)
	return g
}

// Histogram adds a histogram of seconds, as Counter does.
func (r *Registry) Histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets}, labels)
	r.all.MustRegister(h)
	return h
}
