package fhir_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

func TestParseDateTimeGivesTheFirstAndLastInstant(t *testing.T) {
	for text, want := range map[string][2]string{
		"2026":                                {"2026-01-01T00:00:00Z", "2026-12-31T23:59:59.999999999Z"},
		"2024-02":                             {"2024-02-01T00:00:00Z", "2024-02-29T23:59:59.999999999Z"},
		"2026-02":                             {"2026-02-01T00:00:00Z", "2026-02-28T23:59:59.999999999Z"},
		"2026-12":                             {"2026-12-01T00:00:00Z", "2026-12-31T23:59:59.999999999Z"},
		"2024-02-29":                          {"2024-02-29T00:00:00Z", "2024-02-29T23:59:59.999999999Z"},
		"2000-02-29":                          {"2000-02-29T00:00:00Z", "2000-02-29T23:59:59.999999999Z"},
		"1863-07-05":                          {"1863-07-05T00:00:00Z", "1863-07-05T23:59:59.999999999Z"},
		"0001-01-01":                          {"0001-01-01T00:00:00Z", "0001-01-01T23:59:59.999999999Z"},
		"2026-11-20T13:45Z":                   {"2026-11-20T13:45:00Z", "2026-11-20T13:45:59.999999999Z"},
		"2026-11-20T13:45:10Z":                {"2026-11-20T13:45:10Z", "2026-11-20T13:45:10.999999999Z"},
		"2026-11-20T13:45:10.5Z":              {"2026-11-20T13:45:10.5Z", "2026-11-20T13:45:10.5Z"},
		"2026-11-20T13:45:10.1234567+00:00":   {"2026-11-20T13:45:10.1234567Z", "2026-11-20T13:45:10.1234567Z"},
		"2026-11-20T13:45:10.123456789Z":      {"2026-11-20T13:45:10.123456789Z", "2026-11-20T13:45:10.123456789Z"},
		"2026-06-01T00:30:00+01:00":           {"2026-05-31T23:30:00Z", "2026-05-31T23:30:00.999999999Z"},
		"2026-12-31T23:30:00-01:00":           {"2027-01-01T00:30:00Z", "2027-01-01T00:30:00.999999999Z"},
		"2026-01-01T00:00:00+14:00":           {"2025-12-31T10:00:00Z", "2025-12-31T10:00:00.999999999Z"},
		"2026-01-01T00:00:00-13:59":           {"2026-01-01T13:59:00Z", "2026-01-01T13:59:00.999999999Z"},
		"2026-01-01T05:30:00+05:30":           {"2026-01-01T00:00:00Z", "2026-01-01T00:00:00.999999999Z"},
		"2016-12-31T23:59:60Z":                {"2017-01-01T00:00:00Z", "2017-01-01T00:00:00.999999999Z"},
		"2026-03-29T01:30:00.000000000+00:00": {"2026-03-29T01:30:00Z", "2026-03-29T01:30:00Z"},
	} {
		lo, hi, err := fhir.ParseDateTime(text)
		require.NoError(t, err, text)
		require.Equal(t, want[0], lo.Format(time.RFC3339Nano), text)
		require.Equal(t, want[1], hi.Format(time.RFC3339Nano), text)
		require.Equal(t, time.UTC, lo.Location(), text)
	}
}

var notTimes = []string{
	"", "2", "202", "20260", "0000", "0000-01-01", "2026-", "2026-1", "2026-00", "2026-13", "2026-1-1", "2026/01", "2026-01-",
	"2026-01-0", "2026-01-00", "2026-01-32", "2026-04-31", "2026-02-29", "1900-02-29", "2026-01/01", "2026-001", "20260101",
	"+2026-01-01", "-2026-01-01", "12026-01-01", " 2026", "2026 ", "２０２６",
	"2026-01-01T", "2026-01-01T10", "2026-01-01T10Z", "2026-01-01T10:0Z", "2026-01-01T10:00", "2026-01-01T10:00:00", "2026-01-01T10:00:00.1",
	"2026-01-01 10:00:00Z", "2026-01-01t10:00:00Z", "2026-01-01T10:00:00z", "2026-01-01T10.00.00Z", "2026-01-01T10:00:Z", "2026-01-01T10:00:0Z",
	"2026-01-01T24:00:00Z", "2026-01-01T24:00Z", "2026-01-01T23:60:00Z", "2026-01-01T23:59:61Z", "2026-01-01T-1:00:00Z",
	"2026-01-01T10:00:00.Z", "2026-01-01T10:00:00,5Z", "2026-01-01T10:00:00.1234567890Z", "2026-01-01T10:00:00.-5Z",
	"2026-01-01T10:00:00+1:00", "2026-01-01T10:00:00+0100", "2026-01-01T10:00:00+01", "2026-01-01T10:00:00+01:60", "2026-01-01T10:00:00+14:01",
	"2026-01-01T10:00:00+15:00", "2026-01-01T10:00:00 01:00", "2026-01-01T10:00:00+01:00x", "2026-01-01T10:00:00ZZ", "2026-01-01T10:00:00Z[Europe/London]",
	"today",
}

func TestParseDateTimeRefusesWhatR4DoesNotAllow(t *testing.T) {
	for _, text := range notTimes {
		lo, hi, err := fhir.ParseDateTime(text)
		require.Error(t, err, text)
		require.True(t, lo.IsZero() && hi.IsZero(), text)
		if text != "" && text != "2" {
			require.NotContains(t, err.Error(), text, "no value in an error")
		}
	}
}

func TestParseInstantWantsSecondsAndAnOffset(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-20T13:45:10Z":                "2026-11-20T13:45:10Z",
		"2026-11-20T13:45:10.001Z":            "2026-11-20T13:45:10.001Z",
		"2026-11-20T13:45:10.1234567+01:00":   "2026-11-20T12:45:10.1234567Z",
		"2026-11-20T13:45:10.123456789-00:30": "2026-11-20T14:15:10.123456789Z",
		"2024-02-29T00:00:00+00:00":           "2024-02-29T00:00:00Z",
	} {
		got, err := fhir.ParseInstant(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got.Format(time.RFC3339Nano))
	}
	for _, text := range append([]string{"2026", "2026-11", "2026-11-20", "2026-11-20T13:45Z", "2026-11-20T13:45+01:00"}, notTimes...) {
		_, err := fhir.ParseInstant(text)
		require.Error(t, err, text)
	}
}

func TestFormatInstantWritesUTCWithMilliseconds(t *testing.T) {
	at := time.Date(2026, 6, 1, 0, 30, 0, 1_999_999, time.FixedZone("BST", 3600))
	require.Equal(t, "2026-05-31T23:30:00.001Z", fhir.FormatInstant(at))
	require.Equal(t, "2026-05-31T23:30:00.000Z", fhir.FormatInstant(at.Truncate(time.Second)))
}

func FuzzParseDateTime(f *testing.F) {
	for _, seed := range append([]string{"2026", "2026-02", "2024-02-29", "2026-11-20T13:45Z", "2026-11-20T13:45:10.1234567+01:00", "9999-12-31T23:59:60-14:00"}, notTimes...) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lo, hi, err := fhir.ParseDateTime(text)
		instant, instantErr := fhir.ParseInstant(text)
		if err != nil {
			require.Error(t, instantErr)
			return
		}
		require.False(t, hi.Before(lo))
		if instantErr == nil {
			require.Equal(t, lo, instant)
		}
		// The standard library knows a subset; where both read it they agree.
		if std, err := time.Parse(time.RFC3339Nano, text); err == nil {
			require.True(t, std.Equal(lo))
			require.NoError(t, instantErr)
			again, err := fhir.ParseInstant(fhir.FormatInstant(lo))
			if lo.Year() >= 1 && lo.Year() <= 9999 {
				require.NoError(t, err)
				require.True(t, again.Equal(lo.Truncate(time.Millisecond)))
			}
		}
	})
}

func TestInstantsAreWrittenAsPackageTimeWouldWriteThem(t *testing.T) {
	const layout = "2006-01-02T15:04:05.000Z07:00"
	for i := range int64(20_000) {
		at := time.Unix(i*12_345_678-99_999_999_999, i*791_900_113%1_000_000_000).In(time.FixedZone("", int(i%7200)))
		require.Equal(t, at.UTC().Format(layout), fhir.FormatInstant(at))
	}
	for _, year := range []int{0, 1, 999, 9999, 10_000} {
		at := time.Date(year, 2, 3, 4, 5, 6, 7e6, time.UTC)
		require.Equal(t, at.Format(layout), fhir.FormatInstant(at))
	}
}
