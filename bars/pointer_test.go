package bars_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// register keeps in the store what the registry would be told, so that only what
// was committed is there.
type register struct{}

func (register) Point(p bars.Pointer, created time.Time) (store.Op, error) {
	if created.IsZero() {
		return nil, fmt.Errorf("a pointer without its time")
	}
	text, err := json.Marshal(p)
	return store.AuxPut{Kind: "pointed", Key: fmt.Sprintf("%s|%03d", p.Focus, p.Order), Value: text}, err
}

func pointing(o *bars.Options)  { o.Registry = register{} }
func referrals(o *bars.Options) { o.PointReferrals = true }

// pointed lists what the registry is told of a record, in order.
func (s *scene) pointed(ref string) (list []bars.Pointer) {
	s.t.Helper()
	found, err := s.store.AuxScan(s.ctx, "pointed", ref+"|", "", 0)
	require.NoError(s.t, err)
	for _, doc := range found {
		var p bars.Pointer
		require.NoError(s.t, json.Unmarshal(doc.Value, &p))
		require.NotEmpty(s.t, p.ID)
		p.ID = ""
		list = append(list, p)
	}
	return list
}

// all counts what the registry is told.
func (s *scene) told() int {
	s.t.Helper()
	found, err := s.store.AuxScan(s.ctx, "pointed", "", "", 0)
	require.NoError(s.t, err)
	return len(found)
}

func TestABookingLeavesAPointerThatFollowsItToItsEnd(t *testing.T) {
	s := open(t, pointing)
	req := request(t, booking(t, 0))
	req.Caller.Correlation = uuid.NewString()
	result, err := s.desk.Message(s.ctx, req)
	require.NoError(t, err)
	id := focus(result)
	want := bars.Pointer{Correlation: req.Caller.Correlation, Focus: store.Ref{Type: "Appointment", ID: id}, Order: 1, Present: true, Patient: "9000000009",
		Custodian: "B2002", CustodianName: "Organisation", Service: nhs.ServiceID{System: nhs.SystemDoS, Value: clinic},
		Start: slotStart(0), End: slotEnd(0), Address: base + "/Appointment/" + id, UseContext: "a1t2|booked|booking-request|update"}
	require.Equal(t, []bars.Pointer{want}, s.pointed("Appointment/"+id))

	_, err = s.manage("PATCH", "Appointment", id, moveTo(id, 2))
	require.NoError(t, err)
	moved := want
	moved.Correlation, moved.Order, moved.Start, moved.End = "", 2, slotStart(2), slotEnd(2)
	_, err = s.manage("DELETE", "Appointment", id, "")
	require.NoError(t, err)
	gone := moved
	gone.Order, gone.Present, gone.UseContext = 3, false, "a1t2|cancelled|booking-request|update"
	require.Equal(t, []bars.Pointer{want, moved, gone}, s.pointed("Appointment/"+id))
}

func TestEveryWayOutOfABookingTakesItsPointerAway(t *testing.T) {
	for name, end := range map[string]func(s *scene, id string) error{
		"cancelled by message": func(s *scene, id string) error { _, err := s.send(bookingCancel(t, id, 0)); return err },
		"cancelled by PUT": func(s *scene, id string) error {
			_, err := s.put(withStatus(t, s, "Appointment", id, "cancelled"), 0)
			return err
		},
		"not attended": func(s *scene, id string) error {
			_, err := s.put(withStatus(t, s, "Appointment", id, "noshow"), 0)
			return err
		},
		"deleted": func(s *scene, id string) error { return s.remove("Appointment", id) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, pointing)
			id := focus(s.accepted(booking(t, 0)))
			require.NoError(t, end(s, id))
			told := s.pointed("Appointment/" + id)
			require.Len(t, told, 2)
			require.Equal(t, []bool{true, false}, []bool{told[0].Present, told[1].Present})
			require.Equal(t, int64(2), told[1].Order)
		})
	}
}

func withStatus(t testing.TB, s *scene, typ, id, status string) string {
	r := s.get(typ, id)
	r, err := r.Edit().SetText(r.Root(), "status", status).SetText(r.Root(), "id", id).Done()
	require.NoError(t, err)
	return string(r.JSON())
}

func TestReferralsLeavePointersOnlyWhereThatIsAskedFor(t *testing.T) {
	s := open(t, pointing)
	s.accepted(referral(t))
	require.Zero(t, s.told())
	s = open(t, pointing, referrals)
	id := focus(s.accepted(referral(t)))
	s.accepted(referralCancel(t, id))
	told := s.pointed("ServiceRequest/" + id)
	require.Len(t, told, 2)
	require.Equal(t, []bool{true, false}, []bool{told[0].Present, told[1].Present})
	require.Equal(t, "a1t2|referral|servicerequest-request|update", told[0].UseContext)
	require.NotEmpty(t, told[0].Start)
}

func TestNoPointerIsLeftWhereThereCanBeNone(t *testing.T) {
	for name, row := range map[string]struct {
		mode bars.Mode
		send func(s *scene) error
	}{
		"a patient without NHS number": {bars.Strict, func(s *scene) error {
			_, err := s.send(booking(t, 0, changes{"Patient.identifier": nil}))
			return err
		}},
		"a number that can't be one": {bars.Lenient, func(s *scene) error {
			_, err := s.send(booking(t, 0, changes{"Patient.identifier[0].value": "9000000008"}))
			return err
		}},
		"a service that no organisation provides": {bars.Strict, func(s *scene) error {
			_, err := s.sendTo(bare, booking(t, 0, toService(bare), changes{"Slot.id": slotID(bare, 0), "HealthcareService.identifier[0].value": bare}))
			return err
		}},
		"a booking of no service": {bars.Strict, func(s *scene) error {
			_, err := s.post(`{"resourceType":"Appointment","status":"proposed","participant":[{"actor":{"reference":"Patient/1"},"status":"accepted"}]}`)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, pointing, func(o *bars.Options) { o.Mode = row.mode })
			require.NoError(t, row.send(s))
			require.Zero(t, s.told())
		})
	}
	s := open(t, pointing)
	s.accepted(booking(t, 0))
	_, err := s.send(booking(t, 0))
	require.Error(t, err, "the slot is taken")
	require.Equal(t, 1, s.told(), "what was refused leaves nothing")
}

func TestACopyOfWhatWasSentLeavesNoPointer(t *testing.T) {
	s := open(t, pointing, referrals)
	body := booking(t, 0, changes{"MessageHeader.source.endpoint": nhs.SystemDoS + "|" + clinic})
	kept, err := s.desk.Sent(s.ctx, bars.SentRequest{Caller: bars.Caller{Door: "fhir"}, Key: bars.Key{Door: "send", Values: []string{uuid.NewString()}},
		Body: body, Bundle: parse(t, string(body))})
	require.NoError(t, err)
	_, err = s.put(withStatus(t, s, "Appointment", focus(kept), "cancelled"), 0)
	require.NoError(t, err)
	require.Zero(t, s.told())
}
