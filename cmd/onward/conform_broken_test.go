package main

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	barssandbox "github.com/onward-health/onward/adapters/barsapi/sandbox"
	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/store/sqlite"
)

// aimed is a broken receiver with where and on which service the tester tries it.
type aimed struct {
	breaking
	at, service string
}

// when changes the answer to some requests only.
func when(method, path string, change func(r *http.Request, a *answer)) func(*http.Request, *answer) {
	return func(r *http.Request, a *answer) {
		if r.Method == method && strings.Contains(r.URL.Path, path) {
			change(r, a)
		}
	}
}

// mendWhen changes the body of some requests only.
func mendWhen(method, path, from, to string) func(*http.Request) {
	return func(r *http.Request) {
		if r.Method == method && strings.Contains(r.URL.Path, path) {
			mend(from, to)(r)
		}
	}
}

// unlimited is the stand-ins of registry and catalogue without their limits.
func unlimited(t *testing.T) *server {
	db, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	own := httptest.NewServer(barssandbox.New(barssandbox.Options{Store: db, Quota: -1, Spike: -1, Log: slog.New(slog.DiscardHandler)}).Handler())
	t.Cleanup(own.Close)
	return &server{t: t, url: own.URL}
}

// posing lets one organisation's requests pass for another's.
func posing(r *http.Request, from, to string) {
	const name = "NHSD-End-User-Organisation"
	text, err := base64.StdEncoding.DecodeString(r.Header.Get(name))
	if err == nil {
		r.Header.Set(name, base64.StdEncoding.EncodeToString(bytes.ReplaceAll(text, []byte(from), []byte(to))))
	}
}

// asOwner lets a stranger's requests pass for the owner's.
func asOwner(methods ...string) func(*http.Request) {
	return func(r *http.Request) {
		if slices.Contains(methods, r.Method) {
			posing(r, "C3003", "A1001")
		}
	}
}

// moreBreakings are broken rules of the emergency department, which offers every
// application, of writes by REST, and of registry and catalogue.
func moreBreakings() []aimed {
	const emergency = sandbox.EmergencyCare
	receiver := []aimed{
		{breaking{"takes no broker's referral", mend(`"deviceName"`, `"deviceNames"`), nil, "application/a8"}, fhirPath, emergency},
		{breaking{"takes no update of a validation request", mend(`"code":"update"`, `"code":"updates"`), nil, "application/a4-update"}, fhirPath, emergency},
		{breaking{"refuses interim responses", mend("response-validation-interim", "response-none"), nil, "response/interim"}, fhirPath, emergency},
		{breaking{"refuses full responses", mend("response-validation-full", "response-none"), nil, "response/full"}, fhirPath, emergency},
		{breaking{"refuses rejections", mend("response-validation-interim", "response-none"), nil, "response/rejected"}, fhirPath, emergency},
		{breaking{"refuses statuses of a case", mend("response-referral-short", "response-none"), nil, "response/status"}, fhirPath, emergency},
		{breaking{"takes responses from anybody", func(r *http.Request) {
			mend(`"C3003"`, `"B2002"`)(r)
			posing(r, "C3003", "B2002")
		}, nil, "response/other-sender"}, fhirPath, emergency},
		{breaking{"forgets which responses it has had", func(r *http.Request) { r.Header.Set("X-Request-Id", uuid.NewString()) }, nil, "response/duplicate"}, fhirPath, emergency},
		{breaking{"keeps the booking of who did not attend", nil, when(http.MethodGet, "/Appointment/", replacing(`"status":"noshow"`, `"status":"booked"`)), "response/not-attended"}, fhirPath, emergency},
		{breaking{"keeps the referral of who did not attend", nil, when(http.MethodGet, "/ServiceRequest/", replacing(`"status":"revoked"`, `"status":"active"`)), "response/not-attended"}, fhirPath, emergency},

		{breaking{"answers 201 to POST", nil, when(http.MethodPost, "/Appointment", answering(200, 201)), "rest/post-books"}, fhirPath, sandbox.UrgentTreatment},
		{breaking{"books a busy Slot by POST", nil, when(http.MethodPost, "/Appointment", answering(409, 200)), "rest/post-busy"}, fhirPath, sandbox.UrgentTreatment},
		{breaking{"books what is cancelled by POST", mendWhen(http.MethodPost, "/Appointment", `"status":"cancelled"`, `"status":"booked"`), nil, "rest/post-cancelled"}, fhirPath, sandbox.UrgentTreatment},
		{breaking{"gives no id to what is posted", nil, when(http.MethodPost, "/ServiceRequest", replacing(`"id":"`, `"language":"`)), "rest/post-refers"}, fhirPath, sandbox.UrgentTreatment},
		{breaking{"refers what is revoked by POST", mendWhen(http.MethodPost, "/ServiceRequest", `"status":"revoked"`, `"status":"active"`), nil, "rest/post-revoked"}, fhirPath, sandbox.UrgentTreatment},
		{breaking{"revokes nothing by PUT", mendWhen(http.MethodPut, "/ServiceRequest", `"status":"revoked"`, `"status":"active"`), nil, "rest/put-revokes"}, fhirPath, sandbox.UrgentTreatment},
		{breaking{"lets PUT change a referral", nil, when(http.MethodPut, "/ServiceRequest", answering(400, 200)), "rest/put-referral-other"}, fhirPath, sandbox.UrgentTreatment},
		{breaking{"revokes nothing by DELETE", func(r *http.Request) {
			if r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/ServiceRequest/") {
				r.Method = http.MethodGet
			}
		}, nil, "rest/delete-revokes"}, fhirPath, sandbox.UrgentTreatment},
	}
	return append(receiver, nationalBreakings()...)
}

// nationalBreakings are those of registry and catalogue.
func nationalBreakings() []aimed {
	query := func(from, to string) func(*http.Request) {
		return func(r *http.Request) { r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, from, to) }
	}
	lose := func(method, path string) func(*http.Request) {
		return func(r *http.Request) {
			if r.Method == method && strings.Contains(r.URL.Path, path) {
				r.Method = http.MethodGet
			}
		}
	}
	list := []breaking{
		{"leaves no location", nil, func(_ *http.Request, a *answer) { a.header.Del("Location") }, "registry/create"},
		{"shows another pointer", nil, when(http.MethodGet, "/DocumentReference/", func(_ *http.Request, a *answer) {
			if a.status == 200 {
				a.body = []byte(`{"resourceType":"DocumentReference"}`)
			}
		}), "registry/read"},
		{"finds every custodian's pointers", query("C3003", "A1001"), nil, "registry/find"},
		{"loses updates of pointers", lose(http.MethodPut, "/DocumentReference/"), nil, "registry/update"},
		{"lets the type of a pointer change", mendWhen(http.MethodPut, "/DocumentReference/", `"3457005"`, `"749001000000101"`), nil, "registry/immutable"},
		{"lets anybody change pointers", asOwner(http.MethodPut, http.MethodDelete), nil, "registry/owner"},
		{"has pages without an end", nil, replacing("next-page-token", "page"), "registry/pages"},
		{"keeps deleted pointers", lose(http.MethodDelete, "/DocumentReference/"), nil, "registry/delete"},
		{"knows no versions", func(r *http.Request) { r.Header.Set("Accept", "application/fhir+json; version=1.5.0") }, nil, "registry/registry-old-version"},
		{"finds by a subject without its system", query("subject:identifier=9999999999", "subject:identifier=https://fhir.nhs.uk/Id/nhs-number%7C9999999999"), nil, "registry/registry-bad-subject"},

		{"finds no endpoint by its identifier", query("Endpoint.identifier=", "Endpoint.identifier=x"), nil, "catalogue/endpoint"},
		{"finds no endpoint by its service", query("_has:HealthcareService.Identifier=", "Endpoint.identifier="), nil, "catalogue/service"},
		{"finds no organisation", query("Organization.identifier=", "Organization.identifier=x"), nil, "catalogue/organization"},
		{"filters no templates", query("ConnectionType=hl7-fhir-rest", "ConnectionType=hl7-fhir-msg"), nil, "catalogue/template"},
		{"enters the same twice", nil, when(http.MethodPost, "/Endpoint", answering(409, 201)), "catalogue/duplicate"},
		{"says conflict for a second endpoint", nil, replacing(`"code":"duplicate"`, `"code":"conflict"`), "catalogue/one-of-a-type"},
		{"loses updates of endpoints", lose(http.MethodPut, "/Endpoint/"), nil, "catalogue/update"},
		{"takes what is older", mendWhen(http.MethodPut, "/Endpoint/", "2026-11-19", "2026-11-20"), nil, "catalogue/stale"},
		{"lets identifiers change", nil, when(http.MethodPut, "/Endpoint/", answering(400, 200)), "catalogue/immutable"},
		{"lets anybody change endpoints", asOwner(http.MethodPut, http.MethodDelete), nil, "catalogue/owner"},
		{"shows private addresses", asOwner(http.MethodGet), nil, "catalogue/private"},
		{"keeps deleted endpoints", lose(http.MethodDelete, "/Endpoint/"), nil, "catalogue/delete"},
		{"reads templates", nil, answering(405, 200), "catalogue/catalogue-template-read"},
	}
	var out []aimed
	for _, b := range list {
		out = append(out, aimed{b, barssandbox.ProxyPath, sandbox.UrgentTreatment})
	}
	return out
}
