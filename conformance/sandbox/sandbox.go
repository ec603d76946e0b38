package sandbox

import (
	"time"

	"github.com/google/uuid"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// The sample DoS services.
const (
	UrgentTreatment = "2000072489" // slots free
	NoSlots         = "2000073917" // no slots
	EmergencyCare   = "2000011147" // booking and referral
	Minimal         = "1503499715" // only the mandatory resources
)

// Days is for how many days ahead slots are made.
const Days = 14

// Diary hours in London and the length of a slot.
const (
	opens      = 9
	closes     = 17
	slotLength = 20 * time.Minute
)

// namespace makes version 5 UUIDs out of fixed names.
var namespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://github.com/onward-health/onward/sandbox"))

// ID makes the fixed id of a sample resource.
func ID(name string) string { return uuid.NewSHA1(namespace, []byte(name)).String() }

type organisation struct{ code, name string }

var organisations = []organisation{
	{"A1001", "Sandbox 111 provider"},
	{"B2002", "Sandbox urgent treatment provider"},
	{"C3003", "Sandbox GP practice"},
	{"D4004", "Sandbox imaging centre"},
	{"E5005", "Sandbox eyecare clinic"},
}

// diary is one schedule of a service.
type diary struct {
	service      string
	name         string
	practitioner string // family name; "" for a diary without one
	channel      string // delivery channel of its slots
}

var diaries = []diary{
	{UrgentTreatment, "utc-1", "Sandford", "In-person"},
	{UrgentTreatment, "utc-2", "Boxley", "Telephone"},
	{EmergencyCare, "ed-1", "Sanderson", "In-person"},
	{Minimal, "minimal-1", "", ""},
}

// Resources makes everything: the directory and the slots of Days days from
// now's date in London.
func Resources(now time.Time) []*fhir.Resource {
	out := directory()
	for _, d := range diaries {
		out = append(out, schedule(d))
	}
	today := now.In(nhs.London)
	for day := range Days {
		for _, d := range diaries {
			out = append(out, slotsOf(d, today.Year(), today.Month(), today.Day()+day)...)
		}
	}
	return out
}

func directory() []*fhir.Resource {
	var out []*fhir.Resource
	for _, o := range organisations {
		out = append(out, fhir.NewObject("Organization").
			Set("id", o.code).
			Set("identifier", []*fhir.Object{fhir.Obj("system", nhs.SystemODS, "value", o.code)}).
			Set("active", true).
			Set("name", o.name).Resource())
	}
	out = append(out, fhir.NewObject("Location").
		Set("id", ID("location/utc")).
		Set("status", "active").
		Set("name", "Sandbox urgent treatment centre").
		Set("address", fhir.Obj("line", []string{"1 Sandbox Street"}, "city", "Testford", "postalCode", "ZZ99 3VZ")).
		Set("managingOrganization", fhir.Obj("reference", "Organization/B2002")).Resource())
	all := []string{}
	uec := urgentUseCases()
	out = append(out,
		service(UrgentTreatment, "Sandbox urgent treatment centre", "Organization/B2002", "Location/"+ID("location/utc"), uec),
		service(NoSlots, "Sandbox urgent treatment centre without slots", "Organization/B2002", "Location/"+ID("location/utc"), uec),
		service(EmergencyCare, "Sandbox emergency department", "Organization/B2002", "Location/"+ID("location/utc"), all),
		service(Minimal, "Sandbox service with the mandatory resources only", "", "", all),
	)
	for _, d := range diaries {
		if d.practitioner == "" {
			continue
		}
		out = append(out, fhir.NewObject("Practitioner").
			Set("id", ID("practitioner/"+d.name)).
			Set("active", true).
			Set("name", []*fhir.Object{fhir.Obj("family", d.practitioner, "given", []string{"Sam"}, "prefix", []string{"Dr"})}).Resource())
	}
	return out
}

// urgentUseCases are those of applications 1, 2 and 7.
func urgentUseCases() []string {
	var list []string
	for _, code := range bars.UseCases() {
		if code[:2] == "a1" || code[:2] == "a2" || code[:2] == "a7" {
			list = append(list, code)
		}
	}
	return list
}

// service makes a HealthcareService. Its use cases stand in type, which is how
// the room knows what a service offers; none listed means all.
func service(id, name, provider, location string, useCases []string) *fhir.Resource {
	var codings []*fhir.Object
	for _, code := range useCases {
		codings = append(codings, fhir.Obj("system", bars.SystemUseCases, "code", code))
	}
	var types []*fhir.Object
	if len(codings) > 0 {
		types = append(types, fhir.Obj("coding", codings))
	}
	s := fhir.NewObject("HealthcareService").
		Set("id", id).
		Set("identifier", []*fhir.Object{fhir.Obj("system", nhs.SystemDoS, "value", id)}).
		Set("active", true)
	if provider != "" {
		s.Set("providedBy", fhir.Obj("reference", provider))
	}
	s.Set("type", types)
	if location != "" {
		s.Set("location", []*fhir.Object{fhir.Obj("reference", location)})
	}
	return s.Set("name", name).Resource()
}

// scheduleID is the fixed id of a diary.
func scheduleID(d diary) string { return ID("schedule/" + d.name) }

func schedule(d diary) *fhir.Resource {
	actors := []*fhir.Object{fhir.Obj("reference", "HealthcareService/"+d.service)}
	if d.practitioner != "" {
		actors = append(actors, fhir.Obj("reference", "Practitioner/"+ID("practitioner/"+d.name)))
	}
	return fhir.NewObject("Schedule").
		Set("id", scheduleID(d)).
		Set("identifier", []*fhir.Object{fhir.Obj("system", "https://sandbox.example/Id/diary", "value", d.name)}).
		Set("active", true).
		Set("actor", actors).Resource()
}

// slotsOf makes the free slots of one day. The hours are wall-clock hours in
// London, so a day on which the clocks change keeps its opening times.
func slotsOf(d diary, year int, month time.Month, day int) []*fhir.Resource {
	var out []*fhir.Resource
	start := time.Date(year, month, day, opens, 0, 0, 0, nhs.London)
	end := time.Date(year, month, day, closes, 0, 0, 0, nhs.London)
	for at := start; at.Before(end); at = at.Add(slotLength) {
		slot := fhir.NewObject("Slot").
			Set("id", ID("slot/"+d.name+"/"+fhir.FormatInstant(at)))
		if d.channel != "" {
			slot.Set("extension", []*fhir.Object{fhir.Obj("url", nhs.ExtDeliveryChannel, "valueCode", d.channel)})
		}
		out = append(out, slot.
			Set("schedule", fhir.Obj("reference", "Schedule/"+scheduleID(d))).
			Set("status", "free").
			Set("start", fhir.FormatInstant(at)).
			Set("end", fhir.FormatInstant(at.Add(slotLength))).Resource())
	}
	return out
}
