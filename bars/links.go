package bars

import (
	"context"
	"net/url"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// checkLinks holds the records of ours that a new referral or booking names by
// relative reference to the rules of linking (BaRS Core 1.5, linking; the table
// of states of the national conformance tool). They must be here, be the same
// patient's at the same service, and be current.
//
// An update, of stored, may keep the links that stand; only new ones are judged.
func (w *work) checkLinks(ctx context.Context, m *message, stored *fhir.Resource) error {
	booked, links := false, 0
	for _, member := range []string{"supportingInfo", "basedOn"} {
		value := m.focus.res.Get(member)
		for item := range value.Items() {
			target, ok, err := w.linkTarget(ctx, m, item.Get("reference").Text())
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			w.linked = append(w.linked, target)
			if stands(stored, member, target) {
				continue
			}
			if links++; links > maxNamed {
				return tooMany(m.focus.path() + "." + member)
			}
			fits, err := w.checkLink(ctx, m, target, item.Path())
			if err != nil {
				return err
			}
			booked = booked || fits && m.focus.typ == "ServiceRequest" && target.Type == "Appointment"
		}
	}
	if w.service.needsBooking && m.rule.act == actRefer && !booked {
		m.broken(m.focus.path()+".supportingInfo", needsLinkedBooking)
	}
	return nil
}

// stands says whether a record has a link already.
func stands(stored *fhir.Resource, member string, target store.Ref) bool {
	if stored == nil {
		return false
	}
	for ref := range localReferences(stored.Get(member), target.Type) {
		if ref == target {
			return true
		}
	}
	return false
}

const needsLinkedBooking = "this service takes a referral only with its booking, which must be linked"

// isBooked says whether a booking is current.
func isBooked(appointment *fhir.Resource) bool {
	status := appointment.Get("status").Text()
	return occupies(status) && !terminal(status)
}

// linkTarget is the booking or referral of ours that a reference names. A sender
// may send a copy of the record along (a booking's bundle has a place for its
// ServiceRequest): the entry then means our record, and none is made of it.
func (w *work) linkTarget(ctx context.Context, m *message, reference string) (store.Ref, bool, error) {
	e := m.resolve(reference)
	if e == nil {
		ref, ok := fhir.ParseReference(reference)
		ours := ref.Base == "" || ref.Base == w.d.base+"/"
		return store.Ref{Type: ref.Type, ID: ref.ID}, ok && ours && linkable(ref.Type), nil
	}
	if e == m.focus || !linkable(e.typ) || !fhir.ValidID(e.id) {
		return store.Ref{}, false, nil
	}
	target := store.Ref{Type: e.typ, ID: e.id}
	found, err := w.d.store.GetMany(ctx, []store.Ref{target})
	if err != nil || len(found) == 0 {
		return store.Ref{}, false, err
	}
	e.plan = plan{ref: target, link: true}
	w.name(e)
	return target, true, nil
}

func linkable(typ string) bool { return typ == "Appointment" || typ == "ServiceRequest" }

// checkLink says whether a link may stand.
func (w *work) checkLink(ctx context.Context, m *message, target store.Ref, at string) (bool, error) {
	found, err := w.d.store.GetMany(ctx, []store.Ref{target})
	if err != nil {
		return false, err
	}
	why := ""
	if len(found) == 0 {
		why = "the reference names no record of this system"
	} else if !maySee(found[0], w.who.Organisation) {
		return false, fhir.NewOutcome(fhir.KindAccess, at, "the linked record belongs to other organisations than the one that asks")
	} else if why, err = w.misfit(ctx, m, found[0]); err != nil {
		return false, err
	}
	if why == "" {
		return true, nil
	}
	// A patient who has a booking here must be linked with that one; where there
	// is none at all, the name is merely wrong.
	other := false
	if target.Type == "Appointment" && len(found) == 0 {
		if other, err = w.hasBooking(ctx, m); err != nil {
			return false, err
		}
		if other {
			why = "the patient's booking with this service is another one"
		}
	}
	if len(found) > 0 || other {
		return false, fhir.NewOutcome(fhir.KindConflict, at, why)
	}
	m.strictly(at, why)
	return false, nil
}

// misfit says why a stored record can't be linked with the message; "" where it
// can.
func (w *work) misfit(ctx context.Context, m *message, rec *store.Record) (string, error) {
	r, err := fhir.Parse(rec.Body)
	if err != nil {
		return "", err
	}
	if !hasEntry(rec, w.service.id) {
		return "the linked record belongs to another service", nil
	}
	if same, err := w.isOfPatient(ctx, rec, m.first("Patient")); err != nil || !same {
		return "the linked record is another patient's", err
	}
	if rec.Type == "Appointment" {
		if !isBooked(r) {
			return "the linked booking is no longer current", nil
		}
		return "", nil
	}
	if !isOpen(r) {
		return "the linked referral is no longer active", nil
	}
	// After a cancellation the patient books anew, and that booking must not hang
	// on the old referral.
	had, err := w.d.find(ctx, "Appointment", search.Has("based-on:"+rec.Ref().String()), 1)
	if err == nil && len(had) > 0 {
		return "the linked referral has had its booking already", nil
	}
	return "", err
}

// hasBooking says whether the message's patient has a current booking with the
// service that the sender may see. Only an NHS number tells.
func (w *work) hasBooking(ctx context.Context, m *message) (bool, error) {
	person := m.first("Patient")
	if person == nil {
		return false, nil
	}
	number := nhs.NHSNumberOf(person.resource())
	if number == "" {
		return false, nil
	}
	patients, err := w.d.find(ctx, "Patient", search.And{
		search.Has("identifier=" + nhs.SystemNHSNumber + "|" + string(number)), search.Has(serviceEntry(w.service.id))}, search.MaxCount)
	if err != nil || len(patients) == 0 {
		return false, err
	}
	keys := search.HasAny{}
	for _, p := range patients {
		keys = append(keys, "patient:Patient/"+p.ID)
	}
	found, err := w.d.find(ctx, "Appointment", within(w.service, Caller{Organisation: w.who.Organisation}, search.And{keys, search.Has("status:booked")}), 1)
	return len(found) > 0, err
}

// kindJourney keeps, for each journey, patient and service, the referral that
// was made last.
const kindJourney = "journey"

// takeJourney holds a new referral to the rule that only one is active at a time
// for a journey, patient and service: to refer again, the open one is revoked
// first (BaRS Core 1.5, core functionality of a referral receiver). Journeys
// that a door translated don't count, because their standards can't revoke.
func (w *work) takeJourney(ctx context.Context, m *message) error {
	journey := journeyOf(m)
	if journey == "" || m.translated {
		return nil
	}
	number := ""
	if person := m.first("Patient"); person != nil {
		number = string(nhs.NHSNumberOf(person.resource()))
	}
	parts := []string{w.service.id, m.category, journey, number}
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	put := store.AuxPut{Kind: kindJourney, Key: strings.Join(parts, "|"), Value: []byte(w.focus.String()), If: store.Condition{Absent: true}}
	last, err := w.d.store.AuxGet(ctx, kindJourney, []string{put.Key})
	if err != nil {
		return err
	}
	if len(last) > 0 {
		put.If = store.Condition{Version: last[0].Version}
		found, err := w.d.store.GetMany(ctx, []store.Ref{refOf(string(last[0].Value))})
		if err != nil {
			return err
		}
		if len(found) > 0 {
			r, err := fhir.Parse(found[0].Body)
			if err != nil {
				return err
			}
			if isOpen(r) {
				return fhir.NewOutcome(fhir.KindConflict, m.focus.path(), "this journey has an active referral to this service, which must be revoked first")
			}
		}
	}
	w.batch.Ops = append(w.batch.Ops, put)
	return nil
}

// journeyOf is the journey's id: Encounter.episodeOfCare names it, and no entry
// of the bundle does.
func journeyOf(m *message) string {
	own := m.own()
	if own == nil {
		return ""
	}
	return journeyIn(own.res)
}

func journeyIn(encounter fhir.Value) string {
	for item := range encounter.Get("episodeOfCare").Items() {
		if ref, ok := fhir.ParseReference(item.Get("reference").Text()); ok && ref.Type == "EpisodeOfCare" {
			return ref.ID
		}
	}
	return ""
}
