package testtool

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

const slotLength = 20 * time.Minute

// slots answers GET /Slot. The slots begin at the lower bound of the search, so
// that every period finds some.
func (t *Tool) slots(w http.ResponseWriter, r *request) error {
	query := r.URL.Query()
	o := &fhir.Outcome{Kind: fhir.KindRequired}
	for _, name := range []string{"status", "start", "_include"} {
		if query.Get(name) == "" {
			o.Add("", "the parameter "+name+" is missing")
		}
	}
	if err := o.OrNil(); err != nil {
		return err
	}
	service := nhs.ParseServiceID(query.Get("Schedule.actor:HealthcareService")).Value
	if service == "" {
		service = r.target.Value
	}
	offered, known := offers[service]
	if !known || !offered.slots {
		return fhir.NewOutcome(fhir.KindNotFound, "", "the test tool knows no such service with slots")
	}
	if service == slotsTimeout {
		return refuse(fhir.KindTimeout).err()
	}
	from, err := bound(query["start"], "ge")
	if err != nil {
		return err
	}
	to, err := bound(append(query["start"], query["end"]...), "le")
	if err != nil {
		return err
	}
	if to.Before(from) {
		return fhir.NewOutcome(fhir.KindValue, "", "the lower bound of start must not be after the upper")
	}
	var statuses []string
	for status := range strings.SplitSeq(query.Get("status"), ",") {
		if status != "free" && status != "busy" {
			return fhir.NewOutcome(fhir.KindValue, "", "the parameter status must be free, busy or both")
		}
		statuses = append(statuses, status)
	}
	var entries []*fhir.Object
	if service != slotsNone {
		entries = slotEntries(service, from, to, statuses)
	}
	matches := len(entries)
	if matches == 0 {
		entries = append(entries, fhir.Obj("resource", fhir.NewObject("OperationOutcome").Set("issue", []*fhir.Object{fhir.Obj(
			"severity", "information", "code", "not-found", "diagnostics", "no slots available for the service in the requested period")}),
			"search", fhir.Obj("mode", "outcome")))
		return t.write(w, r, t.searchset(entries, 0, "/Slot", r))
	}
	entries = append(entries, around(service)...)
	return t.write(w, r, t.searchset(entries, matches, "/Slot", r))
}

// bound finds one of the two values of start.
func bound(values []string, prefix string) (time.Time, error) {
	for _, value := range values {
		text, found := strings.CutPrefix(value, prefix)
		if !found {
			continue
		}
		at, _, err := fhir.ParseDateTime(text)
		if err != nil {
			return time.Time{}, fhir.NewOutcome(fhir.KindValue, "", "the parameter start must hold a dateTime behind ge or le")
		}
		return at, nil
	}
	return time.Time{}, fhir.NewOutcome(fhir.KindRequired, "", "the parameter start must be there twice, with ge and with le")
}

// name makes a fixed id of a service and what belongs to it.
func name(parts ...string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("sandbox test tool/"+strings.Join(parts, "/"))).String()
}

// slotEntries are four slots, every other one free, as far as they lie in the period and
// have a status that was asked for.
func slotEntries(service string, from, to time.Time, statuses []string) []*fhir.Object {
	var entries []*fhir.Object
	start := from.UTC().Truncate(time.Second)
	for _, status := range []string{"free", "busy", "free", "busy"} {
		if !start.After(to) && slices.Contains(statuses, status) {
			id := name(service, "slot", start.Format(time.RFC3339))
			entries = append(entries, fhir.Obj("fullUrl", "urn:uuid:"+id, "resource", fhir.NewObject("Slot").
				Set("id", id).
				Set("schedule", fhir.Obj("reference", "urn:uuid:"+name(service, "schedule"))).
				Set("status", status).
				Set("start", fhir.FormatInstant(start)).
				Set("end", fhir.FormatInstant(start.Add(slotLength))),
				"search", fhir.Obj("mode", "match")))
		}
		start = start.Add(slotLength)
	}
	return entries
}

// around is what the slots belong to: Schedule and HealthcareService and, but for
// the service of mandatory resources only, Practitioner and Location.
func around(service string) []*fhir.Object {
	include := func(id string, res *fhir.Object) *fhir.Object {
		return fhir.Obj("fullUrl", "urn:uuid:"+id, "resource", res.Set("id", id), "search", fhir.Obj("mode", "include"))
	}
	schedule, healthcare := name(service, "schedule"), name(service, "service")
	practitioner, location := name(service, "practitioner"), name(service, "location")
	actors := []*fhir.Object{fhir.Obj("reference", "urn:uuid:"+healthcare)}
	provided := fhir.NewObject("HealthcareService").
		Set("identifier", []*fhir.Object{fhir.Obj("system", nhs.SystemDoS, "value", service)}).
		Set("active", true).Set("name", "Sandbox test tool service")
	whole := service != slotsMinimal
	if whole {
		actors = append(actors, fhir.Obj("reference", "urn:uuid:"+practitioner))
		provided.Set("location", []*fhir.Object{fhir.Obj("reference", "urn:uuid:"+location)})
	}
	entries := []*fhir.Object{
		include(schedule, fhir.NewObject("Schedule").
			Set("identifier", []*fhir.Object{fhir.Obj("system", "urn:ietf:rfc:3986", "value", "urn:uuid:"+schedule)}).
			Set("active", true).Set("actor", actors)),
		include(healthcare, provided),
	}
	if whole {
		entries = append(entries,
			include(practitioner, fhir.NewObject("Practitioner").Set("name", []*fhir.Object{fhir.Obj("family", "Sandbox")})),
			include(location, fhir.NewObject("Location").Set("status", "active").Set("name", "Sandbox test tool clinic")))
	}
	return entries
}
