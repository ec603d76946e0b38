package roomtest

import (
	"context"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/adapters/nhs111"
	"github.com/onward-health/onward/fhir"
)

func TestAReferralSentBySOAPIsStoredOnceByTheReceiver(t *testing.T) {
	db, desk := openRoom(t)
	receiver := httptest.NewServer(door(desk))
	defer receiver.Close()
	raw, err := os.ReadFile("../testdata/referral.json")
	require.NoError(t, err)
	message, err := fhir.Parse(raw)
	require.NoError(t, err)
	client := &nhs111.Client{Sender: "A1001", Clock: now}
	out, err := client.Compose(message, 1)
	require.NoError(t, err)
	for range 2 { // the first answer may have been lost
		require.NoError(t, client.Send(context.Background(), receiver.URL+"/nhs111/report", out))
	}
	require.Len(t, stored(t, db, "ServiceRequest"), 1)
	patient := stored(t, db, "Patient")[0]
	require.Equal(t, "Sample", patient.Get("name").At(0).Get("family").Text())
}
