package bars

import (
	"context"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// NullifyRequest asks the Desk to withdraw a document that was sent in error,
// with all that was made of it.
type NullifyRequest struct {
	Caller Caller
	Key    Key
	Target nhs.ServiceID
	Body   []byte
	// Names are sets and ids of the document, as in Document.
	Names []string
	// Entries are kept with it, such as the nullification itself.
	Entries []Entry
	// Also and Recall are as in a MessageRequest.
	Also   []store.Op
	Recall bool
}

// Nullify gives the referral that a document made the status entered-in-error,
// and so its DocumentReferences and all that it said, where nobody changed that
// here since. A referral that is no longer active is refused: a patient may have
// been treated on it, so the sender has to talk to the service. Nullified twice
// is nullified. A document that isn't known is KindNotFound.
func (d *Desk) Nullify(ctx context.Context, req NullifyRequest) (*MessageResult, error) {
	return d.once(ctx, req.Key, req.Body, func(ctx context.Context, idem *store.Idem) (*MessageResult, error) {
		s, err := d.service(ctx, req.Target)
		if err != nil {
			return nil, err
		}
		return again(func() (*MessageResult, error) { return d.nullify(ctx, &req, s, idem) })
	})
}

func (d *Desk) nullify(ctx context.Context, req *NullifyRequest, s *service, idem *store.Idem) (*MessageResult, error) {
	w := d.newWork(req.Caller, s)
	found := 0
	for _, purpose := range []string{forReferral, forInformation} {
		sets, err := w.documentSets(ctx, purpose, req.Names)
		if err != nil {
			return nil, err
		}
		// What a replaced document said is in the set that replaced it.
		live := slices.DeleteFunc(sets, func(set *documentSet) bool { return set.Ended == "replaced" })
		if len(sets) > 0 && len(live) == 0 {
			return nil, fhir.NewOutcome(fhir.KindConflict, "", "the document was replaced by another")
		}
		for _, set := range live {
			found++
			if err := w.withdraw(ctx, set); err != nil {
				return nil, err
			}
		}
	}
	if found == 0 {
		return nil, fhir.NewOutcome(fhir.KindNotFound, "", "this service holds no such document of this sender")
	}
	if len(w.batch.Ops) == 0 {
		return d.known(ctx, w, req.Also, idem)
	}
	entries := make([]*entry, len(req.Entries))
	for i, e := range req.Entries {
		entries[i] = attachedEntry(e)
	}
	if err := w.place(ctx, entries); err != nil {
		return nil, err
	}
	if err := w.writeAll(entries); err != nil {
		return nil, err
	}
	if err := w.add(req.Key, req.Also, req.Recall); err != nil {
		return nil, err
	}
	return d.finish(ctx, w, idem, &MessageResult{Focus: w.focus})
}

// withdraw adds the end of one set to the batch.
func (w *work) withdraw(ctx context.Context, set *documentSet) error {
	if set.Ended == "nullified" {
		return nil
	}
	if wrote, ok := set.referral(); ok {
		if err := w.withdrawReferral(ctx, wrote); err != nil {
			return err
		}
	}
	err := w.unchanged(ctx, set, func(rec *store.Record) error {
		if rec.Type == "ServiceRequest" {
			return nil
		}
		return w.markError(rec)
	})
	if err != nil {
		return err
	}
	if err := w.endDocuments(ctx, set, "entered-in-error"); err != nil {
		return err
	}
	set.Ended = "nullified"
	return w.putSet(set, store.Condition{Version: set.aux})
}

func (w *work) withdrawReferral(ctx context.Context, wrote written) error {
	found, err := w.d.store.GetMany(ctx, []store.Ref{wrote.ref()})
	if err != nil || len(found) == 0 {
		return err
	}
	r, err := fhir.Parse(found[0].Body)
	if err != nil {
		return err
	}
	w.focus = found[0].Ref()
	switch r.Get("status").Text() {
	case "active", "on-hold":
		next, err := r.Edit().SetText(r.Root(), "status", "entered-in-error").Done()
		if err != nil {
			return err
		}
		if err := w.tellOf(ctx, w.focus, next, ""); err != nil {
			return err
		}
		return w.markError(found[0])
	case "entered-in-error", "revoked":
		return nil // it asks nobody to act already
	}
	return fhir.NewOutcome(fhir.KindConflict, "", "the referral is no longer active")
}

const conditionVerification = "http://terminology.hl7.org/CodeSystem/condition-ver-status"

// markError adds the version of a record that says it was entered in error.
func (w *work) markError(rec *store.Record) error {
	r, err := fhir.Parse(rec.Body)
	if err != nil {
		return err
	}
	edit := r.Edit()
	switch rec.Type {
	case "Patient", "RelatedPerson", "Questionnaire":
		return nil // they say nothing that is wrong by itself
	case "Condition":
		// con-5: a Condition entered in error has no clinical status.
		edit.Remove(r.Root(), "clinicalStatus").Set(r.Root(), "verificationStatus",
			fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", conditionVerification, "code", "entered-in-error")}).JSON())
	default:
		edit.Set(r.Root(), "status", fhir.Quote("entered-in-error"))
	}
	next, err := edit.Done()
	if err != nil {
		return err
	}
	return w.putNext(next, rec)
}
