package dos

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Profiled is a service with what the directory keeps about whom it is for.
type Profiled struct {
	Service
	Discriminators map[int][]int // by symptom group
	Dispositions   []int         // none: all
	Genders        []string
	Surgeries      []string // who may use it; none: everybody
	Commissioned   bool
	OnlyIfOpen     bool
	Roles          []string // search roles that see it; none: all
	OutOfHoursOf   []string // practices whose patients it treats out of hours
	Rank           int      // of its type for the search, 1 to 10; 0: 10
}

// Place is a postcode of the directory.
type Place struct {
	Postcode          string
	Easting, Northing int
}

// Directory is what the stand-in searches.
type Directory struct {
	Services []Profiled
	Places   []Place
	// Reaches are the stored distances in kilometres: of a postcode, a sector or a
	// district, each without blanks ("ZZ993WZ", "ZZ993", "ZZ99").
	Reaches map[string]int
	// Role is the search role of who asks.
	Role string
	// Minutes is within what time a disposition asks for care; those that are
	// missing are unknown.
	Minutes map[int]int
	// Holiday says whether a day is a bank holiday; nil: none.
	Holiday func(time.Time) bool
}

// Bounds of a search in kilometres, and the days of the ages.
const (
	nationalDistance = 60
	maxDistance      = 99
	daysInMonth      = 30.4375
	daysInYear       = 365.25
)

// The types of an emergency department and of IUC treatment.
const typeED, typeTreatment = 105, 25

// oneOnly are the types of which a search keeps one service; of others two.
var oneOnly = []int{138, 100, 133, 130, 137, 139}

// Search answers a case as the directory does: the checks, the distance, the
// filters, the order, and the catch-all where nothing is left.
func (d *Directory) Search(c *Case, now time.Time) (*Answer, *Fault) {
	at, fault := d.check(c, now)
	if fault != nil {
		return nil, fault
	}
	place := d.place(c.Postcode)
	a := &Answer{Requested: now, Searched: at, AgeInDays: ageInDays(c)}
	a.Distance, a.Source = d.distance(c, place)
	discriminators := d.discriminators(c)
	var found []*Profiled
	for i := range d.Services {
		s := &d.Services[i]
		if s.near(place, a.Distance) && s.suits(c, discriminators, a.AgeInDays) && s.Capacity != None &&
			(len(s.Roles) == 0 || slices.Contains(s.Roles, d.Role)) && (!s.OnlyIfOpen || s.open(at, d.Minutes[c.Disposition], d.Holiday)) {
			found = append(found, s)
		}
	}
	for _, s := range order(found, c, place) {
		out := s.Service
		switch {
		case isHome(s, c):
			out.Name += " (Home)"
		case s.Type.ID == typeTreatment && slices.Contains(s.OutOfHoursOf, c.Surgery):
			out.Name += " (Home OOH)"
		}
		a.add(out, place)
	}
	if len(a.Services) == 0 {
		d.catchAll(a, place)
	}
	if len(a.Services) == 0 {
		return nil, faultNoServices
	}
	return a, nil
}

// check makes the directory's checks in its order.
func (d *Directory) check(c *Case, now time.Time) (at time.Time, fault *Fault) {
	at = now
	switch {
	case c.Force && c.Distance == 0:
		return at, faultForced
	case c.Distance < 0 || c.Distance > maxDistance:
		return at, faultDistance
	case d.place(c.Postcode) == nil:
		return at, faultPostcode
	case c.Gender != "M" && c.Gender != "F" && c.Gender != "I":
		return at, faultGender
	}
	if fault := checkAge(c); fault != nil {
		return at, fault
	}
	if c.At != nil {
		at = *c.At
		if at.Before(now.Add(-time.Minute)) {
			return at, faultPast
		}
		if at.After(now.AddDate(1, 0, 0)) {
			return at, faultFuture
		}
	}
	known := slices.ContainsFunc(d.Services, func(s Profiled) bool { return s.Discriminators[c.SymptomGroup] != nil })
	if !known {
		return at, faultGroup
	}
	if len(d.discriminators(c)) == 0 {
		return at, faultDiscriminate
	}
	if _, known := d.Minutes[c.Disposition]; c.Disposition != 0 && !known {
		return at, faultDisposition
	}
	return at, nil
}

func checkAge(c *Case) *Fault {
	within := func(from, to int) bool { return c.Age >= from && c.Age <= to }
	switch c.AgeFormat {
	case Days:
		if !within(0, 31) {
			return faultDays
		}
	case Months:
		if !within(1, 23) {
			return faultMonths
		}
	case Years:
		if !within(2, 129) {
			return faultYears
		}
	case AgeGroup:
		if !within(1, 4) {
			return faultAgeGroup
		}
	default:
		return faultAgeFormat
	}
	return nil
}

// ageInDays converts an age; a group is its youngest.
func ageInDays(c *Case) float64 {
	switch c.AgeFormat {
	case Months:
		return math.Floor(float64(c.Age) * daysInMonth)
	case Years:
		return math.Floor(float64(c.Age) * daysInYear)
	case AgeGroup:
		years := [...]float64{1: 16, 2: 5, 3: 1, 4: 0}
		return math.Floor(years[c.Age] * daysInYear)
	}
	return float64(c.Age)
}

// discriminators are those of the case that some service has for its group,
// once each.
func (d *Directory) discriminators(c *Case) []int {
	var valid []int
	for _, code := range c.Discriminators {
		known := slices.ContainsFunc(d.Services, func(s Profiled) bool { return slices.Contains(s.Discriminators[c.SymptomGroup], code) })
		if known && !slices.Contains(valid, code) {
			valid = append(valid, code)
		}
	}
	return valid
}

func (d *Directory) place(postcode string) *Place {
	key := squeeze(postcode)
	for i := range d.Places {
		if squeeze(d.Places[i].Postcode) == key && key != "" {
			return &d.Places[i]
		}
	}
	return nil
}

func squeeze(postcode string) string { return strings.ToUpper(strings.ReplaceAll(postcode, " ", "")) }

// distance chooses how far to look: the forced one, the one stored for the
// postcode, its sector or its district, the asked one, the national one.
func (d *Directory) distance(c *Case, p *Place) (int, DistanceSource) {
	if c.Force {
		return c.Distance, Override
	}
	full := squeeze(p.Postcode)
	for _, level := range []struct {
		of     string
		source DistanceSource
	}{{full, ByPostcode}, {full[:max(0, len(full)-2)], BySector}, {full[:max(0, len(full)-3)], ByDistrict}} {
		if km := d.Reaches[level.of]; km > 0 {
			return km, level.source
		}
	}
	if c.Distance > 0 {
		return c.Distance, ByRequest
	}
	return nationalDistance, National
}

// near takes a square, as the directory does.
func (s *Profiled) near(p *Place, km int) bool {
	return abs(s.Easting-p.Easting) <= km*1000 && abs(s.Northing-p.Northing) <= km*1000
}

func abs(n int) int { return max(n, -n) }

// suits says whether a service takes this patient and complaint.
func (s *Profiled) suits(c *Case, discriminators []int, days float64) bool {
	profiled := s.Discriminators[c.SymptomGroup]
	for _, code := range discriminators {
		if !slices.Contains(profiled, code) {
			return false
		}
	}
	switch {
	case !slices.Contains(s.Genders, c.Gender):
		return false
	case len(s.Surgeries) > 0 && !slices.Contains(s.Surgeries, c.Surgery):
		return false
	case c.Disposition != 0 && len(s.Dispositions) > 0 && !slices.Contains(s.Dispositions, c.Disposition):
		return false
	}
	return slices.ContainsFunc(s.Ages, func(r AgeRange) bool { return days >= r.From && days <= r.To })
}

// isHome says that the service is the patient's own practice.
func isHome(s *Profiled, c *Case) bool {
	return s.Type.ID == 100 && c.Surgery != "" && c.Surgery != "UNK" && strings.EqualFold(s.ODS, c.Surgery)
}

// order sorts by rank of type, then home practice, restricted, commissioned and
// others, then distance, and keeps two of each type, of some one.
func order(list []*Profiled, c *Case, p *Place) []*Profiled {
	group := func(s *Profiled) int {
		switch {
		case isHome(s, c):
			return 0
		case s.Commissioned && len(s.Surgeries) > 0:
			return 1
		case s.Commissioned:
			return 2
		}
		return 3
	}
	rank := func(s *Profiled) int { return cmp.Or(s.Rank, 10) }
	slices.SortStableFunc(list, func(a, b *Profiled) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(group(a), group(b)), cmp.Compare(metres(&a.Service, p), metres(&b.Service, p)))
	})
	kept := map[int]int{}
	return slices.DeleteFunc(list, func(s *Profiled) bool {
		kept[s.Type.ID]++
		most := 2
		if slices.Contains(oneOnly, s.Type.ID) {
			most = 1
		}
		return kept[s.Type.ID] > most
	})
}

func metres(s *Service, p *Place) float64 {
	return math.Hypot(float64(s.Easting-p.Easting), float64(s.Northing-p.Northing))
}

func (a *Answer) add(s Service, p *Place) {
	s.Miles = strconv.FormatFloat(kilometresToMiles(metres(&s, p)/1000), 'f', 1, 64)
	a.Services = append(a.Services, s)
}

// catchAll adds the two nearest emergency departments, however full.
func (d *Directory) catchAll(a *Answer, p *Place) {
	var list []*Profiled
	for i := range d.Services {
		if s := &d.Services[i]; s.Type.ID == typeED && s.near(p, nationalDistance) {
			list = append(list, s)
		}
	}
	slices.SortStableFunc(list, func(a, b *Profiled) int { return cmp.Compare(metres(&a.Service, p), metres(&b.Service, p)) })
	for _, s := range list[:min(2, len(list))] {
		out := s.Service
		out.Name += " (Catch-all)"
		a.add(out, p)
	}
}

// Details returns the service with a DoS id, or those with an ODS code.
func (d *Directory) Details(id string) []Service {
	var list []Service
	for _, s := range d.Services {
		if id != "" && (s.ID == id || strings.EqualFold(s.ODS, id)) {
			list = append(list, s.Service)
		}
	}
	return list
}
