package bars

import (
	"context"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// book stores a new booking: it claims the slots, stores the Appointment and
// the resources of the message, and makes the slots busy, all in one batch
// (BaRS Core 1.5, Appointment pattern).
func (w *work) book(ctx context.Context, m *message, attached []Entry) error {
	entries, err := w.placeMessage(ctx, m, attached)
	if err != nil {
		return err
	}
	slots, err := w.findSlots(ctx, m)
	if err != nil {
		return err
	}
	if err := m.checkTimes(slots); err != nil {
		return err
	}
	w.focus = m.focus.plan.ref
	refs := make([]store.Ref, len(slots))
	for i, s := range slots {
		refs[i] = s.rec.Ref()
	}
	w.take(w.focus, refs, m.focus.path(), slots...)
	var others []*entry
	for _, e := range entries {
		if e != m.focus {
			others = append(others, e)
		}
	}
	if err := w.writeAppointment(m); err != nil {
		return err
	}
	if err := w.writeAll(others); err != nil {
		return err
	}
	return w.remember(w.openExchange(m))
}

// writeAppointment adds the Appointment with what the receiver sets: created
// and a reference that people can read out.
func (w *work) writeAppointment(m *message) error {
	made, err := w.d.acknowledged(m.focus.resource(), w.focus.ID)
	if err != nil {
		return err
	}
	w.changed[w.focus] = made
	return w.write(m.focus, made, w.who)
}

// slotRecord is a Slot of ours with its parsed body.
type slotRecord struct {
	rec *store.Record
	res *fhir.Resource
}

// findSlots finds the stored Slots that the booking means (design D4) and
// checks that the sender returned them and their Schedule unchanged.
func (w *work) findSlots(ctx context.Context, m *message) ([]slotRecord, error) {
	var slots []slotRecord
	if m.focus.res.Get("slot").Len() > maxNamed {
		return nil, tooMany(m.focus.path() + ".slot")
	}
	for item := range m.focus.res.Get("slot").Items() {
		e := m.resolve(item.Get("reference").Text())
		if e == nil || e.typ != "Slot" {
			m.broken(item.Path(), "the reference must name a Slot of this bundle")
			continue
		}
		rec, err := w.findSlot(ctx, m, e)
		if err != nil {
			return nil, err
		}
		if err := w.checkSlotEntry(ctx, m, e, rec); err != nil {
			return nil, err
		}
		e.plan = plan{ref: rec.rec.Ref(), link: true}
		w.name(e)
		slots = append(slots, *rec)
	}
	if len(slots) == 0 {
		m.broken(m.focus.path()+".slot", "a booking must name its Slot")
	}
	return slots, m.problems.OrNil()
}

func (w *work) findSlot(ctx context.Context, m *message, e *entry) (*slotRecord, error) {
	var refs []store.Ref
	if fhir.ValidID(e.id) {
		refs = append(refs, store.Ref{Type: "Slot", ID: e.id})
	}
	if ref, ok := fhir.ParseReference(e.fullURL); ok && len(ref.URN) > len("urn:uuid:") {
		if id := ref.URN[len("urn:uuid:"):]; fhir.ValidID(id) {
			refs = append(refs, store.Ref{Type: "Slot", ID: id})
		}
	}
	for _, ref := range refs {
		found, err := w.d.store.GetMany(ctx, []store.Ref{ref})
		if err != nil {
			return nil, err
		}
		if len(found) == 1 {
			return parseSlot(found[0])
		}
	}
	return w.slotByTime(ctx, m, e)
}

// slotByTime finds the one Slot of the service's Schedule with that identifier
// that starts and ends as the entry does.
func (w *work) slotByTime(ctx context.Context, m *message, e *entry) (*slotRecord, error) {
	notFound := fhir.NewOutcome(fhir.KindNotFound, e.path(), "this service has no such Slot")
	schedule := m.resolve(e.res.Dig("schedule", "reference").Text())
	start, startErr := fhir.ParseInstant(e.res.Get("start").Text())
	end, endErr := fhir.ParseInstant(e.res.Get("end").Text())
	if schedule == nil || startErr != nil || endErr != nil {
		return nil, notFound
	}
	identifiers := search.HasAny{}
	for id := range fhir.Identifiers(schedule.res.Get("identifier")) {
		if id.Value != "" {
			identifiers = append(identifiers, "identifier="+nhs.Canonical(id.System)+"|"+id.Value)
		}
	}
	schedules, err := w.d.find(ctx, "Schedule", search.And{identifiers, search.Has("actor:" + w.service.ref().String())}, 10)
	if err != nil {
		return nil, err
	}
	keys := search.HasAny{}
	for _, s := range schedules {
		keys = append(keys, "schedule:Schedule/"+s.ID)
	}
	ms := start.UnixMilli()
	found, err := w.d.find(ctx, "Slot", search.And{keys, search.Date{Param: "start", Op: search.Eq, Lo: ms, Hi: ms + 999}}, 10)
	if err != nil {
		return nil, err
	}
	var match *slotRecord
	for _, rec := range found {
		slot, err := parseSlot(rec)
		if err != nil {
			return nil, err
		}
		if at, err := fhir.ParseInstant(slot.res.Get("end").Text()); err != nil || !at.Equal(end) {
			continue
		}
		if match != nil {
			return nil, fhir.NewOutcome(fhir.KindConflict, e.path(), "several Slots fit; the Slot's id is needed")
		}
		match = slot
	}
	if match == nil {
		return nil, notFound
	}
	return match, nil
}

func parseSlot(rec *store.Record) (*slotRecord, error) {
	r, err := fhir.Parse(rec.Body)
	if err != nil {
		return nil, err
	}
	return &slotRecord{rec, r}, nil
}

// checkSlotEntry checks that the Slot belongs to the target service and that
// Slot and Schedule are as the sender got them, apart from status and meta.
func (w *work) checkSlotEntry(ctx context.Context, m *message, e *entry, slot *slotRecord) error {
	ref, _ := fhir.ParseReference(slot.res.Get("schedule", "reference").Text())
	found, err := w.d.store.GetMany(ctx, []store.Ref{{Type: "Schedule", ID: ref.ID}})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fhir.NewOutcome(fhir.KindNotFound, e.path(), "the Slot's Schedule is not here")
	}
	schedule, err := fhir.Parse(found[0].Body)
	if err != nil {
		return err
	}
	if !actsFor(schedule, w.service) {
		m.broken(e.path(), "the Slot belongs to another service")
	}
	if name := differs(e.res, slot.res.Root(), "status", "schedule"); name != "" {
		m.broken(e.path()+"."+name, "the Slot must be returned as it was offered")
	}
	sent := m.resolve(e.res.Dig("schedule", "reference").Text())
	if sent == nil || sent.typ != "Schedule" {
		m.broken(e.path()+".schedule", "the reference must name a Schedule of this bundle")
		return nil
	}
	if sent.id != "" && sent.id != found[0].ID {
		m.broken(sent.path()+".id", "the Schedule is not the one that the Slot stands in")
	}
	if name := differs(sent.res, schedule.Root(), "actor"); name != "" {
		m.broken(sent.path()+"."+name, "the Schedule must be returned as it was offered")
	}
	sent.plan = plan{ref: found[0].Ref(), link: true}
	w.name(sent)
	return nil
}

func actsFor(schedule *fhir.Resource, s *service) bool {
	for actor := range schedule.Get("actor").Items() {
		if ref, ok := fhir.ParseReference(actor.Get("reference").Text()); ok && ref.Type == "HealthcareService" && ref.ID == s.id {
			return true
		}
	}
	return false
}

// differs names the first element that the sender changed or invented. Instants
// are compared as instants, because a sender may write another offset.
func differs(sent, stored fhir.Value, except ...string) string {
	for name, v := range sent.Members() {
		switch name {
		case "id", "meta", "text", "resourceType":
			continue
		}
		if slices.Contains(except, name) {
			continue
		}
		mine := stored.Get(name)
		if !mine.Exists() {
			return name
		}
		a, errA := fhir.ParseInstant(v.Text())
		b, errB := fhir.ParseInstant(mine.Text())
		if errA == nil && errB == nil && a.Equal(b) {
			continue
		}
		if !fhir.Equal(v, mine) {
			return name
		}
	}
	return ""
}

// checkTimes checks the Appointment's times against its slots: a patient must
// not be told another time than the one that is kept free.
func (m *message) checkTimes(slots []slotRecord) error {
	a, at := m.focus.res, m.focus.path()
	start, startErr := fhir.ParseInstant(a.Get("start").Text())
	end, endErr := fhir.ParseInstant(a.Get("end").Text())
	if startErr != nil {
		m.broken(at+".start", "a booked Appointment needs its start, an instant")
	}
	if endErr != nil {
		m.broken(at+".end", "a booked Appointment needs its end, an instant")
	}
	if startErr != nil || endErr != nil {
		return m.problems
	}
	if end.Before(start) {
		m.broken(at+".end", "the end lies before the start")
	}
	if first, last := span(slots); start.Before(first) || end.After(last) {
		m.strictly(at+".start", "the Appointment's times must lie within its Slot")
	}
	return m.problems.OrNil()
}

// hasEntry says whether a record belongs to a service.
func hasEntry(rec *store.Record, service string) bool {
	who, err := writtenBy(rec)
	return err == nil && who.Service == service
}
