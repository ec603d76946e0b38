package dos

import (
	"context"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/nhs"
)

// Reader is what the stand-in needs of the room: its records.
type Reader interface {
	Read(ctx context.Context, typ, id string) (*rest.Version, error)
	Search(ctx context.Context, q *search.Query, count bool) (*rest.Page, error)
}

// maxLocal bounds the services that the stand-in takes from the room.
const maxLocal = 500

// local lists the services that this program hosts, as the directory would
// profile them. root is the program's own address without path.
func local(ctx context.Context, records Reader, root string) ([]Profiled, error) {
	page, err := records.Search(ctx, &search.Query{Type: "HealthcareService", Count: maxLocal}, false)
	if err != nil {
		return nil, err
	}
	var list []Profiled
	for _, v := range page.Versions {
		r, err := fhir.Parse(v.Body)
		if err != nil {
			return nil, err
		}
		if active := r.Get("active"); active.Exists() && !active.Bool() {
			continue
		}
		s := profile(r, v.ID, root)
		if s.ID == "" {
			continue
		}
		if err := endpointsOf(ctx, records, r, &s); err != nil {
			return nil, err
		}
		if owner, err := linked(ctx, records, r.Get("providedBy", "reference").Text()); err != nil {
			return nil, err
		} else if owner != nil {
			s.ODS = string(nhs.ODSOf(owner))
		}
		for ref := range r.Get("location").Items() {
			place, err := linked(ctx, records, ref.Get("reference").Text())
			if err != nil {
				return nil, err
			}
			if place != nil {
				s.Address, s.Postcode = addressOf(place.Get("address"))
			}
			break
		}
		list = append(list, s)
	}
	return list, nil
}

// endpointsOf takes the Endpoints that the service itself names in place of those
// of this program.
func endpointsOf(ctx context.Context, records Reader, r *fhir.Resource, s *Profiled) error {
	var named []Endpoint
	for ref := range r.Get("endpoint").Items() {
		e, err := linked(ctx, records, ref.Get("reference").Text())
		if err != nil {
			return err
		}
		if e != nil && e.Get("status").Text() == "active" {
			named = append(named, EndpointOf(e))
		}
	}
	if r.Get("endpoint").Len() > 0 {
		s.Endpoints = named
	}
	return nil
}

func linked(ctx context.Context, records Reader, reference string) (*fhir.Resource, error) {
	ref, ok := fhir.ParseReference(reference)
	if !ok || ref.ID == "" {
		return nil, nil
	}
	v, err := records.Read(ctx, ref.Type, ref.ID)
	if err != nil || v.Deleted {
		return nil, nil // a service whose owner went is still a service
	}
	return fhir.Parse(v.Body)
}

func addressOf(a fhir.Value) (address, postcode string) {
	var parts []string
	for line := range a.Get("line").Items() {
		parts = append(parts, line.Text())
	}
	for _, name := range []string{"city", "postalCode"} {
		if text := a.Get(name).Text(); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, ", "), a.Get("postalCode").Text()
}

// profile makes a directory entry of a HealthcareService: what it doesn't say is
// the invented profile of its id, or the common one.
func profile(r *fhir.Resource, id, root string) Profiled {
	dosID := ""
	for i := range fhir.Identifiers(r.Get("identifier")) {
		if nhs.Canonical(i.System) == nhs.SystemDoS {
			dosID = i.Value
		}
	}
	known, ok := profiles[dosID]
	if !ok {
		known = common
	}
	s := Profiled{
		Service: Service{
			ID: dosID, Name: r.Get("name").Text(), PublicName: r.Get("name").Text(), Type: known.kind,
			Easting: known.easting, Northing: known.northing, Capacity: known.capacity,
			Text: r.Get("comment").Text(), Ages: []AgeRange{{0, 47117}},
			Professional: Professional{Text: r.Get("extraDetails").Text()},
		},
		Discriminators: discriminators, Genders: []string{"M", "F", "I"}, Commissioned: true, Rank: known.rank,
	}
	for concept := range r.Get("type").Items() {
		for coding := range concept.Get("coding").Items() {
			if id, err := atoi(coding.Get("code").Text()); err == nil && coding.Get("system").Text() == systemServiceType {
				s.Type = ServiceType{id, coding.Get("display").Text()}
			}
		}
	}
	for t := range r.Get("telecom").Items() {
		if t.Get("system").Text() == "phone" && s.Phone == "" {
			s.Phone = t.Get("value").Text()
		}
	}
	if r.Get("appointmentRequired").Bool() {
		s.Attributes = append(s.Attributes, Attribute{"Boolean", "requirebooking", "The service takes referrals only with a booked appointment.", "TRUE"})
	}
	s.Sessions = sessionsOf(r.Get("availableTime"))
	s.OpenAllHours = len(s.Sessions) == 0
	s.Endpoints = []Endpoint{
		{Order: 1, Transport: "http", Format: "FHIR", Interaction: "BaRS", Scenario: Primary, Address: root + "/FHIR/R4"},
		{Order: 2, Transport: "itk", Format: "CDA", Interaction: known.interaction, Scenario: Primary, Address: root + "/nhs111/report"},
		{Order: 3, Transport: "itk", Format: "CDA", Interaction: copyInteraction, Scenario: Copy, Address: root + "/nhs111/report"},
	}
	return s
}

var weekdayCodes = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// sessionsOf reads HealthcareService.availableTime.
func sessionsOf(list fhir.Value) []Session {
	var out []Session
	for t := range list.Items() {
		from, ok1 := parseClock(firstN(t.Get("availableStartTime").Text(), 5))
		to, ok2 := parseClock(firstN(t.Get("availableEndTime").Text(), 5))
		if t.Get("allDay").Bool() {
			from, to, ok1, ok2 = Clock{}, Clock{23, 59}, true, true
		}
		if !ok1 || !ok2 {
			continue
		}
		for day := range t.Get("daysOfWeek").Items() {
			if i := slices.Index(weekdayCodes, day.Text()); i >= 0 {
				out = append(out, Session{StartDay: weekdays[i], EndDay: weekdays[i], Start: from, End: to, Status: "Open"})
			}
		}
	}
	return out
}

func firstN(s string, n int) string { return s[:min(n, len(s))] }

// invented is the profile of a sample service.
type invented struct {
	kind              ServiceType
	easting, northing int
	capacity          Capacity
	rank              int
	interaction       string
}

const (
	urgentInteraction    = "urn:nhs-itk:interaction:primaryOutofHourRecipientNHS111CDADocument-v2-0"
	emergencyInteraction = "urn:nhs-itk:interaction:primaryEmergencyDepartmentRecipientNHS111CDADocument-v2-0"
	copyInteraction      = "urn:nhs-itk:interaction:copyRecipientNHS111CDADocument-v2-0"
)

var (
	urgentType    = ServiceType{135, "Urgent Treatment Centre (UTC)"}
	emergencyType = ServiceType{typeED, "Emergency Department (ED)"}
	common        = invented{urgentType, 400_000, 300_000, High, 5, urgentInteraction}
)

// profiles are those of the sample services, by DoS id.
var profiles = map[string]invented{
	"2000072489": {urgentType, 400_100, 300_200, High, 1, urgentInteraction},
	"2000073917": {urgentType, 404_000, 302_000, Low, 1, urgentInteraction},
	"2000011147": {emergencyType, 402_000, 301_000, High, 2, emergencyInteraction},
	"1503499715": {ServiceType{46, "Urgent care"}, 409_000, 309_000, High, 3, urgentInteraction},
}

// places are invented: ZZ98 and ZZ99 are no places in the country.
var places = []Place{
	{Postcode: "ZZ99 3VZ", Easting: 400_000, Northing: 300_000},
	{Postcode: "ZZ99 3WZ", Easting: 401_000, Northing: 300_500},
	{Postcode: "ZZ98 1AA", Easting: 402_000, Northing: 299_000},
	{Postcode: "ZZ98 3AA", Easting: 403_000, Northing: 299_500},
	{Postcode: "ZZ99 9ZZ", Easting: 600_000, Northing: 900_000},
}

// reaches are their stored distances: of a postcode, a sector and a district.
var reaches = map[string]int{"ZZ993WZ": 12, "ZZ983": 25, "ZZ98": 18}

// discriminators are the symptom discriminators of each symptom group that the
// sample services are profiled for.
var discriminators = map[int][]int{1003: {4052}, 1011: {4003, 4052}, 1110: {4003, 4052, 4193}}

// minutes is within what time a disposition asks for care.
var minutes = map[int]int{1002: 60, 1003: 120, 1005: 120, 1006: 360, 1007: 720, 1008: 1440, 1009: 120, 1012: 60, 1089: 60, 11012: 30, 1108: 0}

func findUser(users []User, a Account) *User {
	i := slices.IndexFunc(users, func(u User) bool { return u.is(a) })
	if i < 0 {
		return nil
	}
	return &users[i]
}
