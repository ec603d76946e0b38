package bars

import (
	"context"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// occupies says whether an Appointment in this status claims its slots.
func occupies(status string) bool {
	switch status {
	case "proposed", "pending", "booked", "arrived", "checked-in", "fulfilled":
		return true
	}
	return false
}

// terminal says whether an Appointment's status doesn't change again.
func terminal(status string) bool {
	switch status {
	case "fulfilled", "cancelled", "noshow", "entered-in-error":
		return true
	}
	return false
}

// slotOwner is the claim owner of a Slot that its publisher has closed.
func slotOwner(id string) string { return "Slot/" + id }

// slotRefs lists the slots of ours that an Appointment names, relatively or
// under our own base, sorted, once each.
func (d *Desk) slotRefs(appointment *fhir.Resource) []store.Ref {
	var refs []store.Ref
	for item := range appointment.Get("slot").Items() {
		ref, ok := fhir.ParseReference(item.Get("reference").Text())
		if ok && ref.Type == "Slot" && (ref.Base == "" || ref.Base == d.base+"/") {
			refs = append(refs, store.Ref{Type: "Slot", ID: ref.ID})
		}
	}
	slices.SortFunc(refs, func(a, b store.Ref) int { return strings.Compare(a.ID, b.ID) })
	return slices.Compact(refs)
}

// claim takes the slots for an Appointment and makes them busy. The claims
// stand first in the batch, so that of two bookings the second is told
// "slot taken" and nothing else.
func (w *work) claim(ctx context.Context, owner store.Ref, slots []slotRecord, at string) error {
	slices.SortFunc(slots, func(a, b slotRecord) int { return strings.Compare(a.rec.ID, b.rec.ID) })
	slots = slices.CompactFunc(slots, func(a, b slotRecord) bool { return a.rec.ID == b.rec.ID })
	ids := make([]string, len(slots))
	for i, s := range slots {
		ids[i] = s.rec.ID
	}
	held, err := w.d.store.AuxGet(ctx, "claim", ids)
	if err != nil {
		return err
	}
	mine := map[string]bool{}
	for _, h := range held {
		mine[h.Key] = string(h.Value) == owner.String()
		if !mine[h.Key] && h.Expires.IsZero() {
			return fhir.NewOutcome(fhir.KindConflict, at+".slot", "the slot is not free")
		}
	}
	for _, s := range slots {
		if s.res.Get("status").Text() != "free" && !mine[s.rec.ID] {
			return fhir.NewOutcome(fhir.KindConflict, at+".slot", "the slot is not free")
		}
	}
	var claims []store.Op
	for _, id := range ids {
		claims = append(claims, store.Claim{Slot: id, Owner: owner.String()})
	}
	w.batch.Ops = append(claims, w.batch.Ops...)
	for _, s := range slots {
		if err := w.setSlotStatus(s, "busy"); err != nil {
			return err
		}
	}
	return nil
}

// release gives the slots of an Appointment back. A slot that its publisher has
// closed meanwhile stays closed, for the publisher.
func (w *work) release(ctx context.Context, owner store.Ref, refs []store.Ref) error {
	if len(refs) == 0 {
		return nil
	}
	records, err := w.d.store.GetMany(ctx, refs)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		w.batch.Ops = append(w.batch.Ops, store.Release{Slot: ref.ID, Owner: owner.String()})
	}
	for _, rec := range records {
		slot, err := parseSlot(rec)
		if err != nil {
			return err
		}
		switch slot.res.Get("status").Text() {
		case "busy-unavailable", "entered-in-error":
			// The publisher may open the slot in the same moment.
			w.batch.Guards = append(w.batch.Guards, store.VersionGuard{Ref: rec.Ref(), Version: rec.Version})
			w.batch.Ops = append(w.batch.Ops, store.Claim{Slot: rec.ID, Owner: slotOwner(rec.ID)})
		default:
			if err := w.setSlotStatus(*slot, "free"); err != nil {
				return err
			}
		}
	}
	return nil
}

// setSlotStatus adds the Slot's next version, unless it has the status already;
// then the batch only makes sure that nobody changes it meanwhile.
func (w *work) setSlotStatus(s slotRecord, status string) error {
	if s.res.Get("status").Text() == status {
		w.batch.Guards = append(w.batch.Guards, store.VersionGuard{Ref: s.rec.Ref(), Version: s.rec.Version})
		return nil
	}
	r, err := s.res.Edit().SetText(s.res.Root(), "status", status).Done()
	if err != nil {
		return err
	}
	rec, err := w.d.record(r, s.rec.ID, "PUT", w.who.inherit(s.rec))
	if err != nil {
		return err
	}
	rec.Peer = s.rec.Peer
	w.put(rec, store.Condition{Version: s.rec.Version})
	w.changed[s.rec.Ref()] = r
	return nil
}
