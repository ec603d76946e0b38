package bars

import (
	"context"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// create makes a new booking or referral of what the caller posts. An id in it is
// the caller's own: ids are allocated here.
func (m *managed) create(ctx context.Context) (*store.Record, error) {
	m.sent = m.req.Resource
	if m.sent.Type() != m.req.Type {
		return nil, fhir.NewOutcome(fhir.KindInvariant, "resourceType", "resourceType must be the type in the path")
	}
	m.names(m.sent)
	if err := m.person(ctx); err != nil {
		return nil, err
	}
	sent, err := m.w.rewrite(m.sent)
	if err != nil {
		return nil, err
	}
	m.sent = sent
	if err := m.conforms(); err != nil {
		return nil, err
	}
	if err := m.offered(); err != nil {
		return nil, err
	}
	if err := m.linked(ctx); err != nil {
		return nil, err
	}
	if err := m.foreign(ctx); err != nil {
		return nil, err
	}
	id := m.w.d.newID()
	made := m.sent
	if m.req.Type == "Appointment" {
		if made, err = m.book(ctx, id); err != nil {
			return nil, err
		}
	} else if err := m.refer(); err != nil {
		return nil, err
	}
	return m.w.d.record(made, id, "POST", m.w.who)
}

// conforms holds what is posted to FHIR and to the profiles that it claims. In
// lenient mode a broken rule is a warning, as in a message.
func (m *managed) conforms() error {
	o := conform(m.sent)
	if o != nil && (m.mode == Strict || o.Kind != fhir.KindInvariant) {
		return o
	}
	if o != nil {
		m.warnings = append(m.warnings, o.Issues...)
	}
	return m.w.d.keepsProfiles(m.sent)
}

// offered refuses a use case that the service doesn't offer. Outside the
// standard's applications there need be none.
func (m *managed) offered() error {
	name := "category"
	if m.req.Type == "Appointment" {
		name = "serviceCategory"
	}
	for c := range fhir.Codings(m.sent.Get(name)) {
		if code, known := foldUseCase(c.Code); c.System == SystemUseCases && (!known || !m.w.service.offers(code)) {
			return fhir.NewOutcome(fhir.KindUnsupportedUse, m.req.Type+"."+name, "the service does not offer this use case")
		}
	}
	return nil
}

// refer checks a referral that is posted.
func (m *managed) refer() error {
	if _, found := m.w.d.elsewhere(m.w.service); found {
		return fhir.NewOutcome(fhir.KindProcessing, "", "referrals to this service are sent on by NHS 111 SOAP, so they must come as a message")
	}
	if m.sent.Get("status").Text() != "active" {
		return fhir.NewOutcome(fhir.KindWorkflow, "ServiceRequest.status", "a new referral must be active")
	}
	if m.sent.Get("intent").Text() != "plan" {
		return m.strictly("ServiceRequest.intent", "the intent must be plan")
	}
	return nil
}

// book claims the slots of a booking that is posted, and sets what the receiver
// sets.
func (m *managed) book(ctx context.Context, id string) (*fhir.Resource, error) {
	if m.sent.Get("status").Text() != "booked" {
		return nil, fhir.NewOutcome(fhir.KindWorkflow, "Appointment.status", "a new booking must be booked")
	}
	slots, err := m.slots(ctx, m.sent)
	if err != nil {
		return nil, err
	}
	start, startErr := fhir.ParseInstant(m.sent.Get("start").Text())
	end, endErr := fhir.ParseInstant(m.sent.Get("end").Text())
	if startErr != nil || endErr != nil {
		return nil, fhir.NewOutcome(fhir.KindInvariant, "Appointment.start", "a booked Appointment needs its start and end, instants")
	}
	if from, to := span(slots); start.Before(from) || end.After(to) {
		if err := m.strictly("Appointment.start", "the Appointment's times must lie within its Slot"); err != nil {
			return nil, err
		}
	}
	made, err := m.w.d.acknowledged(m.sent, id)
	if err != nil {
		return nil, err
	}
	return made, m.w.changeAppointment(made, id, nil)
}

// reschedule moves a booking to the slot that the patch names; start and end
// follow it.
func (m *managed) reschedule(ctx context.Context, before *fhir.Resource) (*fhir.Resource, error) {
	if !occupies(before.Get("status").Text()) {
		return nil, fhir.NewOutcome(fhir.KindConflict, "Appointment.status", "only a booking that has its slot can be moved")
	}
	if name := m.altered(before, []string{"slot", "start", "end"}); name != "" {
		return nil, fhir.NewOutcome(fhir.KindInvariant, "Appointment."+name, "the slot is all that a PATCH may change")
	}
	slots, err := m.slots(ctx, m.sent)
	if err != nil {
		return nil, err
	}
	from, to := span(slots)
	edit := before.Edit().Set(before.Root(), "slot", m.sent.Get("slot").Raw())
	for name, follows := range map[string]time.Time{"start": from, "end": to} {
		if asked := m.sent.Get(name); !fhir.Equal(asked, before.Get(name)) {
			if at, err := fhir.ParseInstant(asked.Text()); err != nil || !at.Equal(follows) {
				return nil, fhir.NewOutcome(fhir.KindInvariant, "Appointment."+name, "start and end must be those of the Slot")
			}
		}
		edit.SetText(before.Root(), name, fhir.FormatInstant(follows))
	}
	if before.Get("minutesDuration").Exists() {
		edit.Set(before.Root(), "minutesDuration", []byte(itoa(int(to.Sub(from)/time.Minute))))
	}
	return edit.Done()
}

// slots reads the Slots that an Appointment names, all of them the service's.
func (m *managed) slots(ctx context.Context, r *fhir.Resource) ([]slotRecord, error) {
	if r.Get("slot").Len() > maxNamed {
		return nil, tooMany("Appointment.slot")
	}
	refs := m.w.d.slotRefs(r)
	if len(refs) == 0 || len(refs) != r.Get("slot").Len() {
		return nil, fhir.NewOutcome(fhir.KindInvariant, "Appointment.slot", "a booking must name its Slot, of this system, and each once")
	}
	found, err := m.w.d.getMany(ctx, refs)
	if err != nil {
		return nil, err
	}
	if len(found) != len(refs) {
		return nil, fhir.NewOutcome(fhir.KindNotFound, "Appointment.slot", "this service has no such Slot")
	}
	slots := make([]slotRecord, len(found))
	for i, rec := range found {
		slot, err := parseSlot(rec)
		if err != nil {
			return nil, err
		}
		if err := m.ofService(ctx, slot); err != nil {
			return nil, err
		}
		slots[i] = *slot
		m.w.diary.known[rec.ID] = slot
	}
	return slots, nil
}

// ofService refuses a Slot of another service.
func (m *managed) ofService(ctx context.Context, slot *slotRecord) error {
	ref, _ := fhir.ParseReference(slot.res.Get("schedule", "reference").Text())
	found, err := m.w.d.getMany(ctx, []store.Ref{{Type: "Schedule", ID: ref.ID}})
	if err != nil {
		return err
	}
	if len(found) == 1 {
		schedule, err := fhir.Parse(found[0].Body)
		if err != nil || actsFor(schedule, m.w.service) {
			return err
		}
	}
	return fhir.NewOutcome(fhir.KindInvariant, "Appointment.slot", "the Slot belongs to another service")
}

// span is the time that slots cover.
func span(slots []slotRecord) (from, to time.Time) {
	for i, s := range slots {
		start, _ := fhir.ParseInstant(s.res.Get("start").Text())
		end, _ := fhir.ParseInstant(s.res.Get("end").Text())
		if i == 0 || start.Before(from) {
			from = start
		}
		if i == 0 || end.After(to) {
			to = end
		}
	}
	return from, to
}

// person finds the Patient that a posted record is about: one of ours that the
// caller's organisation may see. A booking or referral of nobody could neither be
// found again nor told to anyone.
func (m *managed) person(ctx context.Context) error {
	at := "ServiceRequest.subject"
	candidates := []fhir.Value{m.sent.Get("subject", "reference")}
	if m.req.Type == "Appointment" {
		at, candidates = "Appointment.participant", nil
		if m.sent.Get("participant").Len() > maxNamed {
			return tooMany(at)
		}
		for participant := range m.sent.Get("participant").Items() {
			candidates = append(candidates, participant.Dig("actor", "reference"))
		}
	}
	for _, v := range candidates {
		ref, ok := fhir.ParseReference(localName(v.Text()))
		id, local := ref.ID, ref.URN != ""
		if local && len(ref.URN) > len("urn:uuid:") {
			id = ref.URN[len("urn:uuid:"):]
		}
		if !ok || !fhir.ValidID(id) || !local && (ref.Type != "Patient" || ref.Base != "" && ref.Base != m.w.d.base+"/") {
			continue
		}
		rec, err := m.w.d.get(ctx, store.Ref{Type: "Patient", ID: id})
		if err != nil {
			return err
		}
		if rec != nil && !rec.Deleted && maySee(rec, m.req.Caller.Organisation) {
			m.w.names[localName(v.Text())] = rec.Ref()
			return nil
		}
	}
	return m.strictly(at, "the Patient must be one that this system holds and that the organisation may see")
}

// maxNamed bounds what a booking or referral names and is looked up one by one:
// slots, participants, links and destinations.
const maxNamed = 100

func tooMany(expression string) *fhir.Outcome {
	return fhir.NewOutcome(fhir.KindTooComplex, expression, "at most "+itoa(maxNamed)+" may be named")
}

// strictly is an error in strict mode and a warning else.
func (m *managed) strictly(expression, diagnostics string) error {
	if m.mode == Strict {
		return fhir.NewOutcome(fhir.KindInvariant, expression, diagnostics)
	}
	m.warnings = append(m.warnings, fhir.Issue{Expression: expression, Diagnostics: diagnostics})
	return nil
}

// acknowledged is a booking with what the receiver sets: created, and a reference
// that people can read out.
func (d *Desk) acknowledged(sent *fhir.Resource, id string) (*fhir.Resource, error) {
	edit := sent.Edit().SetText(sent.Root(), "created", fhir.FormatInstant(d.now()))
	reference := fhir.Obj("system", d.base+"/Id/booking-reference", "value", caseReference(id)).JSON()
	if list := sent.Get("identifier"); list.Kind() == fhir.ArrayKind {
		edit.Append(list, reference)
	} else {
		edit.Set(sent.Root(), "identifier", append(append([]byte{'['}, reference...), ']'))
	}
	return edit.Done()
}
