package bars

import (
	"context"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// work is one request being turned into one batch.
type work struct {
	d       *Desk
	service *service
	who     by
	batch   store.Batch
	focus   store.Ref
	// names maps the bundle-local name of an entry to the record that it is.
	names map[string]store.Ref
	// changed holds the new text of entries that we changed, by record.
	changed map[store.Ref]*fhir.Resource
	// planned is the Encounter that a referral opens.
	planned *fhir.Resource
	// linked are the bookings and referrals that the message is linked with.
	linked []store.Ref
	// sent is what was put into the outbox for another system.
	sent   *Forwarded
	diary  *diary
	change int // which of a transaction's changes this is
}

// plan says what becomes of an entry.
type plan struct {
	ref  store.Ref
	link bool // it is a record that we host: linked, not written (design D12)
	// known says that it is a record of this exchange, to be replaced if the entry
	// is later; written that it was.
	known, written bool
}

func (d *Desk) newWork(caller Caller, s *service) *work {
	who := d.byCaller(caller).see(caller.Organisation, s.provider)
	who.Service = s.id
	return &work{d: d, service: s, who: who, names: map[string]store.Ref{}, changed: map[store.Ref]*fhir.Resource{}, diary: newDiary()}
}

// settle adds what the diary comes to.
func (w *work) settle(ctx context.Context) error {
	s, _, err := w.diary.settle(ctx, w)
	if err != nil {
		return err
	}
	ops := make([]store.Op, 0, len(s.claims)+len(w.batch.Ops)+len(s.rest))
	for _, o := range s.claims {
		ops = append(ops, o.op)
	}
	ops = append(ops, w.batch.Ops...)
	for _, o := range s.rest {
		ops = append(ops, o.op)
	}
	w.batch.Ops = ops
	w.batch.Guards = append(w.batch.Guards, s.guards...)
	return nil
}

// put adds the next version of a record to the batch.
func (w *work) put(rec *store.Record, condition store.Condition) {
	w.batch.Ops = append(w.batch.Ops, store.Put{Record: rec, If: condition})
}

// place decides for each entry whether it is new or a record that we host.
func (w *work) place(ctx context.Context, entries []*entry) error {
	for _, e := range entries {
		linked, err := w.hostedRecord(ctx, e)
		if err != nil {
			return err
		}
		if linked != nil {
			e.plan = plan{ref: *linked, link: true}
		} else {
			e.plan = plan{ref: store.Ref{Type: e.typ, ID: w.d.newID()}}
		}
		w.name(e)
	}
	return nil
}

// name notes which record the references to an entry mean.
func (w *work) name(e *entry) {
	for _, name := range []string{e.fullURL, e.relative} {
		if name != "" {
			w.names[name] = e.plan.ref
		}
	}
}

// hostedRecord finds the record of ours that an entry of the directory means,
// nil where it is none.
func (w *work) hostedRecord(ctx context.Context, e *entry) (*store.Ref, error) {
	switch e.typ {
	case "Organization", "Location", "Practitioner", "PractitionerRole", "HealthcareService":
	default:
		return nil, nil
	}
	keys := search.HasAny{}
	for id := range fhir.Identifiers(e.res.Get("identifier")) {
		system := nhs.Canonical(id.System)
		switch system {
		case nhs.SystemODS, nhs.SystemODSSite, nhs.SystemDoS, nhs.SystemSDSRole, nhs.SystemSDSUser:
			if id.Value != "" {
				keys = append(keys, "identifier="+system+"|"+id.Value)
			}
		}
	}
	var means search.Node = keys
	if len(keys) == 0 {
		if !fhir.ValidID(e.id) {
			return nil, nil
		}
		means = search.IDs{e.id} // an identifier says more than an id
	}
	found, err := w.d.find(ctx, e.typ, search.And{means, search.Has(hosted)}, 2)
	if err != nil || len(found) != 1 { // several: which one isn't said
		return nil, err
	}
	ref := found[0].Ref()
	return &ref, nil
}

// writeAll adds every new entry to the batch.
func (w *work) writeAll(entries []*entry) error {
	for _, e := range entries {
		if e.plan.link || e.plan.known {
			continue
		}
		if err := w.write(e, e.resource(), w.who); err != nil {
			return err
		}
	}
	return nil
}

// write adds one new entry, with its references to other entries replaced.
func (w *work) write(e *entry, r *fhir.Resource, who by) error {
	r, err := w.rewrite(r)
	if err != nil {
		return err
	}
	rec, err := w.d.record(r, e.plan.ref.ID, "POST", who)
	if err != nil {
		return err
	}
	w.put(rec, store.Condition{Absent: true})
	return nil
}

// rewrite replaces bundle-local references by those of the stored records.
func (w *work) rewrite(r *fhir.Resource) (*fhir.Resource, error) {
	edit := r.Edit()
	fhir.Walk(r.Root(), func(name string, v fhir.Value) {
		if name != "reference" && name != "url" {
			return
		}
		if ref, ok := w.names[localName(v.Text())]; ok {
			edit.Replace(v, fhir.Quote(ref.String()))
		}
	})
	return edit.Done()
}

// placeMessage places the entries of a message and what is attached to it, and
// checks where their references lead.
func (w *work) placeMessage(ctx context.Context, m *message, attached []Entry) ([]*entry, error) {
	entries := append([]*entry{}, m.entries...)
	for _, a := range attached {
		entries = append(entries, attachedEntry(a))
	}
	if err := w.place(ctx, entries); err != nil {
		return nil, err
	}
	m.checkReferences(entries)
	if err := w.checkLinks(ctx, m, nil); err != nil {
		return nil, err
	}
	return entries, w.checkForeign(ctx, m, nil)
}

// checkReferences looks for bundle-local references that name no entry. What
// they point at would be lost, so strict mode refuses them. Entries that mean a
// record of ours aren't written, so theirs don't matter: a sender returns them
// as they were offered, without all that they refer to.
func (m *message) checkReferences(entries []*entry) {
	known := map[string]bool{}
	for _, e := range entries {
		known[e.fullURL] = true
	}
	for _, e := range m.entries {
		if e.plan.link || e.typ == "Slot" || e.typ == "Schedule" {
			continue
		}
		fhir.Walk(e.res, func(name string, v fhir.Value) {
			if local := localName(v.Text()); name == "reference" && strings.HasPrefix(local, "urn:uuid:") && !known[local] {
				m.strictly(v.Path(), "the reference names no entry of this bundle")
			}
		})
	}
}
