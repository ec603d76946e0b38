package bars_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/patch"
	"github.com/onward-health/onward/nhs"
)

// asked is a write of the standard's REST at the clinic, with ids of its own.
func asked(t testing.TB, method, typ, id, body string) bars.RecordRequest {
	t.Helper()
	r := bars.RecordRequest{
		Caller: bars.Caller{Door: "bars", Organisation: "A1001"},
		Key:    bars.Key{Door: "bars", Sender: "A1001", Target: clinic, Values: []string{uuid.NewString()}},
		Target: nhs.ServiceID{System: nhs.SystemDoS, Value: clinic},
		Method: method, Type: typ, ID: id, Body: []byte(body),
	}
	switch method {
	case "POST", "PUT":
		r.Resource = parse(t, body)
	case "PATCH":
		doc := parse(t, body)
		r.Patch = func(current *fhir.Resource) (*fhir.Resource, error) { return patch.Merge(current, doc) }
	}
	return r
}

func (s *scene) manage(method, typ, id, body string) (*fhir.Resource, error) {
	s.t.Helper()
	result, err := s.desk.Record(s.ctx, asked(s.t, method, typ, id, body))
	if err != nil {
		return nil, err
	}
	require.NotNil(s.t, result.Resource)
	return result.Resource, nil
}

// shown is a record as its sender reads it.
func (s *scene) shown(typ, id string) string {
	s.t.Helper()
	rec, err := s.desk.RecordAt(s.ctx, bars.Caller{Organisation: "A1001"}, nhs.ServiceID{System: nhs.SystemDoS, Value: clinic}, typ, id)
	require.NoError(s.t, err)
	return string(fhir.Stamp(rec.Body, rec.Version, rec.LastUpdated))
}

func moveTo(id string, n int) string {
	return `{"resourceType":"Appointment","id":"` + id + `","slot":[{"reference":"urn:uuid:` + slotID(clinic, n) + `"}]}`
}

func TestAPutCancelsABookingAndFreesItsSlot(t *testing.T) {
	for _, status := range []string{"cancelled", "entered-in-error"} {
		s := open(t)
		id := focus(s.accepted(booking(t, 0)))
		text := strings.Replace(s.shown("Appointment", id), `"status":"booked"`, `"status":"`+status+`","reasonCode":[{"text":"better"}]`, 1)
		r, err := s.manage("PUT", "Appointment", id, text)
		require.NoError(t, err)
		require.Equal(t, []string{status, "better", "2"}, []string{r.Get("status").Text(), r.Get("reasonCode", "text").Text(), r.Get("meta", "versionId").Text()})
		require.Equal(t, status, s.status("Appointment", id))
		require.Equal(t, "free", s.status("Slot", slotID(clinic, 0)))
		require.Empty(t, s.claimOf(slotID(clinic, 0)))
		s.invariant()
		for _, method := range []string{"PUT", "PATCH", "DELETE"} {
			_, err = s.manage(method, "Appointment", id, s.shown("Appointment", id))
			refused(t, err, fhir.KindConflict, "Appointment.status")
		}
	}
}

func TestAPutMayChangeTheReasonOfACurrentBooking(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	text := strings.Replace(s.shown("Appointment", id), `"status":"booked"`, `"reasonCode":[{"text":"why"}],"status":"booked"`, 1)
	_, err := s.manage("PUT", "Appointment", id, text)
	require.NoError(t, err)
	require.Equal(t, "why", s.get("Appointment", id).Get("reasonCode", "text").Text())
	_, err = s.manage("PUT", "Appointment", id, strings.Replace(s.shown("Appointment", id), `,"reasonCode":[{"text":"why"}]`, "", 1))
	require.NoError(t, err)
	require.False(t, s.get("Appointment", id).Get("reasonCode").Exists())
	require.Equal(t, "busy", s.status("Slot", slotID(clinic, 0)))
	s.invariant()
}

func TestAPutChangesNothingElse(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	text := s.shown("Appointment", id)
	for name, row := range map[string]struct {
		from, to, at string
		kind         fhir.Kind
	}{
		"slot":            {`Slot/` + slotID(clinic, 0), `Slot/` + slotID(clinic, 1), "slot", fhir.KindInvariant},
		"start":           {`"start":"` + slotStart(0), `"start":"` + slotStart(1), "start", fhir.KindInvariant},
		"description":     {"Sprained ankle", "Something else", "description", fhir.KindInvariant},
		"an addition":     {`"status":"booked"`, `"status":"booked","comment":"new"`, "comment", fhir.KindInvariant},
		"an omission":     {`"description":"Sprained ankle",`, ``, "description", fhir.KindInvariant},
		"receiver's word": {`"status":"booked"`, `"status":"noshow"`, "status", fhir.KindWorkflow},
		"no code":         {`"status":"booked"`, `"status":"S3CRET"`, "status", fhir.KindWorkflow},
		"another id":      {`"id":"` + id, `"id":"` + uuid.NewString(), "id", fhir.KindInvariant},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, text, row.from)
			_, err := s.manage("PUT", "Appointment", id, strings.Replace(text, row.from, row.to, 1))
			refused(t, err, row.kind, "Appointment."+row.at)
		})
	}
	require.Equal(t, text, s.shown("Appointment", id))
}

func TestAPatchMovesABookingToAnotherSlotInOneStep(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	r, err := s.manage("PATCH", "Appointment", id, moveTo(id, 2))
	require.NoError(t, err)
	require.Equal(t, []string{slotStart(2), slotEnd(2), "Slot/" + slotID(clinic, 2), "booked"},
		[]string{r.Get("start").Text(), r.Get("end").Text(), r.Get("slot", "reference").Text(), r.Get("status").Text()})
	require.Equal(t, []string{"free", "busy"}, []string{s.status("Slot", slotID(clinic, 0)), s.status("Slot", slotID(clinic, 2))})
	require.Equal(t, "Appointment/"+id, s.claimOf(slotID(clinic, 2)))
	require.Empty(t, s.claimOf(slotID(clinic, 0)))
	s.invariant()

	// Times that are those of the slot may be said as well, in any offset.
	_, err = s.manage("PATCH", "Appointment", id, strings.TrimSuffix(moveTo(id, 1), "}")+`,"start":"2026-11-21T10:20:00+01:00","end":"`+slotEnd(1)+`"}`)
	require.NoError(t, err)
	require.Equal(t, slotStart(1), s.get("Appointment", id).Get("start").Text())
	// Moved to where it is, it stays.
	_, err = s.manage("PATCH", "Appointment", id, moveTo(id, 1))
	require.NoError(t, err)
	require.Equal(t, "busy", s.status("Slot", slotID(clinic, 1)))
	s.invariant()
}

func TestAPatchChangesNothingButTheSlot(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	s.accepted(booking(t, 1))
	s.putSlot(3, "busy-unavailable")
	before := s.shown("Appointment", id)
	with := func(text string) string { return strings.TrimSuffix(moveTo(id, 2), "}") + "," + text + "}" }
	for name, row := range map[string]struct {
		body string
		kind fhir.Kind
		at   string
	}{
		"status":              {with(`"status":"cancelled"`), fhir.KindInvariant, "status"},
		"status alone":        {`{"status":"cancelled"}`, fhir.KindInvariant, "status"},
		"description":         {with(`"description":"S3CRET"`), fhir.KindInvariant, "description"},
		"taking away":         {with(`"description":null`), fhir.KindInvariant, "description"},
		"reason":              {with(`"reasonCode":[{"text":"S3CRET"}]`), fhir.KindInvariant, "reasonCode"},
		"another start":       {with(`"start":"` + slotStart(3) + `"`), fhir.KindInvariant, "start"},
		"an end that is none": {with(`"end":"tomorrow"`), fhir.KindInvariant, "end"},
		"no slot":             {`{"slot":null}`, fhir.KindInvariant, "slot"},
		"a taken slot":        {moveTo(id, 1), fhir.KindConflict, "slot"},
		"a closed slot":       {moveTo(id, 3), fhir.KindConflict, "slot"},
		"an unknown slot":     {`{"slot":[{"reference":"Slot/` + uuid.NewString() + `"}]}`, fhir.KindNotFound, "slot"},
		"not a slot":          {`{"slot":[{"reference":"Patient/1"}]}`, fhir.KindInvariant, "slot"},
		"another service's":   {`{"slot":[{"reference":"Slot/` + slotID(hospital, 2) + `"}]}`, fhir.KindInvariant, "slot"},
		"twice the same":      {`{"slot":[{"reference":"Slot/` + slotID(clinic, 2) + `"},{"reference":"Slot/` + slotID(clinic, 2) + `"}]}`, fhir.KindInvariant, "slot"},
		"another id":          {moveTo(uuid.NewString(), 2), fhir.KindInvariant, "id"},
		"another type":        {`{"resourceType":"Slot"}`, fhir.KindInvariant, "id"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.manage("PATCH", "Appointment", id, row.body)
			refused(t, err, row.kind, "Appointment."+row.at)
		})
	}
	require.Equal(t, before, s.shown("Appointment", id))
	require.Equal(t, "free", s.status("Slot", slotID(clinic, 2)))
	s.invariant()
}

func TestADeleteCancelsAndTheRecordStaysReadable(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	_, err := s.manage("DELETE", "Appointment", id, "")
	require.NoError(t, err)
	require.Contains(t, s.shown("Appointment", id), `"status":"cancelled"`)
	require.Equal(t, "free", s.status("Slot", slotID(clinic, 0)))
	s.accepted(booking(t, 0))
	s.invariant()

	referred := focus(s.accepted(referral(t)))
	_, err = s.manage("DELETE", "ServiceRequest", referred, "")
	require.NoError(t, err)
	require.Contains(t, s.shown("ServiceRequest", referred), `"status":"revoked"`)
	_, err = s.manage("DELETE", "ServiceRequest", referred, "")
	refused(t, err, fhir.KindConflict, "ServiceRequest.status")
}

func TestAReferralIsRestatedByPutAndPatch(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(referral(t)))
	r, err := s.manage("PATCH", "ServiceRequest", id, `{"status":"on-hold"}`)
	require.NoError(t, err)
	require.Equal(t, "on-hold", r.Get("status").Text())
	_, err = s.manage("PATCH", "ServiceRequest", id, `{"priority":"urgent"}`)
	refused(t, err, fhir.KindInvariant, "ServiceRequest.priority")
	_, err = s.manage("PATCH", "ServiceRequest", id, `{"status":"completed"}`)
	refused(t, err, fhir.KindWorkflow, "ServiceRequest.status")
	_, err = s.manage("PUT", "ServiceRequest", id, strings.Replace(s.shown("ServiceRequest", id), `"on-hold"`, `"revoked"`, 1))
	require.NoError(t, err)
	require.Equal(t, "revoked", s.status("ServiceRequest", id))
	_, err = s.manage("PATCH", "ServiceRequest", id, `{"status":"active"}`)
	refused(t, err, fhir.KindConflict, "ServiceRequest.status")
}

// posted is a booking that is posted for the patient of an earlier one.
func (s *scene) posted(n int) string {
	s.t.Helper()
	first := s.get("Appointment", focus(s.accepted(booking(s.t, n))))
	patient := first.Get("participant", "actor", "reference").Text()
	return `{"resourceType":"Appointment","id":"mine","meta":{"lastUpdated":"2026-11-20T09:00:00+00:00"},"status":"booked","description":"x",` +
		`"start":"` + slotStart(n+1) + `","end":"` + slotEnd(n+1) + `","slot":[{"reference":"Slot/` + slotID(clinic, n+1) + `"}],` +
		`"participant":[{"actor":{"reference":"` + patient + `"},"status":"accepted"}]}`
}

func TestAPostBooksAnAppointment(t *testing.T) {
	s := open(t)
	text := s.posted(0)
	r, err := s.manage("POST", "Appointment", "", text)
	require.NoError(t, err)
	require.True(t, fhir.ValidUUID(r.ID()))
	require.Equal(t, fhir.FormatInstant(sceneNow), r.Get("created").Text())
	require.Len(t, r.Get("identifier", "value").Text(), 10)
	require.Equal(t, "busy", s.status("Slot", slotID(clinic, 1)))
	require.Equal(t, "Appointment/"+r.ID(), s.claimOf(slotID(clinic, 1)))
	s.invariant()
	_, err = s.manage("POST", "Appointment", "", text)
	refused(t, err, fhir.KindConflict, "Appointment.slot")
	require.Contains(t, s.shown("Appointment", r.ID()), `"booked"`)
	_, err = s.manage("DELETE", "Appointment", r.ID(), "")
	require.NoError(t, err)
	s.invariant()
}

func TestPostsThatAreRefused(t *testing.T) {
	s := open(t)
	text := s.posted(0)
	strangers := uuid.NewString()
	_, err := s.put(`{"resourceType":"Patient","id":"`+strangers+`"}`, 0)
	require.NoError(t, err)
	patient := parse(t, text).Get("participant", "actor", "reference").Text()
	useCase := `"serviceCategory":[{"coding":[{"system":"` + bars.SystemUseCases + `","code":"a5t1"}]}],"status"`
	for name, row := range map[string]struct {
		from, to, at string
		kind         fhir.Kind
	}{
		"another type":          {`"resourceType":"Appointment"`, `"resourceType":"Slot"`, "resourceType", fhir.KindInvariant},
		"too many slots":        {`"slot":[`, `"slot":[` + strings.Repeat(`{"reference":"Slot/1"},`, 100), "Appointment.slot", fhir.KindTooComplex},
		"too many participants": {`"participant":[`, `"participant":[` + strings.Repeat(`{"status":"accepted","type":[{"text":"x"}]},`, 100), "Appointment.participant", fhir.KindTooComplex},
		"not booked":            {`"booked"`, `"proposed"`, "Appointment.status", fhir.KindWorkflow},
		"cancelled":             {`"booked"`, `"cancelled"`, "Appointment.status", fhir.KindWorkflow},
		"no such status":        {`"booked"`, `"S3CRET"`, "Appointment.status", fhir.KindInvariant},
		"no slot":               {`"slot":[{"reference":"Slot/` + slotID(clinic, 1) + `"}],`, ``, "Appointment.slot", fhir.KindInvariant},
		"an unknown slot":       {slotID(clinic, 1), uuid.NewString(), "Appointment.slot", fhir.KindNotFound},
		"another service's":     {slotID(clinic, 1), slotID(hospital, 1), "Appointment.slot", fhir.KindInvariant},
		"outside its slot":      {slotEnd(1), slotEnd(2), "Appointment.start", fhir.KindInvariant},
		"an unknown member":     {`"description":"x"`, `"S3CRET":"x"`, "Appointment.S3CRET", fhir.KindStructure},
		"nobody's":              {patient, "Patient/" + uuid.NewString(), "Appointment.participant", fhir.KindInvariant},
		"a stranger's patient":  {patient, "Patient/" + strangers, "Appointment.participant", fhir.KindInvariant},
		"an unoffered use case": {`"status"`, useCase, "Appointment.serviceCategory", fhir.KindUnsupportedUse},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, text, row.from)
			_, err := s.manage("POST", "Appointment", "", strings.Replace(text, row.from, row.to, 1))
			refused(t, err, row.kind, row.at)
		})
	}
	require.Equal(t, "free", s.status("Slot", slotID(clinic, 1)))
	s.invariant()
}

func TestAPostRefers(t *testing.T) {
	s := open(t)
	first := s.get("ServiceRequest", focus(s.accepted(referral(t))))
	text := `{"resourceType":"ServiceRequest","status":"active","intent":"plan","subject":{"reference":"` + first.Get("subject", "reference").Text() + `"}}`
	r, err := s.manage("POST", "ServiceRequest", "", text)
	require.NoError(t, err)
	require.Contains(t, s.shown("ServiceRequest", r.ID()), `"active"`)
	_, err = s.manage("POST", "ServiceRequest", "", strings.Replace(text, "active", "revoked", 1))
	refused(t, err, fhir.KindWorkflow, "ServiceRequest.status")
	_, err = s.manage("POST", "ServiceRequest", "", strings.Replace(text, "plan", "order", 1))
	refused(t, err, fhir.KindInvariant, "ServiceRequest.intent")
}

func TestAWriteThatWasNotPrecededByAReadIsRefused(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	read := s.shown("Appointment", id)
	_, err := s.manage("PATCH", "Appointment", id, moveTo(id, 1))
	require.NoError(t, err)
	_, err = s.manage("PUT", "Appointment", id, strings.Replace(read, "booked", "cancelled", 1))
	refused(t, err, fhir.KindVersion)
	_, err = s.manage("PATCH", "Appointment", id, strings.TrimSuffix(moveTo(id, 2), "}")+`,"meta":{"lastUpdated":"2026-11-20T08:59:59.9999999+00:00"}}`)
	refused(t, err, fhir.KindVersion)
	for version, ok := range map[int64]bool{1: false, 3: false, 2: true} {
		req := asked(t, "DELETE", "Appointment", id, "")
		req.IfMatch = version
		if !ok {
			_, err = s.desk.Record(s.ctx, req)
			refused(t, err, fhir.KindVersion)
		}
	}
	req := asked(t, "DELETE", "Appointment", id, "")
	req.IfMatch = 2
	_, err = s.desk.Record(s.ctx, req)
	require.NoError(t, err)
	s.invariant()
}

func TestARepeatedWriteHasOneEffect(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	req := asked(t, "PATCH", "Appointment", id, moveTo(id, 1))
	_, err := s.desk.Record(s.ctx, req)
	require.NoError(t, err)
	again, err := s.desk.Record(s.ctx, req)
	require.NoError(t, err)
	require.NotNil(t, again.Replay)
	require.Nil(t, again.Resource)
	// The same ids for something else are no retry, though the bodies be alike.
	gone := asked(t, "DELETE", "Appointment", focus(s.accepted(booking(t, 2))), "")
	_, err = s.desk.Record(s.ctx, gone)
	require.NoError(t, err)
	gone.ID = id
	_, err = s.desk.Record(s.ctx, gone)
	refused(t, err, fhir.KindInvalid)
	other := asked(t, "DELETE", "Appointment", id, "")
	other.Key = req.Key
	_, err = s.desk.Record(s.ctx, other)
	refused(t, err, fhir.KindInvalid)
	require.Equal(t, "booked", s.status("Appointment", id))
}

func TestOnlyItsOwnOrganisationsAndServiceReachARecord(t *testing.T) {
	s := open(t)
	id := focus(s.accepted(booking(t, 0)))
	for _, change := range []func(*bars.RecordRequest){
		func(r *bars.RecordRequest) { r.Caller.Organisation = "C3003" },
		func(r *bars.RecordRequest) { r.Target.Value = hospital },
	} {
		for method, body := range map[string]string{"DELETE": "", "PATCH": moveTo(id, 1), "PUT": s.shown("Appointment", id)} {
			req := asked(t, method, "Appointment", id, body)
			change(&req)
			_, err := s.desk.Record(s.ctx, req)
			refused(t, err, fhir.KindAccess)
		}
		req := request(t, bookingCancel(t, id, 0))
		req.Caller.Organisation = "C3003"
		_, err := s.desk.Message(s.ctx, req)
		refused(t, err, fhir.KindAccess)
	}
	require.Equal(t, "booked", s.status("Appointment", id))
	provider := asked(t, "DELETE", "Appointment", id, "")
	provider.Caller.Organisation = "B2002"
	_, err := s.desk.Record(s.ctx, provider)
	require.NoError(t, err, "whose service it is may cancel it")
}

func TestBookingsThatMoveToOneSlotAtOnceLeaveOneWinner(t *testing.T) {
	s := open(t)
	var requests []bars.RecordRequest
	for n := range 3 {
		id := focus(s.accepted(booking(t, n)))
		requests = append(requests, asked(t, "PATCH", "Appointment", id, moveTo(id, 4)))
	}
	errs := make([]error, len(requests))
	var wg sync.WaitGroup
	for i := range requests {
		wg.Go(func() { _, errs[i] = s.desk.Record(s.ctx, requests[i]) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		refused(t, err, fhir.KindConflict, "Appointment.slot")
	}
	require.Equal(t, 1, won)
	s.invariant()
}

// The answer to a message shows the record under the sender's own names of the
// entries. Who puts that back means the records.
func TestAPutMayNameRecordsAsTheSendersMessageDid(t *testing.T) {
	s := open(t)
	result := s.accepted(booking(t, 0))
	id := focus(result)
	shown := entryOf(result.Bundle, "Appointment").Resource()
	require.Contains(t, string(shown.JSON()), `"reference":"urn:uuid:00000006-0000-4000-8000-000000000006"`)
	cancelled, err := shown.Edit().SetText(shown.Root(), "status", "cancelled").Done()
	require.NoError(t, err)
	after, err := s.manage("PUT", "Appointment", id, string(cancelled.JSON()))
	require.NoError(t, err)
	require.Equal(t, "Slot/"+slotID(clinic, 0), after.Get("slot").At(0).Get("reference").Text())
	require.Equal(t, "free", s.status("Slot", slotID(clinic, 0)))

	other := focus(s.accepted(booking(t, 1)))
	moved := strings.Replace(string(cancelled.JSON()), id, other, 1)
	_, err = s.manage("PUT", "Appointment", other, moved)
	require.Error(t, err, "another booking's slot and times")
}
