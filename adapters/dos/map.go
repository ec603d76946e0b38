package dos

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// Extensions and systems of endpoints in the FHIR service that follows the
// directory.
const (
	england           = "https://fhir.nhs.uk/England/"
	extOrder          = england + "StructureDefinition/Extension-England-OrganizationEndpointOrder"
	extCompression    = england + "StructureDefinition/Extension-England-EndpointCompression"
	extScenario       = england + "StructureDefinition/Extension-England-EndpointBusinessScenario"
	systemConnection  = england + "CodeSystem/England-EndpointConnection"
	systemPayloadType = "http://hl7.org/fhir/ValueSet/endpoint-payload-type"
	systemServiceType = "https://fhir.nhs.uk/Id/dos-service-type"
	systemCapacity    = "https://fhir.nhs.uk/Id/dos-capacity"
	systemASID        = "https://fhir.nhs.uk/Id/nhsSpineASID"
)

// Extensions of our own, for what R4 has no element for.
const (
	own         = "https://github.com/onward-health/onward/StructureDefinition/"
	ExtDistance = own + "distance"
	extGrid     = own + "grid-position"
)

// mimeTypes are the payload types of the directory's formats.
var mimeTypes = map[string]string{
	"PDF": "application/pdf", "HTML": "text/html", "FHIR": "application/fhir+json", "email": "message/rfc822",
	"telno": "text/vcard", "CDA": "application/hl7-cda+xml",
}

// HealthcareService maps a service to FHIR R4, with its place contained. What is
// for professionals only is left out unless it is asked for; the public gets the
// public name.
func HealthcareService(s *Service, forProfessionals bool) *fhir.Object {
	r := fhir.NewObject("HealthcareService")
	place := locationOf(s)
	if place != nil {
		r.Set("contained", []*fhir.Object{place})
	}
	if miles, err := strconv.ParseFloat(s.Miles, 64); err == nil && miles >= 0 && miles < 100_000 {
		r.Set("extension", []*fhir.Object{fhir.Obj("url", ExtDistance, "valueQuantity", fhir.Obj(
			"value", json.RawMessage(strconv.FormatFloat(miles, 'f', -1, 64)), "unit", "miles", "system", "http://unitsofmeasure.org", "code", "[mi_i]"))})
	}
	r.Set("identifier", []*fhir.Object{fhir.Obj("system", nhs.SystemDoS, "value", s.ID)}).
		Set("active", true)
	if s.ODS != "" {
		r.Set("providedBy", fhir.Obj("identifier", fhir.Obj("system", nhs.SystemODS, "value", organisation(s.ODS))))
	}
	if s.Type.ID != 0 {
		r.Set("type", []*fhir.Object{fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", systemServiceType, "code", itoa(s.Type.ID), "display", s.Type.Name)})})
	}
	if place != nil {
		r.Set("location", []*fhir.Object{fhir.Obj("reference", "#place")})
	}
	name := or(s.PublicName, s.Name)
	if forProfessionals {
		name = or(s.Name, s.PublicName)
	}
	r.Set("name", name)
	if s.Text != "" {
		r.Set("comment", s.Text)
	}
	if forProfessionals && s.Professional.Text != "" {
		r.Set("extraDetails", s.Professional.Text)
	}
	var telecom []*fhir.Object
	if s.Phone != "" {
		telecom = append(telecom, fhir.Obj("extension", commented("Public"), "system", "phone", "value", s.Phone, "use", "work", "rank", 1))
	}
	if forProfessionals && s.Professional.Phone != "" {
		telecom = append(telecom, fhir.Obj("extension", commented("Clinician Access Only"), "system", "phone", "value", s.Professional.Phone, "use", "work"))
	}
	if s.URL != "" {
		telecom = append(telecom, fhir.Obj("system", "url", "value", s.URL, "use", "work"))
	}
	r.Set("telecom", telecom)
	if ages := agesOf(s.Ages); ages != "" {
		r.Set("eligibility", []*fhir.Object{fhir.Obj("comment", ages)})
	}
	if s.Capacity != "" {
		r.Set("characteristic", []*fhir.Object{fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", systemCapacity, "code", string(s.Capacity))})})
	}
	r.Set("appointmentRequired", s.RequiresBooking())
	setOpening(r, s)
	return r
}

func commented(text string) []*fhir.Object {
	return []*fhir.Object{fhir.Obj("url", "http://hl7.org/fhir/StructureDefinition/contactpoint-comment", "valueString", text)}
}

// locationOf is where a service is; nil where the directory doesn't say. Eastings
// and northings are those of the Ordnance Survey's grid, in metres.
func locationOf(s *Service) *fhir.Object {
	if s.Address == "" && s.Postcode == "" && s.Easting == 0 {
		return nil
	}
	l := fhir.NewObject("Location").Set("id", "place")
	if s.Easting != 0 || s.Northing != 0 {
		l.Set("extension", []*fhir.Object{fhir.Obj("url", extGrid, "extension", []*fhir.Object{
			fhir.Obj("url", "easting", "valueInteger", s.Easting), fhir.Obj("url", "northing", "valueInteger", s.Northing)})})
	}
	if s.Address != "" || s.Postcode != "" {
		l.Set("address", fhir.Obj("text", s.Address, "postalCode", s.Postcode))
	}
	return l
}

// agesOf says for what ages a service is, "" for all.
func agesOf(list []AgeRange) string {
	var parts []string
	for _, r := range list {
		if r.From <= 0 && r.To >= maxAge {
			return ""
		}
		parts = append(parts, fmt.Sprintf("from %g to %g days", r.From, r.To))
	}
	if len(parts) == 0 {
		return ""
	}
	return "ages " + strings.Join(parts, ", ")
}

// organisation is the ODS code without the suffix that some profiles have.
func organisation(ods string) string {
	code, _, _ := strings.Cut(ods, ":")
	return code
}

func setOpening(r *fhir.Object, s *Service) {
	var times []*fhir.Object
	if s.OpenAllHours {
		times = append(times, fhir.Obj("daysOfWeek", []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}, "allDay", true))
	}
	for _, o := range s.Sessions {
		day := strings.ToLower(firstN(o.StartDay, 3))
		if o.StartDay == bankHoliday || s.OpenAllHours {
			continue
		}
		times = append(times, fhir.Obj("daysOfWeek", []string{day}, "availableStartTime", o.Start.String()+":00", "availableEndTime", o.End.String()+":00"))
	}
	r.Set("availableTime", times)
	var closed []*fhir.Object
	var exceptions []string
	for _, d := range s.Dates {
		date := d.Date.Format("2006-01-02")
		if d.Closed() {
			closed = append(closed, fhir.Obj("description", "Closed", "during", fhir.Obj("start", date, "end", date)))
			continue
		}
		exceptions = append(exceptions, date+" "+d.From.String()+" to "+d.To.String())
	}
	for _, o := range s.Sessions {
		if o.StartDay == bankHoliday {
			exceptions = append(exceptions, "bank holidays "+o.Start.String()+" to "+o.End.String())
		}
	}
	r.Set("notAvailable", closed)
	if len(exceptions) > 0 {
		r.Set("availabilityExceptions", strings.Join(exceptions, "; "))
	}
}

// EndpointResource maps an endpoint as the FHIR service writes it.
func EndpointResource(e Endpoint, owner string) *fhir.Object {
	asid, ods := e.Spine()
	scenario := "primary-recipient"
	if e.Scenario == Copy {
		scenario = "copy-recipient"
	}
	o := fhir.NewObject("Endpoint").
		Set("extension", []*fhir.Object{
			fhir.Obj("url", extOrder, "valueInteger", e.Order),
			fhir.Obj("url", extCompression, "valueBoolean", e.Compressed),
			fhir.Obj("url", extScenario, "valueCode", scenario),
		})
	if e.Books() && asid != "" {
		o.Set("identifier", []*fhir.Object{fhir.Obj("system", systemASID, "value", asid)})
	}
	o.Set("status", "active").
		Set("connectionType", fhir.Obj("system", systemConnection, "code", e.Transport))
	switch {
	case owner != "":
		o.Set("managingOrganization", fhir.Obj("reference", owner))
	case e.Books() && ods != "":
		o.Set("managingOrganization", fhir.Obj("identifier", fhir.Obj("system", nhs.SystemODS, "value", string(ods))))
	}
	o.Set("payloadType", []*fhir.Object{fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", systemPayloadType, "code", or(e.Interaction, "any"))})})
	if mime := mimeTypes[e.Format]; mime != "" {
		o.Set("payloadMimeType", []string{mime})
	}
	return o.Set("address", or(e.Address, "unknown"))
}

// EndpointOf reads such an endpoint back.
func EndpointOf(r *fhir.Resource) Endpoint {
	e := Endpoint{Transport: r.Get("connectionType", "code").Text(), Address: r.Get("address").Text(), Scenario: Primary}
	if strings.HasPrefix(e.Transport, "hl7-fhir") { // HL7's own code for FHIR over HTTP
		e.Transport, e.Format = "http", "FHIR"
	}
	for x := range r.Get("extension").Items() {
		switch x.Get("url").Text() {
		case extOrder:
			e.Order, _ = atoi(string(x.Get("valueInteger").Raw()))
		case extCompression:
			e.Compressed = x.Get("valueBoolean").Bool()
		case extScenario:
			if x.Get("valueCode").Text() == "copy-recipient" {
				e.Scenario = Copy
			}
		}
	}
	for concept := range r.Get("payloadType").Items() {
		for c := range fhir.Codings(concept) {
			if e.Interaction == "" && c.Code != "any" {
				e.Interaction = c.Code
			}
		}
	}
	for mime := range r.Get("payloadMimeType").Items() {
		kind, _, _ := strings.Cut(mime.Text(), ";")
		for format, known := range mimeTypes {
			if strings.EqualFold(kind, known) || format == "FHIR" && strings.HasPrefix(kind, "application/fhir") {
				e.Format = format
			}
		}
	}
	return e
}
