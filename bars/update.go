package bars

import (
	"context"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// updateReferral applies the update of a referral that we hold, entry by entry
// (BaRS Core 1.5, applying an update): a resource that is later than ours
// replaces it, one that isn't is left, one that we don't know is stored. No
// version is overwritten.
func (w *work) updateReferral(ctx context.Context, m *message) error {
	stored, held, err := w.openReferral(ctx, m)
	if err != nil {
		return err
	}
	x, err := w.d.exchangeOf(ctx, w.focus)
	if err != nil {
		return err
	}
	if x == nil || x.changedHere(stored, m) {
		return fhir.NewOutcome(fhir.KindConflict, m.focus.path(), "the referral was changed here after it was received")
	}
	if err := w.placeUpdate(ctx, m, x, held); err != nil {
		return err
	}
	if err := w.writeUpdate(ctx, m, x, stored); err != nil {
		return err
	}
	if slices.ContainsFunc(m.entries, func(e *entry) bool { return !e.plan.link && (!e.plan.known || e.plan.written) }) {
		if err := w.forward(m, x); err != nil { // old news isn't sent on
			return err
		}
	}
	return w.remember(x)
}

// writeUpdate writes the entries of an update, whose records are known, and notes
// them in the exchange.
func (w *work) writeUpdate(ctx context.Context, m *message, x *exchange, stored *store.Record) error {
	if err := w.writeKnown(ctx, m.entries); err != nil {
		return err
	}
	if err := w.writeAll(m.entries); err != nil {
		return err
	}
	for _, e := range m.entries {
		if e.fullURL != "" {
			x.Parts[e.fullURL] = e.plan.ref.String()
		}
	}
	x.Version = stored.Version
	if m.focus.plan.written {
		x.Version++
	} else {
		w.batch.Guards = append(w.batch.Guards, store.VersionGuard{Ref: w.focus, Version: stored.Version})
	}
	x.LastUpdated = laterText(m.bundle.Get("meta", "lastUpdated").Text(), x.LastUpdated)
	return nil
}

// isOpen says whether a referral can still be worked on.
func isOpen(referral *fhir.Resource) bool {
	status := referral.Get("status").Text()
	return status == "active" || status == "on-hold"
}

func laterText(a, b string) string {
	at, errA := fhir.ParseInstant(a)
	bt, errB := fhir.ParseInstant(b)
	if errA != nil || errB == nil && bt.After(at) {
		return b
	}
	return a
}

// placeUpdate finds for each entry the record that it is, and checks where the
// update leads.
func (w *work) placeUpdate(ctx context.Context, m *message, x *exchange, held *fhir.Resource) error {
	if err := w.place(ctx, m.entries); err != nil {
		return err
	}
	own := m.own()
	for _, e := range m.entries {
		switch {
		case e == m.focus:
			w.mean(e, plan{ref: w.focus, known: true})
		case e.typ == "Encounter" && e.id != "" && "Encounter/"+e.id == x.Planned:
			w.mean(e, plan{ref: refOf(x.Planned), link: true}) // also as the referral's own
		case e.typ == "Encounter" && e != own:
			ours, err := w.isOurs(ctx, e, x)
			if err != nil {
				return err
			}
			if ours { // sent back to us, who alone change it
				w.mean(e, plan{ref: refOf(x.Planned), link: true})
			} else {
				m.strictly(e.path(), "a second Encounter must be the one that this system opened, under its id")
			}
		case e.plan.link:
		default:
			if ref := x.part(e, x.Parts); ref.ID != "" {
				if err := w.brings(ctx, e, ref); err != nil {
					return err
				}
			}
		}
	}
	m.checkReferences(m.entries)
	if err := w.keepsJourney(ctx, m, x); err != nil {
		return err
	}
	if err := w.checkLinks(ctx, m, held); err != nil {
		return err
	}
	if err := w.checkForeign(ctx, m, x); err != nil {
		return err
	}
	return m.problems.OrNil()
}

// keepsJourney refuses an update that moves the case to another journey, which may
// be another patient's: the id is made at first contact and carried through.
func (w *work) keepsJourney(ctx context.Context, m *message, x *exchange) error {
	said := journeyOf(m)
	if said == "" || x.Encounter == "" {
		return nil
	}
	found, err := w.d.store.GetMany(ctx, []store.Ref{refOf(x.Encounter)})
	if err != nil || len(found) == 0 {
		return err
	}
	held, err := fhir.Parse(found[0].Body)
	if err != nil {
		return err
	}
	if was := journeyIn(held.Root()); was != "" && was != said {
		m.broken(m.own().path()+".episodeOfCare", "an update may not move the referral to another journey")
	}
	return nil
}

// mean says which record an entry is.
func (w *work) mean(e *entry, p plan) {
	e.plan = p
	w.name(e)
}

// isOurs says whether an Encounter entry is the one that the receiver opened: by
// id, else by the case reference that was given out for it.
func (w *work) isOurs(ctx context.Context, e *entry, x *exchange) (bool, error) {
	if x.Planned == "" {
		return false, nil
	}
	if "Encounter/"+e.id == x.Planned || x.Answers[e.fullURL] == x.Planned {
		return true, nil
	}
	found, err := w.d.store.GetMany(ctx, []store.Ref{refOf(x.Planned)})
	if err != nil || len(found) == 0 {
		return false, err
	}
	held, err := fhir.Parse(found[0].Body)
	if err != nil {
		return false, err
	}
	return shares(identifiersOf(e.res), identifiersOf(held.Root())), nil
}

func shares(a, b []string) bool {
	for _, x := range a {
		for _, y := range b {
			if x == y {
				return true
			}
		}
	}
	return false
}

// writeKnown adds the next version of each record that an entry replaces.
func (w *work) writeKnown(ctx context.Context, entries []*entry) error {
	var refs []store.Ref
	for _, e := range entries {
		if e.plan.known {
			refs = append(refs, e.plan.ref)
		}
	}
	if len(refs) == 0 {
		return nil
	}
	found, err := w.d.store.GetMany(ctx, refs)
	if err != nil {
		return err
	}
	records := map[store.Ref]*store.Record{}
	for _, rec := range found {
		records[rec.Ref()] = rec
	}
	done := map[store.Ref]bool{} // one that stands twice in a message is written once
	for _, e := range entries {
		stored := records[e.plan.ref]
		if !e.plan.known || e.plan.written {
			continue
		}
		if stored == nil {
			return fhir.NewOutcome(fhir.KindConflict, e.path(), "the record that this entry updates was deleted here")
		}
		if done[stored.Ref()] || !later(e.res, stored) {
			continue
		}
		done[stored.Ref()] = true
		r, err := w.rewrite(e.resource())
		if err != nil {
			return err
		}
		rec, err := w.d.record(r, stored.ID, "PUT", w.who.inherit(stored))
		if err != nil {
			return err
		}
		w.put(rec, store.Condition{Version: stored.Version})
		e.plan.written = true
	}
	return nil
}
