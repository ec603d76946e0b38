package search

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// at reads an instant for a test.
func at(tb testing.TB, s string) int64 {
	tb.Helper()
	t, err := time.Parse(time.RFC3339Nano, s)
	require.NoError(tb, err)
	return t.UnixMilli()
}

func london(tb testing.TB) *time.Location {
	tb.Helper()
	zone, err := time.LoadLocation("Europe/London")
	require.NoError(tb, err)
	return zone
}

func TestDatesMeanTheirWholePrecision(t *testing.T) {
	uk := london(t)
	for _, c := range []struct {
		value  string
		zone   *time.Location
		lo, hi string
	}{
		{"2026", nil, "2026-01-01T00:00:00Z", "2026-12-31T23:59:59.999Z"},
		{"2024-02", nil, "2024-02-01T00:00:00Z", "2024-02-29T23:59:59.999Z"},
		{"2026-02", nil, "2026-02-01T00:00:00Z", "2026-02-28T23:59:59.999Z"},
		{"2026-11-20", nil, "2026-11-20T00:00:00Z", "2026-11-20T23:59:59.999Z"},
		{"2026-11-20T10:30Z", nil, "2026-11-20T10:30:00Z", "2026-11-20T10:30:59.999Z"},
		{"2026-11-20T10:30:15Z", nil, "2026-11-20T10:30:15Z", "2026-11-20T10:30:15.999Z"},
		{"2026-11-20T10:30:15.25Z", nil, "2026-11-20T10:30:15.25Z", "2026-11-20T10:30:15.25Z"},
		{"2026-11-20T10:30:15.1234567Z", nil, "2026-11-20T10:30:15.123Z", "2026-11-20T10:30:15.123Z"},
		{"2026-11-20T10:30:15+01:00", nil, "2026-11-20T09:30:15Z", "2026-11-20T09:30:15.999Z"},
		{"2026-11-20T00:30:00+05:30", nil, "2026-11-19T19:00:00Z", "2026-11-19T19:00:00.999Z"},
		{"2026-11-20T10:30:15-08:00", nil, "2026-11-20T18:30:15Z", "2026-11-20T18:30:15.999Z"},
		{"1969-12-31T23:59:59.5Z", nil, "1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z"},
		// Summer time begins: an hour is missing between these two.
		{"2026-03-29T00:59:59+00:00", nil, "2026-03-29T00:59:59Z", "2026-03-29T00:59:59.999Z"},
		{"2026-03-29T02:00:00+01:00", nil, "2026-03-29T01:00:00Z", "2026-03-29T01:00:00.999Z"},
		// Summer time ends: the same clock time twice.
		{"2026-10-25T01:30:00+01:00", nil, "2026-10-25T00:30:00Z", "2026-10-25T00:30:00.999Z"},
		{"2026-10-25T01:30:00+00:00", nil, "2026-10-25T01:30:00Z", "2026-10-25T01:30:00.999Z"},
		// Days of London, of 24, 23 and 25 hours.
		{"2026-07-01", uk, "2026-06-30T23:00:00Z", "2026-07-01T22:59:59.999Z"},
		{"2026-01-01", uk, "2026-01-01T00:00:00Z", "2026-01-01T23:59:59.999Z"},
		{"2026-03-29", uk, "2026-03-29T00:00:00Z", "2026-03-29T22:59:59.999Z"},
		{"2026-10-25", uk, "2026-10-24T23:00:00Z", "2026-10-25T23:59:59.999Z"},
		{"2026-10", uk, "2026-09-30T23:00:00Z", "2026-10-31T23:59:59.999Z"},
		{"2026-07-01T00:30:00Z", uk, "2026-07-01T00:30:00Z", "2026-07-01T00:30:00.999Z"},
	} {
		t.Run(c.value, func(t *testing.T) {
			lo, hi, ok := Options{Zone: c.zone}.span(c.value)
			require.True(t, ok)
			require.Equal(t, at(t, c.lo), lo)
			require.Equal(t, at(t, c.hi), hi)
			a, b, ok := Options{Zone: c.zone}.searchSpan(c.value)
			require.True(t, ok)
			require.Equal(t, []int64{lo, hi}, []int64{a, b}, "a search means the same")
		})
	}
}

func TestATimeWithoutOffsetMayBeAskedForButNotStored(t *testing.T) {
	uk := london(t)
	for _, c := range []struct {
		value  string
		zone   *time.Location
		lo, hi string
	}{
		{"2026-07-01T10:00", nil, "2026-07-01T10:00:00Z", "2026-07-01T10:00:59.999Z"},
		{"2026-07-01T10:00:00", nil, "2026-07-01T10:00:00Z", "2026-07-01T10:00:00.999Z"},
		{"2026-07-01T10:00:00", uk, "2026-07-01T09:00:00Z", "2026-07-01T09:00:00.999Z"},
		{"2026-10-25T01:30:00", uk, "2026-10-25T00:30:00Z", "2026-10-25T01:30:00.999Z"},
		{"2026-10-25T02:30:00", uk, "2026-10-25T02:30:00Z", "2026-10-25T02:30:00.999Z"},
		{"2026-10-25T00:30:00", uk, "2026-10-24T23:30:00Z", "2026-10-24T23:30:00.999Z"},
	} {
		o := Options{Zone: c.zone}
		_, _, ok := o.span(c.value)
		require.False(t, ok, c.value)
		lo, hi, ok := o.searchSpan(c.value)
		require.True(t, ok, c.value)
		require.Equal(t, at(t, c.lo), lo, c.value)
		require.Equal(t, at(t, c.hi), hi, c.value)
	}
}

// Rows are stored values, columns the prefixes in the order eq ne gt lt ge le
// sa eb ap; "1" is a match with the day 2026-03-10, asked on 2026-03-20 so that
// "ap" widens it by 21.6 hours on either side.
func TestPrefixesOnRanges(t *testing.T) {
	o := testOptions
	o.Now = func() time.Time { return time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC) }
	for stored, want := range map[string]string{
		`"start":"2026-03-10T00:00:00Z"`:                      "100011001", // first second of the day
		`"start":"2026-03-10T23:59:59Z"`:                      "100011001", // last
		`"start":"2026-03-09T23:59:59Z"`:                      "010101011", // a second before; in reach of ap
		`"start":"2026-03-11T00:00:00Z"`:                      "011010101",
		`"start":"2026-03-01T00:00:00Z"`:                      "010101010", // far before
		`"start":"2026-03-19T00:00:00Z"`:                      "011010100",
		`"period":{"start":"2026-03-10","end":"2026-03-10"}`:  "100011001",
		`"period":{"start":"2026-03-09","end":"2026-03-10"}`:  "010111001",
		`"period":{"start":"2026-03-10","end":"2026-03-11"}`:  "011011001",
		`"period":{"start":"2026-03-01","end":"2026-03-31"}`:  "011111001",
		`"period":{"start":"2026-03-10"}`:                     "011011001",
		`"period":{"end":"2026-03-10"}`:                       "010111001",
		`"period":{"start":"2026-03-12"}`:                     "011010100",
		`"period":{"end":"2026-03-08"}`:                       "010101010",
		`"period":{"start":"2026-03-01","end":"2026-03-02"}`:  "010101010",
		`"period":{"start":"2026-03-18","end":"2026-03-19"}`:  "011010100",
		`"unrelated":{"start":"2026-03-10","end":"2026-3-9"}`: "000000000", // no date: no prefix matches
	} {
		typ, param := "Encounter", "date"
		if strings.HasPrefix(stored, `"start"`) {
			typ, param = "Slot", "start"
		}
		x := Extract(resource(t, `{"resourceType":"`+typ+`",`+stored+`}`), o)
		got := ""
		for _, op := range ops {
			p, err := Parse(typ, param+"="+string(op)+"2026-03-10", o)
			require.NoError(t, err)
			if Match(p.Query, "1", 0, x) {
				got += "1"
			} else {
				got += "0"
			}
		}
		require.Equal(t, want, got, stored)
	}
}

func TestNoPrefixMeansEq(t *testing.T) {
	p, err := Parse("Slot", "start=2026-03-10", testOptions)
	require.NoError(t, err)
	require.Equal(t, Date{"start", Eq, at(t, "2026-03-10T00:00:00Z"), at(t, "2026-03-10T23:59:59.999Z")}, p.Query.Where)
}

func TestLastUpdatedIsComparedWithTheRecordsOwnTime(t *testing.T) {
	p, err := Parse("Slot", "_lastUpdated=ge2026-03-10T10:00:00Z&_lastUpdated=lt2026-03-10T11:00:00Z", testOptions)
	require.NoError(t, err)
	for s, want := range map[string]bool{
		"2026-03-10T09:59:59.999Z": false, "2026-03-10T10:00:00Z": true,
		"2026-03-10T10:59:59.999Z": true, "2026-03-10T11:00:00Z": false,
	} {
		require.Equal(t, want, Match(p.Query, "x", at(t, s), Index{}), s)
	}
}

func TestASlotIsFoundByTheSameInstantInAnyOffset(t *testing.T) {
	x := Extract(resource(t, `{"resourceType":"Slot","start":"2026-10-25T01:30:00.0000000+01:00"}`), testOptions)
	for query, want := range map[string]bool{
		"start=2026-10-25T00:30:00Z":                                              true,
		"start=2026-10-25T01:30:00%2B01:00":                                       true,
		"start=2026-10-25T01:30:00%2B00:00":                                       false,
		"start=ge2026-10-25T00:30:00%2B00:00&start=le2026-10-25T00:30:00%2B00:00": true,
		"start=ge2026-10-25T00:30:00.0001%2B00:00&start=le2026-10-25T01:00:00Z":   true, // kept to the millisecond
		"start=ge2026-10-25T00:30:00.001%2B00:00":                                 false,
		"start=gt2026-10-25T00:00:00Z&start=lt2026-10-25T00:30:00Z":               false,
		"start=sa2026-10-25T00:29:59Z&start=eb2026-10-25T00:30:01Z":               true,
	} {
		p, err := Parse("Slot", query, testOptions)
		require.NoError(t, err)
		require.Equal(t, want, Match(p.Query, "x", 0, x), query)
	}
}

func TestApproximatelyReachesATenthOfTheDistanceFromNow(t *testing.T) {
	now := time.UnixMilli(1000)
	for _, c := range []struct{ lo, hi, wantLo, wantHi int64 }{
		{2000, 2100, 1900, 2200}, // in the future
		{0, 500, -50, 550},       // in the past
		{900, 1100, 900, 1100},   // now
	} {
		lo, hi := widen(c.lo, c.hi, now)
		require.Equal(t, []int64{c.wantLo, c.wantHi}, []int64{lo, hi})
	}
}
