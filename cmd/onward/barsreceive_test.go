package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
)

const noSlots = "/FHIR/R4/Slot?status=free&start=ge2026-01-01T00:00:00Z&start=le2026-01-02T00:00:00Z&Schedule.actor:HealthcareService="

func slotsOf(service string) string {
	return noSlots + service + "&_include=Slot:schedule&_include=Schedule:actor:HealthcareService"
}

// Ensure that the operator says who may use a service, and how strictly it is held
// to the standard.
func TestAServiceHasItsOwnListsAndItsOwnMode(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:", "--bars-organisation", sandbox.UrgentTreatment+"=B2002+C3003;*=A1001",
		"--bars-product", sandbox.NoSlots+"=T-2", "--bars-service-mode", sandbox.Minimal+"=lenient")
	for _, row := range []struct {
		name, service string
		status        int
		issue         string
	}{
		{"an organisation that isn't listed", sandbox.UrgentTreatment, 401, "forbidden"},
		{"one that is listed for all other services", sandbox.EmergencyCare, 200, ""},
		{"a product that isn't listed", sandbox.NoSlots, 401, "forbidden"},
	} {
		a := s.do("GET", slotsOf(row.service), speaking(row.service), nil)
		require.Equal(t, row.status, a.status, "%s: %s", row.name, a.body)
		if row.issue != "" {
			code, word, _ := a.issue(t)
			require.Equal(t, []string{row.issue, "REC_UNAUTHORIZED"}, []string{code, word}, row.name)
		}
	}
	refused := s.do("POST", messagePath, speaking(sandbox.UrgentTreatment), bookingFor(t, s.freeSlots(1)[0]))
	require.Equal(t, 401, refused.status, "%s", refused.body)

	for service, status := range map[string]int{sandbox.EmergencyCare: 400, sandbox.Minimal: 200} {
		h := speaking(service)
		h.Del("NHSD-Requesting-Software")
		require.Equal(t, status, s.do("GET", slotsOf(service), h, nil).status, service)
	}
}

func TestListsThatMakeNoSenseStopTheStart(t *testing.T) {
	for flag, value := range map[string]string{
		"--bars-organisation": "2000072489=not a code", "--bars-product": "2000072489=a++b", "--bars-role": "=1", "--bars-service-mode": "2000072489=loose",
	} {
		require.Contains(t, refusedStart(t, "--store", "sqlite::memory:", flag, value), flag)
	}
	require.Contains(t, refusedStart(t, "--store", "sqlite::memory:", "--bars-certificate"), "--tls-client-ca")
}
