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
	if err := w.samePatient(ctx, m, patientOf(r)); err != nil {
		return err
	}
	w.focus = stored.Ref()
	if err := w.noteCancellation(ctx, m, stored); err != nil {
		return err
	}
	if err := w.applyStatus(m.focus, stored, r, "cancelationReason"); err != nil {
		return err
	}
	w.leave(stored.Ref(), w.d.slotRefs(r))
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
