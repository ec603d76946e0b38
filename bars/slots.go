package bars

import (
	"context"
	"slices"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// SlotQuery asks for the slots of one service (BaRS Core 1.5, GET Slots).
type SlotQuery struct {
	Service  nhs.ServiceID
	Statuses []string // free, busy
	From, To time.Time
	Include  []string // Slot:schedule, Schedule:actor:HealthcareService, ...
}

// SlotAnswer is what the query found: the Slots by start, and the included
// records.
type SlotAnswer struct {
	Slots    []*store.Record
	Included []*store.Record
	// Applied are the includes that were carried out.
	Applied []string
}

// Bounds of a slot query. A wider one is "too costly".
const (
	maxSlotWindow = 62 * 24 * time.Hour
	maxSlots      = 2000
	maxSchedules  = 2000 // of one service
)

// Includes that Slots carries out.
const (
	IncludeSchedule     = "Slot:schedule"
	IncludeService      = "Schedule:actor:HealthcareService"
	IncludePractitioner = "Schedule:actor:Practitioner"
	IncludeRole         = "Schedule:actor:PractitionerRole"
	IncludeProvider     = "HealthcareService:providedBy"
	IncludeLocation     = "HealthcareService:location"
	includeAll          = "Slot:*"
)

// Slots lists the slots of all schedules of a service. A slot that somebody
// holds while choosing isn't offered as free (design D27).
func (d *Desk) Slots(ctx context.Context, q SlotQuery) (*SlotAnswer, error) {
	answer, err := d.slots(ctx, q)
	if err != nil {
		return nil, d.outcome(err)
	}
	return answer, nil
}

func (d *Desk) slots(ctx context.Context, q SlotQuery) (*SlotAnswer, error) {
	if q.To.Sub(q.From).Truncate(time.Second) > maxSlotWindow { // a bound lasts to the end of its second
		return nil, fhir.NewOutcome(fhir.KindTooCostly, "", "start: the period may span at most 62 days")
	}
	s, err := d.service(ctx, q.Service)
	if err != nil {
		return nil, err
	}
	schedules, err := d.schedules(ctx, s)
	answer := &SlotAnswer{Applied: applied(q.Include)}
	if err != nil || len(schedules) == 0 {
		return answer, err
	}
	found, err := d.all(ctx, slotSearch(schedules, q.Statuses, q.From, q.To), maxSlots, "slots; ask for a shorter period")
	if err != nil {
		return nil, err
	}
	if answer.Slots, err = d.withoutHeld(ctx, found, q.Statuses); err != nil {
		return nil, err
	}
	err = d.include(ctx, answer, schedules, q.Include)
	return answer, err
}

// slotSearch asks for the slots of schedules that begin in a period, the first
// ones first.
func slotSearch(schedules []*store.Record, states []string, from, to time.Time) *search.Query {
	keys, statuses := search.HasAny{}, search.HasAny{}
	for _, schedule := range schedules {
		keys = append(keys, "schedule:Schedule/"+schedule.ID)
	}
	for _, status := range states {
		statuses = append(statuses, "status:"+status)
	}
	return &search.Query{
		Type: "Slot",
		Where: search.And{
			keys, statuses,
			search.Date{Param: "start", Op: search.Ge, Lo: from.UnixMilli(), Hi: from.UnixMilli()},
			search.Date{Param: "start", Op: search.Le, Lo: to.UnixMilli(), Hi: to.UnixMilli()},
		},
		Sort:  []search.Sort{{Param: "start"}},
		Count: search.MaxCount,
	}
}

// applied are the includes that this receiver knows, once each.
func applied(includes []string) []string {
	var known []string
	for _, name := range includes {
		switch name {
		case IncludeSchedule, IncludeService, IncludePractitioner, IncludeRole, IncludeProvider, IncludeLocation, includeAll:
			if !slices.Contains(known, name) {
				known = append(known, name)
			}
		}
	}
	return known
}

// all reads all pages, because the standard's slot search has none. More than
// limit are too costly.
func (d *Desk) all(ctx context.Context, q *search.Query, limit int, what string) ([]*store.Record, error) {
	var all []*store.Record
	for {
		page, err := d.store.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Records...)
		if len(all) > limit {
			return nil, fhir.NewOutcome(fhir.KindTooCostly, "", "more than "+itoa(limit)+" "+what)
		}
		if page.Next == "" {
			return all, nil
		}
		q.Cursor = page.Next
	}
}

// withoutHeld leaves out free slots that are held.
func (d *Desk) withoutHeld(ctx context.Context, slots []*store.Record, statuses []string) ([]*store.Record, error) {
	if !slices.Contains(statuses, "free") || len(slots) == 0 {
		return slots, nil
	}
	taken := map[string]bool{}
	for chunk := range slices.Chunk(slots, store.MaxMany) {
		ids := make([]string, len(chunk))
		for i, s := range chunk {
			ids[i] = s.ID
		}
		holds, err := d.store.AuxGet(ctx, "hold", ids) // a claim for good shows in the status
		if err != nil {
			return nil, err
		}
		for _, h := range holds {
			taken[h.Key] = true
		}
	}
	return slices.DeleteFunc(slots, func(s *store.Record) bool { return taken[s.ID] }), nil
}

// include adds the records that the includes name.
func (d *Desk) include(ctx context.Context, answer *SlotAnswer, schedules []*store.Record, includes []string) error {
	if len(answer.Applied) == 0 {
		return nil
	}
	want := func(name string) bool {
		return slices.Contains(includes, name) || slices.Contains(includes, includeAll)
	}
	used, err := usedSchedules(answer.Slots, schedules)
	if err != nil || len(used) == 0 {
		return err
	}
	if want(IncludeSchedule) {
		answer.Included = append(answer.Included, used...)
	}
	var actors []store.Ref
	for _, schedule := range used {
		actors = appendRefs(actors, schedule, func(r *fhir.Resource) fhir.Value { return r.Get("actor") }, func(typ string) bool {
			return want("Schedule:actor:" + typ)
		})
	}
	found, err := d.getMany(ctx, actors)
	if err != nil {
		return err
	}
	answer.Included = append(answer.Included, found...)
	var more []store.Ref
	for _, rec := range found {
		if rec.Type != "HealthcareService" {
			continue
		}
		more = appendRefs(more, rec, func(r *fhir.Resource) fhir.Value { return r.Get("providedBy") }, func(string) bool { return want(IncludeProvider) })
		more = appendRefs(more, rec, func(r *fhir.Resource) fhir.Value { return r.Get("location") }, func(string) bool { return want(IncludeLocation) })
	}
	found, err = d.getMany(ctx, more)
	answer.Included = append(answer.Included, found...)
	return err
}

// usedSchedules returns the schedules that the slots stand in.
func usedSchedules(slots, schedules []*store.Record) ([]*store.Record, error) {
	inUse := map[string]bool{}
	for _, s := range slots {
		r, err := fhir.Parse(s.Body)
		if err != nil {
			return nil, err
		}
		ref, _ := fhir.ParseReference(r.Get("schedule", "reference").Text())
		inUse[ref.ID] = true
	}
	return slices.DeleteFunc(slices.Clone(schedules), func(s *store.Record) bool { return !inUse[s.ID] }), nil
}

// appendRefs adds the references of an element whose type is wanted, once each.
func appendRefs(refs []store.Ref, rec *store.Record, element func(*fhir.Resource) fhir.Value, want func(typ string) bool) []store.Ref {
	r, err := fhir.Parse(rec.Body)
	if err != nil {
		return refs
	}
	add := func(v fhir.Value) {
		ref, ok := fhir.ParseReference(v.Get("reference").Text())
		if target := (store.Ref{Type: ref.Type, ID: ref.ID}); ok && want(ref.Type) && !slices.Contains(refs, target) {
			refs = append(refs, target)
		}
	}
	if v := element(r); v.Kind() == fhir.ArrayKind {
		for item := range v.Items() {
			add(item)
		}
	} else {
		add(v)
	}
	return refs
}

func (d *Desk) getMany(ctx context.Context, refs []store.Ref) ([]*store.Record, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	return d.store.GetMany(ctx, refs)
}
