package barsapi

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

func TestSlotParametersThatAreMissingOrWrong(t *testing.T) {
	const service, includes, start = "&Schedule.actor:HealthcareService=" + clinic, "&_include=Slot:schedule&_include=Schedule:actor:HealthcareService", "&start=ge2026-11-21T00:00:00Z&start=le2026-11-22T00:00:00Z"
	full := "status=free" + start + service + includes
	without := func(part string) string { return strings.Replace(full, part, "", 1) }
	bounds := func(text string) string { return strings.Replace(full, start, text, 1) }
	s := open(t)
	for _, row := range []struct {
		name, query string
		status      int
		issue, word string
	}{
		{"no service", without(service), 400, "required", "REC_BAD_REQUEST"},
		{"no status", without("status=free"), 400, "required", "REC_BAD_REQUEST"},
		{"no includes", without(includes), 400, "required", "REC_BAD_REQUEST"},
		{"one include", without("&_include=Slot:schedule"), 400, "required", "REC_BAD_REQUEST"},
		{"unknown include alone", strings.Replace(full, includes, "&_include=Schedule", 1), 400, "required", "REC_BAD_REQUEST"},
		{"no start", bounds(""), 400, "required", "REC_BAD_REQUEST"},
		{"one bound", bounds("&start=ge2026-11-21T00:00:00Z"), 400, "required", "REC_BAD_REQUEST"},
		{"two lower bounds", bounds("&start=ge2026-11-21T00:00:00Z&start=ge2026-11-22T00:00:00Z"), 400, "required", "REC_BAD_REQUEST"},
		{"two upper bounds", bounds("&start=le2026-11-21T00:00:00Z&start=le2026-11-22T00:00:00Z"), 400, "required", "REC_BAD_REQUEST"},
		{"three bounds", bounds(start + "&start=le2026-11-23T00:00:00Z"), 400, "value", "REC_BAD_REQUEST"},
		{"lower above upper", bounds("&start=ge2026-11-23T00:00:00Z&start=le2026-11-22T00:00:00Z"), 400, "value", "REC_BAD_REQUEST"},
		{"no prefix", bounds("&start=2026-11-21T00:00:00Z&start=le2026-11-22T00:00:00Z"), 400, "value", "REC_BAD_REQUEST"},
		{"another prefix", bounds("&start=ne2026-11-21T00:00:00Z&start=le2026-11-22T00:00:00Z"), 400, "value", "REC_BAD_REQUEST"},
		{"no date", bounds("&start=geS3CRET&start=le2026-11-22T00:00:00Z"), 400, "value", "REC_BAD_REQUEST"},
		{"empty bound", bounds("&start=&start=le2026-11-22T00:00:00Z"), 400, "value", "REC_BAD_REQUEST"},
		{"a plus that isn't encoded", bounds("&start=ge2026-11-21T00:00:00+00:00&start=le2026-11-22T00:00:00Z"), 400, "value", "REC_BAD_REQUEST"},
		{"no offset", bounds("&start=ge2026-11-21T00:00:00&start=le2026-11-22T00:00:00Z"), 400, "value", "REC_BAD_REQUEST"},
		{"no such day", bounds("&start=ge2026-02-30T00:00:00Z&start=le2026-11-22T00:00:00Z"), 400, "value", "REC_BAD_REQUEST"},
		{"too wide", bounds("&start=ge2026-01-01T00:00:00Z&start=le2026-12-31T00:00:00Z"), 422, "too-costly", "REC_UNPROCESSABLE_ENTITY"},
		{"all of time", bounds("&start=ge0001-01-01T00:00:00Z&start=le9999-12-31T00:00:00Z"), 422, "too-costly", "REC_UNPROCESSABLE_ENTITY"},
		{"unknown status", strings.Replace(full, "free", "S3CRET", 1), 400, "value", "REC_BAD_REQUEST"},
		{"a status that isn't searchable", strings.Replace(full, "free", "busy-unavailable", 1), 400, "value", "REC_BAD_REQUEST"},
		{"empty status", strings.Replace(full, "free", "", 1), 400, "value", "REC_BAD_REQUEST"},
		{"status repeated", full + "&status=busy", 400, "value", "REC_BAD_REQUEST"},
		{"two services", full + service, 400, "value", "REC_BAD_REQUEST"},
		{"two services in two spellings", full + "&Schedule:actor:HealthcareService=" + elsewhere, 400, "value", "REC_BAD_REQUEST"},
		{"another service than the target", strings.Replace(full, clinic, elsewhere, 1), 400, "invariant", "REC_BAD_REQUEST"},
		{"a service that isn't here", strings.Replace(full, clinic, "2000099999", 1), 404, "not-found", "REC_NOT_FOUND"},
		{"no value", strings.Replace(full, "="+clinic, "=https://fhir.nhs.uk/Id/dos-service-id%7C", 1), 400, "required", "REC_BAD_REQUEST"},
		{"malformed", full + "&x=%zz", 400, "invalid", "REC_BAD_REQUEST"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := speaking()
			s.refused(s.do("GET", "/Slot?"+row.query, h, ""), h, row.status, row.issue, row.word)
		})
	}
	h := speaking()
	r := s.refused(s.do("GET", "/Slot", h, ""), h, 400, "required", "REC_BAD_REQUEST")
	require.Equal(t, 5, r.Get("issue").Len(), "everything that is missing at once")
}

func TestSlotParametersInEverySpelling(t *testing.T) {
	from, to := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	const includes = "&_include=Slot:schedule&_include=Schedule:actor:HealthcareService"
	base := "status=free&start=ge2026-11-21T00:00:00.000Z&start=le2026-11-22T00:00:00.000Z&Schedule.actor:HealthcareService=" + clinic + includes
	want := bars.SlotQuery{Service: nhs.ServiceID{System: nhs.SystemDoS, Value: clinic}, Statuses: []string{"free"}, From: from, To: to,
		Include: []string{bars.IncludeSchedule, bars.IncludeService}}
	with := func(change func(*bars.SlotQuery)) bars.SlotQuery {
		q := want
		change(&q)
		return q
	}
	for _, row := range []struct {
		name, old, new string
		want           bars.SlotQuery
	}{
		{"as published", "", "", want},
		{"the guide's colon", "Schedule.actor", "Schedule:actor", want},
		{"system and value", clinic, "https://fhir.nhs.uk/Id/dos-service-id%7C" + clinic, want},
		{"as R4 spells the parameter", "Schedule.actor", "schedule.actor", want},
		{"a chain to the identifier", "actor:HealthcareService=" + clinic, "actor:HealthcareService.identifier=https://fhir.nhs.uk/Id/dos-service-id%7C" + clinic, want},
		{"a reference to the service", "=" + clinic, "=HealthcareService/" + clinic, want},
		{"a status with its system", "free", "http://hl7.org/fhir/slotstatus%7Cfree,http://hl7.org/fhir/slotstatus%7Cbusy", with(func(q *bars.SlotQuery) { q.Statuses = []string{"free", "busy"} })},
		{"R4's iterate", "_include=Schedule:actor", "_include:iterate=Schedule:actor", want},
		{"both statuses", "free", "free,busy", with(func(q *bars.SlotQuery) { q.Statuses = []string{"free", "busy"} })},
		{"the test tool's end", "start=le", "end=le", want},
		{"the upper bound first", "start=ge2026-11-21T00:00:00.000Z&start=le2026-11-22T00:00:00.000Z", "start=le2026-11-22T00:00:00.000Z&start=ge2026-11-21T00:00:00.000Z", want},
		{"an offset", "ge2026-11-21T00:00:00.000Z", "ge2026-11-21T01:00:00%2B01:00", want},
		{"seven digits", "ge2026-11-21T00:00:00.000Z", "ge2026-11-21T00:00:00.0000000%2B00:00", want},
		{"a whole second", "le2026-11-22T00:00:00.000Z", "le2026-11-22T00:00:00Z", with(func(q *bars.SlotQuery) { q.To = to.Add(999 * time.Millisecond) })},
		{"after", "ge2026-11-21T00:00:00.000Z", "gt2026-11-21T00:00:00.000Z", with(func(q *bars.SlotQuery) { q.From = from.Add(time.Millisecond) })},
		{"before", "le2026-11-22T00:00:00.000Z", "lt2026-11-22T00:00:00.000Z", with(func(q *bars.SlotQuery) { q.To = to.Add(-time.Millisecond) })},
		{"everything included", includes, "&_include=Slot:*", with(func(q *bars.SlotQuery) { q.Include = []string{"Slot:*"} })},
		{"a dot in an include", "_include=Schedule:actor", "_include=Schedule.actor", want},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := readSlotQuery(strings.Replace(base, row.old, row.new, 1), bars.Strict)
			require.NoError(t, err)
			require.True(t, row.want.From.Equal(got.From) && row.want.To.Equal(got.To), "%v to %v", got.From, got.To)
			got.From, got.To = row.want.From, row.want.To
			require.Equal(t, row.want, *got)
		})
	}
}

// A + that isn't encoded arrives as a blank. Lenient mode knows what was meant.
func TestAnOffsetWhosePlusIsNotEncodedIsReadInLenientMode(t *testing.T) {
	path := strings.Replace(slotPath, "le2026-11-22T00:00:00Z", "le2026-11-22T01:00:00+01:00", 1)
	w := openOn(t, bars.Options{Mode: bars.Lenient}).do("GET", path, speaking(), "")
	require.Equal(t, 200, w.Code, "%s", w.Body)
	require.Contains(t, resource(t, w).Get("link").At(0).Get("url").Text(), "le2026-11-22T00%3A00%3A00.999Z")
	s, h := open(t), speaking()
	s.refused(s.do("GET", path, h, ""), h, 400, "value", "REC_BAD_REQUEST")
}

func TestSlotsComeWithWhatWasAskedFor(t *testing.T) {
	s := open(t)
	h := speaking()
	w := s.do("GET", slotPath+"&_include=HealthcareService.providedBy&_include=Slot:nonsense", h, "")
	require.Equal(t, 200, w.Code, "%s", w.Body)
	s.echoed(w, h)
	r := resource(t, w)
	require.Equal(t, "searchset", r.Get("type").Text())
	require.Equal(t, "1", string(r.Get("total").Raw()), "only matches are counted")
	var types, modes []string
	names := map[string]bool{}
	for e := range r.Get("entry").Items() {
		types = append(types, e.Dig("resource", "resourceType").Text())
		modes = append(modes, e.Dig("search", "mode").Text())
		names[e.Get("fullUrl").Text()] = true
	}
	require.Equal(t, []string{"Slot", "Schedule", "HealthcareService", "Organization"}, types)
	require.Equal(t, []string{"match", "include", "include", "include"}, modes)
	for _, reference := range []string{
		r.Get("entry").At(0).Dig("resource", "schedule", "reference").Text(),
		r.Get("entry").At(1).Dig("resource", "actor", "reference").Text(),
		r.Get("entry").At(2).Dig("resource", "providedBy", "reference").Text(),
	} {
		require.True(t, names[reference], reference)
	}
	require.Equal(t, "urn:uuid:"+slotID, r.Get("entry").At(0).Get("fullUrl").Text())

	self, err := url.Parse(r.Get("link", "url").Text())
	require.NoError(t, err)
	require.Equal(t, "/FHIR/R4/Slot", self.Path)
	require.Equal(t, []string{"Slot:schedule", "Schedule:actor:HealthcareService", "HealthcareService:providedBy"}, self.Query()["_include"])
	require.Equal(t, []string{"free"}, self.Query()["status"])
	again := s.do("GET", strings.TrimPrefix(self.RequestURI(), "/FHIR/R4"), speaking(), "")
	require.Equal(t, 200, again.Code)
	require.Equal(t, "1", string(resource(t, again).Get("total").Raw()), "the self link means the same search")
}

func TestNoSlotsIsSaidInWords(t *testing.T) {
	s := open(t)
	for _, path := range []string{strings.Replace(slotPath, "status=free", "status=busy", 1), strings.Replace(slotPath, clinic, elsewhere, 1)} {
		h := speaking()
		if strings.Contains(path, elsewhere) {
			h.Set("NHSD-Target-Identifier", targetOf(elsewhere))
		}
		r := resource(t, s.do("GET", path+"&_include=Slot:nonsense", h, ""))
		require.Equal(t, "0", string(r.Get("total").Raw()))
		require.Equal(t, 1, r.Get("entry").Len())
		require.Equal(t, "outcome", r.Get("entry", "search", "mode").Text())
		require.Equal(t, "information", r.Get("entry", "resource", "issue", "severity").Text())
		require.Equal(t, "not-found", r.Get("entry", "resource", "issue", "code").Text())
		require.NotContains(t, r.Get("link", "url").Text(), "nonsense")
	}
}

func TestContextsOfMessageDefinitions(t *testing.T) {
	const dos, uses = "https://fhir.nhs.uk/Id/dos-service-id%7C", "https://fhir.nhs.uk/CodeSystem/usecases-categories-bars%7C"
	service := nhs.ServiceID{System: nhs.SystemDoS, Value: clinic}
	for _, row := range []struct {
		name, query string
		service     nhs.ServiceID
		useCases    []string
	}{
		{"none", "", nhs.ServiceID{}, nil},
		{"service", "context=" + dos + clinic, service, nil},
		{"bare service", "context=" + clinic, service, nil},
		{"old system", "context=http://fhir.nhs.uk/id/dos-service-id%7C" + clinic, service, nil},
		{"use case", "context=" + uses + "a1t1", nhs.ServiceID{}, []string{"a1t1"}},
		{"bare use case in upper case", "context=A1T1", nhs.ServiceID{}, []string{"a1t1"}},
		{"both", "context=" + dos + clinic + "&context=" + uses + "A1T1", service, []string{"a1t1"}},
		{"two use cases", "context=" + uses + "a1t1&context=" + uses + "a1t2", nhs.ServiceID{}, []string{"a1t1", "a1t2"}},
		{"an encoded ampersand", "context=" + dos + clinic + "%26context%3D" + uses + "a1t1", service, []string{"a1t1"}},
		{"encoded twice", "context=" + url.QueryEscape(url.QueryEscape(nhs.SystemDoS+"|"+clinic+"&context="+bars.SystemUseCases+"|a1t1")), service, []string{"a1t1"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			gotService, gotUseCases, err := readContexts(row.query)
			require.NoError(t, err)
			require.Equal(t, row.service, gotService)
			require.Equal(t, row.useCases, gotUseCases)
		})
	}
	for query, kind := range map[string]fhir.Kind{
		"context=":              fhir.KindInvalid,
		"context=%7C" + clinic:  fhir.KindInvalid,
		"context=" + dos:        fhir.KindInvalid,
		"context=%zz":           fhir.KindInvalid,
		"context=1&context=2":   fhir.KindValue,
		"context=1%26context=":  fhir.KindInvalid,
		"context=1%26context=2": fhir.KindValue,
	} {
		_, _, err := readContexts(query)
		require.Error(t, err, query)
		require.Equal(t, kind, fhir.AsOutcome(err).Kind, query)
	}
}

func TestMessageDefinitionsAreFilteredByServiceAndUseCase(t *testing.T) {
	s := open(t)
	names := func(query string) []string {
		h := speaking()
		w := s.do("GET", "/MessageDefinition?"+query, h, "")
		require.Equal(t, 200, w.Code, "%s", w.Body)
		s.echoed(w, h)
		var out []string
		for e := range resource(t, w).Get("entry").Items() {
			out = append(out, strings.TrimPrefix(e.Dig("resource", "name").Text(), "bars-message-"))
		}
		return out
	}
	all := []string{"booking-request", "booking-request-cancelled", "servicerequest-request-referral", "servicerequest-request-cancelled", "servicerequest-response-referral"}
	require.Equal(t, all, names("context="+clinic))
	require.Equal(t, all, names("context="+clinic+"&context=a1t2"))
	require.Equal(t, all[:2], names("context="+clinic+"&context=a7t1"))
	require.Equal(t, all[2:4], names("context=a5t1"))
	require.Equal(t, []string{"servicerequest-request-cancelled", "servicerequest-request-validation", "servicerequest-response-validation-interim",
		"servicerequest-response-validation-full"}, names("context=a4t1"))
	for query, want := range map[string][]string{
		"":                                    {"400", "required", "REC_BAD_REQUEST"},
		"context=":                            {"400", "invalid", "REC_BAD_REQUEST"},
		"context=2000099999":                  {"404", "not-found", "REC_NOT_FOUND"},
		"context=" + clinic + "&context=a5t1": {"404", "not-found", "REC_NOT_FOUND"},
		"context=" + clinic + "&context=a4t1": {"404", "not-found", "REC_NOT_FOUND"},
	} {
		h := speaking()
		status := map[string]int{"400": 400, "404": 404}[want[0]]
		s.refused(s.do("GET", "/MessageDefinition?"+query, h, ""), h, status, want[1], want[2])
	}
	h := speaking()
	s.refused(s.do("GET", "/MessageDefinition/none", h, ""), h, 404, "not-found", "REC_NOT_FOUND")
	one := resource(t, s.do("GET", "/MessageDefinition/bars-message-booking-request", speaking(), ""))
	require.Equal(t, definitionURL, one.Get("url").Text())
}

const definitionURL = "https://fhir.nhs.uk/MessageDefinition/bars-message-booking-request"

func FuzzSlotQuery(f *testing.F) {
	_, query, _ := strings.Cut(slotPath, "?")
	for _, q := range []string{query, "", "start=ge&start=le", "status=free,busy,free", "_include=Slot:*&start=gt2026&end=lt2027&status=busy&Schedule:actor:HealthcareService=a%7Cb"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		q, err := readSlotQuery(query, bars.Lenient)
		if err != nil {
			return
		}
		if q.To.Before(q.From) || len(q.Statuses) == 0 {
			t.Fatalf("%+v was taken", q)
		}
		if slices.ContainsFunc(q.Statuses, func(s string) bool { return s != "free" && s != "busy" }) {
			t.Fatalf("%+v was taken", q)
		}
	})
}

func FuzzContexts(f *testing.F) {
	for _, q := range []string{"context=a1t1", "context=" + clinic + "&context=a%7Cb", "context=%2525%257C", "context=a%26context%3Db%7Cc"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		_, useCases, err := readContexts(query)
		if err == nil && slices.Contains(useCases, "") {
			t.Fatal("an empty use case was taken")
		}
	})
}
