package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
)

// relay stands before a SOAP door, keeps the ids of what goes through and may do
// something with an answer before it is passed on.
type relay struct {
	server *httptest.Server
	url    string

	mu        sync.Mutex
	messages  []string // MessageIDs
	trackings []string
	versions  []string
	answered  func() // called when the door has answered, before the sender knows
	refuse    bool   // answer with 503
}

var (
	messageID  = regexp.MustCompile(`<wsa:MessageID>([^<]*)<`)
	trackingID = regexp.MustCompile(`trackingid="([^"]*)"`)
	versionNo  = regexp.MustCompile(`<versionNumber value="([^"]*)"`)
)

func newRelay(t testing.TB, to string) *relay {
	r := &relay{}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.messages = append(r.messages, string(messageID.FindSubmatch(body)[1]))
		r.trackings = append(r.trackings, string(trackingID.FindSubmatch(body)[1]))
		r.versions = append(r.versions, string(versionNo.FindSubmatch(body)[1]))
		refuse, answered := r.refuse, r.answered
		if !refuse {
			r.answered = nil
		}
		r.mu.Unlock()
		if refuse {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		res, err := http.Post(to, req.Header.Get("Content-Type"), bytes.NewReader(body))
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		if answered != nil {
			answered()
		}
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
	}))
	t.Cleanup(r.server.Close)
	r.url = r.server.URL + "/report"
	return r
}

func (r *relay) set(refuse bool, answered func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse, r.answered = refuse, answered
}

func (r *relay) seen() (messages, trackings, versions []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages), slices.Clone(r.trackings), slices.Clone(r.versions)
}

// delivered waits until nothing waits in a server's outbox.
func (s *server) delivered() {
	s.t.Helper()
	require.Eventually(s.t, func() bool { waiting, _ := s.unsent(); return waiting == 0 }, 60*time.Second, 50*time.Millisecond, "%s", s.log())
	_, dead := s.unsent()
	require.Zero(s.t, dead, "%s", s.log())
}

// Ensure that a BaRS referral to a service whose receiver only has the SOAP door
// reaches it through kills of the sender, before and after the receiver has taken
// it, and that nothing is lost or doubled.
func TestABaRSReferralIsSentOnBySOAPThroughKills(t *testing.T) {
	there := freeAddress(t)
	door := newRelay(t, "http://"+there+"/nhs111/report")
	a := start(t, "--nhs111-route", sandbox.UrgentTreatment+"="+door.url)
	headers, body := speaking(sandbox.UrgentTreatment), []byte(conformant(t, "a1-referral"))
	sent := a.do("POST", messagePath, headers, body)
	require.Equal(t, 200, sent.status, "%s", sent.body)
	require.Equal(t, 409, a.do("POST", messagePath, headers, body).status)
	require.Len(t, a.list("ServiceRequest"), 1)
	waiting, dead := a.unsent()
	require.Equal(t, []int{1, 0}, []int{waiting, dead}, "the receiver is down")
	a.kill()

	b := startAt(t, there, "--store", "sqlite::memory:")
	door.set(true, nil)
	a.run()
	door.set(false, a.kill) // B has it, A doesn't know
	select {
	case <-a.done:
	case <-time.After(time.Minute):
		require.FailNow(t, "the sender never tried again", a.log())
	}
	require.Len(t, b.list("ServiceRequest"), 1)
	a.run()
	a.delivered()

	messages, trackings, _ := door.seen()
	require.GreaterOrEqual(t, len(messages), 2)
	require.Len(t, slices.Compact(messages), 1, "the MessageID stays")
	require.Len(t, slices.Compact(trackings), 1, "the trackingid stays")
	require.Len(t, b.list("ServiceRequest"), 1)
	require.Len(t, b.list("Patient"), 1)
	referral := b.list("ServiceRequest")[0]
	require.Equal(t, "active", referral.Get("status").Text())
	require.Equal(t, "HealthcareService/"+sandbox.UrgentTreatment, referral.Get("performer").At(0).Get("reference").Text())

	// What B holds is read there by BaRS.
	read := b.do("GET", "/FHIR/R4/ServiceRequest/"+referral.Get("id").Text(), speaking(sandbox.UrgentTreatment), nil)
	require.Equal(t, 200, read.status, "%s", read.body)

	// A says what it sent, and what the report had no place for.
	told := a.list("Communication")
	require.Len(t, told, 1)
	require.Equal(t, "ServiceRequest/"+a.list("ServiceRequest")[0].Get("id").Text(), told[0].Get("basedOn").At(0).Get("reference").Text())
	require.Equal(t, "completed", told[0].Get("status").Text())
	require.Equal(t, "urn:uuid:"+strings.ToLower(messages[0]), told[0].Get("identifier").At(0).Get("value").Text())
	require.Contains(t, string(told[0].Get("note").Raw()), "QuestionnaireResponse: ")
	require.NotContains(t, a.log()+b.log(), "9000000009")

	// A cancellation reaches the receiver as the nullification of the same set,
	// through a kill too, and once.
	door.set(true, nil)
	cancel := strings.ReplaceAll(conformant(t, "a1-cancel"), "@REFERRAL@", a.list("ServiceRequest")[0].Get("id").Text())
	headers = speaking(sandbox.UrgentTreatment)
	ended := a.do("POST", messagePath, headers, []byte(cancel))
	require.Equal(t, 200, ended.status, "%s", ended.body)
	require.Equal(t, 409, a.do("POST", messagePath, headers, []byte(cancel)).status)
	require.Equal(t, "revoked", a.list("ServiceRequest")[0].Get("status").Text())
	a.kill()
	require.Equal(t, "active", b.list("ServiceRequest")[0].Get("status").Text())
	door.set(false, nil)
	a.run()
	a.delivered()
	require.Equal(t, "entered-in-error", b.list("ServiceRequest")[0].Get("status").Text())
	after, _, versions := door.seen()
	after = after[len(messages):]
	require.Len(t, slices.Compact(after), 1, "the MessageID stays")
	require.NotEqual(t, messages[0], after[0])
	require.Equal(t, "2", versions[len(versions)-1])
	told = a.list("Communication")
	require.Len(t, told, 2)
	for _, one := range told {
		require.Equal(t, "completed", one.Get("status").Text())
	}
	withdrawal := b.do("GET", "/nhs111/report/"+after[0], nil, nil)
	require.Equal(t, 200, withdrawal.status, "%s", withdrawal.body)
	require.Contains(t, string(withdrawal.body), "Nullification of a report")
	require.NotContains(t, a.log()+b.log(), "9000000009")
}

// Ensure that a referral to a receiver which takes no nullifications can't be
// cancelled here, so that its sender telephones.
func TestAReceiverThatTakesNoNullificationsIsTelephoned(t *testing.T) {
	door := newRelay(t, "http://"+freeAddress(t)+"/nhs111/report")
	a := start(t, "--store", "sqlite::memory:", "--nhs111-route", sandbox.UrgentTreatment+"="+door.url, "--nhs111-no-nullification", sandbox.UrgentTreatment)
	sent := a.do("POST", messagePath, speaking(sandbox.UrgentTreatment), []byte(conformant(t, "a1-referral")))
	require.Equal(t, 200, sent.status, "%s", sent.body)
	id := a.list("ServiceRequest")[0].Get("id").Text()
	cancel := strings.ReplaceAll(conformant(t, "a1-cancel"), "@REFERRAL@", id)
	refused := a.do("POST", messagePath, speaking(sandbox.UrgentTreatment), []byte(cancel))
	require.Equal(t, 422, refused.status, "%s", refused.body)
	require.Contains(t, string(refused.body), "telephone")
	gone := a.do("DELETE", "/FHIR/R4/ServiceRequest/"+id, speaking(sandbox.UrgentTreatment), nil)
	require.Equal(t, 422, gone.status, "%s", gone.body)
	require.Equal(t, "active", a.list("ServiceRequest")[0].Get("status").Text())
}

// Ensure that an update of a referral reaches the SOAP door as the next version of
// its document, behind the first.
func TestAnUpdateIsSentOnAsTheNextVersion(t *testing.T) {
	b := start(t, "--store", "sqlite::memory:")
	door := newRelay(t, b.url+"/nhs111/report")
	a := start(t, "--store", "sqlite::memory:", "--nhs111-route", sandbox.EmergencyCare+"="+door.url, "--nhs111-sender", "B2002")
	sent := a.do("POST", messagePath, speaking(sandbox.EmergencyCare), []byte(conformant(t, "a3-referral")))
	require.Equal(t, 200, sent.status, "%s", sent.body)
	update := strings.ReplaceAll(conformant(t, "a3-referral-update"), "@REFERRAL@", a.list("ServiceRequest")[0].Get("id").Text())
	sent = a.do("POST", messagePath, speaking(sandbox.EmergencyCare), []byte(update))
	require.Equal(t, 200, sent.status, "%s", sent.body)
	old := a.do("POST", messagePath, speaking(sandbox.EmergencyCare), []byte(update))
	require.Equal(t, 200, old.status, "%s", old.body)
	a.delivered()
	messages, _, versions := door.seen()
	require.Equal(t, []string{"1", "2"}, versions, "old news isn't sent on")
	require.NotEqual(t, messages[0], messages[1])
	require.Len(t, b.list("ServiceRequest"), 1)
	require.Equal(t, 2, b.versions("ServiceRequest/"+b.list("ServiceRequest")[0].Get("id").Text()))
}

// hostAsking makes the service that the conformant messages come from.
func (s *server) hostAsking() {
	s.t.Helper()
	made := s.do("PUT", "/FHIR/R4/HealthcareService/"+asking, plain(), []byte(`{"resourceType":"HealthcareService","id":"`+asking+`",
		"identifier":[{"system":"https://fhir.nhs.uk/Id/dos-service-id","value":"`+asking+`"}],"active":true,"providedBy":{"reference":"Organization/A1001"},"name":"Sandbox 111 call centre"}`))
	require.Equal(s.t, 201, made.status, "%s", made.body)
}

// soapOnly lets a server's directory list a service with its SOAP door alone.
func (s *server) soapOnly(service, address string) {
	s.t.Helper()
	made := s.do("PUT", "/FHIR/R4/Endpoint/soap-door", plain(), []byte(`{"resourceType":"Endpoint","id":"soap-door","status":"active",
		"connectionType":{"system":"https://fhir.nhs.uk/England/CodeSystem/England-EndpointConnection","code":"itk"},
		"payloadType":[{"coding":[{"code":"urn:nhs-itk:interaction:primaryOutofHourRecipientNHS111CDADocument-v2-0"}]}],
		"payloadMimeType":["application/hl7-cda+xml"],"address":"`+address+`"}`))
	require.Equal(s.t, 201, made.status, "%s", made.body)
	r := s.do("GET", "/FHIR/R4/HealthcareService/"+service, nil, nil).resource(s.t)
	listed, err := r.Edit().Set(r.Root(), "endpoint", []byte(`[{"reference":"Endpoint/soap-door"}]`)).Done()
	require.NoError(s.t, err)
	put := s.do("PUT", "/FHIR/R4/HealthcareService/"+service, plain(), listed.JSON())
	require.Equal(s.t, 200, put.status, "%s", put.body)
}

// Ensure that what a system of ours sends to a service goes by SOAP where the
// directory lists nothing else, once, and by BaRS where it lists that.
func TestTheDirectorySaysHowAServiceIsReached(t *testing.T) {
	b := start(t, "--store", "sqlite::memory:")
	t.Setenv(passwordVariable, "sandbox")
	a := start(t, "--store", "sqlite::memory:", "--dos-url", b.url+"/sandbox/dos", "--dos-username", "sandbox")
	a.hostAsking()
	body := []byte(conformant(t, "a1-referral"))

	b.soapOnly(sandbox.UrgentTreatment, b.url+"/nhs111/report")
	queued := a.do("POST", "/FHIR/R4/$send-message", newIDs(), body)
	require.Equal(t, 202, queued.status, "%s", queued.body)
	require.Contains(t, string(queued.body), "MessageID 0C000000-")
	require.Contains(t, string(queued.body), `"expression":["Flag"]`)
	require.Equal(t, 409, a.do("POST", "/FHIR/R4/$send-message", newIDs(), body).status, "other ids, the same Bundle")
	a.delivered()
	require.Len(t, a.list("ServiceRequest"), 1)
	require.Len(t, b.list("ServiceRequest"), 1)

	validation := a.do("POST", "/FHIR/R4/$send-message", newIDs(), []byte(conformant(t, "a4-validation")))
	require.Equal(t, 200, validation.status, "%s", validation.body)
	require.Len(t, b.list("ServiceRequest"), 2)

	cancel := strings.ReplaceAll(conformant(t, "a1-cancel"), "@REFERRAL@", uuid.NewString())
	unknown := a.do("POST", "/FHIR/R4/$send-message", newIDs(), []byte(cancel))
	require.Equal(t, 404, unknown.status, "%s", unknown.body)
	var queuedID string
	for _, one := range a.list("Communication") {
		queuedID = strings.TrimPrefix(one.Get("basedOn").At(0).Get("reference").Text(), "ServiceRequest/")
	}
	cancel = strings.ReplaceAll(conformant(t, "a1-cancel"), "@REFERRAL@", queuedID)
	ended := a.do("POST", "/FHIR/R4/$send-message", newIDs(), []byte(cancel))
	require.Equal(t, 202, ended.status, "%s", ended.body)
	require.Contains(t, string(ended.body), `"expression":["ServiceRequest.reasonCode"]`)
	a.delivered()
	withdrawn := 0
	for _, one := range b.list("ServiceRequest") {
		if one.Get("status").Text() == "entered-in-error" {
			withdrawn++
		}
	}
	require.Equal(t, 1, withdrawn)

	b.stop()
	unsure := a.do("POST", "/FHIR/R4/$send-message", newIDs(), []byte(strings.ReplaceAll(conformant(t, "a1-referral"), "0c000000-0000-4000-8000-000000000103", "0c000000-0000-4000-8000-000000000903")))
	require.Equal(t, 503, unsure.status, "%s", unsure.body)
}

// Ensure that a refused report becomes a dead letter that says why, and that an
// operator can mend the route and send it again.
func TestAReportThatIsRefusedIsADeadLetter(t *testing.T) {
	b := start(t, "--store", "sqlite::memory:", "--nhs111-ods", "Z9999")
	route := func(to string) []string { return []string{"--nhs111-route", sandbox.UrgentTreatment + "=" + to} }
	a := start(t, route(b.url+"/nhs111/report")...)
	require.Equal(t, 200, a.do("POST", messagePath, speaking(sandbox.UrgentTreatment), []byte(conformant(t, "a1-referral"))).status)
	require.Eventually(t, func() bool { _, dead := a.unsent(); return dead == 1 }, 30*time.Second, 50*time.Millisecond, "%s", a.log())
	communication := a.list("Communication")[0]
	a.stop()
	binary, err := builtOnce()
	require.NoError(t, err)
	outbox := func(args ...string) string {
		cmd := exec.Command(binary, append([]string{"outbox"}, args...)...)
		cmd.Dir = a.dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	require.Equal(t, "stopped", communication.Get("status").Text())
	list := outbox("list")
	require.Contains(t, list, "nhs111-soap")
	require.Contains(t, list, "HTTP 500, ITK error 1000")
	id := strings.Fields(strings.Split(list, "\n")[1])[0]
	c := start(t, "--store", "sqlite::memory:")
	outbox("retry", id)
	a.args = route(c.url + "/nhs111/report")
	a.run()
	a.delivered()
	require.Equal(t, "completed", a.list("Communication")[0].Get("status").Text())
	require.Len(t, c.list("ServiceRequest"), 1)
	require.Empty(t, b.list("ServiceRequest"))
}

// Ensure that a 111 report is a BaRS referral that any other receiver takes.
func TestAReportThatCameBySOAPIsSentOnAsABaRSMessage(t *testing.T) {
	a, b := start(t, "--store", "sqlite::memory:"), start(t, "--store", "sqlite::memory:")
	taken := a.do("POST", "/nhs111/report", http.Header{"Content-Type": {"text/xml"}}, tourFile(t, "report.xml"))
	require.Equal(t, 200, taken.status, "%s", taken.body)
	mapped := a.do("GET", "/nhs111/report/3D1F9A60-0001-4C1B-8E5B-5A6B7C8D9E01", http.Header{"Accept": {"application/fhir+json; fhirVersion=4.0"}}, nil)
	require.Equal(t, 200, mapped.status, "%s", mapped.body)
	out, code := sendFile(t, mapped.body, "--to", b.url+"/FHIR/R4", "--service", sandbox.UrgentTreatment)
	require.Equal(t, 0, code, out)
	require.Contains(t, out, "case reference")
	require.Len(t, b.list("ServiceRequest"), 1)
	require.Equal(t, "Sample", b.list("Patient")[0].Get("name").At(0).Get("family").Text())

	// And once more by SOAP, from the command line.
	c := start(t, "--store", "sqlite::memory:")
	to := []string{"--soap", c.url + "/nhs111/report", "--service", sandbox.UrgentTreatment}
	out, code = sendFile(t, mapped.body, append(to, "--dry-run")...)
	require.Equal(t, 0, code, out)
	require.NotContains(t, out, "Sample")
	require.Empty(t, c.list("ServiceRequest"))
	for range 2 {
		out, code = sendFile(t, mapped.body, to...)
		require.Equal(t, 0, code, out)
	}
	require.Contains(t, out, "MessageID")
	require.Len(t, c.list("ServiceRequest"), 1)
	down, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	down.Close()
	out, code = sendFile(t, mapped.body, "--soap", "http://"+down.Addr().String()+"/x", "--service", sandbox.UrgentTreatment)
	require.Equal(t, exitLater, code, out)
}

// Ensure that a SOAP door which asks for a certificate gets ours, and that one
// whose own isn't trusted gets no patient.
func TestAReportIsSentUnderOurCertificate(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	url := ca.startSecured("--nhs111-client", "sender.example=A1001")
	cert, key := ca.files("sender.example")
	shown := []string{"--soap-send-cert", cert, "--soap-send-key", key}
	trusted := []string{"--soap-send-ca", ca.file()}
	to := []string{"--service", sandbox.UrgentTreatment, "--soap", url + "/nhs111/report"}
	for _, c := range []struct {
		name string
		args []string
		code int
	}{
		{"no certificate", trusted, exitRefused},
		{"a door that isn't trusted", append([]string{"--soap-send-ca", other.file()}, shown...), exitLater},
		{"both known", append(trusted, shown...), 0},
	} {
		out, code := send(t, "a1-referral", append(slices.Clone(to), c.args...)...)
		require.Equal(t, c.code, code, "%s: %s", c.name, out)
	}
	out, code := send(t, "a1-referral", append(to, "--soap-send-cert", ca.file())...)
	require.Equal(t, exitUsage, code, out)
}
