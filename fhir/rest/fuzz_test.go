package rest

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

func FuzzNegotiationAcceptsOnlyWhatNamesJSON(f *testing.F) {
	for _, seed := range [][2]string{
		{"application/fhir+json;q=0.5, */*;q=0.1", ""},
		{"text/html, *; q=.2", "json"},
		{`a/b;c="d,e\",f";q=1`, "application/fhir json;fhirVersion=4.0"},
		{"application/fhir+json; fhirVersion=3.0", "xml"},
		{",;=\"", "\\"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, accept, format string) {
		err := negotiate([]string{accept}, []string{format})
		if err == nil {
			text := strings.ToLower(accept)
			if format != "" {
				text = strings.ToLower(format)
				require.Contains(t, text, "json")
			}
			empty := strings.Trim(text, " \t,") == ""
			require.True(t, empty || strings.Contains(text, "json") || strings.Contains(text, "*"), "nothing names JSON")
			return
		}
		refusalQuotesNothing(t, err, accept, fhir.KindNotAcceptable, fhir.KindTooComplex)
	})
}

func FuzzIfMatchHasOneSpelling(f *testing.F) {
	for _, seed := range []string{`W/"1"`, `W/"01"`, `"1"`, `*`, `W/"9223372036854775807"`, `W/"9223372036854775808"`, ` W/"7" `, `W/"`, ``} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		version, err := parseIfMatch([]string{value})
		if err == nil {
			require.Positive(t, version)
			require.Equal(t, formatETag(version), strings.Trim(value, " \t"))
			return
		}
		require.Zero(t, version)
		refusalQuotesNothing(t, err, value, fhir.KindValue)
	})
}

func FuzzIfNoneMatchMatchesOnlyTheVersion(f *testing.F) {
	for _, seed := range []string{`W/"3"`, `"3"`, `*`, `"1", W/"3"`, `"3`, `""`, `"a,b",W/"33"`, `*, "3"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		match, err := noneMatch([]string{value}, 3)
		if err != nil {
			require.False(t, match)
			refusalQuotesNothing(t, err, value, fhir.KindValue)
			return
		}
		if match {
			require.True(t, strings.Contains(value, `"3"`) || strings.Trim(value, " \t,") == "*")
		}
	})
}

func FuzzPreferIsOneOfTheKnownValues(f *testing.F) {
	for _, seed := range []string{"return=minimal", `return="OperationOutcome"; x, handling=lenient`, "RETURN = representation", `=,;"`, ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		p := parsePrefer([]string{value})
		require.Contains(t, []string{"minimal", "representation", "OperationOutcome"}, p.result)
		require.Contains(t, []string{"", "strict", "lenient"}, p.handling)
	})
}

// refusalQuotesNothing checks the kind, and that what was sent isn't repeated.
func refusalQuotesNothing(t *testing.T, err error, input string, kinds ...fhir.Kind) {
	t.Helper()
	var o *fhir.Outcome
	require.True(t, errors.As(err, &o))
	require.Contains(t, kinds, o.Kind)
	if len(input) > 40 {
		require.NotContains(t, o.Error(), input)
	}
}
