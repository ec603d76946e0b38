package bars

import (
	"context"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// Directory is what the room asks of a directory of services (design D18).
// Adapters implement it. Errors are *fhir.Outcome values: KindValue where the
// case is at fault, KindUnavailable where later may be better.
type Directory interface {
	// Search returns the services that take a case, in the order in which they
	// must be offered. None at all is no error.
	Search(ctx context.Context, c Case) (*Listing, error)
	// Lookup returns the service with this id, nil where the directory has none.
	Lookup(ctx context.Context, id nhs.ServiceID) (*Listed, error)
}

// Case is the clinical scenario that a service is sought for: what a triage
// comes to.
type Case struct {
	Reference      string // of the case, for the directory's audit; may be empty
	Postcode       string
	Surgery        nhs.ODSCode // the patient's practice; empty where unknown
	Age            Age
	Gender         string // FHIR's administrative gender
	Disposition    string // NHS Pathways, "Dx05"; empty: any
	SymptomGroup   int
	Discriminators []int
	Kilometres     int       // how far to look; 0: as far as the directory says
	Force          bool      // look exactly that far
	At             time.Time // search as if it were then; zero: now
	Professional   bool      // who asks may see what isn't for the public
}

// Age is a person's age in the unit that their age is told in.
type Age struct {
	Value int
	Unit  AgeUnit
}

// AgeUnit is a unit of UCUM.
type AgeUnit string

// The units.
const (
	AgeDays   AgeUnit = "d"
	AgeMonths AgeUnit = "mo"
	AgeYears  AgeUnit = "a"
)

// AgeOn is the age of who was born on a date: days below one month, months below
// two years.
func AgeOn(born, day time.Time) Age {
	months := (day.Year()-born.Year())*12 + int(day.Month()) - int(born.Month())
	if day.Day() < born.Day() {
		months--
	}
	switch {
	case months >= 24:
		return Age{months / 12, AgeYears}
	case months >= 1:
		return Age{months, AgeMonths}
	}
	return Age{max(0, int(day.Sub(born).Hours()/24)), AgeDays}
}

// Listing is what a directory answers.
type Listing struct {
	Services []Listed
	// CatchAll says that nothing suits and these take everybody.
	CatchAll bool
}

// Listed is a service as a directory lists it.
type Listed struct {
	ID       nhs.ServiceID
	Provider nhs.ODSCode
	// NeedsBooking says that nobody may be referred there without a booked
	// appointment.
	NeedsBooking bool
	// Resource is the HealthcareService, without id and endpoints.
	Resource  *fhir.Object
	Endpoints []ListedEndpoint
}

// ListedEndpoint is one way to send something to a service.
type ListedEndpoint struct {
	Kind    EndpointKind
	Copy    bool // for information; else somebody acts on it
	Order   int
	Address string
	// Resource is the Endpoint, without id.
	Resource *fhir.Object
}

// EndpointKind says what an endpoint takes.
type EndpointKind uint8

// The kinds. OtherEndpoint is e-mail, telephone and all else that this system
// can't send to.
const (
	OtherEndpoint EndpointKind = iota
	BaRSEndpoint
	SOAPEndpoint
	BookingEndpoint // finds slots; its address is an ASID or ODS code of the Spine
)

// FindRequest asks for services for a patient and, of those that can be booked
// here, for slots.
type FindRequest struct {
	Case  Case
	Slots int // of each service, at most MaxSlotsEach
}

// MaxSlotsEach bounds FindRequest.Slots.
const MaxSlotsEach = 20

// slotsWithin is how far ahead slots are looked for.
const slotsWithin = 14 * 24 * time.Hour

// Suitable is the answer to a FindRequest: the services in the order in which
// they must be offered.
type Suitable struct {
	Services []SuitableService
	CatchAll bool
}

// SuitableService is a listed service, how it is reached, and its first free slots
// where it can be booked here.
type SuitableService struct {
	Listed
	Way    Way
	Hosted *store.Record // our own HealthcareService; nil: it isn't ours
	Slots  []*store.Record
	// Schedules are those of the Slots.
	Schedules []*store.Record
	// Bookable says that an appointment can be made: here, or at the one booking
	// endpoint. Problem says why not where the directory contradicts itself.
	Bookable bool
	Problem  string
}

// Find asks the directory for services for a patient.
func (d *Desk) Find(ctx context.Context, req FindRequest) (*Suitable, error) {
	if d.directory == nil {
		return nil, fhir.NewOutcome(fhir.KindNotImplemented, "", "this system is not set up to ask a directory of services")
	}
	listing, err := d.directory.Search(ctx, req.Case)
	if err != nil {
		return nil, d.outcome(err)
	}
	found := &Suitable{CatchAll: listing.CatchAll}
	for _, listed := range listing.Services {
		f, err := d.found(ctx, listed, &req)
		if err != nil {
			return nil, d.outcome(err)
		}
		found.Services = append(found.Services, *f)
	}
	return found, nil
}

func (d *Desk) found(ctx context.Context, listed Listed, req *FindRequest) (*SuitableService, error) {
	f := &SuitableService{Listed: listed}
	s, err := d.service(ctx, listed.ID)
	if err != nil && fhir.AsOutcome(err).Kind != fhir.KindNotFound {
		return nil, err
	}
	f.Way = d.wayOf(listed.ID, s, &listed)
	booking := 0
	for _, e := range listed.Endpoints {
		if e.Kind == BookingEndpoint {
			booking++
		}
	}
	switch {
	case booking > 1: // Directory of Services, booking endpoints: none may be chosen
		f.Problem = "the directory lists several booking endpoints, of which none may be chosen"
	case booking == 1:
		f.Bookable = true
	}
	if s == nil {
		return f, nil
	}
	if f.Hosted, err = d.get(ctx, s.ref()); err != nil {
		return nil, err
	}
	from := d.now()
	if req.Case.At.After(from) {
		from = req.Case.At
	}
	f.Slots, f.Schedules, err = d.firstSlots(ctx, s, from, min(req.Slots, MaxSlotsEach))
	f.Bookable = f.Bookable || len(f.Slots) > 0
	return f, err
}

// firstSlots are the first n free slots of a service from a time on.
func (d *Desk) firstSlots(ctx context.Context, s *service, from time.Time, n int) (slots, schedules []*store.Record, err error) {
	if n <= 0 {
		return nil, nil, nil
	}
	all, err := d.schedules(ctx, s)
	if err != nil || len(all) == 0 {
		return nil, nil, err
	}
	q := slotSearch(all, []string{"free"}, from, from.Add(slotsWithin))
	for q.Count = 2 * MaxSlotsEach; ; {
		page, err := d.store.Search(ctx, q)
		if err != nil {
			return nil, nil, err
		}
		free, err := d.withoutHeld(ctx, page.Records, []string{"free"})
		if err != nil {
			return nil, nil, err
		}
		slots = append(slots, free...)
		if len(slots) >= n || page.Next == "" {
			break
		}
		q.Cursor = page.Next
	}
	slots = slots[:min(n, len(slots))]
	schedules, err = usedSchedules(slots, all)
	return slots, schedules, err
}

// schedules are all schedules of a service.
func (d *Desk) schedules(ctx context.Context, s *service) ([]*store.Record, error) {
	return d.all(ctx, &search.Query{Type: "Schedule", Where: search.Has("actor:" + s.ref().String()), Count: search.MaxCount},
		maxSchedules, "schedules of this service; the operator must split it")
}
