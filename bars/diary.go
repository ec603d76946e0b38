package bars

import (
	"context"
	"maps"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// diary is what one batch does to slots. The changes of the batch note what
// they want, in any order; once all are known it is settled who has each slot,
// so that changes which agree with one another can be made together: a Slot and
// its booking, a cancellation and the next booking.
type diary struct {
	takes, leaves []want
	writes        map[string]*slotWrite
	// known are Slots that have been read and judged already.
	known map[string]*slotRecord
}

// want is an Appointment's wish to take or to leave a slot.
type want struct {
	slot   string
	owner  store.Ref
	at     string // where the Appointment is, for errors
	change int    // of the transaction; 0 for a message
}

// slotWrite is a Slot that a publisher writes or deletes.
type slotWrite struct {
	res    *fhir.Resource // nil where it is deleted
	before *fhir.Resource // nil where it is new
	op     func(*fhir.Resource) (store.Op, error)
	change int
}

func newDiary() *diary {
	return &diary{writes: map[string]*slotWrite{}, known: map[string]*slotRecord{}}
}

// settlement is what comes of a diary: operations, each with the change that it
// comes from. Claims stand first in the batch, so that of two bookings the
// second is told "slot taken" and nothing else.
type settlement struct {
	w            *work
	claims, rest []settledOp
	guards       []store.Guard
}

type settledOp struct {
	op     store.Op
	change int
}

// settle decides who has each slot. An error comes with the change to blame.
func (y *diary) settle(ctx context.Context, w *work) (*settlement, int, error) {
	out := &settlement{w: w}
	cases, err := y.cases(ctx, w.d)
	if err != nil {
		return nil, 0, err
	}
	for _, c := range cases {
		if change, err := c.settle(out); err != nil {
			return nil, change, err
		}
	}
	return out, 0, nil
}

// cases gathers all that is known of each slot, in the order of their ids.
func (y *diary) cases(ctx context.Context, d *Desk) ([]*slotCase, error) {
	byID := map[string]*slotCase{}
	of := func(id string) *slotCase {
		if byID[id] == nil {
			byID[id] = &slotCase{id: id}
		}
		return byID[id]
	}
	// Of two that want a slot, the later entry of the Bundle is to blame.
	slices.SortStableFunc(y.takes, func(a, b want) int { return a.change - b.change })
	for i := range y.takes {
		c := of(y.takes[i].slot)
		c.takers = append(c.takers, &y.takes[i])
	}
	for i := range y.leaves {
		c := of(y.leaves[i].slot)
		c.leavers = append(c.leavers, &y.leaves[i])
	}
	for id, write := range y.writes {
		of(id).write = write
	}
	ids := slices.Sorted(maps.Keys(byID))
	for chunk := range slices.Chunk(ids, store.MaxMany) {
		if err := y.read(ctx, d, chunk, byID); err != nil {
			return nil, err
		}
	}
	cases := make([]*slotCase, len(ids))
	for i, id := range ids {
		cases[i] = byID[id]
	}
	return cases, nil
}

// read fills in the claims and the stored Slots.
func (y *diary) read(ctx context.Context, d *Desk, ids []string, cases map[string]*slotCase) error {
	claims, err := d.store.AuxGet(ctx, "claim", ids)
	if err != nil {
		return err
	}
	for _, claim := range claims {
		if c := cases[claim.Key]; claim.Expires.IsZero() {
			c.owner = string(claim.Value)
		} else {
			c.holder = string(claim.Value)
		}
	}
	var refs []store.Ref
	for _, id := range ids {
		if c := cases[id]; y.known[id] != nil {
			c.stored = y.known[id]
		} else if c.write == nil {
			refs = append(refs, store.Ref{Type: "Slot", ID: id})
		}
	}
	if len(refs) == 0 {
		return nil
	}
	records, err := d.store.GetMany(ctx, refs)
	if err != nil {
		return err
	}
	for _, rec := range records {
		if cases[rec.ID].stored, err = parseSlot(rec); err != nil {
			return err
		}
	}
	return y.settled(ctx, d, refs, cases)
}

// settled makes sure of a Slot that is busy and that nobody has: it may have been
// taken between the two reads, even for the Appointment that is to have it, by
// another request for the same. Then everything is read again.
func (y *diary) settled(ctx context.Context, d *Desk, refs []store.Ref, cases map[string]*slotCase) error {
	for _, ref := range refs {
		c := cases[ref.ID]
		if c.stored == nil || c.owner != "" || c.stored.res.Get("status").Text() != "busy" {
			continue
		}
		now, err := d.store.Get(ctx, ref)
		if err != nil {
			return err
		}
		claims, err := d.store.AuxGet(ctx, "claim", []string{ref.ID})
		if err != nil {
			return err
		}
		taken := slices.ContainsFunc(claims, func(a store.Aux) bool { return a.Expires.IsZero() })
		if taken || now.Version != c.stored.rec.Version {
			return &store.ConflictError{Kind: store.VersionConflict, What: ref.String()}
		}
	}
	return nil
}

func (s *settlement) claim(change int, op store.Claim) {
	if op.Predecessor == op.Owner {
		op.Predecessor = ""
	}
	s.claims = append(s.claims, settledOp{op, change})
}

func (s *settlement) release(change int, slot, owner string) {
	if owner != "" {
		s.rest = append(s.rest, settledOp{store.Release{Slot: slot, Owner: owner}, change})
	}
}

// write adds what the publisher writes.
func (s *settlement) write(w *slotWrite) (int, error) {
	op, err := w.op(w.res)
	if err != nil {
		return w.change, err
	}
	s.rest = append(s.rest, settledOp{op, w.change})
	return 0, nil
}

// setStatus adds the Slot's next version, unless it has the status already;
// then the batch only makes sure that nobody changes it meanwhile.
func (s *settlement) setStatus(change int, slot *slotRecord, status string) (int, error) {
	if slot.res.Get("status").Text() == status {
		s.guards = append(s.guards, store.VersionGuard{Ref: slot.rec.Ref(), Version: slot.rec.Version})
		return 0, nil
	}
	r, err := slot.res.Edit().SetText(slot.res.Root(), "status", status).Done()
	if err != nil {
		return change, err
	}
	rec, err := s.w.d.record(r, slot.rec.ID, "PUT", s.w.who.inherit(slot.rec))
	if err != nil {
		return change, err
	}
	rec.Peer = slot.rec.Peer
	s.rest = append(s.rest, settledOp{store.Put{Record: rec, If: store.Condition{Version: slot.rec.Version}}, change})
	s.w.changed[slot.rec.Ref()] = r
	return 0, nil
}
