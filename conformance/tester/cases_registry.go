package tester

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/onward-health/onward/fhir"
)

func registryCases() []Case {
	needs := []string{"DocumentReference create", "DocumentReference read", "DocumentReference search-type", "DocumentReference update", "DocumentReference delete"}
	return []Case{
		{"registry/create", "POST /DocumentReference leaves a pointer: 201 with an OperationOutcome and the location (BaRS Core, DocumentReference)", needs, func(s *session) error {
			_, err := s.pointed()
			return err
		}},
		{"registry/read", "GET /DocumentReference/{id} answers the pointer as it was left (BaRS Core, DocumentReference)", needs, readPointer},
		{"registry/find", "GET /DocumentReference finds pointers by NHS number, custodian and type, and by no other's custodian (BaRS Core, DocumentReference)", needs, findPointer},
		{"registry/update", "PUT /DocumentReference/{id} changes the time of the appointment (BaRS Core, DocumentReference)", needs, updatePointer},
		{"registry/immutable", "PUT /DocumentReference/{id} of another subject, custodian or type is 400 (BaRS Core, DocumentReference)", needs, immutablePointer},
		{"registry/owner", "PUT and DELETE by another than the creator are 403 (BaRS Core, DocumentReference)", needs, strangersPointer},
		{"registry/pages", "Pointers come twenty at a time, with the next page's token in meta.tag (BaRS Core, DocumentReference)", needs, pagesOfPointers},
		{"registry/delete", "DELETE /DocumentReference/{id} is 200 with an OperationOutcome, and the pointer gone (BaRS Core, DocumentReference)", needs, deletePointer},
	}
}

const testNumber = "9000000009"

// pointerTo is a pointer to a booking that nobody has.
func (s *session) pointerTo(booking, day string) []byte {
	identifier := func(system, value string) *fhir.Object { return fhir.Obj("system", system, "value", value) }
	coded := func(system, code string) *fhir.Object {
		return fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", system, "code", code)})
	}
	const snomed, england = "http://snomed.info/sct", "https://fhir.nhs.uk/England/"
	owner := fhir.Obj("identifier", identifier("https://fhir.nhs.uk/Id/ods-organization-code", s.Organisation))
	return fhir.NewObject("DocumentReference").
		Set("identifier", []*fhir.Object{identifier("https://fhir.nhs.uk/Id/BaRS-Identifier", booking),
			identifier("https://fhir.nhs.uk/Id/dos-service-id", s.Service), identifier("https://fhir.nhs.uk/Id/product-id", "ONWARD-CONFORM")}).
		Set("status", "current").
		Set("type", coded(snomed, "749001000000101")).
		Set("category", []*fhir.Object{coded(snomed, "419891008")}).
		Set("subject", fhir.Obj("identifier", identifier("https://fhir.nhs.uk/Id/nhs-number", testNumber))).
		Set("author", []*fhir.Object{owner}).
		Set("custodian", owner).
		Set("content", []*fhir.Object{fhir.Obj(
			"extension", []*fhir.Object{fhir.Obj("url", england+"StructureDefinition/Extension-England-ContentStability",
				"valueCodeableConcept", coded(england+"CodeSystem/England-NRLContentStability", "static"))},
			"attachment", fhir.Obj("contentType", "application/fhir+json", "url", "https://receiver.example/FHIR/R4/Appointment/"+booking),
			"format", fhir.Obj("system", england+"CodeSystem/England-NRLFormatCode", "code", "urn:nhs-ic:structured"))}).
		Set("context", fhir.Obj("period", fhir.Obj("start", day+"T10:00:00Z", "end", day+"T10:20:00Z"))).
		JSON()
}

// pointer is one that the run left.
type pointer struct {
	*creation
	booking string
}

func (s *session) leave() (*pointer, error) {
	p := &pointer{booking: s.NewID()}
	a, err := s.do(s.national(http.MethodPost, "/DocumentReference", s.pointerTo(p.booking, "2027-01-04")))
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusCreated {
		return nil, fmt.Errorf("answered %d, wanted 201", a.status)
	}
	location := a.header.Get("Location")
	at := strings.LastIndex(location, "/DocumentReference/")
	if at < 0 {
		return nil, errors.New("the answer's location doesn't say where the pointer is")
	}
	p.creation = &creation{typ: "DocumentReference", id: location[at+len("/DocumentReference/"):]}
	s.made = append(s.made, p.creation)
	if a.resource == nil || a.resource.Type() != "OperationOutcome" {
		return nil, errors.New("the answer isn't an OperationOutcome")
	}
	return p, a.fault
}

// pointed is the pointer that several cases look at.
func (s *session) pointed() (*pointer, error) {
	if s.shared.pointer == nil {
		p, err := s.leave()
		if err != nil {
			return nil, err
		}
		s.shared.pointer = p
	}
	return s.shared.pointer, nil
}

func readPointer(s *session) error {
	p, err := s.pointed()
	if err != nil {
		return err
	}
	a, err := s.succeeds(s.national(http.MethodGet, p.path(), nil))
	if err != nil {
		return err
	}
	if a.resource == nil || a.resource.Type() != "DocumentReference" || !strings.Contains(string(a.body), p.booking) {
		return errors.New("the answer isn't the pointer that was left")
	}
	return nil
}

// pointers searches the test patient's.
func (s *session) pointers(more string) (*answer, error) {
	return s.searched("/DocumentReference?subject:identifier=" + url.QueryEscape("https://fhir.nhs.uk/Id/nhs-number|"+testNumber) + more)
}

// everyPointer reads all pages of a search, each of at most twenty.
func (s *session) everyPointer(more string) (found map[string]*fhir.Resource, pages int, err error) {
	found = map[string]*fhir.Resource{}
	for token := ""; pages < 200; {
		query := more
		if token != "" {
			query += "&next-page-token=" + url.QueryEscape(token)
		}
		a, err := s.pointers(query)
		if err != nil {
			return nil, pages, err
		}
		pages++
		entries := a.resource.Get("entry")
		if entries.Len() > 20 {
			return nil, pages, fmt.Errorf("a page holds %d pointers", entries.Len())
		}
		for e := range entries.Items() {
			if r := e.Get("resource"); r.Get("id").Text() != "" {
				found[r.Get("id").Text()] = r.Resource()
			}
		}
		if token = nextPage(a.resource); token == "" {
			return found, pages, nil
		}
	}
	return nil, pages, errors.New("the pages don't end")
}

func nextPage(bundle *fhir.Resource) string {
	for tag := range bundle.Get("meta", "tag").Items() {
		if tag.Get("display").Text() == "next-page-token" {
			return tag.Get("code").Text()
		}
	}
	return ""
}

func findPointer(s *session) error {
	p, err := s.pointed()
	if err != nil {
		return err
	}
	custodian := func(ods string) string {
		return "&custodian:identifier=" + url.QueryEscape("https://fhir.nhs.uk/Id/ods-organization-code|"+ods)
	}
	for _, one := range []struct {
		query string
		there bool
	}{
		{"", true}, {custodian(s.Organisation), true}, {custodian(s.Stranger), false},
		{"&type=" + url.QueryEscape("http://snomed.info/sct|749001000000101"), true}, {"&type=" + url.QueryEscape("http://snomed.info/sct|3457005"), false},
	} {
		found, _, err := s.everyPointer(one.query)
		if err != nil {
			return err
		}
		if (found[p.id] != nil) != one.there {
			return fmt.Errorf("with %q the pointer is found: %v, wanted %v", one.query, !one.there, one.there)
		}
	}
	return nil
}

func updatePointer(s *session) error {
	p, err := s.pointed()
	if err != nil {
		return err
	}
	a, err := s.updates(p.creation, s.pointerTo(p.booking, "2027-01-05"))
	if err != nil {
		return err
	}
	if a.resource == nil || !strings.HasPrefix(a.resource.Get("context", "period", "start").Text(), "2027-01-05") {
		return errors.New("the pointer's period isn't the new one")
	}
	return nil
}

func immutablePointer(s *session) error {
	p, err := s.pointed()
	if err != nil {
		return err
	}
	return s.immutable(p.creation, string(s.pointerTo(p.booking, "2027-01-05")),
		[2]string{testNumber, "9000000017"}, [2]string{`"` + s.Organisation + `"`, `"` + s.Stranger + `"`}, [2]string{"749001000000101", "3457005"})
}

func strangersPointer(s *session) error {
	p, err := s.pointed()
	if err != nil {
		return err
	}
	return s.owned(p.creation, s.pointerTo(p.booking, "2027-01-06"))
}

func pagesOfPointers(s *session) error {
	left := []*pointer{}
	for range 21 {
		p, err := s.leave()
		if err != nil {
			return err
		}
		left = append(left, p)
	}
	found, pages, err := s.everyPointer("")
	if err != nil {
		return err
	}
	for _, p := range left {
		if found[p.id] == nil {
			return errors.New("a pointer is on no page")
		}
	}
	if pages < 2 {
		return errors.New("there is one page only")
	}
	return nil
}

func deletePointer(s *session) error {
	p, err := s.leave()
	if err != nil {
		return err
	}
	return s.deletes(p.creation)
}
