package testtool

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// conformant is a message of testdata/bars about a patient.
func conformant(t *testing.T, name string, number nhs.NHSNumber) string {
	t.Helper()
	text, err := os.ReadFile("../../testdata/bars/" + name + ".json")
	require.NoError(t, err)
	return strings.ReplaceAll(string(text), "9000000009", string(number))
}

func entriesOf(bundle *fhir.Resource, typ string) (all []fhir.Value) {
	for e := range bundle.Get("entry").Items() {
		if r := e.Get("resource"); r.Get("resourceType").Text() == typ {
			all = append(all, r)
		}
	}
	return all
}

func TestSomeNumbersAskForAResponse(t *testing.T) {
	for name, row := range map[string]struct {
		payload    string
		number     nhs.NHSNumber
		useContext string // "": no response
		status     string // of the ServiceRequest
		encounters string
		carePlans  int
	}{
		"full":                           {"a4-validation", "9658499147", "a4t1|validation|servicerequest-response|new", "active", "triaged finished", 1},
		"interim":                        {"a4-validation", "9658499155", "a4t1|validation|servicerequest-response|new", "active", "triaged in-progress", 0},
		"did not attend":                 {"a1-referral", "9658499163", "a1t2|referral|servicerequest-response|new", "revoked", "finished", 1},
		"no such answer to it":           {"a4-validation", "9658499163", "", "", "", 0},
		"nor to a referral":              {"a1-referral", "9658499147", "", "", "", 0},
		"another number":                 {"a4-validation", "9658499082", "", "", "", 0},
		"the request is taken back":      {"a4-cancel", "9658499147", "", "", "", 0},
		"the request comes to a refusal": {"a4-validation", "9658499171", "", "", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			tool := newTool()
			tool.o.Send = func(context.Context, *Response) error { return nil }
			body := conformant(t, row.payload, row.number)
			ask(t, tool, "POST", "/$process-message", nhs.SystemDoS, known, body, "X-Correlation-Id: 0e000000-0000-4000-8000-000000000009")
			if row.useContext == "" {
				require.Empty(t, tool.waiting)
				return
			}
			require.Len(t, tool.waiting, 1)
			r := <-tool.waiting
			require.Equal(t, "0e000000-0000-4000-8000-000000000009", r.Correlation)
			require.Equal(t, nhs.ServiceID{System: nhs.SystemDoS, Value: "2000033311"}, r.Target)
			require.Equal(t, nhs.ODSCode("B2002"), r.From)
			require.Equal(t, row.useContext, r.UseContext)
			facts, err := bars.Describe(r.Bundle)
			require.NoError(t, err)
			require.Equal(t, row.status, facts.Status)
			request, err := fhir.Parse([]byte(body))
			require.NoError(t, err)
			header := entriesOf(r.Bundle, "MessageHeader")[0]
			require.Equal(t, request.ID(), header.Dig("response", "identifier").Text())
			require.NotEmpty(t, header.Get("focus").At(0).Get("reference").Text())
			var states []string
			for _, e := range entriesOf(r.Bundle, "Encounter") {
				states = append(states, e.Get("status").Text())
			}
			require.Equal(t, row.encounters, strings.Join(states, " "))
			require.Len(t, entriesOf(r.Bundle, "CarePlan"), row.carePlans)
			names := map[string]bool{}
			for e := range r.Bundle.Get("entry").Items() {
				names[e.Get("fullUrl").Text()] = true
			}
			fhir.Walk(r.Bundle.Root(), func(name string, v fhir.Value) {
				if name == "reference" && strings.HasPrefix(v.Text(), "urn:uuid:") {
					require.True(t, names[v.Text()], v.Path())
				}
			})
		})
	}
}

// A message from which no response can be made is answered all the same, and one
// that can't be delivered holds up nothing.
func TestAResponseNeverSpoilsTheAnswer(t *testing.T) {
	tool := newTool()
	sent := make(chan *Response)
	tool.o.Send = func(ctx context.Context, r *Response) error {
		select {
		case sent <- r:
		case <-ctx.Done():
		}
		return errors.New("no route")
	}
	body := strings.Replace(conformant(t, "a4-validation", "9658499155"), `"sender"`, `"enterer"`, 1)
	got, _ := ask(t, tool, "POST", "/$process-message", nhs.SystemDoS, known, body)
	require.Equal(t, 200, got.StatusCode)
	require.Empty(t, tool.waiting)

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { tool.Run(ctx); close(ended) }()
	for range 2 {
		got, _ := ask(t, tool, "POST", "/$process-message", nhs.SystemDoS, known, conformant(t, "a4-validation", "9658499155"))
		require.Equal(t, 200, got.StatusCode)
		select {
		case <-sent:
		case <-time.After(10 * time.Second):
			require.Fail(t, "nothing was sent")
		}
	}
	cancel()
	<-ended
}
