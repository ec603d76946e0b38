package bars

import (
	"context"
	"errors"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// loadBatch is how many resources Load commits at once.
const loadBatch = 400

// Load stores resources that carry their own ids (a directory, schedules and
// slots at set-up), leaving alone those that are here already or were deleted,
// and returns how many it stored. They count as ours. Appointments are refused:
// they come in by the doors, which claim their slots.
func (d *Desk) Load(ctx context.Context, caller Caller, resources []*fhir.Resource) (int, error) {
	ctx = WithCaller(ctx, caller)
	stored := 0
	for chunk := range slices.Chunk(resources, loadBatch) {
		n, err := d.loadChunk(ctx, chunk)
		stored += n
		if err != nil {
			return stored, d.outcome(err)
		}
	}
	return stored, nil
}

func (d *Desk) loadChunk(ctx context.Context, chunk []*fhir.Resource) (int, error) {
	refs := make([]store.Ref, len(chunk))
	for i, r := range chunk {
		if r.Type() == "Appointment" || !fhir.ValidID(r.ID()) {
			return 0, fhir.NewOutcome(fhir.KindInvariant, r.Type(), "only resources with a FHIR id can be loaded, and no Appointments")
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
	w := d.directWork(ctx)
	n := 0
	for i, r := range chunk {
		if present[refs[i]] {
			continue
		}
		present[refs[i]] = true // one that is listed twice is stored once
		if deleted, err := d.store.Get(ctx, refs[i]); err == nil && deleted.Deleted {
			continue
		} else if err != nil && !errors.Is(err, store.ErrNotFound) {
			return 0, err
		}
		if r.Type() == "Slot" && r.Get("status").Text() != "free" {
			w.batch.Ops = append(w.batch.Ops, store.Claim{Slot: r.ID(), Owner: slotOwner(r.ID())})
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
