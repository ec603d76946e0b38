package bars_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

func slotQuery(service string, statuses ...string) bars.SlotQuery {
	return bars.SlotQuery{Service: nhs.ServiceID{System: nhs.SystemDoS, Value: service}, Statuses: statuses,
		From: sceneNow, To: sceneNow.Add(7 * 24 * time.Hour)}
}

func ids(records []*store.Record) []string {
	out := []string{}
	for _, r := range records {
		out = append(out, r.ID)
	}
	return out
}

func TestSlotsOfAServiceAreListedByStart(t *testing.T) {
	s := open(t)
	s.accepted(booking(t, 1))
	s.putSlot(2, "busy-unavailable")
	s.hold(slotID(clinic, 3))
	for _, row := range []struct {
		statuses []string
		want     []int
	}{
		{[]string{"free"}, []int{0, 4}},
		{[]string{"busy"}, []int{1}},
		{[]string{"free", "busy"}, []int{0, 1, 4}},
	} {
		answer, err := s.desk.Slots(s.ctx, slotQuery(clinic, row.statuses...))
		require.NoError(t, err)
		want := []string{}
		for _, n := range row.want {
			want = append(want, slotID(clinic, n))
		}
		require.Equal(t, want, ids(answer.Slots))
		require.Empty(t, answer.Included)
	}
}

func TestBothBoundsOfASlotQueryBelongToIt(t *testing.T) {
	s := open(t)
	q := slotQuery(clinic, "free")
	q.From, _ = fhir.ParseInstant(slotStart(1))
	q.To, _ = fhir.ParseInstant(slotStart(2))
	answer, err := s.desk.Slots(s.ctx, q)
	require.NoError(t, err)
	require.Equal(t, []string{slotID(clinic, 1), slotID(clinic, 2)}, ids(answer.Slots))
}

func TestIncludesOfSlots(t *testing.T) {
	s := open(t)
	unknown := "Slot:nonsense"
	for _, row := range []struct {
		name     string
		service  string
		includes []string
		applied  []string
		want     []string
	}{
		{"none", clinic, nil, nil, []string{}},
		{"schedule", clinic, []string{bars.IncludeSchedule}, []string{bars.IncludeSchedule}, []string{scheduleID(clinic)}},
		{"service", clinic, []string{bars.IncludeService}, []string{bars.IncludeService}, []string{clinic}},
		{"provider", clinic, []string{bars.IncludeService, bars.IncludeProvider, unknown}, []string{bars.IncludeService, bars.IncludeProvider}, []string{clinic, "B2002"}},
		{"twice the same", clinic, []string{bars.IncludeSchedule, bars.IncludeSchedule}, []string{bars.IncludeSchedule}, []string{scheduleID(clinic)}},
		{"all", clinic, []string{"Slot:*"}, []string{"Slot:*"}, []string{scheduleID(clinic), clinic, "B2002"}},
		{"no provider", bare, []string{"Slot:*"}, []string{"Slot:*"}, []string{scheduleID(bare), bare}},
	} {
		t.Run(row.name, func(t *testing.T) {
			q := slotQuery(row.service, "free")
			q.Include = row.includes
			answer, err := s.desk.Slots(s.ctx, q)
			require.NoError(t, err)
			require.Equal(t, row.applied, answer.Applied)
			require.Equal(t, row.want, ids(answer.Included))
		})
	}
	// A service without diaries applies the same includes.
	_, err := s.desk.Load(s.ctx, bars.Caller{}, []*fhir.Resource{parse(t, `{"resourceType":"HealthcareService","id":"2000000001"}`)})
	require.NoError(t, err)
	q := slotQuery("2000000001", "free")
	q.Include = []string{bars.IncludeSchedule, unknown}
	answer, err := s.desk.Slots(s.ctx, q)
	require.NoError(t, err)
	require.Empty(t, answer.Slots)
	require.Equal(t, []string{bars.IncludeSchedule}, answer.Applied)
}

func TestSlotQueriesThatAreRefused(t *testing.T) {
	s := open(t)
	wide := slotQuery(clinic, "free")
	wide.To = wide.From.Add(63 * 24 * time.Hour)
	_, err := s.desk.Slots(s.ctx, wide)
	refused(t, err, fhir.KindTooCostly)
	wide.To = wide.From.Add(62*24*time.Hour + time.Second)
	_, err = s.desk.Slots(s.ctx, wide)
	refused(t, err, fhir.KindTooCostly)
	wide.To = wide.From.Add(62*24*time.Hour + 999*time.Millisecond) // as a bound to the second is read
	_, err = s.desk.Slots(s.ctx, wide)
	require.NoError(t, err)
	_, err = s.desk.Slots(s.ctx, slotQuery("2000099999", "free"))
	refused(t, err, fhir.KindNotFound)
}

func TestRecordsAreReadThroughTheirOwnService(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	sender := bars.Caller{Door: "bars", Organisation: "A1001"}
	here, there := nhs.ServiceID{System: nhs.SystemDoS, Value: clinic}, nhs.ServiceID{System: nhs.SystemDoS, Value: hospital}
	rec, err := s.desk.RecordAt(s.ctx, sender, here, "Appointment", id)
	require.NoError(t, err)
	require.Equal(t, id, rec.ID)
	_, err = s.desk.RecordAt(s.ctx, sender, there, "Appointment", id)
	refused(t, err, fhir.KindAccess)
	_, err = s.desk.RecordAt(s.ctx, sender, here, "Appointment", "none")
	refused(t, err, fhir.KindNotFound)
	_, err = s.desk.RecordAt(s.ctx, sender, here, "Appointment", "a/b")
	refused(t, err, fhir.KindNotFound)

	parsed, err := search.Parse("Appointment", "patient.identifier="+nhs.SystemNHSNumber+"|9000000009", bars.SearchOptions(base, time.Now))
	require.NoError(t, err)
	found, err := s.desk.SearchAt(s.ctx, sender, here, parsed.Query)
	require.NoError(t, err)
	require.Equal(t, []string{id}, ids(found.Records))
	found, err = s.desk.SearchAt(s.ctx, sender, there, parsed.Query)
	require.NoError(t, err)
	require.Empty(t, found.Records)

	require.NoError(t, s.remove("Appointment", id))
	_, err = s.desk.RecordAt(s.ctx, sender, here, "Appointment", id)
	refused(t, err, fhir.KindGone)
}

func TestLoadLeavesWhatIsHereOrWasDeleted(t *testing.T) {
	s := open(t)
	s.putSlot(0, "busy")
	require.NoError(t, s.remove("Slot", slotID(clinic, 1)))
	n, err := s.desk.Load(s.ctx, bars.Caller{Door: "setup"}, directory(t))
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, "busy", s.status("Slot", slotID(clinic, 0)))
	rec, err := s.store.Get(s.ctx, store.Ref{Type: "Slot", ID: slotID(clinic, 1)})
	require.NoError(t, err)
	require.True(t, rec.Deleted, "what was deleted doesn't come back at the next start")
	s.invariant()

	n, err = s.desk.Load(s.ctx, bars.Caller{}, []*fhir.Resource{slotResource(t, clinic, 7, "busy-unavailable"), slotResource(t, clinic, 7, "busy-unavailable")})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	s.invariant()

	for _, text := range []string{appointmentText("x", "booked", 2), `{"resourceType":"Slot"}`, `{"resourceType":"Slot","id":"a/b"}`} {
		_, err = s.desk.Load(s.ctx, bars.Caller{}, []*fhir.Resource{parse(t, text)})
		refused(t, err, fhir.KindInvariant)
	}
}

// A service may have more schedules than one page of a search.
func TestNoScheduleIsLeftOut(t *testing.T) {
	s := open(t)
	var more []*fhir.Resource
	for n := range search.MaxCount + 1 {
		id := fmt.Sprintf("5d000000-0000-4000-8000-%012d", n)
		more = append(more, parse(t, `{"resourceType":"Schedule","id":"`+id+`","actor":[{"reference":"HealthcareService/`+clinic+`"}]}`),
			parse(t, fmt.Sprintf(`{"resourceType":"Slot","id":"s%s","schedule":{"reference":"Schedule/%s"},"status":"free","start":%q,"end":%q}`, id[1:], id, slotStart(0), slotEnd(0))))
	}
	_, err := s.desk.Load(s.ctx, bars.Caller{Door: "setup"}, more)
	require.NoError(t, err)
	answer, err := s.desk.Slots(s.ctx, slotQuery(clinic, "free"))
	require.NoError(t, err)
	require.Len(t, answer.Slots, slotsPerDiary+search.MaxCount+1)
}
