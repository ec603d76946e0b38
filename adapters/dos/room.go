package dos

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/httpx"
	"github.com/onward-health/onward/nhs"
)

// Source is a directory that the room asks: the Client, or the Sandbox.
type Source interface {
	Search(ctx context.Context, c *Case) (*Answer, error)
	Details(ctx context.Context, id string) ([]Service, error)
}

var (
	_ Source         = (*Client)(nil)
	_ Source         = (*Sandbox)(nil)
	_ bars.Directory = Room{}
)

// Room is a directory in the room's terms.
type Room struct{ Source Source }

// maxListed bounds a listing; the directory keeps two services of a type.
const maxListed = 200

const catchAllSuffix = " (Catch-all)"

// Search asks for services for a case.
func (r Room) Search(ctx context.Context, c bars.Case) (*bars.Listing, error) {
	request, err := caseOf(c)
	if err != nil {
		return nil, err
	}
	answer, err := r.Source.Search(ctx, request)
	var fault *Fault
	if errors.As(err, &fault) && fault.Code == faultNoServices.Code {
		return &bars.Listing{}, nil
	}
	if err != nil {
		return nil, outcomeOf(err)
	}
	if len(answer.Services) > maxListed {
		return nil, outcomeOf(errAnswer)
	}
	listing := &bars.Listing{CatchAll: len(answer.Services) > 0}
	for i := range answer.Services {
		s := &answer.Services[i]
		listing.CatchAll = listing.CatchAll && strings.HasSuffix(s.Name, catchAllSuffix)
		listing.Services = append(listing.Services, listed(s, c.Professional))
	}
	return listing, nil
}

// Lookup asks for one service by DoS id, or for the one of an organisation.
func (r Room) Lookup(ctx context.Context, id nhs.ServiceID) (*bars.Listed, error) {
	if id.System != nhs.SystemDoS && id.System != nhs.SystemODS {
		return nil, nil
	}
	list, err := r.Source.Details(ctx, id.Value)
	var fault *Fault
	if errors.As(err, &fault) && fault.Code == faultNotFound.Code {
		return nil, nil
	}
	if err != nil {
		return nil, outcomeOf(err)
	}
	var found *Service
	for i := range list {
		if id.System == nhs.SystemDoS && list[i].ID != id.Value {
			continue
		}
		if found != nil {
			return nil, nil // several: which one isn't said
		}
		found = &list[i]
	}
	if found == nil {
		return nil, nil
	}
	l := listed(found, false)
	return &l, nil
}

// caseOf writes a case in the directory's terms.
func caseOf(c bars.Case) (*Case, error) {
	request := &Case{Ref: c.Reference, Postcode: c.Postcode, Surgery: string(c.Surgery), Age: c.Age.Value, SymptomGroup: c.SymptomGroup,
		Discriminators: c.Discriminators, Distance: c.Kilometres, Force: c.Force, Gender: "I"}
	switch c.Age.Unit {
	case bars.AgeDays:
		request.AgeFormat = Days
	case bars.AgeMonths:
		request.AgeFormat = Months
	default:
		request.AgeFormat = Years
	}
	if request.AgeFormat == Years && request.Age < 2 { // which the directory takes as months
		request.AgeFormat, request.Age = Months, request.Age*12
		if request.Age == 0 {
			request.AgeFormat = Days
		}
	}
	switch c.Gender {
	case "male":
		request.Gender = "M"
	case "female":
		request.Gender = "F"
	}
	if request.Surgery == "" {
		request.Surgery = "UNK"
	}
	if !c.At.IsZero() {
		request.At = &c.At
	}
	if c.Disposition == "" {
		return request, nil
	}
	var err error
	if request.Disposition, err = DispositionID(c.Disposition); err != nil {
		return nil, fhir.NewOutcome(fhir.KindValue, "disposition", "a disposition is Dx and two or three digits")
	}
	return request, nil
}

// listed maps a service for the room.
func listed(s *Service, forProfessionals bool) bars.Listed {
	l := bars.Listed{ID: nhs.ServiceID{System: nhs.SystemDoS, Value: s.ID}, NeedsBooking: s.RequiresBooking(),
		Resource: HealthcareService(s, forProfessionals)}
	if code, ok := nhs.ParseODSCode(organisation(s.ODS)); ok {
		l.Provider = code
	}
	for _, e := range s.Endpoints {
		kind := kindOf(e)
		if kind == bars.OtherEndpoint && !forProfessionals {
			continue // e-mail addresses and telephone numbers of staff
		}
		l.Endpoints = append(l.Endpoints, bars.ListedEndpoint{Kind: kind, Copy: e.Scenario == Copy, Order: e.Order,
			Address: e.Address, Resource: EndpointResource(e, "")})
	}
	return l
}

// kindOf says what an endpoint takes of what this system can send. Patients go
// over https only, and a report isn't compressed.
func kindOf(e Endpoint) bars.EndpointKind {
	transport, format, interaction := strings.ToLower(e.Transport), strings.ToUpper(e.Format), strings.ToLower(e.Interaction)
	asid, ods := e.Spine()
	switch {
	case e.Books() && (asid != "" || ods != ""):
		return bars.BookingEndpoint
	case !secure(e.Address) || e.Compressed:
	case transport == "http" && format == "FHIR" && strings.Contains(interaction, "bars"):
		return bars.BaRSEndpoint
	case transport == "itk" && format == "CDA" && strings.HasPrefix(interaction, "urn:nhs-itk:interaction:"):
		return bars.SOAPEndpoint
	}
	return bars.OtherEndpoint
}

// secure says whether an address is https, or http of this machine.
func secure(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && httpx.LoopbackHost(u.Host)
}

// about says which part of a case each fault of the directory is about.
var about = map[int][2]string{
	101: {"postcode", "the directory doesn't know the postcode"},
	104: {"discriminator", "none of the symptom discriminators is valid for the symptom group"},
	105: {"distance", "the distance must be 1 to 99 kilometres"},
	106: {"gender", "the directory doesn't take the gender"},
	108: {"at", "the directory can't read the time of the search"},
	109: {"at", "the time of the search lies more than twelve months ahead"},
	110: {"at", "the time of the search lies in the past"},
	113: {"distance", "a forced distance is missing"},
	114: {"age", "the age must be a whole number"},
	115: {"age", "an age in days must be 0 to 31"},
	116: {"age", "an age in months must be 1 to 23"},
	117: {"age", "an age in years must be 2 to 129"},
	118: {"age", "the directory doesn't know the age group"},
	119: {"age", "the directory doesn't know the unit of the age"},
	120: {"symptomGroup", "the directory doesn't know the symptom group"},
	121: {"disposition", "the directory doesn't know the disposition"},
}

// outcomeOf says what a failure of the directory means to who asked. What the
// directory wrote may repeat what it was asked, so it isn't passed on.
func outcomeOf(err error) error {
	var fault *Fault
	var o *fhir.Outcome
	switch {
	case errors.As(err, &o), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &fault):
		if what, found := about[fault.Code]; found {
			return fhir.NewOutcome(fhir.KindValue, what[0], what[1]).Because(err)
		}
		if !fault.Temporary() {
			return fhir.NewOutcome(fhir.KindException, "", "the directory of services doesn't take this system's requests (fault "+itoa(fault.Code)+"); its operator must see to that").Because(err)
		}
	case errors.Is(err, errAnswer):
		return fhir.NewOutcome(fhir.KindUnavailable, "", "the directory of services answers something that can't be read").After(firstPause * 40).Because(err)
	}
	return fhir.NewOutcome(fhir.KindUnavailable, "", "the directory of services can't be asked now; try again").After(firstPause * 40).Because(err)
}
