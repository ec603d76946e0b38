package sandbox

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// Scale is generated data of any size, for tests of size: per 1,000 slots one
// service with its organisation and diary, and 100 patients, each with an
// appointment, a referral and its encounter. The same Scale is the same data.
type Scale struct {
	Slots int       // rounded up to 250
	Seed  uint64    // of everything that is random
	Start time.Time // the diaries begin on its day in London
}

// A service has unitSlots slots, made in batches of batchSlots with the people
// who have some of them.
const (
	unitSlots   = 1000
	batchSlots  = 250
	batchPeople = batchSlots / 10
)

// Batches is how many batches there are; each is loaded as a whole.
func (s Scale) Batches() int { return (s.Slots + batchSlots - 1) / batchSlots }

// Resources is about how many resources there are.
func (s Scale) Resources() int64 { return int64(s.Batches()) * (batchSlots + 4*batchPeople) }

// Batch makes one batch: the slots, the patients, appointments, referrals and
// encounters, and with the first batch of a service what they hang on.
func (s Scale) Batch(n int) []*fhir.Resource {
	b := &batch{Scale: s, unit: n * batchSlots / unitSlots, random: rand.New(rand.NewPCG(s.Seed, uint64(n)))}
	if n*batchSlots%unitSlots == 0 {
		b.service()
	}
	day := s.Start.In(nhs.London)
	perDay := int((closes - opens) * time.Hour / slotLength)
	for i := range batchSlots {
		at := (n*batchSlots + i) % unitSlots
		start := time.Date(day.Year(), day.Month(), day.Day()+at/perDay, opens, 0, 0, 0, nhs.London).Add(time.Duration(at%perDay) * slotLength)
		status := "free"
		if i%10 == 0 {
			status = b.person(n*batchPeople+i/10, b.ID("slot", n*batchSlots+i), start)
		}
		b.slot(n*batchSlots+i, start, status)
	}
	return b.out
}

// batch is one batch in the making.
type batch struct {
	Scale
	unit   int
	random *rand.Rand
	out    []*fhir.Resource
}

func (b *batch) add(o *fhir.Object) { b.out = append(b.out, o.Resource()) }

// ID is the id of the n-th schedule, slot, patient, request, encounter or
// appointment.
func (s Scale) ID(kind string, n int) string {
	return uuid.NewSHA1(namespace, fmt.Appendf(nil, "scale/%d/%s/%d", s.Seed, kind, n)).String()
}

func (b *batch) of(list ...string) string { return list[b.random.IntN(len(list))] }

func reference(typ, id string) *fhir.Object { return fhir.Obj("reference", typ+"/"+id) }

func identifier(system, value string) []*fhir.Object {
	return []*fhir.Object{fhir.Obj("system", system, "value", value)}
}

// ScaleService is the DoS id of the n-th service.
func ScaleService(n int) string { return fmt.Sprintf("3%09d", n) }

func (b *batch) organisation() string { return fmt.Sprintf("Z%05d", b.unit) }

func (b *batch) service() {
	b.add(fhir.NewObject("Organization").Set("id", b.organisation()).
		Set("identifier", identifier(nhs.SystemODS, b.organisation())).Set("active", true).
		Set("name", fmt.Sprintf("Generated provider %d", b.unit)))
	b.add(fhir.NewObject("HealthcareService").Set("id", ScaleService(b.unit)).
		Set("identifier", identifier(nhs.SystemDoS, ScaleService(b.unit))).Set("active", true).
		Set("providedBy", reference("Organization", b.organisation())).
		Set("name", fmt.Sprintf("Generated service %d", b.unit)))
	b.add(fhir.NewObject("Schedule").Set("id", b.ID("schedule", b.unit)).
		Set("identifier", identifier("https://sandbox.example/Id/diary", fmt.Sprintf("scale-%d-%d", b.Seed, b.unit))).Set("active", true).
		Set("actor", []*fhir.Object{reference("HealthcareService", ScaleService(b.unit))}))
}

func (b *batch) slot(n int, start time.Time, status string) {
	b.add(fhir.NewObject("Slot").Set("id", b.ID("slot", n)).
		Set("extension", []*fhir.Object{fhir.Obj("url", nhs.ExtDeliveryChannel, "valueCode", b.of("In-person", "Telephone", "Video"))}).
		Set("schedule", reference("Schedule", b.ID("schedule", b.unit))).
		Set("status", status).
		Set("start", fhir.FormatInstant(start)).
		Set("end", fhir.FormatInstant(start.Add(slotLength))))
}

// person makes the n-th patient with a referral, its encounter and an
// appointment, and returns the status of the slot.
func (b *batch) person(n int, slot string, start time.Time) string {
	patient, request := b.ID("patient", n), b.ID("request", n)
	b.patient(n, patient)
	referred := start.Add(-time.Duration(1+b.random.IntN(240)) * time.Hour)
	b.add(fhir.NewObject("ServiceRequest").Set("id", request).
		Set("identifier", identifier(nhs.SystemUBRN, fmt.Sprintf("%012d", n+1))).
		Set("status", b.of("active", "active", "active", "completed")).
		Set("intent", "plan").
		Set("category", []*fhir.Object{fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", nhs.SystemSNOMED, "code", "103697008", "display", "Patient referral for dental care")})}).
		Set("priority", b.of("routine", "urgent", "asap")).
		Set("subject", reference("Patient", patient)).
		Set("encounter", reference("Encounter", b.ID("encounter", n))).
		Set("occurrencePeriod", fhir.Obj("start", fhir.FormatInstant(referred), "end", fhir.FormatInstant(start))).
		Set("authoredOn", fhir.FormatInstant(referred)).
		Set("requester", reference("Organization", b.organisation())).
		Set("performer", []*fhir.Object{reference("HealthcareService", ScaleService(b.unit))}))
	b.add(fhir.NewObject("Encounter").Set("id", b.ID("encounter", n)).
		Set("identifier", identifier("https://sandbox.example/Id/case-reference", fmt.Sprintf("C%09d", n))).
		Set("status", "planned").
		Set("class", fhir.Obj("system", "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code", "EMER")).
		Set("subject", reference("Patient", patient)).
		Set("basedOn", []*fhir.Object{reference("ServiceRequest", request)}).
		Set("period", fhir.Obj("start", fhir.FormatInstant(referred))).
		Set("serviceProvider", reference("Organization", b.organisation())))
	status, slotStatus := "booked", "busy"
	if n%10 == 9 {
		status, slotStatus = "cancelled", "free"
	}
	b.add(fhir.NewObject("Appointment").Set("id", b.ID("appointment", n)).
		Set("identifier", identifier("https://sandbox.example/Id/booking-reference", fmt.Sprintf("B%09d", n))).
		Set("status", status).
		Set("serviceType", []*fhir.Object{fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", nhs.SystemSNOMED, "code", "11429006", "display", "Consultation")})}).
		Set("description", b.of("Follow-up", "First visit", "Review of symptoms")).
		Set("start", fhir.FormatInstant(start)).
		Set("end", fhir.FormatInstant(start.Add(slotLength))).
		Set("slot", []*fhir.Object{reference("Slot", slot)}).
		Set("created", fhir.FormatInstant(referred)).
		Set("basedOn", []*fhir.Object{reference("ServiceRequest", request)}).
		Set("participant", []*fhir.Object{fhir.Obj("actor", reference("Patient", patient), "status", "accepted")}))
	return slotStatus
}

func (b *batch) patient(n int, id string) {
	b.add(fhir.NewObject("Patient").Set("id", id).
		Set("identifier", identifier(nhs.SystemNHSNumber, string(ScaleNHSNumber(n)))).
		Set("active", true).
		Set("name", []*fhir.Object{fhir.Obj("use", "official", "family", b.of(families...), "given", []string{b.of(givens...)})}).
		Set("telecom", []*fhir.Object{fhir.Obj("system", "phone", "value", fmt.Sprintf("07700 900%03d", b.random.IntN(1000)), "use", "mobile")}).
		Set("gender", b.of("female", "male", "other", "unknown")).
		Set("birthDate", time.Date(1930+b.random.IntN(90), time.Month(1+b.random.IntN(12)), 1+b.random.IntN(28), 0, 0, 0, 0, time.UTC).Format(time.DateOnly)).
		Set("address", []*fhir.Object{fhir.Obj("line", []string{fmt.Sprintf("%d Sandbox Street", 1+b.random.IntN(200))}, "city", b.of("Testford", "Sampleton", "Mockham"), "postalCode", "ZZ99 3VZ")}))
}

var (
	families = []string{"Ashdown", "Birtwhistle", "Cadwallader", "Dunmore", "Entwistle", "Farnaby", "Garside", "Hollingworth", "Iveson", "Jagger", "Kettlewell", "Lumb"}
	givens   = []string{"Alys", "Bertrand", "Cerys", "Dewi", "Elspeth", "Fergus", "Gwen", "Hamish", "Isla", "Jarek", "Kirsty", "Lowri"}
)

// ScaleNHSNumber is the number of the n-th patient, in the range 999 that is
// issued to nobody. It repeats after 111,111, as people come twice.
func ScaleNHSNumber(n int) nhs.NHSNumber {
	for body := n % 111_111 * 9; ; body++ { // one in eleven has no check digit
		for check := range 10 {
			if number := nhs.NHSNumber(fmt.Sprintf("999%06d%d", body, check)); number.Valid() {
				return number
			}
		}
	}
}
