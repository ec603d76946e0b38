package nhs_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

func TestVerificationIsReadInEachFormThatIsSent(t *testing.T) {
	const old, england = nhs.SystemVerification, nhs.SystemVerificationEngland
	for _, c := range []struct{ system, code, want string }{
		{old, "number-present-and-verified", nhs.NumberVerified},
		{old, "01", nhs.NumberVerified},
		{old, "02", nhs.NumberNotTraced},
		{england, "number-present-and-verified", nhs.NumberVerified},
		{england, "02", nhs.NumberNotTraced},
		{england, "08", "trace-postponed"},
		{england, "09", "09"},
		{"https://example.org/other", "01", ""},
	} {
		id, err := fhir.Parse([]byte(`{"extension":[{"url":"https://example.org/x","valueString":"a"},{"url":"` + nhs.ExtVerification +
			`","valueCodeableConcept":{"coding":[{"code":"01"},{"system":"` + c.system + `","code":"` + c.code + `"}]}}]}`))
		require.NoError(t, err)
		require.Equal(t, c.want, nhs.VerificationOf(id.Root()), "%s %s", c.system, c.code)
	}
}
