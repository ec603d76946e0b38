package nhs111

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/nhs"
)

var errHL7Time = errors.New("must be an HL7 timestamp: YYYY, YYYYMM, YYYYMMDD or with hours, minutes, seconds, fraction and offset")

// errHL7Odd is for 5, 7, 9, 11 or 13 digits: the schema's pattern takes them, but TS
// gives each part after the year exactly two (HL7 v3 Data Types, Abstract
// Specification, TS, literal form). A digit is missing and nobody can say which.
var errHL7Odd = errors.New("has an odd number of digits, so that it isn't certain which time it means: write months, days, hours, minutes and seconds with two digits each")

// hl7Time is an HL7 v3 TS: a point in time to a precision.
type hl7Time struct {
	At     time.Time // the first instant that it can mean
	Digits int       // of the date and time as sent: 4, 6, 8, 10, 12 or 14
	Millis bool      // fractions of a second were sent
}

// parseHL7Time reads a TS. A time without offset is Europe/London wall time; a
// date without time is read in UTC, so that its digits don't move.
func parseHL7Time(s string) (hl7Time, error) {
	s = strings.TrimSpace(s)
	body, offset := s, ""
	if i := strings.IndexAny(s, "+-"); i >= 0 {
		body, offset = s[:i], s[i:]
	}
	whole, fraction, hasFraction := strings.Cut(body, ".")
	t := hl7Time{Digits: len(whole), Millis: hasFraction}
	var part [6]int // year, month, day, hour, minute, second
	part[1], part[2] = 1, 1
	if allDigits(whole) && len(whole) > 4 && len(whole) < 14 && len(whole)%2 != 0 {
		return hl7Time{}, errHL7Odd
	}
	if !allDigits(whole) || len(whole) < 4 || len(whole) > 14 {
		return hl7Time{}, errHL7Time
	}
	part[0] = number(whole[:4])
	for i := 1; 2+2*i < len(whole); i++ {
		part[i] = number(whole[2+2*i : 4+2*i])
	}
	nanos := 0
	if hasFraction {
		if len(whole) != 14 || fraction == "" || len(fraction) > 9 || !allDigits(fraction) {
			return hl7Time{}, errHL7Time
		}
		nanos = number((fraction + "000000000")[:9])
	}
	wall := time.Date(part[0], time.Month(part[1]), part[2], part[3], part[4], part[5], nanos, time.UTC)
	if part[0] == 0 || part[3] > 23 || part[4] > 59 || part[5] > 59 || wall.Month() != time.Month(part[1]) || wall.Day() != part[2] {
		return hl7Time{}, errHL7Time // 30 February and the like
	}
	if len(whole) <= 8 {
		if offset != "" {
			return hl7Time{}, errHL7Time
		}
		t.At = wall
		return t, nil
	}
	if offset == "" {
		t.At = londonWall(wall)
		return t, nil
	}
	seconds, ok := offsetSeconds(offset)
	if !ok {
		return hl7Time{}, errHL7Time
	}
	t.At = wall.Add(-time.Duration(seconds) * time.Second)
	return t, nil
}

// londonWall finds the instant that a clock in London showed this time. In the
// hour that October repeats it is the first (summer time); an hour that March
// leaves out counts as GMT.
func londonWall(wall time.Time) time.Time {
	summer := wall.Add(-time.Hour)
	if _, offset := summer.In(nhs.London).Zone(); offset == 3600 {
		return summer
	}
	return wall
}

// offsetSeconds reads "+01", "+0100", "-5".
func offsetSeconds(offset string) (int, bool) {
	digits := offset[1:]
	if !allDigits(digits) || len(digits) == 0 || len(digits) > 4 {
		return 0, false
	}
	hours, minutes := number(digits), 0
	if len(digits) > 2 {
		hours, minutes = number(digits[:len(digits)-2]), number(digits[len(digits)-2:])
	}
	if hours > 14 || minutes > 59 {
		return 0, false
	}
	seconds := hours*3600 + minutes*60
	if offset[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}

// zero says whether no time was given.
func (t hl7Time) zero() bool { return t.Digits == 0 }

// dateTime writes a FHIR dateTime: to the year, month or day where no more was
// sent, else UTC to the second.
func (t hl7Time) dateTime() string {
	switch {
	case t.zero():
		return ""
	case t.Digits == 4:
		return t.At.Format("2006")
	case t.Digits == 6:
		return t.At.Format("2006-01")
	case t.Digits == 8:
		return t.At.Format("2006-01-02")
	case t.Millis:
		return t.At.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	return t.At.UTC().Format(time.RFC3339)
}

// instant writes a FHIR instant, "" where no time of day was sent.
func (t hl7Time) instant() string {
	if t.Digits <= 8 {
		return ""
	}
	return t.dateTime()
}

// birthDate takes the digits of a birthTime's date and converts no zone, so
// that nobody's birthday moves.
func birthDate(value string) (string, error) {
	if _, err := parseHL7Time(value); err != nil {
		return "", err
	}
	digits := strings.TrimSpace(value)
	if i := strings.IndexAny(digits, "+-."); i >= 0 {
		digits = digits[:i]
	}
	switch {
	case len(digits) == 4:
		return digits, nil
	case len(digits) == 6:
		return digits[:4] + "-" + digits[4:], nil
	}
	return digits[:4] + "-" + digits[4:6] + "-" + digits[6:8], nil
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// number reads digits that were checked.
func number(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}
