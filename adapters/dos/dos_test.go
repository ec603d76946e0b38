package dos

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/fhirtest"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

// sample reads a published message, or skips the test where there are none.
func sample(t *testing.T, path ...string) []byte {
	t.Helper()
	raw, err := os.ReadFile(fhirtest.Published(t, append([]string{"samples", "dos"}, path...)...))
	require.NoError(t, err)
	return raw
}

func bodyOf(t *testing.T, raw []byte) *xmltree.Node {
	t.Helper()
	e, err := readEnvelope(raw)
	require.NoError(t, err)
	return e.Body
}

func TestDispositionCodesBecomeTheDirectorysNumbers(t *testing.T) {
	for code, want := range map[string]int{"Dx02": 1002, "Dx86": 1086, "Dx108": 1108, "Dx012": 11012, "dx05": 1005} {
		got, err := DispositionID(code)
		require.NoError(t, err, code)
		require.Equal(t, want, got, code)
	}
	for _, code := range []string{"", "Dx", "02", "Dx1", "Dx1234", "Dxab", "Dx+2"} {
		_, err := DispositionID(code)
		require.Error(t, err, code)
	}
}

func TestAnAnswerIsReadAsItIsWritten(t *testing.T) {
	now := time.Date(2026, 11, 20, 13, 8, 23, 0, nhs.London)
	want := &Answer{Transaction: "T-1", Requested: now, Searched: now, AgeInDays: 12783, Distance: 18, Source: ByDistrict, Services: []Service{{
		ID: "2000006423", ODS: "AB1234", Name: "A & <B>", PublicName: "B", Type: ServiceType{135, "UTC"}, Address: "1 Street, Town",
		Postcode: "ZZ99 1AA", Easting: 1, Northing: 2, URL: "https://x.test/?a=1&b=2", Phone: "01632 960101", Text: "public", Capacity: Low, Miles: "0.6",
		Sessions:     []Session{{"Monday", "Monday", Clock{8, 0}, Clock{18, 30}, "Open"}},
		Dates:        []DateSession{{Date: time.Date(2026, 12, 25, 0, 0, 0, 0, time.UTC)}},
		Attributes:   []Attribute{{"Boolean", "requirebooking", "d", "TRUE"}},
		Ages:         []AgeRange{{0, 47117}},
		Endpoints:    []Endpoint{{1, "itk", "CDA", "urn:x", Primary, "https://x.test/itk", true, "c"}},
		Professional: Professional{"01632 960102", "f", "professionals only"},
	}}}
	got, err := readAnswer(bodyOf(t, writeAnswer(want)))
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.True(t, got.Services[0].RequiresBooking())
	require.True(t, got.Services[0].Dates[0].Closed())
}

func TestACaseIsReadAsItIsWritten(t *testing.T) {
	at := time.Date(2026, 12, 1, 9, 30, 0, 0, time.UTC)
	want := &Case{Ref: "R", ID: "I", Postcode: "ZZ99 3VZ", Surgery: "C3003", Age: 35, AgeFormat: Years, Disposition: 1005, SymptomGroup: 1110,
		Discriminators: []int{4003, 4052}, Distance: 30, Force: true, Gender: "F", At: &at}
	got, fault := readCase(bodyOf(t, writeSearch(Account{"u", "p"}, want)).Child("c"))
	require.Nil(t, fault)
	require.True(t, at.Equal(*got.At))
	got.At = want.At
	require.Equal(t, want, got)
}

func TestOldEndpointsAreReadFromTheirStrings(t *testing.T) {
	six := oldEndpoint("itk", `https://a.test/x\|urn:i\|CDA\|Primary\|call first\|compressed`, 2)
	require.Equal(t, Endpoint{2, "itk", "CDA", "urn:i", Primary, "https://a.test/x", true, "call first"}, six)
	five := oldEndpoint("email", `a@b.test\|urn:i\|PDF\|Copy\|`, 1)
	require.Equal(t, Endpoint{1, "email", "PDF", "urn:i", Copy, "a@b.test", false, ""}, five)
}

func TestBookingTakesTheOneSchedulingEndpoint(t *testing.T) {
	booking := Endpoint{Transport: "http", Format: "FHIR", Interaction: "Scheduling", Address: "ASID:109876543210"}
	s := Service{Endpoints: []Endpoint{{Transport: "itk"}, booking}}
	got, err := s.Booking()
	require.NoError(t, err)
	require.Equal(t, &booking, got)
	s.Endpoints = append(s.Endpoints, booking)
	_, err = s.Booking()
	require.ErrorIs(t, err, errTwoBookingEndpoints)
	none, err := (&Service{}).Booking()
	require.NoError(t, err)
	require.Nil(t, none)
}

func TestEndpointsGoInTheirOrderByScenario(t *testing.T) {
	s := Service{Endpoints: []Endpoint{{Order: 3, Scenario: Primary}, {Order: 2, Scenario: Copy}, {Order: 1, Scenario: Primary}}}
	require.Equal(t, []Endpoint{{Order: 1, Scenario: Primary}, {Order: 3, Scenario: Primary}}, s.Send(Primary))
	require.Equal(t, []Endpoint{{Order: 2, Scenario: Copy}}, s.Send(Copy))
}

func TestPublishedAnswersOfEveryVersionAreRead(t *testing.T) {
	cases := []struct {
		path     []string
		services int
		first    string
	}{
		{[]string{"stub", "ccs-response.v1_5.soap12.xml"}, 2, "2000038407"},
		{[]string{"stub", "ccs-response.catch-all.v1_5.soap12.xml"}, 1, "2000090001"},
		{[]string{"soap", "CheckCapacitySummaryResponseEmpty.xml"}, 0, ""},
		{[]string{"soap", "cactus-dos-CheckCapacitySummary-v1_5.xml"}, -1, ""},
		{[]string{"soap", "CheckCapacitySummaryResponseOohAvailable.xml"}, -1, ""},
	}
	for _, c := range cases {
		t.Run(c.path[1], func(t *testing.T) {
			text, err := xmltree.ToUTF8(sample(t, c.path...), "")
			require.NoError(t, err)
			a, err := readAnswer(bodyOf(t, text))
			require.NoError(t, err)
			if c.services < 0 {
				require.NotEmpty(t, a.Services)
				require.NotEmpty(t, a.Services[0].Name)
				return
			}
			require.Len(t, a.Services, c.services)
			if c.first != "" {
				require.Equal(t, c.first, a.Services[0].ID)
			}
		})
	}
}

func TestPublishedFaultsAndDetailsAreRead(t *testing.T) {
	for name, code := range map[string]int{"fault-101": 101, "fault-103": 103, "fault-107": 107, "fault-302": 302, "fault-303": 303} {
		fault := readFault(bodyOf(t, sample(t, "stub", name+".soap12.xml")))
		require.NotNil(t, fault, name)
		require.Equal(t, code, fault.Code)
		require.NotEmpty(t, fault.Text)
		require.False(t, fault.Temporary())
	}
	old := readFault(bodyOf(t, sample(t, "soap", "CheckCapacitySummaryResponseFault.xml")))
	require.Equal(t, 1001, old.Code)
	list, err := readDetail(bodyOf(t, sample(t, "stub", "sdbid-response.v1_5.soap12.xml")), "x")
	require.NoError(t, err)
	require.Equal(t, "AB1234", list[0].ODS)
	require.Len(t, list[0].Endpoints, 2)
	list, err = readDetail(bodyOf(t, sample(t, "soap", "ServiceDetailsByIdResponse.xml")), "123")
	require.NoError(t, err)
	require.Equal(t, "123", list[0].ID)
	require.Equal(t, "urn:nhs-itk:interaction:primaryOutofHourRecipientNHS111CDADocument-v2-0", list[0].Endpoints[0].Interaction)
	require.Equal(t, Primary, list[0].Endpoints[0].Scenario)
}

func TestThePublishedRequestIsRead(t *testing.T) {
	e, err := readEnvelope(sample(t, "stub", "ccs-request.soap12.xml"))
	require.NoError(t, err)
	require.Equal(t, "1.5", e.Version)
	require.Equal(t, nsSOAP12, e.SOAP)
	c, fault := readCase(e.Body.Child("c"))
	require.Nil(t, fault)
	require.Equal(t, &Case{Ref: "CASEREF1234", ID: "CASEID123", Postcode: "NT1 1AA", Surgery: "EM396", Age: 35, AgeFormat: Years,
		Disposition: 1005, SymptomGroup: 1110, Discriminators: []int{4003}, Distance: 30, Gender: "M"}, c)
}

func TestPublishedRESTAnswersAreReadWhateverTheirNumbersAre(t *testing.T) {
	for name, first := range map[string]string{"pathways_multiple.json": "1326205878", "pathways_dispenser_FF072.json": "159395"} {
		list, fault, err := parseREST(sample(t, "rest", name))
		require.NoError(t, err, name)
		require.Nil(t, fault)
		require.Equal(t, first, list[0].ID)
		require.Equal(t, 13, list[0].Type.ID)
		require.NotZero(t, list[0].Easting)
		require.NotEmpty(t, list[0].Sessions)
	}
}

func TestPublishedFHIREndpointsAreRead(t *testing.T) {
	bundle, err := fhir.Parse(sample(t, "fhir-r4", "Bundle-ServiceDetailsByOdsCode-Example.json"))
	require.NoError(t, err)
	var list []Endpoint
	for e := range bundle.Get("entry").Items() {
		if r := e.Get("resource"); r.Get("resourceType").Text() == "Endpoint" {
			list = append(list, EndpointOf(r.Resource()))
		}
	}
	require.Len(t, list, 2)
	require.Equal(t, Endpoint{1, "email", "PDF", "urn:nhs-itk:interaction:primaryGeneralPractitionerRecipientNHS111CDADocument-v2-0", Primary, "dummy-endpoint@example.org", false, ""}, list[0])
	require.Equal(t, Copy, list[1].Scenario)
}

func TestAnEndpointIsTheSameAfterFHIR(t *testing.T) {
	for _, e := range []Endpoint{
		{1, "itk", "CDA", "urn:i", Primary, "https://x.test", true, ""},
		{4, "http", "FHIR", "Scheduling", Copy, "ASID:109876543210", false, ""},
		{2, "telno", "telno", "", Primary, "01632 960402", false, ""},
	} {
		require.Equal(t, e, EndpointOf(EndpointResource(e, "Organization/o").Resource()))
	}
}

func TestWhatIsForProfessionalsStaysOutOfPublicResources(t *testing.T) {
	s := &Service{ID: "1", Name: "n", Phone: "01632 960101", Text: "public", Professional: Professional{"01632 960999", "01632 960998", "secret route"}}
	public := string(HealthcareService(s, false).JSON())
	require.Contains(t, public, "01632 960101")
	for _, hidden := range []string{"960999", "960998", "secret route"} {
		require.NotContains(t, public, hidden)
	}
	require.Contains(t, string(HealthcareService(s, true).JSON()), "secret route")
}

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
