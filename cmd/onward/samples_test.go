package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/fhirtest"
	"github.com/onward-health/onward/fhir/fhirxml"
	"github.com/onward-health/onward/fhir/r4"
	"github.com/onward-health/onward/nhs"
)

// host stores a service and its provider by plain FHIR, as an operator would.
func (s *server) host(system, dos, ods string) {
	s.t.Helper()
	organisation := fhir.NewObject("Organization").Set("id", ods).
		Set("identifier", []*fhir.Object{fhir.Obj("system", "https://fhir.nhs.uk/Id/ods-organization-code", "value", ods)}).
		Set("name", "Host of "+ods).JSON()
	a := s.do("PUT", "/FHIR/R4/Organization/"+ods, plain(), organisation)
	require.Contains(s.t, []int{200, 201}, a.status, "%s", a.body)
	service := fhir.NewObject("HealthcareService").Set("id", dos).
		Set("identifier", []*fhir.Object{fhir.Obj("system", system, "value", dos)}).
		Set("active", true).Set("providedBy", fhir.Obj("reference", "Organization/"+ods)).JSON()
	a = s.do("PUT", "/FHIR/R4/HealthcareService/"+dos, plain(), service)
	require.Contains(s.t, []int{200, 201}, a.status, "%s", a.body)
}

var (
	dosAddress    = regexp.MustCompile(`type="2\.16\.840\.1\.113883\.2\.1\.3\.2\.4\.18\.44"\s+uri="(\d+)"|uri="(\d+)"\s+type="2\.16\.840\.1\.113883\.2\.1\.3\.2\.4\.18\.44"`)
	odsAddress    = regexp.MustCompile(`uri="urn:nhs-uk:addressing:ods:([A-Z0-9]+)`)
	caseID        = regexp.MustCompile(`extension="([^"]+)" root="(2\.16\.840\.1\.113883\.2\.1\.3\.2\.4\.18\.3[45])"|root="(2\.16\.840\.1\.113883\.2\.1\.3\.2\.4\.18\.3[45])" extension="([^"]+)"`)
	disposition   = regexp.MustCompile(`<(?:\w+:)?dischargeDispositionCode [^>]*?\bcode="([^"]+)"`)
	patientID     = regexp.MustCompile(`(?s)<(?:\w+:)?patientRole.*?</(?:\w+:)?patientRole>`)
	anyExtension  = regexp.MustCompile(`<(?:\w+:)?id [^>]*extension="([^"]+)"[^>]*>`)
	organisations = regexp.MustCompile(`extension="([A-Z0-9]+)" root="2\.16\.840\.1\.113883\.2\.1\.3\.2\.4\.19\.[12]"|root="2\.16\.840\.1\.113883\.2\.1\.3\.2\.4\.19\.[12]" extension="([A-Z0-9]+)"`)
)

func oneOf(groups ...string) string {
	for _, g := range groups {
		if g != "" {
			return g
		}
	}
	return ""
}

// Ensure that every published 111 report is taken and that who it is about, what
// was decided and which case it was are found again by any FHIR client.
func TestPublished111ReportsAreTakenAndFoundAgain(t *testing.T) {
	dir := fhirtest.Published(t, "samples", "nhs111", "adaptor-pairs")
	files, err := filepath.Glob(filepath.Join(dir, "*.request.xml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".request.xml"), func(t *testing.T) {
			s := start(t, "--store", "sqlite::memory:", "--nhs111-mode", "compat", "--no-sandbox")
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			message := string(text)
			ods := odsAddress.FindStringSubmatch(message)[1]
			dos := "9999999"
			if m := dosAddress.FindStringSubmatch(message); m != nil {
				dos = oneOf(m[1], m[2])
			}
			s.host(nhs.SystemDoS, dos, ods)
			a := s.do("POST", "/nhs111/report", http.Header{"Content-Type": {"text/xml"}}, text)
			require.Equal(t, 200, a.status, "%s", a.body)
			require.Contains(t, string(a.body), "OK:")
			s.findReport(newest(message))
			again := s.do("POST", "/nhs111/report", http.Header{"Content-Type": {"text/xml"}}, text)
			require.Equal(t, 200, again.status, "the same message again is acknowledged again")
			require.Equal(t, "1", string(s.do("GET", "/FHIR/R4/ServiceRequest?_total=accurate", nil, nil).resource(t).Get("total").Raw()))
		})
	}
}

var (
	document  = regexp.MustCompile(`(?s)<(?:\w+:)?ClinicalDocument.*?</(?:\w+:)?ClinicalDocument>`)
	effective = regexp.MustCompile(`<(?:\w+:)?effectiveTime value="(\d+)`)
)

// newest returns the document with the latest effectiveTime: of a repeat
// caller's set that one is the referral.
func newest(message string) string {
	best, at := "", ""
	for _, doc := range document.FindAllString(message, -1) {
		if m := effective.FindStringSubmatch(doc); m != nil && m[1] > at {
			best, at = doc, m[1]
		}
	}
	return best
}

// findReport looks for the report's content by plain FHIR search.
func (s *server) findReport(doc string) {
	t := s.t
	t.Helper()
	request := s.do("GET", "/FHIR/R4/ServiceRequest?status=active", nil, nil).resource(t)
	require.Equal(t, 1, request.Get("entry").Len())
	patient := request.Get("entry", "resource", "subject", "reference").Text()
	require.NotEmpty(t, patient)

	found := false
	for _, m := range anyExtension.FindAllStringSubmatch(patientID.FindString(doc), -1) {
		value := strings.ReplaceAll(m[1], " ", "")
		hit := s.do("GET", "/FHIR/R4/Patient?identifier="+url.QueryEscape(value), nil, nil).resource(t)
		found = found || "Patient/"+hit.Get("entry", "resource", "id").Text() == patient
	}
	require.True(t, found, "the patient is found by an identifier of the message")

	for _, m := range caseID.FindAllStringSubmatch(doc, -1) {
		system, value := oneOf(m[2], m[3]), oneOf(m[1], m[4])
		hit := s.do("GET", "/FHIR/R4/Encounter?identifier="+url.QueryEscape("urn:oid:"+system+"|"+value), nil, nil)
		require.NotZero(t, hit.resource(t).Get("entry").Len(), "case id %s is not found: %s", value, hit.body)
	}
	if m := disposition.FindStringSubmatch(doc); m != nil {
		plan := s.do("GET", "/FHIR/R4/CarePlan?subject="+url.QueryEscape(patient), nil, nil)
		require.Contains(t, string(plan.body), `"`+m[1]+`"`, "the disposition")
	}
	for _, m := range organisations.FindAllStringSubmatch(doc, -1) {
		code := oneOf(m[1], m[2])
		found := 0
		for _, typ := range []string{"Organization", "Location"} { // a site of an appointment is a place
			found += s.do("GET", "/FHIR/R4/"+typ+"?identifier="+code, nil, nil).resource(t).Get("entry").Len()
		}
		require.NotZero(t, found, "organisation %s is not found", code)
	}
	document := s.do("GET", "/FHIR/R4/DocumentReference?patient="+url.QueryEscape(patient), nil, nil).resource(t)
	attachment := document.Get("entry", "resource", "content", "attachment", "url").Text()
	require.True(t, strings.HasPrefix(attachment, "Binary/"), "the original is linked: %q", attachment)
	require.Equal(t, 200, s.do("GET", "/FHIR/R4/"+attachment, nil, nil).status)
}

// replay says what the standard demands for a published message.
type replay struct {
	file   string
	status int
	issue  string
	why    string
}

// cases are the published messages, each with the earlier ones that it goes on
// from (design D8).
var cases = [][]replay{
	{{"booking-request-new", 200, "", ""},
		{"booking-request-cancelled", 200, "", "no id: found by patient and time, right after the booking"}},
	{{"referral-request-111-to-ed", 200, "", ""},
		{"referral-response-safeguarding-dna", 200, "", "answers the referral: revoked"},
		{"referral-response-safeguarding-dna", 409, "conflict", "said again under other ids: the referral has ended"}},
	{{"referral-request-broker-ag-to-ers", 200, "", "two performers that resolve to nothing are let pass"}},
	{{"referral-request-cad-out-of-area", 200, "", ""}},
	{{"referral-request-pharmacy-blood-pressure", 200, "", ""}},
	{{"referral-request-pharmacy-minor-illness", 200, "", ""}},
	{{"cad-out-of-area-c1-1-initial", 200, "", ""},
		{"cad-out-of-area-c1-2-update", 200, "", ""},
		{"cad-out-of-area-c1-3-update", 200, "", ""},
		{"cad-out-of-area-c1-4-final-update", 200, "", ""},
		{"referral-response-cad-out-of-area-status", 200, "", "answers the case; names another sender than who was asked"},
		{"cad-out-of-area-c1-1-initial", 409, "conflict", "the journey has an active referral"}},
	{{"validation-request-999-to-cas", 200, "", ""},
		{"validation-request-update", 200, "", ""},
		{"validation-response-interim-in-progress", 200, "", "goes to the service that was asked instead of the one that asked"},
		{"validation-response-full-after-interim", 200, "", "answers the interim response's Bundle.id"},
		{"referral-cancel-revoked", 400, "invariant", "a cancellation must carry the receiver's id"}},
	{{"validation-request-999-to-cas", 200, "", ""},
		{"validation-response-full-new", 200, "", "no interim before it"},
		{"validation-response-interim-in-progress", 200, "", "older than what is known: changes nothing"}},
	{{"cad-out-of-area-c1-2-update", 404, "not-found", "updates a referral that was never received"}},
	{{"validation-request-update", 404, "not-found", "updates a request that was never received"}},
	{{"validation-response-interim-in-progress", 404, "not-found", "answers a request that was never sent"}},
	{{"validation-response-full-new", 404, "not-found", "answers a request that was never sent"}},
	{{"validation-response-full-after-interim", 404, "not-found", "answers a request that was never sent"}},
	{{"referral-response-cad-out-of-area-status", 404, "not-found", "answers a request that was never sent"}},
	{{"referral-response-safeguarding-dna", 404, "not-found", "answers a request that was never sent"}},
	{{"slot-searchset", 400, "invariant", "not a message"}},
}

// Ensure that every published message is answered as the standard says. The
// test hosts the service that a message names and the diary that it carries, and
// gives an update the ids that the earlier message was answered with. It replays
// leniently, because the messages are years old.
func TestPublishedBaRSMessagesAreAnswered(t *testing.T) {
	dir := fhirtest.Published(t, "samples", "bars", "bundles")
	for i, steps := range cases {
		s := start(t, "--store", "sqlite::memory:", "--bars-mode", "lenient", "--no-sandbox")
		given := map[string]string{} // fullUrl -> the id that we answered with
		for _, r := range steps {
			text, err := os.ReadFile(filepath.Join(dir, r.file+".xml"))
			require.NoError(t, err)
			bundle, err := fhirxml.ToJSON(text, r4.Tables)
			require.NoError(t, err, r.file)
			system, service := destination(bundle)
			s.host(system, service, "RYE")
			s.hostDiary(bundle, service)
			bundle = underOurIDs(t, bundle, given)
			header, body := speakingTo(system, service), bundle.JSON()
			if i%2 == 0 && len(given) == 0 { // as it was published
				header, body = inXML(header), text
			}
			a := s.do("POST", messagePath, header, body)
			got := fmt.Sprint(a.status)
			if a.status != 200 {
				code, word, diagnostics := a.issue(t)
				require.Equal(t, r.issue, code, "%s: %s", r.file, diagnostics)
				require.True(t, strings.HasPrefix(word, "REC_"), r.file)
				got += " " + code + " " + word
			} else {
				for e := range a.resource(t).Get("entry").Items() {
					given[e.Get("fullUrl").Text()] = e.Dig("resource", "id").Text()
					if e.Dig("resource", "status").Text() == "planned" {
						given["planned"] = e.Dig("resource", "id").Text()
					}
				}
			}
			require.Equal(t, r.status, a.status, "%s: %s", r.file, a.body)
			t.Logf("%-44s %-34s %s", r.file, got, r.why)
		}
		s.checkInvariant()
		if last := steps[len(steps)-1]; last.file == "referral-cancel-revoked" {
			found := s.do("GET", "/FHIR/R4/Encounter?status=finished", nil, nil).resource(t)
			require.Equal(t, "1", string(found.Get("total").Raw()), "the outcome shows in the Encounter that was opened")
		}
	}
}

// underOurIDs gives the entries of a later message the ids that the earlier one
// was answered with, the planned Encounter's included.
func underOurIDs(t *testing.T, bundle *fhir.Resource, given map[string]string) *fhir.Resource {
	t.Helper()
	edit := bundle.Edit()
	for e := range bundle.Get("entry").Items() {
		id := given[e.Get("fullUrl").Text()]
		if id == "" && e.Dig("resource", "resourceType").Text() == "Encounter" {
			id = given["planned"] // the published ones know it under another name
		}
		if id != "" && e.Dig("resource", "id").Exists() {
			edit.SetText(e.Get("resource"), "id", id)
		}
	}
	out, err := edit.Done()
	require.NoError(t, err)
	return out
}

// inXML asks in XML for an answer in JSON.
func inXML(h http.Header) http.Header {
	h.Set("Content-Type", "application/fhir+xml; version=1.1.0")
	return h
}

// destination is the service id of a message; one that names none is sent to
// the sample service.
func destination(bundle *fhir.Resource) (system, id string) {
	endpoint := entryOf(bundle, "MessageHeader").Get("destination").At(0).Get("endpoint").Text()
	if system, id, found := strings.Cut(endpoint, "|"); found {
		return system, id
	}
	return nhs.SystemDoS, sandbox.UrgentTreatment
}

// hostDiary stores the Schedule and the free Slot that a booking carries.
func (s *server) hostDiary(bundle *fhir.Resource, service string) {
	s.t.Helper()
	slot, schedule := entryOf(bundle, "Slot"), entryOf(bundle, "Schedule")
	if !slot.Exists() || !schedule.Exists() || bundle.Get("type").Text() != "message" {
		return
	}
	r := schedule.Resource()
	diary, err := r.Edit().Set(r.Root(), "actor", []byte(`[{"reference":"HealthcareService/`+service+`"}]`)).Done()
	require.NoError(s.t, err)
	a := s.do("PUT", "/FHIR/R4/Schedule/"+diary.ID(), plain(), diary.JSON())
	require.Equal(s.t, 201, a.status, "%s", a.body)
	r = slot.Resource()
	free, err := r.Edit().SetText(r.Root(), "status", "free").
		Set(r.Root(), "schedule", []byte(`{"reference":"Schedule/`+diary.ID()+`"}`)).Done()
	require.NoError(s.t, err)
	a = s.do("PUT", "/FHIR/R4/Slot/"+free.ID(), plain(), free.JSON())
	require.Equal(s.t, 201, a.status, "%s", a.body)
}
