package bars

import (
	"context"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

const (
	systemEncounterReason = "https://fhir.nhs.uk/CodeSystem/message-reason-encounter"
	triageOutcome         = "validation-triage-outcome"
)

// matchRequest finds the request that a response answers, and checks that the
// answer comes from whom the request went to and goes where answers were asked
// to go (BaRS Core 1.5, bundle processing).
func (d *Desk) matchRequest(ctx context.Context, m *message, caller Caller, s *service) error {
	at := m.header.Path() + ".response"
	id := m.header.Dig("response", "identifier").Text()
	if id == "" {
		m.broken(at, "a response must name the Bundle.id that it answers in response.identifier")
		return m.problems
	}
	found, err := d.exchangesOf(ctx, id)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return d.unknownRequest(ctx, at+".identifier", id)
	}
	if code := m.header.Dig("response", "code").Text(); code != "ok" {
		m.broken(at+".code", "response.code must be ok")
	}
	from := nhs.ODSOf(m.sender.resource())
	m.asked = found[0]
	for _, x := range found {
		if x.Receiver == from {
			m.asked = x
		}
	}
	if m.asked.Receiver != from {
		m.strictly(m.header.Path()+".sender", "the response does not come from the organisation that the request went to")
	} else if caller.Organisation != "" && caller.Organisation != from {
		m.strictly(m.header.Path()+".sender", "the response comes from another organisation than the one that sends it")
	}
	if !s.is(nhs.ParseServiceID(m.asked.Source)) {
		m.strictly(m.destination.at+".endpoint", "the response does not go to the service that asked for it")
	}
	if err := m.problems.OrNil(); err != nil {
		return err
	}
	// Lenient mode lets an answer come back by who asked, as published ones do, but
	// by nobody else.
	if org, known := caller.Organisation, m.asked.Receiver; org != "" && known != "" && org != known && org != m.asked.Caller {
		return fhir.NewOutcome(fhir.KindAccess, at, "the request that this answers is between other organisations than the one that sends the response")
	}
	return nil
}

// findResponder finds the Encounter of who answers: the focus, else the one that
// isn't the requester's.
func (m *message) findResponder() {
	if m.focus.typ == "Encounter" {
		m.responder = m.focus
		return
	}
	if m.request == nil {
		return
	}
	own := m.resolve(m.request.res.Dig("encounter", "reference").Text())
	var others []*entry
	for _, e := range m.all("Encounter") {
		if e != own && "Encounter/"+e.id != m.asked.Encounter && !shares(identifiersOf(e.res), m.asked.Cases) {
			others = append(others, e)
		}
	}
	if len(others) > 1 {
		others = slices.DeleteFunc(others, func(e *entry) bool {
			return fhir.CodeOf(e.res.Get("reasonCode"), systemEncounterReason) != triageOutcome
		})
	}
	if len(others) == 1 {
		m.responder = others[0]
	}
}

// takeAnswer writes what a response says into the records of the request that it
// answers. The requester's own records stay as they are, apart from the statuses
// of the ServiceRequest and the Appointment; all else that the responder says is
// a record of its own, or the next version of one that an earlier response made.
func (w *work) takeAnswer(ctx context.Context, m *message) error {
	w.focus = refOf(m.asked.Focus)
	x, err := w.d.exchangeOf(ctx, w.focus)
	if err != nil {
		return err
	}
	found, err := w.d.store.GetMany(ctx, []store.Ref{w.focus})
	if err != nil {
		return err
	}
	if x == nil || len(found) == 0 {
		return fhir.NewOutcome(fhir.KindConflict, m.header.Path()+".response.identifier", "the request that this answers was deleted here")
	}
	stored := found[0]
	referral, err := fhir.Parse(stored.Body)
	if err != nil {
		return err
	}
	if !isOpen(referral) {
		return fhir.NewOutcome(fhir.KindConflict, m.request.path(), "the referral is no longer active")
	}
	if err := w.samePatient(ctx, m, referral.Get("subject", "reference").Text()); err != nil {
		return err
	}
	if err := w.placeAnswer(ctx, m, x); err != nil {
		return err
	}
	if err := w.checkResponder(ctx, m); err != nil {
		return err
	}
	if err := w.writeKnown(ctx, m.entries); err != nil {
		return err
	}
	if err := w.writeAll(m.entries); err != nil {
		return err
	}
	if err := w.noteAnswer(m, x); err != nil {
		return err
	}
	x.Version = stored.Version
	if m.request.res.Get("status").Text() == referral.Get("status").Text() {
		w.batch.Guards = append(w.batch.Guards, store.VersionGuard{Ref: w.focus, Version: stored.Version})
		return w.remember(x)
	}
	x.Version++
	told := m.responder != nil && m.responder.plan.ref.String() == x.Planned
	if !told { // the response itself doesn't say what became of it
		if err := w.closePlanned(ctx, x); err != nil {
			return err
		}
	}
	if err := w.applyStatus(m.request, stored, referral); err != nil {
		return err
	}
	return w.remember(x)
}

// noteAnswer notes in the exchange what the response's entries became.
func (w *work) noteAnswer(m *message, x *exchange) error {
	if x.Answers == nil {
		x.Answers = map[string]string{}
	}
	for _, e := range m.entries {
		if e.fullURL != "" && !e.plan.link && x.Parts[e.fullURL] != e.plan.ref.String() {
			x.Answers[e.fullURL] = e.plan.ref.String()
		}
	}
	if m.responder != nil {
		if x.Planned == "" && len(m.rule.responder) > 0 {
			x.Planned = m.responder.plan.ref.String()
		}
		if m.definition.Name == defInterim {
			x.Interim = m.id
		}
	}
	return nil
}

// placeAnswer finds for each entry the record that it is.
func (w *work) placeAnswer(ctx context.Context, m *message, x *exchange) error {
	sent := m.first("Patient").plan // samePatient found it
	if err := w.place(ctx, m.entries); err != nil {
		return err
	}
	for _, e := range m.entries {
		var err error
		switch {
		case e == m.request:
			w.mean(e, plan{ref: w.focus, link: true})
		case e.typ == "Patient" && sent.ref.ID != "":
			w.mean(e, sent)
		case e.typ == "Encounter":
			err = w.placeEncounter(ctx, m, e, x)
		case e.typ == "Appointment":
			err = w.placeAppointment(ctx, m, e, x)
		case e.plan.link:
		default:
			err = w.placeOther(ctx, e, x)
		}
		if err != nil {
			return err
		}
	}
	m.checkReferences(m.entries)
	if err := w.checkForeign(ctx, m, x); err != nil {
		return err
	}
	return m.problems.OrNil()
}

func (w *work) placeEncounter(ctx context.Context, m *message, e *entry, x *exchange) error {
	if e != m.responder || len(m.rule.responder) == 0 {
		mine := "Encounter/"+e.id == x.Encounter || x.Parts[e.fullURL] == x.Encounter || shares(identifiersOf(e.res), x.Cases)
		if mine && x.Encounter != "" {
			w.mean(e, plan{ref: refOf(x.Encounter), link: true})
			return nil
		}
	}
	if e == m.responder {
		if ours, err := w.isOurs(ctx, e, x); err != nil {
			return err
		} else if ours {
			w.mean(e, plan{ref: refOf(x.Planned), known: true})
			return nil
		}
	}
	if ref := x.part(e, x.Answers); ref.ID != "" {
		w.mean(e, plan{ref: ref, known: true})
	}
	return nil
}

// placeOther finds what any other entry is: something that an earlier response
// said, an echo of the request that is no later than what we have, or new.
func (w *work) placeOther(ctx context.Context, e *entry, x *exchange) error {
	if ref := x.part(e, x.Answers); ref.ID != "" {
		return w.brings(ctx, e, ref)
	}
	ref := x.part(e, x.Parts)
	if ref.ID == "" {
		return nil
	}
	found, err := w.d.store.GetMany(ctx, []store.Ref{ref})
	if err != nil || len(found) == 0 {
		return err
	}
	if !later(e.res, found[0]) {
		w.mean(e, plan{ref: ref, link: true})
	}
	return nil
}

// checkResponder refuses news of a case that has ended, and turns back nothing.
func (w *work) checkResponder(ctx context.Context, m *message) error {
	if m.responder == nil || !m.responder.plan.known {
		return nil
	}
	found, err := w.d.store.GetMany(ctx, []store.Ref{m.responder.plan.ref})
	if err != nil || len(found) == 0 {
		return err
	}
	held, err := fhir.Parse(found[0].Body)
	if err != nil {
		return err
	}
	was := held.Get("status").Text()
	if ended(was) && was != m.responder.res.Get("status").Text() && later(m.responder.res, found[0]) {
		return fhir.NewOutcome(fhir.KindConflict, m.responder.path(), "the responder's case has ended")
	}
	return nil
}

// ended says whether an Encounter's status doesn't change again.
func ended(status string) bool {
	return status == "finished" || status == "cancelled" || status == "entered-in-error"
}

// placeAppointment applies the news that the patient did not attend to the
// booking of the referral: its status, and its slots go back.
func (w *work) placeAppointment(ctx context.Context, m *message, e *entry, x *exchange) error {
	if e.res.Get("status").Text() != "noshow" {
		m.broken(e.path()+".status", "in "+m.rule.meaning+" the status must be noshow")
		return nil
	}
	stored, err := w.bookingOf(ctx, e, x)
	if err != nil || stored == nil {
		return err
	}
	w.mean(e, plan{ref: stored.Ref(), link: true})
	r, err := fhir.Parse(stored.Body)
	if err != nil {
		return err
	}
	was := r.Get("status").Text()
	if was == "noshow" {
		return nil
	} else if terminal(was) {
		return fhir.NewOutcome(fhir.KindConflict, e.path(), "the booking is no longer current")
	}
	if err := w.applyStatus(e, stored, r); err != nil {
		return err
	}
	if occupies(was) {
		w.leave(stored.Ref(), w.d.slotRefs(r))
	}
	return nil
}

// isOfReferral says whether a booking is linked with the referral of an exchange, or
// surely its patient's: what the answer says of the patient may be next to nothing.
func (w *work) isOfReferral(ctx context.Context, rec *store.Record, x *exchange) (bool, error) {
	booking, err := fhir.Parse(rec.Body)
	if err != nil {
		return false, err
	}
	referrals, err := w.referralsOf(ctx, booking, rec.Ref())
	if err != nil || slices.Contains(referrals, refOf(x.Focus)) {
		return err == nil, err
	}
	patient, other := refOf(x.Patient), w.d.personOf(booking)
	if patient == other || patient.ID == "" || other.ID == "" {
		return patient == other && patient.ID != "", nil
	}
	found, err := w.d.store.GetMany(ctx, []store.Ref{patient, other})
	if err != nil || len(found) < 2 {
		return false, err
	}
	a, err := fhir.Parse(found[0].Body)
	if err != nil {
		return false, err
	}
	b, err := fhir.Parse(found[1].Body)
	return err == nil && isOnePerson(a, b), err
}

// bookingOf finds the booking that a response means: the one that was sent and to
// which its receiver gave that id, or one of ours with that id that who answers may
// see; else the one that is linked with the referral. Nil where this system holds
// none.
func (w *work) bookingOf(ctx context.Context, e *entry, x *exchange) (*store.Record, error) {
	if fhir.ValidID(e.id) {
		ref := store.Ref{Type: "Appointment", ID: e.id}
		sent, err := w.d.store.AuxGet(ctx, kindTheirs, []string{theirsKey(nhs.ParseServiceID(x.Destination), ref.String())})
		if err != nil {
			return nil, err
		}
		if len(sent) == 1 {
			ref = refOf(string(sent[0].Value))
		}
		found, err := w.d.store.GetMany(ctx, []store.Ref{ref})
		if err != nil {
			return nil, err
		}
		if len(found) == 1 && (len(sent) == 1 || maySee(found[0], w.who.Organisation)) {
			same, err := w.isOfReferral(ctx, found[0], x)
			if err != nil || same {
				return found[0], err
			}
		}
	}
	linked, err := w.d.find(ctx, "Appointment", search.Has("based-on:"+w.focus.String()), 2)
	if err != nil || len(linked) != 1 {
		return nil, err
	}
	return linked[0], nil
}
