package nhs111

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

func unavailable() error { return fhir.NewOutcome(fhir.KindUnavailable, "", "x") }

// queueing makes options whose acknowledgements are kept in the list.
func queueing(list *[]Ack) Options {
	o := testOptions()
	o.Acks = &Acks{
		Address: func(code nhs.ODSCode) (string, bool) { return "https://a1001.test/acks", code == "A1001" },
		Put: func(a Ack) (store.Op, error) {
			*list = append(*list, a)
			return store.AuxPut{Kind: "outbox", Key: a.ID, Value: a.Body}, nil
		},
	}
	return o
}

const both = `ackrequested" value="true"/><itk:spec key="urn:nhs-itk:ns:201005:infackrequested" value="true"`

func TestAcknowledgementsThatAreAskedForAreWrittenWithTheMessage(t *testing.T) {
	var list []Ack
	desk := &recordingDesk{}
	w := send(New(desk, queueing(&list)), reportPath, "text/xml", compose(t, edit{`ackrequested" value="false"`, both}))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Len(t, list, 2)
	require.Len(t, desk.messages, 1)
	require.Len(t, desk.messages[0].Also, 2, "they go into the batch of the message")
	for i, service := range []string{infrastructureService, businessService} {
		ack := list[i]
		require.Equal(t, "https://a1001.test/acks", ack.Endpoint)
		require.Equal(t, service, ack.Action)
		require.Equal(t, int64(i+1), ack.Order)
		require.Equal(t, "8A1F0C52-2222-4E6B-9C55-0A1B2C3D4E5F", ack.About)
		e := readDistribution(t, ack.Body)
		require.Equal(t, service, e.Service)
		require.Equal(t, ack.Action, e.Action)
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
	var list []Ack
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
			send(New(&recordingDesk{}, queueing(&list)), reportPath, "text/xml", compose(t, c.edits...))
			require.Zero(t, len(list))
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
