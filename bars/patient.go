package bars

import (
	"context"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// patientOf is the reference of a record's patient: the subject, or the
// participant of an Appointment who is one.
func patientOf(r *fhir.Resource) string {
	if r.Type() != "Appointment" {
		return r.Get("subject", "reference").Text()
	}
	for participant := range r.Get("participant").Items() {
		text := participant.Dig("actor", "reference").Text()
		if ref, ok := fhir.ParseReference(text); ok && ref.Type == "Patient" {
			return text
		}
	}
	return ""
}

// samePatient checks that the message's Patient can be the one that we hold: a
// different NHS number or birth date means that the wrong record was named.
func (w *work) samePatient(ctx context.Context, m *message, reference string) error {
	sent := m.first("Patient")
	if said := patientOf(m.request.resource()); m.ofHeldPatient(said) && said != reference {
		return fhir.NewOutcome(fhir.KindInvariant, m.request.path(), "the Patient is not the one of the record that the message is about")
	}
	held, rec, err := w.heldPatient(ctx, reference)
	if err != nil || sent == nil || held == nil {
		return err
	}
	// An update may correct or complete a birth date, by the Patient's own id.
	corrects := m.rule.act == actUpdateReferral && sent.id == held.ID()
	if otherNumber(sent, held) || !corrects && otherBirth(sent, held) {
		return fhir.NewOutcome(fhir.KindInvariant, sent.path(), "the Patient is not the one of the record that the message is about")
	}
	w.mean(sent, plan{ref: rec.Ref(), link: true})
	return nil
}

// isOfPatient says whether a stored record can be of the message's Patient.
func (w *work) isOfPatient(ctx context.Context, rec *store.Record, patient *entry) (bool, error) {
	r, err := fhir.Parse(rec.Body)
	if err != nil {
		return false, err
	}
	held, _, err := w.heldPatient(ctx, patientOf(r))
	if err != nil || held == nil || patient == nil {
		return false, err
	}
	return !otherNumber(patient, held) && !otherBirth(patient, held), nil
}

func (w *work) heldPatient(ctx context.Context, reference string) (*fhir.Resource, *store.Record, error) {
	ref, ok := fhir.ParseReference(reference)
	if !ok || ref.Type != "Patient" {
		return nil, nil, nil
	}
	found, err := w.d.store.GetMany(ctx, []store.Ref{{Type: "Patient", ID: ref.ID}})
	if err != nil || len(found) == 0 {
		return nil, nil, err
	}
	held, err := fhir.Parse(found[0].Body)
	return held, found[0], err
}

func otherNumber(sent *entry, held *fhir.Resource) bool {
	a, b := nhs.NHSNumberOf(sent.resource()), nhs.NHSNumberOf(held)
	return a != "" && b != "" && a != b
}

// otherBirth says whether two birth dates can't be of one person. One of them may
// be a year or a month alone.
func otherBirth(sent *entry, held *fhir.Resource) bool {
	a, b := sent.res.Get("birthDate").Text(), held.Get("birthDate").Text()
	return !strings.HasPrefix(a, b) && !strings.HasPrefix(b, a)
}
