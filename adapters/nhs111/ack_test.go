package nhs111

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

func unavailable() error { return fhir.NewOutcome(fhir.KindUnavailable, "", "x") }

// acknowledging makes options that know where A1001 takes acknowledgements.
func acknowledging() Options {
	o := testOptions()
	o.Acks = &Acks{Address: func(code nhs.ODSCode) (string, bool) { return "https://a1001.test/acks", code == "A1001" }}
	return o
}

// queued reads the acknowledgements among operations.
func queued(t *testing.T, ops []store.Op) []outbox.Message {
	t.Helper()
	out := make([]outbox.Message, len(ops))
	for i, op := range ops {
		put := op.(store.AuxPut)
		require.Equal(t, outbox.Kind, put.Kind)
		require.NoError(t, json.Unmarshal(put.Value, &out[i]))
	}
	return out
}

const both = `ackrequested" value="true"/><itk:spec key="urn:nhs-itk:ns:201005:infackrequested" value="true"`

func TestAcknowledgementsThatAreAskedForAreWrittenWithTheMessage(t *testing.T) {
	desk := &recordingDesk{}
	w := send(New(desk, acknowledging()), reportPath, "text/xml", compose(t, edit{`ackrequested" value="false"`, both}))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Len(t, desk.messages, 1)
	list := queued(t, desk.messages[0].Also)
	require.Len(t, list, 2, "they go into the batch of the message")
	for i, service := range []string{infrastructureService, businessService} {
		ack := list[i]
		require.Equal(t, "A1001", ack.Recipient)
		require.Equal(t, AckKind, ack.Kind)
		require.Equal(t, int64(i+1), ack.Order)
		require.Equal(t, "8A1F0C52-2222-4E6B-9C55-0A1B2C3D4E5F", ack.Focus.ID)
		e := readDistribution(t, ack.Body)
		require.Equal(t, service, e.Service)
		require.Equal(t, service, e.Action)
		require.Equal(t, "https://a1001.test/acks", e.To)
		require.Equal(t, ack.ID, e.MessageID)
		require.Equal(t, "B2002", e.AuditODS)
		require.Equal(t, odsURI+"B2002", e.SenderURI)
		require.Equal(t, []string{"A1001"}, e.ODS)
	}
	infrastructure := payloadElement(readDistribution(t, list[0].Body).Payloads[0])
	require.Equal(t, "OK", infrastructure.Attr("result"))
	require.Equal(t, "8A1F0C52-2222-4E6B-9C55-0A1B2C3D4E5F", infrastructure.Attr("trackingIdRef"))
	require.Equal(t, servicePrefix+"SendNHS111Report-v2-0", infrastructure.Attr("serviceRef"))
	require.Equal(t, auditURI+"B2002", infrastructure.Child("reportingIdentity", "id").Attr("uri"))
	require.NotNil(t, infrastructure.Child("errors"))

	business := readDistribution(t, list[1].Body)
	require.Equal(t, businessProfile, business.Items[0].ProfileID)
	response := payloadElement(business.Payloads[0])
	require.True(t, response.Is(nsHL7, "BusinessResponseMessage"))
	require.Equal(t, "AA", response.Child("acknowledgedBy3").Attr("typeCode"))
	require.Equal(t, "8A1F0C52-2222-4E6B-9C55-0A1B2C3D4E5F", response.Child("acknowledgedBy3", "conveyingTransmission", "id").Attr("root"))
	require.Equal(t, "8A1F0C52-3333-4E6B-9C55-0A1B2C3D4E5F", response.Child("acknowledgedBy2", "conveyingTransmission", "id").Attr("root"))
	require.Equal(t, odsURI+"A1001:442", response.Child("communicationFunction", "entity", "id").Attr("extension"))
}

func TestNoAcknowledgementIsMadeThatNobodyAskedForOrThatNobodyCanGet(t *testing.T) {
	for _, c := range []struct {
		name  string
		edits []edit
	}{
		{"not asked for", nil},
		{"refused", []edit{{`ackrequested" value="false"`, both}, {composedAudit, "x"}}},
		{"nowhere to send it", []edit{{`ackrequested" value="false"`, both}, {odsURI + "A1001:442", odsURI + "X9999"}}},
		{"an address of another kind", []edit{{`ackrequested" value="false"`, both}, {odsURI + "A1001:442", "mailto:someone@onward.test"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			desk := &recordingDesk{}
			send(New(desk, acknowledging()), reportPath, "text/xml", compose(t, c.edits...))
			for _, m := range desk.messages {
				require.Zero(t, len(m.Also))
			}
		})
	}
	o := testOptions() // no acknowledgements configured
	require.Equal(t, http.StatusOK, send(New(&recordingDesk{}, o), reportPath, "text/xml", compose(t, edit{`ackrequested" value="false"`, both})).Code)
}

func TestTheKeyOfTheAcknowledgementIsReadInBothSpellings(t *testing.T) {
	root, err := xmltree.Read(compose(t, edit{`urn:nhs-itk:ns:201005:ackrequested" value="false"`, `urn:nhs:itk:ns:201005:ackrequested" value="true"`}), xmltree.Rules{})
	require.NoError(t, err)
	e, f := readEnvelope(root)
	require.Nil(t, f)
	require.True(t, e.BusinessAck)
	require.False(t, e.InfrastructureAck)
}

func TestAnAcknowledgementIsPostedAndItsAnswerUnderstood(t *testing.T) {
	sent := outbox.Message{ID: "1", Kind: AckKind, Recipient: "A1001", Body: soap11.write(headers{Action: businessService}, "<x/>")}
	refusal := soap11.fault(refuse("no", "no"), "M", "E", "")
	busy := soap11.fault(&fault{Code: faultServer, Number: codeTemporary}, "M", "E", "")
	for _, c := range []struct {
		name   string
		status int
		body   []byte
		want   outbox.Verdict
	}{
		{"taken", 200, nil, outbox.Delivered},
		{"taken for later", 202, nil, outbox.Delivered},
		{"refused for good", 500, refusal, outbox.Dead},
		{"try again", 500, busy, outbox.Again},
		{"refused for good with a good status", 200, refusal, outbox.Dead},
		{"try again with a good status", 200, busy, outbox.Again},
		{"no fault", 500, []byte("Internal error"), outbox.Again},
		{"a bare fault", 500, []byte(`<s:Envelope xmlns:s="` + nsSOAP + `"><s:Body><s:Fault><faultcode>1000</faultcode></s:Fault></s:Body></s:Envelope>`), outbox.Dead},
		{"a proxy's", 502, nil, outbox.Again},
		{"not allowed", 403, nil, outbox.Again},
	} {
		t.Run(c.name, func(t *testing.T) {
			receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				require.Equal(t, `"`+businessService+`"`, r.Header.Get("SOAPAction"))
				got, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				require.Equal(t, sent.Body, got)
				w.WriteHeader(c.status)
				_, _ = w.Write(c.body)
			}))
			defer receiver.Close()
			client := &AckSender{HTTP: receiver.Client(), Address: func(nhs.ODSCode) (string, bool) { return receiver.URL, true }}
			require.Equal(t, c.want, client.Send(t.Context(), sent).Verdict)
		})
	}
	client := &AckSender{HTTP: http.DefaultClient, Address: func(nhs.ODSCode) (string, bool) { return "", false }}
	require.Equal(t, outbox.Again, client.Send(t.Context(), sent).Verdict, "the endpoint may be configured again")
	client.Address = func(nhs.ODSCode) (string, bool) { return "http://127.0.0.1:1", true }
	require.Equal(t, outbox.Again, client.Send(t.Context(), sent).Verdict)
}
