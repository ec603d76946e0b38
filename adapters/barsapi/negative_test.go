package barsapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// The negative cases of the standard's test ideas. A test's name holds the line's
// number; "negative 7 cancel/…" is line 7. Each is answered with exactly the
// status, issue and word named, and checked whole by refused: lines 14 (nothing of
// the patient in diagnostics) and 15 (one http-error-codes coding, both ids) hold
// in every row.

// calls are one valid request for each path and verb, against what booked gives.
func (s *scene) calls(id, referral string) [][3]string {
	one := func(typ, id string) [][3]string {
		return [][3]string{{"GET", "/" + typ + "/" + id, ""}, {"PUT", "/" + typ + "/" + id, `{"resourceType":"` + typ + `","id":"` + id + `"}`},
			{"PATCH", "/" + typ + "/" + id, `{}`}, {"DELETE", "/" + typ + "/" + id, ""}, {"GET", "/" + typ + "/" + id + "/_history/1", ""},
			{"GET", "/" + typ + "?patient:identifier=https://fhir.nhs.uk/Id/nhs-number%7C9000000009", ""}, {"POST", "/" + typ, `{"resourceType":"` + typ + `"}`}}
	}
	all := append(one("Appointment", id), one("ServiceRequest", referral)...)
	return append(all, [3]string{"GET", slotPath, ""}, [3]string{"POST", messagePath, tour(s.t, "refer")})
}

// more loads two further slots at the clinic, one of them closed, and one
// elsewhere.
func (s *scene) more() {
	s.t.Helper()
	var list []*fhir.Resource
	add := func(format string, args ...any) {
		r, err := fhir.Parse([]byte(fmt.Sprintf(format, args...)))
		require.NoError(s.t, err)
		list = append(list, r)
	}
	add(`{"resourceType":"Schedule","id":"5c-elsewhere","actor":[{"reference":"HealthcareService/%s"}]}`, elsewhere)
	for id, row := range map[string][3]string{freeSlot: {schedule, "free", "10"}, closedSlot: {schedule, "busy-unavailable", "11"}, foreignSlot: {"5c-elsewhere", "free", "10"}} {
		add(`{"resourceType":"Slot","id":%q,"schedule":{"reference":"Schedule/%s"},"status":%q,"start":"2026-11-21T%[4]s:00:00.000Z","end":"2026-11-21T%[4]s:20:00.000Z"}`, id, row[0], row[1], row[2])
	}
	_, err := s.desk.Load(context.Background(), bars.Caller{Door: "setup"}, list)
	require.NoError(s.t, err)
}

const (
	freeSlot    = "51000000-0000-4000-8000-000000000002"
	closedSlot  = "51000000-0000-4000-8000-000000000003"
	foreignSlot = "51000000-0000-4000-8000-000000000004"
)

// book books the scene's slot and gives the Appointment's id.
func (s *scene) book() string {
	s.t.Helper()
	w := s.do("POST", messagePath, speaking(), tour(s.t, "book"))
	require.Equal(s.t, 200, w.Code, "%s", w.Body)
	return resource(s.t, w).Get("entry").At(1).Dig("resource", "id").Text()
}

// refer refers a patient in a journey of its own.
func (s *scene) refer() string {
	s.t.Helper()
	w := s.do("POST", messagePath, speaking(), tour(s.t, "refer", "EpisodeOfCare/0b000000-0000-4000-8000-000000000001", "EpisodeOfCare/"+uuid.NewString()))
	require.Equal(s.t, 200, w.Code, "%s", w.Body)
	return resource(s.t, w).Get("entry").At(1).Dig("resource", "id").Text()
}

func TestNegative1AMissingOrMalformedHeaderIsRefusedOnEveryPath(t *testing.T) {
	s := open(t)
	id, referral := s.book(), s.refer()
	for _, call := range s.calls(id, referral) {
		for _, row := range []struct {
			name, value string
			status      int
			issue, word string
		}{
			{"X-Request-Id", "", 400, "required", "REC_BAD_REQUEST"},
			{"X-Correlation-Id", "", 400, "required", "REC_BAD_REQUEST"},
			{"X-Request-Id", "no-uuid", 400, "value", "REC_BAD_REQUEST"},
			{"X-Correlation-Id", "no-uuid", 400, "value", "REC_BAD_REQUEST"},
			{headerTarget, "", 400, "required", "REC_BAD_REQUEST"},
			{headerTarget, "%%%%", 400, "value", "REC_BAD_REQUEST"},
			{headerTarget, encode("no JSON"), 400, "value", "REC_BAD_REQUEST"},
			{headerTarget, encode(`{"value":"1"}`), 400, "structure", "REC_BAD_REQUEST"},
			{headerTarget, encode(`{"system":"` + nhs.SystemDoS + `"}`), 400, "structure", "REC_BAD_REQUEST"},
			{headerTarget, targetOf("2000099999"), 404, "not-found", "REC_NOT_FOUND"},
			{headerOrganisation, "", 400, "required", "REC_BAD_REQUEST"},
			{headerOrganisation, "%%%%", 400, "value", "REC_BAD_REQUEST"},
			{headerOrganisation, encode(`{"resourceType":"Organization"}`), 400, "value", "REC_BAD_REQUEST"},
			{headerSoftware, "", 400, "required", "REC_BAD_REQUEST"},
			{headerSoftware, encode(`[]`), 400, "value", "REC_BAD_REQUEST"},
			{headerPractitioner, "%%%%", 400, "value", "REC_BAD_REQUEST"},
		} {
			h := changed(row.name, row.value)
			s.refused(s.do(call[0], call[1], h, call[2]), h, row.status, row.issue, row.word)
		}
		for _, name := range []string{headerRequestID, headerCorrelation, headerTarget, headerOrganisation, headerSoftware} {
			h := speaking()
			h[http.CanonicalHeaderKey(name)] = append(h.Values(name), h.Get(name))
			s.refused(s.do(call[0], call[1], h, call[2]), h, 400, "value", "REC_BAD_REQUEST")
		}
	}
	// use-context is the proxy's affair: whatever it holds, the receiver takes it.
	for _, value := range []string{"", "nonsense", "a1t2|referral|servicerequest-request|new"} {
		require.Equal(t, 200, s.do("GET", slotPath, changed("use-context", value), "").Code)
	}
}

func TestNegative2WhatCanNotBeNegotiatedIsRefusedOnEveryPath(t *testing.T) {
	s := open(t)
	id, referral := s.book(), s.refer()
	for _, call := range s.calls(id, referral) {
		for _, accept := range []string{"text/html", "application/fhir+json; version=2.0.0", "application/fhir+json; fhirVersion=3.0"} {
			h := changed("Accept", accept)
			s.refused(s.do(call[0], call[1], h, call[2]), h, 406, "processing", "REC_NOT_ACCEPTABLE")
		}
		if call[2] == "" {
			continue
		}
		for _, typ := range []string{"", "text/plain", "application/fhir+json; version=2.0.0", "application/fhir+json; charset=utf-16", "application/fhir+json; fhirVersion=3.0"} {
			h := changed("Content-Type", typ)
			s.refused(s.do(call[0], call[1], h, call[2]), h, 415, "not-supported", "REC_UNSUPPORTED_MEDIA_TYPE")
		}
		h := speaking()
		s.refused(s.do(call[0], call[1], h, ""), h, 400, "required", "REC_BAD_REQUEST")
		s.refused(s.do(call[0], call[1], h, strings.Repeat("x", 65<<10)), h, 413, "too-long", "REC_BAD_REQUEST")
		s.refused(s.do(call[0], call[1], h, `{"resourceType"`), h, 400, "structure", "REC_BAD_REQUEST")
	}
}

func TestNegative6ABookingThatCanNotBeMadeIsRefused(t *testing.T) {
	s := open(t)
	s.more()
	id := s.book()
	patient := resource(t, s.do("GET", "/Appointment/"+id, speaking(), "")).Get("participant", "actor", "reference").Text()
	post := func(slot, from, to string) string {
		return `{"resourceType":"Appointment","status":"booked","start":"2026-11-21T` + from + `:00.000Z","end":"2026-11-21T` + to + `:00.000Z","slot":[{"reference":"Slot/` + slot +
			`"}],"participant":[{"actor":{"reference":"` + patient + `"},"status":"accepted"}]}`
	}
	message := tour(t, "book")
	for _, row := range []struct {
		name, path, body string
		status           int
		issue, word      string
	}{
		{"slot busy", messagePath, message, 409, "conflict", "REC_CONFLICT"},
		{"slot busy, by REST", "/Appointment", post(slotID, "09:00", "09:20"), 409, "conflict", "REC_CONFLICT"},
		{"slot closed, by REST", "/Appointment", post(closedSlot, "11:00", "11:20"), 409, "conflict", "REC_CONFLICT"},
		{"slot unknown", messagePath, strings.ReplaceAll(message, slotID, uuid.NewString()), 404, "not-found", "REC_NOT_FOUND"},
		{"slot unknown, by REST", "/Appointment", post(uuid.NewString(), "10:00", "10:20"), 404, "not-found", "REC_NOT_FOUND"},
		{"slot of another service", "/Appointment", post(foreignSlot, "10:00", "10:20"), 400, "invariant", "REC_BAD_REQUEST"},
		{"slot altered", messagePath, strings.NewReplacer(slotID, freeSlot).Replace(message), 400, "invariant", "REC_BAD_REQUEST"},
		{"end before start", "/Appointment", post(freeSlot, "10:20", "10:00"), 400, "invariant", "REC_BAD_REQUEST"},
		{"outside the slot", "/Appointment", post(freeSlot, "10:00", "10:40"), 400, "invariant", "REC_BAD_REQUEST"},
		{"cancelled before it is made", "/Appointment", strings.Replace(post(freeSlot, "10:00", "10:20"), "booked", "cancelled", 1), 400, "invariant", "REC_BAD_REQUEST"},
		{"for nobody", "/Appointment", strings.Replace(post(freeSlot, "10:00", "10:20"), patient, "Patient/"+uuid.NewString(), 1), 400, "invariant", "REC_BAD_REQUEST"},
	} {
		t.Run("negative 6 booking/"+row.name, func(t *testing.T) {
			h := speaking()
			s.refused(s.do("POST", row.path, h, row.body), h, row.status, row.issue, row.word)
		})
	}
	h := speaking()
	w := s.do("POST", "/Appointment", h, post(freeSlot, "10:00", "10:20"))
	require.Equal(t, 200, w.Code, "%s", w.Body)
	require.Equal(t, "application/fhir+json; charset=utf-8; version=1.0.0", w.Header().Get("Content-Type"))
	s.echoed(w, h)
	s.refused(s.do("POST", "/Appointment", h, post(freeSlot, "10:00", "10:20")), h, 409, "duplicate", "REC_CONFLICT")
	s.refused(s.do("DELETE", "/Appointment/"+id, h, ""), h, 400, "invalid", "REC_BAD_REQUEST")
}

func TestNegative7AChangeThatTheStandardForbidsIsRefused(t *testing.T) {
	s := open(t)
	s.more()
	id, gone := s.book(), ""
	read := func(id string) string { return s.do("GET", "/Appointment/"+id, speaking(), "").Body.String() }
	old := read(id)
	require.Equal(t, 200, s.do("PATCH", "/Appointment/"+id, speaking(), `{"slot":[{"reference":"Slot/`+freeSlot+`"}]}`).Code)
	gone = s.book()
	w := s.do("DELETE", "/Appointment/"+gone, speaking(), "")
	require.Equal(t, 200, w.Code)
	now := read(id)
	unknown := uuid.NewString()
	cancel := tour(t, "cancel-booking", "@APPOINTMENT@", id)
	for _, row := range []struct {
		name, verb, path, body string
		status                 int
		issue, word            string
	}{
		{"unknown id, by message", "POST", messagePath, strings.ReplaceAll(cancel, id, unknown), 404, "not-found", "REC_NOT_FOUND"},
		{"unknown id, by PUT", "PUT", "/Appointment/" + unknown, strings.ReplaceAll(now, id, unknown), 404, "not-found", "REC_NOT_FOUND"},
		{"unknown id, by DELETE", "DELETE", "/Appointment/" + unknown, "", 404, "not-found", "REC_NOT_FOUND"},
		{"already cancelled, by message", "POST", messagePath, strings.ReplaceAll(cancel, id, gone), 409, "conflict", "REC_CONFLICT"},
		{"already cancelled, by PUT", "PUT", "/Appointment/" + gone, read(gone), 409, "conflict", "REC_CONFLICT"},
		{"already cancelled, by PATCH", "PATCH", "/Appointment/" + gone, `{"slot":[{"reference":"Slot/` + slotID + `"}]}`, 409, "conflict", "REC_CONFLICT"},
		{"already cancelled, by DELETE", "DELETE", "/Appointment/" + gone, "", 409, "conflict", "REC_CONFLICT"},
		{"another patient", "POST", messagePath, strings.ReplaceAll(cancel, "9000000009", "9000000017"), 400, "invariant", "REC_BAD_REQUEST"},
		{"changed since it was read", "PUT", "/Appointment/" + id, strings.Replace(old, "booked", "cancelled", 1), 409, "conflict", "REC_CONFLICT"},
		{"PUT of another slot", "PUT", "/Appointment/" + id, strings.Replace(now, freeSlot, slotID, 1), 400, "invariant", "REC_BAD_REQUEST"},
		{"PUT of another description", "PUT", "/Appointment/" + id, strings.Replace(now, "Sprained ankle", "S3CRET", 1), 400, "invariant", "REC_BAD_REQUEST"},
		{"PUT of what happened to the patient", "PUT", "/Appointment/" + id, strings.Replace(now, `"booked"`, `"arrived"`, 1), 400, "invariant", "REC_BAD_REQUEST"},
		{"PATCH of the status", "PATCH", "/Appointment/" + id, `{"status":"cancelled"}`, 400, "invariant", "REC_BAD_REQUEST"},
		{"PATCH of the reason", "PATCH", "/Appointment/" + id, `{"reasonCode":[{"text":"S3CRET"}]}`, 400, "invariant", "REC_BAD_REQUEST"},
		{"PATCH of a comment beside the slot", "PATCH", "/Appointment/" + id, `{"comment":"S3CRET","slot":[{"reference":"Slot/` + slotID + `"}]}`, 400, "invariant", "REC_BAD_REQUEST"},
		{"PATCH to a slot that isn't free", "PATCH", "/Appointment/" + id, `{"slot":[{"reference":"Slot/` + closedSlot + `"}]}`, 409, "conflict", "REC_CONFLICT"},
		{"PATCH to another service's slot", "PATCH", "/Appointment/" + id, `{"slot":[{"reference":"Slot/` + foreignSlot + `"}]}`, 400, "invariant", "REC_BAD_REQUEST"},
	} {
		t.Run("negative 7 cancel/"+row.name, func(t *testing.T) {
			h := speaking()
			s.refused(s.do(row.verb, row.path, h, row.body), h, row.status, row.issue, row.word)
		})
	}
	require.Equal(t, now, read(id), "nothing of it was changed")
	for value, row := range map[string][3]string{`W/"1"`: {"409", "conflict", "REC_CONFLICT"}, `W/"x"`: {"409", "conflict", "REC_CONFLICT"}, `nonsense`: {"400", "value", "REC_BAD_REQUEST"}} {
		h := changed("If-Match", value)
		w := s.do("DELETE", "/Appointment/"+id, h, "")
		require.Equal(t, row[0], fmt.Sprint(w.Code))
		s.refused(w, h, w.Code, row[1], row[2])
	}
	require.Equal(t, 200, s.do("DELETE", "/Appointment/"+id, changed("If-Match", `W/"2"`), "").Code)
}

func TestNegative11ReadsAndSearchesThatAreRefused(t *testing.T) {
	s := open(t)
	ids := map[string]string{"Appointment": s.book(), "ServiceRequest": s.refer()}
	stranger := encode(`{"resourceType":"Organization","identifier":[{"value":"C3003","system":"https://fhir.nhs.uk/Id/ods-organization-code"}],"name":"Other"}`)
	const number = "?patient:identifier=https://fhir.nhs.uk/Id/nhs-number%7C9000000009"
	for typ, id := range ids {
		for _, row := range []struct {
			name, path   string
			header, text string
			status       int
			issue, word  string
		}{
			{"an id that is no UUID", "/S3CRET", "", "", 400, "value", "REC_BAD_REQUEST"},
			{"a version of an id that is no UUID", "/S3CRET/_history/1", "", "", 400, "value", "REC_BAD_REQUEST"},
			{"an unknown id", "/" + uuid.NewString(), "", "", 404, "not-found", "REC_NOT_FOUND"},
			{"an unknown version", "/" + id + "/_history/9", "", "", 404, "not-found", "REC_NOT_FOUND"},
			{"no version", "/" + id + "/_history/x", "", "", 404, "not-found", "REC_NOT_FOUND"},
			{"nothing", "", "", "", 400, "required", "REC_BAD_REQUEST"},
			{"something else", "?status=booked", "", "", 400, "required", "REC_BAD_REQUEST"},
			{"name only", "?patient:name=Sample", "", "", 400, "required", "REC_BAD_REQUEST"},
			{"no postcode", "?patient:name=Sample&patient:birthdate=1980-02-29", "", "", 400, "required", "REC_BAD_REQUEST"},
			{"a number without its system", "?patient:identifier=9000000009", "", "", 400, "value", "REC_BAD_REQUEST"},
			{"several numbers", number + ",https://fhir.nhs.uk/Id/nhs-number%7C9000000017", "", "", 400, "value", "REC_BAD_REQUEST"},
			{"a number twice", number + "&" + number[1:], "", "", 400, "value", "REC_BAD_REQUEST"},
			{"a number in two spellings", number + "&" + strings.Replace(number[1:], ":", ".", 1), "", "", 400, "value", "REC_BAD_REQUEST"},
			{"half a birth date", "?patient:name=Sample&patient:birthdate=1980&patient:address-postalcode=ZZ99", "", "", 400, "value", "REC_BAD_REQUEST"},
			{"born before", "?patient:name=Sample&patient:birthdate=lt1990-01-01&patient:address-postalcode=ZZ99", "", "", 400, "value", "REC_BAD_REQUEST"},
			{"the published date", "?patient:name=Sample&patient:birthdate=eq20/01/1995&patient:address-postalcode=ZZ99", "", "", 400, "value", "REC_BAD_REQUEST"},
			{"no page size", number + "&_count=0", "", "", 400, "value", "REC_BAD_REQUEST"},
			{"another search's page", number + "&_cursor=S3CRET", "", "", 400, "value", "REC_BAD_REQUEST"},
			{"another organisation's", "/" + id, headerOrganisation, stranger, 401, "forbidden", "REC_UNAUTHORIZED"},
			{"another organisation's version", "/" + id + "/_history/1", headerOrganisation, stranger, 401, "forbidden", "REC_UNAUTHORIZED"},
			{"another service's", "/" + id, headerTarget, targetOf(elsewhere), 401, "forbidden", "REC_UNAUTHORIZED"},
		} {
			t.Run("negative 11 "+typ+"/"+row.name, func(t *testing.T) {
				h := speaking()
				if row.header != "" {
					h = changed(row.header, row.text)
				}
				s.refused(s.do("GET", "/"+typ+row.path, h, ""), h, row.status, row.issue, row.word)
			})
		}
		// What another organisation may not see it doesn't find.
		r := resource(t, s.do("GET", "/"+typ+number, changed(headerOrganisation, stranger), ""))
		require.Equal(t, "0", string(r.Get("total").Raw()))
		r = resource(t, s.do("GET", "/"+typ+number, speaking(), ""))
		require.Equal(t, "1", string(r.Get("total").Raw()))
	}
}

// Line 14 and 15 where a fault is our own.
func TestNegative15APanicIsAnsweredAsAnyErrorIs(t *testing.T) {
	s := open(t, func(o *Options) { o.Statement = func() *fhir.Resource { panic("9000000009 S3CRET") } })
	h := speaking()
	r := s.refused(s.do("GET", "/metadata", h, ""), h, 500, "exception", "REC_SERVER_ERROR")
	require.NotContains(t, r.Get("issue", "diagnostics").Text(), "goroutine")
	require.Contains(t, s.log.String(), "panic")
	plain := open(t, func(o *Options) {
		o.FHIR = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("S3CRET") })
	})
	w := plain.do("GET", "/Patient/1", http.Header{"X-Request-Id": {"a"}}, "")
	require.Equal(t, []any{500, "a"}, []any{w.Code, w.Header().Get("X-Request-Id")})
	require.NotContains(t, w.Body.String(), "S3CRET")
}
