package nhs

import "github.com/onward-health/onward/fhir"

// Statuses of an NHS number (UK Core, NHSNumberVerificationStatus), in the words
// in which BaRS sends them.
const (
	NumberVerified  = "number-present-and-verified"
	NumberNotTraced = "number-present-but-not-traced"
)

// verificationWords are the words for the two digits of UK Core 2 and of the PDS.
var verificationWords = map[string]string{
	"01": NumberVerified,
	"02": NumberNotTraced,
	"03": "trace-required",
	"04": "trace-attempted",
	"05": "trace-needs-to-be-resolved",
	"06": "trace-in-progress",
	"07": "number-not-present-and-trace-not-required",
	"08": "trace-postponed",
}

// VerificationOf is the verification status of an Identifier that is an NHS
// number, as a word, "" where it has none. Senders write the word or the two
// digits, under the older or the newer address of the code system.
func VerificationOf(identifier fhir.Value) string {
	for ext := range identifier.Get("extension").Items() {
		if ext.Get("url").Text() != ExtVerification {
			continue
		}
		for c := range fhir.Codings(ext.Get("valueCodeableConcept")) {
			if c.System != SystemVerification && c.System != SystemVerificationEngland {
				continue
			}
			if word, found := verificationWords[c.Code]; found {
				return word
			}
			return c.Code
		}
	}
	return ""
}
