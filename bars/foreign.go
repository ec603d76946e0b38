package bars

import (
	"context"
	"iter"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// A message may name records that we hold by relative reference: those of its own
// journey, of the booking or referral that it is linked with, and of our
// directory. Any other would hang what it says on another patient, or on what
// another sender said (design D12).

const foreignRecord = "the reference names a record of another journey"

// mention is a reference to what may be a record of ours.
type mention struct {
	ref      store.Ref
	text, at string
}

// mentions goes through the references of a resource to records of this system. An
// EpisodeOfCare is the name of a journey, not a record of one.
func (d *Desk) mentions(v fhir.Value) iter.Seq[mention] {
	return func(yield func(mention) bool) {
		done := false
		fhir.Walk(v, func(name string, v fhir.Value) {
			if done || name != "reference" {
				return
			}
			ref, ok := fhir.ParseReference(v.Text())
			if !ok || ref.Type == "" || ref.ID == "" || ref.Type == "EpisodeOfCare" || ref.Base != "" && ref.Base != d.base+"/" {
				return
			}
			done = !yield(mention{store.Ref{Type: ref.Type, ID: ref.ID}, v.Text(), v.Path()})
		})
	}
}

// checkForeign refuses references of what a message writes to records of another
// journey. x is the exchange that the message goes on with, nil for a new one.
func (w *work) checkForeign(ctx context.Context, m *message, x *exchange) error {
	judged := map[string]bool{} // checkLinks has judged these
	for _, member := range []string{"supportingInfo", "basedOn"} {
		for item := range m.focus.res.Get(member).Items() {
			judged[item.Get("reference").Path()] = true
		}
	}
	var list []mention
	var written []store.Ref
	for _, e := range m.entries {
		if e.plan.link || e.typ == "Slot" || e.typ == "Schedule" {
			continue
		}
		if e.plan.known {
			written = append(written, e.plan.ref)
		}
		for n := range w.d.mentions(e.res) {
			_, local := w.names[localName(n.text)]
			if !local && !(judged[n.at] && linkable(n.ref.Type)) {
				list = append(list, n)
			}
		}
	}
	if len(list) == 0 {
		return nil
	}
	own, err := w.journeyRecords(ctx, x, written)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(n mention) bool { return own[n.ref] })
	found, err := w.d.recordsOf(ctx, list)
	if err != nil {
		return err
	}
	for _, n := range list {
		rec := found[n.ref]
		if rec == nil {
			continue
		}
		if common, err := w.d.isCommon(rec); err != nil {
			return err
		} else if !common {
			m.broken(n.at, foreignRecord)
		}
	}
	return nil
}

// journeyRecords are the records that a message of this exchange may name: its
// own, those of what it is linked with, and what these and the records that it
// replaces name already.
func (w *work) journeyRecords(ctx context.Context, x *exchange, written []store.Ref) (map[store.Ref]bool, error) {
	own := map[store.Ref]bool{}
	x.records(own)
	for _, ref := range w.linked {
		own[ref] = true
		other, err := w.d.exchangeOf(ctx, ref)
		if err != nil {
			return nil, err
		}
		other.records(own)
	}
	found, err := w.d.getMany(ctx, append(slices.Clone(w.linked), written...))
	if err != nil {
		return nil, err
	}
	for _, rec := range found {
		r, err := fhir.Parse(rec.Body)
		if err != nil {
			return nil, err
		}
		for n := range w.d.mentions(r.Root()) {
			own[n.ref] = true
		}
	}
	return own, nil
}

// records adds those that the messages about one referral or booking have made.
func (x *exchange) records(own map[store.Ref]bool) {
	if x == nil {
		return
	}
	for _, name := range []string{x.Focus, x.Patient, x.Encounter, x.Planned, x.SenderRef, x.ReceiverRef} {
		own[refOf(name)] = true
	}
	for _, list := range []map[string]string{x.Parts, x.Answers, x.Theirs} {
		for _, name := range list {
			own[refOf(name)] = true
		}
	}
}

// maxOutside bounds the records outside its journey that a request may name.
const maxOutside = 500

// recordsOf reads the records that references lead to.
func (d *Desk) recordsOf(ctx context.Context, list []mention) (map[store.Ref]*store.Record, error) {
	found := map[store.Ref]*store.Record{}
	var refs []store.Ref
	for _, n := range list {
		if _, seen := found[n.ref]; !seen && fhir.ValidID(n.ref.ID) {
			found[n.ref] = nil
			refs = append(refs, n.ref)
		}
	}
	if len(refs) > maxOutside {
		return nil, fhir.NewOutcome(fhir.KindTooComplex, list[0].at, "at most "+itoa(maxOutside)+" records of this system may be named")
	}
	records, err := d.getMany(ctx, refs)
	for _, rec := range records {
		found[rec.Ref()] = rec
	}
	return found, err
}

// isCommon says whether a record is one of ours that is about no patient, such as
// those of the directory: anybody may name it.
func (d *Desk) isCommon(rec *store.Record) (bool, error) {
	if rec.Type == "Patient" || !isHosted(rec) {
		return false, nil
	}
	r, err := fhir.Parse(rec.Body)
	return err == nil && d.personOf(r).ID == "", err
}

func isHosted(rec *store.Record) bool {
	who, err := writtenBy(rec)
	return err == nil && who.Hosted
}

// personOf is the Patient of ours whom a record is about; the zero Ref where it is
// about none.
func (d *Desk) personOf(r *fhir.Resource) store.Ref {
	candidates := make([]fhir.Value, 0, 8)
	for _, name := range []string{"subject", "patient", "for", "beneficiary", "individual"} {
		candidates = append(candidates, r.Get(name, "reference"))
	}
	for participant := range r.Get("participant").Items() {
		candidates = append(candidates, participant.Dig("actor", "reference"))
	}
	for _, v := range candidates {
		if ref, ok := fhir.ParseReference(v.Text()); ok && ref.Type == "Patient" && (ref.Base == "" || ref.Base == d.base+"/") {
			return store.Ref{Type: ref.Type, ID: ref.ID}
		}
	}
	return store.Ref{}
}

// brings says what an entry is that a later message brings for a record of its
// exchange. A record of our directory, which an earlier message was linked with,
// is linked again, unless the entry says that it is another; it is never written.
func (w *work) brings(ctx context.Context, e *entry, ref store.Ref) error {
	found, err := w.d.store.GetMany(ctx, []store.Ref{ref})
	if err != nil {
		return err
	}
	if len(found) == 0 || !isHosted(found[0]) {
		w.mean(e, plan{ref: ref, known: true})
		return nil
	}
	held, err := fhir.Parse(found[0].Body)
	if err != nil {
		return err
	}
	if ids := canonicalIDs(e.res); len(ids) == 0 || shares(ids, canonicalIDs(held.Root())) {
		w.mean(e, plan{ref: ref, link: true})
	}
	return nil
}

func canonicalIDs(resource fhir.Value) []string {
	var out []string
	for id := range fhir.Identifiers(resource.Get("identifier")) {
		if id.Value != "" {
			out = append(out, nhs.Canonical(id.System)+"|"+id.Value)
		}
	}
	return out
}
