package bars

import (
	"context"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// refer stores a new referral: every resource of the message as a record of
// this journey, and the planned Encounter that says we expect the patient
// (BaRS Core 1.5, processing requests).
func (w *work) refer(ctx context.Context, m *message, attached []Entry) error {
	entries, err := w.placeMessage(ctx, m, attached)
	if err != nil {
		return err
	}
	if err := m.problems.OrNil(); err != nil {
		return err
	}
	w.focus = m.focus.plan.ref
	if err := w.takeJourney(ctx, m); err != nil {
		return err
	}
	if err := w.writeAll(entries); err != nil {
		return err
	}
	if err := w.openEncounter(m); err != nil {
		return err
	}
	x := w.openExchange(m)
	if err := w.forward(m, x); err != nil {
		return err
	}
	return w.remember(x)
}

// openEncounter adds the Encounter with status planned, whose identifier the
// sender shows to its user.
func (w *work) openEncounter(m *message) error {
	id := w.d.newID()
	sent := m.first("Encounter")
	encounter := fhir.NewObject("Encounter").
		Set("id", id).
		Set("meta", fhir.Obj("profile", []string{profileEncounter})).
		Set("identifier", []*fhir.Object{fhir.Obj("system", w.d.base+"/Id/case-reference", "value", caseReference(id))}).
		Set("status", "planned")
	if sent != nil && sent.res.Get("class").Exists() {
		encounter.Set("class", sent.res.Get("class"))
	} else {
		encounter.Set("class", fhir.Obj("system", systemActCode, "code", "EMER"))
	}
	patient := m.first("Patient")
	encounter.Set("subject", fhir.Obj("reference", patient.sentURL))
	if sent != nil {
		encounter.Set("episodeOfCare", sent.res.Get("episodeOfCare"))
	}
	encounter.Set("basedOn", []*fhir.Object{fhir.Obj("reference", m.focus.sentURL)})
	encounter.Set("period", fhir.Obj("start", fhir.FormatInstant(w.d.now())))
	if w.service.owner.ID != "" {
		encounter.Set("serviceProvider", fhir.Obj("reference", w.service.owner.String()))
	}
	w.planned = encounter.Resource()
	e := &entry{typ: "Encounter", res: w.planned.Root(), plan: plan{ref: store.Ref{Type: "Encounter", ID: id}}}
	return w.write(e, w.planned, w.who)
}

// caseReference is a reference that can be read out over the telephone: ten
// characters of the record's id.
func caseReference(id string) string {
	short := strings.ToUpper(strings.ReplaceAll(id, "-", ""))
	if len(short) > 10 {
		short = short[:10]
	}
	return short
}

// openReferral finds the referral that a message is about and makes it the
// focus. It must still be open and of the same patient.
func (w *work) openReferral(ctx context.Context, m *message) (*store.Record, *fhir.Resource, error) {
	stored, err := w.current(ctx, m, "ServiceRequest")
	if err != nil {
		return nil, nil, err
	}
	r, err := fhir.Parse(stored.Body)
	if err != nil {
		return nil, nil, err
	}
	if !isOpen(r) {
		return nil, nil, fhir.NewOutcome(fhir.KindConflict, m.focus.path(), "the referral is no longer active")
	}
	if err := w.samePatient(ctx, m, r.Get("subject", "reference").Text()); err != nil {
		return nil, nil, err
	}
	w.focus = stored.Ref()
	return stored, r, nil
}

// cancelReferral revokes a referral that we hold (BaRS Core 1.5, cancellation).
func (w *work) cancelReferral(ctx context.Context, m *message) error {
	stored, r, err := w.openReferral(ctx, m)
	if err != nil {
		return err
	}
	if err := w.noteCancellation(ctx, m, stored, r); err != nil {
		return err
	}
	return w.applyStatus(m.focus, stored, r)
}

// noteCancellation notes in the exchange that a message ends the record, and
// closes the Encounter that was opened for it. What was changed here meanwhile
// must not be cancelled unseen (BaRS Core 1.5, applying an update). Whoever a
// referral was sent on to is told.
func (w *work) noteCancellation(ctx context.Context, m *message, stored *store.Record, r *fhir.Resource) error {
	x, err := w.d.exchangeOf(ctx, stored.Ref())
	if err != nil || x == nil {
		return err
	}
	if x.changedHere(stored, m) {
		return fhir.NewOutcome(fhir.KindConflict, m.focus.path(), "the record was changed here after it was received")
	}
	next, err := restated(m.focus, r)
	if err != nil {
		return err
	}
	if err := w.tellEnd(ctx, x, next, m.focus.path()); err != nil {
		return err
	}
	x.Version = stored.Version + 1
	x.LastUpdated = laterText(m.bundle.Get("meta", "lastUpdated").Text(), x.LastUpdated)
	if err := w.closePlanned(ctx, x); err != nil {
		return err
	}
	return w.remember(x)
}

// closePlanned cancels the Encounter of an expected patient who will not come.
// One that has begun is left to those who are with the patient.
func (w *work) closePlanned(ctx context.Context, x *exchange) error {
	if x.Planned == "" {
		return nil
	}
	found, err := w.d.store.GetMany(ctx, []store.Ref{refOf(x.Planned)})
	if err != nil || len(found) == 0 {
		return err
	}
	r, err := fhir.Parse(found[0].Body)
	if err != nil || r.Get("status").Text() != "planned" {
		return err
	}
	return w.setStatus(found[0], r, "cancelled")
}

// setStatus adds the next version of a record of ours.
func (w *work) setStatus(stored *store.Record, r *fhir.Resource, status string) error {
	updated, err := r.Edit().SetText(r.Root(), "status", status).Done()
	if err != nil {
		return err
	}
	rec, err := w.d.record(updated, stored.ID, "PUT", w.who.inherit(stored))
	if err != nil {
		return err
	}
	rec.Peer = stored.Peer
	w.put(rec, store.Condition{Version: stored.Version})
	return nil
}

// current finds the record that a cancellation means: the focus must carry our
// id, as the cancellation page of BaRS Core 1.5 says, although published examples
// leave it out.
func (w *work) current(ctx context.Context, m *message, typ string) (*store.Record, error) {
	id := m.focus.id
	if ref, ok := fhir.ParseReference(m.header.Dig("focus", "reference").Text()); id == "" && ok && ref.Type == typ {
		id = ref.ID
	}
	if local, found := strings.CutPrefix(m.focus.fullURL, "urn:uuid:"); id == "" && found && m.mode == Lenient {
		rec, err := w.d.get(ctx, store.Ref{Type: typ, ID: local}) // named as our answers name records
		if err != nil {
			return nil, err
		}
		if rec != nil {
			id = local
		}
	}
	if id == "" {
		if m.mode == Lenient && typ == "Appointment" && !m.focus.res.Get("id").Exists() {
			return w.guessBooking(ctx, m)
		}
		return nil, fhir.NewOutcome(fhir.KindInvariant, m.focus.path()+".id", "the "+typ+" must carry the id under which this system holds it")
	}
	if !fhir.ValidID(id) {
		return nil, fhir.NewOutcome(fhir.KindValue, m.focus.path()+".id", "not a FHIR id")
	}
	found, err := w.d.store.GetMany(ctx, []store.Ref{{Type: typ, ID: id}})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 || !hasEntry(found[0], w.service.id) {
		return nil, fhir.NewOutcome(fhir.KindNotFound, m.focus.path()+".id", "this service holds no such "+typ)
	}
	if !maySee(found[0], w.who.Organisation) {
		return nil, fhir.NewOutcome(fhir.KindAccess, m.focus.path()+".id", "the "+typ+" belongs to other organisations than the one that asks")
	}
	return found[0], nil
}

// applyStatus writes the stored record with the entry's status and reasons;
// nothing else of it changes.
func (w *work) applyStatus(e *entry, stored *store.Record, r *fhir.Resource) error {
	updated, err := restated(e, r)
	if err != nil {
		return err
	}
	rec, err := w.d.record(updated, stored.ID, "PUT", w.who.inherit(stored))
	if err != nil {
		return err
	}
	rec.Peer = peerOf(e.resource())
	w.put(rec, store.Condition{Version: stored.Version})
	w.mean(e, plan{ref: stored.Ref(), known: true, written: true})
	w.changed[stored.Ref()] = updated
	return nil
}

// restated is a record with the status and the reasons of an entry. Why a booking
// was cancelled has a place of its own in R4; senders also give it as reasonCode,
// where BaRS has it for writes by REST.
func restated(e *entry, r *fhir.Resource) (*fhir.Resource, error) {
	edit := r.Edit().Set(r.Root(), "status", e.res.Get("status").Raw())
	for _, reason := range []string{"cancelationReason", "reasonCode"} {
		if value := e.res.Get(reason); value.Exists() {
			edit.Set(r.Root(), reason, value.Raw())
		}
	}
	return edit.Done()
}
