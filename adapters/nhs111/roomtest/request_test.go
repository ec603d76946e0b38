package roomtest

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/adapters/nhs111"
	"github.com/onward-health/onward/fhir"
)

// An ambulance request that came in is sent on, as it changes and when it ends, to
// another room that holds one referral of it all the while.
func TestAnAmbulanceRequestThatIsSentOnIsOneReferralThere(t *testing.T) {
	_, here := openRoom(t, "a1t10")
	h := reading(here, nil)
	require.Equal(t, 200, post(h, "text/xml", composeFrom(t, "ambulance.xml")).Code)
	message := readBack(t, h, "9B1F0C52-1111-4E6B-9C55-0A1B2C3D4E5F")

	db, desk := openRoom(t, "a1t10")
	receiver := httptest.NewServer(door(desk))
	defer receiver.Close()
	client := &nhs111.Client{Sender: "A1001", Clock: now}
	send := func(out *nhs111.Outgoing, err error) {
		t.Helper()
		require.NoError(t, err)
		for range 2 { // the first answer may have been lost
			require.NoError(t, client.Send(context.Background(), receiver.URL+"/nhs111/report", out))
		}
	}
	first, err := client.Compose(message, nhs111.Revision{Number: 1})
	send(first, err)
	requests := current(t, db, "ServiceRequest")
	require.Len(t, requests, 1)
	require.Equal(t, "urgent", requests[0].Get("priority").Text())
	require.Equal(t, "preliminary", current(t, db, "DocumentReference")[0].Get("docStatus").Text())

	set := strings.TrimPrefix(current(t, db, "DocumentReference")[0].Get("masterIdentifier", "value").Text(), "urn:uuid:")
	text := strings.NewReplacer(message.ID(), uuid.NewString(), "NHS 111 interim ambulance request", "NHS 111 ambulance request",
		"Blue gate", "Red gate").Replace(string(message.JSON()))
	changed, err := fhir.Parse([]byte(text))
	require.NoError(t, err)
	send(client.Compose(changed, nhs111.Revision{Set: set, Number: 2}))
	require.Len(t, current(t, db, "ServiceRequest"), 1)
	plan := current(t, db, "CarePlan")
	require.Len(t, plan, 1)
	require.Contains(t, string(plan[0].JSON()), "Red gate")
	states := map[string]string{}
	for _, document := range current(t, db, "DocumentReference") {
		states[document.Get("docStatus").Text()] = document.Get("status").Text()
	}
	require.Equal(t, map[string]string{"preliminary": "superseded", "final": "current"}, states)

	ended, err := fhir.Parse([]byte(strings.Replace(text, `"status":"active","intent":"plan"`, `"status":"revoked","intent":"plan"`, 1)))
	require.NoError(t, err)
	send(client.Withdraw(ended, nhs111.Revision{Set: set, Number: 3}, now()))
	require.Equal(t, "entered-in-error", current(t, db, "ServiceRequest")[0].Get("status").Text())
}
