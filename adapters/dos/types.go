package dos

import (
	"slices"
	"strings"
	"time"

	"github.com/onward-health/onward/nhs"
)

// Service is one service of the directory. What is for professionals only
// stands apart, so that nothing public can hold it by mistake.
type Service struct {
	ID         string // the DoS service id, digits
	ODS        string // not checked by the directory; may have a suffix
	Name       string
	PublicName string
	Type       ServiceType
	Address    string
	Postcode   string
	Easting    int
	Northing   int
	URL        string
	Phone      string   // public
	Text       string   // public
	Capacity   Capacity // "" where the directory doesn't say
	Miles      string   // from the place of the search; the directory answers in miles

	OpenAllHours bool
	Sessions     []Session
	Dates        []DateSession
	Attributes   []Attribute
	Ages         []AgeRange
	Endpoints    []Endpoint

	Professional Professional
}

// Professional is what must not reach the public (terms of use of the
// directory).
type Professional struct{ Phone, Fax, Text string }

// ServiceType is a type of the directory's list, such as 135, urgent treatment
// centre.
type ServiceType struct {
	ID   int
	Name string
}

// Capacity is how much a service can take.
type Capacity string

// The capacities and the colours that they stand for.
const (
	High Capacity = "High" // green
	Low  Capacity = "Low"  // amber
	None Capacity = "None" // red
)

// Session is a weekly opening time. Days are Sunday to Saturday and Bankholiday.
type Session struct {
	StartDay, EndDay string
	Start, End       Clock
	Status           string
}

// Clock is a time of day in London.
type Clock struct{ Hours, Minutes int }

// DateSession is the opening time of one date, which goes before the weekly
// ones. From and To both midnight: closed.
type DateSession struct {
	Date     time.Time // midnight UTC of the date
	From, To Clock
}

// Closed says that the service doesn't open on the date.
func (d DateSession) Closed() bool { return d.From == d.To && d.From == Clock{} }

// Attribute is a named property of a service.
type Attribute struct{ DataType, Name, Description, Value string }

// AgeRange is in days, both ends inclusive.
type AgeRange struct{ From, To float64 }

// Endpoint is one way to send something to a service.
type Endpoint struct {
	Order       int
	Transport   string // itk, email, telno, http, ...
	Format      string // CDA, HTML, PDF, FHIR, ...
	Interaction string
	Scenario    Scenario
	Address     string
	Compressed  bool
	Comment     string
}

// Scenario says what an endpoint is for.
type Scenario string

// The scenarios: somebody acts on it, or it is for information.
const (
	Primary Scenario = "Primary"
	Copy    Scenario = "Copy"
)

// scenarioOf folds the case of the known ones; others stay as they are.
func scenarioOf(text string) Scenario {
	for _, known := range []Scenario{Primary, Copy} {
		if strings.EqualFold(text, string(known)) {
			return known
		}
	}
	return Scenario(text)
}

// Flag reads a yes-or-no attribute; absent is no. Case and spelling of values
// differ between services.
func (s *Service) Flag(name string) bool {
	for _, a := range s.Attributes {
		if strings.EqualFold(a.Name, name) {
			return strings.EqualFold(a.Value, "true")
		}
	}
	return false
}

// RequiresBooking says that nobody may be referred there without a booked
// appointment.
func (s *Service) RequiresBooking() bool { return s.Flag("requirebooking") }

// Books says that slots are found at the endpoint.
func (e Endpoint) Books() bool {
	return strings.EqualFold(e.Transport, "http") && strings.EqualFold(e.Format, "FHIR") && strings.EqualFold(e.Interaction, "Scheduling")
}

// Spine is what a booking endpoint is found by in the Spine Directory Service:
// an ASID of twelve digits or an ODS code. Both are "" where the address is
// neither.
func (e Endpoint) Spine() (asid string, ods nhs.ODSCode) {
	kind, value, _ := strings.Cut(e.Address, ":")
	value = strings.TrimSpace(value)
	switch strings.ToUpper(strings.TrimSpace(kind)) {
	case "ASID":
		if len(value) == 12 && strings.Trim(value, "0123456789") == "" {
			return value, ""
		}
	case "ODS":
		if code, ok := nhs.ParseODSCode(value); ok {
			return "", code
		}
	}
	return "", ""
}

// Booking returns the endpoint to book at, nil where there is none.
// Several are an error of the profile: none of them is taken.
func (s *Service) Booking() (*Endpoint, error) {
	var found *Endpoint
	for i, e := range s.Endpoints {
		if !e.Books() {
			continue
		}
		if found != nil {
			return nil, errTwoBookingEndpoints
		}
		found = &s.Endpoints[i]
	}
	return found, nil
}

// Send returns the endpoints of a scenario in their order.
func (s *Service) Send(scenario Scenario) []Endpoint {
	var list []Endpoint
	for _, e := range s.Endpoints {
		if e.Scenario == scenario {
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(a, b Endpoint) int { return a.Order - b.Order })
	return list
}

// AgeFormat is the unit of Case.Age.
type AgeFormat string

// The units. An AgeGroup is 1 adult, 2 child, 3 toddler, 4 neonate and infant.
const (
	Days     AgeFormat = "Days"
	Months   AgeFormat = "Months"
	Years    AgeFormat = "Years"
	AgeGroup AgeFormat = "AgeGroup"
)

// Case is the clinical scenario that services are sought for.
type Case struct {
	Ref, ID        string // for the directory's audit only
	Postcode       string
	Surgery        string // ODS code of the patient's practice; "UNK" where unknown
	Age            int
	AgeFormat      AgeFormat
	Disposition    int // see DispositionID
	SymptomGroup   int
	Discriminators []int
	Distance       int // kilometres, 1 to 99; 0: not given
	Force          bool
	Gender         string     // M, F or I
	At             *time.Time // search as if it were then
}

// Answer is what a search found, in the order to show it in.
type Answer struct {
	Transaction string
	Requested   time.Time
	Searched    time.Time
	AgeInDays   float64
	Distance    int // kilometres
	Source      DistanceSource
	Services    []Service
}

// DistanceSource says where the distance of a search came from.
type DistanceSource string

// The sources.
const (
	ByPostcode DistanceSource = "Postcode"
	BySector   DistanceSource = "Sector"
	ByDistrict DistanceSource = "District"
	ByRequest  DistanceSource = "Web Service"
	National   DistanceSource = "National"
	Override   DistanceSource = "Override"
)
