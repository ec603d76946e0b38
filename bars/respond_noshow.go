package bars

import (
	"context"
	"maps"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// Bounds of what one booking is looked up by.
const (
	maxLinked = 10
	maxFlags  = 100
)

// flagSafeguarding is the category of Flags that a safeguarding concern has.
const flagSafeguarding = "SG"

// followBooking tells who sent a referral that its patient did not attend, in the
// batch that says so of the booking: only where there is a safeguarding concern,
// for otherwise the standard has no such answer (BaRS applications 1 and 2,
// safeguarding DNA response).
func (w *work) followBooking(ctx context.Context, r *fhir.Resource, id string, before *fhir.Resource) error {
	if w.d.outbox == nil || before == nil || before.Get("status").Text() == "noshow" || r.Get("status").Text() != "noshow" {
		return nil
	}
	self := store.Ref{Type: "Appointment", ID: id}
	referrals, err := w.referralsOf(ctx, r, self)
	if err != nil {
		return err
	}
	for _, ref := range referrals {
		x, err := w.d.exchangeOf(ctx, ref)
		if err != nil {
			return err
		}
		if x == nil || x.Sent || x.Category != CategoryReferral || application(x.UseCase) > 2 {
			continue
		}
		open, err := w.safeguarded(ctx, x)
		if err != nil {
			return err
		}
		if !open {
			continue
		}
		if err := w.tell(ctx, x, &RespondRequest{Referral: ref.ID, Answer: AnswerNotAttended}, self, r, false); err != nil {
			return err
		}
	}
	return nil
}

// referralsOf finds the referrals that are linked with a booking, whichever of
// the two came first.
func (w *work) referralsOf(ctx context.Context, booking *fhir.Resource, self store.Ref) ([]store.Ref, error) {
	var list []store.Ref
	seen := map[store.Ref]bool{}
	add := func(ref store.Ref) {
		if !seen[ref] && len(list) < maxLinked {
			seen[ref] = true
			list = append(list, ref)
		}
	}
	for ref := range localReferences(booking.Get("basedOn"), "ServiceRequest") {
		add(ref)
	}
	found, err := w.d.find(ctx, "ServiceRequest", search.Has(bookingEntry(self)), maxLinked)
	for _, rec := range found {
		add(rec.Ref())
	}
	return list, err
}

// safeguarded says that a referral is still active and that its patient has a
// safeguarding concern.
func (w *work) safeguarded(ctx context.Context, x *exchange) (bool, error) {
	found, err := w.d.store.GetMany(ctx, []store.Ref{refOf(x.Focus)})
	if err != nil || len(found) == 0 {
		return false, err
	}
	referral, err := fhir.Parse(found[0].Body)
	if err != nil || !isOpen(referral) {
		return false, err
	}
	concerns, err := w.d.concerns(ctx, x)
	return len(concerns) > 0, err
}

// concerns finds the active safeguarding Flags of a referral's patient: those
// that came with it and those that staff have written.
func (d *Desk) concerns(ctx context.Context, x *exchange) (map[store.Ref]*fhir.Resource, error) {
	flags, err := d.find(ctx, "Flag", search.Has("patient:"+x.Patient), maxFlags)
	if err != nil {
		return nil, err
	}
	concerns := map[store.Ref]*fhir.Resource{}
	for _, rec := range flags {
		flag, err := fhir.Parse(rec.Body)
		if err != nil {
			return nil, err
		}
		for coding := range fhir.Codings(flag.Get("category")) {
			if coding.System == systemFlagCategories && coding.Code == flagSafeguarding && flag.Get("status").Text() == "active" {
				concerns[rec.Ref()] = flag
			}
		}
	}
	return concerns, nil
}

// writeBooking marks the referral's booking as not attended and frees its slots,
// unless that is what the answer tells of.
func (r *reply) writeBooking(ctx context.Context, referral *fhir.Resource) error {
	for ref := range r.changed {
		if ref.Type == "Appointment" {
			return nil
		}
	}
	linked, err := r.w.d.find(ctx, "Appointment", search.Has("based-on:"+r.w.focus.String()), 2)
	if err != nil {
		return err
	}
	for ref := range localReferences(referral.Get("supportingInfo"), "Appointment") {
		found, err := r.w.d.store.GetMany(ctx, []store.Ref{ref})
		if err != nil {
			return err
		}
		linked = append(linked, found...)
	}
	for _, stored := range linked {
		booking, err := fhir.Parse(stored.Body)
		if err != nil {
			return err
		}
		status := booking.Get("status").Text()
		if terminal(status) && status != "noshow" {
			continue
		}
		if status != "noshow" {
			if err := r.w.setStatus(stored, booking, "noshow"); err != nil {
				return err
			}
			if booking, err = booking.Edit().SetText(booking.Root(), "status", "noshow").Done(); err != nil {
				return err
			}
		}
		if occupies(status) { // else the slot is another's by now
			r.w.leave(stored.Ref(), r.w.d.slotRefs(booking))
		}
		r.changed[stored.Ref()] = booking
		return nil
	}
	return nil
}

// addConcerns adds the concerns that the requester may not know of.
func (r *reply) addConcerns(ctx context.Context) error {
	concerns, err := r.w.d.concerns(ctx, r.x)
	if err != nil {
		return err
	}
	for _, ref := range r.x.Parts {
		delete(concerns, refOf(ref))
	}
	maps.Copy(r.changed, concerns)
	return nil
}
