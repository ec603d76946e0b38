package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

// notice is one notification as a receiver sees it.
type notice struct {
	method, path string
	header       http.Header
	body         []byte
}

// hook is a receiver of notifications that keeps its address when it goes down.
type hook struct {
	t       testing.TB
	address string
	server  *httptest.Server
	notices chan notice

	mu     sync.Mutex
	status int
}

func newHook(t testing.TB) *hook {
	h := &hook{t: t, address: freeAddress(t), notices: make(chan notice, 100), status: 204}
	h.up()
	t.Cleanup(func() { h.down() })
	return h
}

func (h *hook) up() {
	h.t.Helper()
	listener, err := net.Listen("tcp", h.address)
	require.NoError(h.t, err)
	h.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		status := h.status
		h.mu.Unlock()
		h.notices <- notice{r.Method, r.URL.Path, r.Header, body}
		w.WriteHeader(status)
	}))
	_ = h.server.Listener.Close()
	h.server.Listener = listener
	h.server.Start()
}

func (h *hook) down() { h.server.Close() }

func (h *hook) answer(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

// next waits for a notification.
func (h *hook) next() notice {
	h.t.Helper()
	select {
	case n := <-h.notices:
		return n
	case <-time.After(20 * time.Second):
		require.FailNow(h.t, "no notification came")
		return notice{}
	}
}

func (h *hook) url() string { return "http://" + h.address + "/hook" }

var hookSecret = []byte("0123456789abcdefghijklmnop")

// subscriptionOf is a Subscription's text; more is further channel members.
func subscriptionOf(criteria, endpoint, more string) []byte {
	return fmt.Appendf(nil, `{"resourceType":"Subscription","status":"requested","reason":"test","criteria":%q,"channel":{"type":"rest-hook","endpoint":%q%s}}`,
		criteria, endpoint, more)
}

func secretHeader() string {
	return "Webhook-Secret: whsec_" + base64.StdEncoding.EncodeToString(hookSecret)
}

// subscribe creates a Subscription that must become active.
func (s *server) subscribe(criteria, endpoint, more string) string {
	s.t.Helper()
	a := s.do("POST", "/FHIR/R4/Subscription", plain(), subscriptionOf(criteria, endpoint, more))
	require.Equal(s.t, 201, a.status, "%s", a.body)
	require.Equal(s.t, "active", a.resource(s.t).Get("status").Text())
	return a.resource(s.t).ID()
}

// task writes a Task.
func (s *server) task(id, status string) *answer {
	s.t.Helper()
	body := fmt.Sprintf(`{"resourceType":"Task","id":%q,"status":%q,"intent":"order","for":{"reference":"Patient/p"}}`, id, status)
	a := s.do("PUT", "/FHIR/R4/Task/"+id, plain(), []byte(body))
	require.Less(s.t, a.status, 300, "%s", a.body)
	return a
}

// eventually asks until the answer is yes.
func (s *server) eventually(what string, yes func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-ctx.Done():
			require.FailNow(s.t, what+" did not come about", s.log())
		case <-tick.C:
		}
	}
}

func TestASubscriberIsToldOfWhatMatchesInOrderAndSigned(t *testing.T) {
	h := newHook(t)
	s := start(t, "--no-sandbox", "--subscription-allow", "127.0.0.1")
	id := s.subscribe("Task?status=requested", h.url(), fmt.Sprintf(`,"payload":"application/fhir+json","header":["Authorization: Bearer t0ken",%q]`, secretHeader()))

	shown := s.do("GET", "/FHIR/R4/Subscription/"+id, nil, nil)
	require.NotContains(t, string(shown.body), "t0ken", "a header's value is not shown")
	require.NotContains(t, string(shown.body), "whsec_")

	s.task("one", "draft") // no match
	written := s.task("one", "requested")
	s.task("one", "requested")
	require.Equal(t, 204, s.do("DELETE", "/FHIR/R4/Task/one", nil, nil).status) // not told
	s.task("two", "requested")

	var one []notice // another resource's may come between
	for range 3 {
		if n := h.next(); n.path != "/hook/Task/two" {
			one = append(one, n)
		}
	}
	require.Len(t, one, 2)
	for i, n := range one {
		version := []string{"2", "3"}[i]
		require.Equal(t, "PUT", n.method)
		require.Equal(t, "/hook/Task/one", n.path)
		r, err := fhir.Parse(n.body)
		require.NoError(t, err)
		require.Equal(t, version, r.Get("meta", "versionId").Text())
		require.Equal(t, "requested", r.Get("status").Text())
		require.Equal(t, "Bearer t0ken", n.header.Get("Authorization"))
		require.Equal(t, "application/fhir+json; charset=utf-8", n.header.Get("Content-Type"))
		require.Empty(t, n.header.Get("Webhook-Secret"))
		mac := hmac.New(sha256.New, hookSecret)
		fmt.Fprintf(mac, "%s.%s.%s", n.header.Get("Webhook-Id"), n.header.Get("Webhook-Timestamp"), n.body)
		require.Equal(t, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)), n.header.Get("Webhook-Signature"))
		if version == "2" {
			require.JSONEq(t, string(written.body), string(n.body), "what a read of that version gives")
		}
	}
	require.NotEqual(t, one[0].header.Get("Webhook-Id"), one[1].header.Get("Webhook-Id"))
	s.eventually("an empty outbox", func() bool { return s.outbox().Waiting == 0 })
	require.Empty(t, h.notices)
	require.NotContains(t, s.log(), "t0ken")
}

type outboxState struct{ Waiting, OldestSeconds, Dead int }

// outbox reads what /readyz says of the outbox.
func (s *server) outbox() outboxState {
	s.t.Helper()
	var page struct{ Outbox outboxState }
	require.NoError(s.t, json.Unmarshal(s.do("GET", "/readyz", nil, nil).body, &page))
	return page.Outbox
}

func TestWithoutAPayloadTheSubscriberIsOnlyPinged(t *testing.T) {
	h := newHook(t)
	s := start(t, "--store", "sqlite::memory:", "--no-sandbox", "--subscription-allow", "127.0.0.1")
	s.subscribe("Task", h.url(), "")
	s.task("one", "requested")
	n := h.next()
	require.Equal(t, "POST", n.method)
	require.Equal(t, "/hook", n.path)
	require.Empty(t, n.body)
	require.NotEmpty(t, n.header.Get("Webhook-Id"))
	require.Empty(t, n.header.Get("Webhook-Signature"), "there is no secret to sign with")
}

func TestAPayloadMayBeXML(t *testing.T) {
	h := newHook(t)
	s := start(t, "--store", "sqlite::memory:", "--no-sandbox", "--subscription-allow", "127.0.0.1")
	s.subscribe("Task?subject=Patient/p", h.url(), `,"payload":"application/fhir+xml"`)
	s.task("one", "requested")
	n := h.next()
	require.Equal(t, "application/fhir+xml; charset=utf-8", n.header.Get("Content-Type"))
	require.Contains(t, string(n.body), `<Task xmlns="http://hl7.org/fhir">`)
}

func TestNothingIsLostWhileTheReceiverOrTheServerIsDown(t *testing.T) {
	h := newHook(t)
	s := start(t, "--no-sandbox", "--subscription-allow", "127.0.0.1")
	s.subscribe("Task?status=requested", h.url(), `,"payload":"application/fhir+json"`)
	h.down()
	s.task("one", "requested")
	s.eventually("a message in the outbox", func() bool { return s.outbox().Waiting == 1 })
	s.kill()
	s.run()
	require.Equal(t, 1, s.outbox().Waiting)
	s.task("one", "requested")
	s.kill() // perhaps before the change was read from the feed
	s.run()
	h.up()
	versions := map[string]bool{}
	last := ""
	for len(versions) < 2 {
		r, err := fhir.Parse(h.next().body)
		require.NoError(t, err)
		version := r.Get("meta", "versionId").Text()
		require.GreaterOrEqual(t, version, last, "in order")
		versions[version], last = true, version
	}
	s.eventually("an empty outbox", func() bool { return s.outbox().Waiting == 0 })
}

func TestKilledBetweenSendingAndMarkingItSendsTheSameMessageAgain(t *testing.T) {
	h := newHook(t)
	s := start(t, "--no-sandbox", "--subscription-allow", "127.0.0.1")
	got := make(chan string, 10)
	hang := make(chan struct{})
	first := true
	h.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		got <- r.Header.Get("Webhook-Id")
		if first {
			first = false
			<-hang // received, but the sender doesn't get to know
		}
	})
	s.subscribe("Task?status=requested", h.url(), `,"payload":"application/fhir+json"`)
	s.task("one", "requested")
	id := <-got
	s.kill()
	close(hang)
	s.run()
	select {
	case again := <-got:
		require.Equal(t, id, again)
	case <-time.After(20 * time.Second):
		require.FailNow(t, "the message was lost", s.log())
	}
	s.eventually("an empty outbox", func() bool { return s.outbox().Waiting == 0 })
}

func TestAnEndpointThatIsGoneStopsTheSubscriptionUntilItIsRequestedAgain(t *testing.T) {
	h := newHook(t)
	s := start(t, "--no-sandbox", "--subscription-allow", "127.0.0.1")
	header := `,"payload":"application/fhir+json","header":["Authorization: Bearer t0ken"]`
	id := s.subscribe("Task?status=requested", h.url(), header)
	h.answer(410)
	s.task("one", "requested")
	h.next()
	s.eventually("status error", func() bool { return s.status("Subscription/"+id) == "error" })
	stopped := s.do("GET", "/FHIR/R4/Subscription/"+id, nil, nil).resource(t)
	require.Equal(t, "Notifications stopped: the endpoint answered with status 410", stopped.Get("error").Text())
	s.eventually("a dead letter", func() bool { return s.outbox().Dead == 1 })

	h.answer(204)
	// What was shown, written back as requested: the header's value is kept.
	back, err := stopped.Edit().SetText(stopped.Root(), "status", "requested").Done()
	require.NoError(t, err)
	a := s.do("PUT", "/FHIR/R4/Subscription/"+id, plain(), back.JSON())
	require.Equal(t, 200, a.status, "%s", a.body)
	require.Equal(t, "active", a.resource(t).Get("status").Text())
	require.False(t, a.resource(t).Get("error").Exists())
	s.task("three", "requested")
	n := h.next()
	require.Equal(t, "/hook/Task/three", n.path)
	require.Equal(t, "Bearer t0ken", n.header.Get("Authorization"))

	// The dead letter can be sent again by an operator.
	s.eventually("an empty outbox", func() bool { return s.outbox().Waiting == 0 })
	s.kill()
	list := s.command("outbox", "list")
	require.Contains(t, list, "Task/one")
	letter := strings.Fields(strings.Split(list, "\n")[1])[0]
	require.Contains(t, s.command("outbox", "show", letter), `"reason": "the endpoint answered with status 410"`)
	require.Equal(t, 2, onward(t, "outbox", "retry").code)
	require.Equal(t, 2, onward(t, "outbox", "drop", letter, "--recipient", id).code)
	require.Equal(t, "sent again: 0\n", s.command("outbox", "retry", "--recipient", "another"))
	require.Equal(t, "sent again: 1\n", s.command("outbox", "retry", "--recipient", id))
	require.NotContains(t, s.command("outbox", "list"), "Task/one")
	s.run()
	require.Equal(t, "/hook/Task/one", h.next().path)
	s.kill()
	require.Equal(t, "forgotten: 0\n", s.command("outbox", "drop", "--recipient", id))
}

// command runs another subcommand on the stopped server's store.
func (s *server) command(args ...string) string {
	s.t.Helper()
	binary, err := builtOnce()
	require.NoError(s.t, err)
	cmd := exec.Command(binary, args...)
	cmd.Dir = s.dir
	out, err := cmd.CombinedOutput()
	require.NoError(s.t, err, "%s", out)
	return string(out)
}

func TestAWrongSubscriptionIsRefusedWithTheReason(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:", "--no-sandbox")
	const good = "https://receiver.example/hook"
	for _, c := range []struct{ criteria, endpoint, more, path, says string }{
		{"Flag?colour=red", good, "", "Subscription.criteria", "colour"},
		{"Flag?date=soon", good, "", "Subscription.criteria", "date"},
		{"Flag?patient.name=x", good, "", "Subscription.criteria", "chained"},
		{"Patient?_has:Flag:subject:date=2026", good, "", "Subscription.criteria", "_has"},
		{"Flag?_count=3", good, "", "Subscription.criteria", "shape"},
		{"Basic?code=x", good, "", "Subscription.criteria", "one type"},
		{"?status=active", good, "", "Subscription.criteria", "one type"},
		{"Subscription?status=active", good, "", "Subscription.criteria", "can't be subscribed"},
		{"Flag", "http://receiver.example/hook", "", "Subscription.channel.endpoint", "https"},
		{"Flag", "https://127.0.0.1/hook", "", "Subscription.channel.endpoint", "not public"},
		{"Flag", "https://169.254.169.254/hook", "", "Subscription.channel.endpoint", "not public"},
		{"Flag", "hook", "", "Subscription.channel.endpoint", "absolute"},
		{"Flag", good, `,"payload":"text/plain"`, "Subscription.channel.payload", "application/fhir+xml"},
		{"Flag", good, `,"header":["Host: x"]`, "Subscription.channel.header[0]", "header"},
		{"Flag", good, `,"header":["A: b\u000d\u000aC: d"]`, "Subscription.channel.header[0]", "visible"},
		{"Flag", good, `,"header":["Authorization: (kept)"]`, "Subscription.channel.header[0]", "kept"},
		{"Flag", good, `,"header":["Webhook-Secret: short"]`, "Subscription.channel.header[0]", "whsec_"},
	} {
		a := s.do("POST", "/FHIR/R4/Subscription", plain(), subscriptionOf(c.criteria, c.endpoint, c.more))
		require.Equal(t, 422, a.status, "%v: %s", c, a.body)
		issue := a.resource(t).Get("issue").At(0)
		require.Equal(t, c.path, issue.Get("expression").At(0).Text(), "%s", a.body)
		require.Contains(t, issue.Get("diagnostics").Text(), c.says)
	}
	other := strings.Replace(string(subscriptionOf("Flag", good, "")), "rest-hook", "email", 1)
	a := s.do("POST", "/FHIR/R4/Subscription", plain(), []byte(other))
	require.Equal(t, 422, a.status)
	claimed := strings.Replace(string(subscriptionOf("Flag", good, "")), "requested", "error", 1)
	require.Equal(t, 422, s.do("POST", "/FHIR/R4/Subscription", plain(), []byte(claimed)).status)
}
