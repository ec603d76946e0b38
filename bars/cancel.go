package bars

import (
	"context"
	"slices"

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
	if err := w.noteCancellation(ctx, m, stored, r); err != nil {
		return err
	}
	if err := w.applyStatus(m.focus, stored, r); err != nil {
		return err
	}
	w.leave(stored.Ref(), w.d.slotRefs(r))
	return nil
}

// maxAtOnce bounds the bookings of a patient at one time that are looked at.
const maxAtOnce = 20

// guessBooking finds the booking that a cancellation without an id means: the
// one current Appointment of that patient at that time, in that slot where one is
// named, with this service, that the sender may see. Only lenient mode guesses, and
// only where one alone fits.
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
	found, err := w.d.find(ctx, "Appointment", within(w.service, Caller{Organisation: w.who.Organisation}, search.And{
		keys,
		search.Has("status:booked"),
		search.Date{Param: "date", Op: search.Eq, Lo: ms, Hi: ms + 999},
	}), maxAtOnce)
	if err != nil {
		return nil, err
	}
	if found, err = w.withSlotOf(m.focus, found); err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, missing
	}
	return found[0], nil
}

// withSlotOf keeps the bookings that have a Slot which the entry names; all where
// it names none.
func (w *work) withSlotOf(e *entry, found []*store.Record) ([]*store.Record, error) {
	named := w.d.slotRefs(e.resource())
	if len(named) == 0 {
		return found, nil
	}
	var kept []*store.Record
	for _, rec := range found {
		booking, err := fhir.Parse(rec.Body)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(w.d.slotRefs(booking), func(slot store.Ref) bool { return slices.Contains(named, slot) }) {
			kept = append(kept, rec)
		}
	}
	return kept, nil
}
