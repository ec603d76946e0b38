package nhs111

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/internal/xmltree"
)

const soap12Type = `application/soap+xml; charset=utf-8`

// send posts to a path of the door.
func send(h http.Handler, path, contentType string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// compose12 is the composed report in a SOAP 1.2 envelope.
func compose12(t *testing.T, edits ...edit) []byte {
	return compose(t, append([]edit{{nsSOAP, nsSOAP12}}, edits...)...)
}

// fault12 reads a SOAP 1.2 fault.
func fault12(t *testing.T, w *httptest.ResponseRecorder) (code, text string) {
	t.Helper()
	require.Equal(t, soap12Type, w.Header().Get("Content-Type"))
	root, err := xmltree.Read(w.Body.Bytes(), xmltree.Rules{})
	require.NoError(t, err)
	require.True(t, root.Is(nsSOAP12, "Envelope"))
	f := root.Child("Body", "Fault")
	require.NotEmpty(t, f.Child("Reason", "Text").Content())
	info := f.Child("Detail").AllIn(nsITK, "ToolkitErrorInfo")
	require.Len(t, info, 1)
	return f.Child("Code", "Value").Content(), info[0].Child("ErrorText").Content()
}

func TestTheGenericServiceTakesBothSOAPVersions(t *testing.T) {
	desk := &recordingDesk{}
	h := New(desk, testOptions())
	w := send(h, itkPath, "text/xml", compose(t))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	w = send(h, itkPath, `application/soap+xml; action="urn:nhs-itk:services:201005:SendNHS111Report-v2-0"`, compose12(t, edit{"8A1F0C52-1111", "8A1F0C53-1111"}, edit{"8A1F0C52-2222", "8A1F0C53-2222"}))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(t, soap12Type, w.Header().Get("Content-Type"))
	root, err := xmltree.Read(w.Body.Bytes(), xmltree.Rules{})
	require.NoError(t, err)
	require.True(t, root.Is(nsSOAP12, "Envelope"))
	require.Equal(t, "OK:8A1F0C53-1111-4E6B-9C55-0A1B2C3D4E5F", root.Child("Body").AllIn(nsITK, "SimpleMessageResponse")[0].Content())
	require.Len(t, desk.messages, 2)
}

func TestTheReportServiceTakesSOAP11Only(t *testing.T) {
	h := New(&recordingDesk{}, testOptions())
	w := send(h, reportPath, "application/soap+xml", compose12(t))
	require.Equal(t, http.StatusUnsupportedMediaType, w.Code)
	require.Equal(t, "s:VersionMismatch", read(t, send(h, reportPath, "text/xml", compose12(t))).faultcode)
}

func TestTheMediaTypeAndTheEnvelopeMustBeOfOneSOAPVersion(t *testing.T) {
	h := New(&recordingDesk{}, testOptions())
	p := read(t, send(h, itkPath, "text/xml", compose12(t)))
	require.Equal(t, "s:VersionMismatch", p.faultcode)
	w := send(h, itkPath, "application/soap+xml", compose(t))
	code, _ := fault12(t, w)
	require.Equal(t, "s:VersionMismatch", code)
	require.Equal(t, http.StatusInternalServerError, w.Code)
}

func TestFaultsOfSOAP12HaveItsCodesAndStatuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		edit   edit
		desk   *recordingDesk
		code   string
		status int
	}{
		{"the sender's fault", edit{composedAction, ""}, &recordingDesk{}, "s:Sender", 400},
		{"our fault", edit{"Béla", "Bela"}, &recordingDesk{fail: http.ErrAbortHandler}, "s:Receiver", 500},
		{"not understood", edit{composedTo, `<q:a xmlns:q="urn:q" e:mustUnderstand="true"/>`}, &recordingDesk{}, "s:MustUnderstand", 500},
		{"not understood by whoever comes next", edit{composedTo, `<q:a xmlns:q="urn:q" e:mustUnderstand="1" e:role="http://www.w3.org/2003/05/soap-envelope/role/next"/>`}, &recordingDesk{}, "s:MustUnderstand", 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := send(New(c.desk, testOptions()), itkPath, "application/soap+xml", compose12(t, c.edit))
			require.Equal(t, c.status, w.Code)
			code, _ := fault12(t, w)
			require.Equal(t, c.code, code)
		})
	}
	elsewhere := edit{composedTo, `<q:a xmlns:q="urn:q" e:mustUnderstand="1" e:role="urn:someone"/>`}
	require.Equal(t, http.StatusOK, send(New(&recordingDesk{}, testOptions()), itkPath, "application/soap+xml", compose12(t, elsewhere)).Code)
}

func TestTheGenericServiceMayBeAskedByItsOwnName(t *testing.T) {
	action := func(name string) edit {
		return edit{composedAction, `<ad:Action>` + servicePrefix + name + `</ad:Action>`}
	}
	desk := &recordingDesk{}
	h := New(desk, testOptions())
	w := send(h, itkPath, "text/xml", compose(t, action("sendDistEnvelope")))
	require.Equal(t, http.StatusAccepted, w.Code, "one way")
	require.Empty(t, w.Body.String())
	require.Len(t, desk.messages, 1)

	w = send(h, itkPath, "text/xml", compose(t, action("sendRecvDistEnvelope")))
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, sendReceiveAction+"Response", read(t, w).action)
	answer := readDistribution(t, w.Body.Bytes())
	require.Equal(t, infrastructureService, answer.Service)
	ack := payloadElement(answer.Payloads[0])
	require.True(t, ack.Is(nsITK, "InfrastructureResponse"))
	require.Equal(t, "OK", ack.Attr("result"))
	require.Equal(t, "8A1F0C52-2222-4E6B-9C55-0A1B2C3D4E5F", ack.Attr("trackingIdRef"))

	w = send(h, reportPath, "text/xml", compose(t, action("sendDistEnvelope")))
	require.Equal(t, "Soap Action is not equal to ITK service", read(t, w).text, "the NHS 111 services have names of their own")
	require.Len(t, desk.messages, 1)
}

// The reference adaptor knows one answer, whatever the service is called.
func TestInCompatModeAReportByTheGenericServiceIsAnsweredAsTheReferenceDoes(t *testing.T) {
	body := compose(t, edit{"urn:nhs-itk:services:201005:SendNHS111Report-v2-0", sendAction})
	o := testOptions()
	require.Equal(t, http.StatusAccepted, send(New(&recordingDesk{}, o), reportPath, "text/xml", body).Code)
	o.Mode = Compat
	w := send(New(&recordingDesk{}, o), reportPath, "text/xml", body)
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, reportSuccessAction, read(t, w).action)
	require.Equal(t, http.StatusAccepted, send(New(&recordingDesk{}, o), itkPath, "text/xml", body).Code)
}

// readDistribution reads the DistributionEnvelope of an answer by the door's own
// checks of one.
func readDistribution(t *testing.T, body []byte) *envelope {
	t.Helper()
	root, err := xmltree.Read(body, xmltree.Rules{})
	require.NoError(t, err)
	e, f := readEnvelope(root)
	require.Nil(t, f)
	require.NotNil(t, e.distribution)
	require.Nil(t, e.checkShape())
	require.Nil(t, e.checkSchema())
	require.Equal(t, e.Items[0].ID, e.Payloads[0].Attr("id"))
	return e
}

func TestTheActionThatHTTPNamesMustBeTheMessages(t *testing.T) {
	for _, c := range []struct {
		action string
		mode   Mode
		ok     bool
	}{
		{`"urn:nhs-itk:services:201005:SendNHS111Report-v2-0"`, Strict, true},
		{`urn:nhs-itk:services:201005:SendNHS111Report-v2-0`, Strict, true},
		{`""`, Strict, true},
		{`"urn:other"`, Strict, false},
		{`"urn:other"`, Compat, true},
	} {
		o := testOptions()
		o.Mode = c.mode
		r := httptest.NewRequest(http.MethodPost, reportPath, bytes.NewReader(compose(t)))
		r.Header.Set("Content-Type", "text/xml")
		r.Header.Set("SOAPAction", c.action)
		w := httptest.NewRecorder()
		New(&recordingDesk{}, o).ServeHTTP(w, r)
		require.Equal(t, c.ok, w.Code == http.StatusOK, c.action)
	}
	w := send(New(&recordingDesk{}, testOptions()), itkPath, `application/soap+xml; action="urn:other"`, compose12(t))
	require.Equal(t, http.StatusBadRequest, w.Code)
}

func TestRefusalsOfHTTPHaveAFaultAsBody(t *testing.T) {
	h := New(&recordingDesk{}, testOptions())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPut, reportPath, nil))
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	require.Equal(t, "s:Client", read(t, w).faultcode)
	require.Equal(t, textMediaType, read(t, send(h, reportPath, "application/json", nil)).text)
	r := httptest.NewRequest(http.MethodPost, reportPath, bytes.NewReader(compose(t)))
	r.Header.Set("Content-Type", "text/xml")
	r.Header.Set("Content-Encoding", "gzip")
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusUnsupportedMediaType, w.Code)
	require.Equal(t, "1000", read(t, w).code)
}

func TestADoorThatNeedsACertificateRefusesWhoHasNone(t *testing.T) {
	o := testOptions()
	o.NeedCertificate = true
	w := send(New(&recordingDesk{}, o), reportPath, "text/xml", compose(t))
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Equal(t, "Mutual authentication failed\n", w.Body.String())
	w = httptest.NewRecorder()
	New(&recordingDesk{}, o).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/nhs111/?wsdl", nil))
	require.Equal(t, http.StatusOK, w.Code, "the description is public")
}

func TestInCompatModeAnOutageIsTheInternalErrorOfTheReference(t *testing.T) {
	o := testOptions()
	o.Mode = Compat
	w := send(New(&recordingDesk{fail: unavailable()}, o), reportPath, "text/xml", compose(t))
	p := read(t, w)
	require.Equal(t, "s:Client", p.faultcode)
	require.Equal(t, "2200", p.code)
	require.Equal(t, textInternal, p.text)
	require.NotEmpty(t, w.Header().Get("Retry-After"))
}

func TestTheDescriptionHasAbsoluteAddressesAndItsSchemas(t *testing.T) {
	o := testOptions()
	o.BaseURL = "https://onward.test/nhs111"
	h := New(&recordingDesk{}, o)
	get := func(url string) *xmltree.Node {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, nil))
		require.Equal(t, http.StatusOK, w.Code, url)
		root, err := xmltree.Read(w.Body.Bytes(), xmltree.Rules{})
		require.NoError(t, err)
		require.NotContains(t, w.Body.String(), "@@")
		return root
	}
	for _, path := range []string{"/nhs111/?wsdl", "/nhs111?wsdl", "/nhs111/report?wsdl", "/report?WSDL=&wsdl"} {
		root := get(path)
		var text strings.Builder
		for _, port := range root.Child("service").All("port") {
			text.WriteString(port.Elements()[0].Attr("location") + " ")
		}
		require.Equal(t, "https://onward.test/nhs111/report https://onward.test/nhs111/itk https://onward.test/nhs111/itk ", text.String())
	}
	schema := get("/nhs111/?wsdl").Child("types").Elements()[0]
	for _, include := range schema.All("include") {
		location, found := strings.CutPrefix(include.Attr("schemaLocation"), o.BaseURL)
		require.True(t, found)
		require.Equal(t, nsITK, get("/nhs111"+location).Attr("targetNamespace"))
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/nhs111/?xsd=../check.go", nil))
	require.Equal(t, http.StatusNotFound, w.Code)
}
