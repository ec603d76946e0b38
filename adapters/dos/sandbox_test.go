package dos

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store/sqlite"
)

// stand opens the stand-in over a room with the sample services.
func stand(t *testing.T) (*httptest.Server, *Client) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "o.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	desk := bars.NewDesk(db, bars.Options{Base: "http://127.0.0.1:8080/FHIR/R4", Log: quiet})
	_, err = desk.Load(t.Context(), bars.Caller{Door: "sandbox"}, hosted())
	require.NoError(t, err)
	s := NewSandbox(SandboxOptions{Records: desk.Records(), Root: "http://127.0.0.1:8080", Path: "/sandbox/dos",
		Now: func() time.Time { return friday }, NewID: func() string { return "T-1" }, Log: quiet})
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return server, &Client{Base: server.URL, Account: Account{"sandbox", "sandbox"}, Pause: func(context.Context, time.Duration) error { return nil }}
}

// hosted are services as the room hosts them.
func hosted() []*fhir.Resource {
	list := []*fhir.Resource{
		fhir.NewObject("Organization").Set("id", "B2002").
			Set("identifier", []*fhir.Object{fhir.Obj("system", nhs.SystemODS, "value", "B2002")}).Set("name", "Sandbox provider").Resource(),
		fhir.NewObject("Location").Set("id", "l1").Set("status", "active").
			Set("address", fhir.Obj("line", []string{"1 Sandbox Street"}, "city", "Testford", "postalCode", "ZZ99 3VZ")).Resource(),
	}
	for _, id := range []string{"2000072489", "2000073917", "2000011147", "1503499715"} {
		s := fhir.NewObject("HealthcareService").Set("id", id).
			Set("identifier", []*fhir.Object{fhir.Obj("system", nhs.SystemDoS, "value", id)}).Set("active", true)
		if id != "1503499715" {
			s.Set("providedBy", fhir.Obj("reference", "Organization/B2002")).Set("location", []*fhir.Object{fhir.Obj("reference", "Location/l1")})
		}
		list = append(list, s.Set("name", "Sandbox service "+id).Set("appointmentRequired", id == "2000073917").Resource())
	}
	return list
}

func TestTheClientFindsOurServicesInTheStandIn(t *testing.T) {
	_, client := stand(t)
	a, err := client.Search(t.Context(), someone())
	require.NoError(t, err)
	require.Equal(t, "2000072489 2000073917 2000011147 1503499715", ids(a))
	utc := a.Services[0]
	require.Equal(t, "B2002", utc.ODS)
	require.Equal(t, "0.1", utc.Miles)
	require.Equal(t, "http://127.0.0.1:8080/FHIR/R4", utc.Send(Primary)[0].Address)
	require.Contains(t, utc.Address, "ZZ99 3VZ")
	require.False(t, utc.RequiresBooking())
	require.True(t, a.Services[1].RequiresBooking())

	list, err := client.Details(t.Context(), "2000072489")
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Len(t, list[0].Endpoints, 3)
	list, err = client.Details(t.Context(), "B2002")
	require.NoError(t, err)
	require.Len(t, list, 3)
	_, err = client.Details(t.Context(), "9")
	var fault *Fault
	require.ErrorAs(t, err, &fault)
	require.Equal(t, 103, fault.Code)

	list, err = client.ByID(t.Context(), "2000011147")
	require.NoError(t, err)
	require.Equal(t, typeED, list[0].Type.ID)
	request := someone()
	request.AgeFormat, request.Age = AgeGroup, 1
	list, err = client.ByClinicalTerm(t.Context(), request, 1)
	require.NoError(t, err)
	require.Equal(t, "2000072489", list[0].ID)
}

func TestTheStandInsFHIRServiceGivesEndpoints(t *testing.T) {
	server, _ := stand(t)
	client := &FHIRClient{Base: server.URL + "/FHIR/R4"}
	list, err := client.Endpoints(t.Context(), "B2002")
	require.NoError(t, err)
	require.Len(t, list, 9)
	require.Equal(t, Copy, list[8].Scenario)
	none, err := client.Endpoints(t.Context(), "Z9999")
	require.NoError(t, err)
	require.Empty(t, none)

	for name, c := range map[string]struct {
		path, version, text string
	}{
		"no version":    {"/FHIR/R4/Organization?identifier=x&_revinclude=Endpoint:organization", "", "'version'"},
		"version 2":     {"/FHIR/R4/Organization?identifier=x&_revinclude=Endpoint:organization", "2", "version must be '1'"},
		"no include":    {"/FHIR/R4/Organization?identifier=x", "1", "'_revinclude'"},
		"wrong system":  {"/FHIR/R4/HealthcareService?organization.identifier=foo|ABCDE", "1", "Invalid identifier system"},
		"short code":    {"/FHIR/R4/HealthcareService?organization.identifier=https://fhir.nhs.uk/Id/ods-organization-code|ABC", "1", "must follow format"},
		"one parameter": {"/FHIR/R4/HealthcareService?organization.identifier=https://fhir.nhs.uk/Id/ods-organization-code|ABCDE&foo=1", "1", "Unexpected query parameter"},
	} {
		req, err := http.NewRequest(http.MethodGet, server.URL+c.path, nil)
		require.NoError(t, err)
		req.Header.Set("X-Request-Id", "c1ab3fba-6bae-4ba4-b257-5a87c44d4a91")
		if c.version != "" {
			req.Header.Set("version", c.version)
		}
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		require.Equal(t, http.StatusBadRequest, res.StatusCode, name)
		require.Contains(t, string(body), c.text, name)
		require.Equal(t, "c1ab3fba-6bae-4ba4-b257-5a87c44d4a91", res.Header.Get("X-Request-Id"))
	}
}

func TestWhoMayNotAskGetsTheNumberForIt(t *testing.T) {
	server, _ := stand(t)
	for account, code := range map[Account]int{{"sandbox", "wrong"}: 302, {"noperm", "sandbox"}: 303, {"", ""}: 1001} {
		client := &Client{Base: server.URL, Account: account}
		_, err := client.Search(t.Context(), someone())
		var fault *Fault
		require.ErrorAs(t, err, &fault)
		require.Equal(t, code, fault.Code)
	}
	_, err := (&Client{Base: server.URL, Account: Account{"noperm", "sandbox"}}).ByID(t.Context(), "2000072489")
	var fault *Fault
	require.ErrorAs(t, err, &fault)
	require.Equal(t, 401, fault.Code)
}

func TestRequestsThatCannotBeReadGetTheNumberForIt(t *testing.T) {
	server, _ := stand(t)
	good := string(writeSearch(Account{"sandbox", "sandbox"}, someone()))
	cases := []struct {
		name, body string
		code       string
	}{
		{"not XML", "hello", "108"},
		{"a document type", `<!DOCTYPE a>` + good, "108"},
		{"another SOAP", strings.ReplaceAll(good, nsSOAP12, "http://x.test/soap"), "108"},
		{"another version", strings.Replace(good, ">1.5<", ">9.9<", 1), "107"},
		{"another version without its namespace", strings.Replace(good, "<w:serviceVersion>1.5</w:serviceVersion>", "<serviceVersion>9.9</serviceVersion>", 1), "107"},
		{"no service id", string(writeDetails(Account{"sandbox", "sandbox"}, "")), "103"},
		{"an unknown operation", strings.ReplaceAll(good, "CheckCapacitySummary", "Other"), "108"},
		{"an age in words", strings.Replace(good, ">35<", ">old<", 1), "114"},
		{"no age", strings.Replace(good, "<w:age>35</w:age>", "", 1), "114"},
		{"a distance of nought", strings.Replace(good, "<w:forceSearch", "<w:searchDistance>0</w:searchDistance><w:forceSearch", 1), "105"},
		{"a date in words", strings.Replace(good, "</w:c>", "<w:searchDateTime>soon</w:searchDateTime></w:c>", 1), "108"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			res, err := http.Post(server.URL+soapPath, "application/soap+xml", strings.NewReader(c.body))
			require.NoError(t, err)
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			require.Equal(t, http.StatusInternalServerError, res.StatusCode)
			require.Contains(t, string(body), "<s:Value>"+c.code+"</s:Value>")
		})
	}
	// The default version, SOAP 1.1, another content type and elements that
	// aren't known are taken.
	lenient := strings.Replace(strings.ReplaceAll(good, nsSOAP12, nsSOAP11), "<w:serviceVersion>1.5</w:serviceVersion>", "", 1)
	lenient = strings.Replace(lenient, "</w:c>", "<w:newField>1</w:newField></w:c>", 1)
	res, err := http.Post(server.URL+soapPath, "application/xml", strings.NewReader(lenient))
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
}

func TestNoIdIsNoServices(t *testing.T) {
	d := &Directory{Services: []Profiled{{Service: Service{ID: "1"}}}} // of an organisation without a code
	require.Len(t, d.Details("1"), 1)
	require.Empty(t, d.Details(""))
}

func TestTheStandInsRESTErrorsAreTheDirectorysOwn(t *testing.T) {
	server, _ := stand(t)
	for path, text := range map[string]string{
		"/byClinicalTerm/0/ZZ993VZ/200/0/1/M/0/1110=4003/0": "no more than 100",
		"/byClinicalTerm/0/ZZ993VZ/x/0/1/M/0/1110=4003/0":   "must be numeric",
		"/byClinicalTerm/0/XX11XX/0/0/1/M/0/1110=4003/0":    "Invalid post code",
		"/byClinicalTerm/0/0/0/0/1/M/0/1110=4003/0":         "Postcode must be provided",
		"/byClinicalTerm/0/ZZ993VZ/0/0/7/M/0/1110=4003/0":   "age group ID",
		"/byClinicalTerm/0/ZZ993VZ/0/0/1/m/0/1110=4003/0":   "case sensitive",
		"/byClinicalTerm/0/ZZ993VZ/0/0/1/M/0/1110=9/0":      "combination supplied",
	} {
		req, err := http.NewRequest(http.MethodGet, server.URL+restPath+path, nil)
		require.NoError(t, err)
		req.SetBasicAuth("sandbox", "sandbox")
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		require.Equal(t, http.StatusBadRequest, res.StatusCode, path)
		require.Contains(t, string(body), text, path)
	}
}

func TestTheWSDLNamesOurAddressAndFitsWhatWeSend(t *testing.T) {
	server, _ := stand(t)
	res, err := http.Get(server.URL + soapPath + "?wsdl=1.5")
	require.NoError(t, err)
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	require.Contains(t, string(body), `location="http://127.0.0.1:8080/sandbox/dos/app/api/webservices"`)
	require.NotContains(t, string(body), "@@")
	if _, err := exec.LookPath("xmllint"); err != nil {
		t.Skip("no xmllint on this machine: the messages aren't checked against the WSDL's schema")
	}
	_, schema, _ := strings.Cut(string(body), "<wsdl:types>")
	schema, _, _ = strings.Cut(schema, "</wsdl:types>")
	schema = strings.Replace(schema, "<xs:schema ", `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:d="`+nsDoS+`" `, 1)
	dir := t.TempDir()
	write := func(name, text string) string { return writeFile(t, dir, name, text) }
	xsd := write("s.xsd", schema)
	full := Profiled{Service: Service{ID: "1", Type: ServiceType{1, "n"}, Sessions: []Session{{}}, Dates: []DateSession{{}}, Attributes: []Attribute{{}},
		Ages: []AgeRange{{0, 1.5}}, Endpoints: []Endpoint{{}}}}
	for name, message := range map[string][]byte{
		"request": writeSearch(Account{"u", "p"}, someone()), "answer": writeAnswer(&Answer{Services: []Service{full.Service}}),
		"details": writeDetails(Account{"u", "p"}, "1"), "detail": writeDetail([]Service{full.Service}),
	} {
		content := string(bodyOf(t, message).Standalone(message))
		out, err := exec.Command("xmllint", "--nonet", "--noout", "--schema", xsd, write(name+".xml", content)).CombinedOutput()
		require.NoError(t, err, "%s: %s", name, out)
	}
}

// answers is a directory that answers as the test says.
func answers(t *testing.T, status int, body string, calls *atomic.Int32) *Client {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return &Client{Base: server.URL, Pause: func(context.Context, time.Duration) error { return nil }}
}

func TestTheClientRepeatsOnlyWhatMaySucceedLater(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		calls  int32
		fails  error
	}{
		{"a fault about the request", 500, string(writeFault(faultGender, nsSOAP12)), 1, nil},
		{"a failure of the search", 500, string(writeFault(&Fault{100, "x"}, nsSOAP12)), 3, nil},
		{"a broken gateway", 502, "<html>", 3, ErrUnavailable},
		{"too many requests", 429, "", 3, ErrUnavailable},
		{"an answer that is none", 200, "<html/>", 1, errAnswer},
		{"a document type", 200, "<!DOCTYPE a><a/>", 1, errAnswer},
		{"an endless answer", 200, strings.Repeat("x", maxAnswer+1), 1, errAnswer},
	} {
		t.Run(c.name, func(t *testing.T) {
			var calls atomic.Int32
			_, err := answers(t, c.status, c.body, &calls).Search(t.Context(), someone())
			require.Error(t, err)
			require.Equal(t, c.calls, calls.Load())
			if c.fails != nil {
				require.ErrorIs(t, err, c.fails)
			}
		})
	}
}

func TestTheBreakerOpensAndClosesAgain(t *testing.T) {
	var calls atomic.Int32
	now := friday
	client := answers(t, 503, "", &calls)
	client.Breaker = NewBreaker(func() time.Time { return now })
	for range 3 {
		_, err := client.Search(t.Context(), someone())
		require.ErrorIs(t, err, ErrUnavailable)
	}
	require.Equal(t, int32(5), calls.Load()) // five failures, then none is let through
	now = now.Add(31 * time.Second)
	_, _ = client.Search(t.Context(), someone())
	require.Equal(t, int32(6), calls.Load()) // one tries
}

func TestErrorsOfTheClientHoldNoAddressAndNoPassword(t *testing.T) {
	client := &Client{Base: "http://127.0.0.1:1", Account: Account{"someone", "hunter2"}, Pause: func(context.Context, time.Duration) error { return errors.New("stop") }}
	_, err := client.ByClinicalTerm(t.Context(), &Case{Postcode: "ZZ99 3VZ", AgeFormat: AgeGroup, Age: 1, Discriminators: []int{1}}, 0)
	require.ErrorIs(t, err, ErrUnavailable)
	for _, hidden := range []string{"hunter2", "someone", "ZZ99", "127.0.0.1"} {
		require.NotContains(t, err.Error(), hidden)
	}
}

func TestABaseAddressMustBeSafe(t *testing.T) {
	for _, good := range []string{"https://dos.test", "https://dos.test/", "http://127.0.0.1:8080/sandbox/dos"} {
		_, err := SafeBase(good)
		require.NoError(t, err, good)
	}
	for _, bad := range []string{"", "dos.test", "http://dos.test", "https://u:p@dos.test", "https://dos.test?x=1", "ftp://dos.test"} {
		_, err := SafeBase(bad)
		require.Error(t, err, bad)
	}
}
