package dos

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/nhs"
)

// Answers as directories of other makes and years give them, composed by hand.

const oldDetails = `<E:Envelope xmlns:E="http://schemas.xmlsoap.org/soap/envelope/"><E:Header/><E:Body>
	<ServiceDetailsByIdResponse xmlns="https://nww.pathwaysdos.nhs.uk/app/api/webservices"><ContactDetails>
		<ContactDetail><tag>http</tag><name>Booking</name><value>ASID:109876543210\|Scheduling\|FHIR\|Primary\|direct booking\|uncompressed</value><order>2</order></ContactDetail>
		<ContactDetail><tag>itk</tag><name>111</name><value>https://a.example/itk\|urn:nhs-itk:interaction:primaryOutofHourRecipientNHS111CDADocument-v2-0\|CDA\|primary\|</value><order>1</order></ContactDetail>
	</ContactDetails></ServiceDetailsByIdResponse></E:Body></E:Envelope>`

// sparse has no optional element, another prefix, endpoints in the spelling of
// the previews, an empty destination and elements that nobody knows.
const sparse = `<?xml version='1.0' encoding='utf-8'?><!-- gateway 7 --><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
	<SOAP-ENV:Body><q0:CheckCapacitySummaryResponse xmlns:q0="https://nww.pathwaysdos.nhs.uk/app/api/webservices">
	<q0:RequestedAtDateTime>2026-11-20T13:08:23.5+00:00</q0:RequestedAtDateTime><q0:Weather>wet</q0:Weather>
	<q0:CheckCapacitySummaryResult>
		<q0:serviceCareSummaryDestination xsi:nil="true"/><q0:serviceCareSummaryDestination/>
		<q0:serviceCareSummaryDestination><q0:id> 2000006423 </q0:id><q0:capacity>Purple</q0:capacity><q0:name>Only a name</q0:name><q0:distance/>
			<q0:serviceEndPoints><q0:EndPoint><q0:endpointOrder>1</q0:endpointOrder><q0:transport>HTTP</q0:transport><q0:format>fhir</q0:format>
				<q0:interaction>scheduling</q0:interaction><q0:businessScenario>PRIMARY</q0:businessScenario><q0:address>ODS:B2002</q0:address><q0:isCompressionEnabled>N</q0:isCompressionEnabled></q0:EndPoint></q0:serviceEndPoints>
			<q0:rotaSessions/><q0:attributes/><q0:serviceAgeRange/></q0:serviceCareSummaryDestination>
	</q0:CheckCapacitySummaryResult></q0:CheckCapacitySummaryResponse></SOAP-ENV:Body></SOAP-ENV:Envelope>`

func TestAnswersOfOtherDirectoriesAreRead(t *testing.T) {
	var calls atomic.Int32
	a, err := answers(t, 200, sparse, &calls).Search(t.Context(), someone())
	require.NoError(t, err)
	require.Len(t, a.Services, 1)
	s := a.Services[0]
	require.Equal(t, "2000006423", s.ID)
	require.Equal(t, 2026, a.Requested.Year())
	require.Empty(t, s.Miles)
	booking, err := s.Booking()
	require.NoError(t, err)
	_, ods := booking.Spine()
	require.Equal(t, nhs.ODSCode("B2002"), ods)
	require.Equal(t, Primary, s.Endpoints[0].Scenario)
	require.Equal(t, "B2002", HealthcareServiceProvider(t, &s))

	list, err := answers(t, 200, oldDetails, &calls).Details(t.Context(), "123")
	require.NoError(t, err)
	require.Len(t, list, 1)
	booking, err = list[0].Booking()
	require.NoError(t, err)
	asid, _ := booking.Spine()
	require.Equal(t, "109876543210", asid)
	require.Equal(t, "https://a.example/itk", list[0].Send(Primary)[0].Address)

	utf16 := []byte{0xFF, 0xFE}
	for _, r := range strings.Replace(sparse, "encoding='utf-8'", "encoding='utf-16'", 1) {
		utf16 = append(utf16, byte(r), byte(r>>8))
	}
	a, err = answers(t, 200, string(utf16), &calls).Search(t.Context(), someone())
	require.NoError(t, err)
	require.Len(t, a.Services, 1)
}

// HealthcareServiceProvider is what the booking endpoint of a service says in FHIR.
func HealthcareServiceProvider(t *testing.T, s *Service) string {
	t.Helper()
	return EndpointResource(s.Endpoints[0], "").Resource().Get("managingOrganization", "identifier", "value").Text()
}

func TestRESTAnswersWithEmptyPartsAndOddTypesAreRead(t *testing.T) {
	var calls atomic.Int32
	for name, c := range map[string]struct {
		body     string
		services int
	}{
		"nothing but an id":          {`{"success":{"code":200,"services":[{"id":159395}]}}`, 1},
		"empty objects as lists":     {`{"success":{"code":200,"serviceCount":"1","services":[{"id":"1","phone":[],"type":[],"capacity":[],"openingTimes":[],"referralInstructions":null,"endpoints":{},"address":null,"web":false}]}}`, 1},
		"an address in one line":     {`{"success":{"code":200,"services":[{"id":1,"address":"1 Street","easting":4.5,"openingTimes":{"allHours":"TRUE","days":[{"day":"Monday","sessions":""}]}}]}}`, 1},
		"no services":                {`{"success":{"code":200,"servicesReturnedAreCatchAll":true,"services":[]}}`, 0},
		"no services, null":          {`{"success":{"code":200,"services":null}}`, 0},
		"a code in quotes":           {`{"success":{"code":"200","services":[{"id":1}]}}`, 1},
		"elements that nobody knows": {`{"x":1,"success":{"code":200,"y":[{}],"services":[{"id":1,"isNational":false,"symptomGroups":[{"id":1}]}]}}`, 1},
	} {
		list, err := answers(t, 200, c.body, &calls).ByID(t.Context(), "1")
		require.NoError(t, err, name)
		require.Len(t, list, c.services, name)
		for i := range list {
			require.Empty(t, list[i].Capacity, name) // what isn't said isn't known
		}
	}
}

func TestFaultsOfEveryMakeHaveTheirNumber(t *testing.T) {
	for name, c := range map[string]struct {
		fault     string
		code      int
		temporary bool
	}{
		"the directory's own":      {string(writeFault(faultPostcode, nsSOAP12)), 101, false},
		"one of SOAP 1.1":          {string(writeFault(faultPostcode, nsSOAP11)), 101, false},
		"with a prefix":            {`<e:Envelope xmlns:e="` + nsSOAP11 + `"><e:Body><e:Fault><faultcode>SOAP-ENV:104</faultcode><faultstring>x</faultstring></e:Fault></e:Body></e:Envelope>`, 104, false},
		"with a subcode":           {`<e:Envelope xmlns:e="` + nsSOAP12 + `"><e:Body><e:Fault><e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value>106</e:Value></e:Subcode></e:Code></e:Fault></e:Body></e:Envelope>`, 106, false},
		"that blames the sender":   {`<e:Envelope xmlns:e="` + nsSOAP12 + `"><e:Body><e:Fault><e:Code><e:Value>e:Sender</e:Value></e:Code></e:Fault></e:Body></e:Envelope>`, 0, false},
		"that blames the receiver": {`<e:Envelope xmlns:e="` + nsSOAP12 + `"><e:Body><e:Fault><e:Code><e:Value>e:Receiver</e:Value></e:Code></e:Fault></e:Body></e:Envelope>`, 500, true},
		"of a Java client's stack": {`<e:Envelope xmlns:e="` + nsSOAP11 + `"><e:Body><e:Fault><faultcode>e:Client</faultcode></e:Fault></e:Body></e:Envelope>`, 0, false},
	} {
		for _, status := range []int{200, 400, 500} {
			var calls atomic.Int32
			_, err := answers(t, status, c.fault, &calls).Search(t.Context(), someone())
			var fault *Fault
			require.ErrorAs(t, err, &fault, name)
			require.Equal(t, c.code, fault.Code, name)
			require.Equal(t, c.temporary, fault.Temporary(), name)
		}
	}
}

func TestWhatIsNoAnswerSaysWithWhatStatusItCame(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
	}{{200, ""}, {200, "<html><body>Log in</body></html>"}, {302, ""}, {401, "<html>"}, {403, "Forbidden"}, {404, "404"}, {200, `{"success":`}, {202, string(writeAnswer(&Answer{}))},
		{200, `<e:Envelope xmlns:e="` + nsSOAP12 + `"><e:Body/></e:Envelope>`}, {200, string(writeDetail(nil))}} {
		var calls atomic.Int32
		client := answers(t, c.status, c.body, &calls)
		_, err := client.Search(t.Context(), someone())
		require.ErrorIs(t, err, errAnswer, c.body)
		if c.status != 200 {
			var no *AnswerError
			require.ErrorAs(t, err, &no)
			require.Equal(t, c.status, no.Status)
		}
		_, err = client.ByODS(t.Context(), "B2002")
		require.ErrorIs(t, err, errAnswer, c.body)
		require.Equal(t, int32(2), calls.Load(), "it isn't repeated")
	}
}

func TestASlowDirectoryIsGivenUpAndACallerWhoLeftIsNoFailure(t *testing.T) {
	held := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		_, _ = io.WriteString(w, "<")
		w.(http.Flusher).Flush()
		select {
		case <-held:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(held)
	breaker := NewBreaker(time.Now)
	breaker.Failures = 1
	client := &Client{Base: server.URL, Breaker: breaker, Pause: func(context.Context, time.Duration) error { return errors.New("enough") }, Timeout: 50 * time.Millisecond}
	gone, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := client.Search(gone, someone())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.True(t, breaker.allow(), "the caller went, not the directory")
	_, err = client.Search(t.Context(), someone())
	require.ErrorIs(t, err, ErrUnavailable)
	require.False(t, breaker.allow())
}

func TestEveryPageOfAFHIRAnswerIsReadAndNoOtherServiceIsAsked(t *testing.T) {
	page := func(id, next string) string {
		link := ""
		if next != "" {
			link = `"link":[{"relation":"next","url":"` + next + `"}],`
		}
		return `{"resourceType":"Bundle","type":"searchset",` + link + `"entry":[{"resource":{"resourceType":"Endpoint","status":"active",` +
			`"connectionType":{"code":"itk"},"payloadType":[{"text":"x"}],"address":"https://` + id + `.example/"}}]}`
	}
	answer := map[string]string{"": page("a", "?page=2"), "2": page("b", "?page=3"), "3": page("c", "")}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, answer[r.URL.Query().Get("page")])
	}))
	defer server.Close()
	client := &FHIRClient{Base: server.URL + "/FHIR/R4"}
	list, err := client.Endpoints(t.Context(), "B2002")
	require.NoError(t, err)
	require.Len(t, list, 3)
	for _, next := range []string{"https://elsewhere.example/?page=2", "?page=2", "%zz"} {
		answer["2"], answer[""] = page("b", "?page=2"), page("a", next)
		_, err = client.Endpoints(t.Context(), "B2002")
		require.ErrorIs(t, err, errAnswer, "another service, a circle, no address")
	}
}
