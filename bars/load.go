package bars

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// LoadBatch is how many resources Load commits at once.
const LoadBatch = 400

// Load stores resources that carry their own ids (a directory, schedules and
// slots at set-up), leaving alone those that are here already or were deleted,
// and returns how many it stored. They count as ours. An Appointment that
// occupies slots comes with them, in the same LoadBatch resources and not free,
// and gets their claims. Subscriptions are refused: they are judged at the doors.
func (d *Desk) Load(ctx context.Context, caller Caller, resources []*fhir.Resource) (int, error) {
	ctx = WithCaller(ctx, caller)
	stored := 0
	for chunk := range slices.Chunk(resources, LoadBatch) {
		n, err := d.loadChunk(ctx, chunk, false)
		var conflict *store.ConflictError
		if errors.As(err, &conflict) { // it may be a record that was deleted, which are rare
			n, err = d.loadChunk(ctx, chunk, true)
		}
		stored += n
		if err != nil {
			return stored, d.outcome(err)
		}
	}
	return stored, nil
}

// loadChunk commits a chunk. Only with deleted it looks for those that were
// deleted, one by one; without, they are a conflict.
func (d *Desk) loadChunk(ctx context.Context, chunk []*fhir.Resource, deleted bool) (int, error) {
	refs := make([]store.Ref, len(chunk))
	for i, r := range chunk {
		if r.Type() == "Subscription" || !fhir.ValidID(r.ID()) {
			return 0, fhir.NewOutcome(fhir.KindInvariant, r.Type(), "only resources with a FHIR id can be loaded, and no Subscriptions")
		}
		if err := asError(conform(r)); err != nil {
			return 0, err
		}
		refs[i] = store.Ref{Type: r.Type(), ID: r.ID()}
	}
	present := map[store.Ref]bool{}
	found, err := d.store.GetMany(ctx, refs)
	if err != nil {
		return 0, err
	}
	for _, rec := range found {
		present[rec.Ref()] = true
	}
	for _, ref := range refs {
		if !deleted || present[ref] {
			continue
		}
		if _, err := d.store.Get(ctx, ref); err == nil {
			present[ref] = true
		} else if !errors.Is(err, store.ErrNotFound) {
			return 0, err
		}
	}
	owners, err := d.loadOwners(chunk, present)
	if err != nil {
		return 0, err
	}
	w := d.directWork(ctx)
	n := 0
	for i, r := range chunk {
		if present[refs[i]] {
			continue
		}
		present[refs[i]] = true // one that is listed twice is stored once
		if r.Type() == "Slot" && r.Get("status").Text() != "free" {
			w.batch.Ops = append(w.batch.Ops, store.Claim{Slot: r.ID(), Owner: cmp.Or(owners[refs[i]], slotOwner(r.ID()))})
		}
		rec, err := d.record(r, r.ID(), "PUT", w.who)
		if err != nil {
			return 0, err
		}
		w.put(rec, store.Condition{Absent: true})
		n++
	}
	if n == 0 {
		return 0, nil
	}
	_, err = d.store.Commit(ctx, &w.batch)
	return n, err
}

// loadOwners says whose claim each slot of the chunk gets, where it is an
// Appointment's.
func (d *Desk) loadOwners(chunk []*fhir.Resource, present map[store.Ref]bool) (map[store.Ref]string, error) {
	closed := map[store.Ref]bool{}
	for _, r := range chunk {
		ref := store.Ref{Type: "Slot", ID: r.ID()}
		closed[ref] = closed[ref] || r.Type() == "Slot" && !present[ref] && r.Get("status").Text() != "free"
	}
	owners := map[store.Ref]string{}
	for _, r := range chunk {
		self := store.Ref{Type: r.Type(), ID: r.ID()}
		if r.Type() != "Appointment" || present[self] || !occupies(r.Get("status").Text()) {
			continue
		}
		for _, slot := range d.slotRefs(r) {
			if !closed[slot] || owners[slot] != "" {
				return nil, fhir.NewOutcome(fhir.KindInvariant, "Appointment.slot", "an Appointment is loaded together with its Slots, which aren't free")
			}
			owners[slot] = self.String()
		}
	}
	return owners, nil
}
