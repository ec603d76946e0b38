package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/fhir"
)

// asking is the service from which the conformant messages are sent.
const asking = "2000033311"

// partners are two servers: requester hosts the asking service of A1001,
// responder the sandbox's emergency department of B2002; each has a route to the
// other.
type partners struct{ requester, responder *server }

func startPartners(t testing.TB) *partners {
	t.Helper()
	p := &partners{}
	here, there := freeAddress(t), freeAddress(t)
	p.requester = startAt(t, here, "--bars-route", sandbox.EmergencyCare+"=http://"+there+"/FHIR/R4")
	p.responder = startAt(t, there, "--bars-route", asking+"=http://"+here+"/FHIR/R4")
	p.requester.hostAsking()
	return p
}

func startAt(t testing.TB, address string, args ...string) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), args: args, url: "http://" + address}
	s.run()
	t.Cleanup(s.kill)
	return s
}

// newIDs are the headers of an operation that may be repeated.
func newIDs() http.Header {
	h := plain()
	h["X-Request-Id"], h["X-Correlation-Id"] = []string{uuid.NewString()}, []string{uuid.NewString()}
	return h
}

// list reads all records of a type.
func (s *server) list(typ string) []fhir.Value {
	s.t.Helper()
	a := s.do("GET", "/FHIR/R4/"+typ+"?_count=100", nil, nil)
	require.Equal(s.t, 200, a.status, "%s", a.body)
	var list []fhir.Value
	for e := range a.resource(s.t).Get("entry").Items() {
		list = append(list, e.Get("resource"))
	}
	return list
}

// encounter is the responder's Encounter as a server holds it: the one that
// isn't the case of the conformant messages.
func (s *server) encounter() fhir.Value {
	s.t.Helper()
	var found []fhir.Value
	for _, e := range s.list("Encounter") {
		if !strings.Contains(string(e.Raw()), "CASE-1") {
			found = append(found, e)
		}
	}
	require.Len(s.t, found, 1)
	return found[0]
}

// move sets the status of the responder's Encounter by plain FHIR.
func (s *server) move(status, reason string) *answer {
	s.t.Helper()
	r := s.encounter().Resource()
	edit := r.Edit().SetText(r.Root(), "status", status)
	if reason != "" {
		edit.Set(r.Root(), "reasonCode", []byte(`[{"text":"`+reason+`"}]`))
	}
	moved, err := edit.Done()
	require.NoError(s.t, err)
	return s.do("PUT", "/FHIR/R4/Encounter/"+r.ID(), plain(), moved.JSON())
}

// writeOutcome writes what came of a validation.
func (s *server) writeOutcome() {
	s.t.Helper()
	encounter := s.encounter()
	a := s.do("POST", "/FHIR/R4/CarePlan", plain(), []byte(`{"resourceType":"CarePlan","status":"completed","intent":"plan",
		"subject":{"reference":"`+encounter.Dig("subject", "reference").Text()+`"},"encounter":{"reference":"Encounter/`+encounter.Get("id").Text()+`"},
		"description":"Seen by a clinician","period":{"start":"2026-11-20T09:20:00Z"},
		"activity":[{"outcomeCodeableConcept":[{"coding":[{"system":"https://fhir.nhs.uk/CodeSystem/pathways-dx-codes","code":"Dx02"}]}]}]}`))
	require.Equal(s.t, 201, a.status, "%s", a.body)
}

// shows waits until the responder's Encounter has a status at a server.
func (s *server) shows(status string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return s.encounter().Get("status").Text() == status },
		30*time.Second, 50*time.Millisecond, "the status %s never came: %s", status, s.log())
}

// unsent is how many messages wait and how many are dead.
func (s *server) unsent() (waiting, dead int) {
	s.t.Helper()
	var ready struct {
		Outbox struct{ Waiting, Dead int }
	}
	require.NoError(s.t, json.Unmarshal(s.do("GET", "/readyz", nil, nil).body, &ready))
	return ready.Outbox.Waiting, ready.Outbox.Dead
}

func (s *server) versions(ref string) int {
	s.t.Helper()
	return s.do("GET", "/FHIR/R4/"+ref+"/_history", nil, nil).resource(s.t).Get("entry").Len()
}

// Ensure that a 999 case that is sent for validation gets its interim and full
// answers when a clinician works on it, and that a kill of either side in the
// middle loses and doubles nothing.
func TestAValidationIsAnsweredBetweenTwoServersThroughAKill(t *testing.T) {
	p := startPartners(t)
	headers := newIDs()
	sent := p.requester.do("POST", "/FHIR/R4/$send-message", headers, []byte(conformant(t, "a4-validation")))
	require.Equal(t, 200, sent.status, "%s", sent.body)
	repeated := p.requester.do("POST", "/FHIR/R4/$send-message", headers, []byte(conformant(t, "a4-validation")))
	require.Equal(t, 409, repeated.status, "%s", repeated.body)
	for _, s := range []*server{p.requester, p.responder} {
		require.Len(t, s.list("ServiceRequest"), 1)
		require.Equal(t, "planned", s.encounter().Get("status").Text())
	}

	require.Equal(t, 200, p.responder.move("in-progress", "").status)
	p.requester.shows("in-progress")

	early := p.responder.move("finished", "")
	require.Equal(t, 422, early.status, "an outcome is needed: %s", early.body)

	p.requester.kill()
	p.responder.writeOutcome()
	require.Equal(t, 200, p.responder.move("finished", "").status)
	waiting, _ := p.responder.unsent()
	require.Equal(t, 1, waiting)
	p.responder.kill() // what was acknowledged is kept, the message too
	p.requester.run()
	p.responder.run()
	p.requester.shows("finished")

	for name, s := range map[string]*server{"requester": p.requester, "responder": p.responder} {
		require.Eventually(t, func() bool { waiting, dead := s.unsent(); return waiting+dead == 0 }, 30*time.Second, 50*time.Millisecond)
		require.Equal(t, 3, s.versions("Encounter/"+s.encounter().Get("id").Text()), "%s: planned, in-progress, finished, once each", name)
		require.Len(t, s.list("CarePlan"), 2, name)
		require.Len(t, s.list("Encounter"), 2, name)
		require.Len(t, s.list("Patient"), 1, name)
	}
	require.NotContains(t, p.requester.log()+p.responder.log(), "9000000009")
}

// Ensure that each change of our case tells the control room that asked, and that
// a rejection needs its reason.
func TestACaseOfAnotherControlRoomTellsItsStatus(t *testing.T) {
	p := startPartners(t)
	sent := p.requester.do("POST", "/FHIR/R4/$send-message", newIDs(), []byte(conformant(t, "a6-call-assist")))
	require.Equal(t, 200, sent.status, "%s", sent.body)
	for _, status := range []string{"in-progress", "arrived", "in-progress"} {
		moved := p.responder.move(status, "")
		require.Equal(t, 200, moved.status, "%s", moved.body)
		p.requester.shows(status)
	}
	require.Equal(t, 200, p.responder.move("in-progress", "").status, "the same status is no news")
	require.Equal(t, 400, p.responder.move("cancelled", "").status)
	require.Equal(t, 200, p.responder.move("cancelled", "No crew").status)
	p.requester.shows("cancelled")
	require.Equal(t, 5, p.requester.versions("Encounter/"+p.requester.encounter().Get("id").Text()))
}

// Ensure that who referred a patient with a safeguarding concern learns that the
// patient did not attend, when the booking says so.
func TestASafeguardedPatientWhoDidNotAttendIsToldOf(t *testing.T) {
	p := startPartners(t)
	referral := strings.ReplaceAll(conformant(t, "a1-referral"), sandbox.UrgentTreatment, sandbox.EmergencyCare)
	sent := p.requester.do("POST", "/FHIR/R4/$send-message", newIDs(), []byte(referral))
	require.Equal(t, 200, sent.status, "%s", sent.body)
	theirs := p.responder.list("ServiceRequest")[0]
	booking := `{"resourceType":"Appointment","id":"visit","status":"%","basedOn":[{"reference":"ServiceRequest/` + theirs.Get("id").Text() + `"}],
		"start":"2026-11-20T09:00:00Z","end":"2026-11-20T09:20:00Z","participant":[{"actor":{"reference":"` + theirs.Dig("subject", "reference").Text() + `"},"status":"accepted"}]}`
	require.Equal(t, 201, p.responder.do("PUT", "/FHIR/R4/Appointment/visit", plain(), []byte(strings.Replace(booking, "%", "booked", 1))).status)
	require.Equal(t, 200, p.responder.do("PUT", "/FHIR/R4/Appointment/visit", plain(), []byte(strings.Replace(booking, "%", "noshow", 1))).status)
	p.requester.shows("cancelled")
	require.Equal(t, "revoked", p.requester.list("ServiceRequest")[0].Get("status").Text())
	require.Equal(t, "revoked", p.responder.list("ServiceRequest")[0].Get("status").Text())
}

// Ensure that a referral which is cancelled with its receiver is cancelled here.
func TestACancellationThatIsSentTakesEffectHereToo(t *testing.T) {
	p := startPartners(t)
	sent := p.requester.do("POST", "/FHIR/R4/$send-message", newIDs(), []byte(conformant(t, "a6-referral")))
	require.Equal(t, 200, sent.status, "%s", sent.body)
	theirs := entryOf(sent.resource(t), "ServiceRequest").Get("id").Text()
	cancel := []byte(strings.ReplaceAll(conformant(t, "a6-cancel"), "@REFERRAL@", theirs))
	cancelled := p.requester.do("POST", "/FHIR/R4/$send-message", newIDs(), cancel)
	require.Equal(t, 200, cancelled.status, "%s", cancelled.body)
	for _, s := range []*server{p.requester, p.responder} {
		list := s.list("ServiceRequest")
		require.Len(t, list, 1)
		require.Equal(t, "revoked", list[0].Get("status").Text())
	}
	refused := p.requester.do("POST", "/FHIR/R4/$send-message", newIDs(), cancel)
	require.Equal(t, 422, refused.status, "%s", refused.body)
	require.Contains(t, string(refused.body), "REC_CONFLICT")
}

// Ensure that staff can answer by an operation, the same once.
func TestAnAnswerIsGivenByAnOperation(t *testing.T) {
	p := startPartners(t)
	require.Equal(t, 200, p.requester.do("POST", "/FHIR/R4/$send-message", newIDs(), []byte(conformant(t, "a4-validation"))).status)
	path := "/FHIR/R4/ServiceRequest/" + p.responder.list("ServiceRequest")[0].Get("id").Text() + "/$respond"
	headers := newIDs()
	body := []byte(`{"resourceType":"Parameters","parameter":[{"name":"answer","valueCode":"rejected"},{"name":"reason","valueCodeableConcept":{"text":"No clinician"}}]}`)
	given := p.responder.do("POST", path, headers, body)
	require.Equal(t, 200, given.status, "%s", given.body)
	require.Equal(t, 409, p.responder.do("POST", path, headers, body).status)
	p.requester.shows("cancelled")
	wrong := p.responder.do("POST", path, newIDs(), []byte(`{"resourceType":"Parameters","parameter":[{"name":"answer","valueCode":"no"}]}`))
	require.Equal(t, 400, wrong.status)
	require.Equal(t, 405, p.responder.do("GET", path, nil, nil).status)
	require.Equal(t, 204, p.requester.do("POST", "/FHIR/R4/$forget-offers", plain(), nil).status)
}

// Ensure that what can't be sent is refused with the reason, and that what is
// refused for good becomes a dead letter that can be sent again.
func TestWhatCannotBeSentSaysWhy(t *testing.T) {
	p := startPartners(t)
	there := p.requester.do("POST", "/FHIR/R4/$send-message", newIDs(), []byte(conformant(t, "a1-referral")))
	require.Equal(t, 422, there.status, "%s", there.body)
	require.Contains(t, string(there.body), "no route leads to this service")
	foreign := p.responder.do("POST", "/FHIR/R4/$send-message", newIDs(), []byte(conformant(t, "a4-validation")))
	require.Equal(t, 422, foreign.status, "%s", foreign.body)
	require.Contains(t, string(foreign.body), "source.endpoint")
	require.Empty(t, p.responder.list("ServiceRequest"))

	// The responder has the case; the requester's records of it are lost.
	require.Equal(t, 200, p.responder.do("POST", messagePath, speaking(sandbox.EmergencyCare), []byte(conformant(t, "a6-referral"))).status)
	require.Equal(t, 200, p.responder.move("arrived", "").status)
	require.Eventually(t, func() bool { _, dead := p.responder.unsent(); return dead == 1 }, 30*time.Second, 50*time.Millisecond)
	p.responder.stop()
	binary, err := builtOnce()
	require.NoError(t, err)
	list := exec.Command(binary, "outbox", "list")
	list.Dir = p.responder.dir
	out, err := list.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "bars-message")
	require.Contains(t, string(out), "answered 404, REC_NOT_FOUND, not-found")
}

// Ensure that a receiver is found in the endpoint catalogue where neither a route
// nor a proxy leads to it, and that the catalogue can't make us call any address.
func TestAReceiverIsFoundByTheCatalogue(t *testing.T) {
	receiver := start(t, "--store", "sqlite::memory:")
	catalogue := start(t, "--store", "sqlite::memory:")
	record := `{"resourceType":"Endpoint","meta":{"lastUpdated":"2026-11-20T10:00:00Z"},"identifier":[
		{"system":"https://fhir.nhs.uk/Id/dos-service-id","value":"` + sandbox.EmergencyCare + `"},{"system":"https://fhir.nhs.uk/Id/product-id","value":"SUPP-APP-1"}],
		"status":"active","name":"Sandbox","connectionType":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/endpoint-connection-type","code":"hl7-fhir-msg"}]},
		"payloadType":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/endpoint-payload-type","code":"bars"}]}],
		"managingOrganization":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"A1001"}},
		"address":"` + receiver.url + `/FHIR/R4","header":"public"}`
	to := []string{"--catalogue", catalogue.url + "/sandbox/bars/FHIR/R4", "--service", sandbox.EmergencyCare}
	out, code := send(t, "a4-validation", append(to, "--allow", "127.0.0.1")...)
	require.Equal(t, exitRefused, code, out)
	require.Contains(t, out, "0 addresses")
	created := catalogue.do("POST", "/sandbox/bars/FHIR/R4/Endpoint", speaking("x"), []byte(record))
	require.Equal(t, 201, created.status, "%s", created.body)
	out, code = send(t, "a4-validation", to...)
	require.Equal(t, exitRefused, code, out)
	require.Contains(t, out, "may not be called")
	require.Empty(t, receiver.list("ServiceRequest"))
	out, code = send(t, "a4-validation", append(to, "--allow", "127.0.0.1")...)
	require.Equal(t, 0, code, out)
	require.Len(t, receiver.list("ServiceRequest"), 1)
}

// Ensure that a dead letter is sent again from the command line, and takes effect
// once.
func TestADeadLetterIsSentAgainFromTheCommandLine(t *testing.T) {
	p := startPartners(t)
	require.Equal(t, 200, p.requester.do("POST", "/FHIR/R4/$send-message", newIDs(), []byte(conformant(t, "a6-referral"))).status)
	// The requester no longer has the service that answers go to.
	service := p.requester.do("GET", "/FHIR/R4/HealthcareService/"+asking, nil, nil)
	require.Less(t, p.requester.do("DELETE", "/FHIR/R4/HealthcareService/"+asking, nil, nil).status, 300)
	require.Equal(t, 200, p.responder.move("arrived", "").status)
	require.Eventually(t, func() bool { _, dead := p.responder.unsent(); return dead == 1 }, 30*time.Second, 50*time.Millisecond)
	restored := service.resource(t)
	require.Contains(t, []int{200, 201}, p.requester.do("PUT", "/FHIR/R4/HealthcareService/"+asking, plain(), restored.JSON()).status)
	p.responder.stop()
	binary, err := builtOnce()
	require.NoError(t, err)
	outbox := func(args ...string) string {
		cmd := exec.Command(binary, append([]string{"outbox"}, args...)...)
		cmd.Dir = p.responder.dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	lines := strings.Split(strings.TrimSpace(outbox("list")), "\n")
	require.Len(t, lines, 2)
	id, _, _ := strings.Cut(lines[1], " ")
	outbox("retry", id)
	p.responder.run()
	p.requester.shows("arrived")
	require.Eventually(t, func() bool { waiting, dead := p.responder.unsent(); return waiting+dead == 0 }, 30*time.Second, 50*time.Millisecond)
	require.Equal(t, 2, p.requester.versions("Encounter/"+p.requester.encounter().Get("id").Text()))
}

// Ensure that the test tool sends the responses that its numbers ask for, and that
// a sender of ours takes them.
func TestTheTestToolSendsTheResponsesThatNumbersAskFor(t *testing.T) {
	here := freeAddress(t)
	tool := start(t, "--store", "sqlite::memory:", "--sandbox-route", asking+"=http://"+here+"/FHIR/R4")
	for name, row := range map[string]struct {
		payload, number, service, tool, referral, encounter string
	}{
		"full":         {"a4-validation", "9658499147", sandbox.EmergencyCare, "2000003366", "active", "finished"},
		"not attended": {"a1-referral", "9658499163", sandbox.UrgentTreatment, "2000076289", "revoked", "cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			requester := startAt(t, here, "--store", "sqlite::memory:", "--bars-route", row.tool+"="+tool.url+"/sandbox/testtool/FHIR/R4")
			made := requester.do("PUT", "/FHIR/R4/HealthcareService/"+asking, plain(), []byte(`{"resourceType":"HealthcareService","id":"`+asking+`",
				"identifier":[{"system":"https://fhir.nhs.uk/Id/dos-service-id","value":"`+asking+`"}],"active":true,"providedBy":{"reference":"Organization/A1001"},"name":"Sandbox 111 call centre"}`))
			require.Equal(t, 201, made.status, "%s", made.body)
			message := strings.NewReplacer("9000000009", row.number, row.service, row.tool).Replace(conformant(t, row.payload))
			sent := requester.do("POST", "/FHIR/R4/$send-message", newIDs(), []byte(message))
			require.Equal(t, 200, sent.status, "%s", sent.body)
			requester.shows(row.encounter)
			require.Equal(t, row.referral, requester.list("ServiceRequest")[0].Get("status").Text())
			requester.kill()
		})
	}
	require.NotContains(t, tool.log(), "could not be sent")
	require.NotContains(t, tool.log(), "no response can be made")
}

// Ensure that the requester's own statement says that it sends.
func TestTheStatementOfTheStandardListsWhatIsSent(t *testing.T) {
	s := start(t)
	statement := s.do("GET", "/FHIR/R4/metadata", speaking(sandbox.UrgentTreatment), nil).resource(t)
	require.Equal(t, "client", statement.Get("rest").At(1).Get("mode").Text())
	modes := map[string]int{}
	for m := range statement.Get("messaging").At(0).Get("supportedMessage").Items() {
		modes[m.Get("mode").Text()]++
	}
	require.Equal(t, map[string]int{"receiver": 9, "sender": 9}, modes)
}

// send runs onward send with a conformant message and returns what it printed
// and its exit code.
func send(t testing.TB, name string, args ...string) (string, int) {
	t.Helper()
	fill := strings.NewReplacer("@REFERRAL@", uuid.NewString(), "@ENCOUNTER@", uuid.NewString(), "@CASE@", uuid.NewString(), "@CAREPLAN@", uuid.NewString())
	return sendFile(t, []byte(fill.Replace(conformant(t, name))), args...)
}

func sendFile(t testing.TB, message []byte, args ...string) (string, int) {
	t.Helper()
	binary, err := builtOnce()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "message.json")
	require.NoError(t, os.WriteFile(file, message, 0o600))
	cmd := exec.Command(binary, append([]string{"send", file}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		require.IsType(t, &exec.ExitError{}, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// Ensure that a message file is sent to any receiver after content negotiation,
// and that the exit code says what came of it.
func TestAMessageFileIsSentFromTheCommandLine(t *testing.T) {
	s := start(t)
	to := []string{"--to", s.url + "/FHIR/R4", "--service", sandbox.EmergencyCare, "--request-id", uuid.NewString(), "--correlation-id", uuid.NewString()}

	out, code := send(t, "a4-validation", append(to, "--dry-run")...)
	require.Equal(t, 0, code, out)
	require.Contains(t, out, "a4t1|validation|servicerequest-request|new")
	require.NotContains(t, out, "Sample")
	require.Empty(t, s.list("ServiceRequest"))

	out, code = send(t, "a4-validation", to...)
	require.Equal(t, 0, code, out)
	require.Contains(t, out, "case reference")
	require.Len(t, s.list("ServiceRequest"), 1)

	out, code = send(t, "a4-validation", to...)
	require.Equal(t, 0, code, out)
	require.Contains(t, out, "has had this very message")
	require.Len(t, s.list("ServiceRequest"), 1)

	out, code = send(t, "a4-validation", "--to", s.url+"/FHIR/R4", "--service", "1")
	require.Equal(t, 2, code, out)
	out, code = send(t, "a4-response-interim", "--to", s.url+"/FHIR/R4", "--service", asking)
	require.Equal(t, 4, code, out)
	require.Contains(t, out, "REC_NOT_FOUND")
	require.NotContains(t, out, "response.identifier names")
	out, code = send(t, "a4-response-interim", "--to", s.url+"/FHIR/R4", "--service", asking, "--explain")
	require.Equal(t, 4, code, out)
	require.Contains(t, out, "Receiver says  ")
}

// Ensure that a message goes through a proxy that demands a token, which the
// sender gets by a signed assertion.
func TestAMessageGoesThroughTheProxyWithAToken(t *testing.T) {
	dir := keyPair(t)
	receiver := start(t, "--store", "sqlite::memory:")
	proxy := start(t, "--store", "sqlite::memory:", "--sandbox-application", filepath.Join(dir, "application.json"),
		"--sandbox-route", sandbox.EmergencyCare+"="+receiver.url+"/FHIR/R4/")
	to := []string{"--proxy", proxy.url + "/sandbox/bars/FHIR/R4", "--service", sandbox.EmergencyCare}
	out, code := send(t, "a4-validation", to...)
	require.NotEqual(t, 0, code, out)
	require.Empty(t, receiver.list("ServiceRequest"))
	out, code = send(t, "a4-validation", append(to, "--token-url", proxy.url+"/sandbox/oauth2/token", "--client-id", "app-1",
		"--key-id", "onward-1", "--key", filepath.Join(dir, "private.pem"))...)
	require.Equal(t, 0, code, out)
	require.Contains(t, out, "case reference")
	require.Len(t, receiver.list("ServiceRequest"), 1)
}
