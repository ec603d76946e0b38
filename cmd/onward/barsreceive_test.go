package main

import (
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
)

const noSlots = "/FHIR/R4/Slot?status=free&start=ge2026-01-01T00:00:00Z&start=le2026-01-02T00:00:00Z&Schedule.actor:HealthcareService="

func slotsOf(service string) string {
	return noSlots + service + "&_include=Slot:schedule&_include=Schedule:actor:HealthcareService"
}

// Ensure that the operator says who may use a service, and how strictly it is held
// to the standard.
func TestAServiceHasItsOwnListsAndItsOwnMode(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:", "--bars-organisation", sandbox.UrgentTreatment+"=B2002+C3003;*=A1001",
		"--bars-product", sandbox.NoSlots+"=T-2", "--bars-service-mode", sandbox.Minimal+"=lenient")
	for _, row := range []struct {
		name, service string
		status        int
		issue         string
	}{
		{"an organisation that isn't listed", sandbox.UrgentTreatment, 401, "forbidden"},
		{"one that is listed for all other services", sandbox.EmergencyCare, 200, ""},
		{"a product that isn't listed", sandbox.NoSlots, 401, "forbidden"},
	} {
		a := s.do("GET", slotsOf(row.service), speaking(row.service), nil)
		require.Equal(t, row.status, a.status, "%s: %s", row.name, a.body)
		if row.issue != "" {
			code, word, _ := a.issue(t)
			require.Equal(t, []string{row.issue, "REC_UNAUTHORIZED"}, []string{code, word}, row.name)
		}
	}
	refused := s.do("POST", messagePath, speaking(sandbox.UrgentTreatment), bookingFor(t, s.freeSlots(1)[0]))
	require.Equal(t, 401, refused.status, "%s", refused.body)

	for service, status := range map[string]int{sandbox.EmergencyCare: 400, sandbox.Minimal: 200} {
		h := speaking(service)
		h.Del("NHSD-Requesting-Software")
		require.Equal(t, status, s.do("GET", slotsOf(service), h, nil).status, service)
	}
}

func TestListsThatMakeNoSenseStopTheStart(t *testing.T) {
	for flag, value := range map[string]string{
		"--bars-organisation": "2000072489=not a code", "--bars-product": "2000072489=a++b", "--bars-role": "=1", "--bars-service-mode": "2000072489=loose",
	} {
		require.Contains(t, refusedStart(t, "--store", "sqlite::memory:", flag, value), flag)
	}
	require.Contains(t, refusedStart(t, "--store", "sqlite::memory:", "--bars-certificate"), "--tls-client-ca")
}

// Ensure that the registry follows a booking from its making to its end, across a
// crash.
func TestTheRegistryFollowsABookingAcrossACrash(t *testing.T) {
	s := start(t)
	slots := s.freeSlots(2)
	booked := s.do("POST", messagePath, speaking(sandbox.UrgentTreatment), bookingFor(t, slots[0]))
	require.Equal(t, 200, booked.status, "%s", booked.body)
	id := appointmentID(booked.body)
	s.kill() // before or after the pointer was left
	s.run()
	s.eventuallyPointed(id, slots[0].start)
	moved := s.do("PATCH", "/FHIR/R4/Appointment/"+id, speaking(sandbox.UrgentTreatment),
		[]byte(`{"resourceType":"Appointment","id":"`+id+`","slot":[{"reference":"urn:uuid:`+slots[1].id+`"}]}`))
	require.Equal(t, 200, moved.status, "%s", moved.body)
	s.eventuallyPointed(id, slots[1].start)
	require.Equal(t, 200, s.do("DELETE", "/FHIR/R4/Appointment/"+id, speaking(sandbox.UrgentTreatment), nil).status)
	s.eventuallyPointed(id, "")
}

func TestNoPointersAreLeftWhereTheRegistryIsOff(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:", "--bars-registry", "off")
	booked := s.do("POST", messagePath, speaking(sandbox.UrgentTreatment), bookingFor(t, s.freeSlots(1)[0]))
	require.Equal(t, 200, booked.status, "%s", booked.body)
	require.Contains(t, string(s.do("GET", "/readyz", nil, nil).body), `"waiting":0`)
	require.Empty(t, s.pointers())
	require.Contains(t, refusedStart(t, "--store", "sqlite::memory:", "--bars-registry", "nowhere"), "--bars-registry")
}

// pointers are the starts of the appointments that the sandbox's registry points
// to for the tour's patient, by id.
func (s *server) pointers() map[string]string {
	s.t.Helper()
	h := speaking(sandbox.UrgentTreatment)
	a := s.do("GET", "/FHIR/R4/DocumentReference?subject:identifier=https://fhir.nhs.uk/Id/nhs-number%7C9000000009", h, nil)
	require.Equal(s.t, 200, a.status, "%s", a.body)
	list := map[string]string{}
	for e := range a.resource(s.t).Get("entry").Items() {
		list[e.Dig("resource", "identifier").At(0).Get("value").Text()] = e.Dig("resource", "context", "period", "start").Text()
	}
	return list
}

func (s *server) eventuallyPointed(id, start string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return s.pointers()[id] == start }, 20*time.Second, 20*time.Millisecond, "the registry does not point to %q", start)
}

// Ensure that only holders of a client certificate of the named authority reach
// BaRS, and that the statement says so.
func TestBaRSAsksForAClientCertificate(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	url := ca.startSecured("--bars-certificate")
	get := func(client *http.Client) (int, string) {
		req, err := http.NewRequest("GET", url+"/FHIR/R4/metadata", nil)
		require.NoError(t, err)
		req.Header = speaking(sandbox.UrgentTreatment)
		res, err := client.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(text)
	}
	status, text := get(ca.client("", ca))
	require.Equal(t, 403, status)
	require.Contains(t, text, "REC_FORBIDDEN")
	status, text = get(other.client("proxy.example", ca))
	require.Zero(t, status, "the handshake fails: %s", text)
	status, text = get(ca.client("proxy.example", ca))
	require.Equal(t, 200, status, text)
	require.Contains(t, text, `"Certificates"`)
}

// Ensure that a receiver without a sandbox leaves its pointers through a proxy that
// demands a token, referrals' too where that is asked for, and waits while the
// proxy is down.
func TestPointersGoThroughTheProxyWithAToken(t *testing.T) {
	keys := keyPair(t)
	proxy := start(t, "--sandbox-application", filepath.Join(keys, "application.json"))
	receiver := start(t, "--store", "sqlite::memory:", "--bars-registry", proxy.url+"/sandbox/bars/FHIR/R4", "--bars-registry-referrals",
		"--bars-token-url", proxy.url+"/sandbox/oauth2/token", "--bars-client-id", "app-1", "--bars-key-id", "onward-1", "--bars-key", filepath.Join(keys, "private.pem"))
	proxy.kill()
	slot := receiver.freeSlots(1)[0]
	booked := receiver.do("POST", messagePath, speaking(sandbox.UrgentTreatment), bookingFor(t, slot))
	require.Equal(t, 200, booked.status, "%s", booked.body)
	referred := receiver.do("POST", messagePath, speaking(sandbox.UrgentTreatment), tourFile(t, "refer.json"))
	require.Equal(t, 200, referred.status, "%s", referred.body)
	proxy.run()
	proxy.eventuallyPointed(appointmentID(booked.body), slot.start)
	id := entryOf(referred.resource(t), "ServiceRequest").Get("id").Text()
	require.Eventually(t, func() bool { _, there := proxy.pointers()[id]; return there }, 20*time.Second, 20*time.Millisecond)
}
