package bars

import (
	"context"
	"net/http"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// apply adds the next version of a record that a plain FHIR client writes,
// with what the rules make of it. current is nil where there was none.
func (w *work) apply(ctx context.Context, r *fhir.Resource, id, method string, current *store.Record) error {
	condition := store.Condition{Absent: true}
	if current != nil {
		condition = store.Condition{Version: current.Version}
		w.who = w.who.inherit(current)
	}
	if r.Type() != "ServiceRequest" || !isBrought(current) { // what a sender brought stays where it was sent
		w.who = w.who.at(w.service)
	}
	if err := w.d.keepsProfiles(r); err != nil {
		return err
	}
	before, err := bodyOf(current)
	if err != nil {
		return err
	}
	if err := w.keepsPatient(ctx, r, before, current); err != nil {
		return err
	}
	if err := w.keepsCopy(ctx, current, r, before); err != nil {
		return err
	}
	next := func(r *fhir.Resource) (store.Op, error) {
		rec, err := w.d.record(r, id, method, w.who)
		if err != nil {
			return nil, err
		}
		if method == http.MethodPatch { // what a peer stamped isn't what is patched
			rec.Peer = current.Peer
		}
		return store.Put{Record: rec, If: condition}, nil
	}
	switch r.Type() {
	case "Slot": // what is written depends on who has it in the end
		if err := checkPeriod(r); err != nil {
			return err
		}
		w.diary.writes[id] = &slotWrite{res: r, before: before, op: next, change: w.change}
		return nil
	case "Appointment":
		if err = w.changeAppointment(r, id, before); err == nil {
			err = w.followBooking(ctx, r, id, before)
		}
	case "ServiceRequest":
		if err = checkServiceRequest(r, before); err == nil {
			err = w.tellPlain(ctx, store.Ref{Type: r.Type(), ID: id}, r, before)
		}
	case "Encounter":
		err = w.followEncounter(ctx, r, id, before)
	case "Subscription":
		r, err = w.changeSubscription(ctx, r, id, before)
	}
	if err != nil {
		return err
	}
	op, err := next(r)
	if err != nil {
		return err
	}
	w.batch.Ops = append(w.batch.Ops, op)
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
	if err := w.keepsCopy(ctx, current, nil, before); err != nil {
		return err
	}
	if current.Type == "ServiceRequest" && before != nil && isOpen(before) {
		x, err := w.d.exchangeOf(ctx, current.Ref())
		if err != nil {
			return err
		}
		if x != nil && x.Forwards > 0 {
			return fhir.NewOutcome(fhir.KindConflict, "", "the referral was sent on, and whoever has it would not be told: revoke it first")
		}
	}
	if current.Type == "Encounter" && w.d.outbox != nil && before != nil && !ended(before.Get("status").Text()) {
		if err := w.keepsReferral(ctx, nil, before, current.Ref()); err != nil {
			return err
		}
	}
	if current.Type == "Subscription" {
		w.batch.Ops = append(w.batch.Ops, store.AuxDelete{Kind: auxChannel, Key: current.ID})
	}
	audit, err := w.d.record(before, current.ID, http.MethodDelete, w.who.inherit(current))
	if err != nil {
		return err
	}
	op := store.Delete{Ref: current.Ref(), If: store.Condition{Version: current.Version}, By: audit.By}
	if current.Type == "Slot" {
		w.diary.writes[current.ID] = &slotWrite{before: before, op: func(*fhir.Resource) (store.Op, error) { return op, nil }, change: w.change}
		return nil
	}
	if current.Type == "Appointment" && occupies(before.Get("status").Text()) {
		w.leave(current.Ref(), w.d.slotRefs(before))
	}
	w.batch.Ops = append(w.batch.Ops, op)
	return nil
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
func (w *work) changeAppointment(r *fhir.Resource, id string, before *fhir.Resource) error {
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
	w.take(self, slices.DeleteFunc(slices.Clone(wants), func(ref store.Ref) bool { return slices.Contains(had, ref) }), "Appointment")
	w.leave(self, slices.DeleteFunc(slices.Clone(had), func(ref store.Ref) bool { return slices.Contains(wants, ref) }))
	return nil
}
