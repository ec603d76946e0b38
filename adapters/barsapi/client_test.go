package barsapi

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

const (
	requestID   = "0e000000-0000-4000-8000-000000000001"
	correlation = "0e000000-0000-4000-8000-000000000002"
)

// peer is a receiver that gives prepared answers and keeps what it was sent.
type peer struct {
	t       testing.TB
	server  *httptest.Server
	answers []func(w http.ResponseWriter)
	got     []*http.Request
	bodies  []string
	waits   []time.Duration
	now     time.Time
}

func newPeer(t testing.TB, answers ...func(http.ResponseWriter)) *peer {
	p := &peer{t: t, answers: answers, now: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.got, p.bodies = append(p.got, r), append(p.bodies, string(body))
		w.Header().Set("X-Request-Id", r.Header.Get("X-Request-Id"))
		w.Header().Set("X-Correlation-Id", r.Header.Get("X-Correlation-Id"))
		p.answers[min(len(p.got), len(p.answers))-1](w)
	}))
	t.Cleanup(p.server.Close)
	return p
}

// Route leads every service to the peer.
func (p *peer) Route(context.Context, nhs.ServiceID) (Route, error) {
	return Route{Base: p.server.URL, Proxy: true}, nil
}

func (p *peer) Clear() {}

func (p *peer) client(more ...func(*ClientOptions)) *Client {
	o := ClientOptions{Router: p, HTTP: p.server.Client(), Software: Software{System: "https://supplier.example/Id", ID: "T-1", Name: "Test", Version: "1.0.0"},
		Now: func() time.Time { return p.now }, Random: func() float64 { return 0 },
		Pause: func(_ context.Context, d time.Duration) error { p.waits = append(p.waits, d); return nil }}
	for _, set := range more {
		set(&o)
	}
	return NewClient(o)
}

func says(status int, body string, headers ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func refuses(status int, word, issue string, headers ...string) func(http.ResponseWriter) {
	return says(status, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"`+issue+`","diagnostics":"about Sandy Sample",
		"details":{"coding":[{"system":"https://fhir.nhs.uk/Codesystem/http-error-codes","code":"`+word+`"}]}}]}`, headers...)
}

var takes = says(200, `{"resourceType":"Bundle","type":"message"}`)

// answersWith is success with a MessageHeader of that response.code.
func answersWith(code string) func(http.ResponseWriter) {
	return says(200, `{"resourceType":"Bundle","type":"message","entry":[{"resource":{"resourceType":"MessageHeader","response":{"code":"`+code+`"}}}]}`)
}

func (p *peer) process(c *Client) (*Reply, error) {
	p.t.Helper()
	bundle, err := fhir.Parse([]byte(`{"resourceType":"Bundle","type":"message"}`))
	require.NoError(p.t, err)
	return c.Process(context.Background(), Headers{RequestID: requestID, Correlation: correlation, UseContext: "a4t1|validation|servicerequest-request|new",
		Target: nhs.ServiceID{System: nhs.SystemDoS, Value: "2000011147"}, Organisation: "A1001", OrganisationName: "Sandbox 111 provider",
		Practitioner: "100000000002", Role: "62247001"}, bundle)
}

// Ensure that the receiving half of this package understands every header.
func TestARequestCarriesTheHeadersOfTheStandard(t *testing.T) {
	p := newPeer(t, takes)
	_, err := p.process(p.client())
	require.NoError(t, err)
	h, err := readHeaders(p.got[0], need{target: true, who: true}, strictly)
	require.NoError(t, err)
	require.Equal(t, headers{requestID: requestID, correlation: correlation, target: nhs.ServiceID{System: nhs.SystemDoS, Value: "2000011147"},
		caller: bars.Caller{Door: "bars", Organisation: "A1001", OrganisationName: "Sandbox 111 provider", Software: "T-1", SoftwareSystem: "https://supplier.example/Id", SoftwareName: "Test",
			SoftwareVersion: "1.0.0", Practitioner: "100000000002", Role: "62247001", RequestID: requestID, Correlation: correlation,
			Target: nhs.ServiceID{System: nhs.SystemDoS, Value: "2000011147"}}}, *h)
	require.Equal(t, "a4t1|validation|servicerequest-request|new", p.got[0].Header.Get("use-context"))
	require.Equal(t, acceptCore, p.got[0].Header.Get("Accept"))
	require.Empty(t, p.got[0].Header.Get("Authorization"))
	require.NoError(t, checkAccept(p.got[0]))
	require.NoError(t, checkContentVersion(p.got[0].Header))
}

func TestAnAnswerIsJudgedByTheSenderRules(t *testing.T) {
	elsewhere := says(307, "", "Location", "https://elsewhere.example/")
	for name, row := range map[string]struct {
		answer func(http.ResponseWriter)
		tries  int
		reason string // "" where it is delivered
	}{
		"taken":                         {takes, 1, ""},
		"had it before":                 {refuses(409, "REC_CONFLICT", "duplicate"), 1, ""},
		"had it, says the proxy":        {refuses(409, "PROXY_CONFLICT", "duplicate"), 1, "answered 409, PROXY_CONFLICT, duplicate"},
		"had another, it seems":         {refuses(409, "REC_CONFLICT", "duplicate", "X-Request-Id", correlation), 5, "answered 409, REC_CONFLICT, duplicate, without the transaction ids"},
		"taken, but without our ids":    {says(200, `{"resourceType":"Bundle","type":"message"}`, "X-Request-Id", "", "X-Correlation-Id", ""), 1, ""},
		"sender's limit":                {refuses(429, "SEND_TOO_MANY_REQUESTS", "throttled"), 5, "answered 429, SEND_TOO_MANY_REQUESTS, throttled"},
		"receiver's limit":              {refuses(429, "REC_TOO_MANY_REQUESTS", "throttled"), 5, "answered 429, REC_TOO_MANY_REQUESTS, throttled"},
		"timeout without a prefix":      {refuses(408, "TIMEOUT", "timeout"), 5, "answered 408, TIMEOUT, timeout"},
		"proxy not available":           {refuses(503, "PROXY_UNAVAILABLE", "transient"), 5, "answered 503, PROXY_UNAVAILABLE, transient"},
		"the other word for it":         {refuses(503, "REC_SERVICE_UNAVAILABLE", "transient"), 5, "answered 503, transient"},
		"the token is of another API":   {refuses(403, "SEND_FORBIDDEN", "forbidden"), 5, "answered 403, SEND_FORBIDDEN, forbidden"},
		"refused connection":            {refuses(403, "REC_FORBIDDEN", "forbidden"), 1, "answered 403, REC_FORBIDDEN, forbidden"},
		"unknown target":                {refuses(404, "PROXY_NOT_FOUND", "not-found"), 1, "answered 404, PROXY_NOT_FOUND, not-found"},
		"another version":               {refuses(406, "REC_NOT_ACCEPTABLE", "processing"), 1, "answered 406, REC_NOT_ACCEPTABLE, processing"},
		"not supported":                 {refuses(422, "REC_UNPROCESSABLE_ENTITY", "not-supported"), 1, "answered 422, REC_UNPROCESSABLE_ENTITY, not-supported"},
		"not built":                     {refuses(501, "REC_NOT_IMPLEMENTED", "not-supported"), 1, "answered 501, REC_NOT_IMPLEMENTED, not-supported"},
		"can't store":                   {refuses(500, "REC_SERVER_ERROR", "no-store"), 1, "answered 500, REC_SERVER_ERROR, no-store"},
		"slot taken":                    {refuses(409, "REC_CONFLICT", "conflict"), 1, "answered 409, REC_CONFLICT, conflict"},
		"still running":                 {refuses(425, "REC_TOO_EARLY", "duplicate"), 5, "answered 425, REC_TOO_EARLY, duplicate"},
		"receiver's time is over":       {refuses(408, "REC_TIMEOUT", "timeout"), 5, "answered 408, REC_TIMEOUT, timeout"},
		"too many":                      {refuses(429, "PROXY_TOO_MANY_REQUESTS", "throttled"), 5, "answered 429, PROXY_TOO_MANY_REQUESTS, throttled"},
		"not available":                 {refuses(503, "REC_UNAVAILABLE", "transient"), 5, "answered 503, REC_UNAVAILABLE, transient"},
		"proxy waited in vain":          {refuses(504, "PROXY_TIMEOUT", "timeout"), 5, "answered 504, PROXY_TIMEOUT, timeout"},
		"wrong message":                 {refuses(400, "REC_BAD_REQUEST", "invariant"), 1, "answered 400, REC_BAD_REQUEST, invariant"},
		"not for us":                    {refuses(401, "REC_UNAUTHORIZED", "forbidden"), 1, "answered 401, REC_UNAUTHORIZED, forbidden"},
		"its fault":                     {refuses(500, "REC_SERVER_ERROR", "exception"), 1, "answered 500, REC_SERVER_ERROR, exception"},
		"no outcome":                    {says(400, "Sandy Sample"), 5, "answered 400, without an OperationOutcome"},
		"not our ids":                   {refuses(400, "REC_BAD_REQUEST", "invariant", "X-Request-Id", correlation), 5, "answered 400, REC_BAD_REQUEST, invariant, without the transaction ids"},
		"words that nobody knows":       {refuses(400, "SANDY", "sample"), 1, "answered 400"},
		"success without a message":     {says(200, ""), 5, "answered 200, the answer is no message"},
		"a redirect to another address": {elsewhere, 1, "answered 307, a redirect, which is not followed"},
		"refused inside a success":      {answersWith("fatal-error"), 1, "answered 200, the answer says fatal-error"},
		"busy inside a success":         {answersWith("transient-error"), 5, "answered 200, the answer says transient-error"},
		"taken, says the answer":        {answersWith("ok"), 1, ""},
		"an endless page of a gateway":  {says(503, strings.Repeat(" ", maxAnswer+1)), 5, "answered 503, the answer is larger than 6 MiB"},
		"an endless answer":             {says(200, strings.Repeat(" ", maxAnswer+1)), 1, "answered 200, the answer is larger than 6 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, row.answer)
			_, err := p.process(p.client())
			require.Len(t, p.got, row.tries)
			if row.reason == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, row.reason)
		})
	}
}

// What a receiver says is for who sent the message: the error, which is logged,
// has none of it, and a terminal gets no control characters.
func TestWhatAReceiverSaysIsKeptApart(t *testing.T) {
	p := newPeer(t, says(400, `{"resourceType":"OperationOutcome","issue":[{"code":"value","diagnostics":"Sandy\u001b[31m Sample","expression":["Bundle.id"]},{"code":"value"}]}`))
	_, err := p.process(p.client())
	var fault *Fault
	require.ErrorAs(t, err, &fault)
	require.Equal(t, []string{"Bundle.id: Sandy [31m Sample"}, fault.Said())
	require.NotContains(t, err.Error(), "Sandy")
}

func TestARepetitionKeepsIdsAndBodyAndWaitsAsAsked(t *testing.T) {
	p := newPeer(t, refuses(503, "REC_UNAVAILABLE", "transient", "Retry-After", "7"), refuses(429, "REC_TOO_MANY_REQUESTS", "throttled"), takes)
	reply, err := p.process(p.client())
	require.NoError(t, err)
	require.Equal(t, 3, reply.Attempts)
	require.Equal(t, []time.Duration{7 * time.Second, time.Second}, p.waits)
	for i, r := range p.got {
		require.Equal(t, p.got[0].Header, r.Header, i)
		require.Equal(t, p.bodies[0], p.bodies[i])
	}
	far := newPeer(t, refuses(503, "REC_UNAVAILABLE", "transient", "Retry-After", "3600"))
	_, err = far.process(far.client())
	require.ErrorContains(t, err, "503")
	require.Len(t, far.got, 1, "nobody waits an hour inside a call")
}

// tokens counts what is asked of a token source.
type tokens struct{ asked, forgotten int }

func (s *tokens) Token(context.Context) (string, error) {
	s.asked++
	return "t" + strings.Repeat("+", s.forgotten), nil
}
func (s *tokens) Forget() { s.forgotten++ }

func TestATokenThatIsRefusedIsReplacedOnceAndReceiversGetNone(t *testing.T) {
	source := &tokens{}
	p := newPeer(t, refuses(401, "SEND_UNAUTHORIZED", "security"), takes)
	_, err := p.process(p.client(func(o *ClientOptions) { o.Token = source }))
	require.NoError(t, err)
	require.Equal(t, "Bearer t", p.got[0].Header.Get("Authorization"))
	require.Equal(t, "Bearer t+", p.got[1].Header.Get("Authorization"))

	direct := newPeer(t, takes)
	routes, err := ParseRoutes("https://proxy.example/FHIR/R4/", map[string]string{"2000011147": direct.server.URL})
	require.NoError(t, err)
	_, err = direct.process(direct.client(func(o *ClientOptions) { o.Token, o.Router = source, routes }))
	require.NoError(t, err)
	require.Empty(t, direct.got[0].Header.Get("Authorization"))
	other, err := routes.Route(context.Background(), nhs.ServiceID{System: nhs.SystemDoS, Value: "1"})
	require.NoError(t, err)
	require.Equal(t, Route{Base: "https://proxy.example/FHIR/R4", Proxy: true}, other)
}

func TestRoutesThatMakeNoSenseAreRefused(t *testing.T) {
	for _, base := range []string{"", "proxy.example", "ftp://proxy.example", "https://user@proxy.example", "https://proxy.example/?a=b"} {
		_, err := ParseRoutes("", map[string]string{"1": base})
		require.Error(t, err, base)
	}
	none, err := ParseRoutes("", nil)
	require.NoError(t, err)
	_, err = none.Route(context.Background(), nhs.ServiceID{System: nhs.SystemDoS, Value: "1"})
	require.ErrorIs(t, err, ErrNoRoute)
}

func TestRecordsAreReadAndWrittenAndSlotsNeverRemembered(t *testing.T) {
	p := newPeer(t, says(200, `{"resourceType":"Appointment","id":"1"}`))
	c, ctx := p.client(), context.Background()
	for range 2 {
		_, err := c.Slots(ctx, Headers{}, url.Values{"status": {"free"}})
		require.NoError(t, err)
	}
	r, err := c.Read(ctx, Headers{}, "Appointment", "1")
	require.NoError(t, err)
	_, err = c.Update(ctx, Headers{}, r)
	require.NoError(t, err)
	_, err = c.Patch(ctx, Headers{}, "Appointment", "1", r)
	require.NoError(t, err)
	var lines []string
	for _, r := range p.got {
		lines = append(lines, r.Method+" "+r.URL.String())
	}
	require.Equal(t, []string{"GET /Slot?status=free", "GET /Slot?status=free", "GET /Appointment/1", "PUT /Appointment/1", "PATCH /Appointment/1"}, lines)
}

func TestTheOutboxSendsAnAnswerUnderOneIdUntilItIsTaken(t *testing.T) {
	bundle, err := fhir.Parse([]byte(`{"resourceType":"Bundle","type":"message","entry":[{"resource":{"resourceType":"MessageHeader","sender":{"reference":"urn:uuid:1"}}},
		{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Organization","name":"Sandbox urgent treatment provider"}}]}`))
	require.NoError(t, err)
	op, err := Outbox{}.Put(bars.Outgoing{ID: requestID, Correlation: correlation, Target: nhs.ServiceID{System: nhs.SystemDoS, Value: "2000033311"},
		From: "B2002", UseContext: "a4t1|validation|servicerequest-response|new", Focus: store.Ref{Type: "ServiceRequest", ID: "1"}, Order: 3, Bundle: bundle},
		time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC))
	require.NoError(t, err)
	var m outbox.Message
	require.NoError(t, jsonOf(op, &m))
	require.Equal(t, int64(3), m.Order)

	p := newPeer(t, refuses(503, "REC_UNAVAILABLE", "transient", "Retry-After", "90"), refuses(409, "REC_CONFLICT", "duplicate"), refuses(422, "REC_UNPROCESSABLE_ENTITY", "not-supported"))
	s := &Sender{Client: p.client(func(o *ClientOptions) { o.Attempts = 1 })}
	require.Equal(t, outbox.Result{Verdict: outbox.Again, After: 90 * time.Second, Reason: "answered 503, REC_UNAVAILABLE, transient"}, s.Send(context.Background(), m))
	require.Equal(t, outbox.Result{Verdict: outbox.Delivered}, s.Send(context.Background(), m))
	require.Equal(t, outbox.Result{Verdict: outbox.Dead, Reason: "answered 422, REC_UNPROCESSABLE_ENTITY, not-supported"}, s.Send(context.Background(), m))
	for _, r := range p.got {
		h, err := readHeaders(r, need{target: true, who: true}, strictly)
		require.NoError(t, err)
		require.Equal(t, requestID, h.requestID)
		require.Equal(t, correlation, h.correlation)
		require.Equal(t, "2000033311", h.target.Value)
		require.Equal(t, nhs.ODSCode("B2002"), h.caller.Organisation)
		require.Equal(t, "Sandbox urgent treatment provider", h.caller.OrganisationName)
	}
	require.JSONEq(t, string(bundle.JSON()), p.bodies[0])

	none := &Sender{Client: NewClient(ClientOptions{Router: &Routes{}, Attempts: 1})}
	require.Equal(t, outbox.Again, none.Send(context.Background(), m).Verdict, "an operator can add the route")
	m.Body = []byte("{")
	require.Equal(t, outbox.Dead, s.Send(context.Background(), m).Verdict)
}

// FuzzJudge holds the client against whatever a receiver answers.
func FuzzJudge(f *testing.F) {
	f.Add(200, []byte(`{"resourceType":"Bundle"}`))
	f.Add(409, []byte(`{"resourceType":"OperationOutcome","issue":[{"code":"duplicate"}]}`))
	f.Add(400, []byte(`{"resourceType":"OperationOutcome","issue":[{"details":{"coding":[{"code":"REC_BAD_REQUEST"}]}}]}`))
	f.Add(503, []byte(`<html>`))
	c := NewClient(ClientOptions{Router: &Routes{}})
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		k := call{method: http.MethodPost, message: true, body: []byte("{}"), headers: Headers{RequestID: requestID, Correlation: correlation}}
		reply, fault := c.judge(k, &http.Response{StatusCode: status, Header: http.Header{}}, body)
		if (reply == nil) == (fault == nil) {
			t.Fatal("neither or both of an answer and a fault")
		}
		if _, _, err := readToken(body); err == nil && len(body) == 0 {
			t.Fatal("a token out of nothing")
		}
		if list, err := fhir.Parse(body); err == nil {
			choose(list, nhs.ServiceID{}, &bars.Facts{UseCase: "a4t1", Version: "1.0.0"})
			receives(list, "x")
		}
	})
}
