package nhs_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

func TestNHSNumberChecksItsCheckDigit(t *testing.T) {
	for number, want := range map[nhs.NHSNumber]bool{
		"9990000018":   true,
		"9990000026":   true,
		"9990000034":   true,
		"0000000000":   true, // the arithmetic holds; who may have it is the trace's affair
		"9990000042":   true,
		"9990000019":   false, // wrong check digit
		"9990000081":   false, // two digits swapped
		"9990000010":   false,
		"":             false,
		"999000001":    false,
		"99900000180":  false,
		"999 000 0018": false,
		"999000001X":   false,
		"９990000018":   false,
		"-990000018":   false,
	} {
		require.Equal(t, want, number.Valid(), number)
	}
}

func TestNHSNumberOfRemainderTenHasNoCheckDigit(t *testing.T) {
	refused := 0
	for first := range 1000 { // nine digits whose check would be 10 are never issued
		text := []byte("0009999990")
		text[0], text[1], text[2] = byte('0'+first/100), byte('0'+first/10%10), byte('0'+first%10)
		valid := 0
		for last := byte('0'); last <= '9'; last++ {
			text[9] = last
			if nhs.NHSNumber(text).Valid() {
				valid++
			}
		}
		require.LessOrEqual(t, valid, 1)
		if valid == 0 {
			refused++
		}
	}
	require.InDelta(t, 1000/11, refused, 15)
}

func TestParseNHSNumberDropsBlanksAndHyphens(t *testing.T) {
	require.Equal(t, nhs.NHSNumber("9990000018"), nhs.ParseNHSNumber(" 999 000-0018 "))
	require.Equal(t, nhs.NHSNumber("x"), nhs.ParseNHSNumber("x"))
}

func TestParseODSCodeFoldsCaseAndRefusesWhatIsNone(t *testing.T) {
	for text, want := range map[string]nhs.ODSCode{"A1001": "A1001", " rx809 ": "RX809", "x26": "X26", "ABCDEF123456": "ABCDEF123456"} {
		got, ok := nhs.ParseODSCode(text)
		require.True(t, ok, text)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "A1", "ABCDEF1234567", "A-100", "A 100", "A1001|x", "Ä100", "rx8\u0131", "\u017f100", "A10\n01"} {
		got, ok := nhs.ParseODSCode(text)
		require.False(t, ok, "%q", text)
		require.Empty(t, got)
	}
}

func TestCanonicalFoldsTheSpellingsOfNHSSystems(t *testing.T) {
	for text, want := range map[string]string{
		"https://fhir.nhs.uk/Id/nhs-number":              nhs.SystemNHSNumber,
		"https://fhir.nhs.uk/id/nhs-number":              nhs.SystemNHSNumber,
		"http://fhir.nhs.uk/Id/nhs-number":               nhs.SystemNHSNumber,
		"HTTPS://FHIR.NHS.UK/ID/NHS-NUMBER":              nhs.SystemNHSNumber,
		"http://fhir.nhs.uk/Id/dos-service-id":           nhs.SystemDoS,
		"https://fhir.nhs.uk/id/ods-organization-code":   nhs.SystemODS,
		"http://fhir.nhs.uk/Id/product-id":               nhs.SystemProduct,
		"https://fhir.nhs.uk/Id/ubrn":                    nhs.SystemUBRN,
		"https://fhir.nhs.uk/id/bars-identifier":         "https://fhir.nhs.uk/Id/BaRS-Identifier",
		"https://fhir.nhs.uk/Id/nhsSpineASID":            "https://fhir.nhs.uk/Id/nhsSpineASID",
		"https://fhir.nhs.uk/id/NHSMHSPARTYKEY":          "https://fhir.nhs.uk/Id/nhsMhsPartyKey",
		"":                                               "",
		"urn:oid:1.2.3":                                  "urn:oid:1.2.3",
		"http://snomed.info/sct":                         "http://snomed.info/sct",
		"https://fhir.nhs.uk/CodeSystem/HTTP":            "https://fhir.nhs.uk/CodeSystem/HTTP",
		"https://fhir.hl7.org.uk/id/GMC-number":          "https://fhir.hl7.org.uk/id/GMC-number",
		"https://fhir.nhs.uk.evil.example/Id/nhs-number": "https://fhir.nhs.uk.evil.example/Id/nhs-number",
		"ftp://fhir.nhs.uk/Id/nhs-number":                "ftp://fhir.nhs.uk/Id/nhs-number",
		"fhir.nhs.uk/Id/nhs-number":                      "fhir.nhs.uk/Id/nhs-number",
	} {
		require.Equal(t, want, nhs.Canonical(text), text)
		require.Equal(t, want, nhs.Canonical(want), "folding twice changes nothing")
	}
	for _, system := range []string{
		nhs.SystemNHSNumber, nhs.SystemODS, nhs.SystemODSSite, nhs.SystemDoS, nhs.SystemERSDoS, nhs.SystemProduct, nhs.SystemSDSRole,
		nhs.SystemSDSUser, nhs.SystemUBRN, nhs.SystemSNOMED, nhs.SystemDxCodes, nhs.SystemJourneyOID, nhs.SystemVerification,
	} {
		require.Equal(t, system, nhs.Canonical(system), "what we emit is canonical")
	}
}

func TestParseServiceID(t *testing.T) {
	for text, want := range map[string]nhs.ServiceID{
		"2000072489": {System: nhs.SystemDoS, Value: "2000072489"},
		"http://fhir.nhs.uk/id/dos-service-id|2000072489": {System: nhs.SystemDoS, Value: "2000072489"},
		nhs.SystemERSDoS + "|7":                           {System: nhs.SystemERSDoS, Value: "7"},
		"https://sender.example/Id|a|b":                   {System: "https://sender.example/Id", Value: "a|b"},
		"|7":                                              {Value: "7"},
		"":                                                {},
		nhs.SystemDoS + "|":                               {},
		nhs.SystemDoS + "%7C2000072489":                   {System: nhs.SystemDoS, Value: "2000072489"},
		nhs.SystemDoS + "%7c2000072489":                   {System: nhs.SystemDoS, Value: "2000072489"},
	} {
		require.Equal(t, want, nhs.ParseServiceID(text), text)
	}
	id := nhs.ServiceID{System: nhs.SystemDoS, Value: "2000072489"}
	require.Equal(t, nhs.SystemDoS+"|2000072489", id.String())
	require.Equal(t, id, nhs.ParseServiceID(id.String()))
}

func parse(t *testing.T, text string) *fhir.Resource {
	t.Helper()
	r, err := fhir.Parse([]byte(text))
	require.NoError(t, err)
	return r
}

func TestNHSNumberOfAndODSOfTakeTheFirstOfTheirSystem(t *testing.T) {
	patient := parse(t, `{"resourceType":"Patient","identifier":[{"system":"https://sender.example","value":"1"},{"system":"https://fhir.nhs.uk/Id/nhs-number"},
		{"system":"http://fhir.nhs.uk/id/nhs-number","value":"999 000 0018"},{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000026"}]}`)
	require.Equal(t, nhs.NHSNumber("9990000018"), nhs.NHSNumberOf(patient))
	require.Empty(t, nhs.NHSNumberOf(parse(t, `{"resourceType":"Patient"}`)))

	organisation := parse(t, `{"identifier":[{"system":"https://fhir.nhs.uk/Id/ods-site-code","value":"Z9999"},
		{"system":"https://fhir.nhs.uk/id/ods-organization-code","value":"not a code"},{"system":"https://fhir.nhs.uk/id/ods-organization-code","value":"b2002"}]}`)
	require.Equal(t, nhs.ODSCode("B2002"), nhs.ODSOf(organisation))
	require.Empty(t, nhs.ODSOf(parse(t, `{}`)))
}
