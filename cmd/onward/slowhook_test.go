package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/adapters/subscription"
	"github.com/onward-health/onward/conformance/sandbox"
)

// Ensure that subscribers who never answer, however many, don't keep an answer
// from who waits for it: notifications have places of their own.
func TestSubscribersThatHangHoldUpNoMessage(t *testing.T) {
	p := &partners{}
	here, there := freeAddress(t), freeAddress(t)
	p.requester = startAt(t, here, "--bars-route", sandbox.EmergencyCare+"=http://"+there+"/FHIR/R4")
	p.responder = startAt(t, there, "--bars-route", asking+"=http://"+here+"/FHIR/R4", "--subscription-allow", "127.0.0.1")
	p.requester.hostAsking()
	require.Equal(t, 200, p.requester.do("POST", "/FHIR/R4/$send-message", newIDs(), []byte(conformant(t, "a4-validation"))).status)

	h := newHook(t)
	const places = 16
	came, hang := make(chan bool, 100), make(chan bool)
	h.server.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { came <- true; <-hang })
	defer close(hang)
	for range places {
		p.responder.subscribe("Task?status=requested", h.url(), "")
	}
	for n := range 4 {
		p.responder.task(fmt.Sprint("t", n), "requested")
	}
	for range places {
		<-came
	}
	require.Equal(t, 200, p.responder.move("in-progress", "").status)
	require.Eventually(t, func() bool { return p.requester.encounter().Get("status").Text() == "in-progress" },
		10*time.Second, 50*time.Millisecond, "half of the time that a subscriber may take")
}

// Ensure that endpoints who take each notification, but slowly, hold up no other,
// though there are several notifications for each and as many endpoints as places.
func TestSlowEndpointsHoldUpNoOther(t *testing.T) {
	slow, vivid := newHook(t), newHook(t)
	hang := make(chan bool)
	slow.server.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang })
	defer close(hang)
	s := start(t, "--no-sandbox", "--subscription-allow", "127.0.0.1")
	for range subscription.Together {
		s.subscribe("Task?status=requested", slow.url(), "")
	}
	s.subscribe("Task?status=requested", vivid.url(), "")
	const tasks = 4
	for n := range tasks {
		s.task(fmt.Sprint("t", n), "requested")
	}
	told := time.After(subscription.Policy().Timeout / 2)
	for range tasks {
		select {
		case <-vivid.notices:
		case <-told:
			require.FailNow(t, "the endpoint waits for the slow ones")
		}
	}
}
