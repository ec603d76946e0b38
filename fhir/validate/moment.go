package validate

import "time"

// moment is a date, dateTime or instant. What its text leaves out is at its
// lowest.
type moment struct {
	year, month, day     int
	hour, minute, second int
	fraction             int // nanoseconds; finer digits are dropped
	offset               int // of the time zone, in seconds
	precision            precision
}

type precision uint8

const (
	yearPrecision precision = iota
	monthPrecision
	dayPrecision
	secondPrecision // with a time zone
)

// parseMoment reads a date or dateTime by R4's form; the day must exist.
func parseMoment(s []byte) (m moment, ok bool) {
	m = moment{month: 1, day: 1}
	if m.year, ok = number(s, 0, 4); !ok || m.year == 0 {
		return m, false
	}
	if len(s) == 4 {
		return m, true
	}
	if m.month, ok = number(s, 5, 2); !ok || s[4] != '-' || m.month < 1 || m.month > 12 {
		return m, false
	}
	m.precision = monthPrecision
	if len(s) == 7 {
		return m, true
	}
	if m.day, ok = number(s, 8, 2); !ok || s[7] != '-' || m.day < 1 || m.day > daysIn(m.year, m.month) {
		return m, false
	}
	m.precision = dayPrecision
	if len(s) == 10 {
		return m, true
	}
	if s[10] != 'T' {
		return m, false
	}
	length := m.clock(s[11:])
	m.precision = secondPrecision
	return m, length > 0 && m.zone(s[11+length:])
}

// clock reads a time of day and returns its length, or 0 if it isn't one.
func (m *moment) clock(s []byte) int {
	var ok [3]bool
	m.hour, ok[0] = number(s, 0, 2)
	m.minute, ok[1] = number(s, 3, 2)
	m.second, ok[2] = number(s, 6, 2)
	if ok != [3]bool{true, true, true} || s[2] != ':' || s[5] != ':' || m.hour > 23 || m.minute > 59 || m.second > 60 {
		return 0
	}
	if len(s) == 8 || s[8] != '.' {
		return 8
	}
	at := 9
	for scale := 100_000_000; at < len(s) && isDigit(s[at]); at++ {
		m.fraction += int(s[at]-'0') * scale
		scale /= 10
	}
	if at == 9 {
		return 0
	}
	return at
}

func (m *moment) zone(s []byte) bool {
	if len(s) == 1 {
		return s[0] == 'Z'
	}
	hours, ok1 := number(s, 1, 2)
	minutes, ok2 := number(s, 4, 2)
	if len(s) != 6 || !ok1 || !ok2 || s[3] != ':' || minutes > 59 || hours*60+minutes > 14*60 {
		return false
	}
	m.offset = hours*3600 + minutes*60
	if s[0] == '-' {
		m.offset = -m.offset
	}
	return s[0] == '-' || s[0] == '+'
}

func number(s []byte, at, count int) (int, bool) {
	if len(s) < at+count {
		return 0, false
	}
	n := 0
	for _, b := range s[at : at+count] {
		if !isDigit(b) {
			return 0, false
		}
		n = n*10 + int(b-'0')
	}
	return n, true
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// first and last are the bounds of what a moment can mean; without a time zone
// the day can be that of any zone.
func (m moment) first() time.Time {
	t := time.Date(m.year, time.Month(m.month), m.day, m.hour, m.minute, m.second, m.fraction, time.UTC)
	return t.Add(-time.Duration(m.offset) * time.Second)
}

func (m moment) last() time.Time {
	switch t := m.first(); m.precision {
	case yearPrecision:
		return t.AddDate(1, 0, 0).Add(-1)
	case monthPrecision:
		return t.AddDate(0, 1, 0).Add(-1)
	case dayPrecision:
		return t.AddDate(0, 0, 1).Add(-1)
	default:
		return t
	}
}

// widest is how far local time can be from UTC.
const widest = 14 * time.Hour

// surelyAfter says whether a is later than b whatever was left out of them.
func surelyAfter(a, b moment) bool {
	first, last := a.first(), b.last()
	if (a.precision == secondPrecision) != (b.precision == secondPrecision) {
		first = first.Add(-widest)
	}
	return first.After(last)
}
