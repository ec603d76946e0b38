package dos

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/internal/xmltree"
)

// soapUI is a request as SoapUI makes it of the published description: its
// comments left in, elements in their order.
const soapUI = `<soapenv:Envelope xmlns:soapenv="@SOAP@" xmlns:web="https://nww.pathwaysdos.nhs.uk/app/api/webservices">
   <soapenv:Header>
      <web:serviceVersion>1.5</web:serviceVersion>
   </soapenv:Header>
   <soapenv:Body>
      <web:CheckCapacitySummary>
         <web:userInfo>
            <web:username>sandbox</web:username>
            <web:password>sandbox</web:password>
         </web:userInfo>
         <web:c>
            <!--Optional:-->
            <web:caseRef></web:caseRef>
            <!--Optional:-->
            <web:caseId/>
            <web:postcode>zz993vz</web:postcode>
            <!--Optional:-->
            <web:surgery>UNK</web:surgery>
            <web:age>35</web:age>
            <web:ageFormat>Years</web:ageFormat>
            <web:disposition>1005</web:disposition>
            <web:symptomGroup>1110</web:symptomGroup>
            <web:symptomDiscriminatorList>
               <!--Zero or more repetitions:-->
               <web:int>4003</web:int>
               <web:int>4003</web:int>
               <web:int>1</web:int>
            </web:symptomDiscriminatorList>
            <!--Optional:-->
            <web:searchDistance>30</web:searchDistance>
            <web:forceSearchDistance>false</web:forceSearchDistance>
            <web:gender>M</web:gender>
         </web:c>
      </web:CheckCapacitySummary>
   </soapenv:Body>
</soapenv:Envelope>`

func post(t *testing.T, url, contentType, body string) (int, string, string) {
	t.Helper()
	res, err := http.Post(url, contentType, strings.NewReader(body))
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, res.Header.Get("Content-Type"), string(text)
}

func TestRequestsOfOtherClientsAreTaken(t *testing.T) {
	server, _ := stand(t)
	soap12 := strings.Replace(soapUI, "@SOAP@", nsSOAP12, 1)
	utf16 := []byte{0xFE, 0xFF}
	for _, r := range soap12 {
		utf16 = append(utf16, byte(r>>8), byte(r))
	}
	for name, c := range map[string]struct{ contentType, body string }{
		"SoapUI":                        {`application/soap+xml;charset=UTF-8;action="` + nsDoS + `/CheckCapacitySummary"`, soap12},
		"a consumer of application/xml": {"application/xml", soap12},
		"a WCF client":                  {`application/soap+xml; charset=utf-8`, strings.Replace(soap12, "<soapenv:Header>", `<soapenv:Header><a:Action xmlns:a="http://www.w3.org/2005/08/addressing" soapenv:mustUnderstand="1">x</a:Action>`, 1)},
		"UTF-16":                        {"application/soap+xml", string(utf16)},
		"the default version":           {"application/soap+xml", strings.Replace(soap12, "<web:serviceVersion>1.5</web:serviceVersion>", "", 1)},
		"no header":                     {"application/soap+xml", soap12[:strings.Index(soap12, "<soapenv:Header>")] + soap12[strings.Index(soap12, "<soapenv:Body>"):]},
		"elements that nobody knows":    {"application/soap+xml", strings.Replace(soap12, "</web:c>", "<web:newField>1</web:newField><x xmlns='urn:y'/></web:c>", 1)},
		"with what may be left out":     {"application/soap+xml", strings.Replace(strings.Replace(soap12, "<web:gender>M</web:gender>", "", 1), "<web:disposition>1005</web:disposition>", "", 1)},
	} {
		status, kind, body := post(t, server.URL+soapPath, c.contentType, c.body)
		require.Equal(t, http.StatusOK, status, "%s: %s", name, body)
		require.Equal(t, "application/soap+xml; charset=utf-8", kind, name)
		require.Contains(t, body, "<w:id>2000072489</w:id>", name)
	}
}

func TestTheStandInAnswersInTheSOAPVersionOfTheRequest(t *testing.T) {
	server, client := stand(t)
	soap11 := strings.Replace(soapUI, "@SOAP@", nsSOAP11, 1)
	status, kind, body := post(t, server.URL+soapPath, "text/xml; charset=utf-8", soap11)
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, "text/xml; charset=utf-8", kind)
	e, err := readEnvelope([]byte(body))
	require.NoError(t, err)
	require.Equal(t, nsSOAP11, e.SOAP)

	for soap, want := range map[string]string{nsSOAP11: "<faultcode>106</faultcode>", nsSOAP12: "<s:Value>106</s:Value>", "urn:other": "<s:Value>108</s:Value>"} {
		status, _, body = post(t, server.URL+soapPath, "text/xml", strings.Replace(strings.Replace(soapUI, "@SOAP@", soap, 1), ">M<", ">X<", 1))
		require.Equal(t, http.StatusInternalServerError, status)
		require.Contains(t, body, want)
		_, err := xmltree.Read([]byte(body), xmltree.Rules{})
		require.NoError(t, err)
	}
	client.Account.Password = "wrong" // the account is checked before the version
	status, _, body = post(t, server.URL+soapPath, "text/xml", strings.NewReplacer("@SOAP@", nsSOAP12, ">1.5<", ">9.9<", "<web:password>sandbox", "<web:password>wrong").Replace(soapUI))
	require.Equal(t, http.StatusInternalServerError, status)
	require.Contains(t, body, "<s:Value>302</s:Value>")
	_, _, body = post(t, server.URL+soapPath, "text/xml", `<s:Envelope xmlns:s="`+nsSOAP12+`"><s:Body><d:GetHospitalScores xmlns:d="`+nsDoS+`"><d:userInfo><d:username>sandbox</d:username><d:password>sandbox</d:password></d:userInfo></d:GetHospitalScores></s:Body></s:Envelope>`)
	require.Contains(t, body, "GetHospitalScoresResult")
}

// Ensure that the REST searches keep to gender, age group, search role and the
// patient's practice.
func TestRESTSearchesGoByWhoAndWhere(t *testing.T) {
	server, client := stand(t)
	who := &Case{Postcode: "ZZ99 3VZ", AgeFormat: AgeGroup, Age: 8, Gender: "F", SymptomGroup: 1110, Discriminators: []int{4003}}
	list, err := client.ByServiceType(t.Context(), who, []int{135, 46}, 1)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "2000072489", list[0].ID)
	list, err = client.ByServiceType(t.Context(), who, []int{999}, 0)
	require.NoError(t, err)
	require.Empty(t, list)
	_, err = client.ByServiceType(t.Context(), &Case{AgeFormat: Years}, nil, 0)
	require.Error(t, err)
	get := func(path string) (int, string) {
		req, err := http.NewRequest(http.MethodGet, server.URL+restPath+path, nil)
		require.NoError(t, err)
		req.SetBasicAuth("sandbox", "sandbox")
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(text)
	}
	status, body := get("/byServiceType/0/ZZ993VZ/0/12345/1/M/0/135/0")
	require.Equal(t, 400, status)
	require.Contains(t, body, "patient's practice does not exist")
	status, body = get("/byServiceType/0/ZZ993VZ/0/2000072489/1/M/0/135/0")
	require.Equal(t, 200, status)
	require.Contains(t, body, `"serviceCount":2`)
	require.Contains(t, body, `"servicesReturnedAreCatchAll":"FALSE"`)
	status, body = get("/byServiceId/2000072489")
	require.Equal(t, 200, status)
	require.Contains(t, body, `"easting":400100`)

	x := service("1", 135, 400_000, func(s *Profiled) { s.Genders, s.Ages = []string{"F"}, []AgeRange{{0, 5843}} })
	require.True(t, x.takes("F", restAges["2"]))
	require.True(t, x.takes("0", restAges["4"]))
	require.False(t, x.takes("M", restAges["2"]))
	require.False(t, x.takes("F", restAges["1"]))
	require.False(t, x.takes("F", restAges["8"]))
}
