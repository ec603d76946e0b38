package search

import (
	"time"

	"github.com/onward-health/onward/fhir"
)

// date enters a date, dateTime, instant, Period or Timing.
func (x *extractor) date(v fhir.Value) {
	switch v.Kind() {
	case fhir.StringKind:
		if lo, hi, ok := x.o.span(v.Text()); ok {
			x.present = true
			x.span(lo, hi)
		}
	case fhir.ObjectKind:
		x.present = true
		if lo, hi, ok := x.o.period(v); ok {
			x.span(lo, hi)
		} else if lo, hi, ok := x.o.timing(v); ok {
			x.span(lo, hi)
		}
	}
}

func (x *extractor) span(lo, hi int64) {
	if x.room() {
		x.d = append(x.d, Span{x.p.Name, lo, hi})
	}
}

// period reads a Period. A missing end is open; a Period with a part that is
// no date, or with neither end, means nothing.
func (o Options) period(v fhir.Value) (lo, hi int64, ok bool) {
	lo, hi = MinTime, MaxTime
	if start := v.Get("start"); start.Exists() {
		if lo, _, ok = o.span(start.Text()); !ok {
			return 0, 0, false
		}
	}
	if end := v.Get("end"); end.Exists() {
		if _, hi, ok = o.span(end.Text()); !ok {
			return 0, 0, false
		}
	}
	return lo, hi, ok
}

// timing reads a Timing's outer limits: its events and its bounds (R4
// search.html#date: the details of the schedule don't matter).
func (o Options) timing(v fhir.Value) (lo, hi int64, ok bool) {
	if lo, hi, ok = o.period(v.Dig("repeat", "boundsPeriod")); !ok {
		lo, hi = MaxTime, MinTime
	}
	for event := range v.Get("event").Items() {
		first, last, isDate := o.span(event.Text())
		if !isDate {
			continue
		}
		lo, hi, ok = min(lo, first), max(hi, last), true
	}
	return lo, hi, ok
}

// span reads a date, dateTime or instant as milliseconds, both ends inclusive.
func (o Options) span(s string) (lo, hi int64, ok bool) {
	first, last, err := fhir.ParseDateTime(s)
	if err != nil {
		return 0, 0, false
	}
	if len(s) <= len("2006-01-02") && o.Zone != nil {
		first = inZone(first, o.Zone)
		last = inZone(last.Add(1), o.Zone).Add(-1)
	}
	return first.UnixMilli(), last.UnixMilli(), true
}

// searchSpan is span for a value of a search, where R4 lets the offset be left
// out. A clock time that comes twice, when summer time ends, means both.
func (o Options) searchSpan(s string) (lo, hi int64, ok bool) {
	if lo, hi, ok = o.span(s); ok {
		return lo, hi, true
	}
	first, last, err := fhir.ParseDateTime(s + "Z")
	if err != nil {
		return 0, 0, false
	}
	zone := o.Zone
	if zone == nil {
		zone = time.UTC
	}
	width := last.Sub(first)
	early, late := bothInZone(first, zone)
	return early.UnixMilli(), late.Add(width).UnixMilli(), true
}

// inZone gives the instant at which a zone's clock shows what t shows in UTC.
func inZone(t time.Time, zone *time.Location) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
}

// bothInZone gives the first and the last such instant.
func bothInZone(t time.Time, zone *time.Location) (first, last time.Time) {
	at := inZone(t, zone)
	first, last = at, at
	if u := at.Add(-time.Hour); sameClock(u, at) {
		first = u
	}
	if u := at.Add(time.Hour); sameClock(u, at) {
		last = u
	}
	return first, last
}

func sameClock(a, b time.Time) bool {
	return a.Hour() == b.Hour() && a.Minute() == b.Minute() && a.Day() == b.Day()
}
