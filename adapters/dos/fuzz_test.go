package dos

import (
	"testing"

	"github.com/onward-health/onward/fhir"
)

// FuzzSOAP reads what a directory or its caller may send.
func FuzzSOAP(f *testing.F) {
	f.Add(writeAnswer(&Answer{Transaction: "t", Services: []Service{{ID: "1", Ages: []AgeRange{{0, 1}}, Endpoints: []Endpoint{{Transport: "itk"}}}}}))
	f.Add(writeDetail([]Service{{ID: "1", Endpoints: []Endpoint{{Transport: "http", Format: "FHIR", Interaction: "Scheduling", Address: "ASID:109876543210"}}}}))
	f.Add(writeFault(faultLogin, nsSOAP12))
	f.Add(writeFault(faultLogin, nsSOAP11))
	f.Add(writeSearch(Account{"u", "p"}, &Case{Postcode: "ZZ99 3VZ", Discriminators: []int{1}}))
	f.Add([]byte(oldDetails))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := readEnvelope(raw)
		if err != nil {
			return
		}
		_ = readFault(e.Body)
		_, _ = readCase(e.Body.Child("c"))
		list, _ := readDetail(e.Body, "1")
		if a, err := readAnswer(e.Body); err == nil {
			list = append(list, a.Services...)
		}
		mapAll(t, list)
	})
}

// FuzzREST reads what the REST service may answer.
func FuzzREST(f *testing.F) {
	f.Add([]byte(`{"success":{"code":200,"services":[{"id":1,"phone":[],"capacity":{"status":""},"address":"a","openingTimes":{"allHours":"TRUE","days":null}}]}}`))
	f.Add([]byte(`{"success":{"code":200,"services":[{"id":"1","openingTimes":{"specifiedDates":[{"date":"25-12-2026","sessions":[]}]},"endpoints":[{"endpointOrder":1}]}]}}`))
	f.Add([]byte(`{"error":{"code":400,"message":"Bad Request"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, _, err := parseREST(raw)
		if err == nil {
			mapAll(t, list)
		}
	})
}

// FuzzEndpoint reads Endpoints of the FHIR service or of our own store.
func FuzzEndpoint(f *testing.F) {
	f.Add(EndpointResource(Endpoint{Order: 1, Transport: "itk", Format: "CDA", Interaction: "urn:i", Address: "https://x.test"}, "Organization/o").JSON())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if r, err := fhir.Parse(raw); err == nil {
			mapAll(t, []Service{{ID: "1", Endpoints: []Endpoint{EndpointOf(r)}}})
		}
	})
}

// FuzzDateSession reads opening times of dates.
func FuzzDateSession(f *testing.F) {
	f.Add("25-12-2026-00:00-00:00")
	f.Fuzz(func(t *testing.T, text string) {
		if d, ok := parseDateSession(text); ok && d.String() != text {
			t.Fatal("a session isn't written as it was read")
		}
	})
}

// mapAll makes of services what the room gets; it panics if that isn't FHIR.
func mapAll(t *testing.T, list []Service) {
	for i := range list {
		l := listed(&list[i], true)
		l.Resource.Resource()
		for _, e := range l.Endpoints {
			if e.Kind == 0 {
				continue
			}
			if e.Resource.Resource().Get("address").Text() == "" {
				t.Fatal("an endpoint without an address can't be sent to")
			}
		}
		_ = restServiceOf(&list[i])
	}
}
