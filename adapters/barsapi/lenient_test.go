package barsapi

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
)

// Ensure that the birth date of the API's own example is read in lenient mode, as
// the day that it is.
func TestABirthDateWithTheDayFirstIsTakenLeniently(t *testing.T) {
	const query = "patient:name=a&patient:birthdate=eq02/03/1980&patient:address-postalcode=b"
	q, err := readPatientQuery("Appointment", query, bars.Lenient)
	require.NoError(t, err)
	require.Contains(t, q.text, "patient.birthdate=1980-03-02")
	_, err = readPatientQuery("Appointment", query, bars.Strict)
	require.Error(t, err)
	_, err = readPatientQuery("Appointment", "patient:name=a&patient:birthdate=eq31/02/1980&patient:address-postalcode=b", bars.Lenient)
	require.Error(t, err)
}
