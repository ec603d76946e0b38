package barsapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/nhs"
)

const goodEndpoint = `{"resourceType":"Endpoint","status":"active","address":"https://ed.example/FHIR/R4/",
	"connectionType":{"coding":[{"code":"hl7-fhir-msg"}]},"payloadType":[{"coding":[{"code":"bars"}]}]`

func listed(entries ...string) func(http.ResponseWriter) {
	text := ""
	for i, e := range entries {
		if i > 0 {
			text += ","
		}
		text += `{"resource":` + e + `}}`
	}
	return says(200, `{"resourceType":"Bundle","type":"searchset","entry":[`+text+`]}`)
}

var (
	nothing = says(200, `{"resourceType":"Bundle","type":"searchset"}`)
	ed      = nhs.ServiceID{System: nhs.SystemDoS, Value: "2000011147"}
)

func (p *peer) catalogue(allowed func(string) error) *Catalogue {
	c, err := NewCatalogue(p.server.URL+"/", allowed, ClientOptions{HTTP: p.server.Client(), Attempts: 1, Now: func() time.Time { return p.now }})
	require.NoError(p.t, err)
	return c
}

func TestAReceiverIsFoundInTheCatalogue(t *testing.T) {
	for name, row := range map[string]struct {
		answers []func(http.ResponseWriter)
		why     string // "": it is found
	}{
		"of the service":          {[]func(http.ResponseWriter){listed(goodEndpoint)}, ""},
		"by its own identifier":   {[]func(http.ResponseWriter){nothing, listed(goodEndpoint)}, ""},
		"in R4's spelling":        {[]func(http.ResponseWriter){listed(`{"resourceType":"Endpoint","status":"active","address":"https://ed.example/FHIR/R4","connectionType":{"code":"BARS"}`)}, ""},
		"twice the same":          {[]func(http.ResponseWriter){listed(goodEndpoint, goodEndpoint)}, ""},
		"in its time":             {[]func(http.ResponseWriter){listed(goodEndpoint + `,"period":{"start":"2026-11-20","end":"2026-11-20"}`)}, ""},
		"not there":               {[]func(http.ResponseWriter){nothing}, "0 addresses"},
		"two":                     {[]func(http.ResponseWriter){listed(goodEndpoint, `{"resourceType":"Endpoint","status":"active","address":"https://other.example","connectionType":{"code":"bars"}`)}, "2 addresses"},
		"off":                     {[]func(http.ResponseWriter){listed(`{"resourceType":"Endpoint","status":"off","address":"https://ed.example","connectionType":{"code":"bars"}`)}, "0 addresses"},
		"of another standard":     {[]func(http.ResponseWriter){listed(`{"resourceType":"Endpoint","status":"active","address":"https://ed.example","connectionType":{"code":"dicom-wado-rs"}`)}, "0 addresses"},
		"private":                 {[]func(http.ResponseWriter){listed(`{"resourceType":"Endpoint","status":"active","connectionType":{"code":"bars"}`)}, "0 addresses"},
		"over":                    {[]func(http.ResponseWriter){listed(goodEndpoint + `,"period":{"end":"2026-11-19"}`)}, "0 addresses"},
		"not yet":                 {[]func(http.ResponseWriter){listed(goodEndpoint + `,"period":{"start":"2026-11-21"}`)}, "0 addresses"},
		"no address":              {[]func(http.ResponseWriter){listed(`{"resourceType":"Endpoint","status":"active","address":"ftp://ed.example","connectionType":{"code":"bars"}`)}, "may not be called"},
		"the catalogue refuses":   {[]func(http.ResponseWriter){refuses(400, "SEND_BAD_REQUEST", "value")}, "answered 400, SEND_BAD_REQUEST, value"},
		"the catalogue is closed": {[]func(http.ResponseWriter){refuses(503, "UNAVAILABLE", "transient")}, "answered 503, UNAVAILABLE, transient"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, row.answers...)
			route, err := p.catalogue(nil).Route(context.Background(), ed)
			require.Equal(t, "/Endpoint", p.got[0].URL.Path)
			require.Equal(t, nhs.SystemDoS+"|2000011147", p.got[0].URL.Query().Get("_has:HealthcareService.Identifier"))
			require.Equal(t, "application/fhir+json", p.got[0].Header.Get("Accept"))
			require.Empty(t, p.got[0].Header.Get("NHSD-Target-Identifier"))
			if row.why != "" {
				require.ErrorContains(t, err, row.why)
				return
			}
			require.NoError(t, err)
			require.Equal(t, Route{Base: "https://ed.example/FHIR/R4", Listed: true}, route)
		})
	}
}

func TestAnAddressThatMayNotBeCalledIsNoRoute(t *testing.T) {
	p := newPeer(t, listed(goodEndpoint))
	_, err := p.catalogue(func(string) error { return errors.New("private") }).Route(context.Background(), ed)
	require.ErrorIs(t, err, ErrNoRoute)
	require.NotContains(t, err.Error(), "ed.example")
}

// An address is looked up anew every ten minutes, outlives the catalogue's
// absence, and is forgotten when it is told to be.
func TestAnAddressIsRememberedForAWhile(t *testing.T) {
	p := newPeer(t, listed(goodEndpoint), refuses(503, "UNAVAILABLE", "transient"), nothing, nothing, listed(goodEndpoint))
	c := p.catalogue(nil)
	find := func(later time.Duration) error {
		p.now = p.now.Add(later)
		_, err := c.Route(context.Background(), ed)
		return err
	}
	require.NoError(t, find(0))
	require.NoError(t, find(9*time.Minute))
	require.Len(t, p.got, 1)
	require.NoError(t, find(2*time.Minute), "the catalogue is away")
	require.Len(t, p.got, 2)
	require.ErrorIs(t, find(0), ErrNoRoute, "the catalogue says that it is gone")
	require.NoError(t, find(0))
	asked := len(p.got)
	c.Clear()
	require.NoError(t, find(0))
	require.Greater(t, len(p.got), asked)
}

// What others wrote is called by the guarded client, and is given no token.
func TestAListedAddressIsCalledByTheGuardedClient(t *testing.T) {
	p := newPeer(t, takes)
	guarded := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		require.Empty(t, r.Header.Get("Authorization"))
		return nil, errors.New("not allowed")
	})}
	c := p.client(func(o *ClientOptions) { o.Router, o.Listed, o.Token, o.Attempts = listedRoute{}, guarded, &tokens{}, 1 })
	_, err := p.process(c)
	require.ErrorContains(t, err, "can't be reached")
	require.Empty(t, p.got)
}

type listedRoute struct{}

func (listedRoute) Route(context.Context, nhs.ServiceID) (Route, error) {
	return Route{Base: "https://ed.example", Listed: true}, nil
}
func (listedRoute) Clear() {}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What the catalogue refuses, or where it redirects, says nothing of the message:
// an operator can mend it.
func TestACatalogueThatRefusesUsEndsNoMessage(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"refuses":   refuses(400, "SEND_BAD_REQUEST", "value"),
		"redirects": says(302, "", "Location", "https://login.example/"),
		"endless":   says(200, strings.Repeat(" ", maxAnswer+1)),
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, answer)
			s := &Sender{Client: NewClient(ClientOptions{Router: p.catalogue(nil), Attempts: 1})}
			body, err := json.Marshal(letter{Correlation: correlation, From: "B2002", Bundle: json.RawMessage(`{"resourceType":"Bundle","type":"message"}`)})
			require.NoError(t, err)
			result := s.Send(t.Context(), outbox.Message{ID: requestID, Recipient: ed.String(), Body: body})
			require.Equal(t, outbox.Again, result.Verdict, result.Reason)
			require.Contains(t, result.Reason, "no route leads to this service: the endpoint catalogue answered")
		})
	}
}
