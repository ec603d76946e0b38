package telemetry

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Bounds of values that need a question, such as of the store.
const (
	askEvery  = 5 * time.Second  // at most so often
	askShare  = 20               // and for at most one part in so many of the time
	askTime   = 3 * time.Second  // is what an answer may take
	scrapeFor = time.Second      // is how long a scrape waits for it
	worthless = 30 * time.Second // is when an answer is too old to be shown
)

// Declared is a gauge by name, without the common prefix.
type Declared struct {
	Name, Help string
	Labels     []string
}

// Value is one value of a declared gauge.
type Value struct {
	Name   string
	Is     float64
	Labels []string
}

// Polled are gauges whose values are asked for when they are scraped: seldom,
// never twice at once, and without holding a scrape up. An answer that doesn't
// come in time is shown by the next scrape; old ones are left out.
type Polled struct {
	ask   func(ctx context.Context) []Value
	now   func() time.Time
	wait  time.Duration // scrapeFor, but for tests
	descs map[string]*prometheus.Desc

	mu     sync.Mutex
	asking chan struct{} // closed when the answer is there; nil: nobody asks
	began  time.Time
	took   time.Duration
	at     time.Time // of the answer
	answer []prometheus.Metric
}

// Polled adds gauges whose values ask gives. Its context ends when the answer
// isn't waited for any more; it gives what it knows by then.
func (r *Registry) Polled(now func() time.Time, ask func(ctx context.Context) []Value, gauges ...Declared) *Polled {
	p := &Polled{ask: ask, now: now, wait: scrapeFor, descs: map[string]*prometheus.Desc{}}
	for _, g := range gauges {
		p.descs[g.Name] = prometheus.NewDesc(prefix+g.Name, g.Help, g.Labels, nil)
	}
	r.all.MustRegister(p)
	return p
}

// Describe implements prometheus.Collector.
func (p *Polled) Describe(to chan<- *prometheus.Desc) {
	for _, d := range p.descs {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (p *Polled) Collect(to chan<- prometheus.Metric) {
	if asking := p.refresh(); asking != nil {
		late := time.NewTimer(p.wait)
		defer late.Stop()
		select {
		case <-asking:
		case <-late.C:
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now().Sub(p.at) > worthless {
		return
	}
	for _, m := range p.answer {
		to <- m
	}
}

// refresh asks, unless somebody does or the last answer is young. What it returns
// is closed when the answer is there; nil: it is.
func (p *Polled) refresh() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asking == nil && p.now().Sub(p.began) >= max(askEvery, askShare*p.took) {
		p.asking, p.began = make(chan struct{}), p.now()
		go p.fetch(p.asking)
	}
	return p.asking
}

// fetch asks. A question that isn't answered and doesn't end with its context
// keeps the one goroutine that asked it.
func (p *Polled) fetch(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	var answer []prometheus.Metric
	for _, v := range p.ask(ctx) {
		d := p.descs[v.Name]
		if d == nil {
			continue
		}
		m, err := prometheus.NewConstMetric(d, prometheus.GaugeValue, v.Is, v.Labels...)
		if err != nil {
			m = prometheus.NewInvalidMetric(d, err)
		}
		answer = append(answer, m)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer, p.at, p.asking = answer, p.now(), nil
	p.took = p.at.Sub(p.began)
	close(done)
}
