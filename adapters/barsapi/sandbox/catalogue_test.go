package sandbox

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

func organization(ods string) string {
	return `{"resourceType":"Organization","meta":{"lastUpdated":"2026-11-20T10:00:00Z"},
		"identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"` + ods + `"}],"name":"Sandbox provider"}`
}

// endpoint is one of a service and a product.
func endpoint(service, product, address string, changes ...string) string {
	return strings.NewReplacer(changes...).Replace(`{"resourceType":"Endpoint","meta":{"lastUpdated":"2026-11-20T10:00:00Z"},
		"identifier":[{"system":"https://fhir.nhs.uk/Id/dos-service-id","value":"` + service + `"},
			{"system":"https://fhir.nhs.uk/id/product-id","value":"` + product + `"}],
		"status":"active","name":"Sandbox endpoint",
		"connectionType":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/endpoint-connection-type","code":"hl7-fhir-msg"}]},
		"payloadType":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/endpoint-payload-type","code":"bars"}]}],
		"managingOrganization":[{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"A1001"}}],
		"address":"` + address + `","header":"public"}`)
}

func service(id, product string, endpoints ...string) string {
	list := ""
	for _, e := range endpoints {
		list += `,{"reference":"` + e + `"}`
	}
	if list != "" {
		list = `,"endpoint":[` + list[1:] + `]`
	}
	return `{"resourceType":"HealthcareService","meta":{"lastUpdated":"2026-11-20T10:00:00Z"},
		"identifier":[{"system":"http://fhir.nhs.uk/Id/dos-service-id","value":"` + id + `"},{"system":"https://fhir.nhs.uk/Id/product-id","value":"` + product + `"}],
		"active":true,"providedBy":[{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"A1001"}}],"name":"Sandbox service"` + list + `}`
}

// epc are the headers of a catalogue request.
func epc(changes ...string) http.Header {
	return with(append([]string{headerTarget + ":", "Accept: application/fhir+json;"}, changes...)...)
}

// enter creates a record and gives its reference.
func (sc *scene) enter(path, body string) string {
	sc.t.Helper()
	got := sc.do("POST", path, epc(), body)
	require.Equal(sc.t, 201, got.status, "%s", got.body)
	return got.json(sc.t).Type() + "/" + got.json(sc.t).ID()
}

func (sc *scene) slots(service string) *answer {
	return sc.do("GET", "/Slot", with(headerTarget+":"+targetHeader(nhs.SystemDoS, service)), "")
}

func TestAServiceWithAnEndpointIsRoutedTo(t *testing.T) {
	rec := newReceiver(t, ok)
	sc := newScene(t)
	require.Equal(t, 404, sc.slots("3000000001").status)
	e := sc.enter("/Endpoint", strings.Replace(endpoint("x", "p-1", rec.url+"/FHIR/R4/"), `{"system":"https://fhir.nhs.uk/Id/dos-service-id","value":"x"},`, "", 1))
	require.Equal(t, 404, sc.slots("3000000001").status)
	s := sc.enter("/HealthcareService", service("3000000001", "p-1", e))
	require.Equal(t, 200, sc.slots("3000000001").status)
	r, _ := rec.seen()
	require.Equal(t, "/FHIR/R4/Slot", r.RequestURI)

	require.Equal(t, 200, sc.do("PUT", "/"+s, epc(), strings.Replace(service("3000000001", "p-1", e), `"active":true`, `"active":false`, 1)).status)
	require.Equal(t, 404, sc.slots("3000000001").status, "a service that isn't active has no endpoint in force")
}

// Ensure that an endpoint is in force only if its status and the service's active
// both say so, whichever of them is changed.
func TestAnEndpointAndItsServiceSwitchEachOtherOff(t *testing.T) {
	rec := newReceiver(t, ok)
	sc := newScene(t)
	e := sc.enter("/Endpoint", endpoint("3000000001", "p-1", rec.url))
	s := sc.enter("/HealthcareService", service("3000000001", "p-2", e))
	for _, row := range []struct {
		status, active string
		want           int
	}{
		{"active", "true", 200}, {"active", "false", 404}, {"off", "false", 404}, {"off", "true", 404}, {"suspended", "true", 404}, {"active", "true", 200},
	} {
		require.Equal(t, 200, sc.do("PUT", "/"+e, epc(), endpoint("3000000001", "p-1", rec.url, `"active"`, `"`+row.status+`"`)).status)
		require.Equal(t, 200, sc.do("PUT", "/"+s, epc(), strings.Replace(service("3000000001", "p-2", e), `"active":true`, `"active":`+row.active, 1)).status)
		require.Equal(t, row.want, sc.slots("3000000001").status, "%+v", row)
	}
}

func TestAnEndpointWithTheServicesIdentifierIsRoutedTo(t *testing.T) {
	rec := newReceiver(t, ok)
	sc := newScene(t, routed("http://127.0.0.1:1"))
	e := sc.enter("/Endpoint", endpoint("2000099999", "p-1", rec.url))
	require.Equal(t, 200, sc.slots("2000099999").status, "the catalogue goes before the fixed routes")
	for name, change := range map[string][2]string{
		"status": {`"active"`, `"suspended"`},
		"period": {`"header"`, `"period":{"end":"2020-01-01T00:00:00Z"},"header"`},
		"begins": {`"header"`, `"period":{"start":"2126-01-01T00:00:00Z"},"header"`},
	} {
		got := sc.do("PUT", "/"+e, epc(), endpoint("2000099999", "p-1", rec.url, change[0], change[1]))
		require.Equal(t, 200, got.status, "%s", got.body)
		require.Equal(t, 503, sc.slots("2000099999").status, name+": the fixed route is asked, where nobody is")
	}
}

func TestTwoEndpointsForOneTargetAreNoRoute(t *testing.T) {
	rec := newReceiver(t, ok)
	sc := newScene(t)
	sc.enter("/Endpoint", endpoint("3000000001", "p-1", rec.url))
	sc.enter("/Endpoint", endpoint("3000000001", "p-2", rec.url))
	got := sc.slots("3000000001")
	require.Equal(t, 404, got.status)
	code, issue := got.code(t)
	require.Equal(t, "PROXY_NOT_FOUND multiple-matches", code+" "+issue)
}

func TestEveryTypeOfTheCatalogueLivesItsLife(t *testing.T) {
	for path, body := range map[string]string{
		"/Organization":       organization("A1001"),
		"/HealthcareService":  service("3000000001", "p-1"),
		"/Endpoint":           endpoint("3000000001", "p-1", "http://receiver.example"),
		"/Endpoint/$template": endpoint("3000000001", "p-1", "http://receiver.example"),
	} {
		t.Run(path, func(t *testing.T) {
			sc := newScene(t)
			created := sc.do("POST", path, epc(), body)
			require.Equal(t, 201, created.status, "%s", created.body)
			require.Equal(t, catalogueType, created.header.Get("Content-Type"))
			at := strings.TrimPrefix(created.header.Get("Location"), root+ProxyPath)
			read := func() *answer { return sc.do("GET", at, epc(), "") }
			if path == "/Endpoint/$template" { // has no read
				require.Equal(t, 405, read().status)
				read = func() *answer { return &answer{status: 404} }
			} else {
				require.Equal(t, created.body, read().body)
			}

			again := sc.do("POST", path, epc(), body)
			require.Equal(t, 409, again.status)
			code, issue := again.code(t)
			require.Equal(t, "CONFLICT duplicate", code+" "+issue)

			found := sc.do("GET", path+"?identifier="+identifierIn(created.json(t)), epc(), "")
			require.Equal(t, 200, found.status, "%s", found.body)
			require.Equal(t, 1, found.json(t).Get("entry").Len())

			later := strings.Replace(body, "2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z", 1)
			require.Equal(t, 200, sc.do("PUT", at, epc(), later).status)
			stale := sc.do("PUT", at, epc(), body)
			require.Equal(t, 409, stale.status, "older than what is there")
			changed := sc.do("PUT", at, epc(), strings.NewReplacer(`"p-1"`, `"p-9"`, `"A1001"`, `"B2002"`).Replace(later))
			require.Equal(t, 400, changed.status, "identifiers never change: %s", changed.body)

			other := epc(headerOrganisation + ":" + organisationHeader("B2002"))
			require.Equal(t, 403, sc.do("PUT", at, other, later).status)
			require.Equal(t, 403, sc.do("DELETE", at, other, "").status)
			gone := sc.do("DELETE", at, epc(), "")
			require.Equal(t, 200, gone.status)
			require.Equal(t, "OperationOutcome", gone.json(t).Type())
			require.Equal(t, 404, read().status)
			require.Zero(t, sc.do("GET", path+"?identifier="+identifierIn(created.json(t)), epc(), "").json(t).Get("entry").Len())
			require.Equal(t, 201, sc.do("PUT", at, epc(), body).status, "PUT creates what isn't there")
		})
	}
}

func identifierIn(res *fhir.Resource) string {
	id := res.Get("identifier").At(0)
	return id.Get("system").Text() + "%7C" + id.Get("value").Text()
}

func TestTemplatesAndEndpointsKeepApart(t *testing.T) {
	sc := newScene(t)
	ref := sc.enter("/Endpoint/$template", endpoint("3000000001", "p-1", "http://receiver.example"))
	require.Equal(t, 404, sc.do("GET", "/"+ref, epc(), "").status)
	require.Equal(t, 404, sc.slots("3000000001").status, "a template is no route")
	for name, meta := range map[string]string{"p-5": "", "p-6": `"meta":{"profile":["http://hl7.org/fhir/StructureDefinition/Endpoint"]},`} {
		body := strings.Replace(endpoint("3000000001", name, "http://receiver.example"), `"meta":{"lastUpdated":"2026-11-20T10:00:00Z"},`, meta, 1)
		got := sc.do("POST", "/Endpoint/$template", epc(), body) // as published
		require.Equal(t, 201, got.status, "%s", got.body)
		require.Equal(t, fhir.FormatInstant(sc.at.Now()), got.json(t).Get("meta", "lastUpdated").Text())
		require.Equal(t, meta != "", got.json(t).Get("meta", "profile").Exists())
		require.Equal(t, 400, sc.do("POST", "/Endpoint", epc(), body).status, "an endpoint needs it")
	}
	query := "/Endpoint/$template?Endpoint.identifier=https://fhir.nhs.uk/id/product-id%7Cp-1"
	for more, want := range map[string]int{"": 1, "&ConnectionType=hl7-fhir-msg": 1, "&ConnectionType=hl7-fhir-rest": 0, "&PayloadType=http://terminology.hl7.org/CodeSystem/endpoint-payload-type%7Cbars": 1} {
		require.Equal(t, want, sc.do("GET", query+more, epc(), "").json(t).Get("entry").Len(), more)
	}
}

func TestEndpointsAreFoundByTheirService(t *testing.T) {
	sc := newScene(t)
	e := sc.enter("/Endpoint", endpoint("3000000001", "p-1", "http://receiver.example"))
	s := sc.enter("/HealthcareService", service("3000000001", "p-1", e))
	for query, want := range map[string]int{
		"/Endpoint?_has:HealthcareService.Identifier=https://fhir.nhs.uk/Id/dos-service-id%7C3000000001":                      1,
		"/Endpoint?_has:HealthcareService.Identifier=https://fhir.nhs.uk/Id/dos-service-id%7C1":                               0,
		"/Endpoint?_has:HealthcareService.Id=" + strings.TrimPrefix(s, "HealthcareService/"):                                  1,
		"/Endpoint?Endpoint.identifier=https://fhir.nhs.uk/Id/product-id%7Cp-1":                                               1,
		"/Endpoint?Endpoint.identifier=https://fhir.nhs.uk/Id/product-id%7Cp-1&_has:HealthcareService.Id=" + uuid.NewString(): 0,
		"/HealthcareService?HealthcareService.providedBy=https://fhir.nhs.uk/Id/ods-organization-code%7CA1001":                1,
		"/HealthcareService?HealthcareService.identifier=https://fhir.nhs.uk/id/dos-service-id%7C3000000001":                  1,
	} {
		got := sc.do("GET", query, epc(), "")
		require.Equal(t, 200, got.status, "%s %s", query, got.body)
		require.Equal(t, want, got.json(t).Get("entry").Len(), query)
	}
	for query, issue := range map[string]string{"/Endpoint": "required", "/Endpoint?colour=x%7Cy": "value", "/Endpoint?identifier=x": "value", "/Organization?HealthcareService.providedBy=a%7Cb": "value"} {
		got := sc.do("GET", query, epc(), "")
		require.Equal(t, 400, got.status, query)
		_, is := got.code(t)
		require.Equal(t, issue, is, query)
	}
}

func TestAPrivateAddressIsForItsOwner(t *testing.T) {
	sc := newScene(t)
	private := sc.enter("/Endpoint", endpoint("3000000001", "p-1", "http://receiver.example", `"public"`, `["private"]`))
	other := epc(headerOrganisation + ":" + organisationHeader("B2002"))
	query := "/Endpoint?Endpoint.identifier=https://fhir.nhs.uk/Id/product-id%7Cp-1"
	require.Contains(t, string(sc.do("GET", "/"+private, epc(), "").body), "receiver.example")
	require.Contains(t, string(sc.do("GET", query, epc(), "").body), "receiver.example")
	for _, h := range []http.Header{other, epc(headerOrganisation + ":")} {
		for _, path := range []string{"/" + private, query} {
			got := sc.do("GET", path, h, "")
			require.Equal(t, 200, got.status)
			require.NotContains(t, string(got.body), "receiver.example")
		}
	}
}

func TestAServiceHasOneEndpointOfAType(t *testing.T) {
	sc := newScene(t)
	one := sc.enter("/Endpoint", endpoint("3000000001", "p-1", "http://receiver.example"))
	two := sc.enter("/Endpoint", endpoint("3000000001", "p-2", "http://receiver.example"))
	other := sc.enter("/Endpoint", endpoint("3000000001", "p-1", "http://receiver.example", "hl7-fhir-msg", "hl7-fhir-rest"))
	got := sc.do("POST", "/HealthcareService", epc(), service("3000000001", "p-1", one, two))
	require.Equal(t, 409, got.status)
	_, issue := got.code(t)
	require.Equal(t, "duplicate", issue)
	for name, endpoints := range map[string][]string{"unknown": {"Endpoint/x"}, "twice": {one, one}, "no endpoint": {"Patient/x"}} {
		require.Equal(t, 400, sc.do("POST", "/HealthcareService", epc(), service("3000000001", "p-1", endpoints...)).status, name)
	}
	s := sc.enter("/HealthcareService", service("3000000001", "p-1"))
	require.Equal(t, 200, sc.do("PUT", "/"+s, epc(), service("3000000001", "p-1", one, other)).status, "endpoints may be given once")
	require.Equal(t, 400, sc.do("PUT", "/"+s, epc(), service("3000000001", "p-1", other)).status, "then they stay")
}

func TestWhatARecordOfTheCatalogueMustHave(t *testing.T) {
	sc := newScene(t, func(o *Options) {
		o.Allowed = func(address string) error {
			if strings.Contains(address, "10.0.0.1") {
				return errors.New("it is not public")
			}
			return nil
		}
	})
	change := func(old, new string) string {
		return endpoint("3000000001", "p-1", "http://receiver.example", old, new)
	}
	for name, c := range map[string][2]string{
		"name":             {"/Endpoint", change(`"name"`, `"_name"`)},
		"status":           {"/Endpoint", change(`"active"`, `"on"`)},
		"header":           {"/Endpoint", change(`"public"`, `"secret"`)},
		"product":          {"/Endpoint", change("id/product-id", "id/other")},
		"manager":          {"/Endpoint", change("ods-organization-code", "other")},
		"connection":       {"/Endpoint", change(`"connectionType":{"coding"`, `"connectionType":{"other"`)},
		"time":             {"/Endpoint", change("2026-11-20T10:00:00Z", "now")},
		"address":          {"/Endpoint", change("http://receiver.example", "receiver")},
		"address, file":    {"/Endpoint", change("http://receiver.example", "file:///etc/passwd")},
		"address, query":   {"/Endpoint", change("http://receiver.example", "http://receiver.example?a=b")},
		"address, login":   {"/Endpoint", change("http://receiver.example", "http://a:b@receiver.example")},
		"address, private": {"/Endpoint", change("http://receiver.example", "http://10.0.0.1")},
		"address, itself":  {"/Endpoint", change("http://receiver.example", root+ProxyPath)},
		"active":           {"/HealthcareService", strings.Replace(service("1", "p"), `"active":true`, `"active":"yes"`, 1)},
		"service":          {"/HealthcareService", strings.Replace(service("1", "p"), `{"system":"http://fhir.nhs.uk/Id/dos-service-id","value":"1"},`, "", 1)},
		"ODS":              {"/Organization", strings.Replace(organization("A1001"), "ods-organization-code", "other", 1)},
		"type":             {"/Organization", `{"resourceType":"Patient"}`},
	} {
		got := sc.do("POST", c[0], epc(), c[1])
		require.Equal(t, 400, got.status, "%s: %s", name, got.body)
		code, _ := got.code(t)
		require.Equal(t, "SEND_BAD_REQUEST", code, name)
	}
	got := sc.do("POST", "/Organization", epc(headerOrganisation+":"), organization("A1001"))
	require.Equal(t, 400, got.status)
	_, issue := got.code(t)
	require.Equal(t, "required", issue)
}

func TestAnAddressThatIsNoLongerAllowedIsNotCalled(t *testing.T) {
	rec := newReceiver(t, ok)
	sc := newScene(t)
	sc.enter("/Endpoint", endpoint("3000000001", "p-1", rec.url))
	sc.s.o.Allowed = func(string) error { return errors.New("no") }
	require.Equal(t, 404, sc.slots("3000000001").status)
	r, _ := rec.seen()
	require.Nil(t, r)
}

func TestVerbsAndPathsOfTheCatalogue(t *testing.T) {
	sc := newScene(t)
	for path, allow := range map[string]string{"/Endpoint": "GET, POST", "/Endpoint/x": "GET, PUT, DELETE", "/Endpoint/$template": "GET, POST", "/Endpoint/x/$template": "PUT, DELETE"} {
		got := sc.do("PATCH", path, epc(), "{}")
		require.Equal(t, 405, got.status, path)
		require.Equal(t, allow, got.header.Get("Allow"), path)
	}
	require.Equal(t, 404, sc.do("GET", "/Organization/x/y", epc(), "").status)
	require.Equal(t, 400, sc.do("GET", "/Organization/_", epc(), "").status)
}

func TestTheReceiversBaseReachesRegistryAndCatalogueWithoutAToken(t *testing.T) {
	sc, _ := registered(t)
	national := sc.s.National(root+"/FHIR/R4", "/FHIR/R4")
	got := ask(t, national, "POST", "/FHIR/R4/Organization", epc(), organization("A1001"))
	require.Equal(t, 201, got.status, "%s", got.body)
	require.Contains(t, got.header.Get("Location"), root+"/FHIR/R4/Organization/")
	require.Equal(t, 400, ask(t, national, "GET", "/FHIR/R4/Organization", with("X-Request-Id:"), "").status)
	require.Equal(t, 406, ask(t, national, "GET", "/FHIR/R4/DocumentReference", epc(), "").status)
}
