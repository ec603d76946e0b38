package barsapi

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// slots answers GET /Slot (BaRS Core, GET Slots).
func (s *server) slots(w http.ResponseWriter, r *http.Request, h *headers) error {
	q, err := readSlotQuery(r.URL.RawQuery, s.desk.ModeOf(h.target))
	if err != nil {
		return err
	}
	if err := s.sameService(r.Context(), q.Service, h.target); err != nil {
		return err
	}
	answer, err := s.desk.Slots(r.Context(), *q)
	if err != nil {
		return err
	}
	entries, err := slotEntries(answer)
	if err != nil {
		return err
	}
	if len(answer.Slots) == 0 {
		// The standard asks for more than an empty answer.
		entries = []*fhir.Object{s.noSlots()}
	}
	applied := [][2]string{
		{"status", strings.Join(q.Statuses, ",")},
		{"start", "ge" + fhir.FormatInstant(q.From)},
		{"start", "le" + fhir.FormatInstant(q.To)},
		{"Schedule.actor:HealthcareService", q.Service.Value},
	}
	for _, include := range answer.Applied {
		applied = append(applied, [2]string{"_include", include})
	}
	return s.write(w, r, http.StatusOK, s.searchset(len(answer.Slots), s.selfLink("/Slot", applied), entries), resourceVersion)
}

// sameService refuses a service that isn't here, and one that isn't the target.
func (s *server) sameService(ctx context.Context, asked, target nhs.ServiceID) error {
	if asked == target {
		return nil
	}
	a, err := s.desk.Service(ctx, asked)
	if err != nil {
		return err
	}
	b, err := s.desk.Service(ctx, target)
	if err != nil {
		return err
	}
	if a.ID != b.ID {
		return fhir.NewOutcome(fhir.KindInvariant, "", "Schedule.actor:HealthcareService and the target identifier name different services")
	}
	return nil
}

func (s *server) noSlots() *fhir.Object {
	return fhir.Obj(
		"fullUrl", "urn:uuid:"+s.o.NewID(),
		"resource", fhir.NewObject("OperationOutcome").
			Set("issue", []*fhir.Object{fhir.Obj("severity", "information", "code", "not-found",
				"diagnostics", "no slots available for the service in the requested period")}),
		"search", fhir.Obj("mode", "outcome"),
	)
}

// slotEntries writes the Slots and what is included, each referring to the
// others by its bundle-local name.
func slotEntries(answer *bars.SlotAnswer) ([]*fhir.Object, error) {
	names := map[store.Ref]string{}
	for _, rec := range answer.Included {
		names[rec.Ref()] = fullURL(rec.Ref())
	}
	var entries []*fhir.Object
	add := func(rec *store.Record, mode string) error {
		res, err := stampedResource(rec)
		if err != nil {
			return err
		}
		if res, err = localReferences(res, names); err != nil {
			return err
		}
		entries = append(entries, fhir.Obj("fullUrl", fullURL(rec.Ref()), "resource", res, "search", fhir.Obj("mode", mode)))
		return nil
	}
	for _, rec := range answer.Slots {
		if err := add(rec, "match"); err != nil {
			return nil, err
		}
	}
	for _, rec := range answer.Included {
		if err := add(rec, "include"); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// readSlotQuery checks the parameters of section "GET Slots": what is missing
// is reported before what is wrong.
func readSlotQuery(rawQuery string, mode bars.Mode) (*bars.SlotQuery, error) {
	params, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, fhir.NewOutcome(fhir.KindInvalid, "", "the query text is malformed")
	}
	q := &bars.SlotQuery{}
	// R4 follows a reference of what is included by _include:iterate only.
	for _, name := range []string{"_include", "_include:iterate", "_include:recurse"} {
		for _, include := range params[name] {
			// The standard writes some of them with a dot as well.
			q.Include = append(q.Include, strings.ReplaceAll(include, ".", ":"))
		}
	}
	missing := &fhir.Outcome{Kind: fhir.KindRequired}
	services := servicesOf(params)
	if len(services) == 0 || services[0] == "" {
		missing.Add("", "the parameter Schedule.actor:HealthcareService is missing")
	}
	if len(params["status"]) == 0 {
		missing.Add("", "the parameter status is missing")
	}
	for _, include := range []string{bars.IncludeSchedule, bars.IncludeService} {
		if !slices.Contains(q.Include, include) && !slices.Contains(q.Include, "Slot:*") {
			missing.Add("", "the parameter _include="+include+" is missing")
		}
	}
	bounds := append(slices.Clone(params["start"]), params["end"]...)
	if len(bounds) < 2 {
		missing.Add("", "the parameter start is needed twice: start=ge… and start=le…")
	}
	if err := missing.OrNil(); err != nil {
		return nil, err
	}
	wrong := &fhir.Outcome{Kind: fhir.KindValue}
	if len(services) > 1 {
		wrong.Add("", "the parameter Schedule.actor:HealthcareService takes one service")
	}
	q.Service = nhs.ParseServiceID(strings.TrimPrefix(services[0], "HealthcareService/"))
	readStatuses(params["status"], q, wrong)
	if mode == bars.Lenient {
		for i := range bounds { // the + of an offset that the sender left as it is
			bounds[i] = strings.Replace(bounds[i], " ", "+", 1)
		}
	}
	readBounds(bounds, q, wrong)
	return q, wrong.OrNil()
}

// servicesOf are the values of the parameter that names the service. The standard
// writes it in two ways, R4 in a third, and as a chain to the service's identifier.
func servicesOf(params url.Values) (all []string) {
	for _, name := range []string{"Schedule.actor:HealthcareService", "Schedule:actor:HealthcareService", "schedule.actor:HealthcareService"} {
		all = append(append(all, params[name]...), params[name+".identifier"]...)
	}
	return all
}

const systemSlotStatus = "http://hl7.org/fhir/slotstatus"

func readStatuses(values []string, q *bars.SlotQuery, wrong *fhir.Outcome) {
	if len(values) > 1 {
		wrong.Add("", "the parameter status takes several values as a comma list, not repeated")
		return
	}
	for _, status := range strings.Split(values[0], ",") {
		status = strings.TrimPrefix(status, systemSlotStatus+"|") // as R4 writes a token
		if status != "free" && status != "busy" {
			wrong.Add("", "the parameter status must be free, busy or both, separated by a comma")
			return
		}
		q.Statuses = append(q.Statuses, status)
	}
}

// readBounds reads one lower and one upper bound.
func readBounds(values []string, q *bars.SlotQuery, wrong *fhir.Outcome) {
	if len(values) > 2 {
		wrong.Add("", "the parameter start takes one lower and one upper bound")
		return
	}
	lower, upper := false, false
	for _, value := range values {
		if len(value) < 3 {
			wrong.Add("", "the parameter start must be ge or le and a date with time and offset")
			return
		}
		lo, hi, err := fhir.ParseDateTime(value[2:])
		if err != nil {
			wrong.Add("", "the parameter start must be ge or le and a FHIR dateTime; a + in the offset must be written %2B")
			return
		}
		switch value[:2] {
		case "ge":
			q.From, lower = lo, true
		case "gt":
			q.From, lower = hi.Truncate(time.Millisecond).Add(time.Millisecond), true
		case "le":
			q.To, upper = hi.Truncate(time.Millisecond), true
		case "lt":
			q.To, upper = lo.Truncate(time.Millisecond).Add(-time.Millisecond), true
		default:
			wrong.Add("", "the parameter start must begin with ge or le")
			return
		}
	}
	switch {
	case !lower || !upper:
		*wrong = *fhir.NewOutcome(fhir.KindRequired, "", "the parameter start needs both a lower (ge) and an upper (le) bound")
	case q.To.Before(q.From):
		wrong.Add("", "the parameter start: the lower bound lies after the upper one")
	}
}
