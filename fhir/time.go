package fhir

import (
	"errors"
	"time"
)

var errTime = errors.New("not a FHIR date or time")

// FormatInstant writes an instant in UTC with milliseconds.
func FormatInstant(t time.Time) string { return string(appendInstant(make([]byte, 0, 32), t)) }

// appendInstant takes package time's fast way, which knows no milliseconds.
func appendInstant(out []byte, t time.Time) []byte {
	t = t.UTC()
	out = t.AppendFormat(out, time.RFC3339)
	ms := t.Nanosecond() / 1e6
	return append(out[:len(out)-1], '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

// ParseInstant reads a FHIR instant: a full date and time with seconds and an
// offset. Up to nine fractional digits are taken (BaRS sends seven).
func ParseInstant(s string) (time.Time, error) {
	lo, hi, err := ParseDateTime(s)
	if err != nil || len(s) < len("2006-01-02T15:04:05Z") || hi.Sub(lo) > time.Second {
		return time.Time{}, errTime
	}
	return lo, nil
}

// ParseDateTime reads a FHIR date, dateTime or instant and returns the first
// and last instant that it can mean: a whole year, month, day or second, or one
// instant where fractional seconds are given. A date without time zone counts
// as UTC. A time of day must carry an offset, as R4 demands; minutes without
// seconds are taken because search values may leave seconds out.
func ParseDateTime(s string) (lo, hi time.Time, err error) {
	year, ok := digits(s, 0, 4)
	if !ok || year == 0 { // R4 has no year 0
		return lo, hi, errTime
	}
	if len(s) == 4 {
		lo = time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		return lo, lo.AddDate(1, 0, 0).Add(-1), nil
	}
	month, ok := digits(s, 5, 2)
	if !ok || s[4] != '-' || month < 1 || month > 12 {
		return lo, hi, errTime
	}
	if len(s) == 7 {
		lo = time.Date(year, time.Month(month), 1, 0, 0, 0, 0, time.UTC)
		return lo, lo.AddDate(0, 1, 0).Add(-1), nil
	}
	day, ok := digits(s, 8, 2)
	if !ok || s[7] != '-' || day < 1 || day > daysIn(year, month) {
		return lo, hi, errTime
	}
	if len(s) == 10 {
		lo = time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
		return lo, lo.AddDate(0, 0, 1).Add(-1), nil
	}
	return clock(s, year, month, day)
}

// clock reads the part behind the date.
func clock(s string, year, month, day int) (lo, hi time.Time, err error) {
	hour, ok1 := digits(s, 11, 2)
	minute, ok2 := digits(s, 14, 2)
	if !ok1 || !ok2 || s[10] != 'T' || s[13] != ':' || hour > 23 || minute > 59 {
		return lo, hi, errTime
	}
	at, second, nanos, width := 16, 0, 0, time.Minute
	if len(s) > at && s[at] == ':' {
		var ok bool
		if second, ok = digits(s, 17, 2); !ok || second > 60 {
			return lo, hi, errTime
		}
		at, width = 19, time.Second
		if len(s) > at && s[at] == '.' {
			scale := 100_000_000
			start := at + 1
			for at = start; at < len(s) && s[at] >= '0' && s[at] <= '9'; at++ {
				nanos += int(s[at]-'0') * scale
				scale /= 10
			}
			if at == start || at-start > 9 {
				return lo, hi, errTime
			}
			width = 1
		}
	}
	offset, ok := zone(s[at:])
	if !ok {
		return lo, hi, errTime
	}
	lo = time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC).Add(-offset)
	return lo, lo.Add(width - 1), nil
}

func zone(s string) (time.Duration, bool) {
	if s == "Z" {
		return 0, true
	}
	hours, ok1 := digits(s, 1, 2)
	minutes, ok2 := digits(s, 4, 2)
	if len(s) != 6 || !ok1 || !ok2 || s[3] != ':' || minutes > 59 || hours*60+minutes > 14*60 {
		return 0, false
	}
	d := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	switch s[0] {
	case '+':
		return d, true
	case '-':
		return -d, true
	}
	return 0, false
}

func digits(s string, at, count int) (int, bool) {
	if len(s) < at+count {
		return 0, false
	}
	n := 0
	for _, c := range []byte(s[at : at+count]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
