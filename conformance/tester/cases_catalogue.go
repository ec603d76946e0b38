package tester

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/onward-health/onward/fhir"
)

func catalogueCases() []Case {
	needs := []string{"Endpoint create", "Endpoint read", "Endpoint search-type", "Endpoint update", "Endpoint delete"}
	services := append([]string{"HealthcareService create", "HealthcareService search-type", "HealthcareService delete"}, needs...)
	const of = " (BaRS Core, endpoint catalogue)"
	return []Case{
		{"catalogue/endpoint", "POST /Endpoint answers 200 or 201 with the record under the catalogue's id, and it is found by its identifier" + of, needs, newEndpoint},
		{"catalogue/service", "A HealthcareService with its endpoint is found by its identifier and provider, the Endpoint by its service" + of, services, newService},
		{"catalogue/organization", "POST /Organization enters an organisation, which is found by its identifier" + of, []string{"Organization create", "Organization search-type", "Organization delete"}, newOrganization},
		{"catalogue/template", "A template for endpoints is found by identifier, connection and payload, and is no Endpoint" + of, needs, newTemplate},
		{"catalogue/duplicate", "A second record with the same identifiers is 409 duplicate" + of, needs, secondEndpoint},
		{"catalogue/one-of-a-type", "A second endpoint of a type at one service is 409 duplicate" + of, services, twoOfAType},
		{"catalogue/update", "PUT of what is there is 200 and changes it, PUT of what isn't there is 200 or 201" + of, needs, putEndpoint},
		{"catalogue/stale", "An update older than what is there is refused, 409 or 400" + of, needs, staleEndpoint},
		{"catalogue/immutable", "An update of identifier or managing organisation is 400" + of, needs, immutableEndpoint},
		{"catalogue/owner", "PUT and DELETE by another than the owner are 403" + of, needs, strangersEndpoint},
		{"catalogue/private", "The address of a private endpoint is shown to its owner alone" + of, needs, privateEndpoint},
		{"catalogue/delete", "DELETE is 200 with an OperationOutcome, and the record gone" + of, needs, deleteEndpoint},
	}
}

// systemOf the identifiers that the catalogue knows.
const (
	systemService = "https://fhir.nhs.uk/Id/dos-service-id"
	systemProduct = "https://fhir.nhs.uk/Id/product-id"
	systemODS     = "https://fhir.nhs.uk/Id/ods-organization-code"
)

// listed is a record of the catalogue.
type listed struct {
	*creation
	product string
	body    string
}

// newProduct is an identifier that no other run has.
func (s *session) newProduct() string {
	return "CONFORM-" + strings.ToUpper(strings.ReplaceAll(s.NewID(), "-", ""))
}

func identifiers(pairs ...string) []*fhir.Object {
	var out []*fhir.Object
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, fhir.Obj("system", pairs[i], "value", pairs[i+1]))
	}
	return out
}

// endpointOf is an Endpoint of a product, or a template for some.
func (s *session) endpointOf(product string) string {
	coded := func(system, code string) *fhir.Object {
		return fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", "http://terminology.hl7.org/CodeSystem/"+system, "code", code)})
	}
	return string(fhir.NewObject("Endpoint").
		Set("meta", fhir.Obj("lastUpdated", "2026-11-20T10:00:00Z")).
		Set("identifier", identifiers(systemProduct, product)).
		Set("status", "active").
		Set("name", "Endpoint of a conformance test").
		Set("connectionType", coded("endpoint-connection-type", "hl7-fhir-msg")).
		Set("payloadType", []*fhir.Object{coded("endpoint-payload-type", "bars")}).
		Set("managingOrganization", []*fhir.Object{fhir.Obj("identifier", fhir.Obj("system", systemODS, "value", s.Organisation))}).
		Set("address", "https://receiver.example/FHIR/R4").
		Set("header", "public").JSON())
}

// enter creates a record; typ is the path below the base.
func (s *session) enter(typ, body string) (*listed, error) {
	a, err := s.do(s.national(http.MethodPost, "/"+typ, []byte(body)))
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK && a.status != http.StatusCreated {
		return nil, fmt.Errorf("POST /%s is answered %d, wanted 200 or 201", typ, a.status)
	}
	if a.resource == nil || a.resource.Type() != strings.TrimSuffix(typ, "/$template") || a.resource.ID() == "" {
		return nil, errors.New("the answer isn't the record with its id")
	}
	e := &listed{creation: &creation{typ: typ, id: a.resource.ID()}, body: body}
	s.made = append(s.made, e.creation)
	return e, a.fault
}

func (s *session) enterEndpoint(changes ...string) (*listed, error) {
	product := s.newProduct()
	e, err := s.enter("Endpoint", strings.NewReplacer(changes...).Replace(s.endpointOf(product)))
	if err != nil {
		return nil, err
	}
	e.product = product
	return e, nil
}

// listedEndpoint is the endpoint that several cases look at.
func (s *session) listedEndpoint() (*listed, error) {
	if s.shared.endpoint == nil {
		e, err := s.enterEndpoint()
		if err != nil {
			return nil, err
		}
		s.shared.endpoint = e
	}
	return s.shared.endpoint, nil
}

// finds says whether a search finds a record.
func (s *session) finds(path, id string) (bool, error) {
	a, err := s.searched(path)
	if err != nil {
		return false, err
	}
	for e := range a.resource.Get("entry").Items() {
		if e.Dig("resource", "id").Text() == id {
			return true, nil
		}
	}
	return false, nil
}

// found demands that a search finds a record.
func (s *session) found(path, id string, want bool) error {
	is, err := s.finds(path, id)
	if err == nil && is != want {
		err = fmt.Errorf("GET %s finds the record: %v, wanted %v", path, is, want)
	}
	return err
}

func token(system, value string) string { return url.QueryEscape(system + "|" + value) }

func newEndpoint(s *session) error {
	e, err := s.listedEndpoint()
	if err != nil {
		return err
	}
	return errors.Join(s.found("/Endpoint?Endpoint.identifier="+token(systemProduct, e.product), e.id, true),
		s.found("/Endpoint?Endpoint.identifier="+token(systemProduct, s.newProduct()), e.id, false))
}

// serviceOf is a HealthcareService with endpoints.
func (s *session) serviceOf(id string, endpoints ...*listed) string {
	service := fhir.NewObject("HealthcareService").
		Set("meta", fhir.Obj("lastUpdated", "2026-11-20T10:00:00Z")).
		Set("identifier", identifiers(systemService, id, systemProduct, s.newProduct())).
		Set("active", true).
		Set("providedBy", []*fhir.Object{fhir.Obj("identifier", fhir.Obj("system", systemODS, "value", s.Organisation))}).
		Set("name", "Service of a conformance test")
	var list []*fhir.Object
	for _, e := range endpoints {
		list = append(list, fhir.Obj("reference", "Endpoint/"+e.id))
	}
	return string(service.Set("endpoint", list).JSON())
}

func newService(s *session) error {
	e, err := s.enterEndpoint()
	if err != nil {
		return err
	}
	id := s.newProduct()
	service, err := s.enter("HealthcareService", s.serviceOf(id, e))
	if err != nil {
		return err
	}
	return errors.Join(
		s.found("/HealthcareService?HealthcareService.identifier="+token(systemService, id), service.id, true),
		s.found("/HealthcareService?HealthcareService.providedBy="+token(systemODS, s.Organisation)+"&HealthcareService.identifier="+token(systemService, id), service.id, true),
		s.found("/Endpoint?_has:HealthcareService.Identifier="+token(systemService, id), e.id, true),
		s.found("/Endpoint?_has:HealthcareService.Id="+service.id, e.id, true))
}

func newOrganization(s *session) error {
	code := "ZQ" + strings.ToUpper(strings.ReplaceAll(s.NewID(), "-", "")[:6])
	body := fhir.NewObject("Organization").Set("meta", fhir.Obj("lastUpdated", "2026-11-20T10:00:00Z")).
		Set("identifier", identifiers(systemODS, code, systemProduct, s.newProduct())).Set("name", "Organisation of a conformance test")
	o, err := s.enter("Organization", string(body.JSON()))
	if err != nil {
		return err
	}
	return s.found("/Organization?Organization.identifier="+token(systemODS, code), o.id, true)
}

func newTemplate(s *session) error {
	product := s.newProduct()
	e, err := s.enter("Endpoint/$template", s.endpointOf(product))
	if err != nil {
		return err
	}
	query := "Endpoint.identifier=" + token(systemProduct, product)
	return errors.Join(
		s.found("/Endpoint/$template?"+query+"&ConnectionType=hl7-fhir-msg&PayloadType=bars", e.id, true),
		s.found("/Endpoint/$template?"+query+"&ConnectionType=hl7-fhir-rest", e.id, false),
		s.found("/Endpoint?"+query, e.id, false))
}

func secondEndpoint(s *session) error {
	e, err := s.listedEndpoint()
	if err != nil {
		return err
	}
	return s.refusedEntry("Endpoint", e.body, want{status: 409, issues: []string{"duplicate"}})
}

// refusedEntry posts what must be refused.
func (s *session) refusedEntry(typ, body string, w want) error {
	a, err := s.do(s.national(http.MethodPost, "/"+typ, []byte(body)))
	if err != nil {
		return err
	}
	if a.status/100 == 2 && a.resource != nil && a.resource.ID() != "" {
		s.made = append(s.made, &creation{typ: typ, id: a.resource.ID()})
	}
	return a.refused(w)
}

func twoOfAType(s *session) error {
	one, err := s.enterEndpoint()
	if err != nil {
		return err
	}
	two, err := s.enterEndpoint()
	if err != nil {
		return err
	}
	return s.refusedEntry("HealthcareService", s.serviceOf(s.newProduct(), one, two), want{status: 409, issues: []string{"duplicate"}})
}

// later is a record as it is updated.
func later(body string) string {
	return strings.NewReplacer("2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z", "of a conformance test", "of a conformance test, changed").Replace(body)
}

func putEndpoint(s *session) error {
	e, err := s.enterEndpoint()
	if err != nil {
		return err
	}
	a, err := s.updates(e.creation, []byte(later(e.body)))
	if err != nil {
		return err
	}
	if a.resource == nil || !strings.HasSuffix(a.resource.Get("name").Text(), "changed") {
		return errors.New("the record isn't changed")
	}
	c := &creation{typ: "Endpoint", id: s.NewID()}
	if a, err = s.do(s.national(http.MethodPut, c.path(), []byte(s.endpointOf(s.newProduct())))); err != nil {
		return err
	}
	if a.status != http.StatusOK && a.status != http.StatusCreated {
		return fmt.Errorf("PUT of what isn't there is answered %d, wanted 200 or 201", a.status)
	}
	if a.resource != nil && a.resource.ID() != "" {
		c.id = a.resource.ID()
	}
	s.made = append(s.made, c)
	return a.fault
}

func staleEndpoint(s *session) error {
	e, err := s.enterEndpoint()
	if err != nil {
		return err
	}
	return s.refused(s.national(http.MethodPut, e.path(), []byte(strings.Replace(e.body, "2026-11-20", "2026-11-19", 1))), want{status: 409, or: &malformed})
}

func immutableEndpoint(s *session) error {
	e, err := s.listedEndpoint()
	if err != nil {
		return err
	}
	return s.immutable(e.creation, later(e.body), [2]string{e.product, s.newProduct()}, [2]string{`"` + s.Organisation + `"`, `"` + s.Stranger + `"`})
}

func strangersEndpoint(s *session) error {
	e, err := s.listedEndpoint()
	if err != nil {
		return err
	}
	return s.owned(e.creation, []byte(later(e.body)))
}

func privateEndpoint(s *session) error {
	e, err := s.enterEndpoint(`"public"`, `"private"`)
	if err != nil {
		return err
	}
	for who, shown := range map[string]bool{s.Organisation: true, s.Stranger: false} {
		for _, path := range []string{e.path(), "/Endpoint?Endpoint.identifier=" + token(systemProduct, e.product)} {
			r := s.national(http.MethodGet, path, nil)
			r.header.Set("NHSD-End-User-Organisation", organisationHeader(who))
			a, err := s.succeeds(r)
			if err != nil {
				return err
			}
			if strings.Contains(string(a.body), "receiver.example") != shown {
				return fmt.Errorf("GET %s shows the address: %v, wanted %v", path, !shown, shown)
			}
		}
	}
	return nil
}

func deleteEndpoint(s *session) error {
	e, err := s.enterEndpoint()
	if err != nil {
		return err
	}
	return s.deletes(e.creation)
}
