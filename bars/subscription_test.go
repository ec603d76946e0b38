package bars_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

func subscriptionText(status, headers string) string {
	if headers != "" {
		headers = `,"header":[` + headers + `]`
	}
	return fmt.Sprintf(`{"resourceType":"Subscription","id":"s","status":%q,"reason":"test","criteria":"Task?status=requested",
		"channel":{"type":"rest-hook","endpoint":"https://receiver.example/in"%s}}`, status, headers)
}

// headers reads what a notification would be sent with.
func (s *scene) headers() map[string][]string {
	s.t.Helper()
	channel, err := s.desk.Channel(s.ctx, "s")
	require.NoError(s.t, err)
	require.NotNil(s.t, channel)
	return channel.Header
}

func TestHeadersOfAChannelAreWriteOnlyAndKept(t *testing.T) {
	s := open(t)
	secret := base64.StdEncoding.EncodeToString([]byte("abcdefghijklmnopqrstuvwx"))
	_, err := s.put(subscriptionText("requested", `"Authorization: Bearer one","X-Way:  a","x-way: b","webhook-secret: whsec_`+secret+`"`), 0)
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"Authorization": {"Bearer one"}, "X-Way": {"a", "b"}}, s.headers())
	shown := s.get("Subscription", "s")
	require.JSONEq(t, `["Authorization: (kept)","X-Way: (kept)","x-way: (kept)","webhook-secret: (kept)"]`, string(shown.Get("channel", "header").Raw()))
	channel, err := s.desk.Channel(s.ctx, "s")
	require.NoError(t, err)
	require.Equal(t, "abcdefghijklmnopqrstuvwx", string(channel.Secret))

	_, err = s.change(s.patched("Subscription", "s", `[{"op":"replace","path":"/reason","value":"other"},{"op":"remove","path":"/channel/header/1"}]`))
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"Authorization": {"Bearer one"}, "X-Way": {"a"}}, s.headers())

	_, err = s.put(subscriptionText("requested", `"Authorization: Bearer two","X-Way: (kept)"`), 0)
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"Authorization": {"Bearer two"}, "X-Way": {"a"}}, s.headers())
	_, err = s.put(subscriptionText("requested", `"X-Way: (kept)","X-Way: (kept)"`), 0)
	refused(t, err, fhir.KindInvariant, "Subscription.channel.header[1]")

	require.NoError(t, s.remove("Subscription", "s"))
	left, err := s.store.AuxScan(s.ctx, "subscription", "", "", 0)
	require.NoError(t, err)
	require.Empty(t, left, "secrets go with the Subscription")
	channel, err = s.desk.Channel(s.ctx, "s")
	require.NoError(t, err)
	require.Nil(t, channel)
	for version := int64(1); version <= 3; version++ {
		rec, err := s.store.GetVersion(s.ctx, store.Ref{Type: "Subscription", ID: "s"}, version)
		require.NoError(t, err)
		require.NotContains(t, string(rec.Body), "Bearer", "no version shows them")
		require.NotContains(t, string(rec.Body), secret)
	}
}

// Ensure that who may write a Subscription can't have what its headers hold sent to
// a receiver of their own.
func TestHeadersAreKeptForTheSameReceiverOnly(t *testing.T) {
	s := open(t)
	_, err := s.put(subscriptionText("requested", `"Authorization: Bearer one"`), 0)
	require.NoError(t, err)
	moved := func(status, endpoint string) error {
		_, err := s.put(strings.Replace(subscriptionText(status, `"Authorization: (kept)"`), "https://receiver.example/in", endpoint, 1), 0)
		return err
	}
	for _, status := range []string{"requested", "off"} {
		for _, endpoint := range []string{"https://other.example/in", "https://receiver.example:8443/in", "https://receiver.example.other.example/in"} {
			refused(t, moved(status, endpoint), fhir.KindInvariant, "Subscription.channel.header[0]")
		}
	}
	require.Equal(t, map[string][]string{"Authorization": {"Bearer one"}}, s.headers())
	require.NoError(t, moved("requested", "https://Receiver.example:443/other"))
	require.Equal(t, map[string][]string{"Authorization": {"Bearer one"}}, s.headers())
}

// Ensure that no notification is a write here that makes the next.
func TestASubscriptionCannotNotifyThisServer(t *testing.T) {
	s := open(t)
	root := strings.TrimSuffix(base, "/FHIR/R4")
	require.NotEqual(t, base, root)
	for _, endpoint := range []string{base, base + "/", base + "/Task", strings.ToUpper(base), base + "?a=b", root + ":443/FHIR/R4", root + "/./FHIR/x/../R4", root + "/%46HIR/R4"} {
		_, err := s.put(strings.Replace(subscriptionText("requested", ""), "https://receiver.example/in", endpoint, 1), 0)
		refused(t, err, fhir.KindInvariant, "Subscription.channel.endpoint")
	}
	_, err := s.put(strings.Replace(subscriptionText("requested", ""), "https://receiver.example/in", base+"-of-another", 1), 0)
	require.NoError(t, err)
}

func TestTheServerDecidesOnStatusAndError(t *testing.T) {
	s := open(t)
	for given, stored := range map[string]string{"requested": "active", "active": "active", "off": "off"} {
		_, err := s.put(subscriptionText(given, ""), 0)
		require.NoError(t, err)
		require.Equal(t, stored, s.status("Subscription", "s"), given)
	}
	for _, wrong := range []string{"error", "Active"} {
		_, err := s.put(subscriptionText(wrong, ""), 0)
		refused(t, err, fhir.KindInvariant, "Subscription.status")
	}
}

func TestASubscriptionCanAlwaysBeSwitchedOff(t *testing.T) {
	allowed := true
	s := open(t, func(o *bars.Options) {
		o.Endpoint = func(string) error {
			if allowed {
				return nil
			}
			return errors.New("no")
		}
	})
	end := fmt.Sprintf(`[{"op":"add","path":"/end","value":%q}]`, fhir.FormatInstant(sceneNow.Add(-time.Hour)))
	_, err := s.put(subscriptionText("requested", ""), 0)
	require.NoError(t, err)
	_, err = s.change(s.patched("Subscription", "s", end))
	refused(t, err, fhir.KindInvariant, "Subscription.end")
	allowed = false
	_, err = s.put(subscriptionText("requested", ""), 0)
	refused(t, err, fhir.KindInvariant, "Subscription.channel.endpoint")
	_, err = s.put(subscriptionText("off", ""), 0)
	require.NoError(t, err)
}

func TestActiveSubscriptionsAreLimited(t *testing.T) {
	s := open(t)
	s.faulty = true // the many that are stored here are no more than their index
	for from := range 2 {
		var b store.Batch
		for n := range 1000 {
			b.Ops = append(b.Ops, store.Put{Record: &store.Record{Type: "Subscription", ID: fmt.Sprintf("%d-%d", from, n), Method: "PUT",
				Body: []byte(`{"resourceType":"Subscription"}`), By: []byte(`{}`), Index: search.Index{X: []string{"status:active"}}}})
		}
		_, err := s.store.Commit(s.ctx, &b)
		require.NoError(t, err)
	}
	_, err := s.put(subscriptionText("requested", ""), 0)
	refused(t, err, fhir.KindTooCostly, "Subscription")
	_, err = s.put(subscriptionText("off", ""), 0)
	require.NoError(t, err)
}

func TestATransactionKeepsTheRulesOfSubscriptionsToo(t *testing.T) {
	s := open(t)
	good, err := fhir.Parse([]byte(subscriptionText("requested", `"A: b"`)))
	require.NoError(t, err)
	bad, err := fhir.Parse([]byte(subscriptionText("error", "")))
	require.NoError(t, err)
	_, err = s.commit(rest.Change{Method: "POST", Type: "Subscription", Resource: good}, rest.Change{Method: "POST", Type: "Subscription", Resource: bad})
	refused(t, err, fhir.KindInvariant, "Subscription.status")
	left, err := s.store.AuxScan(s.ctx, "subscription", "", "", 0)
	require.NoError(t, err)
	require.Empty(t, left)
	done, err := s.commit(rest.Change{Method: "POST", Type: "Subscription", Resource: good})
	require.NoError(t, err)
	channel, err := s.desk.Channel(s.ctx, done[0].Version.ID)
	require.NoError(t, err)
	require.Equal(t, "b", channel.Header.Get("A"))
}
