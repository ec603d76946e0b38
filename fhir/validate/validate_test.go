package validate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/r4"
)

var tables = r4.Tables

func parse(t testing.TB, text string) *fhir.Resource {
	t.Helper()
	r, err := fhir.Parse([]byte(text))
	require.NoError(t, err, text)
	return r
}
