package bars_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// edited puts a record with members changed, by plain FHIR.
func (s *scene) edited(typ, id string, members map[string]string) error {
	s.t.Helper()
	r := s.get(typ, id)
	edit := r.Edit()
	for name, value := range members {
		edit.Set(r.Root(), name, []byte(value))
	}
	next, err := edit.Done()
	require.NoError(s.t, err)
	_, err = s.put(string(next.JSON()), 0)
	return err
}

// Ensure that a copy of what was sent never says silently what its receiver wasn't
// told.
func TestACopyOfWhatWasSentChangesByMessageAlone(t *testing.T) {
	p := openPair(t)
	theirs, ours, err := p.sends(hospital, referral(t, toService(hospital), cadCase, fromBare("p1")))
	require.NoError(t, err)
	_, visit, err := p.sends(clinic, booking(t, 0, fromBare("p2")))
	require.NoError(t, err)
	s, sr, appointment := p.requester, focus(ours), focus(visit)
	for _, c := range []struct{ typ, id, member, value string }{
		{"ServiceRequest", sr, "status", `"revoked"`},
		{"ServiceRequest", sr, "status", `"entered-in-error"`},
		{"ServiceRequest", sr, "status", `"on-hold"`},
		{"ServiceRequest", sr, "priority", `"urgent"`},
		{"ServiceRequest", sr, "reasonCode", `[{"text":"a"}]`},
		{"Appointment", appointment, "status", `"cancelled"`},
		{"Appointment", appointment, "status", `"proposed"`},
		{"Appointment", appointment, "description", `"a"`},
		{"Appointment", appointment, "start", `"2026-11-21T08:00:00Z"`},
	} {
		refused(t, s.edited(c.typ, c.id, map[string]string{c.member: c.value}), fhir.KindConflict, c.typ+"."+c.member)
	}
	refused(t, s.edited("ServiceRequest", sr, map[string]string{"status": `"completed"`, "priority": `"urgent"`}), fhir.KindConflict, "ServiceRequest.priority")
	refused(t, s.remove("ServiceRequest", sr), fhir.KindConflict)
	refused(t, s.remove("Appointment", appointment), fhir.KindConflict)
	for _, c := range [][3]string{{"PUT", "ServiceRequest", sr}, {"PATCH", "ServiceRequest", sr}, {"DELETE", "ServiceRequest", sr}, {"PUT", "Appointment", appointment}, {"DELETE", "Appointment", appointment}} {
		status := map[string]string{"ServiceRequest": "revoked", "Appointment": "cancelled"}[c[1]]
		body := `{"resourceType":"` + c[1] + `","id":"` + c[2] + `","status":"` + status + `"}`
		if c[0] == "PUT" {
			r := s.get(c[1], c[2])
			next, err := r.Edit().SetText(r.Root(), "status", status).SetText(r.Root(), "id", c[2]).Done()
			require.NoError(t, err)
			body = string(next.JSON())
		}
		req := asked(t, c[0], c[1], c[2], body)
		req.Target = nhs.ServiceID{System: nhs.SystemDoS, Value: bare}
		_, err := s.desk.Record(s.ctx, req)
		refused(t, err, fhir.KindConflict)
	}
	require.Equal(t, "active", s.status("ServiceRequest", sr))
	require.Equal(t, "booked", s.status("Appointment", appointment))

	// What happened at the receiver may be written down, and a message still goes.
	require.NoError(t, s.edited("ServiceRequest", sr, nil))
	require.NoError(t, s.edited("Appointment", appointment, map[string]string{"status": `"noshow"`}))
	require.NoError(t, s.remove("Appointment", appointment), "one that has ended")
	_, _, err = p.sends(hospital, referralCancel(t, focus(theirs), toService(hospital), fromBare("p3"), changes{srUseCase: "a6t1"}))
	require.NoError(t, err)
	require.Equal(t, "revoked", s.status("ServiceRequest", sr))
}

// Ensure that staff can end a copy that no message can.
func TestACopyThatNoMessageEndsMayBeEndedHere(t *testing.T) {
	for name, kept := range map[string]struct {
		c    changes
		lost []bool
	}{
		"the receiver's id was lost":       {changes{}, []bool{true}},
		"application 8 has no cancelation": {changes{srUseCase: "a8t1"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := openPair(t)
			_, ours, err := p.sends(hospital, referral(t, toService(hospital), kept.c, fromBare(uuid.NewString())), kept.lost...)
			require.NoError(t, err)
			refused(t, p.requester.edited("ServiceRequest", focus(ours), map[string]string{"priority": `"urgent"`}), fhir.KindConflict, "ServiceRequest.priority")
			require.NoError(t, p.requester.edited("ServiceRequest", focus(ours), map[string]string{"status": `"revoked"`}))
		})
	}
}
