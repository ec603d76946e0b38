package bars

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// replaceReferral carries out a referral message whose document replaces an
// earlier version: the referral stays one, with its id and its planned
// Encounter. What the earlier version said is replaced or, where the new one
// has nothing in its place, deleted; every version stays in the history. A
// referral that was changed here since isn't updated (BaRS Core 1.5, applying an
// update); the sender has to talk to the service.
func (w *work) replaceReferral(ctx context.Context, m *message, req *MessageRequest, earlier *documentSet) error {
	stored, err := w.updatable(ctx, m, earlier)
	if err != nil {
		return err
	}
	entries, err := w.placeMessage(ctx, m, req.Attached)
	if err != nil {
		return err
	}
	if err := m.problems.OrNil(); err != nil {
		return err
	}
	if err := replacing(entries, req.Document, earlier); err != nil {
		return err
	}
	kept, err := w.keepIDs(ctx, m, stored)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.plan.link {
			continue
		}
		before := kept[e.plan.ref]
		if before == nil {
			if err := w.write(e, e.resource(), w.who); err != nil {
				return err
			}
			continue
		}
		r, err := w.rewrite(e.resource())
		if err != nil {
			return err
		}
		rec, err := w.d.record(r, before.ID, "PUT", w.who.inherit(before))
		if err != nil {
			return err
		}
		w.put(rec, store.Condition{Version: before.Version})
	}
	w.focus, m.reason = stored.Ref(), ReasonUpdate
	if err := w.retire(ctx, earlier); err != nil {
		return err
	}
	if err := w.forwardNext(ctx, m); err != nil {
		return err
	}
	return w.endDocuments(ctx, earlier, "superseded")
}

// updatable gives the referral that a set holds, if it may be updated.
func (w *work) updatable(ctx context.Context, m *message, earlier *documentSet) (*store.Record, error) {
	gone := fhir.NewOutcome(fhir.KindConflict, "", "the referral of the earlier version is no longer here")
	wrote, ok := earlier.referral()
	if !ok {
		return nil, gone
	}
	found, err := w.d.store.GetMany(ctx, []store.Ref{wrote.ref()})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, gone
	}
	stored := found[0]
	r, err := fhir.Parse(stored.Body)
	if err != nil {
		return nil, err
	}
	if r.Get("status").Text() != "active" {
		return nil, fhir.NewOutcome(fhir.KindConflict, "", "the referral of the earlier version is no longer active")
	}
	if stored.Version != wrote.Version {
		return nil, fhir.NewOutcome(fhir.KindConflict, "", "the referral of the earlier version was changed here since")
	}
	return stored, w.sameBearer(ctx, m, r)
}

// sameBearer refuses a version that is of another person than the earlier one.
func (w *work) sameBearer(ctx context.Context, m *message, held *fhir.Resource) error {
	ref, ok := fhir.ParseReference(held.Get("subject", "reference").Text())
	sent := m.first("Patient")
	if !ok || sent == nil {
		return nil
	}
	found, err := w.d.store.GetMany(ctx, []store.Ref{{Type: ref.Type, ID: ref.ID}})
	if err != nil || len(found) == 0 {
		return err
	}
	patient, err := fhir.Parse(found[0].Body)
	if err != nil {
		return err
	}
	a, b := nhs.NHSNumberOf(sent.resource()), nhs.NHSNumberOf(patient)
	born, bornHeld := sent.res.Get("birthDate").Text(), patient.Get("birthDate").Text()
	if a != "" && b != "" && a != b || (a == "" || b == "") && born != "" && bornHeld != "" && born != bornHeld {
		return fhir.NewOutcome(fhir.KindInvariant, sent.path(), "the Patient is not the one of the earlier version")
	}
	return nil
}

// keepIDs gives the entries that there are once in every version the records
// that they had: the referral, who and what it is about, and its plan.
func (w *work) keepIDs(ctx context.Context, m *message, stored *store.Record) (map[store.Ref]*store.Record, error) {
	held, err := fhir.Parse(stored.Body)
	if err != nil {
		return nil, err
	}
	refs := []store.Ref{stored.Ref()}
	for _, path := range [][]string{{"subject"}, {"encounter"}, {"basedOn"}} {
		if ref, ok := fhir.ParseReference(held.Root().Dig(append(path, "reference")...).Text()); ok && ref.Base == "" {
			refs = append(refs, store.Ref{Type: ref.Type, ID: ref.ID})
		}
	}
	found, err := w.d.store.GetMany(ctx, refs)
	if err != nil {
		return nil, err
	}
	kept := map[store.Ref]*store.Record{}
	for _, rec := range found {
		e := m.first(rec.Type)
		if e == nil || e.plan.link || !slices.Contains(saysOf, rec.Type) {
			continue
		}
		e.plan.ref = rec.Ref()
		w.name(e)
		kept[rec.Ref()] = rec
	}
	return kept, nil
}

// retire deletes what the earlier version said and the new one doesn't, unless
// it was changed here since.
func (w *work) retire(ctx context.Context, earlier *documentSet) error {
	replaced := map[store.Ref]bool{}
	for _, op := range w.batch.Ops {
		if put, ok := op.(store.Put); ok {
			replaced[put.Record.Ref()] = true
		}
	}
	return w.unchanged(ctx, earlier, func(rec *store.Record) error {
		switch rec.Type {
		case "ServiceRequest", "Patient", "Encounter", "CarePlan", "Communication":
			return nil
		}
		if replaced[rec.Ref()] {
			return nil
		}
		by, err := json.Marshal(w.who.inherit(rec))
		if err != nil {
			return err
		}
		w.batch.Ops = append(w.batch.Ops, store.Delete{Ref: rec.Ref(), If: store.Condition{Version: rec.Version}, By: by})
		return nil
	})
}

// replaceCopy makes a copy for information take the place of its earlier
// version: nobody acts on either, so only the documents say so.
func (w *work) replaceCopy(ctx context.Context, doc *Document, entries []*entry, earlier *documentSet) error {
	if err := replacing(entries, doc, earlier); err != nil {
		return err
	}
	return w.endDocuments(ctx, earlier, "superseded")
}

// unchanged calls do for each record of a set that stands as the room wrote it.
func (w *work) unchanged(ctx context.Context, set *documentSet, do func(*store.Record) error) error {
	versions := map[store.Ref]int64{}
	var refs []store.Ref
	for _, r := range set.Records {
		versions[r.ref()] = r.Version
		refs = append(refs, r.ref())
	}
	for chunk := range slices.Chunk(refs, store.MaxMany) {
		found, err := w.d.store.GetMany(ctx, chunk)
		if err != nil {
			return err
		}
		slices.SortFunc(found, func(a, b *store.Record) int { return slices.Index(refs, a.Ref()) - slices.Index(refs, b.Ref()) })
		for _, rec := range found {
			if rec.Version != versions[rec.Ref()] {
				continue
			}
			if err := do(rec); err != nil {
				return err
			}
		}
	}
	return nil
}
