package rest

import (
	"errors"
	"mime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/fhirxml"
	"github.com/onward-health/onward/fhir/r4"
)

func FuzzNegotiationAnswersOnlyWhatIsNamed(f *testing.F) {
	for _, seed := range [][3]string{
		{"application/fhir+json;q=0.5, */*;q=0.1", "", ""},
		{"text/html, *; q=.2", "json", ""},
		{`a/b;c="d,e\",f";q=1`, "application/fhir json;fhirVersion=4.0", ""},
		{"application/fhir+json; fhirVersion=3.0", "xml", ""},
		{"application/fhir+xml;q=0.5, application/json;q=.4", "", "text/xml"},
		{"image/*, application/fhir+xml;q=0", "", "image/png"},
		{",;=\"", "\\", "a/b"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, accept, asked, own string) {
		got, err := negotiate([]string{accept}, []string{asked}, own)
		if err != nil {
			require.Equal(t, inJSON, got, "the error itself")
			refusalQuotesNothing(t, err, accept, fhir.KindNotAcceptable, fhir.KindTooComplex)
			return
		}
		text := strings.ToLower(accept)
		if asked != "" {
			text = strings.ToLower(asked)
		}
		empty := strings.Trim(text, " \t,") == ""
		switch got {
		case inJSON:
			require.True(t, empty || strings.Contains(text, "json") || asked == "" && strings.Contains(text, "*"), "nothing names JSON")
		case inXML:
			require.True(t, strings.Contains(text, "xml") || asked == "" && strings.Contains(text, "*"), "nothing names XML")
		case inRaw:
			main, _, _ := strings.Cut(own, "/")
			require.NotEmpty(t, own)
			require.True(t, strings.Contains(text, own) || asked == "" && strings.Contains(text, main+"/*"), "nothing names the content")
		}
	})
}

func FuzzTheTypeOfABinaryIsASafeHeader(f *testing.F) {
	for _, seed := range []string{"text/html; charset=utf-8", "a/b;c=\"d\\\"\r\n\"", "image/*", "a/b/c", "text/plain; x=é", "pdf", "a/b; *", "a/b; q*=utf-8''%C3%A9"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		res := fhir.NewObject("Binary").Set("contentType", text).Resource()
		header, own := ownType(res)
		require.Equal(t, header == "", own == "")
		if header == "" {
			return
		}
		_, want, err := mime.ParseMediaType(res.Get("contentType").Text())
		require.NoError(t, err)
		typ, params, err := mime.ParseMediaType(header)
		require.NoError(t, err, "%q", header)
		require.Equal(t, own, typ)
		require.Equal(t, want, params)
		for _, c := range []byte(header) {
			require.True(t, c >= 0x20 && c < 0x7F, "%q", header)
		}
		require.NotContains(t, own, "*")
	})
}

func FuzzAcceptEncodingTakesGzipOnlyWhereNamed(f *testing.F) {
	for _, seed := range []string{"gzip", "x-gzip;q=0.5, identity;q=0.1", "*", "gzip;q=0, *", "br, deflate", "identity;q=0", ";=,q"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if takesGzip([]string{value}) {
			text := strings.ToLower(value)
			require.True(t, strings.Contains(text, "gzip") || strings.Contains(text, "*"))
		}
	})
}

// FuzzIndentedXMLMeansTheSame reads any resource that XML can hold, from XML and
// from indented XML.
func FuzzIndentedXMLMeansTheSame(f *testing.F) {
	for _, seed := range []string{
		`{"resourceType":"Patient"}`,
		`{"resourceType":"Patient","id":"a","name":[{"family":"> <a>","_family":{"id":"x"}}],"contained":[{"resourceType":"Group"}]}`,
		`{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a <b title='>'>c</b><br/>\n <!-- <div> --><div><![CDATA[</div>]]></div> d</div>"},"active":true}`,
		`{"resourceType":"Basic","extension":[{"url":"u","valueDecimal":1.00}],"code":{"text":"x"}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		res, err := fhir.Parse([]byte(text))
		if err != nil {
			return
		}
		plain, err := fhirxml.FromJSON(res, r4.Tables)
		if err != nil {
			return
		}
		want, err := fhirxml.ToJSON(plain, r4.Tables)
		if err != nil {
			return // the codec's own tests say what it reads
		}
		got, err := fhirxml.ToJSON(indentXML(plain), r4.Tables)
		require.NoError(t, err)
		require.Equal(t, string(want.JSON()), string(got.JSON()))
	})
}

func FuzzIfMatchHasOneSpelling(f *testing.F) {
	for _, seed := range []string{`W/"1"`, `W/"01"`, `"1"`, `*`, `W/"9223372036854775807"`, `W/"9223372036854775808"`, ` W/"7" `, `W/"`, ``} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		var c Change
		err := c.readIfMatch([]string{value})
		text := strings.Trim(value, " \t")
		switch {
		case err == nil && c.IfLive:
			require.Equal(t, "*", text)
		case err == nil:
			require.Positive(t, c.IfMatch)
			require.Equal(t, formatETag(c.IfMatch), "W/"+strings.TrimPrefix(text, "W/"))
		default:
			require.Zero(t, c.IfMatch)
			refusalQuotesNothing(t, err, value, fhir.AsOutcome(err).Kind)
			require.Contains(t, []fhir.Kind{fhir.KindValue, fhir.KindVersion}, fhir.AsOutcome(err).Kind)
		}
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
