package bars

import (
	"context"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// A booking or referral that plain FHIR writes belongs to a service too, so that
// senders of the standard can read and cancel it there: a booking to that of its
// Slot's Schedule, a referral to the one that is to carry it out.

// serviceOf finds that service; nil where the record leads to none that we host.
func (t *transaction) serviceOf(ctx context.Context, r *fhir.Resource) (*service, error) {
	switch r.Type() {
	case "Appointment":
		for _, ref := range t.d.slotRefs(r) {
			if s, err := t.serviceOfSlot(ctx, ref); s != nil || err != nil {
				return s, err
			}
		}
	case "ServiceRequest":
		return t.firstService(ctx, r.Get("performer"))
	}
	return nil, nil
}

func (t *transaction) serviceOfSlot(ctx context.Context, ref store.Ref) (*service, error) {
	slot, err := t.body(ctx, ref)
	if err != nil || slot == nil {
		return nil, err
	}
	schedule, err := t.body(ctx, t.refOf(slot.Get("schedule")))
	if err != nil || schedule == nil {
		return nil, err
	}
	return t.firstService(ctx, schedule.Get("actor"))
}

// firstService is the first service of ours in a list of references.
func (t *transaction) firstService(ctx context.Context, list fhir.Value) (*service, error) {
	for item := range list.Items() {
		ref := t.refOf(item)
		if ref.Type != "HealthcareService" {
			continue
		}
		rec, err := t.d.get(ctx, ref)
		if err != nil {
			return nil, err
		}
		if rec == nil || rec.Deleted {
			continue
		}
		s, err := t.d.readService(ctx, rec)
		if err != nil && fhir.AsOutcome(err).Kind == fhir.KindNotFound {
			continue // no longer active
		}
		return s, err
	}
	return nil, nil
}

// refOf is the record of ours that a reference means, be it another change of
// this transaction; the zero Ref where it means none.
func (t *transaction) refOf(v fhir.Value) store.Ref {
	text := v.Get("reference").Text()
	if ref, ok := t.names[text]; ok {
		return ref
	}
	ref, ok := fhir.ParseReference(text)
	if !ok || ref.Base != "" && ref.Base != t.d.base+"/" {
		return store.Ref{}
	}
	return store.Ref{Type: ref.Type, ID: ref.ID}
}

// body is a record as it will stand after this transaction; nil where it is not
// there.
func (t *transaction) body(ctx context.Context, ref store.Ref) (*fhir.Resource, error) {
	if ref.ID == "" {
		return nil, nil
	}
	i := slices.IndexFunc(t.steps, func(s step) bool { return s.ref == ref && s.writes() })
	if i >= 0 && t.changes[i].Resource != nil {
		return t.changes[i].Resource, nil
	}
	rec, err := t.d.get(ctx, ref)
	if err != nil {
		return nil, err
	}
	return bodyOf(rec)
}

// at says that the work's record belongs to a service, whose provider may see it.
func (b by) at(s *service) by {
	if s == nil {
		return b
	}
	b.Service = s.id
	return b.see(s.provider)
}
