package barsapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store/sqlite"
)

const (
	clinic    = "2000072489"
	elsewhere = "2000011147"
	slotID    = "51000000-0000-4000-8000-000000000001"
	schedule  = "5c000000-0000-4000-8000-000000000001"
	baseURL   = "https://onward.example/FHIR/R4"
)

var now = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

// scene is a door on a desk with one slot. Plain FHIR is answered by a handler
// that only says so.
type scene struct {
	t    testing.TB
	door *Door
	desk *bars.Desk
	log  *bytes.Buffer
}

func open(t testing.TB, options ...func(*Options)) *scene {
	t.Helper()
	return openOn(t, bars.Options{}, options...)
}

// openOn opens a scene with settings of the room.
func openOn(t testing.TB, room bars.Options, options ...func(*Options)) *scene {
	t.Helper()
	db, err := sqlite.Open(context.Background(), ":memory:", sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	clock := func() time.Time { return now }
	room.Base, room.Now, room.Log = baseURL, clock, slog.New(slog.NewTextHandler(io.Discard, nil))
	desk := bars.NewDesk(db, room)
	var list []*fhir.Resource
	add := func(format string, args ...any) {
		r, err := fhir.Parse([]byte(fmt.Sprintf(format, args...)))
		require.NoError(t, err)
		list = append(list, r)
	}
	add(`{"resourceType":"Organization","id":"B2002","identifier":[{"system":%q,"value":"B2002"}]}`, nhs.SystemODS)
	for _, id := range []string{clinic, elsewhere} {
		add(`{"resourceType":"HealthcareService","id":%q,"identifier":[{"system":%q,"value":%q}],"providedBy":{"reference":"Organization/B2002"},"type":[{"coding":[{"system":%q,"code":"a1t2"},{"system":%q,"code":"a7t1"}]}]}`,
			id, nhs.SystemDoS, id, bars.SystemUseCases, bars.SystemUseCases)
	}
	add(`{"resourceType":"Schedule","id":%q,"actor":[{"reference":"HealthcareService/%s"}]}`, schedule, clinic)
	add(`{"resourceType":"Slot","id":%q,"schedule":{"reference":"Schedule/%s"},"status":"free","start":"2026-11-21T09:00:00.000Z","end":"2026-11-21T09:20:00.000Z"}`, slotID, schedule)
	_, err = desk.Load(context.Background(), bars.Caller{Door: "setup"}, list)
	require.NoError(t, err)

	s := &scene{t: t, desk: desk, log: &bytes.Buffer{}}
	o := Options{BaseURL: baseURL, BasePath: "/FHIR/R4", Now: clock, MaxBody: 64 << 10, Log: slog.New(slog.NewTextHandler(s.log, nil)),
		Search: bars.SearchOptions(baseURL, clock),
		Statement: func() *fhir.Resource {
			return fhir.NewObject("CapabilityStatement").Set("version", "1.5.0").Resource()
		},
		FHIR: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "plain")
		}),
	}
	for _, change := range options {
		change(&o)
	}
	s.door = New(desk, o)
	return s
}

func encode(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func targetOf(service string) string {
	return encode(`{"value":"` + service + `","system":"https://fhir.nhs.uk/Id/dos-service-id"}`)
}

// speaking are the headers of a valid request to the clinic.
func speaking() http.Header {
	return http.Header{
		"Content-Type":               {"application/fhir+json; version=1.1.0"},
		"Accept":                     {"application/fhir+json; version=1.5.0"},
		"X-Request-Id":               {uuid.NewString()},
		"X-Correlation-Id":           {uuid.NewString()},
		"Nhsd-Target-Identifier":     {targetOf(clinic)},
		"Nhsd-End-User-Organisation": {encode(`{"resourceType":"Organization","identifier":[{"value":"A1001","system":"https://fhir.nhs.uk/Id/ods-organization-code"}],"name":"Test"}`)},
		"Nhsd-Requesting-Software":   {encode(`{"resourceType":"Device","identifier":[{"value":"T-1","system":"https://supplier.example/Id/device"}]}`)},
	}
}

// changed sets or, with "", takes away headers of a valid request.
func changed(pairs ...string) http.Header {
	h := speaking()
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			h.Del(pairs[i])
		} else {
			h.Set(pairs[i], pairs[i+1])
		}
	}
	return h
}

func (s *scene) do(method, path string, h http.Header, body string) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequest(method, "/FHIR/R4"+path, strings.NewReader(body))
	r.Header = h
	w := httptest.NewRecorder()
	s.door.ServeHTTP(w, r)
	return w
}

func resource(t testing.TB, w *httptest.ResponseRecorder) *fhir.Resource {
	t.Helper()
	r, err := fhir.Parse(w.Body.Bytes())
	require.NoError(t, err, "%s", w.Body)
	return r
}

// refused checks an error of the standard whole: its status, issue and word, the
// fixed parts of its OperationOutcome, and that both ids are echoed.
func (s *scene) refused(w *httptest.ResponseRecorder, h http.Header, status int, issue, word string) *fhir.Resource {
	s.t.Helper()
	require.Equal(s.t, status, w.Code, "%s", w.Body)
	r := resource(s.t, w)
	require.Equal(s.t, "OperationOutcome", r.Type())
	require.True(s.t, fhir.ValidUUID(r.ID()))
	require.Equal(s.t, `["https://fhir.hl7.org.uk/StructureDefinition/UKCore-OperationOutcome"]`, string(r.Get("meta", "profile").Raw()))
	require.Positive(s.t, r.Get("issue").Len())
	for item := range r.Get("issue").Items() {
		require.Equal(s.t, "error", item.Get("severity").Text())
		require.Equal(s.t, issue, item.Get("code").Text())
		require.Equal(s.t, 1, item.Dig("details", "coding").Len())
		require.Equal(s.t, "https://fhir.nhs.uk/Codesystem/http-error-codes", item.Dig("details", "coding", "system").Text())
		require.Equal(s.t, word, item.Dig("details", "coding", "code").Text())
		require.Equal(s.t, fmt.Sprintf("%d - %s", status, word), item.Dig("details", "coding", "display").Text())
		require.NotEmpty(s.t, item.Get("diagnostics").Text())
	}
	s.echoed(w, h)
	require.True(s.t, strings.HasPrefix(w.Header().Get("Content-Type"), "application/fhir+json"))
	// No value of a header and nothing of the patient is quoted.
	text := w.Body.String()
	for name := range h {
		if v := h.Get(name); strings.HasPrefix(strings.ToLower(name), "nhsd-") && len(v) > 3 {
			require.NotContains(s.t, text, v)
		}
	}
	for _, secret := range []string{"9000000009", "Sample", "Sandy", "1980-02-29", "S3CRET"} {
		require.NotContains(s.t, text, secret)
		require.NotContains(s.t, s.log.String(), secret)
	}
	return r
}

func (s *scene) echoed(w *httptest.ResponseRecorder, h http.Header) {
	s.t.Helper()
	for _, name := range []string{"X-Request-Id", "X-Correlation-Id"} {
		require.Equal(s.t, h.Get(name), w.Header().Get(name))
	}
}

// tour is a payload of the tour for the scene's slot.
func tour(t testing.TB, name string, fill ...string) string {
	t.Helper()
	text, err := os.ReadFile("../../testdata/tour/" + name + ".json")
	require.NoError(t, err)
	fill = append(fill, "@SLOT@", slotID, "@START@", "2026-11-21T09:00:00.000Z", "@END@", "2026-11-21T09:20:00.000Z")
	return strings.NewReplacer(fill...).Replace(string(text))
}
