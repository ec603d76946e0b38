package tester

import (
	"bytes"
	"context"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/wait"
)

// Ensure that what a hostile receiver answers can't run as a part of the page.
func TestTheReportsEscapeWhatTheReceiverSays(t *testing.T) {
	hostile := `<script>alert(1)</script>"]]>`
	r := &Report{Target: "https://receiver.example", Software: hostile, Started: time.Unix(0, 0), Results: []Result{{
		ID: "a/b", Requirement: hostile, Verdict: Failed, Why: hostile,
		Exchanges: []Exchange{{Method: "GET", URL: "https://receiver.example/" + hostile, Status: 200, Answers: hostile, Answer: hostile}},
	}}, Remains: []Remainder{{hostile, hostile}}}
	var page, junit bytes.Buffer
	require.NoError(t, r.HTML(&page))
	require.NotContains(t, page.String(), "<script")
	require.Contains(t, page.String(), "&lt;script")
	require.NoError(t, r.JUnit(&junit))
	var back junitSuite
	require.NoError(t, xml.Unmarshal(junit.Bytes(), &back))
	require.Equal(t, hostile, back.Cases[0].Failure.Message)
}

// Ensure that a receiver which answers nonsense fails cases, and ends no run.
func TestAReceiverThatAnswersNonsenseFails(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing": "", "text": "hello", "another type": `{"resourceType":"Patient"}`, "an empty Bundle": `{"resourceType":"Bundle"}`,
		"wrong kinds": `{"resourceType":"Bundle","entry":[1,{"resource":[]},{"resource":{"useContext":{"valueCodeableConcept":7}}}],"rest":"x"}`,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/fhir+json")
			_, _ = w.Write([]byte(answer))
		}))
		report, err := Run(context.Background(), Options{Base: server.URL, Service: "1", UseCases: []string{"a1t1"}})
		server.Close()
		require.NoError(t, err, name)
		require.Greater(t, report.Failed, 20, name)
		require.Zero(t, report.Passed, name)
		require.NotZero(t, report.Skipped, name)
	}
}

func TestNothingListeningIsNotReachable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	_, err := Run(context.Background(), Options{Base: server.URL})
	require.ErrorIs(t, err, ErrNotReachable)
	_, err = RunFHIR(context.Background(), Options{Base: server.URL})
	require.ErrorIs(t, err, ErrNotReachable)
}

func TestMessagesAreAddressedToTheServiceThatIsTested(t *testing.T) {
	s, _ := begin(context.Background(), Options{Service: "77", System: "https://directory.example/Id", Organisation: "X1", Receiver: "Y2",
		Now: func() time.Time { return time.Date(2027, 1, 1, 8, 0, 0, 0, time.UTC) }})
	m, err := s.message("a1-booking", "a1t3", "@SLOT@", "slot-1", "@START@", "2027-01-01T09:00:00Z", "@END@", "2027-01-01T09:20:00Z")
	require.NoError(t, err)
	text := string(m.json())
	for _, gone := range []string{"2000072489", "A1001", "B2002", "a1t2", "@", "2026-11-20"} {
		require.NotContains(t, text, gone)
	}
	require.Contains(t, text, "https://directory.example/Id|77")
	require.Equal(t, "a1t3|booked|booking-request|new", m.useContext())
	m, err = s.message("a1-referral", "a1t12")
	require.NoError(t, err)
	require.Equal(t, "a1t12|referral|servicerequest-request|new", m.useContext())
	m, err = s.message("a3-referral", "a3t1")
	require.NoError(t, err)
	require.Equal(t, "a3t1|referral|servicerequest-request|new", m.useContext())
	again, err := s.message("a3-referral", "a3t1")
	require.NoError(t, err)
	require.NotEqual(t, m["id"], again["id"])
}

func TestTheAuthorisationIsInNoExchange(t *testing.T) {
	got := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		w.Header().Set("Set-Cookie", "session=s3cr3t")
	}))
	defer server.Close()
	c := &recorder{next: http.DefaultTransport, token: "s3cr3t", now: time.Now, pause: wait.For}
	res, err := (&http.Client{Transport: c}).Post(server.URL, "text/plain", strings.NewReader("body"))
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, "Bearer s3cr3t", got)
	said := c.take()
	require.Len(t, said, 1)
	require.Equal(t, "body", said[0].Body)
	require.NotContains(t, said[0].Head+said[0].Answers, "s3cr3t")
	require.Empty(t, c.take())
}

func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"resourceType":"CapabilityStatement","format":["xml"],"rest":[{"resource":[{"type":"Slot","interaction":[{"code":"search-type"}]}]}]}`))
	f.Add([]byte(`{"resourceType":"Bundle","entry":[{"resource":{"url":"x/y","useContext":[{"valueCodeableConcept":{"coding":[{"code":"a1t1"}]}}]}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := fhir.Parse(text)
		if err != nil {
			return
		}
		c := claims{interaction: map[string]bool{}, definitions: map[string]bool{}}
		c.readStatement(r)
		c.readDefinitions(r)
		for _, code := range c.useCases {
			require.True(t, ValidUseCase(code))
		}
	})
}

// Ensure that the headers that are Base64 are shown as what they say.
func TestTheReportShowsWhatHeadersSay(t *testing.T) {
	h := http.Header{"Nhsd-Target-Identifier": {targetHeader("a", "b")}, "Nhsd-Requesting-Software": {"***"}, "X-Request-Id": {"e30="}, "Authorization": {"Bearer s"}}
	require.Equal(t, "Nhsd-Requesting-Software: ***\nNhsd-Target-Identifier: "+targetHeader("a", "b")+"\n    = {\"system\":\"a\",\"value\":\"b\"}\nX-Request-Id: e30=", heads(h))
}

// Ensure that a limit of the receiver's is waited for as long as it says, and that
// neither the wait counts as the answer's time nor a limit without an end is waited
// for.
func TestALimitIsWaitedFor(t *testing.T) {
	left, after := 2, "7"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if left--; left >= 0 {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	defer server.Close()
	var waits []time.Duration
	now := time.Unix(0, 0)
	s, _ := begin(context.Background(), Options{Base: server.URL, Now: func() time.Time { return now },
		Pause: func(_ context.Context, d time.Duration) error { now, waits = now.Add(d), append(waits, d); return nil }})
	a, err := s.do(s.with(http.MethodPost, "/x", []byte("{}")))
	require.NoError(t, err)
	require.Equal(t, 200, a.status)
	require.Zero(t, a.took)
	require.Equal(t, []time.Duration{7 * time.Second, 7 * time.Second}, waits)
	said := s.recorder.take()
	require.Len(t, said, 3)
	require.Equal(t, said[0].Body, said[2].Body)
	for _, after = range []string{"", "61", "soon"} {
		left = 1
		a, err = s.do(s.get("/x"))
		require.NoError(t, err)
		require.Equal(t, 429, a.status, after)
	}
	require.Len(t, waits, 2)
}
