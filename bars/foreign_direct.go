package bars

import (
	"context"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// keepsPatient refuses that a write of plain FHIR makes a record that a sender
// brought, such as a referral, name what is another patient's, and a referral or
// booking what another journey's message brought, apart from those that may be
// linked. What it named before stays.
func (w *work) keepsPatient(ctx context.Context, r, before *fhir.Resource, current *store.Record) error {
	if before == nil || !isBrought(current) {
		return nil
	}
	had := map[store.Ref]bool{}
	for n := range w.d.mentions(before.Root()) {
		had[n.ref] = true
	}
	list := slices.DeleteFunc(slices.Collect(w.d.mentions(r.Root())), func(n mention) bool { return had[n.ref] })
	person := w.d.personOf(before)
	if len(list) == 0 || person.ID == "" {
		return nil
	}
	found, err := w.d.recordsOf(ctx, list)
	if err != nil {
		return err
	}
	others, err := w.d.ofOthers(ctx, found, person)
	if err != nil {
		return err
	}
	x, err := w.d.exchangeOf(ctx, current.Ref())
	if err != nil {
		return err
	}
	own := map[store.Ref]bool{}
	x.records(own)
	o := &fhir.Outcome{Kind: fhir.KindProcessing}
	for _, n := range list {
		switch rec := found[n.ref]; {
		case rec == nil:
		case others[n.ref]:
			o.Add(n.at, "the reference names a record of another patient")
		case x != nil && !own[n.ref] && rec.Type != "Patient" && !linkable(rec.Type) && isBrought(rec):
			o.Add(n.at, foreignRecord)
		}
	}
	return o.OrNil()
}

// isBrought says whether a record belongs to a service: a message brought it, or it
// is a booking or referral for one.
func isBrought(rec *store.Record) bool {
	if rec == nil {
		return false
	}
	who, err := writtenBy(rec)
	return err == nil && who.Service != "" && !who.Hosted
}

// ofOthers says which records are about another person than a Patient record is.
// Each journey brings a Patient of its own; two are one person where both have the
// same NHS number. Of a Patient who isn't here nothing is known.
func (d *Desk) ofOthers(ctx context.Context, found map[store.Ref]*store.Record, patient store.Ref) (map[store.Ref]bool, error) {
	about := map[store.Ref]store.Ref{}
	wanted := []store.Ref{patient}
	for ref, rec := range found {
		if rec == nil {
			continue
		}
		person := ref
		if ref.Type != "Patient" {
			r, err := fhir.Parse(rec.Body)
			if err != nil {
				return nil, err
			}
			person = d.personOf(r)
		}
		if person.ID == "" || person == patient {
			continue
		}
		about[ref] = person
		if !slices.Contains(wanted, person) {
			wanted = append(wanted, person)
		}
	}
	if len(about) == 0 {
		return nil, nil
	}
	records, err := d.getMany(ctx, wanted)
	if err != nil {
		return nil, err
	}
	patients := map[store.Ref]*fhir.Resource{}
	for _, rec := range records {
		if patients[rec.Ref()], err = fhir.Parse(rec.Body); err != nil {
			return nil, err
		}
	}
	others := map[store.Ref]bool{}
	for ref, person := range about {
		mine, theirs := patients[patient], patients[person]
		others[ref] = mine != nil && theirs != nil && !isOnePerson(mine, theirs)
	}
	return others, nil
}

func isOnePerson(a, b *fhir.Resource) bool {
	number := nhs.NHSNumberOf(a)
	born, other := a.Get("birthDate").Text(), b.Get("birthDate").Text()
	return number != "" && number == nhs.NHSNumberOf(b) && (strings.HasPrefix(born, other) || strings.HasPrefix(other, born))
}

// foreign refuses that a posted booking or referral names what its sender may not
// see or what is another patient's.
func (m *managed) foreign(ctx context.Context) error {
	list := slices.Collect(m.w.d.mentions(m.sent.Root()))
	list = slices.DeleteFunc(list, func(n mention) bool { return n.ref.Type == "Slot" || n.ref.Type == "Schedule" })
	found, err := m.w.d.recordsOf(ctx, list)
	if err != nil {
		return err
	}
	others, err := m.w.d.ofOthers(ctx, found, m.w.d.personOf(m.sent))
	if err != nil {
		return err
	}
	o := &fhir.Outcome{Kind: fhir.KindInvariant}
	for _, n := range list {
		rec := found[n.ref]
		if rec == nil {
			continue
		}
		if common, err := m.w.d.isCommon(rec); err != nil {
			return err
		} else if !common && (others[n.ref] || !maySee(rec, m.req.Caller.Organisation)) {
			o.Add(n.at, "the reference names a record of another patient, or one that the organisation may not see")
		}
	}
	return o.OrNil()
}
