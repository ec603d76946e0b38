package barsapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

func TestADeleteIsAnsweredWithAnOutcomeAndTheRecordStaysReadable(t *testing.T) {
	s := open(t)
	for typ, row := range map[string][2]string{"Appointment": {s.book(), "cancelled"}, "ServiceRequest": {s.refer(), "revoked"}} {
		h := speaking()
		w := s.do("DELETE", "/"+typ+"/"+row[0], h, "")
		require.Equal(t, 200, w.Code, "%s", w.Body)
		s.echoed(w, h)
		o := resource(t, w)
		require.Equal(t, []string{"OperationOutcome", "information", "informational", systemErrors, "OK"},
			[]string{o.Type(), o.Get("issue", "severity").Text(), o.Get("issue", "code").Text(), o.Get("issue", "details", "coding", "system").Text(), o.Get("issue", "details", "coding", "code").Text()})
		require.Equal(t, 1, o.Get("issue", "details", "coding").Len())
		require.NotContains(t, w.Header().Get("Content-Type"), "version")
		read := s.do("GET", "/"+typ+"/"+row[0], speaking(), "")
		require.Equal(t, []string{row[1], `W/"2"`}, []string{resource(t, read).Get("status").Text(), read.Header().Get("ETag")})
		was := s.do("GET", "/"+typ+"/"+row[0]+"/_history/1", speaking(), "")
		require.NotEqual(t, row[1], resource(t, was).Get("status").Text())
		s.refused(s.do("DELETE", "/"+typ+"/"+row[0], h, ""), h, 409, "duplicate", "REC_CONFLICT")
	}
}

// The standard sends a part of the resource as plain FHIR JSON; the patch formats
// of the Web and of FHIR are taken as well.
func TestABookingIsMovedByEveryPatchFormat(t *testing.T) {
	part := `{"resourceType":"Appointment","slot":[{"reference":"Slot/@"}]}`
	for typ, body := range map[string]string{
		"application/fhir+json":                    part,
		"application/fhir+json;version=1.2.0":      part,
		"application/json":                         part,
		"application/merge-patch+json":             part,
		"application/json-patch+json":              `[{"op":"replace","path":"/slot/0/reference","value":"Slot/@"}]`,
		"application/fhir+xml":                     `<Appointment xmlns="http://hl7.org/fhir"><slot><reference value="urn:uuid:@"/></slot></Appointment>`,
		"application/fhir+json; charset=\"utf-8\"": `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Appointment.slot[0]"},{"name":"value","valueReference":{"reference":"Slot/@"}}]}]}`,
	} {
		t.Run(typ, func(t *testing.T) {
			s := open(t)
			s.more()
			id := s.book()
			h := changed("Content-Type", typ)
			w := s.do("PATCH", "/Appointment/"+id, h, strings.Replace(body, "@", freeSlot, 1))
			require.Equal(t, 200, w.Code, "%s", w.Body)
			s.echoed(w, h)
			r := resource(t, w)
			require.Equal(t, []string{"2026-11-21T10:00:00.000Z", "2026-11-21T10:20:00.000Z", "Slot/" + freeSlot, "2"},
				[]string{r.Get("start").Text(), r.Get("end").Text(), r.Get("slot", "reference").Text(), r.Get("meta", "versionId").Text()})
			s.refused(s.do("PATCH", "/Appointment/"+id, h, strings.Replace(body, "@", freeSlot, 1)), h, 409, "duplicate", "REC_CONFLICT")
			require.Equal(t, 200, s.do("POST", messagePath, speaking(), tour(t, "book")).Code, "the old slot is free")
		})
	}
	s := open(t)
	h := changed("Content-Type", "application/xml-patch+xml")
	w := s.do("PATCH", "/Appointment/"+s.book(), h, "<diff/>")
	s.refused(w, h, 415, "not-supported", "REC_UNSUPPORTED_MEDIA_TYPE")
	require.Contains(t, w.Header().Get("Accept-Patch"), "application/merge-patch+json")
}

// What the headers say of the caller is kept with the version that it makes.
func TestTheCallersHeadersReachTheAudit(t *testing.T) {
	s := open(t)
	h := changed(headerSoftware, encode(`{"resourceType":"Device","identifier":[{"system":"https://fhir.nhs.uk/id/product-id","value":"T-1"}],"deviceName":{"name":"Product"},"version":{"value":"1.2.3"}}`),
		headerPractitioner, encode(`{"resourceType":"PractitionerRole","identifier":[{"system":"https://fhir.nhs.uk/Id/sds-role-profile-id","value":"555"},{"system":"https://fhir.nhs.uk/Id/sds-user-id","value":"777"}],"code":[{"coding":[{"code":"62247001"}]}]}`))
	id := s.book()
	require.Equal(t, 200, s.do("DELETE", "/Appointment/"+id, h, "").Code)
	rec, err := s.desk.RecordAt(context.Background(), bars.Caller{}, nhs.ServiceID{System: nhs.SystemDoS, Value: clinic}, "Appointment", id)
	require.NoError(t, err)
	var by map[string]any
	require.NoError(t, json.Unmarshal(rec.By, &by))
	for name, want := range map[string]string{"door": "bars", "org": "A1001", "orgName": "Test", "software": "T-1", "product": "Product", "productVersion": "1.2.3",
		"softwareSystem": nhs.SystemProduct, "target": nhs.SystemDoS + "|" + clinic, "practitioner": "555", "user": "777", "role": "62247001", "request": h.Get("X-Request-Id"), "correlation": h.Get("X-Correlation-Id"), "service": clinic} {
		require.Equal(t, want, by[name], name)
	}
	require.Equal(t, "DELETE", rec.Method)
}

func TestASearchIsAnsweredInPagesWhereTheyAreAskedFor(t *testing.T) {
	s := open(t)
	for range 5 {
		s.refer()
	}
	const path = "/ServiceRequest?patient:identifier=https://fhir.nhs.uk/Id/nhs-number%7C9000000009"
	require.Equal(t, 5, resource(t, s.do("GET", path, speaking(), "")).Get("entry").Len(), "whole, because nobody looks for a second page")
	seen, next := map[string]bool{}, path+"&_count=2&unknown=1"
	for pages := 0; next != ""; pages++ {
		require.Less(t, pages, 3)
		r := resource(t, s.do("GET", next, speaking(), ""))
		require.Equal(t, "5", string(r.Get("total").Raw()))
		next = ""
		for link := range r.Get("link").Items() {
			require.NotContains(t, link.Get("url").Text(), "unknown")
			if link.Get("relation").Text() == "next" {
				next = strings.TrimPrefix(link.Get("url").Text(), baseURL)
			}
		}
		for e := range r.Get("entry").Items() {
			seen[e.Dig("resource", "id").Text()] = true
		}
	}
	require.Len(t, seen, 5)
}

func TestTheTargetIsLookedUpWhereverItIsGiven(t *testing.T) {
	s := open(t)
	h := changed(headerTarget, targetOf("2000099999"))
	for _, path := range []string{"/metadata", "/MessageDefinition?context=a1t2", "/Appointment?x"} {
		s.refused(s.do("GET", path, h, ""), h, 404, "not-found", "REC_NOT_FOUND")
	}
	require.Equal(t, 200, s.do("GET", "/metadata", speaking(), "").Code)
}

// Answers name the version of the API's resources where the standard does.
func TestAnswersNameTheirVersion(t *testing.T) {
	s := open(t)
	id := s.book()
	const json = "application/fhir+json; charset=utf-8"
	for path, want := range map[string]string{
		"/metadata": json, "/MessageDefinition?context=a1t2": json + "; version=1.0.0", slotPath: json + "; version=1.0.0",
		"/Appointment/" + id: json + "; version=1.0.0", "/Appointment/" + uuid.NewString(): json,
		"/ServiceRequest?patient:identifier=a%7Cb": json + "; version=1.0.0",
	} {
		require.Equal(t, want, s.do("GET", path, speaking(), "").Header().Get("Content-Type"), path)
	}
	w := s.do("GET", "/Appointment/"+id, changed("Accept", "application/fhir+xml; version=1.5.0"), "")
	require.Equal(t, "application/fhir+xml; charset=utf-8", w.Header().Get("Content-Type"))
	require.Equal(t, json, s.do("POST", messagePath, speaking(), tour(t, "refer")).Header().Get("Content-Type"))
	require.Equal(t, json, s.do("GET", "/MessageDefinition?context=a1t2", http.Header{}, "").Header().Get("Content-Type"), "plain FHIR has no such parameter")
}

func TestPingIsOpenAndStatusAsksForAKey(t *testing.T) {
	sick := errors.New("S3CRET")
	var state error
	s := open(t, func(o *Options) {
		o.Version = "7.8.9"
		o.Healthy = func(context.Context) error { return state }
	})
	for _, verb := range []string{"GET", "HEAD"} {
		w := s.do(verb, "/_ping", http.Header{}, "")
		require.Equal(t, []any{200, "application/json", verb == "GET"}, []any{w.Code, w.Header().Get("Content-Type"), w.Body.Len() > 0})
		w = s.do(verb, "/_status", http.Header{"Apikey": {"k"}}, "")
		require.Equal(t, 200, w.Code)
	}
	var page map[string]string
	require.NoError(t, json.Unmarshal(s.do("GET", "/_ping", http.Header{}, "").Body.Bytes(), &page))
	require.Equal(t, map[string]string{"version": "7.8.9", "revision": "", "releaseId": "", "commitId": ""}, page)
	h := http.Header{}
	s.refused(s.do("GET", "/_status", h, ""), h, 401, "security", "REC_UNAUTHORIZED")
	state = sick
	w := s.do("GET", "/_status", http.Header{"Apikey": {"k"}}, "")
	require.Equal(t, 503, w.Code)
	require.NotContains(t, w.Body.String(), "S3CRET")
	require.Equal(t, 200, s.do("GET", "/_ping", http.Header{}, "").Code, "the process answers")
}

// In lenient mode a caller may leave its organisation out; then the service alone
// limits what it sees.
func TestWithoutAnOrganisationTheServiceAloneLimits(t *testing.T) {
	s := openOn(t, bars.Options{Mode: bars.Lenient})
	id := s.book()
	nobody := changed(headerOrganisation, "")
	require.Equal(t, 200, s.do("GET", "/Appointment/"+id, nobody, "").Code)
	h := changed(headerOrganisation, "", headerTarget, targetOf(elsewhere))
	s.refused(s.do("GET", "/Appointment/"+id, h, ""), h, 401, "forbidden", "REC_UNAUTHORIZED")
}

func FuzzPatientQuery(f *testing.F) {
	for _, text := range []string{"patient:identifier=a%7Cb", "patient:name=a&patient:birthdate=eq1980-02-29&patient:address-postalcode=b",
		"patient.identifier=a%7Cb&_count=2&_cursor=x", "ServiceRequest.identifier=a", "patient:identifier=%zz", "patient:birthdate=eq20/01/1995", "", "&&=;"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, typ := range []string{"Appointment", "ServiceRequest"} {
			q, err := readPatientQuery(typ, text, bars.Strict)
			if err != nil {
				if fhir.AsOutcome(err).Kind.Row().BaRSStatus != 400 {
					t.Fatal("a query is refused with 400 only")
				}
				continue
			}
			params, err := url.ParseQuery(q.text)
			if err != nil {
				t.Fatal(err)
			}
			person := params.Has("patient.name") && params.Has("patient.birthdate") && params.Has("patient.address-postalcode")
			if !person && !params.Has("patient.identifier") && !params.Has("identifier") {
				t.Fatal("a search that finds everybody was let pass")
			}
		}
	})
}
