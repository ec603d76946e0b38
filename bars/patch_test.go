package bars_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/patch"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/store"
)

// patched is a JSON Patch of a record.
func (s *scene) patched(typ, id, text string) rest.Change {
	s.t.Helper()
	p, err := patch.ParseJSON([]byte(text))
	require.NoError(s.t, err)
	return rest.Change{Method: "PATCH", Type: typ, ID: id, Patch: p.Apply}
}

func TestAPatchGoesThroughTheRulesAsAPutDoes(t *testing.T) {
	s := open(t)
	_, err := s.put(appointmentText("a", "booked", 0), 0)
	require.NoError(t, err)
	_, err = s.put(appointmentText("b", "booked", 1), 0)
	require.NoError(t, err)

	move := `[{"op":"replace","path":"/slot/0/reference","value":"Slot/` + slotID(clinic, 2) + `"}]`
	_, err = s.change(s.patched("Appointment", "a", move))
	require.NoError(t, err)
	require.Equal(t, "free", s.status("Slot", slotID(clinic, 0)))
	require.Equal(t, "Appointment/a", s.claimOf(slotID(clinic, 2)))
	s.invariant()
	_, err = s.change(s.patched("Appointment", "b", move))
	refused(t, err, fhir.KindConflict, "Appointment.slot")
	_, err = s.change(s.patched("Slot", slotID(clinic, 1), `[{"op":"replace","path":"/status","value":"free"}]`))
	refused(t, err, fhir.KindConflict, "Slot.status")
	_, err = s.change(s.patched("Appointment", "a", `[{"op":"replace","path":"/status","value":"cancelled"}]`))
	require.NoError(t, err)
	_, err = s.change(s.patched("Appointment", "a", `[{"op":"replace","path":"/status","value":"booked"}]`))
	refused(t, err, fhir.KindConflict, "Appointment.status")
	s.invariant()

	rec, err := s.store.Get(s.ctx, store.Ref{Type: "Appointment", ID: "a"})
	require.NoError(t, err)
	require.Equal(t, "PATCH", rec.Method)
	require.NotContains(t, string(rec.Body), "versionId")
}

func TestAPatchKeepsWhatItDoesNotName(t *testing.T) {
	s := open(t)
	const kept = `"extension":[{"url":"urn:a:x","valueDecimal":1.00}],"language":"\u0065n"`
	_, err := s.put(`{"resourceType":"Patient","id":"p","meta":{"versionId":"peer-7","tag":[{"code":"x"}]},`+kept+`}`, 0)
	require.NoError(t, err)
	v, err := s.change(s.patched("Patient", "p", `[{"op":"test","path":"/meta/versionId","value":"1"},{"op":"add","path":"/multipleBirthInteger","value":2}]`))
	require.NoError(t, err)
	require.Equal(t, `{"resourceType":"Patient","id":"p","meta":{"tag":[{"code":"x"}]},`+kept+`,"multipleBirthInteger":2}`, string(v.Body))
	rec, err := s.store.Get(s.ctx, store.Ref{Type: "Patient", ID: "p"})
	require.NoError(t, err)
	require.Equal(t, `{"versionId":"peer-7"}`, string(rec.Peer), "what the peer stamped is no matter of the patch")
}

func TestAPatchMayNotChangeWhatARecordIs(t *testing.T) {
	s := open(t)
	_, err := s.put(`{"resourceType":"Patient","id":"p"}`, 0)
	require.NoError(t, err)
	for _, text := range []string{
		`[{"op":"replace","path":"/id","value":"q"}]`, `[{"op":"remove","path":"/id"}]`,
		`[{"op":"replace","path":"/resourceType","value":"Slot"}]`, `[{"op":"replace","path":"","value":{}}]`,
	} {
		_, err := s.change(s.patched("Patient", "p", text))
		refused(t, err, fhir.KindProcessing, "Patient")
	}
	_, err = s.change(s.patched("Patient", "none", `[]`))
	refused(t, err, fhir.KindNotFound)
	require.NoError(t, s.remove("Patient", "p"))
	_, err = s.change(s.patched("Patient", "p", `[]`))
	refused(t, err, fhir.KindGone)
}
