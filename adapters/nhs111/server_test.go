package nhs111

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// recordingDesk keeps what it is asked and remembers keys as the room does.
type recordingDesk struct {
	told      []store.Op
	messages  []bars.MessageRequest
	attached  []bars.AttachRequest
	nullified []bars.NullifyRequest
	seen      map[string]string
	fail      error
}

func (d *recordingDesk) once(key bars.Key, body []byte) (*bars.MessageResult, error) {
	if d.fail != nil {
		return nil, d.fail
	}
	if d.seen == nil {
		d.seen = map[string]string{}
	}
	result := &bars.MessageResult{}
	for _, v := range key.Values {
		name := key.Sender + "|" + key.Target + "|" + v
		if earlier, ok := d.seen[name]; ok && earlier != string(body) {
			return nil, fhir.NewOutcome(fhir.KindInvalid, "", "the same id was used for another message")
		} else if ok {
			result.Replay = &store.Replay{}
		}
		d.seen[name] = string(body)
	}
	return result, nil
}

func (d *recordingDesk) Message(_ context.Context, req bars.MessageRequest) (*bars.MessageResult, error) {
	result, err := d.once(req.Key, req.Body)
	if err == nil && result.Replay == nil {
		d.messages = append(d.messages, req)
	}
	return result, err
}

func (d *recordingDesk) Tell(_ context.Context, messages []store.Op) error {
	d.told = append(d.told, messages...)
	return nil
}

func (d *recordingDesk) Nullify(_ context.Context, req bars.NullifyRequest) (*bars.MessageResult, error) {
	result, err := d.once(req.Key, req.Body)
	if err == nil && result.Replay == nil {
		d.nullified = append(d.nullified, req)
	}
	return result, err
}

func (d *recordingDesk) Service(context.Context, nhs.ServiceID) (*bars.Service, error) {
	return &bars.Service{}, nil
}

func (d *recordingDesk) Attach(_ context.Context, req bars.AttachRequest) (*bars.MessageResult, error) {
	result, err := d.once(req.Key, req.Body)
	if err == nil && result.Replay == nil {
		d.attached = append(d.attached, req)
	}
	return result, err
}

func testOptions() Options {
	return Options{NewID: counter(), Clock: func() time.Time { return testNow }}
}

func post(h http.Handler, contentType string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/nhs111/report", bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("X-Request-Id", "req-1")
	r.Header.Set("X-Correlation-Id", "cor-1")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// parts are what a test reads from an answer; the answer must be namespace
// well-formed whatever was echoed into it.
type parts struct{ messageID, action, relatesTo, ok, faultcode, code, text, diag, errorID string }

func read(t *testing.T, w *httptest.ResponseRecorder) parts {
	t.Helper()
	require.Equal(t, "text/xml; charset=utf-8", w.Header().Get("Content-Type"))
	root, err := xmltree.Read(w.Body.Bytes(), xmltree.Rules{})
	require.NoError(t, err)
	require.True(t, root.Is(nsSOAP, "Envelope"))
	one := func(n *xmltree.Node, space, local string) *xmltree.Node {
		if all := n.AllIn(space, local); len(all) == 1 {
			return all[0]
		}
		return nil
	}
	header, body := root.Child("Header"), root.Child("Body")
	p := parts{
		messageID: one(header, nsWSA, "MessageID").Content(), action: one(header, nsWSA, "Action").Content(),
		relatesTo: one(header, nsWSA, "RelatesTo").Content(), ok: one(body, nsITK, "SimpleMessageResponse").Content(),
	}
	if f := body.Child("Fault"); f != nil {
		p.faultcode = one(f, "", "faultcode").Content()
		info := one(one(f, "", "detail"), nsITK, "ToolkitErrorInfo")
		p.errorID, p.code = info.Child("ErrorID").Content(), info.Child("ErrorCode").Content()
		p.text, p.diag = info.Child("ErrorText").Content(), info.Child("ErrorDiagnosticText").Content()
		require.Equal(t, "2.16.840.1.113883.2.1.3.2.4.17.268", info.Child("ErrorCode").Attr("codeSystem"))
		require.True(t, fhir.ValidUUID(p.errorID))
	}
	require.True(t, fhir.ValidUUID(p.messageID))
	require.Equal(t, strings.ToUpper(p.messageID), p.messageID)
	return p
}

func TestAReportIsHandedToTheRoomAndAnsweredOK(t *testing.T) {
	desk := &recordingDesk{}
	body := compose(t)
	w := post(New(desk, testOptions()), "text/xml; charset=utf-8", body)
	require.Equal(t, http.StatusOK, w.Code)
	p := read(t, w)
	require.Equal(t, "OK:8A1F0C52-1111-4E6B-9C55-0A1B2C3D4E5F", p.ok)
	require.Equal(t, "8A1F0C52-1111-4E6B-9C55-0A1B2C3D4E5F", p.relatesTo)
	require.Equal(t, "urn:nhs-itk:services:201005:SendNHS111Report-v2-0Response", p.action)
	require.Equal(t, "req-1", w.Header().Get("X-Request-Id"))
	require.Equal(t, "cor-1", w.Header().Get("X-Correlation-Id"))

	require.Len(t, desk.messages, 1)
	got := desk.messages[0]
	require.Equal(t, bars.Key{Door: "nhs111", Sender: "A1001", Target: "2000072489",
		Values: []string{"8A1F0C52-1111-4E6B-9C55-0A1B2C3D4E5F", "8A1F0C52-2222-4E6B-9C55-0A1B2C3D4E5F"}}, got.Key)
	require.Equal(t, bars.Caller{Door: "nhs111", Organisation: "A1001", RequestID: "req-1", Correlation: "cor-1"}, got.Caller)
	require.Equal(t, nhs.ServiceID{System: nhs.SystemDoS, Value: "2000072489"}, got.Target)
	require.Equal(t, cut(t, string(body), "<itk:DistributionEnvelope", "</itk:DistributionEnvelope>"), string(got.Body))
	require.Equal(t, bars.Strict, got.Mode)
	require.Equal(t, "https://fhir.nhs.uk/Id/dos-service-id|2000072489",
		got.Bundle.Get("entry").At(0).Dig("resource", "destination", "endpoint").Text())
}

func TestACopyIsAttachedAndMakesNoReferral(t *testing.T) {
	for _, spec := range []string{"copyRecipientNHS111CDADocument-v2-0", "primaryRepeatCallerRepositoryRecipientNHS111CDADocument-v2-0"} {
		desk := &recordingDesk{}
		w := post(New(desk, testOptions()), "application/xml", compose(t, edit{composedSpec, spec}))
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		require.Empty(t, desk.messages)
		require.Len(t, desk.attached, 1)
		for _, e := range desk.attached[0].Entries {
			require.NotEqual(t, "ServiceRequest", e.Resource.Type())
		}
	}
}

func TestTheSameMessageAgainIsTheSameOKAndAnotherBodyIsRefused(t *testing.T) {
	desk := &recordingDesk{}
	h := New(desk, testOptions())
	require.Equal(t, http.StatusOK, post(h, "text/xml", compose(t)).Code)
	again := post(h, "text/xml", compose(t))
	require.Equal(t, http.StatusOK, again.Code)
	require.Equal(t, "OK:8A1F0C52-1111-4E6B-9C55-0A1B2C3D4E5F", read(t, again).ok)
	require.Len(t, desk.messages, 1)
	other := post(h, "text/xml", compose(t, edit{"Béla", "Bela"}))
	require.Equal(t, http.StatusInternalServerError, other.Code)
	require.Equal(t, "1000", read(t, other).code)
	lower := post(h, "text/xml", compose(t, edit{"8A1F0C52-1111-4E6B-9C55-0A1B2C3D4E5F", "8a1f0c52-1111-4e6b-9c55-0a1b2c3d4e5f"},
		edit{"8A1F0C52-2222", "8A1F0C52-2223"}, edit{"Béla", "Bela"}))
	require.Equal(t, "1000", read(t, lower).code, "the id's case doesn't make another message of it")
	retry := post(h, "text/xml", compose(t, edit{"8A1F0C52-1111", "8A1F0C53-1111"}, edit{"2026-03-02T10:25:00Z", "2026-03-02T10:26:00Z"}))
	require.Equal(t, "OK:8A1F0C53-1111-4E6B-9C55-0A1B2C3D4E5F", read(t, retry).ok, "new SOAP headers around the same content are a retry")
	require.Len(t, desk.messages, 1)
	desk.fail = fhir.NewOutcome(fhir.KindDuplicate, "", "carried out before")
	require.Equal(t, http.StatusOK, post(h, "text/xml", compose(t)).Code)
}

func TestASenderMayUseOneIdForMessageAndTracking(t *testing.T) {
	desk := &recordingDesk{}
	w := post(New(desk, testOptions()), "text/xml", compose(t, edit{"8A1F0C52-2222", "8A1F0C52-1111"}))
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, []string{"8A1F0C52-1111-4E6B-9C55-0A1B2C3D4E5F"}, desk.messages[0].Key.Values)
}

func TestVariantsOfTheReportServiceAreAnsweredAlike(t *testing.T) {
	for _, name := range []string{"SendNHS111Report-v2-0_DMS", "SendNHS111Report-v3-0", "SendNHS111Report-v1-0"} {
		w := post(New(&recordingDesk{}, testOptions()), "text/xml", compose(t, edit{"SendNHS111Report-v2-0", name}))
		require.Equal(t, reportSuccessAction, read(t, w).action, name)
	}
	// A profile that nobody has published isn't taken for one that somebody has.
	w := post(New(&recordingDesk{}, testOptions()), "text/xml", compose(t, edit{"SendNHS111Report-v2-0", "SendNHS111Report-v3-0"},
		edit{composedProfile, `profileid="urn:nhs-en:profile:nhs111CDADocument-v3-0"`}))
	require.Equal(t, "Invalid manifest profile Id: urn:nhs-en:profile:nhs111CDADocument-v3-0", read(t, w).text)
}

func TestOutcomesOfTheRoomBecomeFaults(t *testing.T) {
	const detail = "the service isn't hosted here"
	for _, c := range []struct {
		kind       fhir.Kind
		faultcode  string
		code       string
		retryAfter string
		diag       string
	}{
		{fhir.KindNotFound, "s:Client", "1000", "", "Bundle.x: " + detail},
		{fhir.KindInvariant, "s:Client", "1000", "", "Bundle.x: " + detail},
		{fhir.KindUnsupportedUse, "s:Client", "1000", "", "Bundle.x: " + detail},
		{fhir.KindConflict, "s:Client", "1000", "", "Bundle.x: " + detail},
		{fhir.KindAccess, "s:Client", "3000", "", "Bundle.x: " + detail},
		{fhir.KindUnauthorized, "s:Client", "3000", "", "Bundle.x: " + detail},
		{fhir.KindForbidden, "s:Client", "3000", "", "Bundle.x: " + detail},
		{fhir.KindUnavailable, "s:Server", "2100", "5", ""},
		{fhir.KindTimeout, "s:Server", "2100", "5", ""},
		{fhir.KindTooEarly, "s:Server", "2100", "5", ""},
		{fhir.KindThrottled, "s:Server", "2100", "5", ""},
		{fhir.KindException, "s:Server", "2200", "", diagInternal},
		{fhir.KindNoStore, "s:Server", "2200", "", diagInternal},
	} {
		w := post(New(&recordingDesk{fail: fhir.NewOutcome(c.kind, "Bundle.x", detail)}, testOptions()), "text/xml", compose(t))
		require.Equal(t, http.StatusInternalServerError, w.Code)
		p := read(t, w)
		require.Equal(t, c.faultcode, p.faultcode)
		require.Equal(t, c.code, p.code)
		require.Equal(t, c.retryAfter, w.Header().Get("Retry-After"))
		require.Equal(t, faultAction, p.action)
		require.Equal(t, "8A1F0C52-1111-4E6B-9C55-0A1B2C3D4E5F", p.relatesTo)
		if c.diag != "" {
			require.Equal(t, c.diag, p.diag)
		}
	}
	slow := fhir.NewOutcome(fhir.KindUnavailable, "", "x")
	slow.RetryAfter = 1500 * time.Millisecond
	require.Equal(t, "2", post(New(&recordingDesk{fail: slow}, testOptions()), "text/xml", compose(t)).Header().Get("Retry-After"))
}

func TestAnInternalFaultShowsNothingOfItsCauseAndIsLogged(t *testing.T) {
	var log bytes.Buffer
	o := testOptions()
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	w := post(New(&recordingDesk{fail: errors.New("disk 7 is gone")}, o), "text/xml", compose(t))
	require.Equal(t, textInternal, read(t, w).text)
	require.NotContains(t, w.Body.String(), "disk")
	require.Contains(t, log.String(), "disk 7 is gone")
	o.Mode = Compat
	p := read(t, post(New(&recordingDesk{fail: errors.New("disk 7 is gone")}, o), "text/xml", compose(t)))
	require.Equal(t, "s:Client", p.faultcode)
	require.Equal(t, "2200", p.code)
}

func TestHTTPItselfIsHeldToTheDoorsTerms(t *testing.T) {
	h := New(&recordingDesk{}, testOptions())
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodHead} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/nhs111/report", nil))
		require.Equal(t, http.StatusMethodNotAllowed, w.Code)
		require.Equal(t, http.MethodPost, w.Header().Get("Allow"))
	}
	for _, contentType := range []string{"", "application/json", "application/soap+xml", "text/plain", "text/xml;;"} {
		w := post(h, contentType, compose(t))
		require.Equal(t, http.StatusUnsupportedMediaType, w.Code, contentType)
		require.Equal(t, "1000", read(t, w).code)
	}
	o := testOptions()
	o.MaxBody = int64(len(compose(t)))
	require.Equal(t, http.StatusOK, post(New(&recordingDesk{}, o), "text/xml", compose(t)).Code)
	w := post(New(&recordingDesk{}, o), "text/xml", append(compose(t), ' '))
	require.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
	require.Equal(t, textTooLarge, read(t, w).text)
}

func TestABodyThatStopsIsRefused(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(bytes.NewReader(compose(t)[:100]), brokenReader{}))
	r.Header.Set("Content-Type", "text/xml")
	w := httptest.NewRecorder()
	New(&recordingDesk{}, testOptions()).ServeHTTP(w, r)
	require.Equal(t, textNotXML, read(t, w).text)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestEchoedValuesCantBreakTheFault(t *testing.T) {
	nasty := "&lt;/itk:ErrorText&gt;&lt;x&gt; &amp; &quot;'"
	plain := `</itk:ErrorText><x> & "'`
	o := testOptions()
	o.SOAPChecks, o.SendTo = true, "https://onward.test/nhs111/report"
	for _, c := range []struct {
		e    edit
		text string
	}{
		{edit{composedProfile, `profileid="` + nasty + `"`}, "Invalid manifest profile Id: " + plain},
		{edit{composedAudit, nasty}, "Invalid Audit Identity value: " + plain},
		{edit{composedTo, "<ad:To>" + nasty + "</ad:To>"}, "Invalid Send To value: " + plain},
	} {
		p := read(t, post(New(&recordingDesk{}, o), "text/xml", compose(t, c.e)))
		require.Equal(t, c.text, p.text)
	}
	compat := testOptions()
	compat.Mode = Compat
	p := read(t, post(New(&recordingDesk{}, compat), "text/xml", compose(t, edit{composedMessageID, "<ad:MessageID>" + nasty + "</ad:MessageID>"})))
	require.Equal(t, "OK:"+plain, p.ok)
	require.Equal(t, textInvalidID, read(t, post(New(&recordingDesk{}, testOptions()), "text/xml", compose(t, edit{composedMessageID, "<ad:MessageID>" + nasty + "</ad:MessageID>"}))).text)
}

func TestMustUnderstandAndVersionMismatchHaveTheirOwnFaultCodes(t *testing.T) {
	p := read(t, post(New(&recordingDesk{}, testOptions()), "text/xml", compose(t, edit{composedTo, `<q:a xmlns:q="urn:q" e:mustUnderstand="1"/>`})))
	require.Equal(t, "s:MustUnderstand", p.faultcode)
	require.Equal(t, faultActionHeader, p.action)
	p = read(t, post(New(&recordingDesk{}, testOptions()), "text/xml", compose(t, edit{nsSOAP, "http://www.w3.org/2003/05/soap-envelope"})))
	require.Equal(t, "s:VersionMismatch", p.faultcode)
	require.Equal(t, "1000", p.code)
}

func TestAConnectionMaySpeakOnlyForItsOrganisation(t *testing.T) {
	desk := &recordingDesk{}
	o := testOptions()
	o.Entitled = func(_ *http.Request, organisation nhs.ODSCode) bool { return organisation == "A1001" }
	require.Equal(t, http.StatusOK, post(New(desk, o), "text/xml", compose(t)).Code)
	p := read(t, post(New(desk, o), "text/xml", compose(t, edit{composedAudit, auditURI + "X9999"})))
	require.Equal(t, "3000", p.code)
	require.Len(t, desk.messages, 1)
}

func TestReportsInOtherEncodingsAreRead(t *testing.T) {
	body := strings.Replace(string(compose(t)), `encoding="UTF-8"`, `encoding="UTF-16"`, 1)
	desk := &recordingDesk{}
	w := post(New(desk, testOptions()), "text/xml", append([]byte{0xff, 0xfe}, wide(body)...))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	latin := strings.NewReplacer(`encoding="UTF-8"`, `encoding="ISO-8859-1"`, "Béla", "B\xe9la").Replace(string(compose(t)))
	other := &recordingDesk{}
	w = post(New(other, testOptions()), "text/xml; charset=iso-8859-1", []byte(latin))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(t, string(desk.messages[0].Bundle.JSON()), string(other.messages[0].Bundle.JSON()))
	require.Contains(t, string(desk.messages[0].Bundle.JSON()), "Béla")
}

// set makes a repeat caller document set of copies of the composed document
// with other ids and times.
func set(t *testing.T, times ...string) []byte {
	t.Helper()
	text := string(compose(t, edit{composedSpec, "primaryNHS111RepeatCallerDocumentSet-v1-0"}))
	item := cut(t, text, "<itk:manifestitem", "/>")
	payload := cut(t, text, "<itk:payload ", "</itk:payload>")
	var items, payloads strings.Builder
	for i, at := range times {
		n := strconv.Itoa(i)
		items.WriteString(strings.Replace(item, composedPayloadID, "p"+n, 1))
		payloads.WriteString(strings.NewReplacer(composedPayloadID, "p"+n, "20260302102200", at,
			"8A1F0C52-4444", "8A1F0C5"+n+"-4444").Replace(payload))
	}
	return []byte(strings.NewReplacer(item, items.String(), payload, payloads.String(),
		`count="1"`, `count="`+strconv.Itoa(len(times))+`"`).Replace(text))
}

func TestOfADocumentSetTheNewestIsTheReferralAndTheOthersAreAttached(t *testing.T) {
	for _, c := range []struct {
		name  string
		times []string
		want  string
	}{
		{"last", []string{"20260228102200", "20260301102200", "20260302102200"}, "8a1f0c52"},
		{"shuffled, by instant and not by digits", []string{"20260302113000+0200", "20260302102200+00", "20260301235959"}, "8a1f0c51"},
		{"equal times: the first", []string{"20260302102200", "20260302102200"}, "8a1f0c50"},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := set(t, c.times...)
			mapped, _, err := through(body, "", strictRules())
			require.NoError(t, err)
			requireSound(t, mapped)
			requireWhole(t, mapped, body)
			all := resourcesOf(mapped)
			require.Len(t, all["DocumentReference"], len(c.times))
			require.Len(t, all["ServiceRequest"], 1)
			require.Equal(t, "RC", fhir.CodeOf(all["Flag"][0].Get("category"), codeSystemBase+"flag-categories-bars"))
			for _, d := range all["DocumentReference"] {
				current := d.Get("content").Len() == 2
				require.Equal(t, current, strings.HasPrefix(d.Get("masterIdentifier", "value").Text(), "urn:uuid:"+c.want))
				if current {
					require.Equal(t, len(c.times), d.Get("relatesTo").Len(), "what it replaces and adds to")
				}
			}
		})
	}
}

func TestDocumentsOfDifferentPatientsAreRefused(t *testing.T) {
	body := set(t, "20260302102200", "20260301102200")
	body = bytes.Replace(body, []byte("999 005 7699"), []byte("9476719931"), 1)
	_, _, err := through(body, "", strictRules())
	require.ErrorContains(t, err, "must be of one patient")
	require.NotContains(t, err.Error(), "9476719931")
}
