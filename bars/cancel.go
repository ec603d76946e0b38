package bars

import (
	"context"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// cancelBooking cancels a booking that we hold and frees its slots, in one
// batch (BaRS Core 1.5, cancellation).
func (w *work) cancelBooking(ctx context.Context, m *message) error {
	stored, err := w.current(ctx, m, "Appointment")
	if err != nil {
		return err
	}
	r, err := fhir.Parse(stored.Body)
	if err != nil {
		return err
	}
	if !occupies(r.Get("status").Text()) || r.Get("status").Text() == "fulfilled" {
		return fhir.NewOutcome(fhir.KindConflict, m.focus.path(), "the booking is no longer current")
	}
	patient := ""
	for participant := range r.Get("participant").Items() {
		if ref, ok := fhir.ParseReference(participant.Dig("actor", "reference").Text()); ok && ref.Type == "Patient" {
			patient = participant.Dig("actor", "reference").Text()
		}
	}
	if err := w.samePatient(ctx, m, patient); err != nil {
		return err
	}
	if err := w.applyStatus(m, stored, r, "cancelationReason"); err != nil {
		return err
	}
	w.leave(stored.Ref(), w.d.slotRefs(r))
	return nil
}

// samePatient checks that the message's Patient can be the one that we hold:
// a different NHS number or birth date means that the wrong record was named.
func (w *work) samePatient(ctx context.Context, m *message, reference string) error {
	sent := m.first("Patient")
	ref, ok := fhir.ParseReference(reference)
	if sent == nil || !ok || ref.Type != "Patient" {
		return nil
	}
	found, err := w.d.store.GetMany(ctx, []store.Ref{{Type: "Patient", ID: ref.ID}})
	if err != nil || len(found) == 0 {
		return err
	}
	held, err := fhir.Parse(found[0].Body)
	if err != nil {
		return err
	}
	a, b := nhs.NHSNumberOf(sent.resource()), nhs.NHSNumberOf(held)
	born, bornHeld := sent.res.Get("birthDate").Text(), held.Get("birthDate").Text()
	if (a != "" && b != "" && a != b) || (born != "" && bornHeld != "" && born != bornHeld) {
		return fhir.NewOutcome(fhir.KindInvariant, sent.path(), "the Patient is not the one of the record that is to be cancelled")
	}
	w.names[sent.fullURL] = found[0].Ref()
	sent.plan = plan{ref: found[0].Ref(), link: true}
	return nil
}

// guessBooking finds the booking that a cancellation without an id means: the
// one current Appointment of that patient at that time with this service. Only
// lenient mode guesses, and only where one alone fits.
func (w *work) guessBooking(ctx context.Context, m *message) (*store.Record, error) {
	missing := fhir.NewOutcome(fhir.KindInvariant, m.focus.path()+".id", "the Appointment must carry the id under which this system holds it")
	sent := m.first("Patient")
	start, err := fhir.ParseInstant(m.focus.res.Get("start").Text())
	if sent == nil || err != nil {
		return nil, missing
	}
	number := nhs.NHSNumberOf(sent.resource())
	if number == "" {
		return nil, missing
	}
	patients, err := w.d.find(ctx, "Patient", search.Has("identifier="+nhs.SystemNHSNumber+"|"+string(number)), search.MaxCount)
	if err != nil {
		return nil, err
	}
	keys := search.HasAny{}
	for _, p := range patients {
		keys = append(keys, "patient:Patient/"+p.ID)
	}
	ms := start.UnixMilli()
	found, err := w.d.find(ctx, "Appointment", search.And{
		keys,
		search.Has("status:booked"),
		search.Has(serviceEntry(w.service.id)),
		search.Date{Param: "date", Op: search.Eq, Lo: ms, Hi: ms + 999},
	}, 2)
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, missing
	}
	return found[0], nil
}
