package nhs111

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

const toolkitFault = `<s:Envelope xmlns:s="` + nsSOAP + `"><s:Body><s:Fault><faultcode>s:%where</faultcode><faultstring>x</faultstring><detail>` +
	`<i:ToolkitErrorInfo xmlns:i="` + nsITK + `"><i:ErrorID>1</i:ErrorID><i:ErrorCode>%code</i:ErrorCode><i:ErrorText>Ada Sample</i:ErrorText></i:ToolkitErrorInfo></detail></s:Fault></s:Body></s:Envelope>`

func TestEachAnswerOfAReceiverIsTakenRefusedOrTriedAgain(t *testing.T) {
	fault := func(where, code string) string {
		return strings.NewReplacer("%where", where, "%code", code).Replace(toolkitFault)
	}
	taken := string(soap11.success("M", sendReport, "R"))
	for _, c := range []struct {
		name, body string
		status     int
		taken      bool
		code       string
		temporary  bool
	}{
		{"success", taken, 200, true, "", false},
		{"a success body with an error status", taken, 500, false, "", true},
		{"success that is called accepted", taken, 202, true, "", false},
		{"a fault of the receiver's with a good status", fault("Server", ""), 200, false, "", true},
		{"wrong message", fault("Client", "1000"), 500, false, "1000", false},
		{"not allowed", fault("Client", "3000"), 500, false, "3000", false},
		{"busy", fault("Server", "2100"), 500, false, "2100", true},
		{"failed", fault("Server", "2200"), 500, false, "2200", true},
		{"a bare code", `<s:Envelope xmlns:s="` + nsSOAP + `"><s:Body><s:Fault><faultcode>1000</faultcode></s:Fault></s:Body></s:Envelope>`, 500, false, "1000", false},
		{"a fault with no code", `<s:Envelope xmlns:s="` + nsSOAP + `"><s:Body><s:Fault><faultcode>s:Server</faultcode></s:Fault></s:Body></s:Envelope>`, 500, false, "", true},
		{"a code that isn't one", fault("Server", "Ada Sample"), 500, false, "", true},
		{"a fault of the sender's with no code", fault("Client", ""), 500, false, "", false},
		{"a SOAP 1.2 fault", strings.NewReplacer(nsSOAP, nsSOAP12, "<faultcode>s:Client</faultcode><faultstring>x</faultstring><detail>",
			"<s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Detail>", "</detail>", "</s:Detail>").Replace(fault("Client", "1000")), 500, false, "1000", false},
		{"a SOAP 1.2 fault of the sender's", `<e:Envelope xmlns:e="` + nsSOAP12 + `"><e:Body><e:Fault><e:Code><e:Value>e:Sender</e:Value></e:Code></e:Fault></e:Body></e:Envelope>`, 400, false, "", false},
		{"a SOAP 1.2 fault of the receiver's", `<e:Envelope xmlns:e="` + nsSOAP12 + `"><e:Body><e:Fault><e:Code><e:Value>e:Receiver</e:Value></e:Code></e:Fault></e:Body></e:Envelope>`, 500, false, "", true},
		{"success in SOAP 1.2", strings.ReplaceAll(taken, nsSOAP, nsSOAP12), 200, true, "", false},
		{"success with a byte order mark", "\ufeff" + taken, 200, true, "", false},
		{"a redirect", "", 307, false, "", false},
		{"too early", "", 425, false, "", true},
		{"a proxy's refusal", "Mutual authentication failed", 403, false, "", false},
		{"a gateway's page", "<html>", 502, false, "", true},
		{"an empty success", "", 200, false, "", true},
		{"another answer", `<s:Envelope xmlns:s="` + nsSOAP + `"><s:Body/></s:Envelope>`, 200, false, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.status == 307 { // where it leads, it would be taken
					w.Header().Set("Location", "/taken")
				}
				if r.URL.Path == "/taken" {
					_, _ = w.Write([]byte(taken))
					return
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer server.Close()
			err := (&Client{Sender: "A1001"}).Send(context.Background(), server.URL, &Outgoing{MessageID: "M", Service: sendReport, Envelope: []byte("<a/>")})
			if c.taken {
				require.NoError(t, err)
				return
			}
			var refused *Refused
			require.True(t, errors.As(err, &refused))
			require.Equal(t, c.code, refused.Code)
			require.Equal(t, c.temporary, refused.Temporary)
			require.NotContains(t, err.Error(), "Ada")
		})
	}
}

func TestAReceiverThatCantBeReachedIsTriedAgain(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	var refused *Refused
	require.True(t, errors.As((&Client{Sender: "A1001"}).Send(context.Background(), server.URL, &Outgoing{}), &refused))
	require.True(t, refused.Temporary)
	require.Zero(t, refused.Status)
}

func TestAMessageComposedAgainHasTheSameIdsAndOnlyItsStampsChange(t *testing.T) {
	c := &Client{Sender: "A1001", Clock: func() time.Time { return testNow }}
	first, err := c.Compose(plainReferral(t), Revision{Number: 1})
	require.NoError(t, err)
	second, err := (&Client{Sender: "A1001"}).Compose(plainReferral(t), Revision{Number: 1})
	require.NoError(t, err)
	require.Equal(t, first, second)
	require.Equal(t, "0A000000-0000-4000-8000-000000000031", first.MessageID)

	root, err := xmltree.Read(c.SOAP("https://receiver.test/report?a=1&b=2", first), xmltree.Rules{Instructions: true})
	require.NoError(t, err)
	e, f := readEnvelope(root)
	require.Nil(t, f)
	require.Equal(t, "https://receiver.test/report?a=1&b=2", e.To)
	require.Equal(t, "2026-03-02T10:26:00Z", e.Created)
	require.Equal(t, "2026-03-02T10:36:00Z", e.Expires)
	require.Equal(t, []string{"2000072489"}, e.DoS)
	require.Equal(t, "CN=A1001", e.Username)
	require.Equal(t, []string{"B2002"}, e.ODS)
	require.Equal(t, interactionOther, e.Interaction)
	require.NotEqual(t, e.MessageID, e.TrackingID)
}

func TestAReferralToAnEmergencyDepartmentSaysSo(t *testing.T) {
	message := plainReferral(t)
	for entry := range message.Get("entry").Items() {
		for category := range entry.Get("resource").Get("category").Items() {
			for coding := range category.Get("coding").Items() {
				if coding.Get("code").Text() == useCaseUTC {
					var err error
					message, err = message.Edit().Replace(coding.Get("code"), []byte(`"a1t1"`)).Done()
					require.NoError(t, err)
				}
			}
		}
	}
	out, err := (&Client{Sender: "A1001"}).Compose(message, Revision{Number: 1})
	require.NoError(t, err)
	require.Contains(t, string(out.Envelope), interactionED)
}

// Ensure that a message that came without our own organisation is sent in its
// sender's name, and that a later version is one of the same set.
func TestALaterVersionIsOneOfTheSameSet(t *testing.T) {
	c := &Client{}
	first, err := c.Compose(plainReferral(t), Revision{Number: 1})
	require.NoError(t, err)
	require.Equal(t, nhs.ODSCode("A1001"), first.Sender)
	text := strings.Replace(string(plainReferral(t).JSON()), "0a000000-0000-4000-8000-000000000031", "0a000000-0000-4000-8000-000000000099", 1)
	next, err := fhir.Parse([]byte(text))
	require.NoError(t, err)
	second, err := c.Compose(next, Revision{Set: first.set, Number: 2})
	require.NoError(t, err)
	require.NotEqual(t, first.MessageID, second.MessageID)
	require.Equal(t, first.set, second.set)
	require.Contains(t, string(second.Envelope), `<setId root="`+first.set+`"/><versionNumber value="2"/>`)
}

func TestWhatAReportDoesNotSayIsListedByPathAndNeverByValue(t *testing.T) {
	raw, err := os.ReadFile("../../testdata/bars/a1-referral.json")
	require.NoError(t, err)
	message, err := fhir.Parse(raw)
	require.NoError(t, err)
	extra, err := message.Edit().Append(message.Get("entry"), []byte(`{"fullUrl":"urn:uuid:0a000000-0000-4000-8000-000000000098",
		"resource":{"resourceType":"MedicationStatement","status":"active","medicationCodeableConcept":{"text":"Sample medicine"}}}`)).Done()
	require.NoError(t, err)
	out, err := (&Client{}).Compose(extra, Revision{Number: 1})
	require.NoError(t, err)
	paths := map[string]bool{}
	for _, lost := range out.Lost() {
		paths[lost.Expression] = true
		require.NotEmpty(t, lost.Diagnostics)
		require.NotContains(t, lost.Diagnostics+lost.Expression, "Sample")
	}
	for _, path := range []string{"MedicationStatement", "Observation", "Bundle.timestamp"} {
		require.True(t, paths[path], "%s: %v", path, paths)
	}
	require.False(t, paths["Condition.code.text"], "the reported condition is written")
}

// withdrawn is the message of a referral's end, as the room writes it.
func withdrawn(t testing.TB, status string) *fhir.Resource {
	t.Helper()
	message := plainReferral(t)
	request := referralOf(message)
	ended, err := message.Edit().Set(request, "status", fhir.Quote(status)).
		Set(request, "reasonCode", []byte(`[{"coding":[{"system":"http://snomed.info/sct","code":"1","display":"Seen <elsewhere>"}],"text":"Walked in"}]`)).Done()
	require.NoError(t, err)
	return ended
}

func TestAWithdrawalIsTheNullificationOfItsSet(t *testing.T) {
	c := &Client{Clock: func() time.Time { return testNow }}
	sent, err := c.Compose(plainReferral(t), Revision{Number: 1})
	require.NoError(t, err)
	first, err := c.Withdraw(withdrawn(t, "revoked"), Revision{Set: sent.set, Number: 2}, testNow)
	require.NoError(t, err)
	again, err := c.Withdraw(withdrawn(t, "revoked"), Revision{Set: sent.set, Number: 2}, testNow)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.NotEqual(t, sent.MessageID, first.MessageID)
	for _, text := range []string{`profileid="` + profileNullification, interactionNullify, `<setId root="` + sent.set + `"/><versionNumber value="2"/>`,
		`<effectiveTime value="` + hl7Value(fhir.FormatInstant(testNow)) + `"/>`, "<content>This referral is withdrawn.</content>",
		"<content>Reason: Walked in, Seen &lt;elsewhere&gt;</content>"} {
		require.Contains(t, string(first.Envelope), text)
	}
	for _, text := range []string{"Heart rate", "PathwaysCase", "ClinicalDiscriminator"} {
		require.NotContains(t, string(first.Envelope), text, "what was said of the patient isn't said again")
	}
	require.Len(t, first.Lost(), 2)
	wrong, err := c.Withdraw(withdrawn(t, "entered-in-error"), Revision{Set: sent.set, Number: 2}, testNow)
	require.NoError(t, err)
	require.Contains(t, string(wrong.Envelope), "This referral was entered in error.")
	_, err = c.Withdraw(withdrawn(t, "revoked"), Revision{Number: 2}, testNow)
	require.Equal(t, fhir.KindProcessing, fhir.AsOutcome(err).Kind, "no set")

	// Our own door reads it as one.
	body := c.SOAP("https://receiver.test/report", first)
	root, err := xmltree.Read(body, xmltree.Rules{Instructions: true})
	require.NoError(t, err)
	e, f := readEnvelope(root)
	require.Nil(t, f)
	require.Equal(t, nullification, e.kind())
	documents, f := e.documents(body)
	require.Nil(t, f)
	names, _, bad := readNullification(source{Envelope: e, Documents: documents, Now: testNow, NewID: counter()})
	require.Nil(t, bad)
	require.Equal(t, []string{uri(sent.set), uri(sent.set)}, names)
}

// The national adaptor answers every nullification with its internal error: that
// must not wait for three days, because somebody has to telephone.
func TestANullificationThatIsAnsweredByAnInternalErrorEndsAfterAnHour(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte(strings.NewReplacer("%where", "Client", "%code", "2200").Replace(toolkitFault)))
	}))
	defer server.Close()
	s := &Sender{Client: &Client{Clock: func() time.Time { return testNow }}}
	for _, c := range []struct {
		nullifies bool
		age       time.Duration
		want      outbox.Verdict
	}{{true, time.Minute, outbox.Again}, {true, time.Hour, outbox.Dead}, {false, time.Hour, outbox.Again}} {
		m, err := (&Outgoing{MessageID: "M", Service: sendReport, Envelope: []byte("<a/>"), Address: server.URL, Nullifies: c.nullifies}).
			Queued(nhs.SystemDoS+"|1", store.Ref{Type: "ServiceRequest", ID: "1"}, 2, testNow.Add(-c.age))
		require.NoError(t, err)
		result := s.Send(context.Background(), m)
		require.Equal(t, c.want, result.Verdict, "%+v", c)
		require.Equal(t, c.want == outbox.Dead, strings.Contains(result.Reason, "telephone"))
	}
}

// A refusal that the room couldn't note is noted by the next attempt, which meets it
// again.
func TestARefusalThatCannotBeNotedIsMetAgain(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer server.Close()
	fails := true
	s := &Sender{Client: &Client{Clock: func() time.Time { return testNow }}, Note: func(context.Context, string, bool, string) error {
		if fails {
			return errors.New("the store is away")
		}
		return nil
	}}
	m, err := (&Outgoing{MessageID: "M", Service: sendReport, Envelope: []byte("<a/>"), Address: server.URL, Note: "Communication/1"}).
		Queued(nhs.SystemDoS+"|1", store.Ref{Type: "ServiceRequest", ID: "1"}, 1, testNow)
	require.NoError(t, err)
	require.Equal(t, outbox.Result{Reason: "HTTP 403, but that can't be noted yet"}, s.Send(t.Context(), m))
	fails = false
	require.Equal(t, outbox.Result{Verdict: outbox.Dead, Reason: "HTTP 403"}, s.Send(t.Context(), m))
}
