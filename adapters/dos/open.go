package dos

import (
	"time"

	"github.com/onward-health/onward/nhs"
)

// closing is how long before its end a session no longer counts as open.
const closing = 30 * time.Minute

// window is the time in which a service must be open for a disposition that
// asks for care within so many minutes (0: not said).
func window(now time.Time, within int) (from, to time.Time) {
	switch {
	case within <= 0:
		within = 60
	case within <= 30:
		within = 30
	case within > 60:
		within -= 60
	}
	return now, now.Add(time.Duration(within) * time.Minute)
}

// open says whether a service is open at some moment of the window and not
// about to close. Dates go before "open all hours", that before bank holidays,
// those before the week. No session crosses midnight.
func (s *Service) open(now time.Time, within int, holiday func(time.Time) bool) bool {
	from, to := window(now.In(nhs.London), within)
	for day := midnight(from); !day.After(to); day = nextDay(day) {
		for _, span := range s.spans(day, holiday) {
			if span.from.After(to) || span.to.Before(from) {
				continue
			}
			if span.to.Before(now.Add(closing)) {
				continue
			}
			return true
		}
	}
	return false
}

type span struct{ from, to time.Time }

// spans lists the opening times of a day, which is a midnight in London.
func (s *Service) spans(day time.Time, holiday func(time.Time) bool) []span {
	at := func(c Clock) time.Time {
		return time.Date(day.Year(), day.Month(), day.Day(), c.Hours, c.Minutes, 0, 0, nhs.London)
	}
	end := func(c Clock) time.Time {
		if c == (Clock{23, 59}) || c == (Clock{}) {
			return nextDay(day)
		}
		return at(c)
	}
	var list []span
	dated := false
	for _, d := range s.Dates {
		if d.Date.Year() == day.Year() && d.Date.YearDay() == day.YearDay() {
			dated = true
			if !d.Closed() {
				list = append(list, span{at(d.From), end(d.To)})
			}
		}
	}
	if dated {
		return list
	}
	if s.OpenAllHours {
		return []span{{day, nextDay(day)}}
	}
	name := weekdays[day.Weekday()]
	if holiday != nil && holiday(day) {
		name = bankHoliday
	}
	for _, o := range s.Sessions {
		if o.StartDay == name {
			list = append(list, span{at(o.Start), end(o.End)})
		}
	}
	return list
}

func midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, nhs.London)
}

func nextDay(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, nhs.London)
}
