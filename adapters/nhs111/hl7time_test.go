package nhs111

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHL7TimesKeepTheirPrecisionAndLondonIsTheirWallClock(t *testing.T) {
	for in, want := range map[string]string{
		"2026":                "2026",
		"202603":              "2026-03",
		"20260302":            "2026-03-02",
		"2026030210":          "2026-03-02T10:00:00Z",
		"202603021021":        "2026-03-02T10:21:00Z",
		"20260302102159":      "2026-03-02T10:21:59Z",
		"20260302102159.5":    "2026-03-02T10:21:59.500Z",
		"202607021021":        "2026-07-02T09:21:00Z", // summer
		"201701012000+00":     "2017-01-01T20:00:00Z",
		"20210406123335+01":   "2021-04-06T11:33:35Z",
		"20210406115411+0100": "2021-04-06T10:54:11Z",
		"20210406115411-0530": "2021-04-06T17:24:11Z",
		"20210406115411+1":    "2021-04-06T10:54:11Z",
		"201703260059":        "2017-03-26T00:59:00Z",
		"201703260130":        "2017-03-26T01:30:00Z", // left out in London: counts as GMT
		"201703260200":        "2017-03-26T01:00:00Z",
		"201710290030":        "2017-10-28T23:30:00Z",
		"201710290130":        "2017-10-29T00:30:00Z", // twice in London: the first
		"201710290200":        "2017-10-29T02:00:00Z",
		"20240229":            "2024-02-29",
		" 20260302 ":          "2026-03-02",
	} {
		got, err := parseHL7Time(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got.dateTime(), in)
	}
	for _, in := range []string{"", "1", "202", "20261", "20261301", "20230229", "2026030224", "202603021060", "2026030210215", "20260302+01",
		"202603021021+2500", "202603021021+00000", "202603021021+", "20260302102159.", "202603021021.5", "2026-03-02", "abcd", "00000101", "20260302102159.1234567890"} {
		_, err := parseHL7Time(in)
		require.Error(t, err, in)
	}
}

// The schema's pattern takes odd numbers of digits, but what they mean isn't certain.
func TestATimeWithAnOddNumberOfDigitsIsRefusedAsSuch(t *testing.T) {
	for _, in := range []string{"20261", "2026031", "202603021", "20260302102", "2026030210215", "2026030210215+0100"} {
		_, err := parseHL7Time(in)
		require.Equal(t, errHL7Odd, err, in)
	}
}

func TestADayWithoutTimeIsNoInstant(t *testing.T) {
	day, err := parseHL7Time("20260302")
	require.NoError(t, err)
	require.Empty(t, day.instant())
}

func TestBirthdaysNeverMove(t *testing.T) {
	for in, want := range map[string]string{
		"19810629": "1981-06-29", "1981": "1981", "198106": "1981-06",
		"198106290030+0100": "1981-06-29", "19810629233000-0500": "1981-06-29",
	} {
		got, err := birthDate(in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := birthDate("19810631")
	require.Error(t, err)
}
