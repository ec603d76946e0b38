package bars

import (
	"context"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// change adds the next version of a record that a plain FHIR client writes,
// with what the rules make of it. current is nil where there was none.
func (w *work) change(ctx context.Context, r *fhir.Resource, id, method string, current *store.Record) error {
	condition := store.Condition{Absent: true}
	if current != nil {
		condition = store.Condition{Version: current.Version}
		w.who = w.who.inherit(current)
	}
	if err := w.d.keepsProfiles(r); err != nil {
		return err
	}
	before, err := bodyOf(current)
	if err != nil {
		return err
	}
	switch r.Type() {
	case "Slot":
		err = w.changeSlot(ctx, r, id, before)
	case "Appointment":
		err = w.changeAppointment(ctx, r, id, before)
	case "ServiceRequest":
		err = checkServiceRequest(r, before)
	}
	if err != nil {
		return err
	}
	rec, err := w.d.record(r, id, method, w.who)
	if err != nil {
		return err
	}
	w.put(rec, condition)
	return nil
}

func bodyOf(rec *store.Record) (*fhir.Resource, error) {
	if rec == nil || rec.Deleted {
		return nil, nil
	}
	return fhir.Parse(rec.Body)
}

// remove adds a tombstone.
func (w *work) remove(ctx context.Context, current *store.Record) error {
	before, err := bodyOf(current)
	if err != nil {
		return err
	}
	switch current.Type {
	case "Slot":
		owner, err := w.claimedBy(ctx, current.ID)
		if err != nil {
			return err
		}
		if owner != "" && owner != slotOwner(current.ID) {
			return fhir.NewOutcome(fhir.KindConflict, "Slot", "an Appointment has this Slot; it can't be deleted")
		}
		if owner != "" {
			w.batch.Ops = append(w.batch.Ops, store.Release{Slot: current.ID, Owner: owner})
		}
	case "Appointment":
		if occupies(before.Get("status").Text()) {
			if err := w.release(ctx, current.Ref(), w.d.slotRefs(before)); err != nil {
				return err
			}
		}
	}
	audit, err := w.d.record(before, current.ID, "DELETE", w.who.inherit(current))
	if err != nil {
		return err
	}
	w.batch.Ops = append(w.batch.Ops, store.Delete{Ref: current.Ref(), If: store.Condition{Version: current.Version}, By: audit.By})
	return nil
}

// claimedBy returns the owner of a slot's claim, "" where it is unclaimed or
// only held.
func (w *work) claimedBy(ctx context.Context, slot string) (string, error) {
	claims, err := w.d.store.AuxGet(ctx, "claim", []string{slot})
	if err != nil {
		return "", err
	}
	for _, c := range claims {
		if c.Expires.IsZero() {
			return string(c.Value), nil
		}
	}
	return "", nil
}

// checkPeriod refuses an end before the start. R4 has no invariant for it where
// the two stand in the resource itself.
func checkPeriod(r *fhir.Resource) error {
	start, err1 := fhir.ParseInstant(r.Get("start").Text())
	end, err2 := fhir.ParseInstant(r.Get("end").Text())
	if err1 == nil && err2 == nil && end.Before(start) {
		return fhir.NewOutcome(fhir.KindInvariant, r.Type()+".end", "the end lies before the start")
	}
	return nil
}

var requestEnds = []string{"revoked", "completed", "entered-in-error"}

func checkServiceRequest(r, before *fhir.Resource) error {
	if before == nil {
		return nil
	}
	was := before.Get("status").Text()
	if slices.Contains(requestEnds, was) && was != r.Get("status").Text() {
		return fhir.NewOutcome(fhir.KindConflict, "ServiceRequest.status", "a "+was+" referral does not change its status again")
	}
	return nil
}

// changeSlot applies the rules of a Slot that its publisher writes: a status
// other than free closes it, free opens it again, and what an Appointment has
// can't be moved or freed.
func (w *work) changeSlot(ctx context.Context, r *fhir.Resource, id string, before *fhir.Resource) error {
	if err := checkPeriod(r); err != nil {
		return err
	}
	owner, err := w.claimedBy(ctx, id)
	if err != nil {
		return err
	}
	free := r.Get("status").Text() == "free"
	if owner != "" && owner != slotOwner(id) {
		if free {
			return fhir.NewOutcome(fhir.KindConflict, "Slot.status", "an Appointment has this Slot; cancel the Appointment to free it")
		}
		if before != nil && movesSlot(r, before) {
			return fhir.NewOutcome(fhir.KindConflict, "Slot", "an Appointment has this Slot; start, end and schedule can't change")
		}
		return nil
	}
	switch {
	case !free:
		w.batch.Ops = append(w.batch.Ops, store.Claim{Slot: id, Owner: slotOwner(id)})
	case owner != "": // an unclaimed slot may be held, which is no concern of its publisher's
		w.batch.Ops = append(w.batch.Ops, store.Release{Slot: id, Owner: owner})
	}
	return nil
}

// movesSlot says whether start, end or schedule of a Slot would change.
func movesSlot(r, before *fhir.Resource) bool {
	for _, name := range []string{"start", "end"} {
		a, errA := fhir.ParseInstant(r.Get(name).Text())
		b, errB := fhir.ParseInstant(before.Get(name).Text())
		if errA != nil || errB != nil || !a.Equal(b) {
			return true
		}
	}
	return r.Get("schedule", "reference").Text() != before.Get("schedule", "reference").Text()
}

// changeAppointment applies the rules of an Appointment that a plain client
// writes: entering an occupying status claims its slots, leaving one releases
// them, another slot moves the claim, and an ended one stays ended (design
// D11).
func (w *work) changeAppointment(ctx context.Context, r *fhir.Resource, id string, before *fhir.Resource) error {
	if err := checkPeriod(r); err != nil {
		return err
	}
	self := store.Ref{Type: "Appointment", ID: id}
	status := r.Get("status").Text()
	var had []store.Ref
	if before != nil {
		was := before.Get("status").Text()
		if terminal(was) && was != status {
			return fhir.NewOutcome(fhir.KindConflict, "Appointment.status", "a "+was+" Appointment does not change its status again")
		}
		if occupies(was) {
			had = w.d.slotRefs(before)
		}
	}
	var wants []store.Ref
	if occupies(status) {
		wants = w.d.slotRefs(r)
	}
	taken := slices.DeleteFunc(slices.Clone(wants), func(ref store.Ref) bool { return slices.Contains(had, ref) })
	left := slices.DeleteFunc(slices.Clone(had), func(ref store.Ref) bool { return slices.Contains(wants, ref) })
	if err := w.claimRefs(ctx, self, taken); err != nil {
		return err
	}
	return w.release(ctx, self, left)
}

// claimRefs claims slots by reference; one that isn't here is 422.
func (w *work) claimRefs(ctx context.Context, self store.Ref, refs []store.Ref) error {
	if len(refs) == 0 {
		return nil
	}
	found, err := w.d.store.GetMany(ctx, refs)
	if err != nil {
		return err
	}
	if len(found) < len(refs) {
		return fhir.NewOutcome(fhir.KindProcessing, "Appointment.slot", "the Appointment names a Slot that is not here")
	}
	var slots []slotRecord
	for _, rec := range found {
		slot, err := parseSlot(rec)
		if err != nil {
			return err
		}
		slots = append(slots, *slot)
	}
	return w.claim(ctx, self, slots, "Appointment")
}
