package barsapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/validate"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

const (
	pointerID   = "9d000000-0000-4000-8000-000000000001"
	appointment = "0a000000-0000-4000-8000-000000000001"
)

// leaving is a message to the registry.
func leaving(t testing.TB, present bool, end string) outbox.Message {
	t.Helper()
	op, err := Pointers{Product: "P.1"}.Point(bars.Pointer{ID: requestID, Correlation: correlation, Focus: store.Ref{Type: "Appointment", ID: appointment}, Order: 2,
		Present: present, Patient: "9000000009", Custodian: "B2002", CustodianName: "Clinic", Service: nhs.ServiceID{System: nhs.SystemDoS, Value: clinic},
		Start: "2026-11-21T09:00:00Z", End: end, Address: baseURL + "/Appointment/" + appointment, UseContext: "a1t2|booked|booking-request|update"}, now)
	require.NoError(t, err)
	var m outbox.Message
	require.NoError(t, jsonOf(op, &m))
	return m
}

const slotsEnd = "2026-11-21T09:20:00Z"

// page is a page of the registry with our pointer, if it is there, behind others.
func pageWith(token string, pointers ...string) func(http.ResponseWriter) {
	meta := ""
	if token != "" {
		meta = `"meta":{"tag":[{"code":"` + token + `","display":"next-page-token"}]},`
	}
	for i, p := range pointers {
		pointers[i] = `{"resource":` + p + `}`
	}
	return says(200, `{"resourceType":"Bundle","type":"searchset",`+meta+`"entry":[`+strings.Join(pointers, ",")+`]}`)
}

func held(t testing.TB, end string) string {
	t.Helper()
	doc, err := fhir.Parse(leafOf(t, leaving(t, true, end)).Pointer)
	require.NoError(t, err)
	doc, err = doc.Edit().SetText(doc.Root(), "id", pointerID).Done()
	require.NoError(t, err)
	return string(doc.JSON())
}

func leafOf(t testing.TB, m outbox.Message) (l leaf) {
	t.Helper()
	require.NoError(t, json.Unmarshal(m.Body, &l))
	return l
}

func decoded(t testing.TB, text string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	return string(raw)
}

const otherPointer = `{"resourceType":"DocumentReference","id":"9d000000-0000-4000-8000-000000000009","identifier":[{"system":"https://fhir.nhs.uk/Id/BaRS-Identifier","value":"another"}]}`

func TestTheRegistryIsMadeToSayWhatIsWanted(t *testing.T) {
	created := says(201, `{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational"}]}`)
	done := says(200, `{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational"}]}`)
	for _, row := range []struct {
		name    string
		message outbox.Message
		answers []func(http.ResponseWriter)
		want    []string // requests after the first search
		verdict outbox.Verdict
	}{
		{"a new one", leaving(t, true, slotsEnd), []func(http.ResponseWriter){pageWith("", otherPointer), created}, []string{"POST /DocumentReference"}, outbox.Delivered},
		{"one that is there already", leaving(t, true, slotsEnd), []func(http.ResponseWriter){pageWith("", otherPointer, held(t, "2026-11-21T10:20:00+01:00"))}, nil, outbox.Delivered},
		{"another time", leaving(t, true, slotsEnd), []func(http.ResponseWriter){pageWith("", held(t, "2026-11-21T09:40:00Z")), done}, []string{"PUT /DocumentReference/" + pointerID}, outbox.Delivered},
		{"on the second page", leaving(t, false, slotsEnd), []func(http.ResponseWriter){pageWith("abc", otherPointer), pageWith("", held(t, slotsEnd)), done},
			[]string{"GET next-page-token=abc", "DELETE /DocumentReference/" + pointerID}, outbox.Delivered},
		{"to be taken away and not there", leaving(t, false, slotsEnd), []func(http.ResponseWriter){pageWith("")}, nil, outbox.Delivered},
		{"taken away meanwhile", leaving(t, false, slotsEnd), []func(http.ResponseWriter){pageWith("", held(t, slotsEnd)), refuses(404, "NOT_FOUND", "not-found")},
			[]string{"DELETE /DocumentReference/" + pointerID}, outbox.Delivered},
		{"made meanwhile", leaving(t, true, slotsEnd), []func(http.ResponseWriter){pageWith(""), refuses(409, "CONFLICT", "duplicate")}, []string{"POST /DocumentReference"}, outbox.Again},
		{"a registry that can't serve now", leaving(t, true, slotsEnd), []func(http.ResponseWriter){refuses(503, "UNAVAILABLE", "transient")}, nil, outbox.Again},
		{"a write that fails for now", leaving(t, true, slotsEnd), []func(http.ResponseWriter){pageWith(""), refuses(429, "TOO_MANY_REQUESTS", "throttled")}, []string{"POST /DocumentReference"}, outbox.Again},
		{"a pointer that is refused", leaving(t, true, slotsEnd), []func(http.ResponseWriter){pageWith(""), refuses(400, "BAD_REQUEST", "invalid")}, []string{"POST /DocumentReference"}, outbox.Dead},
		{"pages without an end", leaving(t, true, slotsEnd), []func(http.ResponseWriter){pageWith("abc")}, strings.Split(strings.Repeat("GET next-page-token=abc,", maxPages-1), ",")[:maxPages-1], outbox.Again},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newPeer(t, row.answers...)
			s := &PointerSender{Client: p.client(func(o *ClientOptions) { o.Attempts = 1 })}
			require.Equal(t, row.verdict, s.Send(context.Background(), row.message).Verdict)
			var got []string
			for i, r := range p.got {
				require.Equal(t, correlation, r.Header.Get("X-Correlation-Id"))
				require.True(t, fhir.ValidUUID(r.Header.Get("X-Request-Id")))
				require.Empty(t, r.Header.Get("NHSD-Target-Identifier"))
				require.Equal(t, `{"resourceType":"Organization","identifier":[{"value":"B2002","system":"https://fhir.nhs.uk/Id/ods-organization-code"}],"name":"Clinic"}`, decoded(t, r.Header.Get("NHSD-End-User-Organisation")))
				q := r.URL.Query()
				switch {
				case r.Method == "GET":
					require.Equal(t, "/DocumentReference", r.URL.Path)
					require.Equal(t, []string{nhs.SystemNHSNumber + "|9000000009", nhs.SystemODS + "|B2002"}, []string{q.Get("subject:identifier"), q.Get("custodian:identifier")})
					require.Empty(t, r.Header.Get("use-context"))
					if i > 0 {
						got = append(got, "GET next-page-token="+q.Get("next-page-token"))
					}
				default:
					require.Equal(t, requestID, r.Header.Get("X-Request-Id"), "a write keeps its id over all attempts")
					require.Equal(t, "a1t2|booked|booking-request|update", r.Header.Get("use-context"))
					got = append(got, r.Method+" "+r.URL.Path)
				}
				if r.Method == "PUT" {
					require.Contains(t, p.bodies[i], `"id":"`+pointerID+`"`)
				}
			}
			require.Equal(t, row.want, got)
		})
	}
}

func TestAPointerIsRightAsFHIRAndByTheStandardsPattern(t *testing.T) {
	doc, err := fhir.Parse(leafOf(t, leaving(t, true, slotsEnd)).Pointer)
	require.NoError(t, err)
	require.Empty(t, validate.Resource(doc, validate.Options{}).Issues)
	for path, want := range map[string]string{
		"status": "current", "type.coding.code": typeBooking, "subject.identifier.value": "9000000009", "custodian.identifier.value": "B2002",
		"context.period.start": "2026-11-21T09:00:00Z", "context.period.end": slotsEnd, "content.attachment.url": baseURL + "/Appointment/" + appointment,
		"content.format.code": "urn:nhs-ic:structured",
	} {
		require.Equal(t, want, doc.Get(strings.Split(path, ".")...).Text(), path)
	}
	for system, want := range map[string]string{systemBaRSID: appointment, nhs.SystemDoS: clinic, nhs.SystemProduct: "P.1"} {
		require.Equal(t, want, identifierOf(doc.Get("identifier"), system))
	}
	referral, err := fhir.Parse(Pointers{}.document(bars.Pointer{Focus: store.Ref{Type: "ServiceRequest", ID: "1"}}, time.Time{}).JSON())
	require.NoError(t, err)
	require.Equal(t, typeReferral, referral.Get("type", "coding", "code").Text())
	require.False(t, referral.Get("context").Exists())
}

func TestAMessageToTheRegistryThatCanNotBeReadIsDead(t *testing.T) {
	for _, body := range []string{"x", `{"pointer":[]}`} {
		s := &PointerSender{Client: newPeer(t, takes).client()}
		require.Equal(t, outbox.Dead, s.Send(context.Background(), outbox.Message{Body: []byte(body)}).Verdict)
	}
}
