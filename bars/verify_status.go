package bars

import (
	"context"
	"errors"

	"github.com/onward-health/onward/store"
)

// status compares a slot's status with its claims.
func (v *verifier) status(ctx context.Context, s slotScene) error {
	slot, err := parseSlot(s.slot)
	if err != nil {
		return nil // a breach of RuleBody
	}
	b := Breach{Rule: RuleStatus, What: s.slot.Ref().String()}
	switch status := slot.res.Get("status").Text(); {
	case status == "free" && len(s.owners) > 0:
		b.Note = "the Slot is free and claimed"
		return v.statusBreach(ctx, b, s, slot, "busy")
	case status == "busy" && len(s.owners) == 0 && len(s.appointments) == 0:
		b.Note = "the Slot is busy and nothing claims it"
		return v.statusBreach(ctx, b, s, slot, "free")
	case status != "free" && len(s.owners) == 0:
		// Opened, it could be booked although an Appointment has it, or its
		// publisher has closed it. That is for people.
		b.Note = "the Slot isn't free and nothing claims it"
		v.add(b)
	}
	return nil
}

func (v *verifier) statusBreach(ctx context.Context, b Breach, s slotScene, slot *slotRecord, status string) error {
	repaired := b
	repaired.Repaired = true
	if v.seen[b] || v.seen[repaired] {
		return nil
	}
	if v.o.Repair {
		err := v.d.repairStatus(ctx, s, slot, status)
		var changed *store.ConflictError
		switch {
		case err == nil:
			v.report.Repaired++
			b = repaired
		case !errors.As(err, &changed): // what has changed since is judged by the next check
			return err
		}
	}
	v.add(b)
	return nil
}

// repairStatus writes the Slot's next version, if neither it nor the
// Appointments around it have changed: a claim never changes without one of
// them.
func (d *Desk) repairStatus(ctx context.Context, s slotScene, slot *slotRecord, status string) error {
	batch := &store.Batch{}
	for _, rec := range s.appointments {
		batch.Guards = append(batch.Guards, store.VersionGuard{Ref: rec.Ref(), Version: rec.Version})
	}
	r, err := slot.res.Edit().SetText(slot.res.Root(), "status", status).Done()
	if err != nil {
		return err
	}
	rec, err := d.record(r, slot.rec.ID, "PUT", d.byCaller(CallerFrom(ctx)).inherit(slot.rec))
	if err != nil {
		return err
	}
	rec.Peer = slot.rec.Peer
	batch.Ops = []store.Op{store.Put{Record: rec, If: store.Condition{Version: slot.rec.Version}}}
	_, err = d.store.Commit(ctx, batch)
	return err
}
