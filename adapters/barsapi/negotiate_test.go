package barsapi

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// jsonOf reads the document that an operation writes.
func jsonOf(op store.Op, into any) error { return json.Unmarshal(op.(store.AuxPut).Value, into) }

const validationURL = "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request-validation"

func asked() *bars.Facts {
	return &bars.Facts{UseCase: "a4t1", Definition: validationURL, Version: "1.1.0"}
}

func statementOf(version, mode, definition string) string {
	return `{"resourceType":"CapabilityStatement","version":"` + version + `","messaging":[{"supportedMessage":[{"mode":"` + mode + `","definition":"` + definition + `"}]}]}`
}

func definitionOf(url, version, service, useCase string) string {
	coding := func(system, code string) string {
		return `{"valueCodeableConcept":{"coding":[{"system":"` + system + `","code":"` + code + `"}]}}`
	}
	return `{"resource":{"resourceType":"MessageDefinition","url":"` + url + `","version":"` + version + `","useContext":[` +
		coding(nhs.SystemDoS, service) + `,` + coding(bars.SystemUseCases, useCase) + `]}}`
}

// offers answers /metadata and /MessageDefinition.
func offers(t testing.TB, statement string, definitions ...string) *peer {
	var p *peer
	p = newPeer(t, func(w http.ResponseWriter) {
		if strings.HasSuffix(p.got[len(p.got)-1].URL.Path, "/metadata") {
			_, _ = io.WriteString(w, statement)
			return
		}
		_, _ = io.WriteString(w, `{"resourceType":"Bundle","entry":[`+strings.Join(definitions, ",")+`]}`)
	})
	return p
}

func (p *peer) negotiate(c *Client) (*Offer, error) {
	return c.Negotiate(context.Background(), Headers{Target: nhs.ServiceID{System: nhs.SystemDoS, Value: "7"}}, asked())
}

func TestContentIsNegotiated(t *testing.T) {
	good := statementOf("1.5.0", "receiver", validationURL)
	fit := func(version string) string { return definitionOf(validationURL, version, "7", "a4t1") }
	for name, row := range map[string]struct {
		statement   string
		definitions []string
		version     string // "" where it is refused
	}{
		"the one that is offered":           {good, []string{fit("2.0.0")}, "2.0.0"},
		"the nearest above ours":            {good, []string{fit("2.3.0"), fit("2.1.0"), fit("1.0.0")}, "2.1.0"},
		"else the nearest below":            {good, []string{fit("1.0.0"), fit("1.2.0"), fit("1.10.0"), fit("2.0.0-beta")}, "2.0.0-beta"},
		"the tenth pre-release":             {good, []string{fit("2.0.0-beta.9"), fit("2.0.0-beta.10"), fit("2.0.0-beta.2")}, "2.0.0-beta.10"},
		"a later major isn't ours":          {good, []string{fit("3.0.0")}, ""},
		"the placeholder of the service":    {good, []string{definitionOf(validationURL, "1.0.0", "dos-id", "A4T1")}, "1.0.0"},
		"another service's":                 {good, []string{definitionOf(validationURL, "1.0.0", "8", "a4t1")}, ""},
		"another use case's":                {good, []string{definitionOf(validationURL, "1.0.0", "7", "a4t2")}, ""},
		"another message":                   {good, []string{definitionOf(validationURL+"-x", "1.0.0", "7", "a4t1")}, ""},
		"an older statement names relative": {statementOf("1.1.0", "receiver", "MessageDefinition/bars-message-servicerequest-request-validation"), []string{fit("1.1.0")}, "1.1.0"},
		"only sent, not received":           {statementOf("1.5.0", "sender", validationURL), []string{fit("1.1.0")}, ""},
		"a later major of the standard":     {statementOf("2.0.0", "receiver", validationURL), []string{fit("1.1.0")}, ""},
		"no statement":                      {`{"resourceType":"Bundle"}`, []string{fit("1.1.0")}, ""},
		"an older major than the message's": {good, []string{fit("0.9.0"), fit("0.10.0")}, ""},
		"not the older where one fits":      {good, []string{fit("0.9.0"), fit("1.0.0-beta")}, "1.0.0-beta"},
	} {
		t.Run(name, func(t *testing.T) {
			p := offers(t, row.statement, row.definitions...)
			offer, err := p.negotiate(p.client())
			if row.version == "" {
				var f *Fault
				require.ErrorAs(t, err, &f)
				require.False(t, f.Again)
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.version, offer.Version)
		})
	}
}

func TestWhatAReceiverOffersIsRememberedForHalfADayOrUntilCleared(t *testing.T) {
	p := offers(t, statementOf("1.5.0", "receiver", validationURL), definitionOf(validationURL, "1.1.0", "7", "a4t1"))
	c := p.client()
	for _, step := range []struct {
		before func()
		asked  int
	}{
		{func() {}, 2},
		{func() { p.now = p.now.Add(12*time.Hour - time.Second) }, 2},
		{func() { p.now = p.now.Add(time.Second) }, 4},
		{c.Clear, 6},
	} {
		step.before()
		_, err := p.negotiate(c)
		require.NoError(t, err)
		require.Len(t, p.got, step.asked)
	}
	require.Equal(t, []string{nhs.SystemDoS + "|7", bars.SystemUseCases + "|a4t1"}, p.got[1].URL.Query()["context"])
}
