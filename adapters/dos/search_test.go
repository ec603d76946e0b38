package dos

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/nhs"
)

// friday is a Friday noon.
var friday = time.Date(2026, 11, 20, 12, 0, 0, 0, nhs.London)

func someone() *Case {
	return &Case{Postcode: "ZZ99 3VZ", Age: 35, AgeFormat: Years, Disposition: 1005, SymptomGroup: 1110, Discriminators: []int{4003}, Gender: "M"}
}

func service(id string, kind, easting int, change ...func(*Profiled)) Profiled {
	s := Profiled{
		Service: Service{ID: id, Name: "S" + id, Type: ServiceType{ID: kind}, Easting: easting, Northing: 300_000, Capacity: High,
			OpenAllHours: true, Ages: []AgeRange{{0, 47117}}},
		Discriminators: map[int][]int{1110: {4003, 4052}}, Genders: []string{"M", "F", "I"}, Commissioned: true,
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

func directory(services ...Profiled) *Directory {
	return &Directory{Services: services, Places: places, Minutes: minutes}
}

func ids(a *Answer) string {
	if a == nil {
		return ""
	}
	var list []string
	for _, s := range a.Services {
		list = append(list, s.ID)
	}
	return strings.Join(list, " ")
}

func TestEachWrongCaseHasItsNumber(t *testing.T) {
	d := directory(service("1", 135, 400_000))
	at := func(t time.Time) *time.Time { return &t }
	cases := []struct {
		name   string
		change func(*Case)
		code   int
	}{
		{"unknown postcode", func(c *Case) { c.Postcode = "XX1 1XX" }, 101},
		{"no postcode", func(c *Case) { c.Postcode = "" }, 101},
		{"no valid discriminator", func(c *Case) { c.Discriminators = []int{1} }, 104},
		{"no discriminator", func(c *Case) { c.Discriminators = nil }, 104},
		{"distance of 100", func(c *Case) { c.Distance = 100 }, 105},
		{"negative distance", func(c *Case) { c.Distance = -1 }, 105},
		{"gender X", func(c *Case) { c.Gender = "X" }, 106},
		{"a date 13 months ahead", func(c *Case) { c.At = at(friday.AddDate(0, 13, 0)) }, 109},
		{"a date two minutes ago", func(c *Case) { c.At = at(friday.Add(-2 * time.Minute)) }, 110},
		{"a forced distance that is missing", func(c *Case) { c.Force = true }, 113},
		{"32 days", func(c *Case) { c.AgeFormat, c.Age = Days, 32 }, 115},
		{"24 months", func(c *Case) { c.AgeFormat, c.Age = Months, 24 }, 116},
		{"1 year", func(c *Case) { c.Age = 1 }, 117},
		{"130 years", func(c *Case) { c.Age = 130 }, 117},
		{"age group 5", func(c *Case) { c.AgeFormat, c.Age = AgeGroup, 5 }, 118},
		{"age in weeks", func(c *Case) { c.AgeFormat = "Weeks" }, 119},
		{"unknown symptom group", func(c *Case) { c.SymptomGroup = 9 }, 120},
		{"unknown disposition", func(c *Case) { c.Disposition = 9 }, 121},
		{"nothing within reach", func(c *Case) { c.Postcode = "ZZ99 9ZZ" }, 102},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			request := someone()
			c.change(request)
			_, fault := d.Search(request, friday)
			require.NotNil(t, fault)
			require.Equal(t, c.code, fault.Code)
		})
	}
}

func TestAgesBecomeDays(t *testing.T) {
	for _, c := range []struct {
		format AgeFormat
		age    int
		days   float64
	}{{Years, 35, 12783}, {Months, 23, 700}, {Days, 0, 0}, {AgeGroup, 1, 5844}, {AgeGroup, 4, 0}} {
		require.Equal(t, c.days, ageInDays(&Case{AgeFormat: c.format, Age: c.age}), c)
	}
}

func TestTheDistanceComesFromTheFirstSourceThatHasOne(t *testing.T) {
	d := &Directory{Reaches: map[string]int{"ZZ993WZ": 12, "ZZ993": 25, "ZZ99": 18}}
	for _, c := range []struct {
		request  Case
		postcode string
		km       int
		source   DistanceSource
	}{
		{Case{Distance: 5, Force: true}, "ZZ99 3WZ", 5, Override},
		{Case{Distance: 5}, "zz99 3wz", 12, ByPostcode},
		{Case{Distance: 5}, "ZZ99 3AA", 25, BySector},
		{Case{Distance: 5}, "ZZ99 4AA", 18, ByDistrict},
		{Case{Distance: 5}, "ZZ98 4AA", 5, ByRequest},
		{Case{}, "ZZ98 4AA", 60, National},
	} {
		km, source := d.distance(&c.request, &Place{Postcode: c.postcode})
		require.Equal(t, c.km, km)
		require.Equal(t, c.source, source)
	}
}

func TestTheSearchTakesASquare(t *testing.T) {
	corner := service("corner", 135, 409_900, func(s *Profiled) { s.Northing = 309_900 })
	request := someone()
	request.Distance = 10
	a, fault := directory(corner).Search(request, friday)
	require.Nil(t, fault)
	require.Equal(t, "corner", ids(a)) // 14 km away
	require.Equal(t, "8.7", a.Services[0].Miles)
}

func TestServicesAreFilteredByWhomTheyTake(t *testing.T) {
	red := func(s *Profiled) { s.Capacity = None }
	amber := func(s *Profiled) { s.Capacity = Low }
	women := func(s *Profiled) { s.Genders = []string{"F"} }
	children := func(s *Profiled) { s.Ages = []AgeRange{{0, 5843}} }
	another := func(s *Profiled) { s.Discriminators = map[int][]int{1110: {4052}} }
	slow := func(s *Profiled) { s.Dispositions = []int{1007} }
	closed := func(s *Profiled) { s.OnlyIfOpen, s.OpenAllHours = true, false }
	theirs := func(s *Profiled) { s.Surgeries = []string{"Z9999"} }
	clinicians := func(s *Profiled) { s.Roles = []string{"clinician"} }
	for name, change := range map[string]func(*Profiled){"red": red, "women": women, "children": children, "another discriminator": another,
		"another disposition": slow, "closed": closed, "another practice's": theirs, "another search role's": clinicians} {
		far := service("far", 135, 600_000) // keeps the codes known
		_, fault := directory(service("1", 135, 400_000, change), far).Search(someone(), friday)
		require.Equal(t, faultNoServices, fault, name)
	}
	a, fault := directory(service("1", 135, 400_000, amber)).Search(someone(), friday)
	require.Nil(t, fault)
	require.Equal(t, "1", ids(a))
	seen := directory(service("1", 135, 400_000, clinicians))
	seen.Role = "clinician"
	a, fault = seen.Search(someone(), friday)
	require.Nil(t, fault)
	require.Equal(t, "1", ids(a))
	member := someone()
	member.Surgery = "Z9999"
	a, fault = directory(service("1", 135, 400_000, theirs)).Search(member, friday)
	require.Nil(t, fault)
	require.Equal(t, "1", ids(a))
}

func TestResultsAreOrderedAndCut(t *testing.T) {
	home := func(s *Profiled) { s.ODS = "C3003" }
	rank := func(n int) func(*Profiled) { return func(s *Profiled) { s.Rank = n } }
	d := directory(
		service("far", 135, 405_000, rank(1)), service("near", 135, 401_000, rank(1)), service("third", 135, 406_000, rank(1)),
		service("other-gp", 100, 400_100, rank(2)), service("own-gp", 100, 403_000, rank(2), home),
		service("ed", 105, 400_010), service("ooh", 25, 400_020, func(s *Profiled) { s.OutOfHoursOf = []string{"C3003"} }),
	)
	request := someone()
	request.Surgery = "C3003"
	a, fault := d.Search(request, friday)
	require.Nil(t, fault)
	require.Equal(t, "near far own-gp ed ooh", ids(a)) // two of type 135, one practice
	require.Equal(t, "Sown-gp (Home)", a.Services[2].Name)
	require.Equal(t, "Sooh (Home OOH)", a.Services[4].Name)
}

func TestWithNothingLeftTheNearestEmergencyDepartmentsCatchAll(t *testing.T) {
	red := func(s *Profiled) { s.Capacity = None }
	a, fault := directory(service("ed3", 105, 430_000, red), service("ed1", 105, 410_000, red), service("ed2", 105, 420_000, red), service("utc", 135, 400_000, red)).
		Search(someone(), friday)
	require.Nil(t, fault)
	require.Equal(t, "ed1 ed2", ids(a))
	require.Equal(t, "Sed1 (Catch-all)", a.Services[0].Name)
}

func TestOpeningTimesGoByDateThenAlwaysThenBankHolidayThenWeek(t *testing.T) {
	weekly := Service{Sessions: []Session{{"Friday", "Friday", Clock{9, 0}, Clock{12, 30}, "Open"}, {"Bankholiday", "Bankholiday", Clock{14, 0}, Clock{15, 0}, "Open"}}}
	holiday := func(time.Time) bool { return true }
	date := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	always := Service{OpenAllHours: true}
	shut := Service{OpenAllHours: true, Dates: []DateSession{{Date: date}}}
	dated := Service{Dates: []DateSession{{date, Clock{12, 0}, Clock{0, 0}}}}
	cases := []struct {
		name    string
		s       Service
		now     time.Time
		within  int
		holiday func(time.Time) bool
		open    bool
	}{
		{"open, closing in 31 minutes", weekly, friday.Add(-time.Minute), 0, nil, true},
		{"open, closing in 30 minutes", weekly, friday, 0, nil, true},
		{"open, closing in 29 minutes", weekly, friday.Add(time.Minute), 0, nil, false},
		{"opens within the hour", weekly, friday.Add(-4 * time.Hour), 60, nil, true},
		{"opens after the window", weekly, friday.Add(-4*time.Hour - time.Minute), 60, nil, false},
		{"a long disposition looks an hour less far", weekly, friday.Add(-6 * time.Hour), 240, nil, true},
		{"bank holiday", weekly, friday, 180, holiday, true},
		{"not on a bank holiday as in the week", weekly, friday, 30, holiday, false},
		{"always", always, friday.Add(11*time.Hour + 50*time.Minute), 0, nil, true},
		{"closed on the date", shut, friday, 0, nil, false},
		{"until midnight", dated, friday.Add(11 * time.Hour), 0, nil, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.open, c.s.open(c.now, c.within, c.holiday))
		})
	}
}

func TestADayOnWhichTheClocksChangeKeepsItsOpeningTimes(t *testing.T) {
	s := Service{Sessions: []Session{{"Sunday", "Sunday", Clock{9, 0}, Clock{17, 0}, "Open"}}}
	for _, day := range []time.Time{time.Date(2026, 3, 29, 9, 0, 0, 0, nhs.London), time.Date(2026, 10, 25, 9, 0, 0, 0, nhs.London)} {
		require.True(t, s.open(day, 30, nil))
		require.False(t, s.open(day.Add(-31*time.Minute), 30, nil))
		require.False(t, s.open(day.Add(8*time.Hour-29*time.Minute), 30, nil))
	}
}
